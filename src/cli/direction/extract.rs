//! `direction extract`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use ndarray::Array1;
use truenorth::analyses::beside::SeparationBeside;
use truenorth::analyses::extract::{LabelledTexts, ProjectOut, nuisances};
use truenorth::analyses::stat::p_cell;
use truenorth::analyses::steer::mean_norm;
use truenorth::analyses::{SentimentTexts, SiteRange};
use truenorth::artifact::{Direction as Artifact, Directions, SharedVector};
use truenorth::estimate::{CheckedEstimator, HeldOut, HeldOutParams, Pipeline, ProjectMethod, SplitBy};
use truenorth::math::{self, Seeds};
use truenorth_protocol::{ReadAt, Site};

use super::super::args::ModelArgs;
use super::super::fallback;
use super::super::output::{self, wrong_hint};
use super::super::progress::Bar;
use super::super::session::Session;
use super::super::target;
use super::super::texts::{self, CopiesArgs, Prompts};
use super::{ExtractionContext, artifact, default_permutations, estimator};

/// Estimates a direction from contrastive pairs or from two classes of texts.
///
/// Writes a safetensors file: tensor `direction` [hidden], unit norm, and metadata that say model,
/// site, sign, estimator, data and held-out separation. Of several sites, which are read in one pass, it holds a tensor
/// a site.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth direction extract --model smollm2-135m --site resid_post.20 \
    --pairs pairs.jsonl --project-out length,sentiment --sentiment sentiment.jsonl \
    --out values.safetensors\n  truenorth direction extract --model smollm2-135m --site resid_post.4..28:4 \
    --pairs pairs.jsonl --out band.safetensors")]
pub struct Extract {
    #[command(flatten)]
    model: ModelArgs,
    /// Where the direction is to live: a site, or for one direction per site several with commas or a range, as in
    /// `resid_post.4..28:4`; repeatable. The file then holds one tensor per site, under the site's name.
    #[arg(long, value_name = "S,..", required = true)]
    site: Vec<SiteRange>,
    /// Gives all sites one vector: the unit mean of theirs. Its cosine with each of them is told; what is held out is each
    /// site's own direction, not the shared vector.
    #[arg(long)]
    shared: bool,
    /// The site at which what is projected out is projected out of the shared vector again; default the middle one.
    #[arg(long, value_name = "S", requires = "shared")]
    shared_at: Option<Site>,
    /// Contrastive pairs: JSONL, a JSON list or CSV with `id`, `axis`, `prompt`, `chosen`, `rejected`.
    #[arg(long, value_name = "F.jsonl", required_unless_present = "classes", conflicts_with = "classes")]
    pairs: Option<PathBuf>,
    /// Texts of two classes: JSONL, a JSON list or CSV with `id`, `text`, `label`, `category`.
    #[arg(long, value_name = "F.jsonl")]
    classes: Option<PathBuf>,
    /// The label at the positive end of the direction, unless the labels are 0 (or -1) and 1, false and true, or negative and
    /// positive.
    #[arg(long, value_name = "LABEL", requires = "classes")]
    positive: Option<String>,
    /// logistic, mean-diff, lda or pca.
    #[arg(long, value_name = "E", default_value = "logistic")]
    estimator: String,
    /// Nuisance directions to take out: length (of the whole text, in tokens), sentiment.
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    project_out: Vec<ProjectOut>,
    /// How: pooled (over all rows), within-class (the contrast keeps its own difference in length) or leace
    /// (least-squares concept erasure).
    #[arg(long, value_name = "M", default_value_t = ProjectMethod::default().name().to_owned())]
    project_method: String,
    /// Value-neutral texts with a sentiment label, projected out or held beside: JSONL, a JSON list or CSV with `id`,
    /// `text`, `label`.
    #[arg(long, value_name = "F.jsonl")]
    sentiment: Option<PathBuf>,
    /// Neutral prompts to measure the mean residual norm on; default the texts themselves.
    #[arg(long, value_name = "F")]
    neutral: Option<PathBuf>,
    /// Which tokens are read: last, mean (attention sinks left out), mean+sink (all tokens), or an index
    /// such as -3.
    #[arg(long, value_name = "P", default_value = "last", allow_hyphen_values = true)]
    positions: ReadAt,
    /// How prompt and response become one text.
    #[arg(long, value_name = "T", default_value = "{prompt} {response}")]
    template: String,
    /// Folds of the held-out separation.
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,
    /// Label flips of the null, each through the whole pipeline; 0 leaves it out. Default 200, for
    /// logistic 199, each at one penalty.
    #[arg(long, value_name = "N")]
    permutations: Option<usize>,
    #[command(flatten)]
    copies: CopiesArgs,
    /// The file to write.
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
}

