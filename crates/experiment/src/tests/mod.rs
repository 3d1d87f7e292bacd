//! Made-up sheets whose effects and artefacts are known, and experiments on a tiny model.

mod asked;
mod golden;
mod rules;

use std::path::PathBuf;

use super::*;
use truenorth_reading::Analysis as _;

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/experiment").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn rows(name: &str) -> Vec<serde_json::Value> {
    fixture(name).lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

const PREFIX: &str = "You are a tireless friend of every living thing.";

/// The made-up sheets, each prompt its own.
fn made_up() -> (ExperimentMeasurements, Params) {
    let text = |v: &serde_json::Value, key: &str| v[key].as_str().unwrap().to_owned();
    let prompts: Vec<ExperimentPrompt> = rows("prompts.jsonl")
        .iter()
        .enumerate()
        .map(|(i, v)| ExperimentPrompt {
            id: text(v, "id"),
            text: text(v, "text"),
            fields: [("kind".to_owned(), text(v, "kind"))].into(),
            cluster: i,
        })
        .collect();
    let arm = |name: &str, prefix: Option<&str>, withdrawn: Option<&str>| {
        let named = ArmParams {
            name: name.into(),
            prefix: prefix.map(Into::into),
            expected: ExpectedSign::Up,
            withdrawn: withdrawn.map(Into::into),
            ..ArmParams::default()
        };
        named.arm()
    };
    let arms = vec![
        Arm::base(),
        arm("persona", Some(PREFIX), None),
        arm("steered", None, None),
        arm("weak", None, None),
        arm("abandoned", None, Some("its prefix named the rubric")),
    ];
    let mut texts = vec![vec![None; prompts.len()]; arms.len()];
    for row in rows("texts.jsonl") {
        let a = arms.iter().position(|a| a.name == row["arm"]).unwrap();
        let p = prompts.iter().position(|p| p.id == row["prompt"]).unwrap();
        texts[a][p] = Some(WrittenText { text: text(&row, "text"), whole: None });
    }
    let ratings = read_ratings(fixture("ratings.jsonl").as_bytes(), "ratings.jsonl").unwrap();
    let sheet = ExperimentMeasurements { prompts, arms, texts, ratings, ..ExperimentMeasurements::default() };
    let params = Params {
        primary: Some("How kind is the reply?, first".into()),
        placebos: 0,
        scopes: ["unflagged", "no-echo", "no-loop", "rated", "kind=home"].map(Into::into).to_vec(),
        permutations: 999,
        ..Params::default()
    };
    (sheet, params)
}

fn weighed() -> Found {
    let (sheet, params) = made_up();
    weigh(&sheet, &params, &truenorth_stats::math::Seeds::new(19)).unwrap()
}
