//! `tokenizer.json` and what lies beside it.

use std::path::Path;

use serde_json::Value;

use super::growth::Growth;
use super::{Ends, Tokenizer, TokenizerError, unique};

pub(super) fn read(path: &Path) -> Result<Tokenizer, TokenizerError> {
    let bytes = read_bytes(path)?;
    let growth = Growth::read(&bytes).map_err(|e| malformed(path, e))?;
    let inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| malformed(path, e))?;
    let beside = |name: &str| path.with_file_name(name);
    let config = read_object(&beside("tokenizer_config.json"))?.unwrap_or_default();
    let generation = read_object(&beside("generation_config.json"))?.unwrap_or_default();
    let id = |key: &str| named_token(&config, key).and_then(|text| inner.token_to_id(text));

    let bos = id("bos_token");
    let listed = match generation.get("eos_token_id") {
        Some(Value::Array(ids)) => ids.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let listed = listed.into_iter().filter_map(|id| u32::try_from(id.as_u64()?).ok());
    let eos = unique(id("eos_token").into_iter().chain(listed));

    // As the Hugging Face library: where the configuration speaks of these tokens, it decides in
    // place of the post-processor.
    let flag = |key: &str| config.get(key).and_then(Value::as_bool);
    let ends = match (flag("add_bos_token"), flag("add_eos_token")) {
        (None, None) => Ends::PostProcessor,
        (begin, end) => Ends::Ours { begin: begin.unwrap_or(false), end: end.unwrap_or(false) },
    };
    let template_file = beside("chat_template.jinja");
    let chat_template = if template_file.is_file() {
        let text = String::from_utf8(read_bytes(&template_file)?);
        Some(text.map_err(|e| malformed(&template_file, e))?)
    } else {
        chat_template(&config)
    };
    Ok(Tokenizer { bos, eos, ends, chat_template, size: inner.get_vocab_size(true), growth, inner })
}

fn malformed(path: &Path, problem: impl ToString) -> TokenizerError {
    TokenizerError::Malformed { path: path.to_path_buf(), problem: problem.to_string() }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    std::fs::read(path).map_err(|source| TokenizerError::Io { path: path.to_path_buf(), source })
}

/// A JSON object, where the file is there.
fn read_object(path: &Path) -> Result<Option<Value>, TokenizerError> {
    if !path.is_file() {
        return Ok(None);
    }
    let value: Value = serde_json::from_slice(&read_bytes(path)?).map_err(|e| malformed(path, e))?;
    if value.is_object() { Ok(Some(value)) } else { Err(malformed(path, "expected an object at the top")) }
}

/// A token given as text or as an object with its content.
fn named_token<'a>(config: &'a Value, key: &str) -> Option<&'a str> {
    let token = config.get(key)?;
    token.as_str().or_else(|| token.get("content").and_then(Value::as_str))
}

/// The template, or of several the one named `default`.
fn chat_template(config: &Value) -> Option<String> {
    let template = config.get("chat_template")?;
    if let Some(text) = template.as_str() {
        return Some(text.to_owned());
    }
    template
        .as_array()?
        .iter()
        .find(|one| one.get("name").and_then(Value::as_str) == Some("default"))?
        .get("template")?
        .as_str()
        .map(str::to_owned)
}