impl Extract {
    pub fn run(self) -> anyhow::Result<()> {
        target::writes(&self.out)?;
        let sites = self.sites()?;
        let template = self.model.speech.speech().template(&self.template)?;
        let question = self.copies.contrast(
            (self.pairs.as_ref(), self.classes.as_ref()),
            self.positive.as_deref(),
            &template,
        )?;
        let near = self.copies.near_copies;
        let sentiment =
            texts::at(near).sentiment_for(&question, self.sentiment.as_ref(), &self.project_out)?;
        let neutral = self.neutral.as_ref().map(|p| texts::at(near).distinct_prompts(p)).transpose()?;
        let estimator = estimator(&self.estimator)?;
        let permutations = self.permutations.unwrap_or_else(|| default_permutations(estimator.params()));
        let by_pair = HeldOutParams { folds: Some(self.folds), permutations, ..HeldOutParams::by_pair() };
        let from = self
            .pairs
            .as_ref()
            .or(self.classes.as_ref())
            .map_or_else(String::new, |p| p.display().to_string());
        let cant = || format!("can't estimate a direction from {from} ({})", question.extent());
        // Too few groups are known before anything is read.
        let seeds = Seeds::new(self.model.seed);
        question.check_held_out(&estimator, &by_pair, &seeds).with_context(cant)?;
        let by_axis = HeldOutParams { permutations, ..HeldOutParams::by_axis() };
        if question.stand_in()?.unit_count(SplitBy::Axis) >= 2 {
            question.check_held_out(&estimator, &by_axis, &seeds).with_context(cant)?;
        }
        let method = texts::project_method(&self.project_method)?;

        let session = Session::open(&self.model)?;
        let at = self.positions;
        let one = ExtractInput {
            session: &session,
            question: &question,
            template: self.pairs.is_some().then(|| template.to_string()),
            sentiment: sentiment.as_ref(),
            neutral: neutral.as_ref(),
            project: (&self.project_out, method),
            at,
            by_pair: &by_pair,
            by_axis: &by_axis,
            seeds: &seeds,
        };
        if let Some(category) = question.only_category() {
            eprintln!("note: the texts have one category, {category:?}, so no category is held out");
        }
        let bar = Bar::new("reading", 0, "tokens", self.model.common.quiet);
        one.ahead(&sites, &bar)?;
        for chain in question.chains() {
            eprintln!("note: {}", chain.sentence(if question.is_paired() { "pairs" } else { "texts" }));
        }
        let found = sites.iter().map(|site| one.direction(*site, &estimator, &bar).with_context(cant));
        let found: Vec<Extracted> = found.collect::<anyhow::Result<_>>()?;
        let directions = match self.shared {
            true => {
                let at = self.shared_at.unwrap_or(sites[sites.len() / 2]);
                one.shared(&found, at, &estimator, &bar).with_context(cant)?
            }
            false => Directions::new(found.iter().map(|e| e.direction.clone()).collect())?,
        };
        drop(bar);
        directions.save(&self.out).with_context(|| format!("can't write {}", self.out.display()))?;
        let mut told = BTreeSet::new();
        for (name, reason) in found.iter().flat_map(|e| &e.absent) {
            if told.insert(name) {
                eprintln!("warning: {name} was not projected out: {reason}");
            }
        }
        match found.as_slice() {
            [one] => table(&one.held_out),
            several => several_table(several, directions.shared().is_some()),
        }
        if let Some(shared) = directions.shared() {
            eprintln!("{SHARED_NOT_HELD_OUT}");
            say_shared(shared);
        }
        for left_out in session.record().left_out {
            eprintln!("{left_out}");
        }
        let places: Vec<String> = directions.sites().iter().map(Site::to_string).collect();
        eprintln!(
            "{} at {} from {} examples -> {}",
            self.estimator,
            places.join(", "),
            question.examples(),
            self.out.display()
        );
        super::exchange::answer(&self.out, &directions)
    }

