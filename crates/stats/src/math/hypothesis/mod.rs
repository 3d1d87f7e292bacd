//! Tests with their p values: each says its statistic, its n, how p was had and what it asks.
//!
//! Exact laws are used where they can be had, the approximations of the textbooks elsewhere, and
//! [`Method`] says which. Ties are corrected for; values without an answer are errors.

mod binomial;
mod change_point;
mod friedman;
mod kappa;
mod krippendorff;
mod mann_whitney;
mod self_normalised;
mod sign_agreement;
mod spearman;
mod trend;
mod wilcoxon;

pub use binomial::{Proportion, binomial_test, proportion};
pub use change_point::{ChangePoint, change_point};
pub use friedman::friedman;
pub use kappa::{Kappa, cohen_kappa, fleiss_kappa};
pub use krippendorff::{Distance, krippendorff_alpha};
pub use mann_whitney::mann_whitney;
pub use self_normalised::{SelfNormalised, self_normalised};
pub use sign_agreement::{SignAgreement, sign_agreement};
pub use spearman::{spearman_bootstrap, spearman_test};
pub use trend::{jonckheere_terpstra, page_trend};
pub use wilcoxon::wilcoxon_signed_rank;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// Which results count against the null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alternative {
    /// A difference either way.
    TwoSided,
    /// Larger than under the null.
    Greater,
    /// Smaller than under the null.
    Less,
}

/// How a p value was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// From the statistic's own law under the null.
    Exact,
    /// From its limit for large samples, corrected for ties.
    Asymptotic,
    /// From seeded random permutations, with the +1 correction.
    Permutation,
}

/// A statistic and its p value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// The statistic; each test's page says which.
    pub statistic: f64,
    /// The p value, in (0, 1].
    pub p: f64,
    /// Observations that went in.
    pub n: usize,
    /// How the p value was computed.
    pub method: Method,
    /// Which results it counts.
    pub alternative: Alternative,
}

/// The p value of a standard normal statistic.
fn normal_p(z: f64, alternative: Alternative) -> f64 {
    let law = Normal::standard();
    match alternative {
        Alternative::TwoSided => (2.0 * law.sf(z.abs())).min(1.0),
        Alternative::Greater => law.sf(z),
        Alternative::Less => law.cdf(z),
    }
}

/// The p value of a statistic with this law on `0..law.len()` at an integer.
fn discrete_p(law: &[f64], at: usize, alternative: Alternative) -> f64 {
    let at = at.min(law.len().saturating_sub(1));
    let upper = || law[at..].iter().sum::<f64>();
    let lower = || law[..=at].iter().sum::<f64>();
    let p = match alternative {
        Alternative::TwoSided => 2.0 * upper().min(lower()),
        Alternative::Greater => upper(),
        Alternative::Less => lower(),
    };
    p.min(1.0)
}

/// `f` summed over the sizes of the ties of some ranks or values.
fn over_ties(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(|tie| f(tie.len() as f64)).sum()
}

/// The next permutation in lexicographic order; `false` after the last.
fn next_permutation(order: &mut [usize]) -> bool {
    let Some(pivot) = (1..order.len()).rev().find(|i| order[i - 1] < order[*i]) else { return false };
    // The suffix descends, so its last entry above the pivot's is the smallest such.
    let swap = (pivot..order.len()).rev().find(|i| order[*i] > order[pivot - 1]).unwrap_or(pivot);
    order.swap(pivot - 1, swap);
    order[pivot..].reverse();
    true
}

#[cfg(test)]
mod tests;
