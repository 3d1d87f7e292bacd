//! What an experiment found.

use serde::Serialize;
use truenorth_boards::judge::Agreed;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, Null, Number, of};

use super::arms::{Arm, EditEffect};
use super::flags::Flags;
use super::outcome::OutcomeKind;
use super::rating::RaterKind;

/// What an experiment found: its arms, outcomes, raters and verdicts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// Name and text of every prompt.
    pub prompts: Vec<(String, String)>,
    /// Clusters that near copies make of them.
    pub clusters: usize,
    /// The arms; the first is base.
    pub arms: Vec<ArmFound>,
    /// The place of the outcome that decides.
    pub primary: usize,
    /// Every outcome, in the order of reports.
    pub outcomes: Vec<OutcomeFound>,
    /// Judges and people, and whether they can be trusted.
    pub raters: Vec<RaterFound>,
    /// Ratings of the same base texts beside several arms, by rater and question.
    pub drift: Vec<Drift>,
    /// Agreement of judges and people, all arms together first.
    pub agreement: Vec<AgreedByArm>,
    /// Placebos of each edit.
    pub placebos: usize,
    /// Why there are too few of them for a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fewer: Option<String>,
    /// What each arm comes to, base left out.
    pub verdicts: Vec<ArmVerdict>,
    /// What may have made an effect, or a number that looks like one.
    pub artefacts: Vec<Artefact>,
    /// Whether each prediction held.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub predictions: Vec<Predicted>,
    /// `[arm][prompt]`, stripped of prefixes; none where nothing was written.
    pub texts: Vec<Vec<Option<ArmText>>>,
    /// What should be said with every result.
    pub notes: Vec<String>,
    /// What the experiment does not show, a sentence each.
    pub not_shown: Vec<String>,
}

/// A text that was written under an arm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArmText {
    /// The text, the prefix left out where it begins with it.
    pub text: String,
    /// What makes it doubtful.
    pub flags: Flags,
}

/// An arm with what is wrong with its texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmFound {
    /// The arm as results name it.
    #[serde(flatten)]
    pub arm: Arm,
    /// Texts of it.
    pub texts: usize,
    /// Share of texts with each flag; none without texts.
    pub flags: Vec<(&'static str, Number)>,
    /// Share of texts with any.
    pub flagged: Option<Number>,
    /// How far an edit moves the model; none for other arms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<EditEffect>,
}

impl ArmFound {
    pub(super) fn new(
        arm: &Arm,
        flags: &[Option<Flags>],
        done: Option<EditEffect>,
    ) -> Result<Self, AnalysisError> {
        let there: Vec<Flags> = flags.iter().flatten().copied().collect();
        let share = |count: usize| stat::share(count, there.len()).map_err(|e| of(&arm.name, &e));
        let mut shares = Vec::new();
        if !there.is_empty() {
            for (k, (name, _)) in Flags::default().each().into_iter().enumerate() {
                shares.push((name, share(there.iter().filter(|f| f.each()[k].1).count())?));
            }
        }
        let flagged = match there.len() {
            0 => None,
            _ => Some(share(there.iter().filter(|f| f.any()).count())?),
        };
        Ok(Self { arm: arm.clone(), texts: there.len(), flags: shares, flagged, done })
    }

    /// The share of texts with a flag, by its name; none without texts.
    #[must_use]
    pub fn share(&self, flag: &str) -> Option<&Number> {
        self.flags.iter().find(|(name, _)| *name == flag).map(|(_, n)| n)
    }
}

/// An outcome of every arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutcomeFound {
    /// Name of the outcome.
    pub name: String,
    /// Where it comes from.
    pub kind: OutcomeKind,
    /// The unit of its differences, such as `nats`.
    pub unit: String,
    /// `prompts` or `pairs`.
    pub over: &'static str,
    /// Every arm but base and those withdrawn, on all rows.
    pub effects: Vec<Effect>,
    /// The same on the stated scopes; empty of outcomes that are not of the prompts.
    pub scopes: Vec<ScopeFound>,
}

impl OutcomeFound {
    /// The effect of an arm, by its name; none for base and for arms that were withdrawn.
    #[must_use]
    pub fn effect(&self, arm: &str) -> Option<&Effect> {
        self.effects.iter().find(|e| e.arm == arm)
    }
}

