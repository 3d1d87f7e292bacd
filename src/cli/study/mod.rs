//! `study`: a study file, from prompts to report.

mod data;
mod file;
mod journal;
mod report;
mod stages;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use truenorth::analyses::Parameters as _;
use truenorth::files::sha256_hex;
use truenorth_protocol::ModelInfo;

use super::args::{Common, ModelArgs, Numerics, Place};
use super::output::{self, wrong_hint};
use super::session::Session;
use super::{dry, fallback, target};
use data::Data;
use file::StudyFile;
use journal::Journal;
use stages::Run;

/// Runs a study file from prompts to report.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  truenorth study run examples/human-values/study.toml")]
pub enum Study {
    /// Runs a study, or goes on with one that was cut short.
    #[command(after_help = "Example:\n  truenorth study run examples/human-values/study.toml")]
    Run(RunStudy),
    /// Says how far a study is.
    #[command(after_help = "Example:\n  truenorth study status examples/human-values/study.toml")]
    Status(Status),
    /// Writes the report anew, from what the store holds.
    #[command(after_help = "Example:\n  truenorth study report examples/human-values/study.toml")]
    Report(RunStudy),
}

#[derive(Args, Debug)]
pub struct RunStudy {
    /// The study file.
    #[arg(value_name = "STUDY.toml")]
    study: PathBuf,
    /// Another model than the study names.
    #[arg(long, value_name = "M")]
    model: Option<String>,
    /// Another seed than the study names.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: Numerics,
}

#[derive(Args, Debug)]
pub struct Status {
    /// The study file.
    #[arg(value_name = "STUDY.toml")]
    study: PathBuf,
    /// Machine output.
    #[arg(long)]
    json: bool,
}

impl Study {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            // A report is what a run makes of the store; where the store has all, it is quick.
            Self::Run(v) | Self::Report(v) => v.run(),
            Self::Status(v) => v.run(),
        }
    }
}

impl RunStudy {
    fn run(self) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut study = StudyFile::read(&self.study)?;
        study.model = self.model.unwrap_or(study.model);
        study.seed = self.seed.unwrap_or(study.seed);
        let data = Data::read(&study)?;
        let args = ModelArgs {
            model: study.model.clone(),
            place: self.place,
            seed: study.seed,
            common: self.common.clone(),
            numerics: self.numerics,
        };
        let folder = dry::folder(study.folder());
        target::writes_in(&folder, &["report.html", "report.json", "state.json", "board.jsonl"])?;
        let session = Session::open(&args)?;
        // A study is one model's throughout, so it falls back as a whole, and here or not at all.
        let others = study.transfer.is_some() || study.judge.as_ref().is_some_and(|j| j.model.is_some());
        if let (Some(fallen), true) = (fallback::taken(), others) {
            return Err(wrong_hint(
                format!(
                    "{} can't be asked on the service, and the study compares it with other models",
                    fallen.wanted
                ),
                "leave [transfer] and the model of [judge] out, or run the study with --on local",
            ));
        }
        report::check(&study, session.runner().info())?;
        if dry::on() {
            study.held_out.permutations = Some(study.held_out.permutations.map_or(19, dry::few));
            study.audit.iter_mut().for_each(|a| a.permutations = dry::few(a.permutations));
            study.probing.iter_mut().for_each(|p| p.rehearse());
            study.geometry.iter_mut().for_each(|g| g.params.rehearse());
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        let inputs = sha256_hex(toml::to_string(&study)?.as_bytes());
        let base = base(&study, &data, session.runner().info())?;
        let keep = !self.common.no_cache;
        let mut journal = Journal::start(&folder, &study.name, inputs, base, keep)?;
        let run = Run {
            study: &study,
            data: &data,
            reader: session.reader(),
            folder: &folder,
            store: session.store(),
            args: &args,
            quiet: self.common.quiet,
        };
        let results = run.all(&mut journal)?;
        let store = session.store().map(|s| s.session());
        let document = report::document(&run, &results, store, journal.stages(), start.elapsed());
        truenorth::report::write(&folder, &document)?;
        journal.finish()?;
        report::summary(&run, &results);
        eprintln!("{} s", start.elapsed().as_secs());
        output::line(folder.join("report.html").display().to_string())
    }
}

/// What every stage depends on: this very program, the model, the seed and the data.
fn base(study: &StudyFile, data: &Data, info: &ModelInfo) -> anyhow::Result<String> {
    let program = std::env::current_exe().context("can't find this program's own file")?;
    let program = std::fs::read(&program).with_context(|| format!("can't read {}", program.display()))?;
    let of = (sha256_hex(&program), &info.name, &info.revision, &info.path, study.seed, data.files());
    Ok(sha256_hex(&serde_json::to_vec(&of)?))
}

impl Status {
    fn run(self) -> anyhow::Result<()> {
        let study = StudyFile::read(&self.study)?;
        let folder = dry::folder(study.folder());
        let state = Journal::read(&folder)?;
        if self.json {
            return output::json(&state);
        }
        let Some(state) = state else {
            eprintln!("{} has not been run here; {} is not there", study.name, folder.display());
            return Ok(());
        };
        let mut rows = vec![vec!["stage".to_owned(), "state".to_owned()]];
        for stage in &state.stages {
            let done = match stage.seconds {
                None => "begun, not done".into(),
                Some(_) if stage.kept => "kept from an earlier run".into(),
                Some(s) => format!("done in {s:.1} s"),
            };
            rows.push(vec![stage.name.clone(), done]);
        }
        rows.push(vec!["report".into(), if state.done { "written" } else { "not yet" }.into()]);
        output::table(&rows);
        artifacts(&folder);
        Ok(())
    }
}

fn artifacts(folder: &Path) {
    for name in ["report.html", "report.json", "board.jsonl", "steered.jsonl", "directions"] {
        let path = folder.join(name);
        if path.exists() {
            eprintln!("  {}", path.display());
        }
    }
}
