//! Copies as they are counted and named.

use serde::{Deserialize, Serialize};

use super::opening::SharedOpening;

/// From which Jaccard similarity of their word sets on two texts are near copies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearCopies(f64);

impl NearCopies {
    /// A threshold above 0 and up to 1, where only texts of the same words are near copies.
    ///
    /// # Errors
    /// With any other number.
    pub fn new(threshold: f64) -> Result<Self, CopiesError> {
        if threshold > 0.0 && threshold <= 1.0 {
            Ok(Self(threshold))
        } else {
            Err(CopiesError::Threshold(threshold))
        }
    }

    /// The least Jaccard similarity of near copies, in (0, 1].
    #[must_use]
    pub fn threshold(self) -> f64 {
        self.0
    }
}

impl Default for NearCopies {
    fn default() -> Self {
        Self(0.8)
    }
}

impl std::str::FromStr for NearCopies {
    type Err = CopiesError;

    fn from_str(s: &str) -> Result<Self, CopiesError> {
        Self::new(s.trim().parse().map_err(|_| CopiesError::Threshold(f64::NAN))?)
    }
}

/// Rows that contradict each other, or a threshold that means nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CopiesError {
    /// The same content under two labels.
    #[error("{}", opposite(unit, first, second, labels.as_ref()))]
    Opposite {
        /// `pairs`, `texts`, `duels` or `items`.
        unit: &'static str,
        /// Id of the earlier row.
        first: String,
        /// Id of the later row.
        second: String,
        /// Their labels; none for pairs and duels, whose sides are exchanged.
        labels: Option<[String; 2]>,
    },
    /// A threshold that is none.
    #[error("the threshold of near copies is {0}; expected a number above 0 and up to 1")]
    Threshold(f64),
}

fn opposite(unit: &str, first: &str, second: &str, labels: Option<&[String; 2]>) -> String {
    match labels {
        None if unit == "pairs" => {
            format!("pair `{second}` is pair `{first}` with `chosen` and `rejected` exchanged")
        }
        None => format!("of the {unit} `{second}` is `{first}` with its two texts exchanged"),
        Some([a, b]) => format!(
            "{unit} `{first}` and `{second}` say the same, letter case and spaces aside, and are {} `{a}` and `{b}`",
            if unit == "sequences" { "of the kinds" } else { "labelled" }
        ),
    }
}

impl CopiesError {
    /// A remedy, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Opposite { unit: "duels" | "items", first, second, .. } => Some(format!(
                "take `{first}` or `{second}` out: one is enough, since both orders are shown anyway"
            )),
            Self::Opposite { first, second, .. } => {
                Some(format!("correct one of the two, or take `{first}` or `{second}` out"))
            }
            Self::Threshold(_) => None,
        }
    }
}

fn of_clusters(n: usize) -> String {
    if n == 1 { "1 cluster".into() } else { format!("{n} clusters") }
}

/// How many ids are named.
const NAMED: usize = 4;

/// What was found of copies and near copies among some rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Copies {
    /// `pairs`, `texts`, `sequences`, `prompts`, `duels`, `items` or `replies`.
    pub unit: String,
    /// Rows that were looked at.
    pub rows: usize,
    /// Copies of an earlier row.
    pub exact: usize,
    /// Of these, copies of a row of another axis or category.
    #[serde(default)]
    pub elsewhere: usize,
    /// Some of them, each with the row that it is a copy of.
    pub exact_ids: Vec<[String; 2]>,
    /// Rows that have a near copy.
    pub near: usize,
    /// Clusters that these make.
    pub near_clusters: usize,
    /// The ids of some of these clusters.
    pub near_ids: Vec<Vec<String>>,
    /// Clusters in all, near copies, shared prompts, shared responses and groups joined; what is held out and resampled.
    pub clusters: usize,
    /// The least Jaccard similarity of near copies.
    pub threshold: f64,
    /// The prompt that all pairs have; none where they have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_prompt: Option<String>,
    /// The responses that all pairs have on a side, each with the side, `chosen` or `rejected`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub common_responses: Vec<(String, String)>,
    /// What the rows of the largest cluster of near copies begin or end with, where that joins them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<SharedOpening>,
}

impl Copies {
    pub(super) fn new(
        unit: &str,
        rows: usize,
        exact: Vec<[String; 2]>,
        near: Vec<Vec<String>>,
        cluster: &[usize],
        threshold: NearCopies,
    ) -> Self {
        Self {
            unit: unit.to_owned(),
            rows,
            exact: exact.len(),
            elsewhere: 0,
            exact_ids: exact.into_iter().take(NAMED).collect(),
            near: near.iter().map(Vec::len).sum(),
            near_clusters: near.len(),
            near_ids: near.into_iter().take(NAMED).map(|c| c.into_iter().take(NAMED).collect()).collect(),
            clusters: truenorth_stats::math::dense_count(cluster),
            threshold: threshold.threshold(),
            common_prompt: None,
            common_responses: vec![],
            opening: None,
        }
    }

    /// What a reader must know before any number: a sentence for each kind of copy that there is.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let Self { unit, rows, exact, near, near_clusters, clusters, threshold, .. } = self;
        let kept = rows - exact;
        let mut out = Vec::new();
        if *exact > 0 {
            let named: Vec<String> = self.exact_ids.iter().map(|[a, b]| format!("`{a}` of `{b}`")).collect();
            let all = if named.len() < *exact { "first " } else { "" };
            out.push(format!(
                "{exact} of {rows} {unit} are copies, letter case and spaces aside, and count once ({all}{})",
                named.join(", ")
            ));
        }
        if self.elsewhere > 0 {
            let place = if unit == "pairs" { "axis" } else { "category" };
            out.push(format!(
                "{} of these copies stand under another {place}; each is one observation all the same",
                self.elsewhere
            ));
        }
        if *near > 0 {
            let named: Vec<String> = self.near_ids.iter().map(|c| format!("`{}`", c.join("`, `"))).collect();
            let all = if named.len() < *near_clusters { "first " } else { "" };
            out.push(format!(
                "{near} {unit} are near copies (Jaccard similarity of their words {threshold} or more) in {} ({all}{})",
                of_clusters(*near_clusters),
                named.join("; ")
            ));
        }
        if let Some(opening) = &self.opening {
            out.push(opening.sentence(unit));
        }
        if let Some(prompt) = &self.common_prompt {
            let shown: String = prompt.chars().take(40).collect();
            out.push(format!("all {unit} have the prompt `{shown}`, which tells none from another"));
        }
        for (side, response) in &self.common_responses {
            let shown: String = response.chars().take(40).collect();
            out.push(format!(
                "all {unit} have the {side} response `{shown}`: what tells them apart may be this one text"
            ));
        }
        if *clusters < kept && !["pairs", "texts"].contains(&unit.as_str()) {
            out.push(format!("what is said of all {unit} rests on {clusters}, the first of each cluster"));
        } else if *clusters < kept {
            out.push(format!(
                "{kept} {unit} make {} of near copies, shared prompts, shared responses and groups; a cluster is held out, \
                 relabelled and resampled as one",
                of_clusters(*clusters)
            ));
        }
        out
    }
}
