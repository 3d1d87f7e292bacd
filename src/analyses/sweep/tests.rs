use std::str::FromStr as _;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use truenorth_protocol::graph::{Builder, Sampling, Steps};
use truenorth_protocol::{ReadAt, Site, Tensor, WriteAt};

use super::super::fixture::{Tiny, named, pairs};
use super::damage::{Harm, point, working_range};
use super::rows::{Place, Push, Row, divergence, generate, log_probs};
use super::run::narrow;
use super::*;
use crate::analyses::Reader;
use truenorth_data::store::Store;
use truenorth_protocol::run::{Batch, Runner as _, Unwatched};
use truenorth_stats::estimate::{Estimator, ProjectMethod};
use truenorth_stats::math;
use truenorth_stats::math::Seeds;

const ALPHAS: [f64; 5] = [-0.2, -0.1, 0.0, 0.1, 0.2];

/// Units that follow the dose with their own slopes and noise; random directions and label flips move nothing.
fn planted(slope: f64, spread: f64, noise: f64, units: usize, seed: u64) -> Responses {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let slopes: Vec<f64> = (0..units).map(|_| slope + spread * normal()).collect();
    let bases: Vec<f64> = (0..units).map(|_| 3.0 * normal()).collect();
    let mut at = |slopes: &[f64]| -> Vec<Vec<f64>> {
        ALPHAS
            .iter()
            .map(|a| (0..units).map(|u| bases[u] + slopes[u] * a + noise * normal()).collect())
            .collect()
    };
    let direction = at(&slopes);
    let controls = (0..19).map(|_| at(&vec![0.0; units])).collect();
    let flips = (0..39).map(|_| at(&vec![0.0; units])).collect();
    Responses {
        measure: "planted".into(),
        expected: 1,
        alphas: ALPHAS.to_vec(),
        direction,
        controls,
        flips,
        clusters: (0..units).collect(),
        units: ["pairs", "pairs"],
    }
}

#[test]
fn a_planted_slope_is_found_with_its_size_and_its_strays() {
    let s = planted(5.0, 4.0, 0.1, 60, 1).steering(&Seeds::new(0)).unwrap();
    assert!((s.slope.value - 5.0).abs() < 1.5, "{}", s.slope.value);
    assert!(s.slope.interval.unwrap().contains(5.0));
    let flips = s.slope.null.as_ref().unwrap();
    assert!(flips.p == 1.0 / 40.0 && flips.draws == Some(39) && flips.what.contains("one-sided"));
    assert!(s.trend.as_ref().unwrap().null.is_none(), "the order over the doses is described, not tested");
    let judged = judge(&s, Some(flips.p));
    assert!(judged.verdict == Verdict::Steers, "{judged:?}");
    // P(N(5, 4) < 0) is 0.106.
    let wrong = s.wrong_way.unwrap();
    assert!(wrong.n == 60 && wrong.interval.unwrap().contains(0.106), "{wrong:?}");
    assert!((s.against_controls.unwrap().p - 1.0 / 20.0).abs() < 1e-12);
    let end = &s.points[4];
    assert!((end.change.value - 1.0).abs() < 0.4 && end.controls.len() == 19);
    assert!(s.points[2].controls.is_empty() && s.points[2].change.value.abs() < 1e-12);
}

