use std::path::Path;

use proptest::prelude::*;

use crate::error::{causes, messages};
use crate::host::Local;

use super::{GeometryTable, StudyFile};
use crate::study::data::StudyData;
use crate::study::reference::{self, reference};
use crate::study::stages::STAGES;

/// Every study that ships is read whole, data and word lists included.
#[test]
fn the_studies_that_ship_are_whole() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut read = 0;
    for folder in std::fs::read_dir(examples).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.file_name().is_some_and(|n| n == "experiment.toml") {
                let experiment = crate::experiment::ExperimentFile::read(&path, &Local::new("")).unwrap();
                let texts =
                    crate::inputs::TextFiles { desk: &Local::new(""), near: experiment.near().unwrap() };
                crate::experiment::read(&experiment.data.prompts, &experiment.experiment, &texts).unwrap();
            } else if path.extension().is_some_and(|e| e == "toml") {
                let study = StudyFile::read(&path, &Local::new("")).unwrap();
                StudyData::read(&study, &Local::new("")).unwrap();
                read += 1;
            }
        }
    }
    assert_eq!(read, 6);
}

#[test]
fn the_checkpoints_of_a_course_are_42_to_instruct_and_each_its_own() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/full-size/olmo3-7b-checkpoints.toml");
    let geometry = StudyFile::read(&path, &Local::new("")).unwrap().geometry.unwrap();
    let mut checkpoints = geometry.checkpoints;
    let last = checkpoints.last().unwrap();
    // The last one is steered, as it is spoken to, and judged.
    let steer = geometry.steer_into.unwrap();
    assert_eq!((last.model.as_str(), last.stage.as_deref()), (steer.model.as_str(), Some("Instruct")));
    assert!(steer.chat.is_some_and(|c| c.is_on()));
    assert_eq!(geometry.judge.unwrap().questions, ["refusal", "incoherence"]);
    checkpoints.sort_by(|a, b| a.model.cmp(&b.model));
    checkpoints.dedup_by(|a, b| a.model == b.model || a.name == b.name);
    assert_eq!(checkpoints.len(), 42);
}

