//! Estimators by the names that flags and files use, with their usual hyperparameters.

use std::str::FromStr;

use super::probing::ProbeEstimator;
use super::{Estimator, LogisticParams};

/// A name that no estimator has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{name}`; use {known}")]
pub struct UnknownEstimator {
    what: &'static str,
    name: String,
    known: &'static str,
}

impl FromStr for Estimator {
    type Err = UnknownEstimator;

    fn from_str(name: &str) -> Result<Self, UnknownEstimator> {
        match name {
            "logistic" => Ok(Self::Logistic(LogisticParams::default())),
            "mean-diff" => Ok(Self::MeanDiff),
            "lda" => Ok(Self::Lda { shrinkage: None }),
            "pca" => Ok(Self::Pca),
            _ => Err(UnknownEstimator {
                what: "estimator",
                name: name.to_owned(),
                known: "logistic, mean-diff, lda or pca",
            }),
        }
    }
}

impl FromStr for ProbeEstimator {
    type Err = UnknownEstimator;

    fn from_str(name: &str) -> Result<Self, UnknownEstimator> {
        match name {
            "logistic" => Ok(Self::Logistic { alphas: LogisticParams::default().alphas }),
            "mean-diff" => Ok(Self::MeanDiff),
            "lda" => Ok(Self::Lda { shrinkage: None }),
            _ => Err(UnknownEstimator {
                what: "probe",
                name: name.to_owned(),
                known: "logistic, mean-diff or lda",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_estimators_give_themselves() {
        for name in ["logistic", "mean-diff", "lda", "pca"] {
            assert_eq!(name.parse::<Estimator>().unwrap().name(), name);
        }
        for name in ["logistic", "mean-diff", "lda"] {
            assert_eq!(name.parse::<ProbeEstimator>().unwrap().name(), name);
        }
        let none = "pca".parse::<ProbeEstimator>().unwrap_err().to_string();
        assert!(none.contains("no probe `pca`") && none.contains("mean-diff"), "{none}");
    }
}
