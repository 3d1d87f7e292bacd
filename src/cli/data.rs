//! `data`: public data sets and tables, made into classes files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use truenorth::data::import::{
    ColumnChoice, Disagree, ImportOptions, ImportSource, ImportTally, Importer, MultiCategoryRule,
    OptionsError, Renames, SplitShares,
};
use truenorth::data::out::TableForm;
use truenorth::data::{ClassRow, Split};
use truenorth::files::WriteTarget;
use truenorth::math::Seeds;

use super::check::Check;
use super::output::{self, RequestContext as _, wrong, wrong_hint};
use super::session;
use super::steer::counted;
use super::target;

/// Turns public data sets and tables into classes files, and looks at labelled texts before any separation.
#[derive(Subcommand, Debug)]
#[command(
    after_help = "Example:\n  truenorth data convert --from advbench harmful_behaviors.csv --out advbench.jsonl\n  \
    truenorth data check --pairs pairs.jsonl"
)]
pub enum Data {
    Convert(Box<Convert>),
    Check(Box<Check>),
}

/// Makes a classes file (JSONL: id, text, label, category, group) of a public data set or a table.
///
/// Named sets: beavertails (JSONL, .gz or Parquet), alpaca (JSON or Parquet), advbench and harmbench
/// (CSV or Parquet), maliciousinstruct (one request per line). Plain: jsonl, csv, parquet, whose columns are `text` and
/// `label`, with `id`, `category` and `group` where they are there, unless --columns says others. JSON may be an object
/// a line, a list, or an object with a list such as `rows`; a table may have commas, semicolons, tabs or bars
/// between its columns.
/// Nothing is downloaded; mind the licence of what you convert (BeaverTails and Alpaca: CC BY-NC 4.0).
/// Texts that occur twice are kept once.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    truenorth data convert --from beavertails train.jsonl.gz --take 200 --out beavertails.jsonl\n  \
    truenorth data convert --from alpaca alpaca_data.json --take 1000 --category general --out safe.jsonl\n  \
    truenorth data convert --from harmbench harmbench_behaviors_text_all.csv --split train=0.7,test=0.3 \
    --out harmbench.jsonl\n  \
    truenorth data convert --from csv mine.csv --columns text=prompt,label=toxic,group=topic \
    --map label=0:safe,1:harmful --out mine.jsonl")]
pub struct Convert {
    /// What the files are: beavertails, alpaca, advbench, harmbench, maliciousinstruct, jsonl, csv or parquet.
    #[arg(long, value_name = "SOURCE")]
    from: String,
    /// The files; gzip is unpacked.
    #[arg(value_name = "IN", required = true)]
    files: Vec<PathBuf>,
    /// The label of every row; the named sets have their own (harmful, for alpaca safe).
    #[arg(long, value_name = "L")]
    label: Option<String>,
    /// The category of every row.
    #[arg(long, value_name = "C")]
    category: Option<String>,
    /// Which columns are what: text=A,label=B,category=C,group=D,id=E. text=A+B joins two by a
    /// blank line; a field of a nested object is outer.inner.
    #[arg(long, value_name = "ROLE=NAME,..")]
    columns: Option<String>,
    /// New names of labels or categories: label=0:safe,1:harmful. `*` stands for all others.
    #[arg(long, value_name = "FIELD=OLD:NEW,..")]
    map: Vec<String>,
    /// Keeps at most so many rows of each label and category, drawn by chance.
    #[arg(long, value_name = "N")]
    take: Option<usize>,
    /// Splits into parts by shares, such as train=0.7,test=0.3, each into a file of its own: F-train.jsonl,
    /// F-test.jsonl. Rows of one group stay together.
    #[arg(long, value_name = "NAME=SHARE,..")]
    split: Option<String>,
    /// What becomes of BeaverTails rows of several categories.
    #[arg(long, value_enum, default_value_t = SeveralArg::Drop)]
    several: SeveralArg,
    /// What becomes of a text that occurs with different labels or categories.
    #[arg(long, value_enum, default_value_t = DisagreeArg::Drop)]
    disagree: DisagreeArg,
    /// Leaves rows without text out, where they are refused otherwise.
    #[arg(long)]
    skip_empty: bool,
    /// Seeds --take and --split.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The file to write, also .csv or .parquet; a folder, or a name that ends in a slash, becomes a data set that
    /// `datasets.load_dataset` takes, with a card.
    #[arg(long, value_name = "F.jsonl")]
    out: PathBuf,
}