#[test]
fn no_null_is_no_p_and_a_null_that_reaches_as_far_is_no_steering() {
    let whole = planted(5.0, 1.0, 0.1, 20, 1);
    let verdict = |r: &Responses| {
        let s = r.steering(&Seeds::new(0)).unwrap();
        let judged = judge(&s, s.slope.null.as_ref().map(|n| n.p));
        (judged.verdict, judged.because, s)
    };
    assert_eq!(verdict(&whole).0, Verdict::Steers);
    let (none, why, s) = verdict(&Responses { flips: vec![], ..whole.clone() });
    assert!(none == Verdict::Untested && why.contains("--null-draws") && s.slope.null.is_none(), "{why}");
    let few = Responses { controls: whole.controls[..18].to_vec(), ..whole.clone() };
    let (few, why, s) = verdict(&few);
    assert!(few == Verdict::Untested && why.contains("18 random") && s.against_controls.is_none(), "{why}");
    assert_eq!(s.control_slopes.len(), 18);
    // As steep as the direction itself in three of 39 flips, in one of 19 random directions.
    let steep = |drawn: &[Vec<Vec<f64>>], how_many: usize| {
        let mut drawn = drawn.to_vec();
        drawn[..how_many].fill(whole.direction.clone());
        drawn
    };
    let (not, why, _) = verdict(&Responses { flips: steep(&whole.flips, 3), ..whole.clone() });
    assert!(not == Verdict::NotShown && why.contains("p = 0.100 of 39 flips"), "{why}");
    let (not, why, _) = verdict(&Responses { controls: steep(&whole.controls, 1), ..whole.clone() });
    assert!(not == Verdict::NotShown && why.contains("p = 0.100 of 19 directions"), "{why}");
    let (not, why, _) = verdict(&planted(0.0, 4.0, 0.1, 20, 3));
    assert!(not == Verdict::NotShown && why.contains("interval"), "{why}");
}

#[test]
fn flat_and_impossible_responses_are_said_to_be_so() {
    let mut flat = planted(0.0, 0.0, 0.0, 4, 1);
    let s = flat.steering(&Seeds::new(0)).unwrap();
    assert!(s.trend.is_none() && s.unmoved == 4 && judge(&s, Some(0.025)).verdict == Verdict::NotShown);
    flat.direction[0][0] = f64::NAN;
    let e = flat.steering(&Seeds::new(0)).unwrap_err().to_string();
    assert!(e.contains("planted") && e.contains("NaN"), "{e}");
    let one = planted(1.0, 0.0, 0.0, 1, 1).steering(&Seeds::new(0)).unwrap_err();
    assert!(one.to_string().contains("at least two"), "{one}");
    let few = planted(1.0, 0.0, 0.1, 5, 1).within(-0.1, 0.0).steering(&Seeds::new(0));
    assert!(few.unwrap_err().to_string().contains("three"));
}

#[test]
fn the_working_range_ends_before_the_first_dose_that_breaks() {
    let harm = |loss: f64, kl: f64, distinct: f64| Harm {
        losses: vec![loss, loss + 1.0],
        kls: vec![kl, kl],
        distinct_2: vec![distinct, distinct],
        empty: 0,
    };
    let plain = harm(10.0, 0.0, 0.9);
    let seeds = Seeds::new(0);
    // 5 tokens each: a loss of 5 more a text is a ratio of e.
    let of = |alpha, h: &Harm| point(alpha, h, &plain, &[&plain], &[5, 5], &seeds).unwrap();
    let points = [
        of(-0.2, &harm(10.5, 0.1, 0.2)),
        of(-0.1, &harm(10.1, 0.1, 0.9)),
        of(0.0, &plain),
        of(0.1, &harm(15.0, 0.1, 0.9)),
        of(0.2, &harm(10.0, 0.0, 0.9)),
    ];
    assert!((points[3].perplexity_ratio.value - std::f64::consts::E).abs() < 1e-12);
    assert_eq!(points[3].control_perplexity_ratios, [1.0]);
    let range = working_range(&points, Bounds::default());
    // The dose beyond a broken one does not count, however harmless it looks.
    assert_eq!((range.low, range.high), (-0.1, 0.0));
    assert!(range.broken_below[0].contains("distinct-2") && range.broken_above[0].contains("perplexity"));
}

