//! The blind sheet of an experiment, and what people wrote on it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use truenorth::analyses::experiment::{TextPair, opened, people_sheet};
use truenorth::analyses::rate::{Filled, RateData, RatingRegistration, SheetSeal, each};
use truenorth::data::{NearCopies, PromptInput};
use truenorth::experiment::WrittenRow;
use truenorth::files::write_private;

use super::experiment::{PROMPTS, TEXTS, write};
use super::output::{self, RequestContext as _, wrong_hint};
use super::rate::{
    KEY, REGISTRATION, SEAL, SHEET, filled, read_json, refuse_one_sheet, refuse_opened, set_opened,
};
use super::record::write_json;
use super::{session, target, texts};

/// What a sheet asks beside which text is better.
const RUBRICS: &str = "rubrics.json";

/// Makes one blind sheet over all arms of an experiment that was run.
///
/// Every row shows a prompt with an arm's and base's text, on sides dealt at random; raters fill `choice` with left, right or
/// tie, and with --rubric two more columns with numbers from 1 to 5. Attention checks are base texts beside their own words
/// shuffled. The folder is one of `rate`: register predictions with `rate register --folder DIR`, before any rating comes in.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth experiment sheet --run runs/arms --question \"Which reply is kinder?\" --rubric \
    \"How kind is it?\" --folder rating"
)]
pub struct Sheet {
    /// The folder of the experiment's results.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// What raters are asked; it stands on every row of the sheet.
    #[arg(long, value_name = "STR")]
    question: String,
    /// A question on which raters give each text 1 to 5; repeatable.
    #[arg(long, value_name = "STR")]
    rubric: Vec<String>,
    /// Arms that are rated; default all.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    arm: Vec<String>,
    /// How many prompts, taken evenly; default all.
    #[arg(long, value_name = "N")]
    prompts: Option<usize>,
    /// Attention checks.
    #[arg(long, value_name = "N", default_value_t = 3)]
    checks: usize,
    /// The folder to write into.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
}

/// Opens the key of an experiment's sheet and writes what people said as ratings, which the experiment's file then names.
///
/// Predictions must have been registered with `rate register`. What is written goes into the experiment with `ratings =
/// ["ratings.jsonl"]`, where people stand beside judges; `rate unblind` tells of all arms together.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth experiment unblind --folder rating --ratings ann=ann.csv --ratings ben=ben.csv \
    --out ratings.jsonl"
)]
pub struct Unblind {
    /// The folder of the sheet.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// A rater's name and filled sheet; repeatable.
    #[arg(long, value_name = "NAME=F.csv", required = true)]
    ratings: Vec<String>,
    /// The file to write.
    #[arg(long, value_name = "F.jsonl")]
    out: PathBuf,
}

impl Sheet {
    pub fn run(self) -> anyhow::Result<()> {
        target::writes_in(&self.folder, &[])?;
        let taken = [SHEET, SEAL, KEY, REGISTRATION].into_iter().find(|f| self.folder.join(f).exists());
        if let Some(file) = taken {
            return Err(wrong_hint(
                format!("{} has a {file} already; another sheet would break its seal", self.folder.display()),
                "name another folder",
            ));
        }
        // Columns are told apart whatever the case of their letters.
        let names: Vec<String> = self.rubric.iter().map(|r| r.trim().to_lowercase()).collect();
        if let Some(i) = (1..names.len()).find(|i| names[..*i].contains(&names[*i])) {
            return Err(wrong_hint(
                format!("--rubric `{}` is there twice", self.rubric[i]),
                "name each once",
            ));
        }
        let pairs = self.pairs()?;
        // Two times 122 random bits from the operating system; nobody can deal the sheet again.
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let asked = (self.question.as_str(), &self.rubric[..], self.checks);
        let sheet = people_sheet(&pairs, asked, &secret)
            .with_context(|| format!("can't make a sheet of {}", self.run.display()))?;
        if let Some(copies) = &sheet.blind.seal.copies {
            texts::at(NearCopies::default()).say_copies("the sheet", copies);
        }
        if sheet.left_out > 0 {
            eprintln!("left out: {} pairs whose two texts are the same or empty", sheet.left_out);
        }
        std::fs::create_dir_all(&self.folder)
            .request(format!("can't make the folder {}", self.folder.display()))?;
        let at = |file: &str| self.folder.join(file);
        // The key first: a sheet without its key is lost.
        write_private(&at(KEY), sheet.blind.key.as_bytes())
            .with_context(|| format!("can't write {}", at(KEY).display()))?;
        write_json(&at(SEAL), &sheet.blind.seal)?;
        write_json(&at(RUBRICS), &self.rubric)?;
        write(&at(SHEET), sheet.blind.csv.as_bytes())?;
        if output::wants_json() {
            output::json(&json!({
                "items": sheet.blind.seal.items,
                "attention_checks": sheet.checks,
                "sheet": at(SHEET),
                "key_sha256": sheet.blind.seal.key_sha256,
            }))?;
        } else {
            output::table(&[
                ["items", "attention checks", "sheet", "SHA-256 of the key"].map(String::from).to_vec(),
                vec![
                    sheet.blind.seal.items.to_string(),
                    sheet.checks.to_string(),
                    at(SHEET).display().to_string(),
                    sheet.blind.seal.key_sha256.clone(),
                ],
            ]);
        }
        eprintln!(
            "keep {} from the raters; register predictions before any rating comes in: truenorth rate register --folder {} \
             --predictions F",
            at(KEY).display(),
            self.folder.display()
        );
        Ok(())
    }

