//! What transformers makes of a `tokenizer.json` before it uses it.
//!
//! Version 4 takes the file as it is and then lets the configuration's flags overrule parts of it.
//! Version 5 does so for its generic class alone: other classes keep vocabulary, merges and
//! post-processor and build all else themselves. Both forget how the file was last used: `truncation`
//! and `padding` are a call's, not a tokenizer's. Dropout of merges is for training and is off here;
//! transformers leaves it on for the generic class, so that ids are random.

use serde_json::{Map, Value, json};

use super::EndTokens;
use super::class::Class;
use super::files::TokenizerFiles;
use crate::Transformers;

/// Qwen's split before merging.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

pub(super) fn adapt(files: &TokenizerFiles, class: Class, rules: Transformers) -> Value {
    let mut json = files.json.clone();
    json["truncation"] = Value::Null;
    json["padding"] = Value::Null;
    if let Some(dropout) = json.pointer_mut("/model/dropout") {
        *dropout = Value::Null;
    }
    match rules {
        // A slow tokenizer's converter puts the same parts around vocabulary and merges.
        Transformers::V4_57 if files.parts => rebuild(&mut json, files, class),
        Transformers::V4_57 => {
            let prefix = files.prefix_space().unwrap_or(false);
            if let Some(own) = json.pointer_mut("/pre_tokenizer/add_prefix_space") {
                *own = json!(prefix);
            }
        }
        Transformers::V5_23 => rebuild(&mut json, files, class),
    }
    json
}

/// Whether it is the class, not the file, that says what stands for characters without a token.
pub(super) fn says_unknown(class: Class, rules: Transformers) -> bool {
    rules == Transformers::V5_23 && matches!(class, Class::Gemma | Class::CodeLlama)
}

/// What is said of dropout, where transformers would draw with it.
pub(super) fn dropout(files: &TokenizerFiles, class: Class, rules: Transformers) -> Option<String> {
    let value =
        files.json.pointer("/model/dropout").filter(|value| value.as_f64().is_some_and(|p| p != 0.0))?;
    let draws = rules == Transformers::V4_57 || class == Class::Generic;
    draws.then(|| {
        format!(
            "`{}` has a `model.dropout` of {value}, by which transformers {rules} leaves out merges at random, so that a \
             text has other ids every time; here none is left out, as where the key is null",
            files.path.display()
        )
    })
}

pub(super) fn ends(files: &TokenizerFiles, class: Class, rules: Transformers) -> EndTokens {
    if files.parts {
        // Without a post-processor of the file's own the flags count.
        let on = |key| files.flag(key).unwrap_or(false);
        return match (class, rules) {
            (_, Transformers::V5_23) => {
                EndTokens::Ours { begin: on("add_bos_token"), end: on("add_eos_token") }
            }
            (Class::Gpt2, Transformers::V4_57) => EndTokens::Ours { begin: on("add_bos_token"), end: false },
            (_, Transformers::V4_57) => EndTokens::PostProcessor,
        };
    }
    let begins = match (class, rules) {
        (Class::GptNeoX, Transformers::V5_23) => return EndTokens::Ours { begin: false, end: false },
        (Class::Llama | Class::CodeLlama | Class::Gemma, Transformers::V4_57) => true,
        (Class::GptNeoX, Transformers::V4_57) => false,
        (Class::CodeLlama, Transformers::V5_23) => return EndTokens::Ours { begin: true, end: false },
        // Flags are read and not acted on.
        _ => return EndTokens::PostProcessor,
    };
    EndTokens::Ours {
        begin: files.flag("add_bos_token").unwrap_or(begins),
        end: files.flag("add_eos_token").unwrap_or(false),
    }
}

