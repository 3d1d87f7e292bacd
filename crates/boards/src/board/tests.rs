use ndarray::{Array1, Array2};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::summary::{Against, summarise};
use super::*;
use crate::fixture::{Tiny, named};
use truenorth_data::store::Store;
use truenorth_protocol::ReadAt;
use truenorth_protocol::run::Unwatched;
use truenorth_reading::{AnalysisError, Reader};
use truenorth_stats::math::{self, Seeds};

pub(super) fn sequences(n: usize) -> Vec<Sequence> {
    let words = ["hat", "tin", "cup", "old", "new", "red", "yes", "no"];
    (0..n)
        .map(|i| Sequence {
            id: format!("s{i}"),
            text: format!("{} {}", words[i % 8], words[(i / 8 + i) % 7]),
            counted_with: None,
            turns: vec![],
            pair: None,
            labels: Default::default(),
        })
        .collect()
}

pub(super) fn direction(width: usize) -> Array1<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    (0..width).map(|_| rng.sample::<f64, _>(StandardNormal)).collect()
}

fn site() -> Site {
    Site::ResidPost(1)
}

#[test]
fn a_board_scanned_by_parts_is_the_board_and_the_closed_form_is_what_draws_give() {
    let tiny = Tiny::open();
    let store = Store::in_memory().unwrap();
    let reader = Reader::new(&tiny, Some(&store));
    let (probes, sequences) = (named(&["the hat", "an old tin", "no"]), sequences(12));
    let d = direction(truenorth_protocol::run::Runner::info(&tiny).hidden as usize);
    let scanned = ScanData { probes: &probes, sequences: &sequences, direction: d.view() };
    let seeds = Seeds::new(1);
    let params = ScanParams { at_once: Some(5), ..ScanParams::new(site()) };
    let found = scan(&reader, &scanned, &params, &seeds, &Unwatched).unwrap();
    // Every row by hand.
    let read = |texts: &[String]| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let readings = reader.read(&named(&texts), &[site()], ReadAt::Last, &Unwatched).unwrap();
        readings[0].values.mapv(f64::from)
    };
    let words = ["the hat", "an old tin", "no"].map(String::from);
    let alone = read(&words);
    let specific: Vec<math::Specificity> = sequences
        .iter()
        .map(|s| {
            let joined = read(&words.clone().map(|w| format!("{} {w}", s.text)));
            math::specificity(math::shifts(joined.view(), alone.view()).unwrap().view(), d.view()).unwrap()
        })
        .collect();
    for (a, b) in found.board.iter().zip(&specific) {
        assert!((a.score - b.score).abs() < 1e-6 && (a.z - b.z).abs() < 1e-4);
        assert!((a.p_random - b.p_random).abs() < 1e-4);
        assert_eq!(a.rank, 1 + found.board.iter().filter(|o| o.score > a.score).count());
    }
    for (row, along) in found.board.iter().zip(found.along.outer_iter()) {
        assert!((row.score - along.mean().unwrap()).abs() < 1e-12);
    }
    // The chunks decide nothing, and what is in the store is not asked again.
    let params = ScanParams { matched: 99, ..params };
    let found = scan(&reader, &scanned, &params, &seeds, &Unwatched).unwrap();
    assert_eq!(found.matched.as_ref().unwrap().draws, 99);
    let asked = tiny.asked();
    let other = ScanParams { at_once: None, ..params.clone() };
    let whole = scan(&reader, &scanned, &other, &seeds, &Unwatched).unwrap();
    assert_eq!((whole.reached, whole.matched), (found.reached, found.matched));
    assert_eq!(tiny.asked(), asked);

    let params = Params { permutations: 99, ..Params::default() };
    let data = BoardData {
        probes: &probes,
        sequences: &sequences,
        kinds: &[],
        direction: d.view(),
        sites: &[site()],
        over: Over::Mean,
        relabelled: None,
        beside: None,
    };
    let run = |data: &BoardData<'_>| {
        Board::run(data, &params, &AnalysisContext { reader, seeds: &seeds, watch: &Unwatched }).unwrap()
    };
    let summary = run(&data);
    assert_eq!(summary.board, found.board);
    let check = summary.monte_carlo.as_ref().unwrap();
    assert!(check.agrees && check.draws == 10_000 && check.largest_difference < 0.02, "{check:?}");
    assert!(check.statement.contains("agrees with 10000"));
    assert_eq!(summary.rows.iter().map(|r| r.rank).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    for row in &summary.rows {
        assert!((row.p_drawn.unwrap() - row.p_random).abs() < 0.02);
        assert!(row.p_family.unwrap() >= row.p_matched.unwrap() && row.p_permuted.is_none());
        assert!(row.score.interval.is_some() && row.score.n == 3);
    }
    // The largest of a board has as many draws above it by itself as over the board, or fewer.
    assert!(summary.family.matched == 1999 && summary.family.no_labels.is_some());
    // Directions of exchanged labels that are this direction itself reach as far as it does.
    let same = Array2::from_shape_fn((19, d.len()), |(_, j)| d[j]);
    let held = run(&BoardData { relabelled: Some(same.view()), ..data });
    assert!(held.rows.iter().all(|r| r.p_permuted == Some(1.0) && r.p_family == Some(1.0)));
    assert!(held.family.stands == 0 && held.family.permuted == 19 && held.family.no_labels.is_none());
    assert!(summary.largest_z <= summary.z_bound && summary.rank_changes.is_none());

    // Another direction is scored from the same shifts: its board is the one that it has by itself.
    let back = d.mapv(|v| -v);
    let by_itself =
        scan(&reader, &ScanData { direction: back.view(), ..scanned }, &params_of(0), &seeds, &Unwatched);
    let rows: Vec<ScoreRow> = by_itself.unwrap().board.into_iter().map(Into::into).collect();
    let asked = tiny.asked();
    let beside = |other| Some(Beside { own: "there", name: "back", other });
    let of_direction = run(&BoardData { beside: beside(Other::Direction(back.view())), ..data });
    assert_eq!(tiny.asked(), asked);
    assert_eq!(of_direction, run(&BoardData { beside: beside(Other::Board(&rows)), ..data }));
    let changes = of_direction.rank_changes.unwrap();
    assert!((changes.correlation.value + 1.0).abs() < 1e-12 && changes.first == "there");
    let narrow = Beside {
        other: Other::Direction(back.slice(ndarray::s![..3])),
        ..beside(Other::Board(&rows)).unwrap()
    };
    let asked = AnalysisContext { reader, seeds: &seeds, watch: &Unwatched };
    let e = Board::run(&BoardData { beside: Some(narrow), ..data }, &params, &asked).unwrap_err();
    assert!(e.to_string().contains("3 wide"), "{e}");
}

