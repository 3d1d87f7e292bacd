//! Doses on a tiny model.

use std::collections::HashSet;

use truenorth_protocol::graph::Decides;

use super::*;
use crate::fixture::{Tiny, named};
use truenorth_data::store::Store;
use truenorth_protocol::run::{BatchLimits, Runner as _, Unwatched};

fn push(direction: Vec<f32>, site: Site) -> Push {
    Push { direction, site, coefficient: 1.0, norm: None, clamp: None, spares_first: false }
}

fn plain(alphas: Vec<f64>) -> Dose {
    Dose {
        pushes: vec![],
        positions: WriteAt::All,
        alphas,
        unit: "absolute",
        ablate: false,
        schedule: Schedule::default(),
        when: None,
    }
}

#[test]
fn what_is_sampled_does_not_depend_on_how_rows_are_cut_and_no_row_repeats_another() {
    let prompts = named(&["the old hat"; 70]);
    let sampling = Sampling { temperature: 1.0, seed: 11, ..Sampling::greedy(8) };
    let ask = |sequences: usize, store: Option<&Store>| {
        let tiny = Tiny::with_batch(BatchLimits { sequences, ..BatchLimits::LOCAL });
        let dose = Dose {
            pushes: vec![push(vec![1.0; tiny.info().hidden as usize], Site::ResidPost(0))],
            ..plain(vec![0.0])
        };
        steer(&Reader::new(&tiny, store), &prompts, &dose, &sampling, &Unwatched).unwrap()
    };
    let whole = ask(512, None);
    let distinct: HashSet<&[i64]> = whole.iter().map(|r| &r.tokens[..]).collect();
    assert_eq!(distinct.len(), 70, "rows repeat each other's draws");
    let store = Store::in_memory().unwrap();
    for sequences in [32, 7, 1] {
        assert_eq!(ask(sequences, Some(&store)), whole, "cut at {sequences}");
    }
    // What one cut left in the cache serves the others rightly.
    for sequences in [512, 32, 7] {
        assert_eq!(ask(sequences, Some(&store)), whole, "cut at {sequences}, with what is kept");
    }
}

