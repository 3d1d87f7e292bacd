//! Predictions, bound to a seal before the key is opened.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::SheetSeal;
use truenorth_files::sha256_hex;
use truenorth_reading::AnalysisError;

/// What is expected of the ratings, written down before the key is opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatingPrediction {
    /// The id of the prediction, unique among them.
    pub id: String,
    /// What is predicted, in words.
    pub claim: String,
    /// The share of decided items won by the steered text is expected above this.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub share_above: Option<f64>,
    /// The share is expected below this.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub share_below: Option<f64>,
}

/// Predictions bound to a seal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatingRegistration {
    /// The hashes of the sheet and of its key.
    pub seal: SheetSeal,
    /// What is predicted; empty for sheets of another program.
    pub predictions: Vec<RatingPrediction>,
    /// When they were made, as the caller says it.
    pub registered_at: String,
    /// SHA-256 of the seal, the predictions and the time; any later change shows.
    pub sha256: String,
}

/// Registers predictions. Publish the registration's hash before the ratings come in: this file alone
/// does not prove when it was made.
///
/// # Errors
/// Without predictions, or with one that names no bound, an impossible one, or a name used before.
pub fn register(
    seal: &SheetSeal,
    predictions: &[RatingPrediction],
    registered_at: &str,
) -> Result<RatingRegistration, AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    if predictions.is_empty() {
        return refuse("no predictions; register at least one before the key is opened".into());
    }
    let mut seen = HashSet::new();
    for p in predictions {
        let bounds: Vec<f64> = p.share_above.into_iter().chain(p.share_below).collect();
        if bounds.is_empty() || bounds.iter().any(|b| !(0.0..=1.0).contains(b)) {
            return refuse(format!("prediction `{}` needs share_above or share_below, from 0 to 1", p.id));
        }
        if let Some((above, below)) = p.share_above.zip(p.share_below)
            && above >= below
        {
            return refuse(format!(
                "prediction `{}` can't come true: no share is above {above} and below {below}; give a share_above \
                 less than its share_below",
                p.id
            ));
        }
        if !seen.insert(&p.id) {
            return refuse(format!("prediction `{}` is there twice; give each an id of its own", p.id));
        }
    }
    let mut out = RatingRegistration {
        seal: seal.clone(),
        predictions: predictions.to_vec(),
        registered_at: registered_at.to_owned(),
        sha256: String::new(),
    };
    out.sha256 = out.hash()?;
    Ok(out)
}

impl RatingRegistration {
    /// None made: of ratings whose key was never sealed here.
    pub(super) fn none(seal: SheetSeal) -> Result<Self, AnalysisError> {
        let mut out = Self { seal, predictions: vec![], registered_at: String::new(), sha256: String::new() };
        out.sha256 = out.hash()?;
        Ok(out)
    }

    /// The hash of everything but the hash.
    pub(super) fn hash(&self) -> Result<String, AnalysisError> {
        let bytes = serde_json::to_vec(&(&self.seal, &self.predictions, &self.registered_at))
            .map_err(|e| AnalysisError::Input(format!("the registration can't be written: {e}")))?;
        Ok(sha256_hex(&bytes))
    }
}