fn refused(change: impl Fn(&str) -> String) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/human-values/two-models.toml");
    let text = change(&std::fs::read_to_string(path).unwrap());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("study.toml"), text).unwrap();
    let error = StudyFile::read(&dir.path().join("study.toml"), &Local::new("")).unwrap_err();
    causes(&error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn what_cannot_be_asked_together_is_refused_by_name() {
    let says = |change: &dyn Fn(&str) -> String, what: &str| {
        let error = refused(change);
        assert!(error.contains(what), "{error}");
    };
    says(&|t| t.replace("pairs = \"pairs.jsonl\"", ""), "neither data.pairs nor data.classes");
    says(&|t| t.replace("[data]", "[data]\nclasses = \"c.jsonl\""), "both data.pairs and data.classes");
    says(&|t| t.replace("probes = \"probes.jsonl\"", ""), "[score] needs data.probes");
    says(&|t| t.replace("sentiment = \"sentiment.jsonl\"", ""), "data.sentiment is missing");
    says(&|t| t.replace("resid_post.2..29:9", "resid_post.9..2"), "is not a range of sites");
    says(&|t| format!("{t}\n[probing]\nsites = [\"resid_post.1\"]\n"), "[probing] needs data.classes");
    says(&|t| format!("{t}\n[geometry]\n"), "[geometry] needs data.classes");
    says(&|t| t.replace("name = \"human-values-two-models\"", "name = \"../x\""), "can't name a folder");
    for (steer, what) in [
        ("alphas = []\nmax_new_tokens = 4\nprompts = 1", "[steer] has no doses"),
        ("alphas = [nan]\nmax_new_tokens = 4\nprompts = 1", "[steer] has a dose NaN"),
        ("alphas = [0.1]\nmax_new_tokens = 0\nprompts = 1", "max_new_tokens = 0"),
        ("alphas = [0.1]\nmax_new_tokens = 4\nprompts = 0", "prompts = 0"),
    ] {
        let without = |t: &str| t.split("[steer]").next().unwrap().to_owned();
        says(&|t| format!("{}\n[steer]\n{steer}\n", without(t)), what);
    }
    says(&|t| t.replace("sites = [\"resid_post.2..29:9\"]", ""), "[sweep] names no sites");
    says(&|t| t.replace("[sweep]", "[sweep]\ndose = 1"), "`dose`");
    says(&|t| t.replace("[sweep]", "[sweep]\npush = \"here\""), "here");
    says(&|t| t.replace("[[transfer.models]]", "[transfer]\nbins = 3\n[[transfer.models]]"), "`bins`");
}

/// A table that nothing runs would be read, and come to nothing.
#[test]
fn every_table_is_a_stage_or_what_stages_stand_on() {
    let bases = ["", "check", "data", "direction", "held_out", "primary", "register", "steer"];
    for table in reference() {
        let name = table.name.split('.').next().unwrap_or_default();
        let staged = STAGES.iter().any(|stage| stage.name() == name);
        assert!(staged != bases.contains(&name), "[{name}] is no line of STAGES");
    }
}

/// Reads a study that asks one table beside what every study says; the error with its remedies.
fn said(own: &str, data: &str, direction: &str, tables: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("study.toml");
    std::fs::write(&path, format!("{own}\n[data]\n{data}\n[direction]\n{direction}\n{tables}\n")).unwrap();
    let error = StudyFile::read(&path, &Local::new("")).unwrap_err();
    format!("{}; {}", messages(&error).join(": "), error.hints().join("; "))
}

const OWN: &str = "name = \"n\"\ntitle = \"t\"\nmodel = \"m\"\nsite = \"resid_post.1\"";
const DATA: &str = "neutral = \"n.txt\"\npairs = \"p.jsonl\"";
const DIRECTION: &str = "estimators = [\"lda\"]";

/// The study with a line in one of its tables.
fn with(table: &str, line: &str) -> String {
    let after = |text: &str| format!("{text}\n{line}");
    match table {
        // The line takes the place of the key, if it is there.
        "" => said(&replaced(OWN, line), DATA, DIRECTION, ""),
        "data" => said(OWN, &replaced(DATA, line), DIRECTION, ""),
        "direction" => said(OWN, DATA, &replaced(DIRECTION, line), ""),
        _ => said(OWN, DATA, DIRECTION, &after(&format!("[{table}]"))),
    }
}

fn replaced(text: &str, line: &str) -> String {
    let key = |line: &str| line.split(" =").next().unwrap().to_owned();
    let rest = text.lines().filter(|l| key(l) != key(line));
    rest.chain([line]).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wrong_key_or_value_of_any_table_is_said_with_its_place_and_what_may_be_there() {
    let tables = reference();
    for stage in STAGES {
        assert!(tables.iter().any(|t| t.name == stage.name()), "{}", stage.name());
    }
    let rust = [
        "u64",
        "u32",
        "usize",
        "i8",
        "f64",
        "struct",
        "enum",
        "a string",
        "a sequence",
        "--",
        "invalid type",
    ];
    let check = |said: &str, wanted: &[&str]| {
        // The folder's name is of chance and may hold any word.
        let said = said.split_once("study.toml").map_or(said, |(_, rest)| rest);
        for word in wanted {
            assert!(said.contains(word), "{word} is not in: {said}");
        }
        for word in rust {
            assert!(!said.contains(word), "{word} is in: {said}");
        }
        let line = said.split("line ").nth(1).and_then(|l| l.split(':').next()).unwrap();
        assert!(line.parse::<usize>().is_ok(), "{said}");
    };
    for table in &tables {
        let shown = if table.name.is_empty() { "the study".into() } else { format!("[{}]", table.name) };
        let names: Vec<&str> = table.keys.iter().map(|k| k.name.as_str()).collect();
        let unknown = with(&table.name, "nonsuch = 1");
        check(&unknown, &[&[&format!("{shown} has no key `nonsuch`")[..]], &names[..]].concat());
        for key in &table.keys {
            let subject = if table.name.is_empty() {
                format!("`{}`", key.name)
            } else {
                format!("{shown} `{}`", key.name)
            };
            let wrong = with(&table.name, &format!("{} = 1979-05-27", key.name));
            check(&wrong, &[&format!("{subject} is 1979-05-27; expected ")]);
        }
    }
    check(
        &with("sweep", "max_new_tokens = \"many\""),
        &["line 11: [sweep] `max_new_tokens` is \"many\"; expected a whole number, at least 0"],
    );
    check(&with("sweep", "max_new_tokens = -1"), &["`max_new_tokens` is -1; expected a whole number"]);
    check(&with("sweep", "alphas = [0.1, \"x\"]"), &["[sweep] `alphas` is \"x\"; expected a number"]);
    check(&with("sweep", "push = \"here\""), &["line 11: [sweep] `push` is \"here\": "]);
    check(
        &with("sweep", "[sweep.keywords]\ncare = \"care.txt\""),
        &["line 12: [sweep.keywords] `care` is \"care.txt\"; expected a table"],
    );
    check(
        &with("sweep", "[sweep.keywords.care]\nfile = \"f\"\nexpected = 1000"),
        &["[sweep.keywords.care] `expected` is 1000; expected a whole number from -128 to 127"],
    );
    check(&with("transfer", "models = [{ model = \"m\" }]"), &["[transfer.models] lacks the key `site`"]);
    check(
        &with("transfer", "models = [{ model = \"m\", site = \"x\" }]"),
        &["[transfer.models] `site` is \"x\": "],
    );
    check(&with("transfer", "label = [1]"), &["[transfer] `label` is 1; expected text in quotes"]);
    check(&with("judge", "least_mass = true"), &["[judge] `least_mass` is true; expected a number"]);
    check(
        &with("geometry", "estimator = \"pla\""),
        &["[geometry] `estimator` is \"pla\": there is no estimator `pla`"],
    );
    check(
        &with("probing", "controls = [\"luck\"]"),
        &["[probing] `controls` is \"luck\"; expected one of random-label, bag-of-words"],
    );
    check(&with("audit", "permutations = 1.5"), &["[audit] `permutations` is 1.5; expected a whole number"]);
    check(&said("", DATA, DIRECTION, ""), &["the study lacks the key `name`"]);
    // What no reader of TOML takes is shown by it.
    assert!(with("score", "permutations 3").contains("line 11"));
}

#[test]
fn what_a_table_can_not_ask_is_said_by_its_keys() {
    let data = format!("{DATA}\nprobes = \"p\"\nsequences = \"s\"");
    let judged =
        "[steer]\nalphas = [0.1]\nmax_new_tokens = 4\nprompts = 1\n[judge]\nquestions = [\"refusal\"]";
    for (tables, says) in [
        (format!("{judged}\nanswers = [\"A\"]"), "[judge] can't be run: answers names 1 answers"),
        (format!("{judged}\nleast_mass = 2"), "least mass 2 (least_mass, from 0 to 1)"),
        ("[judge]\nquestions = []".to_owned(), "[judge] asks no questions"),
        ("[score]\ndraws = 3".to_owned(), "3 random directions (draws)"),
        ("[score]\ncontrast = [\"a\"]".to_owned(), "contrast names 1 kinds"),
    ] {
        let said = said(OWN, &data, DIRECTION, &tables);
        assert!(said.contains(says) && !said.contains("--"), "{said}");
    }
    let classes = "neutral = \"n.txt\"\nclasses = \"c.jsonl\"";
    let said = said(OWN, classes, DIRECTION, "[geometry]\nfolds = 1");
    assert!(said.contains("1 folds; expected"), "{said}");
    let words = reference::words("sweep");
    for (flag, key) in
        [("--steered-pairs", "steered_pairs"), ("--folds", "held_out.folds"), ("--site", "site")]
    {
        assert_eq!(words.iter().find(|(f, _)| f == flag).unwrap().1, key);
    }
}

#[test]
fn the_table_of_geometry_holds_checkpoints_beside_the_parameters() {
    let read = |text: &str| toml::from_str::<GeometryTable>(text);
    let table =
        read("checkpoints = [\"a\", \"b\"]\nfolds = 3\nestimator = \"lda\"\npermutations = 99").unwrap();
    assert_eq!((table.checkpoints.len(), table.params.folds, table.params.permutations), (2, Some(3), 99));
    let mixed =
        read("checkpoints = [\"a/b@1\", {model = \"c/d\", name = \"tuned\", stage = \"SFT\"}]").unwrap();
    let last = &mixed.checkpoints[1];
    assert_eq!((last.name.as_str(), last.stage.as_deref(), &*last.model), ("tuned", Some("SFT"), "c/d"));
    let again = read(&toml::to_string(&table).unwrap()).unwrap();
    assert_eq!((again.checkpoints, again.params), (table.checkpoints, table.params));
    // An empty table asks what the verb asks.
    assert_eq!(read("").unwrap().params, crate::analyses::geometry::Params::default());
    for (bad, says) in [
        ("proving = true", "proving"),
        ("estimator = \"pla\"", "no estimator `pla`"),
        ("positions = \"first\"", "first"),
        ("checkpoints = 1", "sequence"),
        ("checkpoints = [1]", "a model, or a table"),
        ("checkpoints = [{model = \"a\", stags = \"b\"}]", "stags"),
        ("checkpoints = [{name = \"a\"}]", "missing field `model`"),
    ] {
        let said = read(bad).unwrap_err().to_string();
        assert!(said.contains(says), "{bad}: {said}");
    }
}

/// A study of classes that ships, with other tables.
fn of_classes(tables: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/harmfulness/study.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let head = text.split("[probing]").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("study.toml"), format!("{head}{tables}")).unwrap();
    match StudyFile::read(&dir.path().join("study.toml"), &Local::new("")) {
        Ok(_) => String::new(),
        Err(e) => causes(&e).map(ToString::to_string).collect::<Vec<_>>().join(": "),
    }
}

#[test]
fn parameters_that_can_not_be_asked_are_refused_before_a_model_is_opened() {
    let probing = |more: &str| of_classes(&format!("[probing]\nsites = [\"resid_post.1\"]\n{more}"));
    assert_eq!(probing(""), "");
    assert_eq!(probing("folds = 4\npositions = \"mean\"\npermutations = 50\nno_categories = true"), "");
    for (more, says) in [
        ("permutations = 0", "random-label"),
        ("positions = \"all\"", "positions `all`"),
        ("controls = [\"luck\"]", "luck"),
        ("estimator = \"pca\"", "no probe `pca`"),
    ] {
        let said = probing(more);
        assert!(said.contains(says), "{more}: {said}");
    }
    assert!(of_classes("[probing]\n").contains("no site"));
    assert!(of_classes("[geometry]\nestimator = \"pca\"\n").contains("no pairs for pca"));
    assert!(of_classes("[geometry]\nfolds = 1\n").contains("1 folds"));
}

fn shipped() -> Vec<String> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    ["human-values/study.toml", "human-values/two-models.toml", "harmfulness/study.toml"]
        .map(|f| std::fs::read_to_string(examples.join(f)).unwrap())
        .to_vec()
}

