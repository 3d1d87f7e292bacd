use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::Transformers;
use crate::gguf::{Meta, read_header};
use crate::load::Source;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// Where the named models' GGUF files are, for tests that need a real one.
fn real_model(file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("TRUENORTH_TEST_MODELS")?).join(file);
    assert!(path.is_file(), "no {}", path.display());
    Some(path)
}

fn of_gguf(path: &Path) -> Tokenizer {
    let source = Source::open_gguf(path).unwrap();
    source.tokenizer(Transformers::default()).unwrap().expect("a tokenizer in the file")
}

fn ids(value: &Value) -> Vec<u32> {
    let list = value.as_array().unwrap();
    list.iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// Texts on which the Hugging Face library's Gemma differs from llama.cpp, the judge of the golden
/// files; we follow the library, as its `tokenizer.json` is what the hub serves. Both are about
/// runs of spaces: beyond the longest piece, and beside a literal `▁`.
const AS_TRANSFORMERS: [&str; 2] = ["▁underline ▁▁ block", "                                "];

/// Checks the ids of every text of a golden file, and that they decode to the text.
fn check(tokenizer: &Tokenizer, golden: &str) {
    let path = fixtures().join("tokenizers").join(golden);
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(tokenizer.vocab_size() as u64, golden["vocabulary"]);
    assert_eq!(tokenizer.bos().map(u64::from), golden["bos"].as_u64());
    assert_eq!(tokenizer.eos().map(u64::from), golden["eos"].as_u64());
    let transformers: HashMap<&str, &Value> = golden["differs"]["transformers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|case| (case["text"].as_str().unwrap(), &case["other"]))
        .filter(|(text, _)| AS_TRANSFORMERS.contains(text))
        .collect();
    // SentencePiece writes a space as `▁`, so a literal one is lost.
    let spelled = |text: &str| {
        if tokenizer.token_id("<0x0A>").is_some() { text.replace('▁', " ") } else { text.to_owned() }
    };
    let mut wrong = Vec::new();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 80);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let expected = ids(transformers.get(text).unwrap_or(&&case["ids"]));
        let found = tokenizer.encode(text, true).unwrap();
        if found != expected {
            wrong.push(format!("{text:?}\n   {found:?}\n   {expected:?}"));
        }
        let decoded = tokenizer.decode(&tokenizer.encode(text, false).unwrap(), false);
        if decoded != spelled(text) {
            wrong.push(format!("{text:?} decodes to {decoded:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn tiny_byte_level() {
    check(&of_gguf(&fixtures().join("gguf/llama/model.gguf")), "tiny-bpe.json");
}

#[test]
fn tiny_sentencepiece() {
    check(&of_gguf(&fixtures().join("gguf/gemma3/model.gguf")), "tiny-spm.json");
}

/// Llama's kind, where a space is put before the text; SentencePiece is the judge.
#[test]
fn tiny_sentencepiece_with_a_leading_space() {
    let bytes = std::fs::read(fixtures().join("gguf/spm-prefix.gguf")).unwrap();
    let metadata = read_header(&bytes).unwrap().metadata;
    check(&Tokenizer::from_gguf(&metadata).unwrap(), "tiny-spm-prefix.json");
}

#[test]
#[ignore = "needs the named models; set TRUENORTH_TEST_MODELS to their folder"]
fn smollm2() {
    check(&of_gguf(&real_model("smollm2-135m.gguf").unwrap()), "smollm2.json");
}

#[test]
#[ignore = "needs the named models; set TRUENORTH_TEST_MODELS to their folder"]
fn gemma3() {
    check(&of_gguf(&real_model("gemma3-270m.gguf").unwrap()), "gemma3.json");
}

#[test]
fn a_folder_and_a_file_of_the_same_model_agree() {
    let json =
        Tokenizer::from_json(&fixtures().join("gguf/llama-folder/tokenizer.json"), Transformers::default())
            .unwrap();
    let gguf = of_gguf(&fixtures().join("gguf/llama/model.gguf"));
    assert_eq!(json.vocab_size(), gguf.vocab_size());
    for text in ["Honesty is 1984 habits.", " <|im_end|>", "  \n x"] {
        assert_eq!(json.encode(text, false).unwrap(), gguf.encode(text, false).unwrap());
    }
}

#[test]
fn special_tokens_are_skipped_on_demand_and_ids_beyond_are_nothing() {
    let tokenizer = of_gguf(&fixtures().join("gguf/llama/model.gguf"));
    let ids = tokenizer.encode("a<|im_end|>b", true).unwrap();
    assert_eq!(tokenizer.decode(&ids, false), "a<|im_end|>b");
    assert_eq!(tokenizer.decode(&ids, true), "ab");
    assert_eq!(tokenizer.decode(&[9_999_999], false), "");
    assert_eq!(tokenizer.token_text(9_999_999), None);
    assert_eq!(tokenizer.token_text(2).as_deref(), Some("<|im_end|>"));
    assert_eq!(tokenizer.token_id("<|im_end|>"), Some(2));
}

/// The folder of a tokenizer with files of the given content beside it.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let from = fixtures().join("gguf/llama-folder/tokenizer.json");
    std::fs::copy(from, dir.path().join("tokenizer.json")).unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

#[test]
fn the_files_beside_are_heard() {
    let dir = folder(&[
        (
            "tokenizer_config.json",
            r#"{"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"},
                "add_bos_token": true, "chat_template": [{"name": "default", "template": "T"}]}"#,
        ),
        ("generation_config.json", r#"{"eos_token_id": [0, 2]}"#),
    ]);
    let tokenizer =
        Tokenizer::from_json(&dir.path().join("tokenizer.json"), Transformers::default()).unwrap();
    assert_eq!(tokenizer.bos(), Some(1));
    assert_eq!(tokenizer.eos(), Some(2));
    assert_eq!(tokenizer.end_tokens(), [2, 0]);
    assert_eq!(tokenizer.chat().unwrap().templates["default"], "T");
    let plain = tokenizer.encode("a", false).unwrap();
    // The generic class reads flags and does not act on them.
    assert_eq!(tokenizer.encode("a", true).unwrap(), plain);

    // By name, as transformers keeps them.
    let named = r#"{"chat_template": {"default": "D", "rag": "R"}}"#;
    let dir = folder(&[("tokenizer_config.json", named)]);
    let tokenizer =
        Tokenizer::from_json(&dir.path().join("tokenizer.json"), Transformers::default()).unwrap();
    let templates = &tokenizer.chat().unwrap().templates;
    assert_eq!((templates["default"].as_str(), templates["rag"].as_str(), templates.len()), ("D", "R", 2));

    let dir = folder(&[("chat_template.jinja", "J")]);
    let tokenizer =
        Tokenizer::from_json(&dir.path().join("tokenizer.json"), Transformers::default()).unwrap();
    assert_eq!(tokenizer.chat().unwrap().templates["default"], "J");
    assert_eq!(tokenizer.encode("a", true).unwrap(), plain);
}

#[test]
fn damaged_files_are_named() {
    let dir = folder(&[("tokenizer_config.json", "[")]);
    let path = dir.path().join("tokenizer.json");
    let error = Tokenizer::from_json(&path, Transformers::default()).err().unwrap();
    assert!(error.to_string().contains("tokenizer_config.json"));
    std::fs::write(&path, b"{\"version\": \xff}").unwrap();
    let error = Tokenizer::from_json(&path, Transformers::default()).err().unwrap();
    assert!(matches!(error, TokenizerError::Malformed { .. }), "{error}");
    let error = Tokenizer::from_json(&path.with_file_name("none.json"), Transformers::default());
    assert!(matches!(error, Err(TokenizerError::Io { .. })));
}

#[test]
fn steps_that_would_fill_the_memory_are_refused_before_they_are_tried() {
    let dir = folder(&[]);
    let path = dir.path().join("tokenizer.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let double = serde_json::json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
    let sequence =
        |key: &str, times| serde_json::json!({"type": "Sequence", key: vec![double.clone(); times]});
    let mut open = |normalizer: Value, decoder: Value, tokens: Value| {
        json["normalizer"] = normalizer;
        json["decoder"] = decoder;
        json["added_tokens"] = tokens;
        std::fs::write(&path, serde_json::to_vec(&json).unwrap()).unwrap();
        Tokenizer::from_json(&path, Transformers::default())
    };
    let token = serde_json::json!([{"id": 999, "content": "aaaa", "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": true, "special": false}]);
    let few = open(sequence("normalizers", 3), Value::Null, Value::Array(vec![])).unwrap();
    let ids = few.encode("a", false).unwrap();
    let many = open(sequence("normalizers", 50), sequence("decoders", 50), Value::Array(vec![])).unwrap();
    let error = many.encode("a", false).unwrap_err();
    assert!(error.to_string().contains("4.5e15 times"), "{error}");
    // Its tokens as they are.
    assert_eq!(many.decode(&ids, false), "aaaaaaaa");
    // A token of the file itself is normalized when it is read.
    let error = open(sequence("normalizers", 50), Value::Null, token).err().unwrap();
    assert!(error.to_string().contains("`aaaa`"), "{error}");
}

/// Metadata of a byte-level tokenizer with the pairs replaced.
fn metadata(edits: Vec<(&str, Meta)>) -> GgufMetadata {
    let words = |list: &[&str]| Meta::Texts(list.iter().map(|s| (*s).to_owned()).collect());
    let mut pairs = HashMap::from([
        ("tokenizer.ggml.model", Meta::Text("gpt2".into())),
        ("tokenizer.ggml.pre", Meta::Text("gpt-2".into())),
        ("tokenizer.ggml.tokens", words(&["a", "b", "ab", "<e>"])),
        ("tokenizer.ggml.token_type", Meta::Ints(vec![1, 1, 1, 3])),
        ("tokenizer.ggml.merges", words(&["a b"])),
        ("tokenizer.ggml.eos_token_id", Meta::Int(3)),
    ]);
    pairs.extend(edits);
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

#[test]
fn metadata_that_does_not_fit_together_is_refused_by_key() {
    let tokenizer = Tokenizer::from_gguf(&metadata(vec![])).unwrap();
    assert_eq!(tokenizer.encode("abab<e>", true).unwrap(), [2, 2, 3]);
    let refused = |key: &'static str, value: Meta| {
        let error = Tokenizer::from_gguf(&metadata(vec![(key, value)])).err();
        let error = error.unwrap_or_else(|| panic!("{key} was taken"));
        assert!(error.hint().is_some());
        assert!(error.to_string().contains(key), "{error}");
    };
    refused("tokenizer.ggml.model", Meta::Text("t5".into()));
    refused("tokenizer.ggml.pre", Meta::Text("klingon".into()));
    refused("tokenizer.ggml.tokens", Meta::Texts(vec![]));
    refused("tokenizer.ggml.token_type", Meta::Ints(vec![1]));
    refused("tokenizer.ggml.merges", Meta::Texts(vec!["ab".into()]));
    refused("tokenizer.ggml.merges", Meta::Texts(vec!["b a".into()]));
    refused("tokenizer.ggml.eos_token_id", Meta::Int(4));
    let spm = vec![
        ("tokenizer.ggml.model", Meta::Text("llama".into())),
        ("tokenizer.ggml.scores", Meta::Floats(vec![0.0])),
    ];
    let error = Tokenizer::from_gguf(&metadata(spm)).err().unwrap();
    assert!(error.to_string().contains("scores"), "{error}");
}

/// A folder with the tiny tokenizer, changed, and what its configuration says.
fn changed(change: impl FnOnce(&mut Value), config: &str) -> tempfile::TempDir {
    let dir = folder(&[("tokenizer_config.json", config), ("config.json", r#"{"model_type": "llama"}"#)]);
    let path = dir.path().join("tokenizer.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(&path, json.to_string()).unwrap();
    dir
}

#[test]
fn dropout_is_said_where_transformers_would_draw_and_never_drawn() {
    for (value, class, rules, said) in [
        (0.5, "PreTrainedTokenizerFast", Transformers::V5_23, true),
        (0.5, "GPT2TokenizerFast", Transformers::V5_23, false),
        (0.5, "GPT2TokenizerFast", Transformers::V4_57, true),
        (0.0, "PreTrainedTokenizerFast", Transformers::V5_23, false),
    ] {
        let config = serde_json::json!({"tokenizer_class": class}).to_string();
        let dir = changed(|json| json["model"]["dropout"] = value.into(), &config);
        let made = Tokenizer::of_folder(dir.path(), rules).unwrap().unwrap();
        let note = made.notes().iter().any(|note| note.contains("`model.dropout` of 0.5"));
        assert_eq!(note, said, "{value} {class} {rules}: {:?}", made.notes());
        let ids: Vec<Vec<u32>> =
            (0..20).map(|_| made.encode("the honest people tell the truth", true).unwrap()).collect();
        assert!(ids.iter().all(|one| *one == ids[0]));
    }
}

#[test]
fn code_of_its_own_is_named_and_the_class_beside_it_taken_at_its_word() {
    let made = |map: Value| {
        let config =
            serde_json::json!({"tokenizer_class": "LlamaTokenizerFast", "auto_map": map}).to_string();
        let dir = changed(|_| (), &config);
        Tokenizer::of_folder(dir.path(), Transformers::V5_23).unwrap().unwrap()
    };
    let said = |made: &Tokenizer| made.notes().iter().any(|note| note.contains("trust_remote_code"));
    let ids = |made: &Tokenizer| made.encode("the honest people", true).unwrap();
    // Without such code version 5 distrusts Llama's class over bytes.
    let without = made(serde_json::json!({"AutoTokenizer": null, "AutoConfig": "x.Y"}));
    assert!(!said(&without), "{:?}", without.notes());
    for map in [
        serde_json::json!({"AutoTokenizer": ["tokenization_x.X", null]}),
        serde_json::json!(["tokenization_x.X", null]),
    ] {
        let with = made(map);
        assert!(
            said(&with) && with.notes().iter().any(|n| n.contains("tokenization_x.X")),
            "{:?}",
            with.notes()
        );
        assert_ne!(ids(&with), ids(&without));
    }
}

#[test]
fn what_a_tokenizer_cannot_do_names_its_file_and_a_remedy() {
    let dir = changed(
        |json| {
            json["normalizer"] =
                serde_json::json!({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": ""}]})
        },
        "{}",
    );
    let error = Tokenizer::of_folder(dir.path(), Transformers::default()).err().unwrap();
    assert!(
        error.to_string().contains("tokenizer.json") && error.to_string().contains("`Prepend`"),
        "{error}"
    );

    // The class puts `<unk>`, which the vocabulary lacks; without the class nothing is put.
    let text = "hello \u{65e5}";
    let of = |class: &str| {
        let dir = changed(|_| (), &serde_json::json!({"tokenizer_class": class}).to_string());
        Tokenizer::of_folder(dir.path(), Transformers::default()).unwrap().unwrap().encode(text, true)
    };
    let error = of("CodeLlamaTokenizer").unwrap_err();
    let told = error.to_string();
    assert!(
        ["`<unk>`", "CodeLlamaTokenizer", "tokenizer.json"].iter().all(|part| told.contains(part)),
        "{told}"
    );
    assert!(error.hint().unwrap().contains("PreTrainedTokenizerFast"));
    assert!(of("PreTrainedTokenizerFast").is_ok());
}

#[test]
fn two_files_of_a_class_that_reads_none_are_named() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("vocab.json", r#"{"a": 0}"#),
        ("merges.txt", "#version: 0.2\n"),
        ("config.json", r#"{"model_type": "llama"}"#),
        ("tokenizer_config.json", r#"{"tokenizer_class": "RobertaTokenizer"}"#),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let rules = Transformers::default();
    assert!(Tokenizer::of_folder(dir.path(), rules).unwrap().is_none());
    let why = Tokenizer::unread(dir.path(), rules).unwrap();
    assert!(
        ["`RobertaTokenizer`", "vocab.json", "GPT2Tokenizer"].iter().all(|part| why.contains(part)),
        "{why}"
    );
    std::fs::write(dir.path().join("tokenizer_config.json"), r#"{"tokenizer_class": "CodeGenTokenizer"}"#)
        .unwrap();
    assert!(Tokenizer::of_folder(dir.path(), rules).unwrap().is_some());
}

#[test]
fn a_file_without_a_tokenizer_takes_the_one_beside_it_and_says_so() {
    let dir = folder(&[]);
    let path = dir.path().join("model.gguf");
    std::fs::copy(fixtures().join("gguf/qwen3.gguf"), &path).unwrap();
    let beside = Tokenizer::of_folder(dir.path(), Transformers::default()).unwrap().unwrap();
    let made = of_gguf(&path);
    assert_eq!(made.encode("the truth", true).unwrap(), beside.encode("the truth", true).unwrap());
    let note = made.notes().iter().find(|note| note.contains("has no tokenizer")).unwrap();
    assert!(note.contains("model.gguf"), "{note}");
    std::fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    assert!(Source::open_gguf(&path).unwrap().tokenizer(Transformers::default()).unwrap().is_none());
}
