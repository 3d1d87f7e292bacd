//! `transfer`: whether what directions say of sequences holds from model to model.

use std::path::PathBuf;

use clap::Args;
use truenorth::analyses::board::ScanData;
use truenorth::analyses::transfer::{self, OwnBoard, TransferParams, Transferred};
use truenorth::math::Seeds;

use super::args::{Common, ModelArgs, Numerics, On, Place, Precision, Service};
use super::direction::{load, load_for};
use super::labels::{label, labels};
use super::output::{self, wrong_hint};
use super::progress::Bar;
use super::record::{Out, Record};
use super::session::Session;
use super::target;
use super::texts::{self, CopiesArgs};

/// Compares what directions say of the same sequences on two or more models.
///
/// Each model has a direction of its own and scores the same sequences before the same probes. One
/// model at a time is in memory. Signs that agree are held against what each model's lean gives by
/// itself; ranks by Spearman's correlation.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth transfer --model smollm2-135m --direction small.safetensors \
    --model gemma3-270m --direction gemma.safetensors --probes probes.txt --sequences sequences.jsonl \
    --out transfer.json --report transfer/")]
pub struct Transfer {
    /// A model, in any form that --model takes elsewhere; repeatable, each with its --direction.
    #[arg(long = "model", value_name = "M", required = true)]
    models: Vec<String>,
    /// The direction of a model, in the order of the models.
    #[arg(long = "direction", value_name = "F.safetensors", required = true)]
    directions: Vec<PathBuf>,
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
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    reply_dtype: Precision,
    /// How many jobs may wait or run at once.
    #[arg(long, value_name = "N", default_value_t = 4)]
    jobs_at_once: usize,
    /// Refuses a model that is not up on NDIF; else its queue is asked to bring it up.
    #[arg(long)]
    no_deploy: bool,
    /// Neutral probes, a text a line, or JSONL, a JSON list or CSV with `id` and `text`.
    #[arg(long, value_name = "F")]
    probes: PathBuf,
    /// Sequences, a text a line, or JSONL, a JSON list or CSV with `id`, `text` and labels such as `kind`.
    #[arg(long, value_name = "F")]
    sequences: PathBuf,
    /// What stands between sequence and probe.
    #[arg(long, value_name = "STR", default_value = " ")]
    join: String,
    /// Labels of the sequences to group by; repeatable. Default: all that group.
    #[arg(long, value_name = "FIELD")]
    label: Vec<String>,
    /// The label that is crossed with transfer, such as the kind of token.
    #[arg(long, value_name = "FIELD")]
    kind: Option<String>,
    /// The label by which sequences are resampled together; default each by itself.
    #[arg(long, value_name = "FIELD")]
    cluster: Option<String>,
    /// Sequences at each end of a board; default a tenth, at least three.
    #[arg(long, value_name = "N")]
    ends: Option<usize>,
    /// Shuffles behind p values that are not exact.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    permutations: usize,
    /// Seeds whatever is random.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: Numerics,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    out: Out,
}

