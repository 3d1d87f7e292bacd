//! A tokenizer out of `tokenizer.json` and what lies beside it.

use std::path::Path;

use serde_json::Value;
use tokenizers::AddedToken;

use super::added::{self, AddedTokens};
use super::chat;
use super::class::Class;
use super::files::{TokenizerFiles, malformed, object};
use super::growth::TokenizerGrowth;
use super::{EndTokens, Tokenizer, TokenizerError, parts, rebuild, sound, unique};
use crate::Transformers;

/// Texts on which versions are compared: what they tell apart are beginnings and ends, spaces before
/// and between words, digits, composed letters and named tokens.
const PROBES: [&str; 5] = ["", "a word 1234", "  two  spaces\n ", "e\u{301} ½ x\u{301}", "x▁y"];

pub(super) fn read(path: &Path, rules: Transformers) -> Result<Tokenizer, TokenizerError> {
    let files = TokenizerFiles::read(path)?;
    let mut made = make(&files, rules)?;
    made.notes.extend(differences(&files, &made, rules));
    Ok(made)
}

/// A tokenizer out of `vocab.json` and `merges.txt`, where the class of the folder reads these.
pub(super) fn read_parts(folder: &Path, rules: Transformers) -> Result<Option<Tokenizer>, TokenizerError> {
    let files = TokenizerFiles::beside(&folder.join(parts::VOCAB), parts::read(folder)?, true)?;
    if !parts::reads(Class::of(&files, rules).0, rules) {
        return Ok(None);
    }
    let mut made = make(&files, rules)?;
    if parts::reads(Class::of(&files, rules.other()).0, rules.other()) {
        made.notes.extend(differences(&files, &made, rules));
    }
    Ok(Some(made))
}

/// Why vocabulary and merges of a folder are not read.
pub(super) fn unread(folder: &Path, rules: Transformers) -> Option<String> {
    let files = TokenizerFiles::beside(&folder.join(parts::VOCAB), Value::Null, true).ok()?;
    let named = files.class().map_or_else(
        || format!("that of the model type `{}` in config.json is none of them", files.model_type),
        |name| format!("`tokenizer_class` is `{name}`"),
    );
    Some(format!(
        "`{}` and `{}` are read by the tokenizer classes {}, and {named}",
        parts::VOCAB,
        parts::MERGES,
        parts::readers(rules)
    ))
}

/// What transformers takes a file for, so that equal plans need not be carried out twice.
#[derive(PartialEq)]
struct TokenizerPlan {
    json: Value,
    ends: EndTokens,
    bos: Option<String>,
    eos: Option<String>,
    add: Vec<AddedToken>,
    named: Vec<(String, AddedToken)>,
}

impl TokenizerPlan {
    fn new(files: &TokenizerFiles, class: Class, rules: Transformers) -> Self {
        let added = AddedTokens::new(files, class, rules);
        let token = |key: &str| added.named.iter().find(|(k, _)| k == key).map(|(_, t)| t.content.clone());
        Self {
            json: rebuild::adapt(files, class, rules),
            ends: rebuild::ends(files, class, rules),
            bos: token("bos_token"),
            eos: token("eos_token"),
            add: added.all,
            named: added.named,
        }
    }

    fn build(
        &self,
        files: &TokenizerFiles,
    ) -> Result<(tokenizers::Tokenizer, TokenizerGrowth), TokenizerError> {
        let broken = |e: &dyn ToString| malformed(&files.path, e.to_string());
        sound::check(&self.json).map_err(|e| broken(&e))?;
        let bytes = serde_json::to_vec(&self.json).map_err(|e| broken(&e))?;
        let growth = TokenizerGrowth::read(&bytes).map_err(|e| broken(&e))?;
        growth.of_tokens(self.add.iter().map(|token| token.content.as_str())).map_err(|e| broken(&e))?;
        sound::guarded(|| self.read(bytes, files, &growth))
            .and_then(|made| made.map_err(|e| e.to_string()))
            .map(|inner| (inner, growth))
            .map_err(|e| broken(&e))
    }

    /// Lets the library read the file, add the tokens that transformers adds, and try some texts.
    fn read(
        &self,
        bytes: Vec<u8>,
        files: &TokenizerFiles,
        growth: &TokenizerGrowth,
    ) -> tokenizers::Result<tokenizers::Tokenizer> {
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes)?;
        inner.add_tokens(self.add.iter().cloned())?;
        inner.set_encode_special_tokens(files.flag("split_special_tokens").unwrap_or(false));
        // Tables that the library does not look at until it uses them end it here, where the file is known.
        for text in PROBES.into_iter().filter(|text| growth.encodes(text.len())) {
            drop(inner.encode_fast(text, true).ok());
            drop(inner.encode(text, true).ok());
        }
        Ok(inner)
    }
}

