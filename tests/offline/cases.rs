//! The cases of `fixtures/cases`, laid out in folders of their own and run as a shell does.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::binary;

/// A case in a folder of its own, what it shares with others laid beside it.
pub struct Case {
    dir: tempfile::TempDir,
}

/// What came of a case.
pub struct Run {
    /// Whether the command succeeded.
    pub ok: bool,
    /// All that it said, to stdout and stderr.
    pub said: String,
    out: tempfile::TempDir,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::write(&target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

impl Case {
    /// A copy of a case, which may be changed.
    pub fn of(name: &str) -> Self {
        let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
        let dir = tempfile::tempdir().unwrap();
        if let Ok(base) = std::fs::read_to_string(all.join(name).join("base")) {
            copy(&all.join("_models").join(base.trim()), &dir.path().join("model"));
        }
        copy(&all.join(name), dir.path());
        Self { dir }
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Its model's folder.
    pub fn model(&self) -> PathBuf {
        self.dir.path().join("model")
    }

    /// Runs its command.
    pub fn run(&self) -> Run {
        self.run_with("")
    }

    /// Runs its command with more flags.
    pub fn run_with(&self, flags: &str) -> Run {
        let command = std::fs::read_to_string(self.dir.path().join("cmd")).unwrap();
        let out = tempfile::tempdir().unwrap();
        let ran = Command::new("sh")
            .args(["-c", &format!("{} {flags}", command.trim_end())])
            .env("TN", binary())
            .env("CASE", self.dir.path())
            .env("CASES", Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases"))
            .env("OUT", out.path())
            .env("TRUENORTH_CACHE", out.path().join("cache"))
            .output()
            .unwrap();
        let said =
            [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Run { ok: ran.status.success(), said, out }
    }
}

impl Run {
    /// A file that the command wrote to `$OUT`.
    pub fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.out.path().join(name)).unwrap()
    }
}
