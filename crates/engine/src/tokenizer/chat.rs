//! Where a model's chat templates stand: in files beside `tokenizer.json`, or in a GGUF file's metadata.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use truenorth_protocol::ChatTemplates;

use super::TokenizerError;
use super::added::NAMED;
use super::files::{TokenizerFiles, malformed, read_bytes};
use crate::gguf::GgufMetadata;

const FILE: &str = "chat_template.jinja";
const FOLDER: &str = "additional_chat_templates";
const CONFIG: &str = "tokenizer_config.json";
/// The key of the template; named ones have their name behind it.
const KEY: &str = "tokenizer.chat_template";

/// The templates of a folder. Files of templates stand above what the configuration has, all of it, as transformers has
/// it.
pub(super) fn of_folder(
    files: &TokenizerFiles,
    special_tokens: BTreeMap<String, String>,
) -> Result<Option<ChatTemplates>, TokenizerError> {
    let beside = |name: &str| files.path.with_file_name(name);
    let mut templates = BTreeMap::new();
    let mut sources = Vec::new();
    let file = beside(FILE);
    if file.is_file() {
        templates.insert(ChatTemplates::DEFAULT.to_owned(), text(&file)?);
        sources.push(FILE);
    }
    let folder = beside(FOLDER);
    if folder.is_dir() {
        let io = |source| TokenizerError::Io { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path.file_stem().and_then(|s| s.to_str()).map(str::to_owned);
            if let (Some(name), Some("jinja")) = (name, path.extension().and_then(|e| e.to_str())) {
                templates.insert(name, text(&path)?);
            }
        }
        sources.push(FOLDER);
    }
    if templates.is_empty() {
        sources = vec![CONFIG];
        match files.config.get("chat_template") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => drop(templates.insert(ChatTemplates::DEFAULT.into(), text.clone())),
            Some(Value::Array(list)) => {
                for one in list {
                    let part = |key: &str| one.get(key).and_then(Value::as_str).map(str::to_owned);
                    let (Some(name), Some(template)) = (part("name"), part("template")) else {
                        let what =
                            "`chat_template` lists something that is no object with `name` and `template`";
                        return Err(malformed(&beside(CONFIG), what));
                    };
                    templates.insert(name, template);
                }
            }
            // As transformers keeps them, by name.
            Some(Value::Object(named)) if named.values().all(Value::is_string) => {
                let text =
                    |(name, template): (&String, &Value)| Some((name.clone(), template.as_str()?.into()));
                templates.extend(named.iter().filter_map(text));
            }
            Some(_) => {
                let what = "`chat_template` is neither a text nor a list or an object of named ones";
                return Err(malformed(&beside(CONFIG), what));
            }
        }
    }
    let source = sources.join(" and ");
    Ok((!templates.is_empty()).then_some(ChatTemplates { templates, source, special_tokens }))
}

pub(super) fn of_gguf(metadata: &GgufMetadata) -> Option<ChatTemplates> {
    let mut templates = BTreeMap::new();
    for key in metadata.keys() {
        let name = match key.strip_prefix(KEY) {
            Some("") => ChatTemplates::DEFAULT,
            Some(rest) => match rest.strip_prefix('.') {
                Some(name) => name,
                None => continue,
            },
            None => continue,
        };
        templates.extend(metadata.text(key).map(|text| (name.to_owned(), text.to_owned())));
    }
    let tokens = metadata.texts(super::gguf::TOKENS).unwrap_or_default();
    let named = [
        ("bos_token", "tokenizer.ggml.bos_token_id"),
        ("eos_token", "tokenizer.ggml.eos_token_id"),
        ("unk_token", "tokenizer.ggml.unknown_token_id"),
        ("sep_token", "tokenizer.ggml.seperator_token_id"),
        ("pad_token", "tokenizer.ggml.padding_token_id"),
        ("cls_token", "tokenizer.ggml.cls_token_id"),
        ("mask_token", "tokenizer.ggml.mask_token_id"),
    ];
    let special_tokens = named
        .into_iter()
        .filter_map(|(name, key)| {
            let id = usize::try_from(metadata.u64(key)?).ok()?;
            Some((name.to_owned(), tokens.get(id)?.clone()))
        })
        .collect();
    (!templates.is_empty()).then(|| ChatTemplates {
        templates,
        source: format!("GGUF {KEY}"),
        special_tokens,
    })
}

/// The named tokens that transformers hands to a template.
pub(super) fn tokens(named: &[(String, tokenizers::AddedToken)]) -> BTreeMap<String, String> {
    let listed = named.iter().filter(|(key, _)| NAMED.contains(&key.as_str()));
    listed.map(|(key, token)| (key.clone(), token.content.clone())).collect()
}

fn text(path: &Path) -> Result<String, TokenizerError> {
    String::from_utf8(read_bytes(path)?).map_err(|e| malformed(path, e))
}
