//! Files of an experiment, read and checked before a model is opened.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use truenorth_data::{PromptInput, first_prompts, read_duels};
use truenorth_files::sha256_hex;

use crate::analyses::experiment::{
    Arm, ExperimentPrompt, Params, Rating, WrittenText, check_ratings_once, read_ratings,
};
use crate::analyses::judge::Duel;
use crate::analyses::sweep::Lexicon;
use crate::error::{Error, ErrorContext as _};
use crate::inputs::TextFiles;

use super::opened::chosen;

/// What a file of texts that were written has a row.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct WrittenRow {
    /// Name of the arm; `base` is base.
    pub arm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// What was written, without the prompt.
    pub text: String,
    /// Whether the model ended it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<bool>,
}

/// What an experiment's files hold, read and checked.
pub struct ExperimentContents {
    /// The prompts that every arm is given.
    pub prompts: Vec<ExperimentPrompt>,
    /// The arms; the first is base.
    pub arms: Vec<Arm>,
    /// What was written elsewhere, `[arm][prompt]`.
    pub texts: Option<Vec<Vec<Option<WrittenText>>>>,
    /// Ratings that were made elsewhere.
    pub ratings: Vec<Rating>,
    /// Word lists that are counted in texts.
    pub lexicons: Vec<Lexicon>,
    /// Phrases with which a text takes no stance.
    pub no_stance: Option<Lexicon>,
    /// Pairs of texts of which the better one is known.
    pub planted: Vec<Duel>,
    /// Every file with its role, rows and SHA-256.
    pub files: Vec<(String, usize, String)>,
}

/// Reads prompts and every file that the parameters name; of directions only what is in them is noted.
///
/// # Errors
/// When a file can't be read, or names an arm or a prompt that there is not.
pub fn read(prompts: &Path, params: &Params, texts: &TextFiles<'_>) -> Result<ExperimentContents, Error> {
    let (named, loaded) = texts.prompts(prompts)?;
    let firsts = first_prompts(&loaded.rows, texts.near);
    texts.say_copies(&prompts.display().to_string(), &firsts.copies);
    let clusters = truenorth_stats::math::dense(&firsts.of);
    let mut all = Vec::with_capacity(named.len());
    for (row, cluster) in loaded.rows.iter().zip(clusters) {
        let PromptInput::Text(text) = &row.input else {
            return Err(Error::request(format!(
                "prompt `{}` of {} is no text, and an arm may put words before it",
                row.id,
                prompts.display()
            ))
            .with_hint("give every prompt as `text`"));
        };
        let fields = row
            .extra
            .iter()
            .map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)));
        all.push(ExperimentPrompt {
            id: row.id.clone(),
            text: text.clone(),
            fields: fields.collect(),
            cluster,
        });
    }
    let mut files = vec![("prompts".to_owned(), all.len(), loaded.sha256.clone())];
    let mut arms: Vec<Arm> =
        std::iter::once(Arm::base()).chain(params.arms.iter().map(|a| a.arm())).collect();
    let mut ratings = Vec::new();
    for (i, path) in params.ratings.iter().enumerate() {
        let (bytes, name) = bytes(texts, path)?;
        let rows = read_ratings(&bytes[..], &name)?;
        files.push((format!("ratings {}", i + 1), rows.len(), sha256_hex(&bytes)));
        ratings.extend(rows);
    }
    // Before a model is asked anything; each file by itself is checked as it is read.
    check_ratings_once(&ratings)?;
    let written = params.texts.as_ref().map(|path| {
        let (rows, sha256) = written(texts, path)?;
        files.push(("texts of arms".into(), rows.len(), sha256));
        Ok::<_, Error>((path, rows))
    });
    let written = written.transpose()?;
    if params.arms.is_empty() {
        // Arms that no table describes are those that the files have.
        let of_texts = written.iter().flat_map(|(_, rows)| rows.iter().map(|r| r.arm.as_str()));
        let known = ["base", "planted", "attention"];
        for name in of_texts.chain(ratings.iter().map(|r| r.arm.as_str())).filter(|n| !known.contains(n)) {
            if !arms.iter().any(|a| a.name == name) {
                let params =
                    crate::analyses::experiment::ArmParams { name: name.into(), ..Default::default() };
                arms.push(params.arm());
            }
        }
    }
    let placed = match written {
        None => None,
        Some((path, rows)) => {
            Some(placed(&arms, &all, rows).request(format!("can't use {}", path.display()))?)
        }
    };
    let mut lexicons = Vec::new();
    for (name, path) in &params.lexicons {
        let (text, sha256) = texts.words(path)?;
        files.push((format!("lexicon {name}"), text.lines().count(), sha256));
        lexicons.push(Lexicon::parse(name, &text)?);
    }
    let no_stance = match &params.no_stance {
        None => None,
        Some(path) => {
            let (text, sha256) = texts.words(path)?;
            files.push(("no-stance phrases".into(), text.lines().count(), sha256));
            Some(Lexicon::parse("no stance", &text)?)
        }
    };
    let planted = match &params.planted {
        None => vec![],
        Some(path) => {
            let (reader, name) = texts.desk.open(path)?;
            let loaded =
                read_duels(reader, &name).request(format!("can't read planted pairs from {name}"))?;
            files.push(("planted pairs".into(), loaded.rows.len(), loaded.sha256));
            let duel = |d: truenorth_data::DuelRow| Duel {
                id: d.id,
                prompt: d.prompt,
                first: d.first,
                second: d.second,
            };
            loaded.rows.into_iter().map(duel).collect()
        }
    };
    let directions = params.roles().into_iter().filter(|(role, _)| {
        ["direction ", "condition ", "projected "].iter().any(|kind| role.starts_with(kind))
    });
    for (role, path) in directions {
        let (file, _) = chosen(path);
        let bytes = std::fs::read(&file).request(format!("can't read the {role}, {}", file.display()))?;
        files.push((role, 1, sha256_hex(&bytes)));
    }
    Ok(ExperimentContents { prompts: all, arms, texts: placed, ratings, lexicons, no_stance, planted, files })
}

