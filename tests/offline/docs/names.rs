//! What the book names: variables, tests, pages, verbs.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;

use super::{book, files, root, text};
use crate::goldens;

fn found(pattern: &str, texts: &[String]) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).unwrap();
    texts.iter().flat_map(|t| pattern.captures_iter(t).map(|c| c[1].to_owned()).collect::<Vec<_>>()).collect()
}

/// The sources, scripts and tests of the project.
fn sources() -> Vec<String> {
    let folders = ["src", "crates", "protocol", "tests", "examples", "bench", "fuzz"];
    let code = folders.iter().flat_map(|f| files(&root().join(f), ".rs"));
    let scripts =
        ["tests", "bench", "fixtures/make", "docs"].iter().flat_map(|f| files(&root().join(f), ".py"));
    let ci = std::fs::read_dir(root().join(".ci")).unwrap().map(|e| e.unwrap().path());
    code.chain(scripts).chain(ci).filter(|p| p.is_file()).map(|p| text(&p)).collect()
}

#[test]
fn every_variable_of_the_project_is_documented_and_no_other() {
    let pattern = r"\b(TRUENORTH_[A-Z]+(?:_[A-Z]+)*)\b";
    let read = found(pattern, &sources());
    let documented = found(pattern, &[text(&book().join("environment.md"))]);
    assert!(read.len() > 20, "{read:?}");
    let missing: Vec<_> = read.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/src/environment.md: {missing:?}");
    let gone: Vec<_> = documented.difference(&read).collect();
    assert!(gone.is_empty(), "in docs/src/environment.md, and read by nothing: {gone:?}");
}

#[test]
fn every_test_that_the_book_names_exists() {
    let sources = sources();
    let tests = found(r"\bfn ([a-z0-9_]+)\(", &sources);
    let page = text(&book().join("cannot.md"));
    let rows = page
        .lines()
        .filter(|l| l.starts_with("| ") && !l.starts_with("| complaint") && !l.starts_with("| ---"));
    let mut named = 0;
    for row in rows {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap().to_owned();
        let names = found(r"`([a-z0-9_]+)`", std::slice::from_ref(&last));
        assert!(!names.is_empty(), "no test is named: {row}");
        for name in names {
            assert!(tests.contains(&name), "there is no test {name}: {row}");
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}

/// Relative links of a page, without what follows `#`.
fn links(page: &str) -> Vec<String> {
    // Code has brackets of its own.
    let code = Regex::new(r"(?s)```.*?```|`[^`\n]*`").unwrap();
    let page = code.replace_all(page, "`code`");
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let targets = link.captures_iter(&page).map(|c| c[1].to_owned());
    targets
        .filter(|l| !l.contains("://") && !l.starts_with('#'))
        .map(|l| l.split('#').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_link_leads_somewhere_and_every_page_is_in_the_summary() {
    let mut pages = files(&book(), ".md");
    pages.extend(["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|f| root().join(f)));
    let mut count = 0;
    for page in &pages {
        for link in links(&text(page)) {
            let target = page.parent().unwrap().join(&link);
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
    let summary: BTreeSet<String> = links(&text(&book().join("SUMMARY.md"))).into_iter().collect();
    for page in files(&book(), ".md") {
        let name = page.strip_prefix(book()).unwrap().to_str().unwrap().replace('\\', "/");
        assert!(name == "SUMMARY.md" || summary.contains(&name), "{name} is not in SUMMARY.md");
    }
}

#[test]
fn every_verb_has_a_how_to() {
    let verbs: BTreeSet<String> =
        goldens::verbs().into_iter().filter_map(|v| v.split(' ').next().map(str::to_owned)).collect();
    assert!(verbs.len() > 20, "{verbs:?}");
    for verb in verbs {
        let page = book().join(format!("howto/{verb}.md"));
        assert!(page.exists(), "{} is not there", page.display());
        let text = text(&page);
        assert!(text.contains(&format!("truenorth {verb}")), "{} has no command", page.display());
    }
}

#[test]
fn links_in_code_are_none() {
    let page = "[a](b.md#c) `x[1](2)`\n```sh\n[z](y)\n```\n[w](https://w) [v](#v)";
    assert_eq!(links(page), ["b.md"]);
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/book.toml").exists());
}
