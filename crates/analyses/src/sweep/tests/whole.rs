//! Sweeps of a small model, from parameters to what was found.

use std::str::FromStr as _;

use truenorth_data::store::Store;
use truenorth_protocol::run::Unwatched;
use truenorth_protocol::{ReadAt, WriteAt};
use truenorth_stats::estimate::{Estimator, ProjectMethod};
use truenorth_stats::math::Seeds;

use super::super::*;
use crate::fixture::{Tiny, named, pairs};
use truenorth_reading::Reader;

fn params(sites: &[&str]) -> Params {
    Params {
        sites: sites.iter().map(|s| s.parse().unwrap()).collect(),
        alphas: vec![-0.5, 0.5, 1.0],
        random_directions: 3,
        damage_directions: 2,
        null_draws: 5,
        max_new_tokens: 4,
        ..Params::default()
    }
}

struct How {
    keywords: Vec<(Lexicon, i8)>,
    estimators: Vec<(String, CheckedEstimator)>,
    held_out: HeldOutParams,
}

fn how() -> How {
    How {
        keywords: vec![(Lexicon::parse("hats", "hat").unwrap(), 1)],
        estimators: vec![("mean-diff".into(), Estimator::MeanDiff.check().unwrap())],
        held_out: HeldOutParams { permutations: 19, repeats: 2, ..HeldOutParams::by_pair() },
    }
}

impl How {
    fn data<'a>(
        &'a self,
        (pairs, template): (&'a Distinct<Pair>, &'a Template),
        neutral: &'a [NamedPrompt],
        prompts: &'a [NamedPrompt],
    ) -> SweepData<'a> {
        SweepData {
            pairs,
            template,
            neutral,
            prompts,
            sentiment: None,
            keywords: &self.keywords,
            at: ReadAt::Last,
            estimators: &self.estimators,
            project_out: &[],
            project_method: ProjectMethod::default(),
            held_out: &self.held_out,
        }
    }
}

fn sweep(reader: &Reader<'_>, data: &SweepData<'_>, params: &Params) -> Result<Swept, AnalysisError> {
    Sweep::run(data, params, &AnalysisContext { reader: *reader, seeds: &Seeds::new(3), watch: &Unwatched })
}

#[test]
fn a_sweep_of_a_model_is_whole_and_asks_nothing_twice() {
    let tiny = Tiny::open();
    let store = Store::in_memory().unwrap();
    let reader = Reader::new(&tiny, Some(&store));
    let (pairs, template) = (pairs(12), Template::default());
    let neutral = named(&["the old tin is red", "a cup of tea", "nine hats"]);
    let prompts = named(&["the hat", "a tin"]);
    let how = how();
    let data = how.data((&pairs, &template), &neutral, &prompts);
    let params = params(&["resid_post.0", "resid_mid.1"]);
    let run = || sweep(&reader, &data, &params).unwrap();
    let found = run();
    assert_eq!(found.alphas, [-0.5, 0.0, 0.5, 1.0]);
    for site in &found.sites {
        let names: Vec<&str> = site.steering.iter().map(|s| s.measure.as_str()).collect();
        assert_eq!(names, ["log_odds", "log_odds_per_token", "projection", "refusal", "hats"]);
        assert!(site.residual_norm > 0.0 && site.fold_cosine > 0.3);
        assert_eq!(site.steering[0].unit_slopes.len(), 12);
        assert_eq!((site.steering[0].control_slopes.len(), site.steering[0].flip_slopes.len()), (3, 5));
        assert_eq!((site.steering[2].control_slopes.len(), site.steering[2].flip_slopes.len()), (2, 0));
        assert!(site.p_over_sites.is_some() && !site.steers, "{:?}", site.steering_verdict);
        let zero = &site.damage[1];
        assert!(zero.alpha == 0.0 && zero.perplexity_ratio.value == 1.0 && zero.kl.value == 0.0);
        assert!(site.damage[3].kl.value > zero.kl.value && site.damage[3].control_kls.len() == 2);
    }
    // Dose 0 is the unsteered model, the same at every site.
    let zero = |s: usize| found.sites[s].steering[0].points[1].mean.value;
    assert_eq!(zero(0), zero(1));
    assert!(found.parting.statement.contains("of 2 sites"));
    // 12 pairs at three doses beside 0 and two sites.
    assert_eq!((found.budget.texts, found.budget.controls, found.budget.total), (24, 432, 1152));
    let asked = tiny.asked();
    let again = run();
    assert_eq!(tiny.asked(), asked, "a second sweep asked the model again");
    assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&found).unwrap());
}

