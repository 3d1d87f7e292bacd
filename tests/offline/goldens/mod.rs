//! What every verb prints and writes, held against `fixtures/goldens/GROUP/CASE.txt`.
//!
//! A case is a command line (`cases/`). It runs in a temporary folder that holds the small files of
//! `place`; the cases of a group run one after the other in one folder, so that a later one may use what an
//! earlier one wrote. A golden has the command, the exit code, both streams and every file that the command
//! wrote or removed (`render` says how files that are no text are shown). `normal` lists what may differ
//! between two runs, and `compare` says how far numbers may lie apart.
//!
//! A change that is meant is blessed: `TRUENORTH_BLESS=1 cargo test --test offline goldens` writes the goldens
//! that differ anew and removes those whose case is gone. Then `python3 fixtures/make/manifest.py` registers
//! them, and the diff shows what the change did.

mod cases;
mod compare;
mod normal;
mod place;
mod render;
mod run;
mod statuses;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cases::Group;
pub use cases::verbs;

const BLESS: &str = "TRUENORTH_BLESS";

/// Of a case that differs, so many places are shown.
const SHOWN: usize = 12;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/goldens")
}

/// Every case's golden as it is now, by the name of its file.
fn now(groups: Vec<Group>) -> BTreeMap<String, String> {
    let done = Mutex::new(BTreeMap::new());
    let left = Mutex::new(groups.into_iter().rev().collect::<Vec<_>>());
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get().max(2));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(group) = { left.lock().unwrap().pop() } {
                    let name = group.name;
                    for (case, text) in run::group(group) {
                        let new = done.lock().unwrap().insert(format!("{name}/{case}.txt"), text).is_none();
                        assert!(new, "two cases are called {name}/{case}");
                    }
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// The goldens that are kept.
fn kept() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Ok(groups) = std::fs::read_dir(folder()) else { return found };
    for group in groups.map(|g| g.unwrap().path()) {
        for file in std::fs::read_dir(&group).unwrap().map(|f| f.unwrap().path()) {
            let name = file.strip_prefix(folder()).unwrap().to_str().unwrap().replace('\\', "/");
            found.insert(name, std::fs::read_to_string(&file).unwrap());
        }
    }
    found
}

/// What differs, by case, in words.
fn differences(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let said = |name: &String| match (was.get(name), is.get(name)) {
        (Some(was), Some(is)) => {
            let found = compare::texts(was, is);
            let more = found.len().saturating_sub(SHOWN);
            let mut lines: Vec<String> = found.iter().take(SHOWN).map(ToString::to_string).collect();
            if more > 0 {
                lines.push(format!("  and {more} more"));
            }
            (!lines.is_empty()).then(|| lines.join("\n"))
        }
        (Some(_), None) => Some("  the golden has no case".into()),
        (None, _) => Some("  the case has no golden".into()),
    };
    names.into_iter().filter_map(|n| said(n).map(|s| (n.clone(), s))).collect()
}

fn bless(differ: &BTreeMap<String, String>, is: &BTreeMap<String, String>) {
    for name in differ.keys() {
        let path = folder().join(name);
        if let Some(text) = is.get(name) {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn every_verb_and_study_prints_and_writes_what_it_did() {
    let is = now(cases::all());
    let differ = differences(&kept(), &is);
    if std::env::var_os(BLESS).is_some_and(|v| v == "1") {
        bless(&differ, &is);
        return;
    }
    let said: Vec<String> = differ.iter().map(|(name, said)| format!("{name}\n{said}")).collect();
    assert!(
        said.is_empty(),
        "{} of {} goldens differ; if that is meant, run with {BLESS}=1\n\n{}",
        said.len(),
        is.len(),
        said.join("\n\n")
    );
}

#[test]
fn every_verb_has_a_case_beside_its_help() {
    let ran: BTreeSet<String> =
        cases::all().iter().flat_map(|g| g.cases.iter().map(|c| c.line.clone())).collect();
    let without: Vec<String> = verbs()
        .into_iter()
        .filter(|verb| {
            let start = format!("{verb} ");
            !ran.iter().any(|line| (line == verb || line.starts_with(&start)) && !line.ends_with("--help"))
        })
        .collect();
    assert!(without.is_empty(), "no case runs {without:?}");
}

#[test]
fn a_golden_without_a_case_and_a_case_without_a_golden_are_told() {
    let map = |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), "same\n".to_owned())).collect();
    let told = differences(&map(&["a", "b"]), &map(&["b", "c"]));
    assert_eq!(told.keys().collect::<Vec<_>>(), ["a", "c"]);
}
