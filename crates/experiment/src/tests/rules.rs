//! Placebos, verdicts, sheets of people, and what is refused.

use super::*;
use truenorth_boards::rate::{self, Filled, RateData, RatingPrediction, register};
use truenorth_report::QuestionVerdict;
use truenorth_stats::math::Seeds;

/// An outcome of two edits with 19 placebos each: one that does something, and one whose effect any direction has.
fn edits() -> (ExperimentMeasurements, Params) {
    let n = 24;
    let prompts = (0..n)
        .map(|i| ExperimentPrompt {
            id: format!("p{i}"),
            text: format!("ask {i}"),
            cluster: i,
            ..ExperimentPrompt::default()
        })
        .collect();
    let edit = |name: &str| {
        let params = ArmParams {
            name: name.into(),
            direction: vec!["d.safetensors".into()],
            alpha: Some(0.1),
            expected: ExpectedSign::Up,
            ..ArmParams::default()
        };
        params.arm()
    };
    let noise = |k: usize, i: usize| ((k * 31 + i * 17) % 13) as f64 / 13.0 - 0.5;
    let arm = |k: usize, mean: f64| (0..n).map(|i| Some(mean + 0.3 * noise(k, i))).collect::<Vec<_>>();
    let placebos = |centre: f64| (0..19).map(|d| arm(d + 5, centre + 0.2 * noise(d, d))).collect::<Vec<_>>();
    let outcome = Outcome {
        name: "log-odds".into(),
        kind: OutcomeKind::LogOdds,
        unit: "nats".into(),
        units: Units { what: "prompts", clusters: (0..n).collect() },
        differences: vec![arm(1, 1.0), arm(2, 0.8)],
        fixed: None,
        placebos: vec![placebos(0.0), placebos(0.8)],
        flips: vec![vec![]; 2],
    };
    let sheet = ExperimentMeasurements {
        prompts,
        arms: vec![Arm::base(), edit("real"), edit("generic")],
        outcomes: vec![outcome],
        placebos: 19,
        ..ExperimentMeasurements::default()
    };
    (sheet, Params { permutations: 99, ..Params::default() })
}

fn verdicts(sheet: &ExperimentMeasurements, params: &Params) -> Vec<(QuestionVerdict, String)> {
    let found = weigh(sheet, params, &Seeds::new(1)).unwrap();
    found.verdicts.iter().map(|v| (v.verdict, v.because.join("; "))).collect()
}

#[test]
fn an_edit_steers_only_where_nineteen_placebos_do_not() {
    let (sheet, params) = edits();
    let all = verdicts(&sheet, &params);
    assert_eq!(all[0].0, QuestionVerdict::Yes, "{all:?}");
    assert!(all[1].0 == QuestionVerdict::NotShown && all[1].1.contains("do as much"), "{all:?}");
    // p is that of all arms together, and 1/20 at the least.
    let found = weigh(&sheet, &params, &Seeds::new(1)).unwrap();
    let placebo = found.outcomes[0].effect("real").unwrap().placebo.clone().unwrap();
    assert_eq!((placebo.beyond, placebo.null.p, placebo.null.draws), (19, 0.05, Some(19)));
    assert!(found.outcomes[0].effect("generic").unwrap().placebo.as_ref().unwrap().null.p > 0.05);
    // Eighteen are too few, whatever they do.
    let mut fewer = sheet.clone();
    fewer.placebos = 18;
    fewer.outcomes[0].placebos.iter_mut().for_each(|p| drop(p.pop()));
    let few = verdicts(&fewer, &params);
    assert!(few[0].0 == QuestionVerdict::NotShown && few[0].1.contains("a verdict needs 19"), "{few:?}");
    // Directions of shuffled labels that were asked for must be there, and do less.
    let flips = Params { flips: 19, ..params.clone() };
    assert!(verdicts(&sheet, &flips)[0].1.contains("shuffled labels were asked for"));
    let mut with = sheet.clone();
    with.outcomes[0].flips = with.outcomes[0].placebos.clone();
    assert_eq!(verdicts(&with, &flips)[0].0, QuestionVerdict::Yes);
    // The other way is no yes.
    let mut down = sheet.clone();
    down.arms[1].expected = ExpectedSign::Down;
    assert_eq!(verdicts(&down, &params)[0].0, QuestionVerdict::No);
}

#[test]
fn near_copies_of_a_prompt_count_once() {
    let (mut sheet, params) = edits();
    let alone = weigh(&sheet, &params, &Seeds::new(1)).unwrap();
    let clusters: Vec<usize> = (0..24).map(|i| i / 2).collect();
    sheet.outcomes[0].units.clusters = clusters;
    let found = weigh(&sheet, &params, &Seeds::new(1)).unwrap();
    let p = |f: &Found| f.outcomes[0].effect("real").unwrap().difference.null.as_ref().unwrap().p;
    // All of one sign: 2 / 2^24 and 2 / 2^12.
    assert_eq!((p(&alone), p(&found)), (2.0_f64.powi(-23), 2.0_f64.powi(-11)));
    assert!(found.outcomes[0].effect("real").unwrap().difference.method.contains("clusters of prompts"));
}