/// The first is what it is alone; the second shares its texts, and is held against it pair by pair.
#[test]
fn several_estimators_are_swept_beside_each_other() {
    let tiny = Tiny::open();
    let reader = Reader::new(&tiny, None);
    let (pairs, template) = (pairs(12), Template::default());
    let neutral = named(&["the old tin is red", "a cup of tea", "nine hats"]);
    let how = how();
    let both: Vec<_> =
        ["mean-diff", "lda"].map(|n| (n.to_owned(), n.parse::<Estimator>().unwrap().check().unwrap())).into();
    let one = how.data((&pairs, &template), &neutral, &[]);
    let two = SweepData { estimators: &both, ..one };
    let params = params(&["resid_post.0", "resid_mid.1"]);
    let (alone, found) = (sweep(&reader, &one, &params).unwrap(), sweep(&reader, &two, &params).unwrap());
    assert!(alone.estimators.is_none() && alone.others.is_empty());
    assert_eq!(found.budget.total, 2 * alone.budget.total);
    let other = &found.others[0];
    assert_eq!((found.estimator.as_str(), other.estimator.as_str()), ("mean-diff", "lda"));
    for (a, b) in alone.sites.iter().zip(&found.sites) {
        assert_eq!((&a.reading, &a.steering), (&b.reading, &b.steering));
        // The largest slope is looked for among twice as many.
        assert!(b.p_over_sites.unwrap() >= a.p_over_sites.unwrap());
    }
    let beside = found.estimators.unwrap();
    let names: Vec<_> = beside.rows.iter().map(|r| (r.site.to_string(), r.estimator.clone())).collect();
    let expected =
        ["resid_post.0", "resid_mid.1"].map(|s| ["mean-diff", "lda"].map(|e| (s.to_owned(), e.to_owned())));
    assert_eq!(names, expected.concat());
    for rows in beside.rows.chunks(2) {
        assert!((rows[0].cosine - 1.0).abs() < 1e-9 && rows[0].auroc_less.is_none());
        assert!(rows[1].cosine < 0.999, "{}", rows[1].cosine);
        let (slope, auroc) = (rows[1].slope_less.as_ref().unwrap(), rows[1].auroc_less.as_ref().unwrap());
        assert!((slope.value - (rows[1].slope.value - rows[0].slope.value)).abs() < 1e-9);
        assert!(
            slope.interval.unwrap().contains(slope.value) && auroc.interval.unwrap().contains(auroc.value)
        );
    }
    assert!(beside.statement.contains("reads best") && beside.statement.contains("steepest slope"));
    let twice = [both[0].clone(), both[0].clone()];
    let e = sweep(&reader, &SweepData { estimators: &twice, ..two }, &params).unwrap_err();
    assert!(e.to_string().contains("`mean-diff` is named twice"), "{e}");
}

/// Also where nothing is kept: each text that several sites need is read at all of them at once.
#[test]
fn a_sweep_without_a_store_reads_no_text_twice() {
    let tiny = Tiny::open();
    let reader = Reader::new(&tiny, None);
    let (pairs, template) = (pairs(12), Template::default());
    let neutral = named(&["the old tin is red", "a cup of tea", "nine hats"]);
    let prompts = named(&["the hat", "a tin"]);
    let sentiment: Vec<SentimentRow> = (0..12)
        .map(|i| SentimentRow {
            id: format!("s{i}"),
            text: format!("a {i} cup"),
            positive: i % 2 == 0,
            turns: vec![],
            extra: truenorth_data::Extra::new(),
        })
        .collect();
    let how = how();
    let data = SweepData {
        sentiment: Some(&sentiment),
        project_out: &[ProjectOut::Sentiment],
        project_method: ProjectMethod::default(),
        ..how.data((&pairs, &template), &neutral, &prompts)
    };
    let params = params(&["resid_post.0", "resid_mid.1", "resid_post.1"]);
    let alone = sweep(&reader, &data, &params).unwrap();
    let texts = |rows: Vec<NamedPrompt>| reader.encode(&rows).unwrap();
    let sentiment_texts = sentiment.iter().map(|r| NamedPrompt::text(&r.id, &r.text)).collect();
    let given = [texts(neutral.clone()), texts(sentiment_texts)].concat();
    let again = tiny.read_again();
    assert!(!again.iter().any(|prompt| given.contains(prompt)), "{again:?}");
    assert!(given.iter().all(|prompt| tiny.read().contains(prompt)));
    let store = Store::in_memory().unwrap();
    let kept = sweep(&Reader::new(&Tiny::open(), Some(&store)), &data, &params).unwrap();
    assert_eq!(serde_json::to_string(&alone).unwrap(), serde_json::to_string(&kept).unwrap());
}

