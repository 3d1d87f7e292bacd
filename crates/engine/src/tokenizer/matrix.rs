//! Tokenizer classes, flags and files against transformers 4.57 and 5.23
//! (`fixtures/make/tokenizer_matrix.py`).

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Tokenizer;
use crate::Transformers;

/// The folder of a case: the vocabulary with its changes, and the files beside it.
fn lay(golden: &Value, case: &Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| std::fs::write(dir.path().join(name), value.to_string()).unwrap();
    let mut tokenizer = golden["bases"][case["base"].as_str().unwrap()].clone();
    for (key, value) in case["changes"].as_object().unwrap() {
        *tokenizer.pointer_mut(&format!("/{}", key.replace('.', "/"))).unwrap() = value.clone();
    }
    write("tokenizer.json", &tokenizer);
    if !case["config"].is_null() {
        write("tokenizer_config.json", &case["config"]);
    }
    let mut config = Map::from_iter([("model_type".to_owned(), case["model_type"].clone())]);
    for (name, value) in case["files"].as_object().unwrap() {
        match name.as_str() {
            "config.json" => config.extend(value.as_object().unwrap().clone()),
            name => write(name, value),
        }
    }
    write("config.json", &Value::Object(config));
    dir
}

fn golden() -> Value {
    read("classes.json")
}

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tokenizers").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The folder of a case of added tokens: `tokenizer.json`, or its vocabulary and merges.
fn lay_added(base: &Value, case: &Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let mut tokenizer = base.clone();
    for token in tokenizer["added_tokens"].as_array_mut().unwrap() {
        let changes = case["added"].get(token["content"].as_str().unwrap()).cloned().unwrap_or(json!({}));
        token.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    }
    if let Some(token) = case["files"].get("padding") {
        tokenizer["padding"] = json!({"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 2, "pad_type_id": 0, "pad_token": token});
    }
    if case["parts"] == true {
        let merges = tokenizer["model"]["merges"].as_array().unwrap().iter().map(|merge| match merge {
            Value::String(both) => both.clone(),
            both => format!("{} {}", both[0].as_str().unwrap(), both[1].as_str().unwrap()),
        });
        write("vocab.json", &tokenizer["model"]["vocab"].to_string());
        write("merges.txt", &format!("#version: 0.2\n{}\n", merges.collect::<Vec<_>>().join("\n")));
    } else {
        write("tokenizer.json", &tokenizer.to_string());
    }
    write("config.json", &json!({"model_type": case["model_type"]}).to_string());
    // A file whose order counts is kept as its text: a value that is read sorts the keys.
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    write("tokenizer_config.json", &text(&case["config"]));
    for (name, value) in case["files"].as_object().unwrap().iter().filter(|(name, _)| *name != "padding") {
        write(name, &text(value));
    }
    dir
}

/// What every file can say of an added token, against both versions (`fixtures/make/tokenizer_added.py`).
#[test]
fn added_tokens_have_the_flags_that_both_versions_give_them() {
    let (golden, classes) = (read("added.json"), golden());
    let texts: Vec<&str> = golden["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let (mut wrong, mut compared, mut silent) = (Vec::new(), 0, Vec::new());
    for case in golden["cases"].as_array().unwrap() {
        let dir = lay_added(&classes["bases"][case["base"].as_str().unwrap()], case);
        for (version, rules) in [("4.57.6", Transformers::V4_57), ("5.23.0", Transformers::V5_23)] {
            let Some(at) = case["ids"][version].as_u64() else { continue };
            let made = Tokenizer::of_folder(dir.path(), rules).unwrap().unwrap();
            let found: Vec<Vec<u32>> = texts.iter().map(|t| made.encode(t, true).unwrap()).collect();
            let expected = &golden["ids"][usize::try_from(at).unwrap()];
            compared += 1;
            if json!(found) != *expected {
                wrong.push(format!("{version} {case}\n   {}\n   {expected}", json!(found)));
            }
            let other = case["ids"][if version == "5.23.0" { "4.57.6" } else { "5.23.0" }].as_u64();
            if other.is_some_and(|other| other != at) && !made.notes().iter().any(|n| n.contains("4.57")) {
                silent.push(case.to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 900, "{compared}");
    assert!(silent.is_empty(), "{} of {compared} differ unsaid:\n{}", silent.len(), silent.join("\n"));
}

#[test]
fn ids_are_those_of_both_versions() {
    let golden = golden();
    let texts: Vec<&str> = golden["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let mut wrong = Vec::new();
    let (mut compared, mut differ, mut named) = (0, 0, 0);
    for (i, case) in golden["cases"].as_array().unwrap().iter().enumerate() {
        let dir = lay(&golden, case);
        for (version, rules) in [("4.57.6", Transformers::V4_57), ("5.23.0", Transformers::V5_23)] {
            // Null is a folder that this version does not read.
            let Some(at) = case["ids"][version].as_u64() else { continue };
            // Dropout makes the library's own ids random where the class keeps it.
            if case["changes"].get("model.dropout").is_some() && rules == Transformers::V4_57 {
                continue;
            }
            let made = Tokenizer::from_json(&dir.path().join("tokenizer.json"), rules).unwrap();
            let found: Vec<Vec<u32>> = texts.iter().map(|t| made.encode(t, true).unwrap()).collect();
            compared += 1;
            if json!(found) != golden["ids"][at as usize] {
                wrong.push(format!(
                    "{i} {version} {} {} {} {}\n   {}\n   {}",
                    case["base"],
                    case["model_type"],
                    case["config"],
                    case["files"],
                    json!(found),
                    golden["ids"][at as usize]
                ));
            }
            let both = case["ids"]["4.57.6"].is_u64() && case["ids"]["5.23.0"].is_u64();
            if both && case["ids"]["4.57.6"] != case["ids"]["5.23.0"] && rules == Transformers::V5_23 {
                differ += 1;
                let note = made.notes().iter().any(|n| n.contains("4.57") && n.contains("5.23"));
                named += usize::from(note);
            }
        }
    }
    assert!(compared > 1100, "{compared}");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    // Of folders that the versions read differently, all are named but those whose difference no text of
    // ours shows.
    assert!(differ > 200 && named + 4 > differ, "{named} of {differ} named");
}

#[test]
fn folders_that_both_versions_read_alike_say_nothing() {
    let golden = golden();
    for case in golden["cases"].as_array().unwrap().iter().take(18) {
        assert_eq!(case["config"]["tokenizer_class"], "PreTrainedTokenizerFast");
        let dir = lay(&golden, case);
        let made = Tokenizer::from_json(&dir.path().join("tokenizer.json"), Transformers::V5_23).unwrap();
        assert!(made.notes().is_empty(), "{:?}", made.notes());
    }
}

#[test]
fn byte_pairs_of_another_kind_of_model_are_said() {
    let golden = golden();
    let (mut said, mut silent) = (0, 0);
    for case in golden["cases"].as_array().unwrap() {
        let kind = match case["base"].as_str().unwrap() {
            "unigram" => "`Unigram`",
            "word-pieces" => "`WordPiece`",
            "words" => "`WordLevel`",
            _ => continue,
        };
        let dir = lay(&golden, case);
        for rules in [Transformers::V4_57, Transformers::V5_23] {
            let made = Tokenizer::from_json(&dir.path().join("tokenizer.json"), rules).unwrap();
            let note = made.notes().iter().find(|note| note.contains("without merges"));
            // Version 4 and the generic class take the model as it stands.
            let builds = rules == Transformers::V5_23 && case["class"]["5.23.0"] != "TokenizersBackend";
            assert_eq!(note.is_some(), builds, "{rules} {case}");
            silent += usize::from(note.is_none());
            if let Some(note) = note {
                said += 1;
                let class = case["class"]["5.23.0"].as_str().unwrap();
                // Beside Qwen 2 another class is not heard.
                let remedy = if case["model_type"] == "qwen2" {
                    "--transformers 4.57"
                } else {
                    "PreTrainedTokenizerFast"
                };
                assert!([kind, class, remedy].iter().all(|part| note.contains(part)), "{note}");
            }
        }
    }
    assert!(said > 30 && silent > 30, "{said} said, {silent} not");
}

#[test]
fn infilling_is_refused_and_not_taken_for_text() {
    let golden = golden();
    let case = |fill: bool| {
        let is = |c: &&Value| {
            c["config"]["tokenizer_class"] == "CodeLlamaTokenizer"
                && c["base"] == "pieces"
                && c["config"].get("fill_token").is_none() == fill
        };
        lay(&golden, golden["cases"].as_array().unwrap().iter().find(is).unwrap())
    };
    for rules in [Transformers::V4_57, Transformers::V5_23] {
        let made = |fill| Tokenizer::from_json(&case(fill).path().join("tokenizer.json"), rules).unwrap();
        let error = made(true).encode("def a <FILL_ME> b", true).unwrap_err();
        assert!(error.to_string().contains("`<FILL_ME>`") && error.hint().is_some(), "{error}");
        assert!(made(false).encode("def a <FILL_ME> b", true).is_ok());
    }
}
