//! Rows that are pushed, against graphs written by hand.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use truenorth_protocol::graph::{Builder, Sampling, Steps};
use truenorth_protocol::run::{BatchLimits, Runner as _, Unwatched};
use truenorth_protocol::{ReadAt, Site, Tensor, WriteAt};
use truenorth_stats::math;

use super::super::rows::{SteeredPrompt, SteeringSite, SweepPush, divergence, generate, log_probs};
use super::super::run::narrow;
use crate::fixture::Tiny;
use truenorth_reading::Reader;

#[test]
fn pushed_rows_answer_as_graphs_written_by_hand() {
    let tiny = Tiny::open();
    let reader = Reader::new(&tiny, None);
    let width = tiny.info().hidden as usize;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut direction = || narrow(math::random_unit(width, &mut rng).unwrap().view());
    let (d, e) = (direction(), direction());
    let place = SteeringSite { site: Site::ResidPost(0), positions: WriteAt::All, norm: 2.5 };
    let prompts: Vec<Vec<u32>> = vec![vec![5, 9, 70, 31], vec![11, 12, 60]];
    let push = |direction, alpha| Some(SweepPush { direction, alpha });
    let rows = [
        SteeredPrompt { prompt: &prompts[0], turns: None, push: None },
        SteeredPrompt { prompt: &prompts[1], turns: None, push: push(&d[..], 0.7) },
        SteeredPrompt { prompt: &prompts[0], turns: None, push: push(&e[..], -0.4) },
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
        SweepPush { direction: &d, alpha: 0.7 },
        SweepPush { direction: &e, alpha: -0.4 },
        SweepPush { direction: &d, alpha: 0.0 },
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
    let bad = [SteeredPrompt { prompt: &prompts[0], turns: None, push: push(&wide, 1.0) }];
    assert!(log_probs(&reader, place, &bad, &Unwatched).unwrap_err().is_request());
    let out = generate(&reader, place, &rows, &Sampling::greedy(3), &Unwatched).unwrap();
    assert!(out.len() == 3 && out.iter().all(|o| o.tokens.len() == 3));
}

#[test]
fn sampled_rows_of_a_sweep_do_not_depend_on_how_they_are_cut() {
    let sampling = Sampling { temperature: 1.0, seed: 5, ..Sampling::greedy(8) };
    let ask = |sequences: usize| {
        let tiny = Tiny::with_batch(BatchLimits { sequences, ..BatchLimits::LOCAL });
        let width = tiny.info().hidden as usize;
        let place = SteeringSite { site: Site::ResidPost(0), positions: WriteAt::All, norm: 1.0 };
        let (d, prompts) = (vec![0.1; width], [vec![5, 6, 7], vec![3, 4]]);
        let push = |alpha| Some(SweepPush { direction: &d, alpha });
        let rows: Vec<SteeredPrompt<'_>> = (0..20)
            .map(|i| SteeredPrompt {
                prompt: &prompts[i % 2],
                turns: None,
                push: push(f64::from(i as u8 / 2) / 1e6),
            })
            .collect();
        generate(&Reader::new(&tiny, None), place, &rows, &sampling, &Unwatched).unwrap()
    };
    let whole = ask(64);
    for (i, row) in whole.iter().enumerate() {
        assert!(!whole[..i].contains(row), "row {i} repeats another's draws");
    }
    assert_eq!(ask(3), whole);
}
