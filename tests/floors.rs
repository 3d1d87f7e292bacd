//! Imports only look down, and each foreign type stays in its own room.
//!
//! The floors are those of the README's architecture section. A module may name modules of lower
//! floors; siblings of a floor never name each other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Floor of each module of the library. A module that is missing here fails the test.
const FLOORS: &[(&str, u8)] = &[
    ("math", 1),
    ("data", 1),
    ("run", 1),
    ("jobs", 1),
    ("estimate", 2),
    ("engine", 2),
    ("client", 2),
    ("store", 2),
    ("models", 2),
    ("analysis", 3),
    ("server", 3),
    ("report", 4),
];

/// Crates that only some modules may name.
const ROOMS: &[(&str, &[&str])] = &[
    ("candle_core", &["engine"]),
    ("tokenizers", &["engine"]),
    ("rusqlite", &["store"]),
    ("hf_hub", &["models"]),
    ("reqwest", &["client"]),
    ("tokio_tungstenite", &["client"]),
    ("axum", &["server"]),
    ("prometheus_client", &["server"]),
    ("hyper", &["server"]),
    ("hyper_util", &["server"]),
    ("tokio_rustls", &["server"]),
    ("tower_service", &["server"]),
    ("rustix", &["server"]),
    ("clap", &["cli"]),
    ("anyhow", &["cli"]),
    ("indicatif", &["cli"]),
    ("ctrlc", &["cli"]),
    ("dirs", &["cli"]),
];

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Code without comments, so that a doc link is not an import.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The names that follow `prefix` in `code`, braces opened one level.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = code[at + prefix.len()..].trim_start();
        let ident = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = 0;
            for (i, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' | ',' if depth == 0 => {
                        names.push(ident(list[start..i].trim()));
                        start = i + 1;
                        if c == '}' {
                            break;
                        }
                    }
                    '}' => depth -= 1,
                    _ => {}
                }
            }
        } else {
            names.push(ident(rest));
        }
    }
    names.retain(|n| !n.is_empty());
    names
}

/// The library's files, each with its top module; `lib.rs` and `main.rs` are the map itself.
fn modules() -> Vec<(String, PathBuf)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    files
        .into_iter()
        .filter_map(|f| {
            let inside = f.strip_prefix(&src).unwrap().to_path_buf();
            let top = inside.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_owned();
            (top != "lib" && top != "main").then_some((top, f))
        })
        .collect()
}

fn floor(module: &str) -> u8 {
    FLOORS
        .iter()
        .find(|(m, _)| *m == module)
        .unwrap_or_else(|| panic!("module `{module}` has no floor; add it to FLOORS"))
        .1
}

#[test]
fn a_module_imports_lower_floors_only() {
    let mut wrong = Vec::new();
    for (module, file) in modules().iter().filter(|(m, _)| m != "cli") {
        for named in names_after(&code(file), "crate::") {
            if named != *module && floor(&named) >= floor(module) {
                wrong.push(format!("{}: {module} names {named}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn foreign_types_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (module, file) in modules() {
        let code = code(&file);
        for (name, rooms) in ROOMS {
            let named = code.contains(&format!("{name}::")) || code.contains(&format!("use {name};"));
            if named && !rooms.contains(&module.as_str()) {
                wrong.push(format!("{}: {name} belongs in {rooms:?}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_environment_is_read_in_one_place() {
    let allowed = |f: &Path| f.ends_with("cli/settings.rs");
    let readers: Vec<_> = modules()
        .into_iter()
        .filter(|(_, f)| !f.components().any(|c| c.as_os_str() == "tests") && !f.ends_with("tests.rs"))
        .filter(|(_, f)| code(f).contains("env::var") && !allowed(f))
        .map(|(_, f)| f.display().to_string())
        .collect();
    assert!(readers.is_empty(), "{readers:?}");
}

#[test]
fn the_protocol_does_no_io() {
    let mut files = Vec::new();
    rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/src"), &mut files);
    let of_tests = |f: &PathBuf| f.ends_with("tests.rs") || f.components().any(|c| c.as_os_str() == "tests");
    for file in files.into_iter().filter(|f| !of_tests(f)) {
        let code = code(&file);
        for banned in ["std::fs", "std::net", "std::env", "std::process", "candle", "tokio", "async fn"] {
            assert!(!code.contains(banned), "{} names {banned}", file.display());
        }
    }
}

/// What `expect(` is given in code outside tests, and where: the text between the quotes, or nothing where
/// it is not text.
fn reasons(code: &str) -> Vec<String> {
    // What tests a file lies behind the code that it tests.
    let code = code.split("#[cfg(test)]").next().unwrap_or(code);
    let of = |(at, call): (usize, &str)| {
        let text = code[at + call.len()..].trim_start().strip_prefix('"');
        text.and_then(|t| t.split('"').next()).unwrap_or("").to_owned()
    };
    // A `Watch` is told how much is to come by a method of this name.
    let told = |at: usize| ["watch", "inner"].iter().any(|watch| code[..at].ends_with(watch));
    code.match_indices(".expect(").filter(|(at, _)| !told(*at)).map(of).collect()
}

#[test]
fn an_invariant_says_in_three_words_at_least_why_it_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for dir in ["src", "protocol/src", "crates"] {
        let dir = root.join(dir);
        if dir.is_dir() {
            rust_files(&dir, &mut files);
        }
    }
    let of_tests = |f: &PathBuf| f.ends_with("tests.rs") || f.components().any(|c| c.as_os_str() == "tests");
    let mut wrong = Vec::new();
    let mut found = 0;
    for file in files.into_iter().filter(|f| !of_tests(f)) {
        for reason in reasons(&code(&file)) {
            found += 1;
            if reason.split_whitespace().count() < 3 {
                wrong.push(format!("{}: expect({reason:?})", file.display()));
            }
        }
    }
    assert!(found > 0, "no file was read");
    assert!(wrong.is_empty(), "say why it holds, in words:\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_reasons_sees_what_it_should() {
    let code = "a.expect(\"rows are there\"); b\n.expect(\n  \"no\");c.expect(why); watch.expect(3);\n#[cfg(test)] mod t { d.expect(\"x\") }";
    assert_eq!(reasons(code), ["rows are there", "no", ""]);
}

#[test]
fn the_reader_of_imports_sees_what_it_should() {
    let code = "use crate::math::x; use crate::{data, run::{A, B}};\nlet y = crate::store::open();";
    assert_eq!(names_after(code, "crate::"), ["math", "data", "run", "store"]);
}