    /// The sites, in the order of a pass.
    fn sites(&self) -> anyhow::Result<Vec<Site>> {
        let mut sites = SiteRange::all(&self.site);
        sites.sort_by_key(|s| s.order());
        if sites.contains(&Site::Logits) {
            return Err(wrong_hint(
                "--site is logits, which have the width of the vocabulary; a direction has the model's hidden size",
                "name a site of the residual stream, such as --site resid_post.12; `truenorth models show MODEL` lists them",
            ));
        }
        if self.shared && sites.len() < 2 {
            return Err(wrong_hint(
                "--shared is the mean of the directions of several sites, and --site names one",
                "name a band, as in --site resid_post.4..28:4, or leave --shared out",
            ));
        }
        match self.shared_at.filter(|at| !sites.contains(at)) {
            Some(at) => Err(wrong_hint(
                format!("--shared-at {at} is none of the sites of --site"),
                format!("name one of {}", sites.iter().map(Site::to_string).collect::<Vec<_>>().join(", ")),
            )),
            None => Ok(sites),
        }
    }
}

/// What a direction is estimated from, whatever the site.
struct ExtractInput<'a> {
    session: &'a Session,
    question: &'a LabelledTexts,
    template: Option<String>,
    sentiment: Option<&'a SentimentTexts>,
    neutral: Option<&'a Prompts>,
    project: (&'a [ProjectOut], ProjectMethod),
    at: ReadAt,
    by_pair: &'a HeldOutParams,
    by_axis: &'a HeldOutParams,
    seeds: &'a Seeds,
}

/// A direction with what is told of it.
struct Extracted {
    site: Site,
    direction: Artifact,
    held_out: Vec<HeldOut>,
    absent: Vec<(String, String)>,
}

