//! The made-up sheets against scipy, scikit-learn and krippendorff, and against what was planted in them.

use super::*;
use truenorth_report::QuestionVerdict;
use truenorth_stats::number::Number;

#[track_caller]
fn near(what: &str, found: f64, golden: &serde_json::Value) {
    let golden = golden.as_f64().unwrap_or_else(|| panic!("{what}: {golden}"));
    assert!((found - golden).abs() <= 1e-6 * golden.abs().max(1e-3), "{what}: {found}, scipy {golden}");
}

fn p(n: &Number) -> f64 {
    n.null.as_ref().unwrap().p
}

#[test]
fn every_figure_is_scipys() {
    let found = weighed();
    let golden: serde_json::Value = serde_json::from_str(&fixture("golden.json")).unwrap();
    let outcomes = golden["outcomes"].as_object().unwrap();
    assert_eq!(outcomes.len(), found.outcomes.len());
    for (name, arms) in outcomes {
        let own = found.outcomes.iter().find(|o| o.name == *name).unwrap_or_else(|| panic!("no {name}"));
        for (arm, g) in arms.as_object().unwrap() {
            let e = own.effect(arm).unwrap();
            let what = format!("{name}, {arm}");
            near(&what, e.difference.value, &g["mean"]);
            near(&what, e.median, &g["median"]);
            assert_eq!(e.difference.n as u64, g["n"], "{what}");
            near(&format!("{what}, signed ranks"), p(&e.difference), &g["p"]);
            near(&format!("{what}, Holm"), e.holm.unwrap(), &g["holm"]);
            let above = e.above.as_ref().unwrap();
            assert_eq!(above.n as u64, g["moved"], "{what}");
            near(&what, above.value * above.n as f64, &g["above"]);
            near(&format!("{what}, signs"), p(above), &g["p_signs"]);
            if let Some(fixed) = &e.fixed {
                near(&format!("{what}, fixed baseline"), fixed.value, &g["fixed_mean"]);
            }
        }
    }
    for (rater, q) in golden["friedman"].as_object().unwrap() {
        let drift = found.drift.iter().find(|d| d.rater == *rater).unwrap();
        near("Friedman", drift.friedman.unwrap(), q);
    }
    for (arm, g) in golden["agreement"].as_object().unwrap() {
        let own = found.agreement.iter().find(|a| a.arm == *arm).unwrap();
        for (raters, kappa) in g["kappa"].as_object().unwrap() {
            let pair = own.pairs.iter().find(|p| format!("{}, {}", p.first, p.second) == *raters);
            let pair = pair.unwrap_or_else(|| panic!("{arm}: {raters}"));
            match kappa.is_null() {
                true => assert!(pair.kappa.is_none()),
                false => near(&format!("κ {arm} {raters}"), pair.kappa.as_ref().unwrap().value, kappa),
            }
        }
        near("α of choices", own.choices.as_ref().unwrap().value, &g["alpha_choices"]);
        near("α of scores", own.scores[0].1.value, &g["alpha_scores"]);
    }
}