impl Transfer {
    pub fn run(self) -> anyhow::Result<()> {
        self.out.check()?;
        let each = self.groups()?;
        for (model, direction) in self.models.iter().zip(&self.directions) {
            target::reads_model(model)?;
            load(direction)?;
        }
        let probes = texts::distinct_prompts(&self.probes, self.copies.near_copies)?;
        let sequences = texts::sequences(&self.sequences, self.copies.near_copies)?;
        let params = self.params(&sequences.loaded.rows)?;
        let mut boards: Vec<OwnBoard> = Vec::with_capacity(each.len());
        let mut infos = Vec::with_capacity(each.len());
        for (args, file) in each.iter().zip(&self.directions) {
            let session = Session::open(args)?;
            let info = session.runner().info().clone();
            let (direction, site) = load_for(file, &info)?;
            for (role, loaded) in [("probes", &probes.loaded.sha256), ("sequences", &sequences.loaded.sha256)]
            {
                texts::say_fitted_on(&direction, role, loaded);
            }
            let vector = direction.vector().mapv(f64::from);
            let taken = |name: &str| boards.iter().any(|b| b.model == name);
            let name = match taken(&info.name) {
                false => info.name.clone(),
                true => format!("{} ({})", info.name, file.display()),
            };
            let bar = Bar::new(&format!("scoring on {name}"), 0, "tokens", self.common.quiet);
            let data =
                ScanData { probes: &probes.named, sequences: &sequences.all, direction: vector.view() };
            boards.push(transfer::own_board(&session.reader(), &name, &data, site, &self.join, &bar)?);
            infos.push(info);
        }
        let found = transfer::compare(boards, &params, &Seeds::new(self.seed))?;
        table(&found);
        let mut record = Record::new("transfer", self.seed, found)
            .file("probes", probes.named.len(), &probes.loaded.sha256)
            .file("sequences", sequences.all.len(), &sequences.loaded.sha256)
            .choice("join", self.join.as_str())
            .choice("label", params.labels.keys().cloned().collect::<Vec<_>>())
            .choice("kind", self.kind.clone())
            .choice("cluster", self.cluster.clone())
            .choice("permutations", self.permutations)
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value([&probes.copies, &sequences.copies])?);
        for (info, file) in infos.iter().zip(&self.directions) {
            record = record.model(info);
            let bytes = std::fs::read(file)?;
            record = record.file(
                format!("direction {}", file.display()),
                1,
                &truenorth::files::sha256_hex(&bytes),
            );
        }
        self.out.write(&record, "Transfer between models", |t| {
            (transfer::page::findings(t), vec![transfer::page::section(t)])
        })
    }

    /// The flags of each model.
    fn groups(&self) -> anyhow::Result<Vec<ModelArgs>> {
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
        Ok((0..n)
            .map(|i| ModelArgs {
                model: self.models[i].clone(),
                place: Place {
                    on: self.on.get(i).or(self.on.first()).cloned().unwrap_or(On::Local),
                    service: Service {
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
                common: self.common.clone(),
                numerics: self.numerics.clone(),
            })
            .collect())
    }

    fn params(&self, rows: &[truenorth::data::SequenceRow]) -> anyhow::Result<TransferParams> {
        let wanted: Vec<String> = match (&self.kind, self.label.is_empty()) {
            (Some(kind), false) if !self.label.contains(kind) => {
                self.label.iter().cloned().chain([kind.clone()]).collect()
            }
            _ => self.label.clone(),
        };
        let mut labels = labels(rows, &wanted)?;
        if let Some(kind) = &self.kind
            && !labels.contains_key(kind)
        {
            labels.extend(super::labels::labels(rows, std::slice::from_ref(kind))?);
        }
        let clusters = match &self.cluster {
            None => None,
            Some(field) => {
                let of = label(rows, field);
                let missing = of.iter().position(Option::is_none);
                if let Some(i) = missing {
                    return Err(wrong_hint(
                        format!("sequence `{}` has no `{field}`", rows[i].id),
                        "every sequence needs the label that it is resampled by",
                    ));
                }
                Some(of.into_iter().flatten().collect())
            }
        };
        Ok(TransferParams {
            ends: self.ends,
            labels,
            kind: self.kind.clone(),
            clusters,
            permutations: self.permutations,
        })
    }
}

fn table(found: &Transferred) {
    let head = ["models", "group", "n", "agree", "95 %", "expected", "p", "stands"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for pair in &found.transfer.pairs {
        for (g, stands) in pair.agreement.iter().zip(&pair.stands) {
            let null = g.rate.null.as_ref();
            rows.push(vec![
                format!("{}, {}", pair.first, pair.second),
                g.group.clone(),
                g.n.to_string(),
                format!("{:.2}", g.rate.value),
                g.rate.interval.map_or_else(|| "-".into(), |i| format!("{:.2} to {:.2}", i.low, i.high)),
                null.map_or_else(|| "-".into(), |n| format!("{:.2}", n.expected)),
                null.map_or_else(|| "-".into(), |n| format!("{:.4}", n.p)),
                if *stands { "yes" } else { "no" }.into(),
            ]);
        }
    }
    output::table(&rows);
    for pair in &found.transfer.pairs {
        let ci =
            pair.spearman.interval.map_or_else(String::new, |i| format!(" [{:.2}, {:.2}]", i.low, i.high));
        let p = pair.spearman.null.as_ref().map_or_else(String::new, |n| format!(", p = {:.4}", n.p));
        eprintln!(
            "{} and {}: Spearman's ρ {:.2}{ci}{p} over {} sequences",
            pair.first, pair.second, pair.spearman.value, pair.spearman.n
        );
    }
}