/// The label flips of a sweep are the slopes of sweeps of pairs whose responses are exchanged likewise.
#[test]
fn a_label_flip_is_a_sweep_of_flipped_pairs() {
    let tiny = Tiny::open();
    let reader = Reader::new(&tiny, None);
    let (pairs, template) = (pairs(12), Template::default());
    let neutral = named(&["the old tin is red", "a cup of tea", "nine hats"]);
    let how = how();
    let one = Params { null_draws: 1, ..params(&["resid_post.0"]) };
    let found = sweep(&reader, &how.data((&pairs, &template), &neutral, &[]), &one).unwrap();
    let units = reading::units(&pairs.cluster, &vec![String::new(); 12], how.held_out.by);
    let flipped = flips::draw(&units, 1, &Seeds::new(3).child("sweep").child("label flips"));
    assert!(flipped[0].contains(&true) && flipped[0].contains(&false));
    let mut other = pairs;
    for (pair, _) in other.rows.iter_mut().zip(&flipped[0]).filter(|(_, f)| **f) {
        std::mem::swap(&mut pair.chosen, &mut pair.rejected);
    }
    let none = Params { null_draws: 0, ..one };
    let again = sweep(&reader, &how.data((&other, &template), &neutral, &[]), &none).unwrap();
    let (drawn, seen) = (found.sites[0].steering[0].flip_slopes[0], again.sites[0].steering[0].slope.value);
    assert!((drawn - seen).abs() < 1e-3 * (1.0 + seen.abs()), "{drawn} {seen}");
    assert!((found.sites[0].steering[0].slope.value - seen).abs() > 1e-2, "the flip changed nothing");
}

#[test]
fn a_sweep_that_makes_no_sense_is_refused_by_name() {
    let tiny = Tiny::open();
    let reader = Reader::new(&tiny, None);
    let (good, template) = (pairs(8), Template::from_str("{prompt}: {response}").unwrap());
    let neutral = named(&["the old tin is red", "a cup"]);
    let how = how();
    let data = how.data((&good, &template), &neutral, &[]);
    let refused = |data: &SweepData<'_>, params: &Params| {
        let e = sweep(&reader, data, params).unwrap_err();
        assert!(e.is_request(), "{e}");
        e.to_string()
    };
    let site = || params(&["resid_post.0"]);
    let one_sided = Params { alphas: vec![0.1, 0.2], ..site() };
    assert!(refused(&data, &one_sided).contains("one sign"));
    assert!(refused(&data, &params(&[])).contains("no sites"));
    assert!(refused(&data, &params(&["logits"])).contains("logits"));
    assert!(refused(&data, &params(&["resid_post.7"])).contains("block 7 is out of range"));
    assert!(refused(&SweepData { at: ReadAt::All, ..data }, &site()).contains("all"));
    assert!(refused(&SweepData { neutral: &[], ..data }, &site()).contains("neutral"));
    let few = pairs(3);
    assert!(refused(&SweepData { pairs: &few, ..data }, &site()).contains("5 folds"));
    assert!(refused(&data, &Params { max_perplexity: 0.5, ..site() }).contains("bounds"));
    let three = named(&["a hat", "a tin", "a cup"]);
    let one = Params { steered_prompts: Some(1), ..site() };
    assert!(refused(&SweepData { prompts: &three, ..data }, &one).contains("one prompt"));
    assert_eq!(tiny.asked(), 0, "a refused sweep asked the model");
}

/// What a study writes as `sites`, `alphas`, `pairs` and `prompts`, and what is left out.
#[test]
fn a_table_says_what_flags_say() {
    let table =
        r#"{"sites": ["resid_post.0..1"], "alphas": [-1, 1], "pairs": 8, "prompts": 2, "push": "last"}"#;
    let read: Params = serde_json::from_str(table).unwrap();
    let flags = Params {
        sites: vec!["resid_post.0..1".parse().unwrap()],
        alphas: vec![-1.0, 1.0],
        steered_pairs: Some(8),
        steered_prompts: Some(2),
        push: WriteAt::Last,
        ..Params::default()
    };
    assert_eq!(read, flags);
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(written["site"], serde_json::json!(["resid_post.0..1"]));
    assert!(written["push"] == "last" && written["steered_pairs"] == 8 && written["null_draws"] == 39);
    assert_eq!(serde_json::from_value::<Params>(written).unwrap(), read);
    let unknown = serde_json::from_str::<Params>(r#"{"dose": 1}"#).unwrap_err().to_string();
    assert!(unknown.contains("`dose`"), "{unknown}");
}
