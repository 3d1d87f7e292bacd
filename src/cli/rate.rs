//! `rate`: blind rating by people, from the sheet to the answer.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use truenorth::analyses::rate::{
    self, BlindPair, ChoiceScale, Filled, Params, RateData, RatingPrediction, RatingRegistration, SheetSeal,
    is_foreign, prepare, register, same_sheet,
};
use truenorth::files::{sha256_hex, write_atomic, write_private};
use truenorth::math::Seeds;

use super::output::{self, RequestContext as _, wrong_hint};
use super::record::{OutArgs, ResultRecord, write_json};
use super::session;
use super::target;
use super::texts::CopiesArgs;
use super::written::{self, PromptNeed, SteeredArgs, say_left_out};

pub(super) const SHEET: &str = "sheet.csv";
pub(super) const SEAL: &str = "seal.json";
pub(super) const KEY: &str = "key.json";
pub(super) const REGISTRATION: &str = "registration.json";
const OPENED: &str = "opened.json";

/// Has people rate steered texts against others without knowing which is which.
///
/// `sheet` shuffles the texts and seals the key; `register` binds predictions to the seal, before anyone
/// looks; `unblind` opens the key, once there are ratings, and tests. All of it lies in one folder. Keep
/// its key.json from the raters, publish seal.json and the hash of the registration.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  truenorth rate sheet --steered steered.jsonl --prompts prompts.txt \
    --alpha 0.1 --question \"Which reply is kinder?\" --folder rating\n  truenorth rate register \
    --folder rating --predictions predictions.json\n  truenorth rate unblind --folder rating \
    --ratings ann=ann.csv --ratings ben=ben.csv --out rated.json")]
pub enum Rate {
    Sheet(Sheet),
    Register(Register),
    Unblind(Unblind),
}

impl Rate {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Sheet(v) => v.run(),
            Self::Register(v) => v.run(),
            Self::Unblind(v) => v.run(),
        }
    }
}

/// Makes a blind sheet, its key and the key's seal.
///
/// Writes into a new folder: sheet.csv for the raters, who fill `choice` with left, right or tie (or with
/// --scale strength from -3 to 3); of copies and near copies the first stands on it; seal.json to publish; key.json, which only its owner
/// can read. The dealing is drawn anew each time, by no seed that others could know.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth rate sheet --items items.jsonl --question \"Which reply is \
    kinder?\" --folder rating")]
pub struct Sheet {
    /// Items: JSONL with `id`, `prompt`, `steered`, `base`.
    #[arg(long, value_name = "F.jsonl", required_unless_present = "steered", conflicts_with = "steered")]
    items: Option<PathBuf>,
    #[command(flatten)]
    texts: SteeredArgs,
    /// What raters are asked; it stands on every row of the sheet.
    #[arg(long, value_name = "STR")]
    question: String,
    /// What raters may answer, which stands there too: side (left, right or tie), or strength (-3 to 3, how
    /// much better the right text is). Anything else is refused when the key is opened.
    #[arg(long, value_enum, default_value_t)]
    scale: ChoiceScale,
    /// The folder to write into.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    copies: CopiesArgs,
}

/// Writes down what is expected, before the key is opened.
///
/// Predictions are a JSON list, or JSONL, of `id`, `claim`, and `share_above` or `share_below`: bounds for
/// the share of decided items that the steered text wins. Publish the hash that is printed: the file
/// alone does not prove when it was made.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth rate register --folder rating --predictions predictions.json")]
pub struct Register {
    /// The folder of the sheet.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The predictions: a JSON list, or a line each, of {"id": "p1", "claim": "it wins", "share_above": 0.5}, with
    /// share_above, share_below or both, from 0 to 1.
    #[arg(long, value_name = "F.json")]
    predictions: PathBuf,
}

/// Opens the key and tests the ratings.
///
/// Refuses a key that is not the sealed one, a registration that was changed, and one that was made after
/// the key was opened for another. Sheets of other programs (`pair_id, prompt, text_A, text_B, rating`, of which rating
/// is A, B or T) are read with their JSON key, given with --key and no --folder; nothing was registered for them.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth rate unblind --folder rating --ratings ann=ann.csv \
    --ratings ben=ben.csv --out rated.json --report rated/\n  truenorth rate unblind --ratings ann=theirs.csv --key key.json")]
