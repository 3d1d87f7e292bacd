//! Texts to be judged or rated: from their own files, or from what `steer` wrote.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use truenorth::data::{DuelRow, Loaded, PromptInput, ReplyRow, read_duels, read_replies};

use super::output::{RequestContext as _, wrong_hint};
use super::{made, session};

/// Where steered texts come from.
#[derive(Args, Clone, Debug)]
pub struct SteeredArgs {
    /// What `steer` wrote: rows with `id`, `alpha` and `text`.
    #[arg(long, value_name = "F.jsonl")]
    pub steered: Option<PathBuf>,
    /// The prompts that were steered, by `id`, for texts whose file does not have them.
    #[arg(long, value_name = "F")]
    pub prompts: Option<PathBuf>,
    /// The dose whose texts are compared.
    #[arg(long, value_name = "A", allow_hyphen_values = true)]
    pub alpha: Option<f64>,
    /// The dose that they are compared with.
    #[arg(long, value_name = "A", default_value_t = 0.0, allow_hyphen_values = true)]
    pub base_alpha: f64,
    /// Leaves out pairs and replies with an empty text, or, of pairs, two that are the same, instead of
    /// refusing them; says how many.
    #[arg(long)]
    pub leave_out_empty: bool,
}

/// Whether whoever decides on a text has to see what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptNeed {
    /// A text without its prompt is refused.
    Always,
    /// A text may be without.
    WhereKnown,
}

/// What a text answers, where it has to be shown.
pub fn prompt_of(row: &ReplyRow, path: &Path) -> anyhow::Result<String> {
    row.prompt.clone().ok_or_else(|| {
        wrong_hint(
            format!("{}: `{}` has no prompt as text, which the judge is shown", path.display(), row.id),
            "give --prompts the file of texts that was steered, or each row a `prompt`, or a --template without {prompt}",
        )
    })
}

/// Texts, and how many were left out.
pub struct LoadedTexts<T> {
    pub rows: Vec<T>,
    pub sha256: String,
    pub left_out: usize,
}

/// Duels from their own file.
pub fn duels(path: &Path) -> anyhow::Result<LoadedTexts<DuelRow>> {
    let (reader, name) = session::open_input(path)?;
    let Loaded { rows, sha256, notes } =
        read_duels(reader, &name).request(format!("can't read duels from {name}"))?;
    session::say(&notes);
    Ok(LoadedTexts { rows, sha256, left_out: 0 })
}

impl SteeredArgs {
    fn prompts(&self) -> anyhow::Result<HashMap<String, Option<String>>> {
        let Some(path) = &self.prompts else { return Ok(HashMap::new()) };
        let (_, loaded) = session::prompts(path)?;
        let text = |input: PromptInput| match input {
            PromptInput::Text(text) | PromptInput::Said(text, _) => Some(text),
            PromptInput::Tokens(_) | PromptInput::Messages(_) => None,
        };
        Ok(loaded.rows.into_iter().map(|r| (r.id, text(r.input))).collect())
    }

    /// Replies of a file, each with its prompt where that is known.
    pub fn replies(&self, path: &Path) -> anyhow::Result<LoadedTexts<ReplyRow>> {
        let (bytes, name, _) = made::read(path)?;
        let mut loaded =
            read_replies(&bytes[..], &name).request(format!("can't read replies from {name}"))?;
        session::say(&loaded.notes);
        let prompts = self.prompts()?;
        for row in &mut loaded.rows {
            if row.prompt.is_none() && !prompts.is_empty() {
                let Some(prompt) = prompts.get(&row.source) else {
                    return Err(wrong_hint(
                        format!("{name}: no prompt is called `{}`", row.source),
                        "give --prompts the file that was steered",
                    ));
                };
                row.prompt.clone_from(prompt);
            }
        }
        let before = loaded.rows.len();
        if self.leave_out_empty {
            loaded.rows.retain(|r| !r.text.trim().is_empty());
        }
        let left_out = before - loaded.rows.len();
        Ok(LoadedTexts { rows: loaded.rows, sha256: loaded.sha256, left_out })
    }

    /// The texts of one dose beside those of another, the first the steered one. Without `shown` a prompt that
    /// is not known is empty.
    pub fn pairs(&self, path: &Path, shown: PromptNeed) -> anyhow::Result<LoadedTexts<DuelRow>> {
        let Some(alpha) = self.alpha else {
            return Err(wrong_hint(
                format!("which dose of {} is to be compared?", path.display()),
                "name it with --alpha A; it is compared with --base-alpha, 0 by default",
            ));
        };
        if alpha == self.base_alpha {
            return Err(wrong_hint(
                format!("dose {alpha} is compared with itself"),
                "give --alpha and --base-alpha two doses",
            ));
        }
        // What is empty must be seen here, so that whole pairs are left out and not one side.
        let all = Self { leave_out_empty: false, ..self.clone() }.replies(path)?;
        let at = |a: f64| all.rows.iter().filter(move |r| r.alpha == Some(a));
        let base: HashMap<&str, &ReplyRow> = at(self.base_alpha).map(|r| (r.source.as_str(), r)).collect();
        let doses = || {
            let mut doses: Vec<f64> = all.rows.iter().filter_map(|r| r.alpha).collect();
            doses.sort_by(f64::total_cmp);
            doses.dedup();
            format!("the doses there are {doses:?}")
        };
        let (mut rows, mut left_out) = (Vec::new(), 0);
        for row in at(alpha) {
            let Some(other) = base.get(row.source.as_str()) else {
                return Err(wrong_hint(
                    format!("{}: `{}` has no text at dose {}", path.display(), row.source, self.base_alpha),
                    doses(),
                ));
            };
            let nothing = [&row.text, &other.text].iter().any(|t| t.trim().is_empty());
            if self.leave_out_empty && (nothing || row.text.trim() == other.text.trim()) {
                left_out += 1;
                continue;
            }
            rows.push(DuelRow {
                id: row.source.clone(),
                prompt: match shown {
                    PromptNeed::Always => prompt_of(row, path)?,
                    PromptNeed::WhereKnown => row.prompt.clone().unwrap_or_default(),
                },
                first: row.text.clone(),
                second: other.text.clone(),
            });
        }
        if rows.is_empty() && left_out == 0 {
            return Err(wrong_hint(format!("{} has no text at dose {alpha}", path.display()), doses()));
        }
        Ok(LoadedTexts { rows, sha256: all.sha256, left_out })
    }
}

/// Says what was left out.
pub fn say_left_out(left_out: usize) {
    if left_out > 0 {
        eprintln!("left out: {left_out} with an empty text, or with two texts that are the same");
    }
}
