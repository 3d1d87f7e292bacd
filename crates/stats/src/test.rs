//! Every test whose p value is printed anywhere: what it asks, its null, what is exchanged.
//!
//! A p value carries its [`Test`], so a page can list the tests that stand on it, and the calibration suite
//! (`examples/calibration`) can't miss one: it matches on all of them.

use serde::{Deserialize, Serialize};

/// Which results count as far from the null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sides {
    /// Only those above it.
    One,
    /// Those on either side.
    Two,
}

impl Sides {
    /// As reports write it, such as `two-sided`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::One => "one-sided",
            Self::Two => "two-sided",
        }
    }
}

/// How sure the rate of false alarms is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// At 5 % it alarms in 5 % of cases where its null holds.
    Nominal,
    /// It alarms less often than it says.
    Conservative,
    /// Its null is narrower than what a reader asks, so it alarms too often about that; shown for
    /// comparison, never behind a verdict.
    Descriptive,
}

impl Standing {
    /// As reports write it, such as `conservative`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nominal => "as stated",
            Self::Conservative => "conservative",
            Self::Descriptive => "descriptive",
        }
    }
}

/// What a test asks, of what null, and how far it is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestCard {
    /// The question it answers, a short sentence.
    pub asks: &'static str,
    /// What is true where there is nothing to find, and how it is made.
    pub null: &'static str,
    /// What is exchanged, or drawn, as a whole.
    pub unit: &'static str,
    /// Which side of the null counts against it.
    pub sides: Sides,
    /// How sure its rate of false alarms is.
    pub standing: Standing,
}

impl Test {
    /// Whether counts are held against an exact binomial law.
    #[must_use]
    pub const fn is_binomial(self) -> bool {
        matches!(
            self,
            Self::ValueFlip
                | Self::JudgeConsistent
                | Self::JudgeFirst
                | Self::RatedSign
                | Self::RatedSide
                | Self::SignsCoin
                | Self::ArmSign
                | Self::JudgePlanted
        )
    }

    /// Whether what it is asked for is more than the null gives, though p counts both sides.
    #[must_use]
    pub const fn claims_more(self) -> bool {
        matches!(
            self,
            Self::JudgeConsistent
                | Self::JudgeAgreement
                | Self::RankCorrelation
                | Self::SignsDealt
                | Self::SignsCoin
                | Self::CosinePermuted
                | Self::CosineMatched
        )
    }

    /// As many draws of one tail as have the least p that `draws` of this test have: where p is twice the smaller tail
    /// that is `2 / (draws + 1)`.
    #[must_use]
    pub const fn counted(self, draws: u64) -> u64 {
        match self {
            Self::CosinePermuted | Self::CosineMatched => draws.saturating_sub(1) / 2,
            _ => draws,
        }
    }
}

macro_rules! tests {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $asks:literal, $null:literal, $unit:literal, $sides:ident, $standing:ident;)*) => {
        /// A test, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Test {
            $($(#[$doc])* #[serde(rename = $id)] $name,)*
        }

        impl Test {
            /// Every test, in the order in which pages list them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in files, such as `held-out`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id),* }
            }

            /// What it asks, its null, its unit, its sides and its standing.
            #[must_use]
            pub const fn card(self) -> TestCard {
                match self {
                    $(Self::$name => TestCard {
                        asks: $asks,
                        null: $null,
                        unit: $unit,
                        sides: Sides::$sides,
                        standing: Standing::$standing,
                    }),*
                }
            }
        }
    };
}