#[test]
fn a_judge_who_fails_on_planted_pairs_decides_nothing() {
    let (sheet, params) = made_up();
    let params = Params { primary: Some("choice of second".into()), ..params };
    let found = weigh(&sheet, &params, &Seeds::new(19)).unwrap();
    let persona = &found.verdicts[0];
    assert!(persona.verdict == QuestionVerdict::NotShown, "{persona:?}");
    assert!(persona.because[0].contains("the judge second is refused"), "{persona:?}");
    // Nor does one who was shown none.
    let mut unplanted = sheet.clone();
    unplanted.ratings.retain(|r| r.arm != "planted");
    let found =
        weigh(&unplanted, &Params { primary: Some("choice of first".into()), ..params }, &Seeds::new(19))
            .unwrap();
    assert!(found.verdicts[0].because[0].contains("no planted pairs"));
}

#[test]
fn people_fill_one_sheet_over_all_arms() {
    let pair = |arm: &str, i: usize| TextPair {
        arm: arm.into(),
        prompt: format!("p{i}"),
        asked: format!("What of case number {i}?"),
        text: format!("{arm} says {i} and much more of {arm}"),
        base: format!("a quiet answer of eight words to case {i} here"),
    };
    let mut pairs: Vec<TextPair> = (0..6).flat_map(|i| ["one", "two"].map(|a| pair(a, i))).collect();
    pairs.push(TextPair { text: pairs[0].base.clone(), ..pair("three", 0) });
    let rubrics = ["How kind?".to_owned(), "How, \"plainly\"?".to_owned()];
    let secret = "0123456789abcdef0123456789abcdef";
    let made = people_sheet(&pairs, ("Which is kinder?", &rubrics, 2), secret).unwrap();
    assert_eq!((made.left_out, made.checks, made.blind.seal.items), (1, 2, 14));
    assert!(!made.blind.csv.contains("attention") && !made.blind.csv.contains("\"one\""));
    let claim = RatingPrediction {
        id: "a".into(),
        claim: "arms win".into(),
        share_above: Some(0.5),
        share_below: None,
    };
    let registration = register(&made.blind.seal, &[claim], "now").unwrap();
    // A rater who likes what the arms say, gives it 5, and tells shuffled words from texts.
    let fill = |csv: &str| {
        let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
        let mut out = csv::Writer::from_writer(vec![]);
        for (i, row) in rows.records().map(Result::unwrap).enumerate() {
            let mut row: Vec<String> = row.iter().map(str::to_owned).collect();
            if i > 0 {
                let good = |t: &str| t.contains("says") || t.starts_with("a quiet answer");
                let arm = |t: &str| t.contains("says");
                let right = if arm(&row[2]) || arm(&row[3]) { arm(&row[3]) } else { good(&row[3]) };
                row[4] = if right { "right" } else { "left" }.into();
                (row[7], row[8]) = if right { ("2".into(), "5".into()) } else { ("5".into(), "2".into()) };
            }
            out.write_record(&row).unwrap();
        }
        String::from_utf8(out.into_inner().unwrap()).unwrap()
    };
    let filled = |csv: String| [Filled { rater: "ann".into(), file: "ann.csv".into(), csv }];
    let open = |sheets: &[Filled]| {
        let input = RateData {
            sheets,
            issued: Some(&made.blind.csv),
            key: made.blind.key.as_bytes(),
            registration: &registration,
        };
        opened(&rate::each(&input).unwrap(), &rubrics)
    };
    let ratings = open(&filled(fill(&made.blind.csv))).unwrap();
    assert_eq!(ratings.len(), 2 * 14);
    assert!(
        ratings.iter().filter(|r| r.choice.is_some()).all(|r| r.choice == Some(PreferredText::Arm)),
        "{ratings:#?}"
    );
    let scored: Vec<&Rating> = ratings.iter().filter(|r| r.rubric.is_some()).collect();
    assert!(scored.iter().all(|r| (r.arm_score, r.base_score) == (Some(5.0), Some(2.0))));
    assert_eq!(ratings.iter().filter(|r| r.arm == "attention" && r.choice.is_some()).count(), 2);
    let wrong = fill(&made.blind.csv).replacen(",5,2", ",7,2", 1).replacen(",2,5", ",2,7", 1);
    assert!(open(&filled(wrong)).unwrap_err().to_string().contains("expected a number from 1 to 5"));
}

