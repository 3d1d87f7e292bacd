//! What a judge said.

use serde::{Deserialize, Serialize};

use super::{Agreed, Markup, Verdicts};
use truenorth_data::Copies;
use truenorth_reading::SpeechRecord;
use truenorth_reading::sentence::named;
use truenorth_reading::stat::Number;

/// A verdict on two texts, or on one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeVerdict {
    /// The first text; of one text, yes.
    First,
    /// The second text; of one text, no.
    Second,
    /// No opinion: too close, contradictory, or no answer.
    Abstain,
}

/// When a judge counts as having no opinion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NoOpinionBand {
    /// The least preference in nats of log-odds.
    pub least_preference: f64,
    /// The least probability of the two answers together, in each asking.
    pub least_mass: f64,
}

impl Default for NoOpinionBand {
    /// A preference of at least 0.2 nats (55 to 45), a probability of at least 0.05.
    fn default() -> Self {
        Self { least_preference: 0.2, least_mass: 0.05 }
    }
}

/// What a judge said of one thing, asked twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgedItem {
    /// Name of what was judged.
    pub id: String,
    /// Log-odds of the first answer over the second, in each asking.
    pub log_odds: [f64; 2],
    /// Probability of the two answers together, in each asking.
    pub mass: [f64; 2],
    /// Half the difference of the log-odds: above 0 for the first text, or for yes.
    pub preference: f64,
    /// Half their sum: what the judge answers whatever the texts.
    pub bias: f64,
    /// Which side the preference falls on, or none.
    pub verdict: JudgeVerdict,
    /// Why it abstains: `no answer`, `contradicts itself`, `too close`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
    /// The earlier one of which it is a copy or near copy, and with which it counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_with: Option<String>,
}

/// All that one judge said, and what it amounts to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// Name of the judge.
    pub judge: String,
    /// Revision of its weights.
    pub revision: String,
    /// The criterion or question that it was asked about.
    pub question: String,
    /// When it counts as having no opinion.
    pub band: NoOpinionBand,
    /// The copies among what was judged; all shares and means below count them once.
    pub copies: Copies,
    /// Duels whose two texts are the same, letter case and spaces aside: they were not put before the judge and count
    /// nowhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub same_texts: Vec<String>,
    /// Clusters that the duels make which share a prompt or a text or are near copies; none where each is of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<usize>,
    /// Share of verdicts for the first text (or yes) among the verdicts given. Of two texts its null is
    /// one half; of a question about one text there is none. None where the judge always abstains.
    pub first: Option<Number>,
    /// Share that it abstains from.
    pub abstained: Number,
    /// Abstentions by reason, in words.
    pub reasons: Vec<(String, usize)>,
    /// Share of pairs of askings that agree with each other, of those that got an answer. The null is a
    /// judge who picks its answers without reading, as often as this one does. None without an answer.
    pub consistency: Option<Number>,
    /// Mean bias in nats, with signs turned at random for its null. Of two texts: towards whatever is
    /// named first; of one: towards yes.
    pub bias: Number,
    /// Mean preference in nats, with signs turned at random for its null.
    pub preference: Number,
    /// A row a thing judged.
    pub rows: Vec<JudgedItem>,
    /// What the verdicts do not show, a sentence each.
    pub not_shown: Vec<String>,
}

/// Which duels were left out because their texts are the same; none where none were.
pub(super) fn same_said(ids: &[String]) -> Option<String> {
    let each: Vec<&str> = ids.iter().map(String::as_str).collect();
    (!ids.is_empty()).then(|| {
        format!(
            "left out: {} whose two texts are the same, letter case and spaces aside: {}",
            if ids.len() == 1 { "1 duel".to_owned() } else { format!("{} duels", ids.len()) },
            named(&each)
        )
    })
}

impl Judgement {
    /// What joins duels into clusters, and what follows from it; none where each is of its own.
    pub(super) fn clusters_said(&self) -> Option<String> {
        let rows = self.rows.iter().filter(|r| r.counted_with.is_none()).count();
        Some(match self.clusters? {
            1 => format!(
                "all {rows} duels are one cluster, which a prompt, a text or near copies join: there is no interval and no p; \
                 judge duels of other prompts and texts"
            ),
            n => format!(
                "{rows} duels make {n} clusters of a shared prompt, a shared text or near copies; intervals and p are over \
                 clusters"
            ),
        })
    }

    /// The verdicts by name, of copies the first.
    #[must_use]
    pub fn verdicts(&self) -> Verdicts {
        let stands = self.rows.iter().filter(|r| r.counted_with.is_none());
        Verdicts { judge: self.judge.clone(), verdicts: stands.map(|r| (r.id.clone(), r.verdict)).collect() }
    }
}

/// The verdicts of a group, such as of a dose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupVerdicts {
    /// Name of the group.
    pub group: String,
    /// Its number, where the group is one, such as a dose.
    pub at: Option<f64>,
    /// Share for the first text, or of yes, among the verdicts given; none where all are abstentions.
    pub first: Option<Number>,
    /// Share of abstentions.
    pub abstained: Number,
}

/// All that a judge said, by groups and beside others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgeSummary {
    /// Its verdicts and what they amount to.
    pub judgement: Judgement,
    /// By group; empty where nothing is grouped.
    pub groups: Vec<GroupVerdicts>,
    /// Agreement of every two judges; empty where there is one.
    pub agreement: Vec<Agreed>,
    /// The markup that the judge was asked in.
    #[serde(skip)]
    pub markup: Markup,
    /// How texts were put before it, where not as they are.
    #[serde(skip)]
    pub speech: Option<SpeechRecord>,
    /// The two answers whose probabilities were read.
    #[serde(skip)]
    pub answers: [String; 2],
}