tests! {
    /// Held-out separation.
    HeldOut = "held-out", "Does the direction separate texts that it was not fitted on?",
        "labels exchanged and everything fitted again", "units that share labels or texts", One, Nominal;
    /// Held-out separation, both lengths held.
    LengthGiven = "length-given", "Does the direction separate beyond what length gives, in tokens of the whole text and in characters of the response?",
        "labels exchanged as often as both lengths have it, everything fitted again", "units that share labels or texts", One, Nominal;
    /// Nested cross-validation of a probe.
    ProbeNested = "probe-nested", "Does the probe separate held-out texts, its site chosen inside?",
        "labels exchanged, the choice of site repeated", "groups of texts", One, Nominal;
    /// The best of all layers.
    ProbeMaximum = "probe-maximum", "Does any site separate?",
        "labels exchanged, the best site taken each time", "groups of texts", One, Nominal;
    /// A test set of a probe.
    ProbeTested = "probe-tested", "Does the probe separate the texts of another set?",
        "training labels exchanged, the choice of site repeated", "groups of training texts", One, Nominal;
    /// Cosine against uniform directions.
    UniformCosine = "uniform-cosine", "Are two directions more alike than uniform random ones?",
        "one direction drawn uniformly; exact", "directions", Two, Descriptive;
    /// A confound set on the direction.
    AuditSeparates = "audit-separates", "Does the direction separate the confound set?",
        "an AUROC of 1/2, which directions at random rarely have; score test with the variance of clusters", "groups", Two, Descriptive;
    /// Cosine against the same fits on exchanged labels.
    CosinePermuted = "cosine-permuted", "Are two directions more alike than the same fits on shuffled labels?",
        "labels exchanged, alike for both, and both fitted again", "units that share labels or texts", Two, Nominal;
    /// Cosine against directions like the activations.
    CosineMatched = "cosine-matched", "Are two directions more alike than two drawn like the activations?",
        "random directions with the covariance of the activations", "directions", Two, Descriptive;
    /// A confound set on the direction against matched directions.
    AuditMatched = "audit-matched", "Does the direction separate the confound set more than directions like it do?",
        "random directions with the covariance of the training texts", "directions", Two, Conservative;
    /// A confound set on the direction against shuffled pipelines.
    AuditShuffled = "audit-shuffled", "Does the direction separate the confound set more than one fitted to shuffled labels?",
        "training labels exchanged and everything fitted again", "units that share labels or texts", Two, Nominal;
    /// Cosine with a confound's direction against shuffled pipelines.
    AuditCosine = "audit-cosine", "Is the direction closer to the confound's than one fitted to shuffled labels?",
        "training labels exchanged and everything fitted again", "units that share labels or texts", Two, Nominal;
    /// Value flips.
    ValueFlip = "value-flip", "Are value flips ranked by their value?",
        "each pair as likely either way; exact binomial", "pairs", Two, Conservative;
    /// Value flips against the training pairs.
    FlipTraining = "flip-training", "Are value flips ranked right as often as held-out training pairs?",
        "one rate for both; Fisher's exact test, of the training pairs as many as their directions leave independent", "pairs", Two, Conservative;
    /// Sequences of a board against uniform directions.
    BoardUniform = "board-uniform", "Does the sequence move the probes along the direction more than along uniform random ones?",
        "directions drawn uniformly; closed form", "directions", Two, Descriptive;
    /// Sequences of a board against directions like the activations.
    BoardMatched = "board-matched", "Does the sequence move the probes more than along directions drawn like the activations?",
        "random directions with the covariance of the activations", "directions", Two, Conservative;
    /// Sequences of a board against directions of exchanged labels.
    BoardPermuted = "board-permuted", "Does the sequence move the probes more than along directions of shuffled labels?",
        "labels exchanged and the direction fitted again", "units that share labels or texts", Two, Nominal;
    /// Any sequence of a board.
    BoardFamily = "board-family", "Does any sequence move the probes more than the outermost does along unrelated directions?",
        "the largest |z| of each unrelated direction, under the null that reaches further", "directions", Two, Conservative;
    /// Kinds of sequences.
    BoardKinds = "board-kinds", "Does one kind of sequence score above another?",
        "kinds dealt anew", "sequences", Two, Nominal;
    /// Ranks of two boards, or of score and z.
    RankCorrelation = "rank-correlation", "Do two lists of scores rank alike?",
        "one of the lists shuffled", "clusters of sequences", Two, Nominal;
    /// Ends of a board.
    BoardEnds = "board-ends", "Does one end of the board reach further than the other, more than along directions of shuffled labels?",
        "labels exchanged and the direction fitted again", "units that share labels or texts", Two, Nominal;
    /// Ends of a board, where the labels are not at hand.
    BoardEndsMatched = "board-ends-matched", "Does one end of the board reach further than the other, more than along directions drawn like the activations?",
        "random directions with the covariance of the activations", "directions", Two, Conservative;
    /// Signs of a board.
    BoardSigns = "board-signs", "Are scores of one sign more frequent than along directions of shuffled labels?",
        "labels exchanged and the direction fitted again", "units that share labels or texts", Two, Nominal;
    /// Signs of a board, where the labels are not at hand.
    BoardSignsMatched = "board-signs-matched", "Are scores of one sign more frequent than along directions drawn like the activations?",
        "random directions with the covariance of the activations", "directions", Two, Conservative;
    /// Dose-response against random directions.
    SteeringControls = "steering-controls", "Does the outcome change with α more than under random directions?",
        "random directions of the same norm", "directions", Two, Nominal;
    /// Dose-response against directions of flipped labels.
    SteeringFlips = "steering-flips", "Does the outcome follow α more than under directions of shuffled labels?",
        "training labels exchanged, the direction fitted again and steered with", "units that share labels or texts", One, Nominal;
    /// Reading against steering over sites.
    SitesOrder = "sites-order", "Do the sites that read well steer well?",
        "sites in any order", "sites", Two, Descriptive;
    /// A break in training.
    ChangePoint = "change-point", "Is there a break over the checkpoints?",
        "a self-normalised statistic of independent numbers, simulated", "checkpoints", One, Descriptive;
    /// Whether a judge reads what it judges.
    JudgeConsistent = "judge-consistent", "Does the judge give one verdict in both orders?",
        "answers given without reading; exact binomial", "texts judged", Two, Conservative;
    /// The judge's mean.
    JudgeMean = "judge-mean", "Does the judge lean one way?",
        "signs turned at random", "prompts", Two, Nominal;
    /// Verdicts for the first of two texts.
    JudgeFirst = "judge-first", "Does one of two texts win more often?",
        "either as likely; exact binomial", "texts judged", Two, Conservative;
    /// Agreement of two judges.
    JudgeAgreement = "judge-agreement", "Do two judges agree beyond their habits?",
        "one judge's verdicts dealt anew", "texts judged", Two, Nominal;
    /// People's verdicts.
    RatedSign = "rated-sign", "Does one of two texts win more often with a rater?",
        "either as likely; exact binomial (sign test)", "pairs rated", Two, Conservative;
    /// People's verdicts with strengths.
    RatedRank = "rated-rank", "Do strengths of ratings lean one way?",
        "signs turned; Wilcoxon's signed ranks", "pairs rated", Two, Nominal;
    /// The side a rater takes.
    RatedSide = "rated-side", "Does a rater take one side more often?",
        "either side as likely; exact binomial", "pairs rated", Two, Conservative;
    /// Agreement of signs between models.
    SignsDealt = "signs-dealt", "Do two models give sequences the same sign beyond what each model's lean gives?",
        "one model's signs dealt anew; exact", "sequences", Two, Conservative;
    /// Agreement of signs against a coin.
    SignsCoin = "signs-coin", "Do two models give sequences the same sign more often than a fair coin?",
        "a fair coin; exact binomial", "sequences", Two, Descriptive;
    /// Agreement by kind.
    SignsKinds = "signs-kinds", "Does agreement of signs differ between kinds?",
        "kinds dealt anew among sequences of one sign on the first model", "sequences", One, Nominal;
    /// Ends of two boards.
    EndsShared = "ends-shared", "Do two boards share the sequences at their ends?",
        "ends drawn from all sequences; exact hypergeometric", "sequences", Two, Conservative;
    /// Agreement of all models.
    SignsUnanimous = "signs-unanimous", "Do all models give sequences the same sign?",
        "each model's scores dealt anew", "sequences", Two, Nominal;
    /// An arm of an experiment against base.
    ArmShift = "arm-shift", "Does an arm's outcome differ from base's on the same prompts?",
        "signs turned by prompt; Wilcoxon's signed ranks, exact also with ties", "clusters of prompts", Two, Nominal;
    /// The same by signs alone.
    ArmSign = "arm-sign", "Is the arm's outcome above base's on more prompts than below?",
        "either as likely; exact binomial (sign test)", "clusters of prompts", Two, Conservative;
    /// An edited arm against as large edits along directions like the activations.
    ArmPlacebo = "arm-placebo", "Does the edit do more than as large edits along directions drawn like the activations?",
        "random directions with the covariance of the activations in the edit's place, the same for all arms; the largest of all arms", "directions", Two, Conservative;
    /// An edited arm against as large edits along directions of exchanged labels.
    ArmFlips = "arm-flips", "Does the edit do more than as large edits along directions of shuffled labels?",
        "labels exchanged and the direction fitted again, the same for all arms; the largest of all arms", "units that share labels or texts", Two, Conservative;
    /// The same base texts rated beside several arms.
    BaselineDrift = "baseline-drift", "Are the same base texts rated alike whichever arm they stand beside?",
        "ratings of base dealt among the arms of a prompt", "prompts", Two, Nominal;
    /// A judge on pairs whose better text is known.
    JudgePlanted = "judge-planted", "Does a judge choose the better text of planted pairs more often than a coin?",
        "either as likely; exact binomial, an abstention is a wrong answer", "planted pairs", One, Conservative;
}

#[cfg(test)]
mod tests {
    use super::Test;
    use std::collections::HashSet;

    #[test]
    fn every_test_has_a_name_of_its_own_and_says_what_it_is() {
        let ids: HashSet<_> = Test::ALL.iter().map(|t| t.id()).collect();
        assert_eq!(ids.len(), Test::ALL.len());
        for test in Test::ALL {
            let card = test.card();
            assert!(card.asks.ends_with('?') && !card.null.is_empty() && !card.unit.is_empty(), "{test:?}");
            let written = serde_json::to_string(test).unwrap();
            assert_eq!(written, format!("{:?}", test.id()));
            assert_eq!(serde_json::from_str::<Test>(&written).unwrap(), *test);
        }
    }
}