const WHAT: &str = "Labelled texts";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SeveralArg {
    /// Left out.
    Drop,
    /// Under the first of them.
    First,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DisagreeArg {
    /// Left out.
    Drop,
    /// As most of its rows; left out on a tie.
    Majority,
}

impl Data {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Convert(v) => v.run(),
            Self::Check(v) => v.run(),
        }
    }
}

impl Convert {
    fn run(self) -> anyhow::Result<()> {
        session::writes_rows(&self.out)?;
        let folder = TableForm::of(&self.out) == TableForm::Folder;
        let options = self.options()?;
        let split = options.split.clone();
        if split.is_some() && !folder && !matches!(WriteTarget::of(&self.out), Ok(WriteTarget::File(_))) {
            return Err(wrong_hint(
                format!("--split writes a file a part, and {} is no file", self.out.display()),
                "name a file with --out, or leave --split out",
            ));
        }
        let mut importer = Importer::new(options).map_err(refused)?;
        for path in &self.files {
            let split = Split::of(path).request(format!("can't read {}", path.display()))?;
            for path in split.map_or_else(|| vec![path.clone()], |split| split.files) {
                let name = path.display().to_string();
                target::reads(&path)?;
                let bytes = std::fs::read(&path).request(format!("can't open {name}"))?;
                importer.read(&bytes, &name).request(format!("can't convert {name}"))?;
            }
        }
        let seeds = Seeds::new(self.seed).child("convert");
        let made =
            importer.finish(&|label| seeds.stream(label)).request("can't make a set of these files")?;
        // Every part is ready before the first is written.
        let parts: Vec<(PathBuf, Vec<&ClassRow>)> = match &split {
            Some(shares) if folder => {
                let splits = shares.names().map(|name| Ok((name, session::ordered(&of(&made.rows, name))?)));
                let splits = splits.collect::<anyhow::Result<Vec<_>>>()?;
                session::write_folder(&self.out, &splits, WHAT).context("the conversion is not complete")?;
                vec![]
            }
            None => vec![(self.out.clone(), made.rows.iter().collect())],
            Some(shares) => shares.names().map(|name| (self.part(name), of(&made.rows, name))).collect(),
        };
        for (path, _) in &parts {
            session::writes_rows(path)?;
        }
        for (path, rows) in &parts {
            session::keep_rows(Some(path), rows, WHAT).context("the conversion is not complete")?;
        }
        let written: Vec<String> = match parts.as_slice() {
            [] => vec![self.out.display().to_string()],
            parts => parts.iter().map(|(path, _)| path.display().to_string()).collect(),
        };
        show(&made.tally, &written);
        if output::wants_json() {
            output::json(&summary(&made.tally, &written))?;
        }
        Ok(())
    }