impl ExtractInput<'_> {
    /// Reads all sites in one pass.
    fn ahead(&self, sites: &[Site], bar: &Bar) -> anyhow::Result<()> {
        let reader = self.session.reader();
        let of = |at: ReadAt| sites.iter().map(move |site| (*site, at));
        // The unit of doses is measured at the last token, of the same texts where there are no neutral ones.
        let last = if self.neutral.is_none() { Some(ReadAt::Last) } else { None };
        let asked: Vec<_> = of(self.at).chain(last.into_iter().flat_map(of)).collect();
        reader.ahead(&self.question.prompts, &asked, bar)?;
        if let Some(neutral) = self.neutral.filter(|_| sites.len() > 1) {
            reader.ahead(&neutral.named, &of(ReadAt::Last).collect::<Vec<_>>(), bar)?;
        }
        Ok(())
    }

    fn pipeline(&self, site: Site, estimator: &CheckedEstimator, bar: &Bar) -> anyhow::Result<Pipeline> {
        let rows = self.sentiment.map(|s| &s.rows[..]);
        let nuisances = nuisances(&self.session.reader(), self.project, rows, site, self.at, bar)?;
        Ok(Pipeline { estimator: estimator.clone(), nuisances })
    }

    fn direction(&self, site: Site, estimator: &CheckedEstimator, bar: &Bar) -> anyhow::Result<Extracted> {
        let reader = self.session.reader();
        let samples = self.question.samples(&reader, site, self.at, bar)?;
        let pipeline = self.pipeline(site, estimator, bar)?;
        let residual_norm = match self.neutral {
            Some(prompts) => (mean_norm(&reader, site, &prompts.named, bar)?, "neutral prompts"),
            None => {
                let texts = "the texts it was estimated from";
                (mean_norm(&reader, site, &self.question.prompts, bar)?, texts)
            }
        };
        bar.say(format!("estimating at {site}"));
        let extraction = pipeline.extract(&samples, SplitBy::Pair, self.seeds)?;
        let mut held_out = vec![pipeline.held_out(&samples, self.by_pair, self.seeds)?];
        if samples.unit_count(SplitBy::Axis) >= 2 {
            held_out.push(pipeline.held_out(&samples, self.by_axis, self.seeds)?);
        }
        let direction = artifact(
            &extraction,
            &pipeline.estimator,
            &ExtractionContext {
                question: self.question,
                info: self.session.runner().info(),
                site,
                positions: self.at,
                left_out: self.session.record().left_out,
                template: self.template.clone(),
                speech: self.session.record().speech,
                sentiment: self.sentiment,
                residual_norm,
                held_out: &held_out.iter().collect::<Vec<_>>(),
                fallen: fallback::taken(),
            },
        )?;
        Ok(Extracted { site, direction, held_out, absent: extraction.absent })
    }

    /// One vector for all sites; what is projected out is projected out of it again as the texts show it at a site.
    fn shared(
        &self,
        found: &[Extracted],
        at: Site,
        estimator: &CheckedEstimator,
        bar: &Bar,
    ) -> anyhow::Result<Directions> {
        let own: Vec<_> = found.iter().map(|e| (e.site, e.direction.to_f64())).collect();
        let sum = own.iter().fold(Array1::zeros(own[0].1.len()), |sum, (_, d)| sum + d);
        let mut vector =
            math::unit(sum.view()).context("the directions of the sites cancel out, so they share none")?;
        let pipeline = self.pipeline(at, estimator, bar)?;
        let mut projected_out = vec![];
        if !pipeline.nuisances.is_empty() {
            let samples = self.question.samples(&self.session.reader(), at, self.at, bar)?;
            (vector, projected_out) = pipeline.projected(&samples, vector.view())?;
        }
        let cosines = own.iter().map(|(site, d)| Ok((*site, math::cosine(vector.view(), d.view())?)));
        let cosines: Vec<(Site, f64)> = cosines.collect::<anyhow::Result<_>>()?;
        let least_cosine = cosines.iter().map(|(_, c)| *c).fold(f64::INFINITY, f64::min);
        let members = found.iter().map(|e| {
            let mut metadata = e.direction.metadata().clone();
            metadata.projected_out.clone_from(&projected_out);
            // What was held out was read along the direction of the site.
            metadata.held_out.clear();
            Artifact::new(vector.view(), metadata)
        });
        let members = members.collect::<Result<Vec<_>, _>>()?;
        let projected_at = (!projected_out.is_empty()).then_some(at);
        Ok(Directions::sharing(members, SharedVector { projected_at, cosines, least_cosine })?)
    }
}

fn say_shared(shared: &SharedVector) {
    let again =
        shared.projected_at.map(|at| format!("; what is projected out was projected out again at {at}"));
    let (at, least) = shared
        .cosines
        .iter()
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or_else(|| ("-".into(), 0.0), |(site, c)| (site.to_string(), *c));
    eprintln!(
        "one vector for {} sites: cosine at least {least:.3} with theirs, least at {at}{}",
        shared.cosines.len(),
        again.unwrap_or_default()
    );
    if least < LEAST_SHARED {
        eprintln!(
            "warning: at {at} the shared vector is nearer to a right angle than to the site's own direction; a narrower \
             band, or one direction per site, says more"
        );
    }
}

/// A cosine under which an angle is nearer to a right one than to none.
const LEAST_SHARED: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// Whose separation the table beside a shared vector tells.
const SHARED_NOT_HELD_OUT: &str = "note: AUROC, pairs in order and p are those of each site's own direction, which the file does not \
    hold; the shared vector itself was not held out: read texts along it that it was not found from";

