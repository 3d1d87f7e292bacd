//! `study`: a study file, from prompts to report.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use truenorth::files::sha256_hex;
use truenorth::study::{LEAVES, RunSettings, reference};

use super::args::{Common, ModelArgs, NumericsArgs, PlaceArgs, SpeechArgs};
use super::desk::{Opens, Terminal};
use super::opening::OpeningFlags;
use super::output::{self, wrong_hint};
use super::session::Session;
use super::{dry, fallback, target};

/// Runs a study file from prompts to report.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  truenorth study run examples/human-values/study.toml")]
pub enum Study {
    /// Runs a study, or goes on with one that was cut short.
    #[command(after_help = "Example:\n  truenorth study run examples/human-values/study.toml")]
    Run(RunStudy),
    /// Seals what a study expects before it is run.
    #[command(after_help = "Example:\n  truenorth study register examples/human-values/study.toml")]
    Register(RegisterStudy),
    /// Says how far a study is.
    #[command(after_help = "Example:\n  truenorth study status examples/human-values/study.toml")]
    Status(Status),
    /// Writes the report anew, from what the store holds.
    #[command(after_help = "Example:\n  truenorth study report examples/human-values/study.toml")]
    Report(RunStudy),
    /// Prints every table and key of a study file with its default and meaning.
    #[command(
        after_help = "Example:\n  truenorth study reference\n  truenorth study reference --json > study.schema.json"
    )]
    Reference(Reference),
}

#[derive(Args, Debug)]
pub struct Reference {}

impl Reference {
    fn run(&self) -> anyhow::Result<()> {
        if output::wants_json() {
            return output::json(&reference::schema());
        }
        for table in reference::reference() {
            if !table.name.is_empty() {
                output::line(format!("\n[{}]", table.name))?;
            }
            output::line(format!("# {}", table.meaning))?;
            let mut rows = Vec::new();
            for key in table.keys {
                let given = match (key.default, key.required) {
                    (Some(default), _) => default,
                    (None, true) => format!("({}, required)", key.kind),
                    (None, false) => format!("({})", key.kind),
                };
                let also = key.alias.map_or(String::new(), |other| format!(" Also `{other}`."));
                rows.push(vec![format!("{} = {given}", key.name), format!("# {}{also}", key.meaning)]);
            }
            output::aligned(&rows).into_iter().try_for_each(output::line)?;
        }
        Ok(())
    }
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
    place: PlaceArgs,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: NumericsArgs,
}

#[derive(Args, Debug)]
pub struct RegisterStudy {
    /// The study file.
    #[arg(value_name = "STUDY.toml")]
    study: PathBuf,
}

impl RegisterStudy {
    fn run(self) -> anyhow::Result<()> {
        let study = truenorth::study::Study::open(&self.study, (None, None), &Terminal::TELLING)?;
        let sealed = study.register(&study.folder())?;
        if output::wants_json() {
            return output::json(&sealed);
        }
        output::line(format!("sealed on {}: {}", sealed.sealed_at, sealed.sha256))?;
        eprintln!("publish this line, so that others can tell the date; then run the study");
        Ok(())
    }
}

#[derive(Args, Debug)]
pub struct Status {
    /// The study file.
    #[arg(value_name = "STUDY.toml")]
    study: PathBuf,
}

impl Study {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            // A report is what a run makes of the store; where the store has all, it is quick.
            Self::Run(v) | Self::Report(v) => v.run(),
            Self::Register(v) => v.run(),
            Self::Status(v) => v.run(),
            Self::Reference(v) => v.run(),
        }
    }
}

impl RunStudy {
    fn run(self) -> anyhow::Result<()> {
        let mut args = ModelArgs {
            model: String::new(),
            place: self.place,
            seed: 0,
            speech: SpeechArgs { of_study: true, ..SpeechArgs::default() },
            common: self.common,
            numerics: self.numerics,
        };
        let study = truenorth::study::Study::open(&self.study, (self.model, self.seed), &Terminal::TELLING)?;
        args.model = study.model().to_owned();
        args.seed = study.seed();
        let folder = dry::folder(study.folder());
        truenorth::study::free(&folder)?;
        target::writes_in(&folder, &["report.html", "report.json", "state.json", "run.json", "board.jsonl"])?;
        let session = Session::open(&args)?;
        // A study is one model's throughout, so it falls back as a whole, and here or not at all.
        if let (Some(fallen), true) = (fallback::taken(), study.asks_others()) {
            return Err(wrong_hint(
                format!(
                    "{} can't be asked on the service, and the study compares it with other models",
                    fallen.wanted
                ),
                "leave [transfer] and the model of [judge] out, or run the study with --on local",
            ));
        }
        let program = program()?;
        let place = RunSettings {
            folder: &folder,
            program: &program,
            keep: !args.common.no_cache,
            rehearsal: dry::on(),
            flags: serde_json::to_value(OpeningFlags::from(&args))?,
        };
        let done = study.run(&session, &Opens(&args), &place)?;
        let page = folder.join("report.html");
        if output::wants_json() {
            return output::json(&serde_json::json!({
                "folder": folder, "report": page, "seconds": done.seconds, "says": done.summary.says,
            }));
        }
        output::aside(&done.summary);
        eprintln!("{} s", done.seconds as u64);
        output::line(page.display().to_string())
    }
}

/// SHA-256 of this very program.
pub fn program() -> anyhow::Result<String> {
    let program = std::env::current_exe().context("can't find this program's own file")?;
    let bytes = std::fs::read(&program).with_context(|| format!("can't read {}", program.display()))?;
    Ok(sha256_hex(&bytes))
}

impl Status {
    fn run(self) -> anyhow::Result<()> {
        let (name, folder, state) = truenorth::study::state(&self.study, &Terminal::TELLING, dry::folder)?;
        if output::wants_json() {
            return output::json(&state);
        }
        let Some(state) = state else {
            eprintln!(
                "{name} has not been run here: there is no {}; `truenorth study run {}` runs it",
                folder.join("state.json").display(),
                self.study.display()
            );
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
    for name in LEAVES {
        let path = folder.join(name);
        if path.exists() {
            eprintln!("  {}", path.display());
        }
    }
}
