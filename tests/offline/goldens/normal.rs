//! What may differ from one run or machine to the next, and what stands for it. A thing that a rule takes
//! out must still be there. Hashes of inputs stay as they are.

use std::collections::BTreeMap;
use std::path::Path;

use regex::Regex;

/// Pattern, what takes its place, and why.
const RULES: &[(&str, &str, &str)] = &[
    (
        r"\b(engine\.\d+/cpu/\w+(/quantized)?)/(f32|bf16)(-[\w+-]+)?",
        "$1/<kernel>",
        "the processor chooses its kernel",
    ),
    (r"\b\d+(\.\d+)? (s|ms|min)\b", "<time>", "durations"),
    (r#""(seconds|wall)": ?\d+(\.\d+)?(e-\d+)?"#, r#""$1": <seconds>"#, "durations"),
    (r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "<date>", "dates"),
    (r#""(created|changed)": \d{10}\b"#, r#""$1": <date>"#, "dates"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>", "ids that are drawn"),
    (r"((new|strength|people)/sheet\.csv +)[0-9a-f]{64}\b", "$1<sha256>", "a key is dealt by chance"),
    // The page names the hash of its numbers, durations among them.
    (
        r"(?m)^(\(schema truenorth\.report, version 2; sha256\n)[0-9a-f]{64}$",
        "$1<sha256>",
        "hash of durations",
    ),
    (r"\(seal [0-9a-f]{16}\)", "(seal <registration>)", "a registration has its date in it"),
    (r#""made_from": "[0-9a-f]{64}""#, r#""made_from": "<sha256>""#, "a stage is made from the kernel too"),
    (r#""program": "[0-9a-f]{64}""#, r#""program": "<sha256>""#, "the program is built anew"),
    (r"(?m)^build: .+$", "build: <build>", "where and how it was built"),
    (r"(?m)^CPU path: .+$", "CPU path: <kernel>", "the processor chooses its kernel"),
    (r"\(os error \d+\)", "(os error <n>)", "numbers of errors are the system's"),
];

/// Hashes that later output repeats, and their names.
const NAMES: &[(&str, &str)] = &[
    (r#""registered_at": "[^"]+",\s*"sha256": "([0-9a-f]{64})""#, "<registration>"),
    (r#"(?s)"after_results".*?\],\s*"sha256": "([0-9a-f]{64})""#, "<registration>"),
    (r"sealed on [^:]+:\d\d:\d\d GMT: ([0-9a-f]{64})", "<registration>"),
    (r#""key": "([0-9a-f]{64})",\s*"id""#, "<job>"),
    (r#""key": "([0-9a-f]{12})[0-9a-f]{52}",\s*"id""#, "<job>"),
];

/// The rules, with what this run knows by name.
pub struct Rules {
    literals: Vec<(String, String)>,
    patterns: Vec<(Regex, &'static str)>,
}

impl Rules {
    pub fn new(dir: &Path, home: &Path) -> Self {
        let patterns = RULES.iter().map(|(pattern, with, _)| (Regex::new(pattern).unwrap(), *with)).collect();
        let mut rules = Self { literals: Vec::new(), patterns };
        for (path, name) in
            [(dir, "<place>"), (home, "<home>"), (env!("CARGO_MANIFEST_DIR").as_ref(), "<root>")]
        {
            let real = path.canonicalize().unwrap();
            for path in [real.as_path(), path] {
                rules.literal(path.to_str().unwrap(), name);
            }
        }
        rules
    }

    pub fn literal(&mut self, what: &str, with: &str) {
        self.literals.push((what.to_owned(), with.to_owned()));
    }

    /// The hash of a file of tensors depends on every bit of the engine's numbers, which the file itself shows.
    pub fn hashes(&mut self, files: &BTreeMap<String, Vec<u8>>) {
        for (name, bytes) in files.iter().filter(|(n, _)| n.ends_with(".safetensors")) {
            let name = name.rsplit('/').next().unwrap();
            self.literal(&truenorth::files::sha256_hex(bytes), &format!("<sha256 of {name}>"));
        }
    }

    /// What a run names by a hash of things that differ: a registration has its date in it, a job the server's
    /// port. From there on the name stands for it, wherever it is said.
    pub fn learn(&mut self, text: &str) {
        for (pattern, name) in NAMES {
            for found in Regex::new(pattern).unwrap().captures_iter(text) {
                self.literal(&found[1], name);
            }
        }
    }

    pub fn apply(&self, text: &str) -> String {
        let version = Regex::new(&format!(r"\b{}\b", regex::escape(env!("CARGO_PKG_VERSION")))).unwrap();
        let mut text = version.replace_all(text, "<version>").into_owned();
        for (what, with) in &self.literals {
            text = text.replace(what, with);
        }
        for (pattern, with) in &self.patterns {
            text = pattern.replace_all(&text, *with).into_owned();
        }
        shorter(&text)
    }
}

/// Numbers that are printed with all their digits keep 9, ten thousand times what `compare` asks for.
fn shorter(text: &str) -> String {
    let long = Regex::new(r"-?\b\d+\.\d{9,}(e-?\d+)?\b").unwrap();
    let short = |found: &regex::Captures<'_>| {
        let value: f64 = found[0].parse().unwrap();
        // Through the nine digits and back, so that the shortest form is written.
        let value: f64 = format!("{value:.8e}").parse().unwrap();
        format!("{value:?}")
    };
    long.replace_all(text, short).into_owned()
}
