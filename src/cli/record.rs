//! What an analysis writes: its result beside what it was made from, and a page to look at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use truenorth::analyses::SentimentTexts;
use truenorth::files::write_atomic;
use truenorth::report::{self, Cell, Document, Finding, KeyValueList, Section};

use super::fallback;
use super::output;
use super::tables;
use super::target;

/// Where an analysis puts what it found.
#[derive(Args, Clone, Debug)]
pub struct OutArgs {
    /// The JSON file to write; without it JSON goes to stdout, unless that is a terminal.
    #[arg(long, value_name = "F.json")]
    pub out: Option<PathBuf>,
    /// A folder for a page with plots and tables of the same numbers, `report.html`.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// A folder for the tables of that page as CSV and Parquet, a file each, numbers as numbers.
    #[arg(long, value_name = "DIR")]
    pub tables: Option<PathBuf>,
}

/// What is written into the folder of a page.
const PAGES: [&str; 2] = [report::HTML_NAME, report::JSON_NAME];

pub use truenorth::session::ModelRecord;

/// A file as a result remembers it.
#[derive(Clone, Debug, Serialize)]
pub struct FileRecord {
    pub rows: usize,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

/// A result and what it was made from.
#[derive(Debug, Serialize)]
pub struct ResultRecord<T> {
    pub verb: &'static str,
    pub truenorth: &'static str,
    /// The models asked, in the order of the flags.
    pub models: Vec<ModelRecord>,
    pub seed: u64,
    /// The files read, by what they were read as.
    pub data: BTreeMap<String, FileRecord>,
    /// Every choice that the flags made, by flag.
    pub choices: BTreeMap<String, serde_json::Value>,
    pub result: T,
}

impl<T: Serialize> ResultRecord<T> {
    /// A result of a verb.
    pub fn new(verb: &'static str, seed: u64, result: T) -> Self {
        Self {
            verb,
            truenorth: env!("CARGO_PKG_VERSION"),
            models: vec![],
            seed,
            data: BTreeMap::new(),
            choices: BTreeMap::new(),
            result,
        }
    }

    /// With a model that was asked.
    pub fn model(mut self, model: impl Into<ModelRecord>) -> Self {
        self.models.push(model.into());
        self
    }

    /// With a file that was read.
    pub fn file(mut self, role: impl Into<String>, rows: usize, sha256: &str) -> Self {
        self.data.insert(role.into(), FileRecord { rows, sha256: sha256.to_owned() });
        self
    }

    /// With the texts labelled for sentiment, and what they share with those that were fitted on.
    pub fn sentiment(self, texts: Option<&SentimentTexts>) -> anyhow::Result<Self> {
        let Some(texts) = texts else { return Ok(self) };
        let record = self.file("sentiment", texts.rows.len(), &texts.sha256);
        Ok(match texts.shared() {
            Some(shared) => record.choice("sentiment-apart", serde_json::to_value(shared)?),
            None => record,
        })
    }

    /// With a choice.
    pub fn choice(mut self, flag: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.choices.insert(flag.into(), value.into());
        self
    }

    /// With every parameter, under the name of its flag.
    pub fn params(mut self, params: &impl Serialize) -> anyhow::Result<Self> {
        let serde_json::Value::Object(fields) = serde_json::to_value(params)? else {
            anyhow::bail!("parameters are no table");
        };
        self.choices.extend(fields.into_iter().map(|(name, value)| (name.replace('_', "-"), value)));
        Ok(self)
    }