pub struct Unblind {
    /// The folder of the sheet.
    #[arg(long, value_name = "DIR", required_unless_present = "key")]
    folder: Option<PathBuf>,
    /// Of a key of another program, the arm whose wins are counted; default the one that is called steered, treated or
    /// the like.
    #[arg(long, value_name = "NAME")]
    steered: Option<String>,
    /// A rater's name and filled sheet; repeatable.
    #[arg(long, value_name = "NAME=F.csv", required = true)]
    ratings: Vec<String>,
    /// The key, where it was kept elsewhere.
    #[arg(long, value_name = "F")]
    key: Option<PathBuf>,
    #[command(flatten)]
    params: Params,
    /// Seeds intervals and nulls.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    out: OutArgs,
}

/// That a key was opened, and for which predictions.
#[derive(Debug, Deserialize, Serialize)]
struct OpenedKey {
    key_sha256: String,
    registration_sha256: String,
    opened_at: String,
}

fn now() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}

pub(super) fn read_json<T: serde::de::DeserializeOwned>(path: &Path, what: &str) -> anyhow::Result<T> {
    target::reads(path)?;
    let bytes = std::fs::read(path).request(format!("can't read the {what} {}", path.display()))?;
    serde_json::from_slice(&bytes).request(format!("{} is no {what} that `rate` wrote", path.display()))
}

impl Sheet {
    fn run(self) -> anyhow::Result<()> {
        target::writes_in(&self.folder, &[])?;
        let found = match (&self.items, &self.texts.steered) {
            (Some(items), _) => written::duels(items)?,
            (None, Some(steered)) => self.texts.pairs(steered, PromptNeed::WhereKnown)?,
            (None, None) => return Err(wrong_hint("there is nothing to rate", "name texts with --items F")),
        };
        say_left_out(found.left_out);
        let taken = [SHEET, SEAL, KEY, REGISTRATION].into_iter().find(|f| self.folder.join(f).exists());
        if let Some(file) = taken {
            return Err(wrong_hint(
                format!("{} has a {file} already; another sheet would break its seal", self.folder.display()),
                "name another folder",
            ));
        }
        let items: Vec<BlindPair> = found
            .rows
            .into_iter()
            .map(|d| BlindPair { id: d.id, prompt: d.prompt, steered: d.first, base: d.second })
            .collect();
        // Two times 122 random bits from the operating system; nobody can deal the sheet again.
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let from =
            self.items.as_ref().or(self.texts.steered.as_ref()).map_or(Path::new("-"), PathBuf::as_path);
        let sheet = prepare(&items, &self.question, self.scale, &secret, self.copies.near_copies)
            .with_context(|| format!("can't make a sheet of {}", from.display()))?;
        if let Some(copies) = &sheet.seal.copies {
            self.copies.texts().say_copies("the sheet", copies);
        }
        std::fs::create_dir_all(&self.folder)
            .request(format!("can't make the folder {}", self.folder.display()))?;
        let at = |file: &str| self.folder.join(file);
        let failed = |file: &Path| format!("can't write {}", file.display());
        // The key first: a sheet without its key is lost.
        write_private(&at(KEY), sheet.key.as_bytes()).with_context(|| failed(&at(KEY)))?;
        write_json(&at(SEAL), &sheet.seal)?;
        write_atomic(&at(SHEET), |w| w.write_all(sheet.csv.as_bytes()))
            .with_context(|| failed(&at(SHEET)))?;
        if output::wants_json() {
            return output::json(&serde_json::json!({ "folder": self.folder, "seal": sheet.seal }));
        }
        output::table(&[
            ["items", "sheet", "SHA-256 of the key"].map(String::from).to_vec(),
            vec![
                sheet.seal.items.to_string(),
                at(SHEET).display().to_string(),
                sheet.seal.key_sha256.clone(),
            ],
        ]);
        eprintln!(
            "keep {} from the raters; register predictions before any rating comes in",
            at(KEY).display()
        );
        Ok(())
    }
}

impl Register {
    fn run(self) -> anyhow::Result<()> {
        target::writes_in(&self.folder, &[])?;
        let seal: SheetSeal = read_json(&self.folder.join(SEAL), "seal")?;
        refuse_opened(&self.folder, None)?;
        let path = self.folder.join(REGISTRATION);
        if path.exists() {
            return Err(wrong_hint(
                format!("{} is there already; a registration is made once", path.display()),
                "make a new sheet for other predictions",
            ));
        }
        let registration = register(&seal, &predictions(&self.predictions)?, &now())
            .with_context(|| format!("can't register {}", self.predictions.display()))?;
        write_json(&path, &registration)?;
        if output::wants_json() {
            return output::json(&registration);
        }
        output::table(&[
            ["predictions", "registered at", "SHA-256, to publish"].map(String::from).to_vec(),
            vec![
                registration.predictions.len().to_string(),
                registration.registered_at.clone(),
                registration.sha256.clone(),
            ],
        ]);
        Ok(())
    }
}

