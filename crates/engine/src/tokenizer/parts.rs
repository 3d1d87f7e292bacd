//! A tokenizer out of `vocab.json` and `merges.txt`, as folders have them that no tokenizers library wrote.

use std::path::Path;

use serde_json::{Map, Value, json};
use tokenizers::models::bpe::BPE;

use super::TokenizerError;
use super::class::Class;
use super::files::{malformed, read_bytes};
use super::sound::guarded;
use crate::Transformers;

pub(super) const VOCAB: &str = "vocab.json";
pub(super) const MERGES: &str = "merges.txt";

/// Whether a version reads such a folder by this class: version 4 converts the slow tokenizers, of which GPT-NeoX has
/// none, and both refuse a class that brings no rules of its own.
pub(super) fn reads(class: Class, rules: Transformers) -> bool {
    match class {
        Class::Gpt2 | Class::Qwen2 => true,
        Class::GptNeoX => rules == Transformers::V5_23,
        Class::Generic | Class::Gemma | Class::Llama | Class::CodeLlama => false,
    }
}

/// The classes that read such a folder.
pub(super) fn readers(rules: Transformers) -> &'static str {
    match rules {
        Transformers::V4_57 => "GPT2Tokenizer, CodeGenTokenizer and Qwen2Tokenizer",
        Transformers::V5_23 => "GPT2Tokenizer, CodeGenTokenizer, Qwen2Tokenizer and GPTNeoXTokenizer",
    }
}

/// What the two files have, as a `tokenizer.json` without the parts that the class gives it.
pub(super) fn read(folder: &Path) -> Result<Value, TokenizerError> {
    let (vocab, merges) = (folder.join(VOCAB), folder.join(MERGES));
    for path in [&vocab, &merges] {
        read_bytes(path)?;
    }
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let (pieces, pairs) = guarded(|| BPE::read_file(&path(&vocab), &path(&merges)))
        .and_then(|read| read.map_err(|e| e.to_string()))
        .map_err(|e| malformed(&vocab, format!("with `{MERGES}` beside it: {e}")))?;
    let pieces: Map<String, Value> = pieces.into_iter().map(|(piece, id)| (piece, id.into())).collect();
    let pairs: Vec<[String; 2]> = pairs.into_iter().map(|(a, b)| [a, b]).collect();
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "vocab": pieces, "merges": pairs},
    }))
}

#[cfg(test)]
mod tests {
    use super::super::Tokenizer;
    use super::*;

    fn golden(name: &str) -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tokenizers").join(name);
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// Against both versions (`fixtures/make/tokenizer_parts.py`): the ids of what they read, and no tokenizer where
    /// they read none.
    #[test]
    fn ids_of_two_files_are_those_of_both_versions() {
        let (golden, model) = (golden("parts.json"), golden("classes.json"));
        let model = &model["bases"]["bytes"]["model"];
        let lines = model["merges"].as_array().unwrap().iter().map(|m| match m {
            Value::String(both) => both.clone(),
            both => format!("{} {}", both[0].as_str().unwrap(), both[1].as_str().unwrap()),
        });
        let merges = format!("#version: 0.2\n{}\n", lines.collect::<Vec<_>>().join("\n"));
        let texts: Vec<&str> =
            golden["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        let (mut wrong, mut compared, mut none) = (Vec::new(), 0, 0);
        for case in golden["cases"].as_array().unwrap() {
            let dir = tempfile::tempdir().unwrap();
            let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
            write(VOCAB, &model["vocab"].to_string());
            write(MERGES, &merges);
            write("config.json", &json!({"model_type": case["model_type"]}).to_string());
            if !case["config"].is_null() {
                write("tokenizer_config.json", &case["config"].to_string());
            }
            for (name, value) in case["files"].as_object().unwrap() {
                write(name, &value.to_string());
            }
            for (version, rules) in [("4.57.6", Transformers::V4_57), ("5.23.0", Transformers::V5_23)] {
                let expected = &case["ids"][version];
                let made = Tokenizer::of_folder(dir.path(), rules).unwrap();
                let found =
                    made.map(|t| texts.iter().map(|x| t.encode(x, true).unwrap()).collect::<Vec<_>>());
                // Of Llama's class 5.23 makes no tokens at all of these files, and 4.57 falls over its own flag.
                let broken = expected[0] == json!([])
                    || expected.is_null() && case["config"].get("add_prefix_space").is_some();
                if broken {
                    continue;
                }
                none += usize::from(found.is_none());
                compared += 1;
                if json!(found) != *expected {
                    wrong.push(format!("{version} {case}\n   {}", json!(found)));
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
        assert!(compared > 100 && none > 20, "{compared} compared, {none} without a tokenizer");
    }
}
