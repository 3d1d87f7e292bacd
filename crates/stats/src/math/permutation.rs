//! The one rule of every permutation test.

/// `(1 + reached) / (1 + draws)`: the observed arrangement counts as a draw of its own (Phipson and Smyth 2010,
/// "Permutation p-values should never be zero").
#[must_use]
pub fn permutation_p(reached: usize, draws: usize) -> f64 {
    (1 + reached) as f64 / (1 + draws) as f64
}

/// Whether a drawn statistic reaches the one seen. Equal statistics may differ in their last bits; ties count
/// against the claim.
#[must_use]
pub fn reaches(drawn: f64, seen: f64) -> bool {
    drawn >= seen - 1e-12 * (1.0 + seen.abs())
}
