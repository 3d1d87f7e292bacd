use ndarray::{Array1, Array2};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::super::fixture::{Tiny, named};
use super::super::scan::{ScanData, ScanParams, Scanned, scan};
use super::super::score::{self, Sequence, read_board};
use super::super::{AnalysisError, Reader};
use super::*;
use truenorth_data::store::Store;
use truenorth_protocol::run::Unwatched;

fn sequences(n: usize) -> Vec<Sequence> {
    let words = ["hat", "tin", "cup", "old", "new", "red", "yes", "no"];
    (0..n)
        .map(|i| Sequence {
            id: format!("s{i}"),
            text: format!("{} {}", words[i % 8], words[(i / 8 + i) % 7]),
            counted_with: None,
        })
        .collect()
}

fn direction(width: usize) -> Array1<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    (0..width).map(|_| rng.sample::<f64, _>(StandardNormal)).collect()
}

fn site() -> truenorth_protocol::Site {
    truenorth_protocol::Site::ResidPost(1)
}

#[test]
fn a_board_scanned_by_parts_is_the_board_and_the_closed_form_is_what_draws_give() {
    let tiny = Tiny::open();
    let store = Store::in_memory().unwrap();
    let reader = Reader::new(&tiny, Some(&store));
    let (probes, sequences) = (named(&["the hat", "an old tin", "no"]), sequences(12));
    let d = direction(truenorth_protocol::run::Runner::info(&tiny).hidden as usize);
    let data = ScanData { probes: &probes, sequences: &sequences, direction: d.view() };
    let seeds = Seeds::new(1);
    let params = ScanParams { at_once: Some(5), ..ScanParams::new(site()) };
    let found = scan(&reader, &data, &params, &seeds, &Unwatched).unwrap();
    let shifts = score::shifts(&reader, site(), &probes, &sequences, " ", &Unwatched).unwrap();
    let whole = score::board(&shifts, &sequences, d.view()).unwrap();
    for (a, b) in found.board.iter().zip(&whole) {
        assert!((a.score - b.score).abs() < 1e-12 && (a.z - b.z).abs() < 1e-9 && a.rank == b.rank);
        assert!((a.p_random - b.p_random).abs() < 1e-9);
    }
    for (row, along) in found.board.iter().zip(found.along.outer_iter()) {
        assert!((row.score - along.mean().unwrap()).abs() < 1e-12);
    }
    // The chunks decide nothing, and what is in the store is not asked again.
    let asked = tiny.asked();
    let other = ScanParams { at_once: None, ..params.clone() };
    assert_eq!(scan(&reader, &data, &other, &seeds, &Unwatched).unwrap().reached, found.reached);
    assert_eq!(tiny.asked(), asked);

    let summary =
        summarise(&found, &SummaryParams { permutations: 99, ..Default::default() }, &seeds).unwrap();
    let check = summary.monte_carlo.as_ref().unwrap();
    assert!(check.agrees && check.draws == 10_000 && check.largest_difference < 0.02, "{check:?}");
    assert!(check.statement.contains("agrees with 10000"));
    assert_eq!(summary.rows.iter().map(|r| r.rank).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    for row in &summary.rows {
        assert!((row.p_drawn.unwrap() - row.p_random).abs() < 0.02);
        // Equal but for the last bits where only one is left to correct for.
        let (holm, bh) = (row.p_holm.unwrap(), row.p_bh.unwrap());
        assert!(holm > bh - 1e-12 && bh > row.p_random - 1e-12);
        assert!(row.score.interval.is_some() && row.score.n == 3);
    }
    assert!(summary.largest_z <= summary.z_bound && summary.rank_changes.is_none());
}

/// A scan of made-up numbers.
fn scanned(p: &[f64], reached: &[usize], draws: usize) -> Scanned {
    let board = p
        .iter()
        .enumerate()
        .map(|(i, own)| Scored {
            id: format!("s{i}"),
            text: format!("text {i}"),
            score: i as f64,
            z: i as f64,
            coherence: 0.5,
            shift_norm: 1.0,
            z_bound: 8.0,
            p_random: *own,
            rank: p.len() - i,
            counted_with: None,
        })
        .collect();
    Scanned { board, along: Array2::ones((p.len(), 4)), width: 64, draws, reached: reached.to_vec() }
}

#[test]
fn a_closed_form_that_is_wrong_is_found_out() {
    let p = [0.3; 10];
    let mut reached = [3000; 10];
    let fair = summarise(
        &scanned(&p, &reached, 10_000),
        &SummaryParams { permutations: 9, ..Default::default() },
        &Seeds::new(0),
    );
    assert!(fair.unwrap().monte_carlo.unwrap().agrees);
    reached[4] = 3300;
    let off = summarise(
        &scanned(&p, &reached, 10_000),
        &SummaryParams { permutations: 9, ..Default::default() },
        &Seeds::new(0),
    );
    let off = off.unwrap().monte_carlo.unwrap();
    assert!(!off.agrees && off.at == "s4" && off.statement.contains("does not agree"), "{off:?}");
}

#[test]
fn what_no_summary_can_be_made_of_is_refused_by_name() {
    let says = |params: &SummaryParams<'_>, scanned: &Scanned, what: &str| {
        let e: AnalysisError = summarise(scanned, params, &Seeds::new(0)).unwrap_err();
        assert!(e.to_string().contains(what), "{e}");
    };
    let base = || SummaryParams { permutations: 9, ..Default::default() };
    let good = scanned(&[0.5; 10], &[5000; 10], 10_000);
    says(&base(), &scanned(&[0.5; 10], &[50; 10], 100), "100 random directions");
    says(&base(), &scanned(&[0.5; 4], &[], 0), "4 sequences");
    let mut other = good.board.clone();
    other.pop();
    says(&SummaryParams { against: Some(("raw", &other)), ..base() }, &good, "`s9` is on this board alone");
    let mut other = good.board.clone();
    other[2].text = "else".into();
    says(&SummaryParams { against: Some(("raw", &other)), ..base() }, &good, "the texts of `s2` differ");
    let contrast = Some(["a".to_owned(), "b".to_owned()]);
    says(&SummaryParams { contrast, ..base() }, &good, "no sequence has a kind");
    // In any order, the same sequences are the same board.
    let mut other = good.board.clone();
    other.reverse();
    let found = summarise(&good, &SummaryParams { against: Some(("raw", &other)), ..base() }, &Seeds::new(0));
    assert!((found.unwrap().rank_changes.unwrap().correlation.value - 1.0).abs() < 1e-12);
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