/// What is said where a class makes byte-pair encoding of another kind of model.
pub(super) fn other_model(files: &TokenizerFiles, class: Class, rules: Transformers) -> Option<String> {
    let model = files.json.get("model")?;
    if rules == Transformers::V4_57 || class == Class::Generic || model.get("merges").is_some() {
        return None;
    }
    let kind =
        model.get("type").and_then(Value::as_str).map_or_else(String::new, |kind| format!(" `{kind}`"));
    // Beside Qwen 2 version 5 heeds no other class.
    let remedy = if files.model_type == "qwen2" && files.own_code().is_none() {
        "`--transformers 4.57` takes the model as it stands"
    } else {
        "`\"tokenizer_class\": \"PreTrainedTokenizerFast\"` in tokenizer_config.json takes the model as it stands"
    };
    Some(format!(
        "`{}` has a model{kind} without merges, of which the class `{}` of transformers {rules}, which is followed, makes \
         byte-pair encoding without merges: texts fall into single characters or bytes, and those that are no token are \
         lost; {remedy}",
        files.path.display(),
        class.name()
    ))
}

/// Vocabulary and merges of a model, of which the classes make byte-pair encoding whatever kind it is: without merges
/// where it has none.
fn taken(model: &mut Value) -> Option<(Value, Value)> {
    let vocab = match model.get_mut("vocab")?.take() {
        // Unigram lists its pieces, each with a score.
        Value::Array(list) => {
            let piece = |(id, piece): (usize, &Value)| {
                let text = piece.get(0).unwrap_or(piece).as_str()?;
                Some((text.to_owned(), Value::from(id)))
            };
            Value::Object(list.iter().enumerate().map(piece).collect::<Option<Map<String, Value>>>()?)
        }
        other => other,
    };
    let merges = model.get_mut("merges").map_or_else(|| json!([]), Value::take);
    Some((vocab, merges))
}

/// What version 5 puts in place of the file's own parts.
fn rebuild(json: &mut Value, files: &TokenizerFiles, class: Class) {
    if class == Class::Generic {
        return;
    }
    let Some((vocab, merges)) = json.get_mut("model").and_then(taken) else { return };
    let prefix = files.prefix_space();
    let pieces = matches!(class, Class::Gemma | Class::Llama | Class::CodeLlama);
    let unknown = match class {
        class if says_unknown(class, Transformers::V5_23) => {
            files.said("unk_token").map_or_else(|| json!("<unk>"), |(value, _)| value.clone())
        }
        _ => Value::Null,
    };
    if let Some(model) = json.get_mut("model") {
        *model = json!({});
        for (key, value) in [
            ("type", json!("BPE")),
            ("dropout", Value::Null),
            ("unk_token", unknown.get("content").cloned().unwrap_or(unknown)),
            ("continuing_subword_prefix", Value::Null),
            ("end_of_word_suffix", Value::Null),
            ("fuse_unk", json!(pieces)),
            ("byte_fallback", json!(pieces)),
            ("ignore_merges", json!(false)),
            ("vocab", vocab),
            ("merges", merges),
        ] {
            model[key] = value;
        }
    }
    let bytes = |prefix: bool, regex: bool| json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": regex});
    let nfc = json!({"type": "NFC"});
    let (normalizer, pre_tokenizer) = match class {
        Class::Gpt2 => (Value::Null, bytes(prefix.unwrap_or(false), true)),
        Class::GptNeoX => (nfc, bytes(prefix.unwrap_or(false), true)),
        Class::Qwen2 => {
            let split = json!({"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": false});
            let parts = [split, bytes(prefix.unwrap_or(false), false)];
            (nfc, json!({"type": "Sequence", "pretokenizers": parts}))
        }
        Class::Gemma => (
            json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
            json!({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false}),
        ),
        Class::Llama | Class::CodeLlama | Class::Generic => {
            let legacy = class == Class::Llama && files.flag("legacy").unwrap_or(false);
            let scheme = match (prefix.unwrap_or(true), legacy) {
                (false, _) => "never",
                (true, true) => "always",
                (true, false) => "first",
            };
            let spaces =
                json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false});
            (Value::Null, spaces)
        }
    };
    json["normalizer"] = normalizer;
    json["pre_tokenizer"] = pre_tokenizer;
    json["decoder"] = if pieces {
        let mut parts = vec![
            json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
            json!({"type": "ByteFallback"}),
            json!({"type": "Fuse"}),
        ];
        if class == Class::CodeLlama || class == Class::Llama && prefix.unwrap_or(true) {
            parts.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        }
        json!({"type": "Sequence", "decoders": parts})
    } else {
        bytes(true, true)
    };
    // They are added again, as the files beside it list them.
    json["added_tokens"] = json!([]);
}
