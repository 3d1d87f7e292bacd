//! `geometry`: how directions lie to each other, across categories and over training.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use truenorth::analyses::Labelled;
use truenorth::analyses::geometry::{
    self, DirectionAt, DirectionGeometry, Geometry as Found, GeometryParams, Texts,
};
use truenorth::artifact::Direction as Artifact;
use truenorth::estimate::Estimator;
use truenorth::math::Seeds;
use truenorth_protocol::{ReadAt, Site};

use super::args::{Common, ModelArgs, Numerics, Place};
use super::checkpoints::Checkpoints;
use super::direction::{estimator, load};
use super::fallback::{self, Fallen};
use super::made;
use super::output::{self, Request as _, wrong_hint};
use super::record::{Out, Record};
use super::texts::{self, CopiesArgs};

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
    /// Which tokens are read: last, mean (attention sinks left out), mean+sink (all tokens), or an index
    /// such as -3.
    #[arg(long, value_name = "P", default_value = "last", allow_hyphen_values = true)]
    positions: ReadAt,
    /// mean-diff, logistic or lda.
    #[arg(long, value_name = "E", default_value = "mean-diff")]
    estimator: String,
    /// Folds of whole groups.
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,
    /// Shuffles behind each change-point test.
    #[arg(long, value_name = "N", default_value_t = 1999)]
    permutations: usize,
    /// Leaves out the probes of every checkpoint on every other, for which each is opened twice.
    #[arg(long)]
    no_probing: bool,
    /// Seeds splits and shuffles.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: Numerics,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    out: Out,
}

/// What a result is of.
#[derive(Serialize)]
#[serde(untagged)]
enum Result {
    Texts(Box<Found>),
    Files(Box<DirectionGeometry>),
}

impl Geometry {
    pub fn run(self) -> anyhow::Result<()> {
        self.out.check()?;
        let record = match &self.classes {
            Some(path) => self.texts(path)?,
            None => self.files()?,
        };
        let record = record
            .choice("permutations", self.permutations)
            .choice("directions", self.direction.len())
            .choice("checkpoints", serde_json::to_value(&self.checkpoint)?);
        self.out.write(&record, "How do the directions lie to each other?", |found| match found {
            Result::Texts(g) => (geometry::page::findings(g), vec![geometry::page::section(g)]),
            Result::Files(g) => (vec![], vec![geometry::page::of_directions(g)]),
        })
    }

    fn texts(&self, path: &std::path::Path) -> anyhow::Result<Record<Result>> {
        let Some(site) = self.site else {
            return Err(wrong_hint("the texts need a place to be read", "name it with --site"));
        };
        let rows = texts::classes(path, self.copies.near_copies)?;
        let all = Labelled::new(&rows, self.positive.as_deref())
            .request(format!("can't use {}", path.display()))?;
        if self.positions == ReadAt::All {
            return Err(wrong_hint(
                "positions `all` give a row a token, a direction needs a row a text",
                "use last, mean, mean+sink or an index",
            ));
        }
        let texts = Texts {
            positive: all.positive.clone(),
            categories: all.categories.clone(),
            groups: all.groups.clone(),
        };
        let chosen = estimator(&self.estimator)?;
        if *chosen.params() == Estimator::Pca {
            return Err(wrong_hint("classes have no pairs for pca", "use mean-diff, logistic or lda"));
        }
        let params = GeometryParams {
            estimator: chosen,
            folds: self.folds,
            permutations: self.permutations,
            probing: !self.no_probing,
        };
        let args = ModelArgs {
            model: String::new(),
            place: self.place.clone(),
            seed: self.seed,
            common: self.common.clone(),
            numerics: self.numerics.clone(),
        };
        fallback::check_alone(args.place.service.fallback.as_ref(), self.checkpoint.len())?;
        let mut open = Checkpoints::new(&self.checkpoint, &args, &all.prompts, (site, self.positions));
        let found =
            geometry::geometry(&self.checkpoint, &texts, &params, &Seeds::new(self.seed), |i| open.load(i));
        let (found, models) = open.finish(found)?;
        table(&found);
        let mut record = Record::new("geometry", self.seed, Result::Texts(Box::new(found)))
            .file("classes", all.len(), &all.data_sha256)
            .choice("site", site.to_string())
            .choice("positions", self.positions.to_string())
            .choice("positive", all.positive_end.as_str())
            .choice("estimator", self.estimator.as_str())
            .choice("folds", self.folds)
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value(&all.copies)?);
        record.models = models;
        Ok(record)
    }

    fn files(&self) -> anyhow::Result<Record<Result>> {
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
        let found = geometry::of_directions(&named, self.permutations, &Seeds::new(self.seed))?;
        if let Some(across) = found.across.last().filter(|a| a.len() > 1) {
            let names: Vec<&str> = found.courses.iter().map(|c| c.category.as_str()).collect();
            cosines(&names, across);
        }
        for course in &found.courses {
            for step in &course.course.steps {
                eprintln!("{}: {} to {} {:.3}", course.category, step.from, step.to, step.cosine.value);
            }
        }
        let mut record = Record::new("geometry", self.seed, Result::Files(Box::new(found)));
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

fn cosines(names: &[&str], across: &[Vec<truenorth::analyses::stat::Measured>]) {
    let mut rows = vec![std::iter::once("cosine").chain(names.iter().copied()).map(String::from).collect()];
    for (name, row) in names.iter().zip(across) {
        let cells = row.iter().map(|c| format!("{:.2}", c.value));
        rows.push(std::iter::once((*name).to_owned()).chain(cells).collect::<Vec<_>>());
    }
    output::table(&rows);
}

fn table(found: &Found) {
    let last = found.checkpoints.len().saturating_sub(1);
    let names: Vec<&str> = found.categories.iter().map(|c| c.category.as_str()).collect();
    if let Some(across) = found.across.get(last) {
        cosines(&names, across);
    }
    let head = ["category", "texts", "halves", "magnitude", "to general", "to others", "own AUROC"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for (i, c) in found.categories.iter().enumerate() {
        let at = |m: Option<&truenorth::analyses::stat::Measured>| {
            m.map_or_else(|| "-".into(), |m| format!("{:.3}", m.value))
        };
        let own = found.across_probing.get(last).and_then(|m| m.get(i)?.get(i));
        rows.push(vec![
            c.category.clone(),
            format!("{}+{}", c.n[0], c.n[1]),
            c.reliability.get(last).map_or_else(|| "-".into(), |r| format!("{r:.2}")),
            at(c.magnitude.get(last)),
            at(c.to_general.get(last)),
            at(c.to_others.get(last)),
            own.map_or_else(|| "-".into(), |c| format!("{:.3}", c.auroc)),
        ]);
    }
    eprintln!("at {}:", found.checkpoints.get(last).map_or("", String::as_str));
    output::table(&rows);
}
