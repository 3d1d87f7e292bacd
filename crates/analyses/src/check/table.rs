//! What a terminal shows of a look at texts.

use super::CheckedTexts;
use truenorth_reading::Listing;
use truenorth_reading::stat::{Number, p_cell};

/// Ways to split with what they leak; lengths, axes and power below.
pub(super) fn table(found: &CheckedTexts) -> Listing {
    let mut out = Listing::new(&[
        "split",
        "folds",
        "leaked",
        "bag of words",
        "95 %",
        "in order",
        "length (characters)",
        "gained",
    ]);
    let value = |n: &Option<Number>| n.as_ref().map_or_else(|| "-".into(), |n| format!("{:.3}", n.value));
    let share =
        |n: &Option<Number>| n.as_ref().map_or_else(|| "-".into(), |n| format!("{:.1} %", 100.0 * n.value));
    let ci = |n: &Option<Number>| {
        let interval = n.as_ref().and_then(|n| n.interval);
        interval.map_or_else(|| "-".into(), |i| format!("{:.3} to {:.3}", i.low, i.high))
    };
    for split in &found.splits {
        out.rows.push(vec![
            found.named(split.kind),
            if split.folds == 0 { "-".into() } else { split.folds.to_string() },
            share(&split.leaked),
            value(&split.words),
            ci(&split.words),
            share(&split.words_in_order),
            value(&split.length),
            split.gained.as_ref().map_or_else(|| "-".into(), |g| format!("{:+.3}", g.value)),
        ]);
    }
    let missing = found.splits.iter().filter_map(|s| Some((s.kind, s.missing.as_ref()?)));
    out.says = missing.map(|(kind, why)| format!("{}: {why}", found.named(kind))).collect();
    out.says.extend(found.sentences());
    out.more = vec![lengths(found), axes(found), power(found)];
    out
}

fn lengths(found: &CheckedTexts) -> Listing {
    let [up, down] = found.ends();
    let head = [
        format!("length of {} in", found.measured()),
        format!("median {up}"),
        format!("median {down}"),
        "median gap".into(),
        format!("gap > {:.0} %", 100.0 * found.length_gap),
        "chosen longer".into(),
        "alone".into(),
        "95 %".into(),
    ];
    let mut out = Listing { rows: vec![head.to_vec()], ..Listing::default() };
    let percent = |x: Option<f64>| x.map_or_else(|| "-".into(), |x| format!("{:.1} %", 100.0 * x));
    for l in &found.lengths {
        let interval = l.alone.as_ref().and_then(|n| n.interval);
        out.rows.push(vec![
            l.measure.clone(),
            format!("{:.0}", l.medians[0]),
            format!("{:.0}", l.medians[1]),
            percent(l.median_gap),
            l.beyond
                .as_ref()
                .zip(l.beyond_count)
                .map_or_else(|| "-".into(), |(b, n)| format!("{n} of {}", b.n)),
            percent(l.chosen_longer.as_ref().map(|n| n.value)),
            l.alone.as_ref().map_or_else(|| "-".into(), |n| format!("{:.3}", n.value)),
            interval.map_or_else(|| "-".into(), |i| format!("{:.3} to {:.3}", i.low, i.high)),
        ]);
    }
    out
}

fn axes(found: &CheckedTexts) -> Listing {
    let one = if found.unit == "pairs" { "axis" } else { "category" };
    let mut out = Listing::new(&[one, &found.unit, "share", "clusters", "positive", "clusters shared with"]);
    for a in &found.balance.axes {
        out.rows.push(vec![
            if a.name.is_empty() { "(none)".into() } else { a.name.clone() },
            a.rows.to_string(),
            format!("{:.1} %", 100.0 * a.share),
            a.clusters.to_string(),
            a.positive.to_string(),
            if a.joined.is_empty() { "-".into() } else { a.joined.join(", ") },
        ]);
    }
    out
}

fn power(found: &CheckedTexts) -> Listing {
    let claim = found.claim;
    let mut out = Listing::new(&[
        "what can be found",
        "n",
        "least, 80 % power",
        &format!("power at {claim}"),
        &format!("needed for {claim}"),
        "to rule it out",
        "least p",
    ]);
    let count = |n: Option<usize>| n.map_or_else(|| "-".into(), |n| n.to_string());
    for p in &found.power {
        let of = p.measure.as_ref().map_or_else(|| p.of.clone(), |measure| format!("{}: {measure}", p.of));
        out.rows.push(vec![
            of,
            p.n.to_string(),
            p.least.map_or_else(|| "-".into(), |x| format!("{x:.3}")),
            p.power.map_or_else(|| "-".into(), |x| format!("{:.0} %", 100.0 * x)),
            count(p.needed),
            count(p.needed_to_rule_out),
            p.least_p.map_or_else(|| "-".into(), |x| p_cell(x, None)),
        ]);
    }
    out
}
