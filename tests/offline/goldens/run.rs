//! Runs the cases of a group in a folder and writes down what came of each.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::cases::{Case, Group};
use super::normal::Rules;
use super::{compare, place, render};
use crate::support;

/// A case's name and its golden as it is now.
pub fn group(group: Group) -> Vec<(String, String)> {
    let dir = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    place::fill(dir.path());
    let server = group.served.then(|| place::Server::start(dir.path(), home.path()));
    let mut rules = Rules::new(dir.path(), home.path());
    if let Some(server) = &server {
        rules.literal(&server.url, "<url>");
    }
    let all = || {
        let settings =
            files(&home.path().join(".config")).into_iter().map(|(n, b)| (format!("~/.config/{n}"), b));
        files(dir.path()).into_iter().chain(settings).collect::<BTreeMap<_, _>>()
    };
    let mut before = all();
    let mut done = Vec::new();
    for case in &group.cases {
        let shown = case.line.replace("@job", "<job>");
        let ran = command(case, dir.path(), home.path(), server.as_ref().map(|s| s.url.as_str()));
        let mut text = format!("$ truenorth {}\n", shown.replace("@url", "<url>"));
        text += &format!("exit {}\n", ran.status.code().map_or("by a signal".into(), |c| c.to_string()));
        part(&mut text, "stdout", &render::stream(&ran.stdout));
        part(&mut text, "stderr", &render::stream(&ran.stderr));
        rules.learn(&text);
        let after = all();
        rules.hashes(&after);
        for (name, bytes) in after.iter().filter(|(n, b)| before.get(*n) != Some(*b)) {
            let body = rules.apply(&render::file(name, bytes));
            rules.learn(&body);
            match before.get(name) {
                None => part(&mut text, &format!("file {name}"), &body),
                Some(old) => text += &rewritten(name, &rules.apply(&render::file(name, old)), &body),
            }
        }
        for name in before.keys().filter(|n| !after.contains_key(*n)) {
            text += &format!("--- removed {name}\n");
        }
        before = after;
        done.push((case.name.to_owned(), rules.apply(&text)));
    }
    done
}

/// A file that was there before: what is another line now.
fn rewritten(name: &str, was: &str, is: &str) -> String {
    if was == is {
        return String::new();
    }
    let head = format!("--- rewritten {name}\n");
    let found = compare::texts(&format!("{head}{was}"), &format!("{head}{is}"));
    head + &found.iter().map(compare::Difference::plain).collect::<String>()
}

/// A part of a golden. One that is empty stays out; a file that is empty has its name.
fn part(text: &mut String, name: &str, body: &str) {
    if body.is_empty() && !name.starts_with("file ") {
        return;
    }
    *text += &format!("--- {name}\n{body}");
    if !body.is_empty() && !body.ends_with('\n') {
        *text += "\n\\ no newline at the end\n";
    }
}

/// The words of a command line; quotes hold words together, and `<` names what goes to standard input.
fn words(line: &str) -> (Vec<String>, Option<String>) {
    let (mut words, mut input, mut rest) = (Vec::new(), None, line.trim());
    while !rest.is_empty() {
        let quoted = rest.starts_with('\'');
        let end = if quoted { rest[1..].find('\'').map(|at| at + 2) } else { rest.find(' ') };
        let word = rest[..end.unwrap_or(rest.len())].trim_matches('\'').to_owned();
        if !quoted && word.starts_with('<') && word.len() > 1 {
            input = Some(word[1..].to_owned());
        } else {
            words.push(word);
        }
        rest = rest[end.unwrap_or(rest.len())..].trim_start();
    }
    (words, input)
}

/// Runs in surroundings that are the same everywhere: no variables, no terminal, a home and a cache of its own.
fn command(case: &Case, dir: &Path, home: &Path, url: Option<&str>) -> std::process::Output {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/");
    let mut line = case.line.replace("@/", fixtures);
    if let Some(url) = url {
        line = line.replace("@url", url);
    }
    if line.contains("@job") {
        line = line.replace("@job", &first_job(dir, home));
    }
    let (args, input) = words(&line);
    let mut command = bare(dir, home);
    command.args(args);
    command.stdin(input.map_or_else(Stdio::null, |f| File::open(dir.join(f)).unwrap().into()));
    command.output().unwrap()
}

/// The program without arguments.
pub fn bare(dir: &Path, home: &Path) -> Command {
    let mut command = Command::new(support::binary());
    command.current_dir(dir).env_clear().env("HOME", home).env("TRUENORTH_CACHE", home.join("cache"));
    command
}

fn first_job(dir: &Path, home: &Path) -> String {
    let out = bare(dir, home).args(["jobs", "list", "--json"]).output().unwrap();
    let jobs: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    jobs[0]["key"].as_str().unwrap().to_owned()
}

/// All files below a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![PathBuf::new()]);
    while let Some(below) = folders.pop() {
        for entry in std::fs::read_dir(folder.join(&below)).into_iter().flatten().map(|e| e.unwrap()) {
            let name = below.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(name);
            } else {
                found.insert(name.to_str().unwrap().replace('\\', "/"), std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}