fn bytes(texts: &TextFiles<'_>, path: &Path) -> Result<(Vec<u8>, String), Error> {
    let (mut reader, name) = texts.desk.open(path)?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).request(format!("can't read {name}"))?;
    Ok((bytes, name))
}

fn written(texts: &TextFiles<'_>, path: &Path) -> Result<(Vec<WrittenRow>, String), Error> {
    let (bytes, name) = bytes(texts, path)?;
    let text = std::str::from_utf8(&bytes).request(format!("{name} is no text in UTF-8"))?;
    let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
    let rows = lines
        .map(|(i, line)| {
            serde_json::from_str(line).map_err(|e| {
                Error::request(format!("{name}, line {}: {e}", i + 1))
                    .with_hint("a text is a JSON object a line with `arm`, `prompt` (its id) and `text`")
            })
        })
        .collect::<Result<Vec<WrittenRow>, Error>>()?;
    Ok((rows, sha256_hex(&bytes)))
}

/// What was written, by arm and prompt.
fn placed(
    arms: &[Arm],
    prompts: &[ExperimentPrompt],
    rows: Vec<WrittenRow>,
) -> Result<Vec<Vec<Option<WrittenText>>>, Error> {
    let at: HashMap<&str, usize> = arms.iter().enumerate().map(|(i, a)| (a.name.as_str(), i)).collect();
    let of: BTreeMap<&str, usize> = prompts.iter().enumerate().map(|(i, p)| (p.id.as_str(), i)).collect();
    let mut out = vec![vec![None; prompts.len()]; arms.len()];
    for row in rows {
        let there = |what: &str, name: &str, known: Vec<&str>| {
            let more = known.len().saturating_sub(8);
            let some: Vec<&str> = known.into_iter().take(8).collect();
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            Error::request(format!("a text is of the {what} `{name}`, which there is not"))
                .with_hint(format!("the {what}s are {}{rest}", some.join(", ")))
        };
        let arm = *at
            .get(row.arm.as_str())
            .ok_or_else(|| there("arm", &row.arm, arms.iter().map(|a| a.name.as_str()).collect()))?;
        let prompt = *of
            .get(row.prompt.as_str())
            .ok_or_else(|| there("prompt", &row.prompt, prompts.iter().map(|p| p.id.as_str()).collect()))?;
        let cell: &mut Option<WrittenText> = &mut out[arm][prompt];
        if cell.replace(WrittenText { text: row.text, whole: row.whole }).is_some() {
            return Err(Error::request(format!(
                "arm `{}` has two texts of the prompt `{}`",
                row.arm, row.prompt
            ))
            .with_hint("keep one of them"));
        }
    }
    if out[0].iter().all(Option::is_none) {
        return Err(Error::request("no text is of the arm `base`, which the others are held against")
            .with_hint("call the arm without a change `base`"));
    }
    Ok(out)
}