/// The residual of every token of some prompts, `[tokens][hidden]`, by prompt.
fn residuals(tiny: &Tiny, texts: &[&str], site: Site) -> Vec<Vec<Vec<f64>>> {
    let reader = Reader::new(tiny, None);
    let reading = reader.read(&named(texts), &[site], ReadAt::All, &Unwatched).unwrap().remove(0);
    let mut rows = reading.values.outer_iter().map(|r| r.mapv(f64::from).to_vec());
    reading.rows.iter().map(|n| rows.by_ref().take(*n).collect()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[test]
fn the_size_of_an_edit_is_what_it_moves_first_tokens_apart() {
    let (tiny, texts) = (Tiny::open(), ["the old hat", "an old tin on a shelf"]);
    let (site, width) = (Site::ResidPost(0), tiny.info().hidden as usize);
    let direction: Vec<f32> = (0..width).map(|i| if i % 3 == 0 { 0.5 } else { -0.25 }).collect();
    let wide: Vec<f64> = direction.iter().map(|v| f64::from(*v)).collect();
    let dose = Dose { pushes: vec![push(direction, site)], ..plain(vec![0.0, 0.7]) };
    let damage = damage(&Reader::new(&tiny, None), &named(&texts), &dose, &Unwatched).unwrap();
    assert!(damage[0].size.is_empty(), "a dose of 0 moves nothing");
    let [size] = &damage[1].size[..] else { panic!("{:?}", damage[1].size) };
    let all = residuals(&tiny, &texts, site);
    for (moved, is_first) in [(size.first.unwrap(), true), (size.later.unwrap(), false)] {
        let rows: Vec<&Vec<f64>> = all
            .iter()
            .flat_map(|p| p.iter().enumerate())
            .filter(|(i, _)| (*i == 0) == is_first)
            .map(|r| r.1)
            .collect();
        let mean = |f: &dyn Fn(&[f64]) -> f64| rows.iter().map(|r| f(r)).sum::<f64>() / rows.len() as f64;
        let after = |x: &[f64]| x.iter().zip(&wide).map(|(x, d)| x + 0.7 * d).collect::<Vec<f64>>();
        let cosine = |a: &[f64], b: &[f64]| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        let want = [
            mean(&|x| 0.7 * dot(&wide, &wide).sqrt() / dot(x, x).sqrt()),
            mean(&|x| cosine(x, &after(x)).acos().to_degrees()),
            mean(&|x| cosine(x, &wide)),
            mean(&|x| cosine(&after(x), &wide)),
        ];
        let got = [moved.norm, moved.angle, moved.along_before, moved.along_after];
        assert_eq!((moved.tokens, moved.of), (rows.len(), rows.len()));
        assert!(
            got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-4 * w.abs().max(1.0)),
            "{got:?} {want:?}"
        );
    }
}

#[test]
fn several_directions_are_ablated_as_their_span_and_clamps_come_last() {
    let (tiny, texts) = (Tiny::open(), ["the old hat", "an old tin"]);
    let (site, width) = (Site::ResidPost(0), tiny.info().hidden as usize);
    let one: Vec<f32> = (0..width).map(|i| (i % 5) as f32 - 1.5).collect();
    // At a sharp angle to the first: ablated one after the other, each would leave some of the other.
    let two: Vec<f32> = one.iter().enumerate().map(|(i, v)| v + if i % 2 == 0 { 0.4 } else { 0.0 }).collect();
    let both = vec![push(one.clone(), site), push(two, site)];
    let dose = Dose { pushes: both.clone(), ablate: true, ..plain(vec![0.0]) };
    let read = |dose: &Dose| {
        let encoded = Reader::new(&tiny, None).encode_turns(&named(&texts), true).unwrap();
        let mut b = Builder::new();
        let group = group(&mut b, &encoded.iter().collect::<Vec<_>>(), dose);
        edit(&mut b, group, dose, &[dose.alphas[0]], 1, &mut |_, _, _| {});
        let rows = b.read(group, site, ReadAt::All);
        b.save("rows", rows);
        let answer = tiny.ask(b.finish(), &Unwatched).unwrap();
        let values: Vec<f64> =
            answer.tensor("rows").unwrap().to_f32().unwrap().into_iter().map(f64::from).collect();
        values.chunks(width).map(<[f64]>::to_vec).collect::<Vec<_>>()
    };
    for row in read(&dose) {
        for p in &both {
            let d: Vec<f64> = p.direction.iter().map(|v| f64::from(*v)).collect();
            assert!((dot(&row, &d) / dot(&d, &d).sqrt()).abs() < 1e-5);
        }
    }
    let clamped = Push { clamp: Some([-0.2, 0.3]), ..push(one.clone(), site) };
    let dose = Dose { pushes: vec![clamped], ..plain(vec![5.0]) };
    let d: Vec<f64> = one.iter().map(|v| f64::from(*v)).collect();
    for row in read(&dose) {
        let along = dot(&row, &d) / dot(&d, &d).sqrt();
        assert!((-0.2 - 1e-4..=0.3 + 1e-4).contains(&along), "{along}");
    }
}

#[test]
fn a_condition_leaves_alone_what_does_not_meet_it() {
    let (tiny, texts) = (Tiny::open(), ["the old hat", "an old tin on a shelf", "a cat"]);
    let (early, late) = (Site::Embed, Site::ResidPost(0));
    let width = tiny.info().hidden as usize;
    let direction: Vec<f32> = (0..width).map(|i| if i % 4 == 1 { 1.0 } else { 0.0 }).collect();
    let wide: Vec<f64> = direction.iter().map(|v| f64::from(*v)).collect();
    let size = dot(&wide, &wide).sqrt();
    let along: Vec<Vec<f64>> = residuals(&tiny, &texts, early)
        .iter()
        .map(|p| p.iter().map(|x| dot(x, &wide) / size).collect())
        .collect();
    let mut sorted = along.concat();
    sorted.sort_by(f64::total_cmp);
    let above = (sorted[sorted.len() / 2 - 1] + sorted[sorted.len() / 2]) / 2.0;
    for (of, expected) in [
        (Decides::Token, along.concat().iter().filter(|v| **v > above).count()),
        (
            Decides::Prompt(ReadAt::Last),
            along.iter().filter(|p| *p.last().unwrap() > above).map(Vec::len).sum(),
        ),
    ] {
        let when = Some(When { direction: direction.clone(), site: early, above, of });
        let dose = Dose { pushes: vec![push(direction.clone(), late)], when, ..plain(vec![2.0]) };
        let damage = damage(&Reader::new(&tiny, None), &named(&texts), &dose, &Unwatched).unwrap();
        let count = |s: &EditSize| s.first.map_or(0, |m| m.tokens) + s.later.map_or(0, |m| m.tokens);
        assert_eq!(damage[0].size.iter().map(count).sum::<usize>(), expected, "{of:?}");
    }
}

#[test]
fn edits_of_unlike_size_are_not_compared_in_silence() {
    let moved =
        |angle| TokenMeans { tokens: 1, of: 1, norm: 0.1, angle, along_before: 0.0, along_after: 0.1 };
    let at = |site: &str, angle| EditSize { site: site.into(), first: None, later: Some(moved(angle)) };
    let like = [vec![at("a", 3.0), at("b", 4.0)], vec![at("a", 3.5), at("b", 4.0)]];
    assert!(unlike(&[-0.1, 0.1], &like).is_empty());
    let unalike = [vec![at("a", 3.0), at("b", 4.0)], vec![at("a", 16.0), at("b", 4.0)]];
    let said = unlike(&[-0.1, 0.1], &unalike);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("at a, α 0.1 turns the residual by 16.00° and α -0.1 by 3.00°, 5 times"),
        "{said:?}"
    );
}