fn params_of(draws: usize) -> ScanParams {
    ScanParams { draws, ..ScanParams::new(site()) }
}

/// Sequences with these scores.
pub(crate) fn scored_as(scores: &[f64]) -> Vec<ScoredSequence> {
    let row = |(i, score): (usize, &f64)| ScoredSequence {
        id: format!("s{i}"),
        text: format!("text {i}"),
        score: *score,
        z: *score,
        coherence: 0.5,
        shift_norm: 1.0,
        z_bound: 8.0,
        p_random: 0.1,
        rank: 1 + scores.iter().filter(|s| **s > *score).count(),
        counted_with: None,
        labels: Default::default(),
    };
    scores.iter().enumerate().map(row).collect()
}

/// A scan of made-up numbers.
fn scanned(p: &[f64], reached: &[usize], draws: usize) -> Scanned {
    let mut board = scored_as(&(0..p.len()).map(|i| i as f64).collect::<Vec<_>>());
    board.iter_mut().zip(p).for_each(|(row, own)| row.p_random = *own);
    let along = Array2::ones((p.len(), 4));
    Scanned {
        board,
        at_sites: vec![],
        along,
        width: 64,
        shared: false,
        draws,
        reached: reached.to_vec(),
        matched: None,
        relabelled: None,
    }
}

fn few() -> Params {
    Params { permutations: 9, ..Params::default() }
}

