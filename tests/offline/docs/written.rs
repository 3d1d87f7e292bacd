//! Pages and parts of pages that the program's own lists make.

use std::path::Path;

use truenorth::settings::VARIABLES;
use truenorth::stats::test::Test;

use super::{book, text};
use crate::support;

/// Holds a file to what it should be, or writes it.
fn held(path: &Path, should: &str) {
    if std::env::var_os("TRUENORTH_BLESS").is_some_and(|v| v == "1") {
        std::fs::write(path, should).unwrap();
    }
    let is = std::fs::read_to_string(path).unwrap_or_default();
    assert!(is == should, "{} is not what its source makes; TRUENORTH_BLESS=1 writes it", path.display());
}

/// A page with what stands between two marks replaced.
fn between(page: &str, mark: &str, table: &str) -> String {
    let (before, rest) = page.split_once(mark).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{mark}\n{table}<!-- end -->{after}")
}

#[test]
fn the_study_reference_is_what_the_program_prints() {
    let dir = tempfile::tempdir().unwrap();
    let print = |args: &[&str]| String::from_utf8(support::ok(dir.path(), args).stdout).unwrap();
    let tables = print(&["study", "reference"]);
    let page = format!(
        "# Study reference\n\nEvery table and key of a study file, with its default and its meaning, as `truenorth study reference` \
         prints it. `truenorth study reference --json` is [the JSON Schema](study.schema.json).\n\n```toml\n{tables}```\n"
    );
    held(&book().join("study-reference.md"), &page);
    held(&book().join("study.schema.json"), &print(&["study", "reference", "--json"]));
}

#[test]
fn the_page_of_tests_has_every_test() {
    let mut page = "# Every test\n\nEvery p value that is printed anywhere is one of these. *Holds* says whether its rate of false alarms is \
                    what it says: `as stated`, `conservative` (fewer), or `descriptive` (its null is narrower than what a reader asks, so it \
                    never decides). Rates as measured are in `examples/calibration/RESULTS.md`.\n\n| test | asks | null | exchanged or drawn whole | \
                    sides | holds |\n| --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for test in Test::ALL {
        let card = test.card();
        let cells = [test.id(), card.asks, card.null, card.unit, card.sides.word(), card.standing.word()];
        page += &format!("| {} |\n", cells.map(|c| c.replace('|', "\\|")).join(" | "));
    }
    held(&book().join("tests.md"), &page);
}

#[test]
fn the_page_of_variables_has_what_the_program_reads() {
    let path = book().join("environment.md");
    let rows = VARIABLES.iter().map(|(name, meaning)| format!("| `{name}` | {meaning} |\n"));
    let table = format!("| variable | what it is for |\n| --- | --- |\n{}", rows.collect::<String>());
    held(&path, &between(&text(&path), "<!-- variables -->", &table));
}
