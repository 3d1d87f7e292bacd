use std::collections::BTreeMap;

use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::*;
use crate::board::ScoreRow;
use crate::board::tests::scored_as;
use truenorth_stats::math;
use truenorth_stats::math::Seeds;

fn board(scores: &[f64]) -> Vec<ScoreRow> {
    scored_as(scores).into_iter().map(ScoreRow::from).collect()
}

fn two(a: &[f64], b: &[f64], params: &Params) -> Result<PairTransfer, AnalysisError> {
    grouped(a, b, &SequenceGroups::default(), params)
}

fn grouped(
    a: &[f64],
    b: &[f64],
    groups: &SequenceGroups,
    params: &Params,
) -> Result<PairTransfer, AnalysisError> {
    let (a, b) = (board(a), board(b));
    let models =
        [ModelBoard { model: "one".into(), board: &a }, ModelBoard { model: "two".into(), board: &b }];
    compare(&models, groups, params, &Seeds::new(5)).map(|mut t| t.pairs.remove(0))
}

fn normal(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.sample(StandardNormal)).collect()
}

fn few() -> Params {
    Params { permutations: 199, ..Params::default() }
}

#[test]
fn the_law_of_agreement_is_that_of_dealing() {
    // Dealt by hand: 2 up, 1 down in the group, 2 outside, 2 positives over 5 places (10 ways).
    let law = signs::law(2, 1, 5, 2);
    // k agreements: down place negative counts one, each up place positive counts one.
    let want = [0.1 * 2.0, 0.1 * (1.0 + 2.0), 0.1 * 4.0, 0.1 * 1.0];
    assert!(law.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{law:?}");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut dealt = vec![true; 30];
    dealt.extend(vec![false; 20]);
    let first: Vec<bool> = (0..12).map(|i| i < 8).collect();
    let law = signs::law(8, 4, 50, 30);
    let mut counts = vec![0.0; 13];
    for _ in 0..20_000 {
        dealt.shuffle(&mut rng);
        counts[first.iter().zip(&dealt).filter(|(a, b)| a == b).count()] += 1.0 / 20_000.0;
    }
    assert!(law.iter().zip(&counts).all(|(a, b)| (a - b).abs() < 0.015), "{law:?} {counts:?}");
    assert!((law.iter().sum::<f64>() - 1.0).abs() < 1e-9);
}

#[test]
fn a_shared_board_transfers_and_an_unrelated_one_does_not() {
    let a = normal(80, 1);
    let noise = normal(80, 2);
    let near: Vec<f64> = a.iter().zip(&noise).map(|(x, e)| x + 0.4 * e).collect();
    let found = two(&a, &near, &few()).unwrap();
    assert!(found.spearman.value > 0.8 && found.spearman.interval.unwrap().low > 0.6);
    let all = &found.agreement[0];
    assert!(all.rate.value > 0.8 && all.rate.null.as_ref().unwrap().p < 1e-6 && found.stands[0]);
    let top = &found.movers[0];
    assert!(top.shared.len() >= 4 && top.overlap.null.as_ref().unwrap().p < 0.01 && top.opposed.is_empty());
    assert_eq!(top.shared.len() + top.first_only.len(), 8);
    let apart = two(&a, &noise, &few()).unwrap();
    assert!(apart.spearman.interval.unwrap().contains(0.0));
    assert!(apart.spearman.null.unwrap().p > 0.05 && !apart.stands.iter().any(|s| *s));
}

#[test]
fn two_models_that_lean_alike_do_not_agree_by_it() {
    // Nine of ten scores are positive on both: signs agree on 82 % without any relation.
    let lean = |seed| normal(200, seed).into_iter().map(|v| v + 1.28).collect::<Vec<f64>>();
    let mut hits = 0;
    let every: Vec<usize> = (0..200).collect();
    let seeds = Seeds::new(1);
    let alone = signs::ClusterResampling { clusters: &every, permutations: 0, seeds: &seeds };
    for k in 0..200 {
        let (a, b) = (lean(2 * k), lean(2 * k + 1));
        let signs = signs::Signs::new(&a, &b);
        let all = signs.agreement("all", &every, &alone).unwrap().unwrap();
        let null = all.rate.null.as_ref().unwrap();
        let up = |v: &[f64]| v.iter().filter(|s| **s > 0.0).count() as f64 / 200.0;
        let want = up(&a) * up(&b) + (1.0 - up(&a)) * (1.0 - up(&b));
        assert!(null.expected > 0.7 && (null.expected - want).abs() < 1e-9);
        assert!(all.p_coin.unwrap() < 0.001, "a coin is the wrong null here");
        hits += usize::from(null.p <= 0.05);
    }
    // At most the nominal rate: the law is discrete.
    assert!(hits <= 20, "{hits} of 200");
}

/// Kinds that are up on both models, and down on both, agree wholly; within them there is nothing left to agree on.
#[test]
fn what_kinds_give_by_themselves_is_expected_within_them() {
    let (noise, own) = (normal(60, 3), normal(60, 4));
    let way = |i: usize| if i < 30 { 10.0 } else { -10.0 };
    let [a, b]: [Vec<f64>; 2] = [&noise, &own].map(|v| (0..60).map(|i| v[i] + way(i)).collect());
    let kinds: Vec<Option<String>> =
        (0..60).map(|i| Some(if i < 30 { "k1" } else { "k2" }.to_owned())).collect();
    let (signs, every, seeds) = (signs::Signs::new(&a, &b), (0..60).collect::<Vec<_>>(), Seeds::new(1));
    let alone = signs::ClusterResampling { clusters: &every, permutations: 0, seeds: &seeds };
    let all = signs.agreement("all", &every, &alone).unwrap().unwrap();
    assert!(all.agree == 60 && all.rate.null.unwrap().p < 1e-6);
    let within = signs.within(&kinds).unwrap();
    assert!((within.expected - 1.0).abs() < 1e-9 && (within.p - 1.0).abs() < 1e-9, "{within:?}");
    // One kind is no kind; and where signs go together within kinds it is seen.
    assert!(signs.within(&vec![None; 60]).is_none());
    let mixed: Vec<Option<String>> = (0..60).map(|i| Some(["x", "y"][i % 2].to_owned())).collect();
    let found = signs.within(&mixed).unwrap();
    assert!(found.p < 1e-6 && found.expected < 0.7, "{found:?}");
}

#[test]
fn labels_make_groups_and_are_crossed_with_transfer() {
    let a = normal(60, 7);
    let mut b = a.clone();
    // Kind `turned` has its signs turned on the second model.
    let kind: Vec<Option<String>> =
        (0..60).map(|i| [Some("kept"), Some("turned"), None][i % 3].map(str::to_owned)).collect();
    for i in (1..60).step_by(3) {
        b[i] = -b[i];
    }
    let groups = SequenceGroups {
        labels: BTreeMap::from([("kind".to_owned(), kind)]),
        kind: Some("kind".into()),
        clusters: None,
    };
    let found = grouped(&a, &b, &groups, &few()).unwrap();
    let group = |name: &str| found.agreement.iter().find(|g| g.group == name).unwrap();
    assert_eq!((group("kind=kept").agree, group("kind=turned").agree, group("kind=turned").n), (20, 0, 20));
    let kinds = found.kinds.unwrap();
    assert!(kinds.p.unwrap() < 0.01 && kinds.n == 40);
    assert!((kinds.chi_square.unwrap() - 40.0).abs() < 1e-9);
}

#[test]
fn what_models_are_called_changes_no_number() {
    let boards = [1, 2, 3].map(|seed| board(&normal(40, seed)));
    let with = |names: [&str; 3]| {
        let models: Vec<ModelBoard<'_>> =
            names.iter().zip(&boards).map(|(m, board)| ModelBoard { model: (*m).into(), board }).collect();
        let mut found = compare(&models, &SequenceGroups::default(), &few(), &Seeds::new(0)).unwrap();
        for pair in &mut found.pairs {
            (pair.first, pair.second) = (String::new(), String::new());
        }
        found
    };
    assert_eq!(with(["a", "b", "c"]), with(["/models/a", "copy of b", "b"]));
}

#[test]
fn three_models_are_also_compared_at_once() {
    let a = board(&normal(40, 1));
    let models = ["x", "y", "z"].map(|m| ModelBoard { model: m.into(), board: &a });
    let found = compare(&models, &SequenceGroups::default(), &few(), &Seeds::new(0)).unwrap();
    let all = found.unanimous.unwrap();
    assert!(found.pairs.len() == 3 && all.share.value == 1.0 && all.share.null.unwrap().p < 0.01);
}

#[test]
fn boards_that_can_not_be_compared_are_refused_by_name() {
    let a = normal(20, 1);
    let says = |e: AnalysisError, what: &str| assert!(e.to_string().contains(what), "{e}");
    says(two(&a, &[0.5; 20], &few()).unwrap_err(), "`two` gives every sequence the score 0.5");
    says(two(&a[..5], &a[..5], &few()).unwrap_err(), "5 sequences");
    says(two(&a, &a[..19], &few()).unwrap_err(), "not of the same sequences");
    says(two(&a, &a, &Params { ends: Some(11), ..few() }).unwrap_err(), "11 sequences at each end");
    let none = SequenceGroups { kind: Some("none".into()), ..SequenceGroups::default() };
    says(grouped(&a, &a, &none, &few()).unwrap_err(), "no label `none`");
    let mut nan = a.clone();
    nan[3] = f64::NAN;
    says(two(&a, &nan, &few()).unwrap_err(), "`s3`");
    let alone = board(&a);
    let one = [ModelBoard { model: "one".into(), board: &alone }];
    says(compare(&one, &SequenceGroups::default(), &few(), &Seeds::new(0)).unwrap_err(), "only `one`");
}

#[test]
fn a_model_leaves_its_board_and_two_of_one_name_are_refused() {
    use crate::board::{ScanParams, Sequence, scan};
    use crate::fixture::{Tiny, named};
    use truenorth_protocol::run::{Runner as _, Unwatched};

    let tiny = Tiny::open();
    let reader = truenorth_reading::Reader::new(&tiny, None);
    let site = Site::ResidPost(0);
    let probes = named(&["the hat", "an old tin"]);
    let sequences: Vec<Sequence> = ["hat", "tin", "cup", "old", "new", "red", "yes", "no"]
        .into_iter()
        .map(|w| Sequence {
            id: w.into(),
            text: format!("the {w}"),
            counted_with: None,
            turns: vec![],
            pair: None,
            labels: Default::default(),
        })
        .collect();
    let d = math::unit(ndarray::ArrayView1::from(&normal(tiny.info().hidden as usize, 4))).unwrap();
    let data = ScanData { probes: &probes, sequences: &sequences, direction: d.view() };
    let own = own_board(&reader, "one", &data, site, " ", &Unwatched).unwrap();
    let params = ScanParams { draws: 0, at_once: Some(3), ..ScanParams::new(site) };
    let whole = scan(&reader, &data, &params, &Seeds::new(1), &Unwatched).unwrap().board;
    // What prompts share is computed once, and two readings share otherwise.
    assert!(own.board.iter().zip(&whole).all(|(a, b)| a.id == b.id && (a.score - b.score).abs() < 1e-6));
    let twice = models::transferred(
        vec![own.clone(), own.clone()],
        &SequenceGroups::default(),
        &few(),
        &Seeds::new(0),
    )
    .unwrap_err();
    assert!(twice.to_string().contains("two boards are called `one`"), "{twice}");
    let other = OwnBoard { model: "two".into(), ..own.clone() };
    // Boards that are there are compared without another reading, and as those that are made.
    let (rows, asked) = (&[][..], tiny.asked());
    let found = Transfer::of(vec![own, other.clone()], rows, &few(), &Seeds::new(0)).unwrap();
    assert_eq!(tiny.asked(), asked);
    let (scored, after) = (data, &[other][..]);
    let data_of = TransferData { name: "one", site, scored, join: " ", before: &[], after, rows };
    let watch = &Unwatched;
    let asks = AnalysisContext { reader, seeds: &Seeds::new(0), watch };
    let made = Transfer::run(&data_of, &few(), &asks).unwrap();
    assert_eq!(made.boards[1], found.boards[1]);
    assert_eq!(made.transfer.pairs[0].agreement.len(), found.transfer.pairs[0].agreement.len());
    assert!(tiny.asked() > asked);
    assert!((found.transfer.pairs[0].spearman.value - 1.0).abs() < 1e-12 && found.boards.len() == 2);
    let narrow = ScanData { direction: d.slice(ndarray::s![..3]), ..data };
    let e = own_board(&reader, "one", &narrow, site, " ", &Unwatched).unwrap_err().to_string();
    assert!(e.contains("3 wide"), "{e}");
}

#[test]
fn groups_are_the_labels_asked_for_and_what_is_missing_is_named() {
    let file: String = (0..12)
        .map(|i| {
            let kind = ["thing", "quality"][i % 2];
            format!(
                "{{\"id\":\"s{i}\",\"text\":\"text {i}\",\"kind\":\"{kind}\",\"list\":{},\"own\":{i}}}\n",
                i / 6
            )
        })
        .collect();
    let rows = truenorth_data::read_sequences(file.as_bytes(), "seq.jsonl").unwrap().rows;
    let groups = |params: &Params| SequenceGroups::new(&rows, params);
    let names = |groups: &SequenceGroups| groups.labels.keys().cloned().collect::<Vec<_>>();
    // A label with a value for each sequence groups nothing.
    assert_eq!(names(&groups(&few()).unwrap()), ["kind", "list"]);
    let asked = Params { label: vec!["own".into()], kind: Some("kind".into()), ..few() };
    let found = groups(&Params { cluster: Some("list".into()), ..asked }).unwrap();
    assert_eq!(
        (names(&found), found.clusters.unwrap()[7].as_str()),
        (vec!["kind".into(), "own".into()], "1")
    );
    for params in [
        Params { label: vec!["mood".into()], ..few() },
        Params { kind: Some("mood".into()), ..few() },
        Params { cluster: Some("mood".into()), ..few() },
    ] {
        let e = groups(&params).unwrap_err();
        assert!(e.is_request() && e.to_string().contains("`mood`") && e.hint().is_some(), "{e}");
    }
}
