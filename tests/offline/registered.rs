//! What a study expects is sealed before it is run, and its page says so; the one test of a question decides it.

use std::path::Path;

use serde_json::Value as Json;

use crate::support::{ok, run, study_place};

const STUDY: &str = "study.toml";

fn expect(dir: &Path) {
    let path = dir.join(STUDY);
    let text = std::fs::read_to_string(&path).unwrap();
    let register =
        "[register]\nhypothesis = \"An untrained model reads these words.\"\nreads = true\n\n[direction]";
    std::fs::write(path, text.replacen("[direction]", register, 1)).unwrap();
}

fn report(dir: &Path) -> Json {
    let text = std::fs::read(dir.join("runs/tiny/report.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn first_note(dir: &Path) -> String {
    report(dir)["answer"]["notes"][0][0]["plain"].as_str().unwrap().to_owned()
}

#[test]
fn a_study_without_a_registration_is_exploratory_and_says_what_it_did_not_ask() {
    let dir = study_place();
    ok(dir.path(), &["study", "run", STUDY]);
    assert!(first_note(dir.path()).starts_with("Exploratory: no hypothesis was registered"));
    let report = report(dir.path());
    let questions = report["answer"]["questions"].as_array().unwrap();
    assert_eq!(questions.len(), 4);
    for question in questions {
        let asked = question["verdict"] != "not_asked";
        let tested = question["primary"].as_u64();
        assert!(asked || (tested.is_none() && question["says"] == "The study has no test of it."));
        // What decides is corrected for all that decide.
        if let Some(place) = tested {
            let p = report["front"][place as usize]["null"]["p"].as_f64().unwrap();
            assert!(question["holm"].as_f64().unwrap() >= p);
        }
    }
    // No [transfer]: nothing is said of other models but that.
    assert_eq!(questions[3]["verdict"], "not_asked");
    assert!(report["answer"]["sentence"].as_str().unwrap().contains("was tried on this model alone"));
}

#[test]
fn what_is_expected_is_sealed_before_the_first_activation_and_changes_show() {
    let dir = study_place();
    expect(dir.path());
    ok(dir.path(), &["study", "register", STUDY]);
    let sealed = std::fs::read(dir.path().join("runs/tiny/register.json")).unwrap();
    let again = run(dir.path(), &["study", "register", STUDY]);
    assert_eq!(again.status.code(), Some(2));
    ok(dir.path(), &["study", "run", STUDY]);
    assert!(first_note(dir.path()).starts_with("Registered on "), "{}", first_note(dir.path()));
    assert_eq!(std::fs::read(dir.path().join("runs/tiny/register.json")).unwrap(), sealed);

    // Another seed, and another word in the data: both are named.
    let pairs = dir.path().join("pairs.jsonl");
    let text = std::fs::read_to_string(&pairs).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    std::fs::write(&pairs, format!("{}\n{first}\n", rest.trim_end())).unwrap();
    ok(dir.path(), &["study", "run", STUDY, "--seed", "99"]);
    let note = first_note(dir.path());
    assert!(note.starts_with("Exploratory: registered on ") && note.contains("changed since then"), "{note}");
    assert!(note.contains("seed") && note.contains("the file of pairs"), "{note}");

    // A seal that was edited is none.
    let path = dir.path().join("runs/tiny/register.json");
    let edited =
        String::from_utf8(sealed).unwrap().replace("untrained model reads", "untrained model does not read");
    std::fs::write(&path, edited).unwrap();
    let refused = run(dir.path(), &["study", "run", STUDY]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("register.json was changed after it was sealed"), "{said}");
}

#[test]
fn a_registration_after_results_is_none() {
    let dir = study_place();
    ok(dir.path(), &["study", "run", STUDY]);
    expect(dir.path());
    ok(dir.path(), &["study", "run", STUDY]);
    assert!(first_note(dir.path()).contains("when results were there already"), "{}", first_note(dir.path()));
}

#[test]
fn activations_that_were_in_the_store_are_told_of_a_registered_study() {
    let dir = study_place();
    ok(dir.path(), &["study", "run", STUDY]);
    std::fs::remove_dir_all(dir.path().join("runs")).unwrap();
    expect(dir.path());
    ok(dir.path(), &["study", "run", STUDY]);
    let notes = report(dir.path())["answer"]["notes"].to_string();
    assert!(notes.contains("were in the store when it was first computed here"), "{notes}");
}

#[test]
fn what_decides_must_be_asked() {
    let dir = study_place();
    let path = dir.path().join(STUDY);
    let text = std::fs::read_to_string(&path).unwrap();
    for (table, words) in [
        ("[primary]\nreads = \"probing\"", "[primary] reads names probing, and the study has no [probing]"),
        ("[primary]\nsteers = \"judge\"", "[primary] steers names judge, and the study has no [judge]"),
        ("[register]\nhypothesis = \"x\"\nholds = true", "[register] says what is expected of holds"),
        ("[register]\nhypothesis = \" \"", "[register] hypothesis says nothing"),
    ] {
        std::fs::write(&path, text.replacen("[direction]", &format!("{table}\n\n[direction]"), 1)).unwrap();
        let refused = run(dir.path(), &["study", "run", STUDY]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{table}: {said}");
        assert!(said.contains(words), "{table}: {said}");
    }
}

/// A study of pairs that one word tells apart, with an audit that has no value flips.
fn told_by_a_word(dir: &Path) {
    let words = ["hat", "tin", "cup", "old", "new", "red"];
    let row = |i: usize, chosen: String, rejected: String| {
        let prompt = format!("the {} {i}", words[(i / 6 + 1) % 6]);
        serde_json::json!({
            "id": i, "axis": format!("x{}", i % 4), "prompt": prompt, "chosen": chosen, "rejected": rejected,
        })
        .to_string()
    };
    let pairs = (0..24).map(|i| {
        let (a, b) = (words[i % 6], words[(i / 6 + 1) % 6]);
        row(i, format!("the {a} {i} yes"), format!("a {b} {i} no"))
    });
    std::fs::write(dir.join("pairs.jsonl"), pairs.collect::<Vec<_>>().join("\n")).unwrap();
    let confound = (0..12).map(|i| {
        let a = words[(i + 2) % 6];
        row(i, format!("the sea and the {a} {i}"), format!("sea {a} {i}"))
    });
    std::fs::write(dir.join("length.jsonl"), confound.collect::<Vec<_>>().join("\n")).unwrap();
    let path = dir.join(STUDY);
    let text = std::fs::read_to_string(&path).unwrap().replace("permutations = 19", "permutations = 99");
    let more = "[data.confounds]\nlength = \"length.jsonl\"\n\n[audit]\npermutations = 19\nrandom_directions = 199\n";
    std::fs::write(path, text + more).unwrap();
}

#[test]
fn a_yes_to_reading_is_not_told_without_what_words_alone_do() {
    let dir = study_place();
    told_by_a_word(dir.path());
    ok(dir.path(), &["study", "run", STUDY]);
    let report = report(dir.path());
    let questions = &report["answer"]["questions"];
    assert_eq!(questions[0]["verdict"], "yes", "{questions}");
    let sentence = report["answer"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("fitted on, but is no better than "), "{sentence}");
    assert!(sentence.contains("words alone"), "{sentence}");
    let says = questions[0]["says"].as_str().unwrap();
    assert!(says.contains(" But the mean-diff direction is no better than "), "{says}");
    let front = report["front"].as_array().unwrap();
    let words = |f: &&Json| {
        let said = f["statement"].as_str().unwrap();
        said.starts_with("Words alone (AUROC ")
            && said.contains(" separate as well as the mean-diff direction")
    };
    let finding = front.iter().find(words).unwrap();
    assert_eq!(finding["status"], "caution");
    assert!(finding["interval"]["low"].as_f64().unwrap() <= 0.0, "{finding}");

    // No flips: what would decide the question is named.
    let means = &questions[1];
    assert_eq!((&means["verdict"], means["primary"].is_null()), (&Json::from("not_shown"), true));
    let says = means["says"].as_str().unwrap();
    assert!(says.starts_with("What decides this are value flips") && says.contains("value-flip"), "{says}");
}