    fn options(&self) -> anyhow::Result<ImportOptions> {
        let source: ImportSource = self.from.parse().map_err(refused)?;
        let mut options = ImportOptions::new(source);
        if let Some(columns) = &self.columns {
            options.columns = columns.parse::<ColumnChoice>().map_err(refused)?;
        }
        for map in &self.map {
            let (field, names) = map
                .split_once('=')
                .ok_or_else(|| wrong(format!("`--map {map}` names no field; expected FIELD=OLD:NEW")))?;
            let names: Renames = names.parse().map_err(refused)?;
            let slot = match field {
                "label" => &mut options.labels,
                "category" => &mut options.categories,
                other => {
                    return Err(wrong(format!("--map can't rename `{other}`; expected label or category")));
                }
            };
            if *slot != Renames::default() {
                return Err(wrong_hint(
                    format!("--map {field} is given twice"),
                    "put all of its names into one, with commas",
                ));
            }
            *slot = names;
        }
        for (flag, value) in [("--label", &self.label), ("--category", &self.category)] {
            if value.as_ref().is_some_and(|v| v.trim().is_empty()) {
                return Err(wrong(format!("{flag} is empty")));
            }
        }
        options.label = self.label.clone();
        options.category = self.category.clone();
        options.several = match self.several {
            SeveralArg::Drop => MultiCategoryRule::Drop,
            SeveralArg::First => MultiCategoryRule::First,
        };
        options.disagree = match self.disagree {
            DisagreeArg::Drop => Disagree::Drop,
            DisagreeArg::Majority => Disagree::Majority,
        };
        options.skip_empty = self.skip_empty;
        options.take = self.take;
        options.split = self.split.as_deref().map(str::parse::<SplitShares>).transpose().map_err(refused)?;
        Ok(options)
    }

    /// `F-NAME.jsonl` beside `F.jsonl`.
    fn part(&self, name: &str) -> PathBuf {
        let lossy = |s: Option<&std::ffi::OsStr>| s.map(|s| s.to_string_lossy().into_owned());
        let stem = lossy(self.out.file_stem()).unwrap_or_default();
        let ending = lossy(self.out.extension()).map_or_else(String::new, |e| format!(".{e}"));
        self.out.parent().unwrap_or(Path::new("")).join(format!("{stem}-{name}{ending}"))
    }
}

fn refused(error: OptionsError) -> anyhow::Error {
    match error.hint() {
        Some(hint) => wrong_hint(error.to_string(), hint),
        None => wrong(error.to_string()),
    }
}

fn of<'a>(rows: &'a [ClassRow], part: &str) -> Vec<&'a ClassRow> {
    rows.iter().filter(|r| r.extra.get("split").and_then(|s| s.as_str()) == Some(part)).collect()
}

fn show(tally: &ImportTally, written: &[String]) {
    let mut rows = vec![["label", "category", "split", "rows"].map(String::from).to_vec()];
    for ((label, category, split), n) in &tally.kept {
        let or_none = |s: &Option<String>| s.clone().unwrap_or_else(|| "-".into());
        rows.push(vec![label.clone(), or_none(category), or_none(split), n.to_string()]);
    }
    output::table(&rows);
    for file in &tally.files {
        if let Some(sign) = file.between {
            eprintln!(
                "the head of {} has `{}` between its columns, and so it is read",
                file.name,
                sign.escape_default()
            );
        }
        eprintln!("{} rows of {} (sha256 {})", file.rows, file.name, file.sha256);
    }
    if tally.trimmed > 0 {
        eprintln!(
            "{} had spaces or line ends around them, which are left out",
            counted(tally.trimmed, "text")
        );
    }
    for (why, n) in &tally.dropped {
        eprintln!("{n} dropped: {why}");
    }
    eprintln!("{} of {} rows kept -> {}", tally.kept(), tally.read(), written.join(", "));
}

fn summary(tally: &ImportTally, written: &[String]) -> serde_json::Value {
    let kept: Vec<_> = tally
        .kept
        .iter()
        .map(|((label, category, split), rows)| {
            serde_json::json!({ "label": label, "category": category, "split": split, "rows": rows })
        })
        .collect();
    let files: Vec<_> = tally
        .files
        .iter()
        .map(|f| serde_json::json!({ "file": f.name, "sha256": f.sha256, "rows": f.rows }))
        .collect();
    let dropped: serde_json::Map<String, serde_json::Value> =
        tally.dropped.iter().map(|(why, n)| (why.to_string(), (*n).into())).collect();
    serde_json::json!({
        "trimmed": tally.trimmed, "read": tally.read(), "kept": tally.kept(), "files": files, "dropped": dropped, "cells": kept,
        "written": written,
    })
}
