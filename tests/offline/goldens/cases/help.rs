//! `--help` of every verb, found by walking the program's own lists.

use std::path::Path;

use super::{Case, Group};
use crate::goldens::run;

/// The verbs that do something, such as `direction extract`.
pub fn verbs() -> Vec<String> {
    walked().into_iter().filter(|(_, leaf)| *leaf).map(|(verb, _)| verb).collect()
}

/// Every verb and every family of verbs, and whether it is one that does something.
fn walked() -> Vec<(String, bool)> {
    let (mut found, mut left) = (Vec::new(), vec![String::new()]);
    while let Some(verb) = left.pop() {
        let below: Vec<String> =
            listed(&verb).into_iter().map(|name| format!("{verb} {name}").trim().to_owned()).collect();
        found.push((verb, below.is_empty()));
        left.extend(below);
    }
    found
}

/// The names under `Commands:`.
fn listed(verb: &str) -> Vec<String> {
    let nowhere = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let out = run::bare(nowhere, nowhere).args(verb.split_whitespace()).arg("--help").output().unwrap();
    let help = String::from_utf8(out.stdout).unwrap();
    let list = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
    let names = list.lines().filter_map(|l| l.strip_prefix("  ")).filter(|l| !l.starts_with(' '));
    names.filter_map(|l| l.split_whitespace().next()).filter(|n| *n != "help").map(str::to_owned).collect()
}

pub fn group() -> Group {
    let case = |(verb, _): (String, bool)| {
        let name = if verb.is_empty() { "truenorth".to_owned() } else { verb.replace(' ', "-") };
        Case { name, line: format!("{verb} --help").trim().to_owned() }
    };
    let mut cases: Vec<Case> = walked().into_iter().map(case).collect();
    for (name, line) in [("version", "--version"), ("nothing", ""), ("short", "-h"), ("verb", "help read")] {
        cases.push(Case { name: format!("other-{name}"), line: line.into() });
    }
    Group { name: "help", cases, served: false }
}