#[test]
fn damage_and_size_are_of_the_largest_step_of_a_schedule() {
    let (tiny, texts) = (Tiny::open(), ["the old hat", "an old tin on a shelf"]);
    let (site, width) = (Site::ResidPost(0), tiny.info().hidden as usize);
    let direction: Vec<f32> = (0..width).map(|i| if i % 3 == 0 { 0.5 } else { -0.25 }).collect();
    let found = |alpha: f64, factors: &[f64], decay: f64, positions: WriteAt| {
        let schedule = Schedule { factors: factors.to_vec(), decay };
        let dose =
            Dose { pushes: vec![push(direction.clone(), site)], positions, schedule, ..plain(vec![alpha]) };
        damage(&Reader::new(&tiny, None), &named(&texts), &dose, &Unwatched).unwrap().remove(0)
    };
    let same = |a: &Damage, b: &Damage| {
        assert!((a.kl - b.kl).abs() < 1e-5, "{} {}", a.kl, b.kl);
        let moved = |d: &Damage| d.size.first().and_then(|s| s.later).map_or(0.0, |m| m.norm);
        assert!((moved(a) - moved(b)).abs() < 1e-5, "{a:?} {b:?}");
    };
    let (one, ten) = (found(0.2, &[], 1.0, WriteAt::All), found(2.0, &[], 1.0, WriteAt::All));
    assert!(ten.kl > 4.0 * one.kl && one.largest_step.is_none() && !one.stand_in);
    let scheduled = found(0.2, &[10.0], 1.0, WriteAt::All);
    same(&scheduled, &ten);
    assert_eq!(scheduled.largest_step, Some(LargestStep { pass: 0, factor: 10.0 }));
    same(&found(2.0, &[0.1], 1.0, WriteAt::All), &one);
    let decays = found(0.2, &[], 0.1, WriteAt::All);
    same(&decays, &one);
    assert_eq!(decays.largest_step, Some(LargestStep { pass: 0, factor: 1.0 }));
    // Tokens of the prompt alone are run in pass 0 alone.
    let last = found(2.0, &[0.1, 10.0], 1.0, WriteAt::Last);
    same(&last, &found(0.2, &[], 1.0, WriteAt::Last));
    let nothing = found(2.0, &[0.0, 1.0], 1.0, WriteAt::Last);
    assert!(nothing.kl < 1e-5 && nothing.size.is_empty() && !nothing.stand_in, "{nothing:?}");
    // What leaves the prompt alone says so, and first tokens are never generated.
    for (factors, positions) in
        [(&[0.0, 1.0][..], WriteAt::All), (&[], WriteAt::Generated), (&[5.0, 1.0], WriteAt::Generated)]
    {
        let alone = found(0.2, factors, 1.0, positions);
        assert!(alone.stand_in && alone.positions == "1..-1", "{alone:?}");
        assert!(alone.largest_step.is_none_or(|s| s == LargestStep { pass: 1, factor: 1.0 }), "{alone:?}");
        assert!(alone.size[0].first.is_none(), "{alone:?}");
        let (a, b) = (alone.size[0].later.unwrap(), one.size[0].later.unwrap());
        assert!((a.norm - b.norm).abs() < 1e-5, "{a:?} {b:?}");
    }
}