fn make(files: &TokenizerFiles, rules: Transformers) -> Result<Tokenizer, TokenizerError> {
    let (class, foreign) = Class::of(files, rules);
    let plan = TokenizerPlan::new(files, class, rules);
    let (inner, growth) = plan.build(files)?;
    let beside = |name: &str| files.path.with_file_name(name);
    let generation = object(&beside("generation_config.json"))?.unwrap_or_default();
    let id = |text: &Option<String>| text.as_ref().and_then(|text| inner.token_to_id(text));

    let bos = id(&plan.bos);
    let listed = match generation.get("eos_token_id") {
        Some(Value::Array(ids)) => ids.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let listed = listed.into_iter().filter_map(|id| u32::try_from(id.as_u64()?).ok());
    let eos = unique(id(&plan.eos).into_iter().chain(listed));
    if let EndTokens::Ours { begin, end } = plan.ends {
        for (on, key, token) in [(begin, "bos_token", bos), (end, "eos_token", id(&plan.eos))] {
            // Version 5 puts nothing there.
            if on && token.is_none() && rules == Transformers::V4_57 {
                let problem =
                    format!("transformers {rules} puts `{key}` around texts, and no token goes by it");
                return Err(malformed(&beside("tokenizer_config.json"), problem));
            }
        }
    }
    let chat = chat::of_folder(files, chat::tokens(&plan.named))?;
    let note = foreign.map(|name| {
        format!(
            "the tokenizer class `{name}` is not known here and `tokenizer.json` is taken as it stands; a version of \
             transformers that knows the class may normalize, split or frame texts otherwise and give other ids. With \
             `\"tokenizer_class\": \"PreTrainedTokenizerFast\"` in tokenizer_config.json it takes the file as it stands \
             as well"
        )
    });
    Ok(Tokenizer {
        bos,
        eos,
        ends: plan.ends,
        fill: added::fill(files, class),
        chat,
        size: inner.get_vocab_size(true),
        growth,
        inner,
        notes: [
            note,
            own_code(files),
            rebuild::other_model(files, class, rules),
            rebuild::dropout(files, class, rules),
        ]
        .into_iter()
        .flatten()
        .collect(),
        of: format!("`{}`", files.path.display()),
        unknown_by: rebuild::says_unknown(class, rules).then(|| {
            let name = files.class().map_or_else(|| format!("{class:?}"), str::to_owned);
            format!("the class `{name}` of transformers {rules}")
        }),
    })
}

/// What is said of code that comes with the folder and is not run.
fn own_code(files: &TokenizerFiles) -> Option<String> {
    let code: String = files.own_code()?.to_string().chars().take(80).collect();
    Some(format!(
        "tokenizer_config.json of `{}` names code of its own for the tokenizer (`auto_map`: {code}), which is not run \
         here, nor by transformers without `trust_remote_code`; with that, it may give other ids",
        files.path.display()
    ))
}

/// Whether the other version makes other ids of the same files, and an example. A version that does
/// not read them at all says nothing.
fn differences(files: &TokenizerFiles, made: &Tokenizer, rules: Transformers) -> Option<String> {
    let other = rules.other();
    let plan = |rules| TokenizerPlan::new(files, Class::of(files, rules).0, rules);
    if plan(rules) == plan(other) {
        return None;
    }
    let theirs = make(files, other).ok()?;
    let listed = files.json.get("added_tokens").and_then(Value::as_array);
    let listed = listed.into_iter().flatten().filter_map(|t| t.get("content")?.as_str().map(str::to_owned));
    let added = plan(rules).add.into_iter().chain(plan(other).add).map(|token| token.content);
    let with_names: Vec<String> = listed.chain(added).map(|token| format!("a {token} b{token}c")).collect();
    PROBES.into_iter().chain(with_names.iter().map(String::as_str)).find_map(|text| {
        let (own, their) = (made.encode(text, true).ok()?, theirs.encode(text, true).ok()?);
        (own != their).then(|| {
            format!(
                "transformers {rules}, which is followed, and {other} tokenize differently with these files: \
                 {text:?} is {own:?} by {rules} and {their:?} by {other}; `--transformers {other}` follows the other"
            )
        })
    })
}
