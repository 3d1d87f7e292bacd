//! Boards of directions that mean nothing.

use ndarray::{Array1, Array2};
use rand::seq::SliceRandom;
use truenorth::analyses::board::{Board, BoardData};
use truenorth::analyses::transfer::{ModelBoard, SequenceGroups, compare};
use truenorth::analyses::{Analysis, board, stat, transfer};
use truenorth::estimate::{Estimator, Nuisances, Pipeline, SplitBy};
use truenorth::math::Seeds;
use truenorth::report::Test;
use truenorth_protocol::ReadAt;
use truenorth_protocol::run::Unwatched;

use crate::Outcome;
use crate::nulls::{DRAWS, asked};
use crate::place::{Place, Unit, question, turned};
use crate::rates::{Run, of_page};

/// The direction of labels of chance, and those of the same texts with other labels of chance.
fn direction(place: &Place, seeds: &Seeds) -> Outcome<(Array1<f64>, Array2<f64>)> {
    let train = question(&turned(&place.pairs, Unit::Cluster, &mut seeds.stream("labels of chance")));
    let samples = train.samples(&place.session.reader(), place.site, ReadAt::Last, &Unwatched)?;
    let pipeline = Pipeline { estimator: Estimator::MeanDiff.check()?, nuisances: Nuisances::none() };
    let direction = pipeline.extract(&samples, SplitBy::Pair, seeds)?.fit.direction;
    Ok((direction, pipeline.relabelled_directions(&samples, SplitBy::Pair, DRAWS, seeds)?))
}

/// A board of the direction of labels of chance, with kinds of chance.
pub fn scored(place: &Place, labels: bool, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let (direction, relabelled) = direction(place, &seeds)?;
    let mut rng = seeds.stream("kinds of chance");
    let mut kinds: Vec<Option<String>> =
        (0..place.sequences.all.len()).map(|i| Some(if i % 2 == 0 { "a" } else { "b" }.to_owned())).collect();
    kinds.shuffle(&mut rng);
    let data = BoardData {
        probes: &place.probes.named,
        sequences: &place.sequences.all,
        kinds: &kinds,
        direction: direction.view(),
        sites: &[place.site],
        over: board::Over::Mean,
        relabelled: labels.then(|| relabelled.view()),
        beside: None,
    };
    let params = board::Params {
        contrast: vec!["a".into(), "b".into()],
        draws: 0,
        null_draws: 199,
        permutations: DRAWS,
        ..board::Params::default()
    };
    let found = Board::run(&data, &params, &asked(place, &seeds))?;
    let mut run = of_page(Board::page(&found));
    // The page shows the outermost sequence first; a test of one sequence is tried on one that was not chosen by it.
    let row =
        found.rows.iter().find(|r| r.id == place.sequences.all[0].id).ok_or("the first sequence is gone")?;
    run.insert(Test::BoardUniform, row.p_random);
    let alike = truenorth::math::cosine(direction.view(), relabelled.row(0))?;
    let width = direction.len();
    run.insert(Test::UniformCosine, stat::Null::random_direction(alike, width)?.p);
    // In the JSON alone.
    run.extend(found.asymmetry.positive.null.iter().map(|n| (n.test, n.p)));
    run.extend(row.p_matched.map(|p| (Test::BoardMatched, p)));
    run.extend(row.p_permuted.map(|p| (Test::BoardPermuted, p)));
    let family = found.rows.iter().filter_map(|r| r.p_family).reduce(f64::min);
    run.extend(family.map(|p| (Test::BoardFamily, p)));
    Ok(run)
}

/// Two boards whose scores have nothing to do with each other.
pub fn two_boards(place: &Place, seed: u64) -> Outcome<Run> {
    let seeds = Seeds::new(seed);
    let (direction, _) = direction(place, &seeds)?;
    let data = board::ScanData {
        probes: &place.probes.named,
        sequences: &place.sequences.all,
        direction: direction.view(),
    };
    let params = board::ScanParams { draws: 0, ..board::ScanParams::new(place.site) };
    let scanned = board::scan(&place.session.reader(), &data, &params, &seeds, &Unwatched)?.board;
    let first: Vec<board::ScoreRow> = scanned.into_iter().map(Into::into).collect();
    // The same sequences with the scores dealt anew.
    let dealt = |stream: &str| {
        let mut board = first.clone();
        let mut scores: Vec<f64> = first.iter().map(|r| r.score).collect();
        scores.shuffle(&mut seeds.stream(stream));
        board.iter_mut().zip(scores).for_each(|(row, score)| row.score = score);
        board
    };
    let (second, third) = (dealt("scores dealt"), dealt("scores dealt again"));
    let boards = [("first", &first), ("second", &second), ("third", &third)]
        .map(|(model, board)| ModelBoard { model: model.into(), board });
    let mut groups = SequenceGroups::default();
    let kinds = place.sequences.loaded.rows.iter().map(|r| r.kind.clone());
    groups.labels.insert("kind".into(), kinds.collect());
    groups.kind = Some("kind".into());
    let params = transfer::Params { permutations: DRAWS, ..transfer::Params::default() };
    let found = compare(&boards[..2], &groups, &params, &seeds)?;
    let pair = found.pairs.first().ok_or("no pair of boards")?;
    let mut run = Run::new();
    let mut add = |number: &stat::Number| run.extend(number.null.iter().map(|n| (n.test, n.p)));
    add(&pair.spearman);
    pair.agreement.iter().take(1).for_each(|a| add(&a.rate));
    pair.movers.iter().take(1).for_each(|m| add(&m.overlap));
    run.extend(pair.agreement.first().and_then(|a| Some((Test::SignsCoin, a.p_coin?))));
    run.extend(pair.kinds.iter().filter_map(|k| Some((Test::SignsKinds, k.p?))));
    let all = compare(&boards, &SequenceGroups::default(), &params, &seeds)?;
    run.extend(all.unanimous.and_then(|u| u.share.null).map(|n| (n.test, n.p)));
    Ok(run)
}
