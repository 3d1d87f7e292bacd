//! What is known of a direction, as a map of strings.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use truenorth_protocol::Site;

use super::error::DirectionError;
use super::nuisance::NuisanceTexts;
use truenorth_stats::estimate::{Estimate, Estimator, HeldOut, ProjectedOut, SplitBy};

/// Name of the format in the metadata.
const FORMAT: &str = "truenorth-direction";
/// Version written and the latest version read.
const VERSION: u32 = 1;

/// How layers are counted in `site`.
pub const LAYER_CONVENTION: &str = "blocks count from 0; resid_post.L is the output of block L, hidden_states[L+1] \
     of Hugging Face (for the last block: before the final norm)";

/// What a file says of a direction beside its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectionMetadata {
    /// How it came to be: `pairs`, `classes` or `imported`.
    pub operation: String,
    /// The site at which the direction was found.
    pub site: Site,
    /// What a positive projection means, in words.
    pub sign: String,
    /// The estimator with its hyperparameters; `None` for an imported direction.
    pub estimator: Option<Estimator>,
    /// SHA-256 of the data it was estimated from, or of the file it was imported from.
    pub data_sha256: String,
    /// Name of the model; `None` where an import does not know.
    pub model: Option<String>,
    /// Revision of the model, or content identity of its weights.
    pub revision: Option<String>,
    /// Numeric path that computed the activations, such as `engine/f32`.
    pub path: Option<String>,
    /// Mean norm of the residual at the site over neutral prompts.
    pub residual_norm: Option<f64>,
    /// Template that made texts of pairs.
    pub template: Option<String>,
    /// Positions read, such as `last`.
    pub positions: Option<String>,
    /// What was projected out, with cosines before and after.
    pub projected_out: Vec<ProjectedOut>,
    /// The texts that a nuisance was projected out with, by its name in `projected_out`; empty where a file
    /// does not say.
    pub projected_with: BTreeMap<String, NuisanceTexts>,
    /// Pairs (or rows of classes) it was estimated from.
    pub n: Option<usize>,
    /// How well it separated rows it was not fitted on, once for each way to hold out; empty where that is not known.
    pub held_out: Vec<HeldOutRecord>,
    /// Version of truenorth that made it.
    pub truenorth_version: String,
    /// Other entries of the file, kept as they are.
    pub extra: BTreeMap<String, String>,
}

/// Held-out separation without the scores of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOutRecord {
    /// What was never split between folds.
    pub by: SplitBy,
    /// Folds that rows were dealt to.
    pub folds: usize,
    /// Units kept together, the clusters of the intervals.
    pub units: usize,
    /// AUROC of the held-out rows.
    pub auroc: Estimate,
    /// Share of pairs in the right order.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub paired_accuracy: Option<Estimate>,
    /// Permutations of the null and the p-value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub permutations_p: Option<(usize, f64)>,
}

impl From<&HeldOut> for HeldOutRecord {
    fn from(h: &HeldOut) -> Self {
        Self {
            by: h.by,
            folds: h.folds,
            units: h.units,
            auroc: h.auroc,
            paired_accuracy: h.paired_accuracy,
            permutations_p: h.null.map(|n| (n.permutations, n.p)),
        }
    }
}

impl DirectionMetadata {
    /// Metadata with what every direction must say, the rest empty.
    #[must_use]
    pub fn new(operation: &str, site: Site, sign: &str, data_sha256: &str) -> Self {
        Self {
            operation: operation.to_owned(),
            site,
            sign: sign.to_owned(),
            estimator: None,
            data_sha256: data_sha256.to_owned(),
            model: None,
            revision: None,
            path: None,
            residual_norm: None,
            template: None,
            positions: None,
            projected_out: Vec::new(),
            projected_with: BTreeMap::new(),
            n: None,
            held_out: Vec::new(),
            truenorth_version: env!("CARGO_PKG_VERSION").to_owned(),
            extra: BTreeMap::new(),
        }
    }