#[test]
fn a_closed_form_that_is_wrong_is_found_out() {
    let p = [0.3; 10];
    let mut reached = [3000; 10];
    let check = |reached: &[usize]| {
        let found = summarise(scanned(&p, reached, 10_000), &[], &[], None, &few(), &Seeds::new(0));
        found.unwrap().monte_carlo.unwrap()
    };
    assert!(check(&reached).agrees);
    reached[4] = 3300;
    let off = check(&reached);
    assert!(!off.agrees && off.at == "s4" && off.statement.contains("does not agree"), "{off:?}");
}

#[test]
fn what_no_summary_can_be_made_of_is_refused_by_name() {
    let says = |e: AnalysisError, what: &str| assert!(e.to_string().contains(what), "{e}");
    let good = || scanned(&[0.5; 10], &[5000; 10], 10_000);
    let against = |board: &[ScoredSequence]| {
        let board: &[ScoreRow] = &board.iter().cloned().map(Into::into).collect::<Vec<_>>();
        summarise(good(), &[], &[], Some(Against { own: "own", other: "raw", board }), &few(), &Seeds::new(0))
    };
    says(
        summarise(scanned(&[0.5; 4], &[], 0), &[], &[], None, &few(), &Seeds::new(0)).unwrap_err(),
        "4 sequences",
    );
    let mut other = good().board;
    other.pop();
    says(against(&other).unwrap_err(), "`s9` is on this board alone");
    let mut other = good().board;
    other[2].text = "else".into();
    says(against(&other).unwrap_err(), "the texts of `s2` differ");
    // In any order, the same sequences are the same board.
    let mut other = good().board;
    other.reverse();
    let found = against(&other).unwrap();
    assert!((found.rank_changes.unwrap().correlation.value - 1.0).abs() < 1e-12);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_read() {
    let tiny = Tiny::open();
    let (probes, sequences) = (named(&["the hat"]), sequences(12));
    let d = direction(truenorth_protocol::run::Runner::info(&tiny).hidden as usize);
    let refused = |kinds: &[Option<String>], params: &Params, what: &str| {
        let (direction, site) = (d.view(), site());
        let (probes, sequences) = (&probes[..], &sequences[..]);
        let (sites, over) = (&[site][..], Over::Mean);
        let data =
            BoardData { probes, sequences, kinds, direction, sites, over, relabelled: None, beside: None };
        let asked =
            AnalysisContext { reader: Reader::new(&tiny, None), seeds: &Seeds::new(0), watch: &Unwatched };
        let e = Board::run(&data, params, &asked).unwrap_err();
        assert!(e.is_request() && e.to_string().contains(what), "{e}");
    };
    let contrast = |kinds: &[&str]| Params { contrast: kinds.iter().map(|k| (*k).into()).collect(), ..few() };
    refused(&[], &Params { draws: 100, ..few() }, "100 random directions");
    refused(&[], &contrast(&["a"]), "names 1 kinds");
    refused(&vec![None; 12], &contrast(&["a", "b"]), "no sequence has a kind");
    refused(&[None], &few(), "1 kinds for 12 sequences");
    assert_eq!(tiny.asked(), 0);
}

#[test]
fn choices_are_the_same_in_a_study_and_by_default() {
    assert_eq!(toml::from_str::<Params>("").unwrap(), Params::default());
    let asked: Params = toml::from_str("join = \"\"\ncontrast = [\"a\", \"b\"]\n").unwrap();
    assert_eq!((asked.join.as_str(), asked.kinds().unwrap()), ("", Some(["a", "b"])));
    assert!(toml::from_str::<Params>("joins = 1\n").unwrap_err().to_string().contains("joins"));
}

#[test]
fn a_board_is_read_as_it_was_written() {
    let board = scanned(&[0.5; 3], &[], 0).board;
    let text: String = board.iter().map(|r| serde_json::to_string(r).unwrap() + "\n").collect();
    assert_eq!(read_board(text.as_bytes(), "b.jsonl").unwrap(), board);
    let says = |text: &str, what: &str| {
        let e = read_board(text.as_bytes(), "b.jsonl").unwrap_err().to_string();
        assert!(e.contains(what), "{e}");
    };
    says("", "b.jsonl has no rows");
    says("{\"id\":\"a\"}\n", "b.jsonl, line 1");
    says(&format!("{text}{text}"), "line 4: sequence `s0` for the second time");
}
