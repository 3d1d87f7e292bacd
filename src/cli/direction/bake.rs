//! `direction bake`.

use std::path::PathBuf;

use clap::Args;
use truenorth::artifact::{Direction, Directions};
use truenorth::engine::bake::{BakeError, Change, bake_as};
use truenorth::models::{Files, Resolved};
use truenorth_protocol::Site;

use super::super::args::{Common, ReadingArgs};
use super::super::output::{self, RequestContext as _, wrong_hint};
use super::super::pushes::UnitArg;
use super::super::{dry, session, target};
use super::{load_all, not_in_place_of, warn_of_model};

/// Writes a model folder with a direction ablated from its weights, or added to them.
///
/// --ablate takes it out of everything that writes to the residual stream, as `steer --at everywhere --ablate` does while
/// the model runs; --alpha adds it at every token to what its sites write, as `steer --alpha` does: to the embedding, to
/// what attention or MLPs write, or to the stream that leaves blocks. One of the two is named. Shards stay shards, each
/// tensor keeps its type, and README.md says what was changed. What comes out computes what the edit computes, within the
/// rounding of that type.
///
/// What no weights can do is refused: in Gemma 2 and 3 and OLMo 2 and 3, which norm what attention and MLP write, a
/// direction is ablated where it is one channel alone, and added at embed alone; elsewhere it is added at blocks where the
/// MLP has biases or may have them (Llama, GPT-2, GPT-NeoX), and at attn_out where the output projection of attention has one
/// (GPT-2, GPT-NeoX, Llama with attention_bias). `truenorth direction audit` holds what was written against
/// its origin.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth direction bake refusal.safetensors --model ./qwen2.5-0.5b --ablate \
    --out ./qwen2.5-0.5b-ablated\n  truenorth direction bake kind.safetensors --model ./pythia-160m --alpha 0.1 \
    --out ./pythia-160m-kind",
    group(clap::ArgGroup::new("change").required(true).args(["ablate", "alpha"])),
    // Nothing is asked of a model, so that there is nothing a dry run could tell.
    mut_arg("dry_run", |a| a.hide(true))
)]
pub struct Bake {
    /// The direction. To ablate it has one vector: of one site, or shared by several.
    #[arg(value_name = "F.safetensors")]
    direction: PathBuf,
    /// The model: a folder with config.json and safetensors, or hf:org/name[@revision].
    #[arg(long, value_name = "M")]
    model: String,
    /// Ablates the direction from all that writes to the residual stream.
    #[arg(long)]
    ablate: bool,
    /// Adds so much of the direction.
    #[arg(long, value_name = "A", allow_hyphen_values = true)]
    alpha: Option<f64>,
    /// What α is measured in.
    #[arg(long, value_enum, default_value_t = UnitArg::Norm)]
    alpha_unit: UnitArg,
    /// The folder to write; it is empty or not there yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    common: Common,
}

impl Bake {
    pub fn run(self) -> anyhow::Result<()> {
        target::writes_in(&self.out, &[])?;
        let directions = load_all(&self.direction)?;
        let (from, model) = self.folder()?;
        for direction in directions.members() {
            not_in_place_of(&self.direction, direction, (&model.name, &model.identity))?;
        }
        let (change, mut about) = match self.alpha {
            None => self.ablation(&directions)?,
            Some(alpha) => self.addition(&directions, alpha)?,
        };
        for key in &self.reading.accept_config_key {
            about.push_str(&format!(" The config's key `{key}` was taken to change nothing."));
        }
        let done = bake_as(&from, &self.out, &change, &about, &self.reading.choices());
        let baked = match done {
            Ok(baked) => baked,
            Err(BakeError::Model(error)) => {
                return Err(*error).request(format!("can't open the model {}", self.model));
            }
            Err(error @ (BakeError::Io { .. } | BakeError::Damaged { .. })) => return Err(error.into()),
            Err(error) => {
                let hint =
                    error.hint().unwrap_or_else(|| "name another model or another direction".to_owned());
                return Err(wrong_hint(error.to_string(), hint));
            }
        };
        warn_of_model(&self.direction, &directions, (&model.name, &model.identity));
        if output::wants_json() {
            return output::json(&baked);
        }
        eprintln!(
            "{} tensors changed and {} added in {} files -> {}",
            baked.changed.len(),
            baked.added.len(),
            baked.files.len(),
            self.out.display()
        );
        Ok(())
    }