    pub(super) fn check(&self) -> Result<(), DirectionError> {
        for (key, value) in
            [("operation", &self.operation), ("sign", &self.sign), ("data_sha256", &self.data_sha256)]
        {
            if value.trim().is_empty() {
                return Err(DirectionError::Missing(key));
            }
        }
        if self.site == Site::Logits {
            return Err(DirectionError::Metadata {
                key: "site",
                value: "logits".to_owned(),
                expected: "a site of the model's hidden size",
            });
        }
        if self.operation != "imported" {
            // What this program estimated itself it can name in full.
            let given = [
                ("estimator", self.estimator.is_some()),
                ("model", self.model.is_some()),
                ("revision", self.revision.is_some()),
                ("path", self.path.is_some()),
                ("positions", self.positions.is_some()),
                ("n", self.n.is_some()),
            ];
            if let Some((key, _)) = given.iter().find(|(_, there)| !there) {
                return Err(DirectionError::Missing(key));
            }
        }
        Ok(())
    }

    /// As a map of strings, the form of safetensors metadata.
    #[must_use]
    pub fn to_map(&self) -> HashMap<String, String> {
        let mut map: HashMap<String, String> = self.extra.clone().into_iter().collect();
        let mut put = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                map.insert(key.to_owned(), value);
            }
        };
        put("format", Some(FORMAT.to_owned()));
        put("format_version", Some(VERSION.to_string()));
        put("operation", Some(self.operation.clone()));
        put("site", Some(self.site.to_string()));
        put("layer_convention", Some(LAYER_CONVENTION.to_owned()));
        put("sign", Some(self.sign.clone()));
        put("estimator", self.estimator.as_ref().map(json));
        put("data_sha256", Some(self.data_sha256.clone()));
        put("model", self.model.clone());
        put("revision", self.revision.clone());
        put("path", self.path.clone());
        put("residual_norm", self.residual_norm.as_ref().map(json));
        put("template", self.template.clone());
        put("positions", self.positions.clone());
        put("projected_out", Some(json(&self.projected_out)));
        if !self.projected_with.is_empty() {
            put("projected_with", Some(json(&self.projected_with)));
        }
        put("n", self.n.as_ref().map(json));
        put("held_out", Some(json(&self.held_out)));
        put("truenorth_version", Some(self.truenorth_version.clone()));
        map
    }

    /// Whether a map claims to be of this format.
    pub(super) fn is_own(map: &HashMap<String, String>) -> bool {
        map.get("format").is_some_and(|f| f == FORMAT)
    }

    /// Back from a map of strings.
    pub(super) fn from_map(mut map: HashMap<String, String>) -> Result<Self, DirectionError> {
        match map.remove("format") {
            Some(f) if f == FORMAT => {}
            Some(value) => {
                return Err(DirectionError::Metadata {
                    key: "format",
                    value,
                    expected: "`truenorth-direction`",
                });
            }
            None => return Err(DirectionError::Missing("format")),
        }
        let version = take(&mut map, "format_version")?;
        if version.parse::<u32>().is_ok_and(|v| v == 0 || v > VERSION) || version.parse::<u32>().is_err() {
            return Err(DirectionError::Version { found: version, known: VERSION });
        }
        let site = take(&mut map, "site")?;
        take(&mut map, "layer_convention")?;
        Ok(Self {
            operation: take(&mut map, "operation")?,
            site: site.parse().map_err(|_| DirectionError::Metadata {
                key: "site",
                value: site,
                expected: "a site such as resid_post.12",
            })?,
            sign: take(&mut map, "sign")?,
            estimator: parsed(&mut map, "estimator")?,
            data_sha256: take(&mut map, "data_sha256")?,
            model: map.remove("model"),
            revision: map.remove("revision"),
            path: map.remove("path"),
            residual_norm: parsed(&mut map, "residual_norm")?,
            template: map.remove("template"),
            positions: map.remove("positions"),
            projected_out: parsed(&mut map, "projected_out")?.unwrap_or_default(),
            projected_with: parsed(&mut map, "projected_with")?.unwrap_or_default(),
            n: parsed(&mut map, "n")?,
            held_out: parsed(&mut map, "held_out")?.unwrap_or_default(),
            truenorth_version: take(&mut map, "truenorth_version")?,
            extra: map.into_iter().collect(),
        })
    }
}

fn take(map: &mut HashMap<String, String>, key: &'static str) -> Result<String, DirectionError> {
    map.remove(key).ok_or(DirectionError::Missing(key))
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain structures, whose maps have text for keys, are JSON")
}

fn parsed<T: DeserializeOwned>(
    map: &mut HashMap<String, String>,
    key: &'static str,
) -> Result<Option<T>, DirectionError> {
    let Some(text) = map.remove(key) else { return Ok(None) };
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(DirectionError::Metadata {
            key,
            value: text.chars().take(80).collect(),
            expected: "its JSON form",
        }),
    }
}