    /// Where the numbers come from, as a page tells it.
    pub fn provenance(&self) -> Vec<KeyValueList> {
        let mut groups = Vec::new();
        for model in &self.models {
            let mut group = KeyValueList::new("Model")
                .with("model", Cell::code(&model.name))
                .with("weights", Cell::code(&model.revision))
                .with("computed by", Cell::code(&model.path));
            if let Some(speech) = &model.speech {
                let text = serde_json::to_string(speech).unwrap_or_default();
                group = group.with("texts as", Cell::code(text));
            }
            for left_out in &model.left_out {
                group = group.with("means", left_out.to_string());
            }
            for warning in &model.warnings {
                group = group.with("warning", warning.as_str());
            }
            groups.push(group);
        }
        groups.extend(fallback::taken().map(|fallen| fallen.group()));
        let mut data = KeyValueList::new("Data (SHA-256 of each file)");
        for (role, file) in &self.data {
            data = data.with(format!("{role}, {} rows", file.rows), Cell::code(&file.sha256));
        }
        let mut choices = KeyValueList::new("Choices").with("seed", Cell::code(self.seed.to_string()));
        for (flag, value) in &self.choices {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            choices = choices.with(flag.as_str(), Cell::code(text));
        }
        groups.extend([data, choices.with("truenorth", Cell::code(self.truenorth))]);
        groups
    }
}

impl OutArgs {
    /// Refuses places that can't be written, before any work is done for them.
    pub fn check(&self) -> anyhow::Result<()> {
        if let Some(dir) = &self.report {
            target::writes_in(dir, &PAGES)?;
            report::free(dir)?;
        }
        if let Some(dir) = &self.tables {
            target::writes_in(dir, &[])?;
            target::holds_no_input(dir)?;
        }
        self.out.as_deref().map_or(Ok(()), target::writes)?;
        target::no_table(self.out.iter(), self.tables.as_ref())?;
        let folders = self.report.iter().chain(&self.tables).map(PathBuf::as_path);
        target::distinct(self.out.iter().chain(&self.pages()).map(PathBuf::as_path), folders)
    }

    pub fn pages(&self) -> Vec<PathBuf> {
        self.report.iter().flat_map(|dir| PAGES.map(|page| dir.join(page))).collect()
    }

    /// Writes the record, and the page where one was asked for.
    pub fn write<T: Serialize>(
        &self,
        record: &ResultRecord<T>,
        title: impl Into<String>,
        page: impl FnOnce(&T) -> (Vec<Finding>, Vec<Section>),
    ) -> anyhow::Result<()> {
        match &self.out {
            Some(path) => {
                write_json(path, record)?;
                if output::wants_json() && path != Path::new("-") {
                    output::json(&fallback::marked(record)?)?;
                }
            }
            None if output::is_read() => eprintln!("--json shows every number, and --out F.json keeps them"),
            None => output::json(&fallback::marked(record)?)?,
        }
        self.page(record, title, page)
    }

    /// Writes the page alone, where one was asked for.
    pub fn page<T: Serialize>(
        &self,
        record: &ResultRecord<T>,
        title: impl Into<String>,
        page: impl FnOnce(&T) -> (Vec<Finding>, Vec<Section>),
    ) -> anyhow::Result<()> {
        if self.report.is_none() && self.tables.is_none() {
            return Ok(());
        }
        let (front, sections) = page(&record.result);
        if let Some(folder) = &self.tables {
            let n = tables::write(folder, &sections)?;
            eprintln!("{n} tables -> {}", folder.display());
        }
        let Some(dir) = &self.report else { return Ok(()) };
        let names: Vec<&str> = record.models.iter().map(|m| m.name.as_str()).collect();
        let document = Document {
            title: title.into(),
            subtitle: names.join(", "),
            provenance: record.provenance(),
            answer: None,
            front,
            sections,
        }
        .with_tests(&[]);
        let [_, html] = report::write(dir, &document)?;
        eprintln!("{}", html.display());
        Ok(())
    }
}

/// Writes pretty JSON to a file, whole or not at all.
pub fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(&fallback::marked(value)?)?;
    target::makes_folder_of(path).with_context(|| format!("can't make the folder of {}", path.display()))?;
    write_atomic(path, |w| w.write_all(&text)).with_context(|| format!("can't write {}", path.display()))
}
