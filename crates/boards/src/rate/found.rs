//! What ratings say, once the key is open.

use serde::Serialize;

use crate::judge::Agreed;
use truenorth_data::Copies;
use truenorth_reading::stat::Number;

/// One rater's answers, unblinded and counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RaterResult {
    /// Name of the rater.
    pub rater: String,
    /// Items rated, ties included.
    pub rated: usize,
    /// Items left blank.
    pub blank: usize,
    /// Items of the key that the sheet has no row of.
    pub missing: usize,
    /// Items rated as a tie.
    pub ties: usize,
    /// Share of decided items won by the steered text, against one half (sign test); none without one.
    pub steered: Option<Number>,
    /// Share of decided items given to the left side, against one half: a habit, whatever the texts.
    pub left: Option<Number>,
    /// Wilcoxon's signed-rank p, where strengths were given.
    pub signed_rank_p: Option<f64>,
}

impl RaterResult {
    /// Rows of the rater's sheet.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rated + self.blank
    }
}

/// One item over all raters, unblinded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RatedItem {
    /// Name of the item.
    pub id: String,
    /// Mean strength for the steered text over the raters who rated it.
    pub steered: f64,
    /// Raters behind it.
    pub raters: usize,
    /// Raters whose sheet shows other texts than those given out.
    pub altered: usize,
}

/// Whether a prediction held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictionResult {
    /// Name of the prediction.
    pub id: String,
    /// What was predicted, in words.
    pub claim: String,
    /// Whether the share is where it was expected.
    pub held: bool,
    /// Whether the whole interval is.
    pub clear: bool,
}

/// What people said who rated without knowing, once the key is opened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unblinded {
    /// The question that raters were asked.
    pub question: String,
    /// Copies and near copies that were left out of the sheet; none where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<Copies>,
    /// Clusters that rated items make which share a prompt or a text or are near copies; none where each is of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<usize>,
    /// The prompt that all rated items have, which tells none from another; none where they have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_prompt: Option<String>,
    /// The registration that came before; none for sheets of other programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_sha256: Option<String>,
    /// When it was made, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<String>,
    /// Share of decided items won by the steered text, an item counting once however many rated it; the
    /// null is one half, exact (sign test).
    pub steered: Number,
    /// Items without a majority either way.
    pub ties: usize,
    /// Wilcoxon's signed-rank p over the items' mean strengths.
    pub signed_rank_p: Option<f64>,
    /// A row a prediction, in the order registered.
    pub predictions: Vec<PredictionResult>,
    /// A row a rater.
    pub raters: Vec<RaterResult>,
    /// Agreement of every two raters who share at least two items.
    pub agreement: Vec<Agreed>,
    /// A row an item.
    pub items: Vec<RatedItem>,
    /// What the ratings do not show, a sentence each.
    pub not_shown: Vec<String>,
}

impl Unblinded {
    /// What a reader must know of which items belong together, a sentence each.
    pub(super) fn clusters_said(&self) -> Vec<String> {
        let rated = self.items.iter().filter(|i| i.raters > 0).count();
        let prompt = self.common_prompt.as_ref().map(|prompt| {
            let shown: String = prompt.chars().take(40).collect();
            format!("all rated items have the prompt `{shown}`, which tells none from another")
        });
        let clusters = self.clusters.map(|n| match n {
            1 => format!(
                "all {rated} rated items are one cluster, which a prompt, a text or near copies join: there is no interval and \
                 no p; have items of other prompts and texts rated"
            ),
            n => format!(
                "{rated} rated items make {n} clusters of a shared prompt, a shared text or near copies; intervals and p of \
                 wins are over clusters"
            ),
        });
        prompt.into_iter().chain(clusters).collect()
    }
}