#[test]
fn what_does_not_fit_together_is_refused_by_name() {
    let says = |change: &dyn Fn(&mut ExperimentMeasurements, &mut Params), what: &str| {
        let (mut sheet, mut params) = made_up();
        change(&mut sheet, &mut params);
        let e = weigh(&sheet, &params, &Seeds::new(1)).unwrap_err();
        assert!(e.is_request() && e.to_string().contains(what), "{what}: {e}");
    };
    says(
        &|s, _| s.ratings[0].arm = "persna".into(),
        "ratings.jsonl, line 1: the rating of `first` is of the arm `persna`",
    );
    says(&|s, _| s.ratings[0].prompt = "p99".into(), "the prompt `p99`");
    says(&|s, _| s.ratings[0].arm = "base".into(), "of base beside itself");
    says(&|s, _| s.arms[2].name = "persona".into(), "two arms are called");
    says(&|s, _| drop(s.arms.remove(0)), "first arm is base");
    says(
        &|_, p| p.primary = Some("kindness".into()),
        "no outcome is called `kindness`, which is the key `primary`",
    );
    says(&|_, p| p.scopes = vec!["tidy".into()], "`scopes` of [experiment] knows no `tidy`");
    let cites = |arm: &str| ArmPrediction {
        id: "x".into(),
        claim: "c".into(),
        arm: arm.into(),
        above: Some(0.0),
        below: None,
    };
    says(&|_, p| p.predictions = vec![cites("abandoned")], "cites the arm `abandoned`, which was withdrawn");
    says(&|_, p| p.predictions = vec![cites("nobody")], "`nobody`, which there is not");
    says(
        &|_, p| p.predictions = vec![ArmPrediction { above: None, ..cites("weak") }],
        "needs above or below",
    );
    let bad = |line: &str| read_ratings(line.as_bytes(), "r.jsonl").unwrap_err().to_string();
    assert!(
        bad("{\"rater\":\"a\",\"arm\":\"b\",\"prompt\":\"c\"}").contains("r.jsonl, line 1: it has neither")
    );
    assert!(bad("{\"rater\":\"a\",\"arm\":\"b\",\"prompt\":\"c\",\"chioce\":\"arm\"}").contains("chioce"));
    for (score, field) in [(99, "arm_score"), (0, "arm_score"), (-3, "base_score"), (6, "base_score")] {
        let other = if field == "arm_score" { "base_score" } else { "arm_score" };
        let e = bad(&format!(
            "\n{{\"rater\":\"a\",\"arm\":\"b\",\"prompt\":\"c\",\"{field}\":{score},\"{other}\":3}}"
        ));
        assert!(
            e.contains(&format!("r.jsonl, line 2: `{field}` is {score}; expected a number from 1 to 5")),
            "{e}"
        );
    }
    // A choice may come in each order, and once in one.
    let line = |first: &str, more: &str| {
        format!(
            "{{\"rater\":\"a\",\"arm\":\"b\",\"prompt\":\"c\",\"first\":\"{first}\",\"choice\":\"arm\"{more}}}\n"
        )
    };
    let both = line("arm", "") + &line("base", "");
    assert_eq!(read_ratings(both.as_bytes(), "r.jsonl").unwrap().len(), 2);
    // Old programs end lines with a carriage return.
    assert_eq!(
        read_ratings(both.replace('\n', "\r").as_bytes(), "r.jsonl").unwrap()[1].place,
        "r.jsonl, line 2"
    );
    let e = bad(&(both.clone() + &line("arm", "")));
    assert!(
        e.contains("r.jsonl, line 3: the rating of `a` is a second choice")
            && e.contains("the first is r.jsonl, line 1"),
        "{e}"
    );
    let score = ",\"rubric\":\"kind\",\"arm_score\":2,\"base_score\":3";
    let e = bad(&(line("arm", score) + &line("arm", score).replace(",\"choice\":\"arm\"", "")));
    assert!(e.contains("line 2") && e.contains("second score") && e.contains("on `kind`"), "{e}");
    // A rater may come in two files.
    let (mut sheet, params) = made_up();
    let again = sheet.ratings[0].clone();
    sheet.ratings.push(Rating { place: "other.jsonl, line 1".into(), ..again });
    let e = weigh(&sheet, &params, &Seeds::new(19)).unwrap_err().to_string();
    assert!(e.contains("other.jsonl, line 1") && e.contains("the first is ratings.jsonl, line 1"), "{e}");
    let csv = "rater,arm,prompt,choice\nann,persona,p01,arm\n";
    assert_eq!(read_ratings(csv.as_bytes(), "r.csv").unwrap()[0].choice, Some(PreferredText::Arm));
    for (arm, what) in [
        (ArmParams { name: "base".into(), ..ArmParams::default() }, "base is there by itself"),
        (
            ArmParams { name: "a".into(), direction: vec!["d".into()], ..ArmParams::default() },
            "does nothing with it",
        ),
        (ArmParams { name: "a".into(), alpha: Some(f64::NAN), ..ArmParams::default() }, "no finite number"),
        (ArmParams { name: "a".into(), when_above: 1.0, ..ArmParams::default() }, "of a condition"),
        (ArmParams { name: "a".into(), at: Some("nowhere".into()), ..ArmParams::default() }, "arm `a`"),
        (ArmParams::default(), "has no name"),
    ] {
        let e = arm.check().unwrap_err().to_string();
        assert!(e.contains(what), "{what}: {e}");
    }
}