/// A row a site, of what is held out by pair, along the site's own direction even where the file holds one for all.
fn several_table(found: &[Extracted], shared: bool) {
    let auroc = if shared { "AUROC of its own direction" } else { "AUROC" };
    let head = ["site", auroc, "95 %", "pairs in order", "p", "residual norm"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for e in found {
        let Some(h) = e.held_out.first() else { continue };
        let ci = h.auroc.interval;
        rows.push(vec![
            e.site.to_string(),
            format!("{:.3}", h.auroc.value),
            format!("{:.3} to {:.3}", ci.low, ci.high),
            h.paired_accuracy.map_or_else(|| "-".into(), |p| format!("{:.3}", p.value)),
            h.null.map_or_else(|| "-".into(), |n| p_cell(n.p, Some(n.permutations))),
            e.direction.metadata().residual_norm.map_or_else(|| "-".into(), |n| format!("{n:.2}")),
        ]);
    }
    output::table(&rows);
    for line in beside_sites(found.iter().filter_map(|e| Some((e.site, e.held_out.first()?)))) {
        eprintln!("{line}");
    }
}

/// What stands beside the separation of each site, by name: what is known of one says nothing of another.
fn beside_sites<'a>(each: impl Iterator<Item = (Site, &'a HeldOut)>) -> Vec<String> {
    let lines = each.flat_map(|(site, h)| {
        let (by, beside) = (format!("{:?}", h.by).to_lowercase(), SeparationBeside(h));
        let first = format!("{site}, held out by {by}: {}", beside.says());
        std::iter::once(first).chain(beside.erased().into_iter().map(|said| format!("  {said}")))
    });
    lines.collect()
}

fn table(held_out: &[HeldOut]) {
    let by = |h: &HeldOut| format!("{:?}", h.by).to_lowercase();
    let head = ["held out by", "units", "AUROC", "95 %", "pairs in order", "p"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for h in held_out {
        let ci = h.auroc.interval;
        rows.push(vec![
            by(h),
            h.units.to_string(),
            format!("{:.3}", h.auroc.value),
            format!("{:.3} to {:.3}", ci.low, ci.high),
            h.paired_accuracy.map_or_else(|| "-".into(), |p| format!("{:.3}", p.value)),
            h.null.map_or_else(|| "-".into(), |n| p_cell(n.p, Some(n.permutations))),
        ]);
    }
    output::table(&rows);
    for h in held_out {
        let beside = SeparationBeside(h);
        eprintln!("held out by {}: {}", by(h), beside.says());
        if let Some(r) = h.auroc.repeats {
            eprintln!("  AUROC over {}", r.said());
        }
        for said in beside.erased() {
            eprintln!("  {said}");
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use truenorth::estimate::{Estimator, Nuisances, Samples};

    use super::*;

    #[test]
    fn each_site_is_named_with_what_stands_beside_it() {
        let x = |up: f64| Array2::from_shape_fn((10, 3), |(i, j)| ((i * 7 + j * 3) % 5) as f64 + up);
        let ids: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        let samples = Samples::from_pairs(x(1.0).view(), x(0.0).view(), &ids, &ids).unwrap();
        let lengths: Vec<f64> = (0..20).map(|i| f64::from(3 + i % 4)).collect();
        let samples = samples.with_lengths_of(&lengths, "tokens of prompt and response").unwrap();
        let pipeline =
            Pipeline { estimator: Estimator::MeanDiff.check().unwrap(), nuisances: Nuisances::none() };
        let params = HeldOutParams { permutations: 0, ..HeldOutParams::by_pair() };
        let found = pipeline.held_out(&samples, &params, &Seeds::new(1)).unwrap();
        let sites = [Site::ResidPost(1), Site::ResidPost(3)];
        let lines = beside_sites(sites.into_iter().map(|site| (site, &found)));
        assert_eq!(lines.len(), 2);
        for (line, site) in lines.iter().zip(sites) {
            let start = format!("{site}, held out by pair: length in tokens of prompt and response alone ");
            assert!(line.starts_with(&start), "{line}");
        }
    }
}