/// What a prediction looks like.
const PREDICTION: &str = "write a JSON list, or a line each, of {\"id\": \"p1\", \"claim\": \"it wins\", \
     \"share_above\": 0.5}, with share_above, share_below or both, from 0 to 1";

/// Predictions as a JSON list or a line each.
fn predictions(path: &Path) -> anyhow::Result<Vec<RatingPrediction>> {
    let text = session::text(path, "predictions from")?;
    let refuse = |place: String, e: serde_json::Error| {
        wrong_hint(format!("can't read predictions from {}{place}: {e}", path.display()), PREDICTION)
    };
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(&text).map_err(|e| refuse(String::new(), e));
    }
    let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
    lines.map(|(i, l)| serde_json::from_str(l).map_err(|e| refuse(format!(", line {}", i + 1), e))).collect()
}

/// Refuses predictions that come after the key was opened, unless it was opened for these.
pub(super) fn refuse_opened(folder: &Path, registration: Option<&RatingRegistration>) -> anyhow::Result<()> {
    let path = folder.join(OPENED);
    if !path.exists() {
        return Ok(());
    }
    let opened: OpenedKey = read_json(&path, "mark of an opened key")?;
    if registration.is_some_and(|r| r.sha256 == opened.registration_sha256) {
        return Ok(());
    }
    Err(wrong_hint(
        format!(
            "the key was opened at {} for the registration {}; predictions registered after that are none",
            opened.opened_at, opened.registration_sha256
        ),
        "make a new sheet, register, and have it rated anew",
    ))
}

/// Marks the key as opened for a registration, where it was not yet.
pub(super) fn set_opened(
    folder: &Path,
    seal: &SheetSeal,
    registration: &RatingRegistration,
) -> anyhow::Result<()> {
    let path = folder.join(OPENED);
    if path.exists() {
        return Ok(());
    }
    let opened = OpenedKey {
        key_sha256: seal.key_sha256.clone(),
        registration_sha256: registration.sha256.clone(),
        opened_at: now(),
    };
    write_json(&path, &opened)
}