/// An arm against base.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Name of the arm.
    pub arm: String,
    /// Mean difference from base. The null turns signs by cluster of prompts: Wilcoxon's signed ranks, exact.
    pub difference: Number,
    /// The median difference of clusters.
    pub median: f64,
    /// p of the signed ranks after Holm over the arms.
    pub holm: Option<f64>,
    /// Share of clusters on which the arm is above base, of those where they differ, against one half.
    pub above: Option<Number>,
    /// Of scales: mean difference from the fixed baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Number>,
    /// Against directions drawn like the activations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placebo: Option<Placebo>,
    /// Against directions of exchanged labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flips: Option<Placebo>,
}

/// An edit's effect among those of stand-ins.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Placebo {
    /// The mean difference of each stand-in.
    pub differences: Vec<f64>,
    /// How many of them the edit's own lies further out than, on its side of their mean.
    pub beyond: usize,
    /// p over all edited arms: the largest of all arms, each in its own standard deviations.
    pub null: Null,
}

/// Results on some rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScopeFound {
    /// Name of the scope, such as `unflagged`.
    pub scope: String,
    /// A row an arm.
    pub arms: Vec<ScopeEffect>,
}

/// An arm on some rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScopeEffect {
    /// Name of the arm.
    pub arm: String,
    /// Rows that there were.
    pub of: usize,
    /// Rows that the scope left out.
    pub dropped: usize,
    /// Mean difference from base on what is left; none where nothing is.
    pub difference: Option<Number>,
    /// p after Holm over the arms.
    pub holm: Option<f64>,
}

/// The side that two texts in two orders favoured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrderAgreement {
    /// Both askings chose the same text.
    pub agree: usize,
    /// They contradict each other.
    pub contradict: usize,
}

/// Whether a rater's word counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "standing", content = "why")]
pub enum RaterStanding {
    /// Its ratings count.
    Counts,
    /// It is shown, and decides nothing.
    Refused(String),
}

impl RaterStanding {
    /// Whether it counts.
    #[must_use]
    pub fn counts(&self) -> bool {
        *self == Self::Counts
    }
}

/// A judge or a person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RaterFound {
    /// Name of the judge or the person.
    pub rater: String,
    /// A person, or a judge.
    pub kind: RaterKind,
    /// Rows rated, those of known answers left out.
    pub rated: usize,
    /// Ties among them.
    pub ties: usize,
    /// Share that chose the text shown first, of rows with a choice and a known order, against one half.
    pub first: Option<Number>,
    /// Pairs that were asked in both orders.
    pub both: OrderAgreement,
    /// Planted pairs, or attention checks, got right; abstentions are wrong. None where there were none.
    pub planted: Option<Number>,
    /// Whether it counts.
    pub standing: RaterStanding,
}

/// Ratings of the same base texts beside several arms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drift {
    /// Name of the judge or the person.
    pub rater: String,
    /// The question that was rated.
    pub rubric: String,
    /// Mean rating of base beside each arm.
    pub by_arm: Vec<(String, f64, usize)>,
    /// The largest less the smallest mean, each prompt's ratings about their own mean.
    pub range: Number,
    /// Friedman's statistic over prompts rated beside every arm; none with fewer than two such.
    pub friedman: Option<f64>,
}

/// Agreement on an arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgreedByArm {
    /// Name of the arm, or `all arms`.
    pub arm: String,
    /// Cohen's κ of every two raters who share two pairs at least.
    pub pairs: Vec<Agreed>,
    /// Krippendorff's α of all raters' choices, nominal.
    pub choices: Option<Number>,
    /// Krippendorff's α of people's and judges' scores of the arm's texts, by question, as intervals.
    pub scores: Vec<(String, Number)>,
}

/// What an arm comes to on the primary outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmVerdict {
    /// Name of the arm.
    pub arm: String,
    /// Whether it does what it should: true, the opposite, or not shown.
    pub verdict: truenorth_report::QuestionVerdict,
    /// The verdict in words.
    pub says: String,
    /// What keeps it from being a yes, a sentence each.
    pub because: Vec<String>,
}

/// Something that may have made an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Artefact {
    /// `echo`, `loop`, `no stance`, `breaks off`, `drift`, `position`, `refused`, `scope`, `withdrawn`, `size`.
    pub what: &'static str,
    /// Name of the arm or the rater.
    pub of: String,
    /// In a sentence.
    pub says: String,
}

/// Whether a prediction held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Predicted {
    /// Name of the prediction.
    pub id: String,
    /// What was expected, in words.
    pub claim: String,
    /// Whether the difference is where it was expected; none where there is none.
    pub held: Option<bool>,
    /// Whether the whole interval is.
    pub clear: bool,
}
