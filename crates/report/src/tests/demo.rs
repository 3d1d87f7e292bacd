//! A document with every kind of block and plot, from made-up numbers.
mod sections;

use super::super::*;
pub(super) use sections::board_rows;
use sections::{agreement, audit, board, limits, separation, transfer};

/// Numbers that look random and never change.
pub(super) struct Lcg(pub u64);

impl Lcg {
    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }

    /// About normal: Irwin and Hall's sum of twelve.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

const KINDS: [&str; 6] = ["prose for", "prose against", "instruction", "single word", "symbols", "neutral"];
const TEXTS: [&str; 18] = [
    "Every person deserves to be heard.",
    "Kindness",
    "(^_^)/",
    "Keep your promise even when nobody is watching.",
    "<script>alert(1)</script>",
    "The train leaves at nine from platform four.",
    "Take what you can; rules are for other people.",
    "Explain how photosynthesis works in two sentences.",
    "العدل أساس الملك",
    "¯\\_(ツ)_/¯",
    "人权是普遍的",
    "👩‍👩‍👧‍👦 family",
    "cruelty",
    "Whoever is weak has no claim to anything, and it would be a waste of time to pretend that it were otherwise here.",
    "::::----::::",
    "Add two cups of flour.",
    "Obey.",
    "dignity & <b>respect</b>",
];

pub(super) fn demo() -> Document {
    let mut r = Lcg(7);
    Document {
        answer: Some(StudyAnswer {
            asks: None,
            sentence: "In this model the direction reads; nothing was asked of steering.".into(),
            questions: vec![
                AnsweredQuestion {
                    asks: "Does it read?".into(),
                    verdict: QuestionVerdict::Yes,
                    says: "It separates held-out axes.".into(),
                    primary: Some(0),
                    holm: Some((1.0 / 1001.0).into()),
                },
                AnsweredQuestion {
                    asks: "Does it steer?".into(),
                    verdict: QuestionVerdict::NotAsked,
                    says: "The study has no test of it.".into(),
                    primary: None,
                    holm: None,
                },
            ],
            notes: vec!["Exploratory: no test was fixed before the first activation was read.".into()],
        }),
        title: "Is the human-values direction of a demo model true?".into(),
        subtitle: "A demonstration with made-up numbers: every kind of block and plot once.".into(),
        provenance: provenance(),
        front: front(),
        sections: vec![separation(&mut r), agreement(), audit(), board(&mut r), transfer(&mut r), limits()],
    }
}

fn provenance() -> Vec<KeyValueList> {
    vec![
        KeyValueList::new("Run")
            .with("model", Cell::code("demo-135m"))
            .with("site", Cell::code("resid_post.18"))
            .with("pairs", 135_u64)
            .with("seed", Cell::code("20251"))
            .with("dtype", Cell::code("f32")),
        KeyValueList::new("Model")
            .with("name", Cell::code("demo-135m"))
            .with("revision", Cell::code("0f3c6f2d1b5a4c7e8d9f00112233445566778899"))
            .with("blocks × hidden", "30 × 576")
            .with("residual norm at the site", Cell::number(41.273, 2)),
        KeyValueList::new("Data")
            .with(
                "pairs.jsonl",
                Cell::code("sha256:9a7f12c3b4d5e6f708192a3b4c5d6e7f9a7f12c3b4d5e6f708192a3b4c5d6e7f"),
            )
            .with("sequences.jsonl", Cell::code("sha256:1122334455667788990011223344556677889900"))
            .with("sequences", 96_u64),
        KeyValueList::new("Choices")
            .with("estimator", "mean difference; length and sentiment projected out")
            .with("split", "by axis: 11 train, 4 held out")
            .with("intervals", "95 %, cluster bootstrap over axes, 2000 draws"),
    ]
}

fn front() -> Vec<Finding> {
    vec![
        Finding {
            status: FindingStatus::Supported,
            statement: "The direction separates chosen from rejected answers on axes it never saw.".into(),
            measure: Measure::new("AUROC", 0.91),
            n: Sample::new(36, "held-out pairs of 4 axes"),
            interval: ReportedInterval::p95(0.84, 0.96, "cluster bootstrap over axes, 2000 draws"),
            null: ReportedNull::new("labels shuffled within pairs, pipeline rerun", 0.38, 0.62).with_p(
                Test::HeldOut,
                1.0 / 1001.0,
                Some(1000),
            ),
            see: Some("separation".into()),
        },
        Finding {
            status: FindingStatus::Unclear,
            statement: "Whether it is more than sentiment cannot be told from these data.".into(),
            measure: Measure::new("cosine with sentiment", 0.21),
            n: Sample::new(64, "sentiment texts"),
            interval: ReportedInterval::p95(0.02, 0.39, "bootstrap over texts"),
            null: ReportedNull::new("random directions of the same norm", -0.17, 0.17).with_p(
                Test::AuditMatched,
                0.028,
                Some(10_000),
            ),
            see: Some("audit-forest".into()),
        },
        Finding {
            status: FindingStatus::NotSupported,
            statement: "The order of sequences carries over to the second model.".into(),
            measure: Measure::new("Spearman ρ", 0.12),
            n: Sample::new(96, "sequences"),
            interval: ReportedInterval::p95(-0.09, 0.32, "bootstrap over sequences"),
            null: ReportedNull::new("ranks permuted, exact", -0.20, 0.20).with_p(
                Test::RankCorrelation,
                0.244,
                None,
            ),
            see: Some("two-models".into()),
        },
        Finding {
            status: FindingStatus::Caution,
            statement: "Short symbols score high; their score says little about values.".into(),
            measure: Measure { name: "median z of symbols".into(), value: Num::new(4.1), digits: 1 },
            n: Sample::new(12, "sequences of symbols"),
            interval: ReportedInterval::none("fewer than 20 sequences"),
            null: ReportedNull::new("random unit directions, closed form", -1.96, 1.96),
            see: Some("board".into()),
        },
        Finding {
            status: FindingStatus::Unclear,
            statement: "Steering was not measured in this run.".into(),
            measure: Measure::new("dose response", Num::missing("stage not run")),
            n: Sample::new(0, "prompts"),
            interval: ReportedInterval::none("stage not run"),
            null: ReportedNull::none("stage not run"),
            see: None,
        },
    ]
}
