//! The results as they are kept: a line of JSON each, and a table to read.

use std::fmt::Write as _;
use std::path::Path;

use crate::Outcome;
use crate::rates::{Line, What};

/// Puts lines in the place of those of the same thing that are there, and writes both files anew.
pub fn keep(folder: &Path, new: &[Line]) -> Outcome<()> {
    let file = folder.join("results.jsonl");
    let old = std::fs::read_to_string(&file).unwrap_or_default();
    let mut lines: Vec<Line> = old.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let same = |a: &Line, b: &Line| a.what == b.what && a.of == b.of && a.scenario == b.scenario;
    lines.retain(|line| !new.iter().any(|n| same(n, line)));
    lines.extend_from_slice(new);
    lines.sort_by(|a, b| (a.what, &a.of, &a.scenario).cmp(&(b.what, &b.of, &b.scenario)));
    let mut text = String::new();
    for line in &lines {
        writeln!(text, "{}", serde_json::to_string(line)?)?;
    }
    std::fs::write(file, text)?;
    std::fs::write(folder.join("RESULTS.md"), table(&lines)?)?;
    Ok(())
}

fn table(lines: &[Line]) -> Outcome<String> {
    let mut out = String::from(
        "# What the calibration found\n\n\
         Written by `cargo run --release --example calibration -- --results examples/calibration` (its other flags: \
         `examples/calibration/main.rs`). Rates stand with their exact 99.9 % intervals. Where a model is named, the \
         activations are its own, of the texts in `examples/human-values`; else the numbers are made up.\n",
    );
    for (what, title, of) in [
        (What::Alarms, "p at most 0.05 where there is nothing to find", "test"),
        (What::Coverage, "Intervals of 95 % that hold the truth", "interval"),
        (What::Power, "Verdicts where the effect is the least that is printed as detectable", "verdict"),
    ] {
        let here: Vec<&Line> = lines.iter().filter(|l| l.what == what).collect();
        if here.is_empty() {
            continue;
        }
        write!(out, "\n## {title}\n\n| {of} | world | activations | seeds | % | promised | |\n")?;
        writeln!(out, "| --- | --- | --- | ---: | ---: | --- | --- |")?;
        for l in here {
            let [low, high] = l.interval;
            writeln!(
                out,
                "| {} | {} | {} | {} | {:.1} [{:.1}, {:.1}] | {} | {} |",
                l.of,
                l.scenario,
                l.model.as_deref().unwrap_or("none"),
                l.seeds,
                100.0 * l.rate,
                100.0 * low,
                100.0 * high,
                l.promise,
                if l.holds { "holds" } else { "**does not hold**" },
            )?;
        }
    }
    Ok(out)
}
