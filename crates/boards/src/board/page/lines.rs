//! What the front page says of a board.

use crate::board::{Asymmetry, BoardSummary, KindContrast, RankChanges};
use truenorth_reading::sentence::capital;
use truenorth_report::{Finding, FindingStatus, Measure, ReportedInterval, ReportedNull, Sample, Test};
use truenorth_stats::math::feasible;

/// Lines of the front page: specificity, the check of its closed form, the lean of the ends, kinds, another
/// board.
#[must_use]
pub fn findings(result: &BoardSummary) -> Vec<Finding> {
    let mut out = vec![specific(result), ends(&result.asymmetry)];
    out.extend(result.contrast.as_ref().map(kinds));
    out.extend(result.rank_changes.as_ref().map(ranks_alike));
    out
}

/// Whether two boards rank alike.
pub(in crate::board) fn ranks_alike(c: &RankChanges) -> Finding {
    Finding {
        status: match c.correlation.above(0.0) {
            true => FindingStatus::Supported,
            false if c.correlation.value > 0.0 => FindingStatus::Unclear,
            false => FindingStatus::NotSupported,
        },
        statement: format!("{} and {} rank the sequences alike.", capital(&c.first), c.second),
        measure: Measure::of("Spearman's ρ", &c.correlation, 2),
        n: Sample::of(&c.correlation, "sequences"),
        interval: ReportedInterval::of(&c.correlation),
        null: ReportedNull::of(&c.correlation),
        see: Some("board-ranks".into()),
    }
}

fn specific(result: &BoardSummary) -> Finding {
    let f = &result.family;
    let beside = match (f.matched, f.permuted) {
        (_, 0) => "directions drawn like the readings (the labels it was fitted to are not at hand)",
        (0, _) => "directions of exchanged labels",
        _ => "directions drawn like the readings and directions of exchanged labels",
    };
    Finding {
        status: match (f.stands, f.matched.min(f.permuted)) {
            _ if f.matched + f.permuted == 0 => FindingStatus::Unclear,
            (0, _) => FindingStatus::NotSupported,
            // One of the two nulls is wanting.
            (_, 0) => FindingStatus::Caution,
            _ => FindingStatus::Supported,
        },
        statement: match f.matched + f.permuted {
            0 => "Whether sequences move the probes along the direction further than along unrelated ones was not \
                  tested."
                .into(),
            _ => format!(
                "Some sequences move the probes along the direction further than {beside} do: {} of {} after \
                 correction over the board.",
                f.stands, f.tests
            ),
        },
        measure: Measure {
            name: "share of sequences that stand".into(),
            value: (f.stands as f64 / f.tests as f64).into(),
            digits: 2,
        },
        n: Sample::new(f.tests as u64, format!("sequences, {} probes each", result.probes)),
        interval: ReportedInterval::none("a count over a fixed list of sequences"),
        null: ReportedNull::none(&format!(
            "each sequence has its own, of {} directions drawn like the readings and {} of exchanged labels; {}, level \
             {} over the board",
            f.matched, f.permuted, f.name, f.level
        )),
        see: Some("board".into()),
    }
}

pub(in crate::board) fn ends(a: &Asymmetry) -> Finding {
    let m = &a.about_median;
    let p = m.null.as_ref().map(|n| n.p);
    let longer = if m.value >= 0.0 { "top" } else { "bottom" };
    let clear = m.interval.is_some_and(|i| i.low > 0.0 || i.high < 0.0);
    Finding {
        status: match (clear, p) {
            (true, Some(p)) if p < 0.05 => FindingStatus::Supported,
            (false, Some(p)) if p >= 0.05 => FindingStatus::NotSupported,
            _ => FindingStatus::Unclear,
        },
        statement: format!(
            "The {longer} end of the board reaches further from its middle than the other end."
        ),
        measure: Measure::of("asymmetry about the median, from −1 to 1", m, 2),
        n: Sample::of(m, format!("sequences, {} at each end", a.ends)),
        interval: ReportedInterval::of(m),
        null: ReportedNull::of(m),
        see: Some("board-asymmetry".into()),
    }
}

/// What was compared, what so many can find, and how many a difference like the one seen takes.
fn powered(units: &str, detectable: Option<f64>, needed: Option<usize>) -> String {
    let least = detectable.map_or_else(|| "no AUROC".to_owned(), |t| format!("an AUROC of {t:.2} or more"));
    format!("{units}, which find {least} with 80 % power; {} would find one like this", feasible(needed))
}

pub(in crate::board) fn kinds(c: &KindContrast) -> Finding {
    let ci = c.interval;
    let (units, exchanged) = match c.matched {
        0 => ("sequences".to_owned(), "kinds shuffled, two-sided".to_owned()),
        sets => (
            format!("sequences, {sets} matched sets with both kinds"),
            "kinds exchanged within matched sequences, others shuffled, two-sided".to_owned(),
        ),
    };
    Finding {
        status: match (c.p < 0.05, c.auroc > 0.5) {
            (true, true) => FindingStatus::Supported,
            (true, false) | (false, _) => FindingStatus::NotSupported,
        },
        statement: format!("On the board, {} scores above {}.", c.high, c.low),
        measure: Measure { name: "AUROC".into(), value: c.auroc.into(), digits: 2 },
        n: Sample::new(c.n as u64, powered(&units, c.detectable, c.needed)),
        interval: ReportedInterval::p95(
            ci.low,
            ci.high,
            if c.matched == 0 {
                "score interval over sequences (Newcombe 2006)"
            } else {
                "score interval over matched sequences (Newcombe 2006)"
            },
        ),
        null: ReportedNull::new(exchanged, c.null[0], c.null[1]).with_p(
            Test::BoardKinds,
            c.p,
            Some(c.permutations as u64),
        ),
        see: Some("board".into()),
    }
}
