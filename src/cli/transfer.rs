//! `transfer`: whether what directions say of sequences holds from model to model.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use truenorth::analyses::board::ScanData;
use truenorth::analyses::board::saved::{BESIDE, SavedBoard};
use truenorth::analyses::transfer::{self, OwnBoard, Params, SequenceGroups, TransferData, own_board};
use truenorth::analyses::{Analysis as _, AnalysisContext, Parameters as _};
use truenorth::math::Seeds;

use super::args::{Common, ModelArgs, NumericsArgs, On, PlaceArgs, PrecisionArg, ServiceArgs, SpeechArgs};
use super::direction::{chosen, load, load_for};
use super::judge::same_text;
use super::output::wrong_hint;
use super::progress::Bar;
use super::record::{OutArgs, ResultRecord};
use super::session::Session;
use super::texts::CopiesArgs;
use super::{dry, saved, target, verb};

/// Compares what directions say of the same sequences on two or more models.
///
/// Each model has a direction of its own and scores the same sequences before the same probes. One
/// model at a time is in memory. Signs that agree are held against what each model's lean gives by
/// itself; ranks by Spearman's correlation.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth transfer --model smollm2-135m --direction small.safetensors \
    --model gemma3-270m --direction gemma.safetensors --probes probes.txt --sequences sequences.jsonl \
    --out transfer.json --report transfer/\n  truenorth transfer --board olmo=olmo.json --board llama=llama.jsonl \
    --out transfer.json")]
pub struct Transfer {
    /// A model, in any form that --model takes elsewhere; repeatable, each with its --direction.
    #[arg(long = "model", value_name = "M", required_unless_present = "board")]
    models: Vec<String>,
    /// The direction of a model, in the order of the models.
    #[arg(long = "direction", value_name = "F.safetensors", required_unless_present = "board")]
    directions: Vec<PathBuf>,
    /// A board that was kept, in place of a model with its direction; repeatable, `NAME=F` names the model. What
    /// `score` writes, a JSON list or object with `entries`, JSON lines, CSV, Parquet; a file with one score per model is as many
    /// boards. No model is asked.
    #[arg(long, value_name = "[NAME=]F", conflicts_with_all = ["models", "directions", "probes", "sequences"])]
    board: Vec<String>,
    /// The columns of --board that are scores, each a board of its own; default `score`, `score_…` and those of an object
    /// `scores`.
    // Names between commas too, as --contrast takes them.
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "board")]
    score: Vec<String>,
    /// Where the models run: local, ndif, or the URL of a truenorth server. Once for all models, or once
    /// for each, in their order.
    #[arg(long, value_name = "W")]
    on: Vec<On>,
    /// Where architecture and tokenizer of each model on NDIF come from, in the order of the models.
    #[arg(long, value_name = "M")]
    config: Vec<String>,
    /// NDIF's address; else NDIF_HOST, else nnsight's settings, else https://api.ndif.us.
    #[arg(long, value_name = "URL")]
    host: Option<String>,
    /// A file that holds the API key.
    #[arg(long, value_name = "F")]
    api_key_file: Option<PathBuf>,
    /// What NDIF narrows numbers to before it sends them.
    #[arg(long, value_enum, default_value_t = PrecisionArg::F32)]
    reply_dtype: PrecisionArg,
    /// How many jobs may wait or run at once.
    #[arg(long, value_name = "N", default_value_t = 4)]
    jobs_at_once: usize,
    /// Refuses a model that is not up on NDIF; else its queue is asked to bring it up.
    #[arg(long)]
    no_deploy: bool,
    /// Neutral probes, one text per line, or JSONL, a JSON list or CSV with `id` and `text`.
    #[arg(long, value_name = "F", required_unless_present = "board")]
    probes: Option<PathBuf>,
    /// Sequences, one text per line, or JSONL, a JSON list or CSV with `id`, `text` and labels such as `kind`; those of one `pair` are resampled
    /// together.
    #[arg(long, value_name = "F", required_unless_present = "board")]
    sequences: Option<PathBuf>,
    /// What stands between sequence and probe.
    #[arg(long, value_name = "STR", default_value = " ")]
    join: String,
    /// Seeds whatever is random.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    speech: SpeechArgs,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: NumericsArgs,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    params: Params,
    #[command(flatten)]
    out: OutArgs,
}

