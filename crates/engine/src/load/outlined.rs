//! `config.json` and tokenizer without the weights.

use std::path::Path;

use serde_json::Value;

use super::super::Transformers;
use super::super::gguf::GgufMetadata;
use super::super::tokenizer::Tokenizer;
use super::{LoadError, folder, gguf};

/// `config.json` and tokenizer of a folder or a GGUF file, without its weights.
///
/// # Errors
/// A file that is missing or damaged, or a tokenizer that is there and cannot be used.
pub fn read_outline(path: &Path, rules: Transformers) -> Result<Outlined, LoadError> {
    if path.is_dir() {
        let tokenizer = folder_tokenizer(path, rules)?;
        let unread = unread(path, tokenizer.as_ref(), rules);
        return Ok((folder::config(path)?, tokenizer, unread));
    }
    let opened = gguf::open(path)?;
    Ok((opened.config, gguf_tokenizer(path, &opened.metadata, rules)?, None))
}

/// The configuration, the tokenizer, and why files of one are not read.
type Outlined = (Value, Option<Tokenizer>, Option<String>);

pub(super) fn unread(folder: &Path, tokenizer: Option<&Tokenizer>, rules: Transformers) -> Option<String> {
    if tokenizer.is_some() { None } else { Tokenizer::unread(folder, rules) }
}

pub(super) fn folder_tokenizer(folder: &Path, rules: Transformers) -> Result<Option<Tokenizer>, LoadError> {
    Ok(Tokenizer::of_folder(folder, rules)?)
}

/// The tokenizer of a GGUF file, or that of the files beside it where it has none.
pub(super) fn gguf_tokenizer(
    path: &Path,
    metadata: &GgufMetadata,
    rules: Transformers,
) -> Result<Option<Tokenizer>, LoadError> {
    if !matches!(metadata.text("tokenizer.ggml.model"), None | Some("none" | "no_vocab")) {
        return Ok(Some(Tokenizer::from_gguf(metadata)?));
    }
    let Some(folder) = path.parent() else { return Ok(None) };
    let note = format!("`{}` has no tokenizer; that of the files beside it is used", path.display());
    Ok(folder_tokenizer(folder, rules)?.map(|tokenizer| tokenizer.noted(note)))
}
