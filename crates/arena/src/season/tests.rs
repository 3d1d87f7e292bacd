//! A tiny season of the fixtures' model, and what becomes of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::Array1;
use truenorth_data::artifact::{Direction, DirectionMetadata};
use truenorth_engine::{Engine, EngineOptions};
use truenorth_protocol::Site;
use truenorth_protocol::run::{Runner, Unwatched};
use truenorth_reading::Reader;

use super::*;
use crate::backend::ScoringModel;

pub(crate) struct Tiny(Engine);

impl Tiny {
    pub(crate) fn open() -> Arc<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/gguf/llama/model.gguf");
        let options =
            EngineOptions { name: "tiny".into(), revision: "fixture".into(), ..EngineOptions::default() };
        Arc::new(Self(Engine::open(&file, &options).unwrap()))
    }
}

impl ScoringModel for Tiny {
    fn runner(&self) -> &dyn Runner {
        &self.0
    }

    fn reader(&self) -> Reader<'_> {
        Reader::new(&self.0, None)
    }
}

pub(crate) fn text(name: &str) -> String {
    format!(
        r#"
name = "{name}"
title = "Words <of> & kindness"
about = "A season of the tests."
high = "towards it"
low = "away from it"
kinds = ["words", "prose"]

[model]
name = "tiny"

[scoring]
directions = ["values.safetensors", "raw.safetensors"]
probes = "probes.txt"

[consent]
version = "1"
text = "I agree that this text is published."

[rules]
tokens = 24
per_minute = 5
"#
    )
}

pub(crate) fn file(name: &str) -> SeasonFile {
    SeasonFile::parse(&text(name), "season.toml").unwrap()
}

/// Writes a season's file and what it names; where it is.
pub(crate) fn written(dir: &Path, name: &str, rules: &str) -> PathBuf {
    let tiny = Tiny::open();
    let hidden = tiny.runner().info().hidden as usize;
    for (file, k) in [("values.safetensors", 3), ("raw.safetensors", 5)] {
        let vector: Array1<f64> = (0..hidden).map(|i| ((i * k) % 7) as f64 - 3.0).collect();
        let said =
            DirectionMetadata::new("imported", Site::ResidPost(1), "higher is kinder", &"0".repeat(64));
        Direction::new(vector.view(), said).unwrap().save(&dir.join(file)).unwrap();
    }
    std::fs::write(dir.join("probes.txt"), "the old hat\nan old tin\na red cup on the shelf\n").unwrap();
    let path = dir.join(format!("{name}.toml"));
    let mut file = text(name).replace("per_minute = 5", rules);
    if rules.contains("tokens =") {
        file = file.replace("tokens = 24\n", "");
    }
    std::fs::write(&path, file).unwrap();
    path
}

/// A season that is open.
pub(crate) fn opened(dir: &Path, name: &str, rules: &str) -> (Folder, Season) {
    let folder = Folder::at(dir.join("arena"));
    new(&folder, &written(dir, name, rules)).unwrap();
    let season = open(&folder, name, &*Tiny::open(), &Unwatched).unwrap();
    (folder, season)
}

#[test]
fn a_season_is_made_opened_and_closed_once() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::at(dir.path().join("arena"));
    let said = |e: ArenaError| format!("{e} / {}", e.hint().unwrap_or_default());
    assert!(said(folder.current().unwrap_err()).contains("arena season new"));
    new(&folder, &written(dir.path(), "one", "")).unwrap();
    // A draft may be made again.
    new(&folder, &written(dir.path(), "one", "")).unwrap();
    new(&folder, &written(dir.path(), "two", "")).unwrap();
    assert_eq!(folder.state("one").unwrap(), SeasonState::Draft);
    assert!(said(folder.season("one").unwrap_err()).contains("season open one"));
    let tiny = Tiny::open();
    let season = open(&folder, "one", &*tiny, &Unwatched).unwrap();
    assert_eq!((season.sealed.probes.len(), season.sealed.tokenizer), (3, true));
    assert_eq!(season.sealed.files.len(), 5);
    let e = said(open(&folder, "two", &*tiny, &Unwatched).unwrap_err());
    assert!(e.contains("`one` is open") && e.contains("season close one"), "{e}");
    assert!(said(open(&folder, "one", &*tiny, &Unwatched).unwrap_err()).contains("exactly one"));
    assert!(said(new(&folder, &written(dir.path(), "one", "")).unwrap_err()).contains("never edited"));
    assert_eq!(folder.current().unwrap(), "one");
    folder.close("one").unwrap();
    assert!(said(folder.close("one").unwrap_err()).contains("closed, not open"));
    assert!(said(open(&folder, "one", &*tiny, &Unwatched).unwrap_err()).contains("not opened again"));
    open(&folder, "two", &*tiny, &Unwatched).unwrap();
    let states: Vec<_> = folder.list().unwrap().into_iter().map(|l| (l.name, l.state)).collect();
    assert_eq!(states, [("one".to_owned(), SeasonState::Closed), ("two".to_owned(), SeasonState::Open)]);
    assert!(said(folder.season("three").unwrap_err()).contains("one, two"));
    assert!(folder.season("../one").is_err());
}