    fn pairs(&self) -> anyhow::Result<Vec<TextPair>> {
        let (_, loaded) = session::prompts(&self.run.join(PROMPTS))?;
        let asked: HashMap<String, String> = loaded
            .rows
            .iter()
            .filter_map(|r| match &r.input {
                PromptInput::Text(text) => Some((r.id.clone(), text.clone())),
                _ => None,
            })
            .collect();
        let ids: Vec<&String> = loaded.rows.iter().map(|r| &r.id).collect();
        let count = self.prompts.unwrap_or(ids.len()).min(ids.len());
        let chosen: Vec<&String> = (0..count).map(|i| ids[i * ids.len() / count]).collect();
        let rows = written(&self.run.join(TEXTS))?;
        let base: HashMap<&str, &WrittenRow> =
            rows.iter().filter(|r| r.arm == "base").map(|r| (r.prompt.as_str(), r)).collect();
        for arm in &self.arm {
            if !rows.iter().any(|r| r.arm == *arm) {
                return Err(wrong_hint(
                    format!("--arm {arm}: {} has no text of it", self.run.join(TEXTS).display()),
                    "name an arm of the experiment",
                ));
            }
        }
        let shown = |r: &&WrittenRow| {
            r.arm != "base"
                && (self.arm.is_empty() || self.arm.contains(&r.arm))
                && chosen.contains(&&r.prompt)
        };
        let pair = |r: &WrittenRow| {
            Some(TextPair {
                arm: r.arm.clone(),
                prompt: r.prompt.clone(),
                asked: asked.get(&r.prompt)?.clone(),
                text: r.text.clone(),
                base: base.get(r.prompt.as_str())?.text.clone(),
            })
        };
        Ok(rows.iter().filter(shown).filter_map(pair).collect())
    }
}

fn written(path: &Path) -> anyhow::Result<Vec<WrittenRow>> {
    let text = session::text(path, "the texts of the arms")?;
    text.lines()
        .enumerate()
        .filter(|(_, l)| !l.trim().is_empty())
        .map(|(i, l)| serde_json::from_str(l).request(format!("{}, line {}", path.display(), i + 1)))
        .collect()
}

impl Unblind {
    pub fn run(self) -> anyhow::Result<()> {
        target::writes(&self.out)?;
        target::writes_in(&self.folder, &[])?;
        let sheets = self.ratings.iter().map(|r| filled(r)).collect::<anyhow::Result<Vec<Filled>>>()?;
        refuse_one_sheet(&sheets)?;
        let at = |file: &str| self.folder.join(file);
        let issued = std::fs::read_to_string(at(SHEET)).ok();
        if !at(REGISTRATION).exists() {
            return Err(wrong_hint(
                format!(
                    "{} has no registration; predictions come before the key is opened",
                    self.folder.display()
                ),
                "register them: truenorth rate register --folder DIR --predictions F",
            ));
        }
        let registration: RatingRegistration = read_json(&at(REGISTRATION), "registration")?;
        let seal: SheetSeal = read_json(&at(SEAL), "seal")?;
        if seal != registration.seal {
            return Err(wrong_hint(
                format!("the registration is bound to another seal than {}", at(SEAL).display()),
                "put back the seal that was registered",
            ));
        }
        refuse_opened(&self.folder, Some(&registration))?;
        let rubrics: Vec<String> = read_json(&at(RUBRICS), "list of rubrics")?;
        let key = std::fs::read(at(KEY)).request(format!("can't read the key {}", at(KEY).display()))?;
        let input =
            RateData { sheets: &sheets, issued: issued.as_deref(), key: &key, registration: &registration };
        let rows = each(&input)?;
        let ratings = opened(&rows, &rubrics)?;
        if ratings.is_empty() {
            return Err(wrong_hint("no row of any sheet is filled", "name the sheets that raters gave back"));
        }
        set_opened(&self.folder, &seal, &registration)?;
        session::write_rows(Some(&self.out), &ratings, "Ratings of people")?;
        output::answer(&json!({ "ratings": ratings.len(), "out": self.out }), || {
            format!("{} ratings -> {}", ratings.len(), self.out.display())
        })
    }
}