#[test]
fn a_clamp_to_the_neutral_range_leaves_out_first_tokens_as_the_range_does() {
    let (tiny, texts) = (Tiny::open(), ["the old hat", "an old tin on a shelf"]);
    let (site, width) = (Site::ResidPost(0), tiny.info().hidden as usize);
    let direction: Vec<f32> = (0..width).map(|i| (i % 5) as f32 - 1.5).collect();
    let wide: Vec<f64> = direction.iter().map(|v| f64::from(*v)).collect();
    let along = |row: &[f64]| dot(row, &wide) / dot(&wide, &wide).sqrt();
    let before: Vec<Vec<f64>> =
        residuals(&tiny, &texts, site).iter().map(|p| p.iter().map(|r| along(r)).collect()).collect();
    let clamped = |spares_first, positions| {
        let push = Push { clamp: Some([7.0, 8.0]), spares_first, ..push(direction.clone(), site) };
        let dose = Dose { pushes: vec![push], positions, ..plain(vec![0.0]) };
        assert_eq!(Record::of(&dose).pushes[0].spares_first, spares_first && positions == WriteAt::All);
        let encoded = Reader::new(&tiny, None).encode_turns(&named(&texts), true).unwrap();
        let mut b = Builder::new();
        let group = group(&mut b, &encoded.iter().collect::<Vec<_>>(), &dose);
        edit(&mut b, group, &dose, &[0.0], 1, &mut |_, _, _| {});
        let rows = b.read(group, site, ReadAt::All);
        b.save("rows", rows);
        let answer = tiny.ask(b.finish(), &Unwatched).unwrap();
        let values: Vec<f64> =
            answer.tensor("rows").unwrap().to_f32().unwrap().into_iter().map(f64::from).collect();
        values.chunks(width).map(along).collect::<Vec<_>>()
    };
    for (spares, positions, first_too) in
        [(true, WriteAt::All, false), (false, WriteAt::All, true), (true, WriteAt::Prompt, true)]
    {
        let after = clamped(spares, positions);
        let firsts = before.iter().flat_map(|p| p.iter().enumerate().map(|(i, v)| (i == 0, *v)));
        assert_eq!(after.len(), before.concat().len());
        for (after, (first, before)) in after.iter().zip(firsts) {
            let want = if first && !first_too { before } else { before.clamp(7.0, 8.0) };
            assert!((after - want).abs() < 1e-3, "{after} {want}, first: {first}");
        }
    }
    // A prompt that has no other token is refused, and not left as it is in silence.
    let push = Push { clamp: Some([7.0, 8.0]), spares_first: true, ..push(direction, site) };
    let dose = Dose { pushes: vec![push], ..plain(vec![0.0]) };
    let alone =
        EncodedPrompt { prompt: Prompt::Tokens(vec![5]), turns: truenorth_protocol::graph::Turns::default() };
    let refused = check_spared(&named(&["a"]), std::slice::from_ref(&alone), &dose).unwrap_err();
    assert!(refused.to_string().contains("`t0` has one token"), "{refused}");
    let prompt = Dose { positions: WriteAt::Prompt, ..dose };
    check_spared(&named(&["a"]), &[alone], &prompt).unwrap();
}