#[test]
fn what_was_changed_after_the_seal_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, season) = opened(dir.path(), "one", "");
    let place = season.folder().to_owned();
    drop(season);
    let refused = |what: &str| match folder.season("one").unwrap_err() {
        e @ ArenaError::Tampered { .. } => assert!(e.to_string().contains(what), "{e} lacks {what}"),
        other => panic!("{other}"),
    };
    for name in [
        "season.toml",
        "direction-1.safetensors",
        "direction-2.safetensors",
        "probes.txt",
        "baselines.safetensors",
    ] {
        let path = place.join(name);
        let was = std::fs::read(&path).unwrap();
        let mut other = was.clone();
        *other.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &other).unwrap();
        refused(name);
        std::fs::remove_file(&path).unwrap();
        refused(&format!("{name} is missing"));
        std::fs::write(&path, &was).unwrap();
        folder.season("one").unwrap();
    }
    // A seal of one's own has another hash than the database knows.
    let path = place.join("sealed.json");
    let was = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, was.replace("\"tokens\": 24", "\"tokens\": 64")).unwrap();
    refused("sealed.json has the hash");
    std::fs::write(&path, &was).unwrap();
    // A copy under another name is not another season.
    let copy = folder.of("copy");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(&place).unwrap().flatten() {
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    assert!(folder.season("copy").unwrap_err().to_string().contains("sealed as `one`"));
    assert!(folder.open_season().unwrap_err().to_string().contains("both open"));
}

#[test]
fn a_file_is_refused_by_the_key_at_fault() {
    let refused = |from: &str, to: &str| {
        SeasonFile::parse(&text("one").replace(from, to), "s.toml").unwrap_err().to_string()
    };
    for (from, to, says) in [
        ("name = \"one\"", "name = \"One\"", "name = \"One\""),
        ("title = \"Words <of> & kindness\"", "title = \" \"", "title is empty"),
        ("version = \"1\"", "version = \"\"", "consent.version is empty"),
        ("tokens = 24", "tokens = 0", "rules.tokens = 0"),
        ("per_minute = 5", "near = 1.5", "rules.near = 1.5"),
        ("per_minute = 5", "handle = \"[\"", "rules.handle"),
        ("per_minute = 5", "per_hour = 5", "per_hour"),
        ("[\"values.safetensors\", \"raw.safetensors\"]", "[]", "names 0 files"),
    ] {
        let e = refused(from, to);
        assert!(e.contains("s.toml") && e.contains(says), "{e}");
    }
}

#[test]
fn what_a_season_names_is_looked_at_before_it_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::at(dir.path().join("arena"));
    let path = written(dir.path(), "one", "");
    std::fs::write(dir.path().join("probes.txt"), "the old hat\nThe  old hat\n").unwrap();
    assert!(new(&folder, &path).unwrap_err().to_string().contains("copy or near copy"));
    std::fs::remove_file(dir.path().join("probes.txt")).unwrap();
    assert!(new(&folder, &path).unwrap_err().to_string().contains("probes.txt"));
    assert!(folder.names().unwrap().is_empty());
    written(dir.path(), "one", "");
    std::fs::write(dir.path().join("raw.safetensors"), "none").unwrap();
    assert!(new(&folder, &path).unwrap_err().to_string().contains("raw.safetensors"));
}

#[test]
fn a_revision_that_is_named_is_held_to() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::at(dir.path().join("arena"));
    let path = written(dir.path(), "one", "");
    let other = std::fs::read_to_string(&path)
        .unwrap()
        .replace("name = \"tiny\"", "name = \"tiny\"\nrevision = \"else\"");
    std::fs::write(&path, other).unwrap();
    new(&folder, &path).unwrap();
    let e = open(&folder, "one", &*Tiny::open(), &Unwatched).unwrap_err().to_string();
    assert!(e.contains("fixture") && e.contains("else"), "{e}");
    assert_eq!(folder.state("one").unwrap(), SeasonState::Draft);
}
