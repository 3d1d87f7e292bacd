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

/// A p value as it is written in a sentence: `= 0.031`; `≤ 0.025` where none of so many draws reaches as far, as no
/// less can be told apart with them; else `< 0.001` below that. Never 0.
#[must_use]
pub fn p_said(p: f64, draws: Option<usize>) -> String {
    let cell = p_cell(p, draws);
    if cell.starts_with(['<', '≤']) { cell } else { format!("= {cell}") }
}

/// As [`p_said`], without the sign of equality, for a column. The one way to write a p.
#[must_use]
pub fn p_cell(p: f64, draws: Option<usize>) -> String {
    match draws.map(|n| permutation_p(0, n)).filter(|floor| p <= floor * (1.0 + 1e-9)) {
        Some(floor) => {
            // One digit that counts; the margin lets 1/1001 be 0.001.
            let digits = (3..20).find(|d| floor >= 0.955 * 10.0_f64.powi(-d)).unwrap_or(20);
            format!("≤ {floor:.*}", digits as usize)
        }
        None if p < 0.001 => "< 0.001".into(),
        None => format!("{p:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_p_is_written_as_nothing() {
        assert_eq!(p_said(0.0312, Some(39)), "= 0.031");
        assert_eq!(p_said(1.0 / 40.0, Some(39)), "≤ 0.025");
        assert_eq!(p_said(1.0 / 2001.0, Some(2000)), "≤ 0.0005");
        assert_eq!(p_said(1.0 / 1001.0, Some(1000)), "≤ 0.001");
        assert_eq!(p_said(2.0 / 10_001.0, Some(10_000)), "< 0.001");
        assert_eq!(p_said(1.0 / 10_001.0, Some(10_000)), "≤ 0.0001");
        assert_eq!(p_said(0.0, None), "< 0.001");
        assert_eq!((p_cell(0.5, None), p_cell(0.0004, None)), ("0.500".into(), "< 0.001".into()));
    }
}