#[test]
fn curves_that_part_are_said_to_part() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let n = 40;
    let mut site = |k: usize, gap: f64, slope: f64| {
        let mut score = |m: f64| -> f64 { m + rng.sample::<f64, _>(StandardNormal) };
        let scores: Vec<f64> = (0..2 * n).map(|i| score(if i < n { gap } else { 0.0 })).collect();
        let slopes: Vec<f64> = (0..n).map(|_| score(slope)).collect();
        let positive: Vec<bool> = (0..2 * n).map(|i| i < n).collect();
        let auroc = math::auroc(&scores, &positive).unwrap();
        Halves {
            site: format!("resid_post.{k}"),
            auroc,
            margin: auroc,
            scores,
            reads: gap > 0.5,
            slope: math::mean(&slopes).unwrap(),
            slopes,
            steers: if slope > 0.5 { Verdict::Steers } else { Verdict::NotShown },
        }
    };
    let apart: Vec<Halves> = (0..6).map(|k| site(k, 0.6 * k as f64, 3.0 - 0.6 * k as f64)).collect();
    let clusters: Vec<usize> = (0..n).collect();
    let p = compare(&apart, &clusters, &Seeds::new(1)).unwrap();
    let c = p.correlation.unwrap();
    assert!(c.value < -0.8 && c.interval.unwrap().high < 0.0, "{c:?}");
    assert_eq!(p.best_steering, "resid_post.0");
    assert!(p.statement.contains("against each other") && p.reads_not_steers == ["resid_post.5"]);
    let together: Vec<Halves> = (0..6).map(|k| site(k, 0.6 * k as f64, 0.6 * k as f64)).collect();
    let p = compare(&together, &clusters, &Seeds::new(1)).unwrap();
    assert!(p.correlation.unwrap().null.unwrap().p < 0.05 && p.statement.contains("rise together"));
    assert!(compare(&together[..3], &clusters, &Seeds::new(1)).unwrap().correlation.is_none());
    assert!(compare(&[], &clusters, &Seeds::new(1)).is_err());
}