    /// The folder of the model's files, fetched where it must be, and what the model is.
    fn folder(&self) -> anyhow::Result<(PathBuf, Resolved)> {
        dry::refuse("a model whose weights are changed")?;
        let resolved = session::resolve(&self.model, &self.common)?;
        match &resolved.files {
            Files::Folder(folder) if resolved.random_init_seed.is_none() => Ok((folder.clone(), resolved)),
            Files::Folder(_) => Err(wrong_hint(
                format!("{} has no weights that could be changed", self.model),
                "name a model that is trained",
            )),
            Files::Gguf(file) => Err(wrong_hint(
                format!(
                    "{} is the GGUF file {}, and weights are changed in safetensors",
                    self.model,
                    file.display()
                ),
                "name the model's folder with config.json and safetensors, or hf:org/name; an edit of a GGUF file while it \
                 runs: truenorth steer",
            )),
        }
    }

    fn ablation(&self, directions: &Directions) -> anyhow::Result<(Change, String)> {
        let one = match directions.shared() {
            Some(_) => directions.members().first(),
            None => Some(directions.one().request(format!("can't ablate {}", self.direction.display()))?),
        };
        let Some(one) = one else { anyhow::bail!("{} is empty", self.direction.display()) };
        let about = format!(
            "The direction {} was ablated from the embedding and from everything that attention and MLP write, with \
             truenorth {}: W ← (I − d dᵀ) W. A positive projection means: {}.",
            self.named(directions),
            env!("CARGO_PKG_VERSION"),
            one.metadata().sign
        );
        Ok((Change::Ablate(one.to_f64().to_vec()), about))
    }

    fn addition(&self, directions: &Directions, alpha: f64) -> anyhow::Result<(Change, String)> {
        if !alpha.is_finite() || alpha == 0.0 {
            return Err(wrong_hint(
                format!("--alpha {alpha} adds nothing that a weight can hold"),
                "give a finite number that is not 0",
            ));
        }
        let mut added = Vec::new();
        for d in directions.members() {
            let metadata = d.metadata();
            let norm = match self.alpha_unit {
                UnitArg::Absolute => Some(1.0),
                UnitArg::Norm => metadata.residual_norm,
                UnitArg::Raw => metadata.extra.get("imported_norm").and_then(|n| n.parse().ok()),
            };
            let norm = norm.ok_or_else(|| {
                wrong_hint(
                    format!(
                        "{} does not say what α is a multiple of at {}",
                        self.direction.display(),
                        metadata.site
                    ),
                    "give α in --alpha-unit absolute",
                )
            })?;
            added.push((metadata.site, d.to_f64().mapv(|v| v * alpha * norm).to_vec()));
        }
        let places: Vec<String> = directions.sites().iter().map(Site::to_string).collect();
        let first = directions.members().first();
        let about = format!(
            "α = {alpha} ({}) times the direction {} was added at {} at every token (to the embedding, or as a bias of the MLP or of \
             attention's output projection), with truenorth {}. A positive projection means: {}.",
            self.alpha_unit.name(),
            self.named(directions),
            places.join(", "),
            env!("CARGO_PKG_VERSION"),
            first.map_or("", |d| &d.metadata().sign)
        );
        Ok((Change::Add(added), about))
    }

    /// The direction as a card names it: its file, every site, model and data.
    fn named(&self, directions: &Directions) -> String {
        let places = directions.sites().iter().map(Site::to_string).collect::<Vec<_>>().join(", ");
        let shared = if directions.shared().is_some() { "one vector for " } else { "" };
        let Some(metadata) = directions.members().first().map(Direction::metadata) else { return places };
        let stem = self.direction.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let of = metadata.model.as_ref().map_or_else(String::new, |m| format!(" of {m}"));
        format!("`{stem}` ({shared}{places}{of}, data {})", metadata.data_sha256)
    }
}