/// A model to ask: its flags and the file of its direction.
struct TransferModel<'a> {
    args: ModelArgs,
    file: &'a Path,
}

impl Transfer {
    pub fn run(mut self) -> anyhow::Result<()> {
        self.out.check()?;
        if dry::on() {
            self.params.rehearse();
        }
        if !self.board.is_empty() {
            return self.kept();
        }
        let groups = self.groups()?;
        for group in &groups {
            target::reads_model(&group.args.model)?;
            load(group.file)?;
        }
        let (Some(probes), Some(sequences)) = (&self.probes, &self.sequences) else {
            return Err(wrong_hint(
                "no probes or no sequences",
                "name them with --probes F and --sequences F",
            ));
        };
        let probes = self.copies.texts().distinct_prompts(probes)?;
        let sequences = self.copies.texts().sequences(sequences)?;
        let labels = SequenceGroups::new(&sequences.loaded.rows, &self.params)?.labels;
        let seeds = Seeds::new(self.seed);
        let mut boards: Vec<OwnBoard> = Vec::with_capacity(groups.len());
        let mut infos = Vec::with_capacity(groups.len());
        let mut found = None;
        for (i, TransferModel { args, file }) in groups.iter().enumerate() {
            let session = Session::open(args)?;
            let info = session.runner().info().clone();
            let (direction, site) = load_for(file, &info)?;
            self.copies.texts().say_fitted_on(&direction, "probes", &probes.loaded.sha256);
            self.copies.texts().say_fitted_on(&direction, "sequences", &sequences.loaded.sha256);
            let vector = direction.vector().mapv(f64::from);
            let taken = boards.iter().any(|b| b.model == info.name);
            let name = if taken { format!("{} ({})", info.name, file.display()) } else { info.name.clone() };
            let bar = Bar::new(&format!("scoring on {name}"), 0, "tokens", self.common.quiet);
            let scored =
                ScanData { probes: &probes.named, sequences: &sequences.all, direction: vector.view() };
            infos.push(info);
            if i + 1 < groups.len() {
                boards.push(own_board(&session.reader(), &name, &scored, site, &self.join, &bar)?);
                continue;
            }
            let data = TransferData {
                name: &name,
                site,
                scored,
                join: &self.join,
                before: &boards,
                after: &[],
                rows: &sequences.loaded.rows,
            };
            let asked = AnalysisContext { reader: session.reader(), seeds: &seeds, watch: &bar };
            found = Some(transfer::Transfer::run(&data, &self.params, &asked)?);
        }
        let found = found.context("no models to compare")?;
        let mut record =
            ResultRecord::new(transfer::Transfer::NAME, self.seed, found).params(&self.params)?;
        for (info, TransferModel { file, .. }) in infos.iter().zip(&groups) {
            let sha256 = truenorth::files::sha256_hex(&std::fs::read(chosen(file).0)?);
            record = record.model(info).file(format!("direction {}", file.display()), 1, &sha256);
        }
        let record = record
            .file("probes", probes.named.len(), &probes.loaded.sha256)
            .file("sequences", sequences.all.len(), &sequences.loaded.sha256)
            .choice("join", self.join.as_str())
            .choice("label", labels.keys().cloned().collect::<Vec<_>>())
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value([&probes.copies, &sequences.copies])?);
        verb::leave::<transfer::Transfer>(&record, &self.out)
    }

    /// Compares boards that were kept.
    fn kept(&self) -> anyhow::Result<()> {
        let paths: Vec<PathBuf> = self.board.iter().map(|spec| saved::named(spec).1).collect();
        for (i, path) in paths.iter().enumerate() {
            if let Some(other) = paths[..i].iter().find(|p| target::same(p, path) || same_text(p, path)) {
                return Err(wrong_hint(
                    if target::same(other, path) {
                        format!("--board {} is there twice, as two boards", path.display())
                    } else {
                        format!("--board {} and {} hold the same", other.display(), path.display())
                    },
                    "give the board of each model once; --score NAME,.. takes several columns of one file as boards",
                ));
            }
        }
        let (boards, files) = saved::boards(&self.board, &self.score)?;
        if boards.len() < 2 {
            return Err(wrong_hint(
                format!("only the board `{}`; transfer compares two or more", boards[0].name),
                "name another --board, or a file with one score per model",
            ));
        }
        let mut aligned = saved::aligned(&boards, &self.copies)?;
        // Who sent a sequence and when groups by default no more than a number does.
        let asked = |field: &String| {
            let p = &self.params;
            p.label.contains(field) || p.kind.as_ref() == Some(field) || p.cluster.as_ref() == Some(field)
        };
        for row in &mut aligned.rows {
            row.extra.retain(|field, _| !BESIDE.contains(&field.as_str()) || asked(field));
        }
        let of = |b: SavedBoard| OwnBoard { model: b.name, site: b.site, board: b.rows };
        let labels = SequenceGroups::new(&aligned.rows, &self.params)?.labels;
        let boards: Vec<OwnBoard> = aligned.boards.into_iter().map(of).collect();
        let found = transfer::Transfer::of(boards, &aligned.rows, &self.params, &Seeds::new(self.seed))?;
        let mut record = ResultRecord::new(transfer::Transfer::NAME, self.seed, found)
            .params(&self.params)?
            .choice("score", self.score.clone())
            .choice("label", labels.keys().cloned().collect::<Vec<_>>())
            .choice("left out", aligned.left_out)
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value(&aligned.copies)?);
        for (role, rows, sha256) in files {
            record = record.file(role, rows, &sha256);
        }
        verb::leave::<transfer::Transfer>(&record, &self.out)
    }

    fn groups(&self) -> anyhow::Result<Vec<TransferModel<'_>>> {
        let n = self.models.len();
        if self.directions.len() != n {
            return Err(wrong_hint(
                format!("{n} models and {} directions", self.directions.len()),
                "give each --model its --direction",
            ));
        }
        if n < 2 {
            return Err(wrong_hint(
                format!("only `{}`; transfer compares two or more models", self.models[0]),
                "name another --model with its --direction",
            ));
        }
        if self.on.len() > 1 && self.on.len() != n {
            return Err(wrong_hint(
                format!("{n} models and {} places to run", self.on.len()),
                "give --on once for all models, or once for each",
            ));
        }
        if !self.config.is_empty() && self.config.len() != n {
            return Err(wrong_hint(
                format!("{n} models and {} --config", self.config.len()),
                "give --config for each model, or for none",
            ));
        }
        let args = |i: usize| ModelArgs {
            model: self.models[i].clone(),
            place: PlaceArgs {
                on: self.on.get(i).or(self.on.first()).cloned().unwrap_or(On::Local),
                service: ServiceArgs {
                    host: self.host.clone(),
                    api_key_file: self.api_key_file.clone(),
                    config: self.config.get(i).cloned(),
                    reply_dtype: self.reply_dtype,
                    jobs_at_once: self.jobs_at_once,
                    no_deploy: self.no_deploy,
                    fallback: None,
                },
            },
            seed: self.seed,
            speech: self.speech.clone(),
            common: self.common.clone(),
            numerics: self.numerics.clone(),
        };
        let files = self.directions.iter().enumerate();
        Ok(files.map(|(i, file)| TransferModel { args: args(i), file: file.as_path() }).collect())
    }
}