#[test]
fn every_planted_effect_is_found_and_every_artefact_named() {
    let found = weighed();
    let outcome = &found.outcomes[found.primary];
    assert_eq!(outcome.name, "How kind is the reply?, first");
    // The size of the source, and the sizes that were planted: on the fixed baseline, as each arm's own drifts.
    let second = found.outcomes.iter().find(|o| o.name == "How kind is the reply?, second").unwrap();
    for (arm, planted, within) in [("persona", 1.2, 0.25), ("steered", 0.6, 0.25), ("weak", 0.0, 0.25)] {
        let e = second.effect(arm).unwrap();
        assert_eq!(e.difference.n, 50);
        let interval = e.difference.interval.unwrap();
        assert!((e.difference.value - planted).abs() < within, "{arm}: {}", e.difference.value);
        assert!(interval.low <= planted && planted <= interval.high, "{arm}: {interval:?}");
    }
    assert_eq!(found.raters.iter().map(|r| r.rated).sum::<usize>(), 2 * 2 * 150 + 3 * 21);
    let verdict = |arm: &str| found.verdicts.iter().find(|v| v.arm == arm).unwrap();
    assert_eq!(verdict("persona").verdict, QuestionVerdict::Yes, "{:?}", verdict("persona"));
    assert_eq!(verdict("weak").verdict, QuestionVerdict::NotShown);
    assert_eq!(verdict("abandoned").verdict, QuestionVerdict::NotAsked);
    assert!(found.outcomes.iter().all(|o| o.effect("abandoned").is_none()));
    let named = |what: &str, of: &str| {
        let all: Vec<&str> = found.artefacts.iter().map(|a| a.says.as_str()).collect();
        let one = found.artefacts.iter().find(|a| a.what == what && a.of == of);
        one.unwrap_or_else(|| panic!("{what} of {of} is not named: {all:#?}")).says.clone()
    };
    assert!(named("echo", "persona").contains("24 % of the 50 texts"));
    assert!(named("loop", "steered").contains("30 % of the 50 texts"));
    assert!(named("drift", "first").contains("p "));
    assert!(named("position", "second").contains("shown first"));
    assert!(named("refused", "second").contains("11 of 20 planted pairs"));
    assert!(named("refused", "cy").contains("1 of 4 attention checks"));
    assert!(named("withdrawn", "abandoned").contains("named the rubric"));
    // What is not planted is not named: no arm but persona echoes, none but steered loops, and `first` has no habit.
    let pairs: Vec<(&str, &str)> = found.artefacts.iter().map(|a| (a.what, a.of.as_str())).collect();
    assert_eq!(
        pairs.iter().filter(|(w, _)| ["echo", "loop", "position"].contains(w)).count(),
        3,
        "{pairs:?}"
    );
    assert!(!pairs.contains(&("drift", "second")), "{pairs:?}");
    // Loops were read as kindness: without them less of the effect is left.
    let loops = outcome.scopes.iter().find(|s| s.scope == "no-loop").unwrap();
    let steered = loops.arms.iter().find(|a| a.arm == "steered").unwrap();
    assert_eq!((steered.of, steered.dropped), (50, 15));
    assert!(
        steered.difference.as_ref().unwrap().value
            < outcome.effect("steered").unwrap().difference.value - 0.3
    );
    // The baseline of one judge drifts, and the fixed one is the same for all arms.
    let persona = outcome.effect("persona").unwrap();
    assert!(persona.difference.value > persona.fixed.as_ref().unwrap().value + 0.2);
    let drift = found.drift.iter().find(|d| d.rater == "first").unwrap();
    let of = |arm: &str| drift.by_arm.iter().find(|(a, ..)| a == arm).unwrap().1;
    assert!(of("steered") > of("weak") && of("weak") > of("persona"));
    // Scopes say what they drop.
    let dropped: Vec<(&str, usize)> = outcome
        .scopes
        .iter()
        .map(|s| (s.scope.as_str(), s.arms.iter().find(|a| a.arm == "persona").unwrap().dropped))
        .collect();
    assert_eq!(
        dropped,
        [("unflagged", 12), ("no-echo", 12), ("no-loop", 0), ("rated", 43), ("kind=home", 25)]
    );
}

#[test]
fn the_page_and_the_table_say_all_of_it() {
    let found = weighed();
    let page = Experiment::page(&found);
    let answer = answer(&found, &page.all_findings(), vec![]);
    assert_eq!(answer.questions.len(), 4);
    let document = truenorth_report::Document {
        title: "made up".into(),
        answer: Some(answer),
        front: page.all_findings(),
        sections: page.sections,
        ..truenorth_report::Document::default()
    };
    document.check().unwrap();
    let html = truenorth_report::render::html(&document);
    for said in
        ["What does each arm do?", "<mark>", "echoes", "Krippendorff", "decides nothing", "fixed baseline"]
    {
        assert!(html.contains(said), "{said}");
    }
    let table = Experiment::table(&found);
    assert!(table.rows.iter().all(|r| r.len() == table.rows[0].len()));
    let arms = &table.more[0];
    assert!(arms.rows.iter().all(|r| r.len() == arms.rows[0].len()) && arms.rows.len() == 5);
}
