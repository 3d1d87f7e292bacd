//! `direction`: extract, show, compare, import, export.

mod exchange;
mod extract;
mod show;

use std::path::Path;

use clap::Subcommand;
use truenorth::analyses::LeftOut;
use truenorth::analyses::extract::Question;
use truenorth::artifact::{Direction as Artifact, DirectionError, Format, HeldOutRecord, Metadata};
use truenorth::estimate::{CheckedEstimator, Estimator, Extraction, HeldOut, UnknownEstimator};
use truenorth_protocol::{ModelInfo, ReadAt, Site};

use super::fallback;
use super::output::{Request as _, wrong, wrong_hint};
use super::target;

/// Extracts, shows, compares, imports and exports directions.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  truenorth direction extract --model smollm2-135m --site resid_post.20 \
    --pairs pairs.jsonl --out values.safetensors")]
pub enum Direction {
    /// Estimates a direction from contrastive pairs or from two classes of texts.
    Extract(Box<extract::Extract>),
    /// Says what a direction file holds.
    Show(show::Show),
    /// Cosines between directions.
    Compare(show::Compare),
    /// Reads a direction of another program: npz, npy, pt, safetensors, GGUF control vector.
    Import(exchange::Import),
    /// Writes a direction for another program: npz, npy, GGUF control vector.
    Export(exchange::Export),
}

impl Direction {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Extract(v) => v.run(),
            Self::Show(v) => v.run(),
            Self::Compare(v) => v.run(),
            Self::Import(v) => v.run(),
            Self::Export(v) => v.run(),
        }
    }
}

/// Reads a direction for use on a model, with its site. Another width is refused; another model
/// of the same width is allowed, as transfer needs it, but said.
pub fn load_for(path: &Path, info: &ModelInfo) -> anyhow::Result<(Artifact, Site)> {
    let direction = load(path)?;
    direction.check_width(info.hidden as usize).request(format!(
        "{} does not fit {}",
        path.display(),
        info.name
    ))?;
    if let Err(DirectionError::Model { direction: found_on, asked }) = direction.check_model(&info.name) {
        if direction.metadata().extra.contains_key("fallback") {
            return Err(wrong_hint(
                format!(
                    "{} was found on {found_on} in place of another model (--fallback), not on {asked}: two models' \
                     numbers would stand side by side",
                    path.display()
                ),
                "extract it on the model that it is used on; to carry a direction over, extract it without --fallback",
            ));
        }
        eprintln!("warning: {} was found on {found_on}, not on {asked}", path.display());
    }
    let site = direction.metadata().site;
    if let Some(layer) = site.layer().filter(|l| *l >= info.layers) {
        return Err(wrong_hint(
            format!(
                "{} lives at {site}; {} has {} blocks, no block {layer}",
                path.display(),
                info.name,
                info.layers
            ),
            "use the model it was extracted from",
        ));
    }
    Ok((direction, site))
}

/// Reads a direction.
pub fn load(path: &Path) -> anyhow::Result<Artifact> {
    target::reads(path)?;
    if let Ok(format) = Format::of(path)
        && format != Format::Safetensors
        && path.is_file()
    {
        return Err(wrong_hint(
            format!(
                "{} is a .{} file, and a direction is used from safetensors",
                path.display(),
                format.name()
            ),
            format!(
                "import it first: truenorth direction import {} --site S --sign TEXT --out F.safetensors",
                path.display()
            ),
        ));
    }
    Artifact::load(path).request(format!("can't use {} as a direction", path.display()))
}

/// An estimator by its name, with its usual hyperparameters.
pub fn estimator(name: &str) -> anyhow::Result<CheckedEstimator> {
    let estimator: Estimator = name.parse().map_err(|e: UnknownEstimator| wrong(e.to_string()))?;
    Ok(estimator.check()?)
}

/// Label flips that a study can afford by default: logistic regression chooses its penalty anew in
/// every fold of every flip, some hundred times the work of the others.
pub fn default_permutations(estimator: &Estimator) -> usize {
    match estimator {
        Estimator::Logistic(_) => 39,
        Estimator::MeanDiff | Estimator::Lda { .. } | Estimator::Pca => 200,
    }
}

/// What a direction was estimated with, beside the extraction itself.
pub struct Made<'a> {
    pub question: &'a Question,
    pub info: &'a ModelInfo,
    pub site: Site,
    pub positions: ReadAt,
    /// What means over tokens left out at the site.
    pub left_out: Vec<LeftOut>,
    pub template: Option<&'a str>,
    /// The mean residual norm at the site, and what it was measured on.
    pub residual_norm: (f64, &'static str),
    pub held_out: &'a [&'a HeldOut],
}

/// The artifact of an extraction.
pub fn artifact(
    extraction: &Extraction,
    estimator: &CheckedEstimator,
    made: &Made<'_>,
) -> Result<Artifact, DirectionError> {
    let question = made.question;
    let mut metadata =
        Metadata::new(question.operation, made.site, &question.positive_end, &question.data_sha256);
    metadata.estimator = Some(estimator.params().clone());
    metadata.model = Some(made.info.name.clone());
    metadata.revision = Some(made.info.revision.clone());
    metadata.path = Some(made.info.path.clone());
    metadata.residual_norm = Some(made.residual_norm.0);
    metadata.extra.insert("residual_norm_of".into(), made.residual_norm.1.into());
    let copies = &question.copies;
    metadata.extra.insert("near_copies".into(), copies.threshold.to_string());
    if copies.exact > 0 || copies.clusters < question.examples() {
        let copies = serde_json::to_string(copies).unwrap_or_default();
        metadata.extra.insert("copies".into(), copies);
    }
    metadata.extra.extend(fallback::text().map(|text| ("fallback".into(), text)));
    metadata.template = made.template.map(str::to_owned);
    metadata.positions = Some(made.positions.to_string());
    if let Some(left_out) = made.left_out.iter().find(|l| l.site == made.site) {
        metadata.extra.insert("left_out".into(), left_out.to_string());
    }
    metadata.projected_out.clone_from(&extraction.projected_out);
    metadata.n = Some(question.examples());
    metadata.held_out = made.held_out.iter().map(|h| HeldOutRecord::from(*h)).collect();
    Artifact::new(extraction.fit.direction.view(), metadata)
}