#[test]
fn pushed_rows_answer_as_graphs_written_by_hand() {
    let tiny = Tiny::open();
    let reader = Reader::new(&tiny, None);
    let width = tiny.info().hidden as usize;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut direction = || narrow(math::random_unit(width, &mut rng).unwrap().view());
    let (d, e) = (direction(), direction());
    let place = Place { site: Site::ResidPost(0), positions: WriteAt::All, norm: 2.5 };
    let prompts: Vec<Vec<u32>> = vec![vec![5, 9, 70, 31], vec![11, 12, 60]];
    let push = |direction, alpha| Some(Push { direction, alpha });
    let rows = [
        Row { prompt: &prompts[0], turns: None, push: None },
        Row { prompt: &prompts[1], turns: None, push: push(&d[..], 0.7) },
        Row { prompt: &prompts[0], turns: None, push: push(&e[..], -0.4) },
    ];
    let got = log_probs(&reader, place, &rows, &Unwatched).unwrap();
    let logits = |prompt: &Vec<u32>, push: Option<(&[f32], f64)>| {
        let mut b = Builder::new();
        let g = b.tokens([prompt.clone()]);
        if let Some((d, alpha)) = push {
            let d = b.constant(Tensor::vector(d));
            b.add(g, Site::ResidPost(0), WriteAt::All, Steps::ALL, d, &[alpha * 2.5]);
        }
        let read = b.read(g, Site::Logits, ReadAt::All);
        b.save("l", read);
        let answer = tiny.ask(b.finish(), &Unwatched).unwrap();
        let all = answer.tensor("l").unwrap().to_f32().unwrap();
        all.chunks(tiny.info().vocab as usize)
            .map(|row| {
                let row: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
                let top = row.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
                let total = top + row.iter().map(|v| (v - top).exp()).sum::<f64>().ln();
                row.iter().map(|v| v - total).collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    };
    let pushes = [None, Some((&d[..], 0.7)), Some((&e[..], -0.4))];
    for ((row, push), got) in rows.iter().zip(pushes).zip(&got) {
        let prompt = row.prompt.to_vec();
        let want = logits(&prompt, push);
        assert_eq!((got.len(), got[0]), (prompt.len(), 0.0));
        for i in 1..prompt.len() {
            assert!((got[i] - want[i - 1][prompt[i] as usize]).abs() < 1e-4);
        }
    }
    let asked = [
        Push { direction: &d, alpha: 0.7 },
        Push { direction: &e, alpha: -0.4 },
        Push { direction: &d, alpha: 0.0 },
    ];
    let kl = divergence(&reader, place, &prompts, &asked, &Unwatched).unwrap();
    for (k, push) in [pushes[1], pushes[2]].into_iter().enumerate() {
        for (p, prompt) in prompts.iter().enumerate() {
            let (plain, pushed) = (logits(prompt, None), logits(prompt, push));
            let pairs = plain.last().unwrap().iter().zip(pushed.last().unwrap());
            let want: f64 = pairs.map(|(a, b)| a.exp() * (a - b)).sum();
            assert!(want > 1e-4 && (kl[k][p] - want).abs() < 1e-4 * (1.0 + want), "{} {want}", kl[k][p]);
        }
    }
    assert!(kl[2].iter().all(|v| *v < 1e-5), "{:?}", kl[2]);
    let wide = vec![0.5; width + 1];
    let bad = [Row { prompt: &prompts[0], turns: None, push: push(&wide, 1.0) }];
    assert!(log_probs(&reader, place, &bad, &Unwatched).unwrap_err().is_request());
    let out = generate(&reader, place, &rows, &Sampling::greedy(3), &Unwatched).unwrap();
    assert!(out.len() == 3 && out.iter().all(|o| o.tokens.len() == 3));
}

#[test]
fn sampled_rows_of_a_sweep_do_not_depend_on_how_they_are_cut() {
    let sampling = Sampling { temperature: 1.0, seed: 5, ..Sampling::greedy(8) };
    let ask = |sequences: usize| {
        let tiny = Tiny::with_batch(Batch { sequences, ..Batch::LOCAL });
        let width = tiny.info().hidden as usize;
        let place = Place { site: Site::ResidPost(0), positions: WriteAt::All, norm: 1.0 };
        let (d, prompts) = (vec![0.1; width], [vec![5, 6, 7], vec![3, 4]]);
        let push = |alpha| Some(Push { direction: &d, alpha });
        let rows: Vec<Row<'_>> = (0..20)
            .map(|i| Row { prompt: &prompts[i % 2], turns: None, push: push(f64::from(i as u8 / 2) / 1e6) })
            .collect();
        generate(&Reader::new(&tiny, None), place, &rows, &sampling, &Unwatched).unwrap()
    };
    let whole = ask(64);
    for (i, row) in whole.iter().enumerate() {
        assert!(!whole[..i].contains(row), "row {i} repeats another's draws");
    }
    assert_eq!(ask(3), whole);
}

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

/// How directions are found.
struct How {
    keywords: Vec<(Lexicon, i8)>,
    estimator: CheckedEstimator,
    held_out: HeldOutParams,
}

fn how() -> How {
    How {
        keywords: vec![(Lexicon::parse("hats", "hat").unwrap(), 1)],
        estimator: Estimator::MeanDiff.check().unwrap(),
        held_out: HeldOutParams { permutations: 19, repeats: 2, ..HeldOutParams::by_pair() },
    }
}

impl How {
    fn data<'a>(
        &'a self,
        (pairs, template): (&'a Distinct<Pair>, &'a Template),
        neutral: &'a [Named],
        prompts: &'a [Named],
    ) -> SweepData<'a> {
        SweepData {
            pairs,
            template,
            neutral,
            prompts,
            sentiment: None,
            keywords: &self.keywords,
            at: ReadAt::Last,
            estimator: &self.estimator,
            project_out: &[],
            project_method: ProjectMethod::default(),
            held_out: &self.held_out,
        }
    }
}

fn sweep(reader: &Reader<'_>, data: &SweepData<'_>, params: &Params) -> Result<Swept, AnalysisError> {
    Sweep::run(data, params, &Asked { reader: *reader, seeds: &Seeds::new(3), watch: &Unwatched })
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
    let texts = |rows: Vec<Named>| reader.encode(&rows).unwrap();
    let sentiment_texts = sentiment.iter().map(|r| Named::text(&r.id, &r.text)).collect();
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