impl Unblind {
    fn run(self) -> anyhow::Result<()> {
        self.out.check()?;
        let sheets = self.ratings.iter().map(|r| filled(r)).collect::<anyhow::Result<Vec<_>>>()?;
        refuse_one_sheet(&sheets)?;
        let Some(folder) = self.folder.clone() else { return self.foreign(&sheets) };
        if self.steered.is_some() {
            return Err(wrong_hint(
                "--steered is for keys of other programs; one of `rate sheet` says which text is steered",
                "leave --steered out, or --folder",
            ));
        }
        target::writes_in(&folder, &[])?;
        // The sheet that was issued is what its seal is held against.
        let sheet = folder.join(SHEET);
        target::reads(&sheet)?;
        let issued = std::fs::read_to_string(&sheet).ok();
        let registration_path = folder.join(REGISTRATION);
        if !registration_path.exists() {
            return Err(wrong_hint(
                format!(
                    "{} has no registration; predictions come before the key is opened",
                    folder.display()
                ),
                "register them: truenorth rate register --folder DIR --predictions F",
            ));
        }
        let registration: RatingRegistration = read_json(&registration_path, "registration")?;
        let seal: SheetSeal = read_json(&folder.join(SEAL), "seal")?;
        if seal != registration.seal {
            return Err(wrong_hint(
                format!("the registration is bound to another seal than {}", folder.join(SEAL).display()),
                "put back the seal that was registered",
            ));
        }
        refuse_opened(&folder, Some(&registration))?;
        if issued.as_ref().is_none_or(|i| sha256_hex(i.as_bytes()) != seal.sheet_sha256) {
            eprintln!(
                "warning: {} is not the sheet that was given out, so texts that were edited can't be held against theirs",
                sheet.display()
            );
        }
        let key_path = self.key.clone().unwrap_or_else(|| folder.join(KEY));
        target::reads(&key_path)?;
        let key = std::fs::read(&key_path).request(format!("can't read the key {}", key_path.display()))?;
        let input =
            RateData { sheets: &sheets, issued: issued.as_deref(), key: &key, registration: &registration };
        let found = rate::Rate::run(&input, &self.params, &Seeds::new(self.seed))?;
        // Whatever is shown from here on can't be unseen, so the mark comes first.
        set_opened(&folder, &seal, &registration)?;
        output::listing(&rate::Rate::table(&found));
        let rows: Vec<usize> = found.raters.iter().map(rate::RaterResult::rows).collect();
        let mut record = ResultRecord::new(rate::Rate::NAME, self.seed, found)
            .params(&self.params)?
            .file("key", seal.items, &seal.key_sha256)
            .file("sheet", seal.items, &seal.sheet_sha256)
            .choice("registration", registration.sha256.as_str());
        // The raters are in the order of their sheets.
        for (sheet, rows) in sheets.iter().zip(rows) {
            let (role, sha256) = (format!("ratings of {}", sheet.rater), sha256_hex(sheet.csv.as_bytes()));
            record = record.file(role, rows, &sha256);
        }
        self.out.write(&record, rate::Rate::TITLE, |found| {
            let page = rate::Rate::page(found);
            (page.all_findings(), page.sections)
        })
    }
    /// Ratings on sheets of another program.
    fn foreign(&self, sheets: &[Filled]) -> anyhow::Result<()> {
        let Some(path) = &self.key else {
            return Err(wrong_hint(
                "no key",
                "name the folder of the sheet with --folder DIR, or the key with --key F",
            ));
        };
        if let Some(own) = sheets.iter().find(|s| !is_foreign(&s.csv)) {
            return Err(wrong_hint(
                format!("{} is no sheet of another program, with text_A and text_B", own.file),
                "name the folder of a sheet that `rate sheet` made with --folder DIR",
            ));
        }
        let name = path.display().to_string();
        let key = session::text(path, "the key")?;
        let read = rate::foreign(sheets, (&key, &name), self.steered.as_deref())?;
        let found = rate::Rate::unsealed(&read, &self.params, &Seeds::new(self.seed))?;
        output::listing(&rate::Rate::table(&found));
        eprintln!(
            "note: counted are wins of `{}`; no predictions were registered for this key",
            read.steered
        );
        let rows: Vec<usize> = found.raters.iter().map(rate::RaterResult::rows).collect();
        let mut record = ResultRecord::new(rate::Rate::NAME, self.seed, found)
            .params(&self.params)?
            .choice("steered", read.steered.as_str())
            .file("key", read.registration.seal.items, &sha256_hex(key.as_bytes()));
        for (sheet, rows) in sheets.iter().zip(rows) {
            let (role, sha256) = (format!("ratings of {}", sheet.rater), sha256_hex(sheet.csv.as_bytes()));
            record = record.file(role, rows, &sha256);
        }
        self.out.write(&record, rate::Rate::TITLE, |found| {
            let page = rate::Rate::page(found);
            (page.all_findings(), page.sections)
        })
    }
}

/// Refuses one sheet under two raters' names: it would count as two raters who agree.
pub(super) fn refuse_one_sheet(sheets: &[Filled]) -> anyhow::Result<()> {
    for (i, sheet) in sheets.iter().enumerate() {
        for before in &sheets[..i] {
            if target::same(before.file.as_ref(), sheet.file.as_ref()) {
                return Err(wrong_hint(
                    format!("{} is the sheet of {} and of {}", sheet.file, before.rater, sheet.rater),
                    "give each rater's own sheet",
                ));
            }
            if same_sheet(&before.csv, &sheet.csv) {
                return Err(wrong_hint(
                    format!(
                        "{}, the sheet of {}, and {}, the sheet of {}, have the same in every cell",
                        before.file, before.rater, sheet.file, sheet.rater
                    ),
                    "give each rater's own sheet; where two raters did fill every row alike, add a column `rater` with the name \
                     of each",
                ));
            }
        }
    }
    Ok(())
}

/// A rater's sheet, from `NAME=F.csv`.
pub(super) fn filled(arg: &str) -> anyhow::Result<Filled> {
    let Some((rater, file)) = arg.split_once('=').filter(|(r, f)| !r.is_empty() && !f.is_empty()) else {
        return Err(wrong_hint(format!("`{arg}` names no rater and sheet"), "write NAME=FILE.csv"));
    };
    let csv = session::text(file.as_ref(), "the sheet")?;
    Ok(Filled { rater: rater.to_owned(), file: file.to_owned(), csv })
}
