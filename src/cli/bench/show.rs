//! The figures as tables.

use super::Figures;
use crate::cli::output;

pub fn show(figures: &Figures) {
    race(figures);
    let paths = format!("{} on {}", figures.model, figures.path);
    if let Some(f) = &figures.fidelity {
        let mut rows = vec![
            ["site", "tokens", "least cosine", "of last tokens", "median error", "largest error"]
                .map(String::from)
                .to_vec(),
        ];
        for s in &f.sites {
            rows.push(vec![
                s.site.clone(),
                f.tokens.to_string(),
                format!("{:.6}", s.least_cosine),
                format!("{:.6}", s.least_cosine_last),
                format!("{:.1e}", s.median_error),
                format!("{:.1e}", s.largest_error),
            ]);
        }
        output::table(&rows);
        let equal = f.equal_tokens.iter().filter(|n| **n == f.steps as usize).count();
        let mean = f.equal_tokens.iter().sum::<usize>() as f64 / f.equal_tokens.len().max(1) as f64;
        eprintln!(
            "{paths}, against {}: {equal} of {} texts continued with the same {} tokens, {mean:.0} equal on average \
             before the first that differs",
            f.reference,
            f.equal_tokens.len(),
            f.steps
        );
    }
    if !figures.growth.is_empty() {
        let head = ["work", "size", "seconds", "a unit, against the size before", "peak MiB"];
        let mut rows = vec![head.map(String::from).to_vec()];
        for g in &figures.growth {
            let mut before: Option<(usize, f64)> = None;
            for p in &g.points {
                let each = |(n, s): (usize, f64)| s / n as f64;
                let now = (p.size, p.seconds);
                rows.push(vec![
                    g.work.clone(),
                    p.size.to_string(),
                    format!("{:.3}", p.seconds),
                    before.map_or_else(|| "-".into(), |b| format!("{:.2}", each(now) / each(b))),
                    p.peak.map_or_else(|| "-".into(), |b| format!("{:.0}", b as f64 / f64::from(1 << 20))),
                ]);
                before = Some(now);
            }
        }
        output::table(&rows);
    }
}

fn race(figures: &Figures) {
    if figures.timings.is_empty() {
        return;
    }
    let head = [
        "work",
        "ours, tok/s",
        "least to most",
        "of FMA peak",
        "of reads",
        "peer",
        "tok/s",
        "ratio",
        "least to most",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    let pair = |[a, b]: [f64; 2], digits: usize| format!("{a:.digits$} to {b:.digits$}");
    let percent = |share: Option<f64>| share.map_or_else(|| "-".into(), |s| format!("{:.0} %", s * 100.0));
    for t in &figures.timings {
        let mut row = vec![t.work.clone(), format!("{:.0}", t.ours), pair(t.ours_range, 0)];
        row.push(percent(t.of_peak.map(|s| s.multiply_adds)));
        row.push(percent(t.of_peak.map(|s| s.reads)));
        match &t.rival {
            Some(r) => row.extend([
                r.peer.clone(),
                format!("{:.0}", r.rate),
                format!("{:.2}", r.ratio),
                pair(r.ratio_range, 2),
            ]),
            None => row.extend(["none; give one with --peer", "-", "-", "-"].map(String::from)),
        }
        rows.push(row);
    }
    output::table(&rows);
    let peers = if figures.peers.is_empty() { "none".into() } else { figures.peers.join("; ") };
    eprintln!("{} on {}, medians of {} rounds; peers: {peers}", figures.model, figures.path, figures.rounds);
}
