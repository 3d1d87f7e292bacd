//! Imports only look down, and each foreign type stays in its own room.
//!
//! Cargo holds the crates to their dependencies; this test holds the dependencies to the floors of CONTRIBUTING.md's
//! architecture section, and the folders of one crate to each other. Siblings of a floor never name each other.

use std::fs;
use std::path::{Path, PathBuf};

/// Floor of each crate, by its folder.
const CRATES: &[(&str, u8)] = &[
    ("protocol", 0),
    ("crates/files", 1),
    ("crates/stats", 1),
    ("crates/engine", 2),
    ("crates/data", 2),
    ("crates/remote", 2),
    ("crates/report", 3),
    ("crates/bench", 4),
    ("crates/reading", 4),
    ("crates/verify", 4),
    ("crates/analyses", 5),
    ("crates/boards", 5),
    ("crates/arena", 6),
    ("crates/experiment", 6),
    ("crates/play", 6),
];

/// Floor of each folder of `src`. One that is missing here fails the test.
const FLOORS: &[(&str, u8)] = &[
    // Three crates by one name.
    ("analyses", 5),
    ("arena", 6),
    ("error", 7),
    ("session", 7),
    ("settings", 8),
    ("host", 9),
    ("pushes", 9),
    ("direction", 10),
    ("inputs", 10),
    ("experiment", 11),
    ("study", 12),
    ("facade", 13),
];

/// Folders of one crate that never name each other.
const STRANGERS: &[(&str, &str)] =
    &[("crates/remote/src/client", "server"), ("crates/remote/src/server", "client")];

/// Crates that only files under some folder may name; one may have several rooms.
const ROOMS: &[(&str, &str)] = &[
    ("candle_core", "crates/engine/src"),
    ("tokenizers", "crates/engine/src"),
    ("rusqlite", "crates/data/src/store"),
    ("rusqlite", "crates/arena/src/store"),
    // Of errors alone.
    ("rusqlite", "crates/arena/src/error.rs"),
    ("parquet", "crates/data/src/import"),
    ("parquet", "crates/data/src/rows"),
    ("parquet", "crates/data/src/out"),
    ("minijinja", "crates/data/src/conversation"),
    ("minijinja", "crates/play/src"),
    ("minijinja", "crates/arena/src/web"),
    ("minijinja_contrib", "crates/data/src/conversation"),
    ("chrono", "crates/data/src/conversation"),
    ("reqwest", "crates/remote/src/client"),
    ("reqwest", "crates/data/src/models/hub"),
    ("reqwest", "crates/arena/src/web"),
    ("tokio_tungstenite", "crates/remote/src/client"),
    ("axum", "crates/remote/src/server"),
    ("axum", "crates/play/src"),
    ("axum", "crates/arena/src/web"),
    ("prometheus_client", "crates/remote/src/server"),
    ("prometheus_client", "crates/arena/src/web"),
    ("hyper", "crates/remote/src/server"),
    ("hyper_util", "crates/remote/src/server"),
    ("tokio_rustls", "crates/remote/src/server"),
    ("rustls", "crates/remote/src"),
    ("rustls", "crates/data/src/models/hub"),
    ("tower_service", "crates/remote/src/server"),
    // Its tests call the routes.
    ("tower_service", "crates/play/src/tests.rs"),
    ("rustix", "crates/remote/src"),
    ("clap", "src/cli"),
    // Parameters are flags too.
    ("clap", "crates/analyses/src"),
    ("clap", "crates/boards/src"),
    ("clap", "crates/reading/src"),
    ("anyhow", "src/cli"),
    ("indicatif", "src/cli"),
    ("ctrlc", "src/cli"),
    ("dirs", "src/cli"),
    ("dirs", "src/settings.rs"),
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

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file of the workspace, relative to its root.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in CRATES.iter().map(|(folder, _)| format!("{folder}/src")).chain(["src".to_owned()]) {
        rust_files(&root().join(folder), &mut files);
    }
    files.into_iter().map(|f| f.strip_prefix(root()).unwrap().to_path_buf()).collect()
}

/// The files of `src` by their folder; `lib.rs` and `main.rs` are the map itself.
fn modules() -> Vec<(String, PathBuf)> {
    let top = |file: &Path| {
        let inside = file.strip_prefix("src").ok()?;
        let top = inside.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_owned();
        (top != "lib" && top != "main").then_some(top)
    };
    sources().into_iter().filter_map(|f| Some((top(&f)?, f))).collect()
}

fn floor(module: &str, floors: &[(&str, u8)]) -> u8 {
    floors
        .iter()
        .find(|(m, _)| *m == module)
        .unwrap_or_else(|| panic!("`{module}` has no floor; add it to the test's table"))
        .1
}

/// The crates of the workspace that a manifest depends on outside tests.
fn depends_on(folder: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let after = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let own = after.split("\n[").next().unwrap();
    own.lines()
        .filter_map(|l| l.strip_prefix("truenorth-")?.split(['.', ' ']).next())
        .map(|name| if name == "protocol" { name.to_owned() } else { format!("crates/{name}") })
        .collect()
}

#[test]
fn a_crate_depends_on_lower_floors_only() {
    let mut folders: Vec<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|e| format!("crates/{}", e.unwrap().file_name().to_str().unwrap()))
        .collect();
    folders.push("protocol".to_owned());
    assert_eq!(folders.len(), CRATES.len());
    for folder in folders {
        for needed in depends_on(&folder) {
            assert!(floor(&needed, CRATES) < floor(&folder, CRATES), "{folder} depends on {needed}");
        }
    }
    assert_eq!(depends_on("crates/remote"), ["crates/files", "protocol"]);
}

#[test]
fn a_module_imports_lower_floors_only() {
    let mut wrong = Vec::new();
    for (module, file) in modules().iter().filter(|(m, _)| m != "cli") {
        for named in names_after(&code(&root().join(file)), "crate::") {
            if named != *module && floor(&named, FLOORS) >= floor(module, FLOORS) {
                wrong.push(format!("{}: {module} names {named}", file.display()));
            }
        }
    }
    for (folder, stranger) in STRANGERS {
        for file in sources().iter().filter(|f| f.starts_with(folder)) {
            if names_after(&code(&root().join(file)), "crate::").iter().any(|n| n == stranger) {
                wrong.push(format!("{} names {stranger}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn foreign_types_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for file in sources() {
        let code = code(&root().join(&file));
        for (name, _) in ROOMS {
            let named = code.contains(&format!("{name}::")) || code.contains(&format!("use {name};"));
            let rooms: Vec<&str> = ROOMS.iter().filter(|(n, _)| n == name).map(|(_, room)| *room).collect();
            if named && !rooms.iter().any(|room| file.starts_with(room)) {
                wrong.push(format!("{}: {name} belongs in {rooms:?}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_environment_is_read_in_one_place() {
    let allowed = |f: &Path| f == Path::new("src/settings.rs");
    let readers: Vec<_> = sources()
        .into_iter()
        .filter(|f| !f.components().any(|c| c.as_os_str() == "tests") && !f.ends_with("tests.rs"))
        .filter(|f| code(&root().join(f)).contains("env::var") && !allowed(f))
        .map(|f| f.display().to_string())
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
