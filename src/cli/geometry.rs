//! `geometry`: how directions lie to each other, across categories and over training.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use truenorth::analyses::geometry::{self, DirectionAt, Found, GeometryData, Params, Texts};
use truenorth::analyses::{Analysis as _, Labelled, Parameters as _};
use truenorth::artifact::Direction as Artifact;
use truenorth::math::Seeds;
use truenorth_protocol::Site;

use super::args::{Common, ModelArgs, Numerics, Place, SpeechArgs};
use super::desk::Opens;
use super::direction::load;
use super::fallback::{self, Fallen};
use super::output::{Request as _, wrong_hint};
use super::record::{Out, Record};
use super::texts::CopiesArgs;
use super::{dry, made, verb};
use truenorth::inputs::checkpoints::Opened;

/// Cosines of directions across categories and checkpoints, with magnitudes, drift and probes.
///
/// With --classes the directions of every category are fitted here, at one checkpoint or at several, and
/// have intervals; each category stands against the general direction and against all others. With
/// --direction they are files, in training order; each names its category (metadata `category`, else its
/// sign) and its checkpoint (its model's revision).
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth geometry --checkpoint smollm2-135m --classes train.jsonl \
    --positive harmful --site resid_post.15 --out geometry.json --report geometry\n  truenorth geometry \
    --direction step-1.safetensors step-2.safetensors step-3.safetensors --out geometry.json")]
pub struct Geometry {
    /// Direction files in training order.
    #[arg(
        long,
        value_name = "F.safetensors",
        num_args = 1..,
        required_unless_present = "checkpoint",
        conflicts_with_all = ["checkpoint", "classes"]
    )]
    direction: Vec<PathBuf>,
    /// Checkpoints in training order, in any form of a model; one is enough for the categories.
    #[arg(long, value_name = "M[@REV]", num_args = 1.., alias = "model", requires = "classes")]
    checkpoint: Vec<String>,
    /// Texts of two classes: JSONL, a JSON list or CSV with `id`, `text`, `label`, `category`, `group`.
    #[arg(long, value_name = "F.jsonl", requires = "site")]
    classes: Option<PathBuf>,
    /// The label of the positive class, unless the labels are 0 and 1.
    #[arg(long, value_name = "LABEL", requires = "classes")]
    positive: Option<String>,
    /// Where the texts are read.
    #[arg(long, value_name = "S", requires = "classes")]
    site: Option<Site>,
    #[command(flatten)]
    params: Params,
    /// Seeds splits and shuffles.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    speech: SpeechArgs,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: Numerics,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    out: Out,
}

impl Geometry {
    pub fn run(mut self) -> anyhow::Result<()> {
        self.out.check()?;
        if dry::on() {
            self.params.rehearse();
        }
        let record = match &self.classes {
            Some(path) => self.texts(path)?,
            None => self.files()?,
        };
        let record = record
            .choice("directions", self.direction.len())
            .choice("checkpoints", serde_json::to_value(&self.checkpoint)?);
        verb::leave::<geometry::Geometry>(&record, &self.out)
    }

    fn texts(&self, path: &Path) -> anyhow::Result<Record<Found>> {
        let Some(site) = self.site else {
            return Err(wrong_hint("the texts need a place to be read", "name it with --site"));
        };
        self.params.check()?;
        let rows = self.copies.texts().classes(path)?;
        let all = Labelled::new(&rows, self.positive.as_deref())
            .request(format!("can't use {}", path.display()))?;
        let args = ModelArgs {
            model: String::new(),
            place: self.place.clone(),
            seed: self.seed,
            speech: self.speech.clone(),
            common: self.common.clone(),
            numerics: self.numerics.clone(),
        };
        fallback::check_alone(args.place.service.fallback.as_ref(), self.checkpoint.len())?;
        let host = Opens(&args);
        let open = Opened::new(&self.checkpoint, &host, &all.prompts, (site, self.params.at()));
        let (texts, seeds) = (Texts::from(&all), Seeds::new(self.seed));
        let found = geometry::Geometry::of(&GeometryData::Texts(&texts, &open), &self.params, &seeds);
        let (found, models) = open
            .finish(found)
            .with_context(|| format!("can't compare the directions of {}", path.display()))?;
        let mut record = Record::new(geometry::Geometry::NAME, self.seed, found)
            .params(&self.params)?
            .file("classes", all.len(), &all.data_sha256)
            .choice("site", site.to_string())
            .choice("positive", all.positive_end.as_str())
            .choice("estimator", self.params.estimator().name())
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value(&all.copies)?);
        record.models = models;
        Ok(record)
    }

    fn files(&self) -> anyhow::Result<Record<Found>> {
        let files: Vec<Artifact> = self.direction.iter().map(|p| load(p)).collect::<anyhow::Result<_>>()?;
        let fallen = |file: &Artifact| {
            let text = file.metadata().extra.get("fallback")?;
            serde_json::from_str::<Fallen>(text).ok()
        };
        let marks: Vec<Option<Fallen>> = files.iter().map(fallen).collect();
        let ran = |mark: &Option<Fallen>| mark.as_ref().map(|f| f.model.clone());
        if let Some(i) = marks.iter().position(|m| ran(m) != ran(&marks[0])) {
            let i = if marks[i].is_some() { i } else { 0 };
            return Err(made::mixed(&self.direction[i], marks[i].as_ref(), None, "the models of the others"));
        }
        let Some(site) = files.first().map(|f| f.metadata().site) else {
            return Err(wrong_hint("no direction", "name files with --direction"));
        };
        for (path, file) in self.direction.iter().zip(&files) {
            file.check_site(site).request(format!(
                "{} does not live where {} does",
                path.display(),
                self.direction[0].display()
            ))?;
            file.check_width(files[0].width()).request(format!(
                "{} is not as wide as {}",
                path.display(),
                self.direction[0].display()
            ))?;
        }
        let named = self.named(&files);
        let seeds = Seeds::new(self.seed);
        let found = geometry::Geometry::of(&GeometryData::Directions(&named), &self.params, &seeds)?;
        // Nothing else was chosen: no text is read and nothing is estimated.
        let mut record = Record::new(geometry::Geometry::NAME, self.seed, found)
            .choice("permutations", self.params.permutations);
        for (path, file) in self.direction.iter().zip(&files) {
            let n = file.metadata().n.unwrap_or(0);
            record = record.file(format!("data of {}", path.display()), n, &file.metadata().data_sha256);
        }
        Ok(record.choice("site", site.to_string()))
    }

    /// Each file's category and checkpoint; files that their metadata can't tell apart go by their names.
    fn named(&self, files: &[Artifact]) -> Vec<DirectionAt> {
        let of = |file: &Artifact, path: &PathBuf, plain: bool| {
            let m = file.metadata();
            let stem = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
            DirectionAt {
                category: m.extra.get("category").unwrap_or(&m.sign).clone(),
                checkpoint: m.revision.clone().or_else(|| m.model.clone()).filter(|_| !plain).unwrap_or(stem),
                vector: file.to_f64(),
            }
        };
        let all = |plain: bool| -> Vec<DirectionAt> {
            files.iter().zip(&self.direction).map(|(f, p)| of(f, p, plain)).collect()
        };
        let found = all(false);
        let mut seen = std::collections::HashSet::new();
        if found.iter().all(|d| seen.insert((&d.category, &d.checkpoint))) { found } else { all(true) }
    }
}