const WORDS: [&str; 16] = [
    "1e9",
    "-1",
    "0",
    "9223372036854775807",
    "nan",
    "inf",
    "true",
    "[]",
    "{}",
    "\"\"",
    "\"resid_post.0..99999\"",
    "\"../x\"",
    "[[1]]",
    "\"all\"",
    "\"-2147483648\"",
    "1979-05-27",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever a study says: it is read or refused, and one that is read is written the same again.
    #[test]
    fn a_changed_study_is_read_or_refused(
        of in 0..3_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..WORDS.len(), 0..4_u8), 1..4),
    ) {
        let mut text = shipped()[of].clone();
        for (at, word, how) in edits {
            let signs: Vec<usize> =
                text.match_indices(['=', ',', '[', ']', '"', '\n']).map(|(i, _)| i + 1).collect();
            let Some(from) = signs.get(at.index(signs.len().max(1))).copied() else { continue };
            let to = text[from..].find(['\n', ',']).map_or(text.len(), |n| from + n);
            match how {
                0 => text.truncate(from),
                1 => text.replace_range(from..to, ""),
                2 => {
                    let twice = text[from..to].to_owned();
                    text.insert_str(from, &twice);
                }
                _ => text.replace_range(from..to, WORDS[word]),
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("study.toml");
        std::fs::write(&path, &text).unwrap();
        if let Ok(study) = StudyFile::read(&path, &Local::new("")) {
            prop_assert!(study.folder().parent() == Some(Path::new("runs")), "{:?}", study.folder());
            let again: StudyFile = toml::from_str(&toml::to_string(&study).unwrap()).unwrap();
            prop_assert_eq!(toml::to_string(&again).unwrap(), toml::to_string(&study).unwrap());
        }
    }
}
