//! The front page: what the study shows, in a few lines drawn from its numbers.

use truenorth::analysis::score::Contrast;
use truenorth::estimate::HeldOut;
use truenorth::math;
use truenorth::report::{Finding, Interval, Measure, Null, Sample, Status};

use super::super::stages::{Results, Run};

/// The findings, most important first.
pub fn findings(run: &Run<'_>, results: &Results) -> Vec<Finding> {
    let mut out = Vec::new();
    if let Some(first) = results.estimated.first() {
        out.push(separation(
            &format!(
                "The {} direction separates chosen from rejected in pairs it was not fitted on.",
                first.name
            ),
            &first.by_pair,
            "held-out pairs",
        ));
        out.push(separation(
            "It also separates them on value axes that it has never seen.",
            &first.by_axis,
            "held-out axes",
        ));
    }
    out.extend(agreement(run, results));
    out.extend(results.contrast.as_ref().map(contrast));
    out.extend(board(run, results));
    out
}

fn separation(statement: &str, held_out: &HeldOut, of: &str) -> Finding {
    let ci = held_out.auroc.interval;
    let null = held_out.null.map_or_else(
        || Null::none("no permutations were asked for"),
        |n| {
            Null::new("labels flipped within pairs, whole pipeline rerun", n.low, n.high)
                .with_p(n.p, Some(n.permutations as u64))
        },
    );
    let status = match held_out.null {
        Some(n) if n.p < 0.05 && ci.low > 0.5 => Status::Supported,
        Some(n) if n.p >= 0.05 && ci.low <= 0.5 => Status::NotSupported,
        _ => Status::Unclear,
    };
    Finding {
        status,
        statement: statement.into(),
        measure: Measure { name: "AUROC".into(), value: held_out.auroc.value.into(), digits: 3 },
        n: Sample::new(held_out.units as u64, of),
        interval: Interval::p95(
            ci.low,
            ci.high,
            format!(
                "cluster bootstrap over {of}, {} draws, stretched for shared rows",
                held_out.auroc.bootstrap.resamples
            ),
        ),
        null,
        see: Some("separation".into()),
    }
}

/// The least cosine between two estimators, against what two random directions would give.
fn agreement(run: &Run<'_>, results: &Results) -> Option<Finding> {
    let n = results.estimated.len();
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let (i, j) = pairs.min_by(|a, b| results.cosines[a.0][a.1].total_cmp(&results.cosines[b.0][b.1]))?;
    let least = results.cosines[i][j];
    let width = run.reader.runner().info().hidden;
    let p = math::share_with_cosine(least, width as usize).ok();
    // The normal approximation of a random cosine, sd 1/√width, is good to three digits here.
    let reach = 1.96 / f64::from(width).sqrt();
    Some(Finding {
        status: if least > 0.5 {
            Status::Supported
        } else if least > reach {
            Status::Caution
        } else {
            Status::NotSupported
        },
        statement: format!(
            "The estimators find one direction: the least alike, {} and {}, still agree.",
            results.estimated[i].name, results.estimated[j].name
        ),
        measure: Measure { name: "least cosine".into(), value: least.into(), digits: 2 },
        n: Sample::new(n as u64, "estimators"),
        interval: Interval::none("one set of pairs; the estimators share their noise"),
        null: Null::new("two random directions", -reach, reach).with_p(p, None),
        see: Some("agreement".into()),
    })
}

fn contrast(c: &Contrast) -> Finding {
    let ci = c.bootstrap.interval;
    Finding {
        status: if c.p < 0.05 && c.auroc > 0.5 {
            Status::Supported
        } else if c.p < 0.05 {
            Status::Caution
        } else {
            Status::NotSupported
        },
        statement: format!("On the board, {} scores above {}.", c.high, c.low),
        measure: Measure { name: "AUROC".into(), value: c.auroc.into(), digits: 2 },
        n: Sample::new(c.n as u64, "sequences"),
        interval: Interval::p95(
            ci.low,
            ci.high,
            format!("bootstrap over sequences, {} draws", c.bootstrap.resamples),
        ),
        null: Null::new("kinds shuffled, two-sided", c.null[0], c.null[1])
            .with_p(c.p, Some(c.permutations as u64)),
        see: Some("board".into()),
    }
}

/// How many sequences move the probes along the direction more than random directions would see.
fn board(run: &Run<'_>, results: &Results) -> Option<Finding> {
    let n = results.board.len();
    if n == 0 {
        return None;
    }
    let p: Vec<f64> = results.board.iter().map(|s| s.p_random).collect();
    let beyond = math::holm(&p, 0.05).into_iter().filter(|stands| *stands).count();
    let probes = run.data.probes.as_ref().map_or(0, |(p, _)| p.len());
    Some(Finding {
        status: if beyond == 0 { Status::NotSupported } else { Status::Caution },
        statement:
            "Some sequences move the probes along the direction further than random directions would see."
                .into(),
        measure: Measure {
            name: "share of sequences".into(),
            value: (beyond as f64 / n as f64).into(),
            digits: 2,
        },
        n: Sample::new(n as u64, format!("sequences, {probes} probes each")),
        interval: Interval::none("a count over a fixed list of sequences"),
        null: Null::new("random unit directions, exact; Holm over all sequences at 0.05", 0.0, 0.05),
        see: Some("board".into()),
    })
}
