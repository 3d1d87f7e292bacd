//! Whether the status of every finding of the goldens speaks of the sentence that it stands beside.

use serde_json::Value;
use truenorth::report::Finding;

use super::kept;

/// What is wrong with a finding's status, where something is.
fn wrong(finding: &Finding) -> Option<&'static str> {
    let said = &finding.statement;
    let status = finding.status.word();
    let undecided = said.starts_with("Whether ") || said.contains("says nothing");
    if undecided {
        // What was not told can be neither supported nor not.
        return (!["unclear", "caution"].contains(&status)).then_some("nothing was told");
    }
    if said.contains(" not ") || said.starts_with("No ") || said.contains(" no ") {
        // That nothing is there is not what a small p speaks for.
        return None;
    }
    let p = finding.null.p.get()?;
    let middle = f64::midpoint(finding.null.low.get()?, finding.null.high.get()?);
    let above = finding.interval.low.get().is_some_and(|low| low > middle);
    match status {
        "supported" if p > 0.05 => Some("supported with a large p"),
        "not supported" if p <= 0.05 && above => Some("not supported, and its sentence is what was found"),
        _ => None,
    }
}

fn findings(golden: &str) -> Vec<Finding> {
    let fronts = golden.split("\"front\": ").skip(1);
    let first = |text: &str| serde_json::Deserializer::from_str(text).into_iter::<Value>().next();
    fronts
        .filter_map(|text| first(text)?.ok())
        .flat_map(|front| serde_json::from_value::<Vec<Finding>>(front).unwrap())
        .collect()
}

#[test]
fn every_status_speaks_of_its_sentence() {
    let mut seen = 0;
    for (name, golden) in kept() {
        for finding in findings(&golden) {
            seen += 1;
            if let Some(why) = wrong(&finding) {
                panic!("{name}: `{}`, {}: {why}", finding.statement, finding.status.word());
            }
        }
    }
    assert!(seen >= 50, "{seen} findings");
}

#[test]
fn no_p_is_written_as_nothing() {
    for (name, golden) in kept() {
        for line in golden.lines() {
            for nothing in ["p 0.000", "p = 0.000", "p of 0.000", "p: 0.000"] {
                // The p of a word, as of a clamp, is none.
                let stands = |(at, _): (usize, &str)| !line[..at].ends_with(char::is_alphabetic);
                assert!(!line.match_indices(nothing).any(stands), "{name}: {line}");
            }
        }
    }
}
