//! `direction audit`: a baked model against its origin.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use truenorth::analyses::baked::{AuditedBake, Baked, BakedData, Params};
use truenorth::analyses::extract::LabelledTexts;
use truenorth::analyses::{Analysis as _, AnalysisContext, SiteRange, Speech};
use truenorth::artifact::{Direction as Artifact, Directions};
use truenorth::data::Template;
use truenorth::estimate::CheckedEstimator;
use truenorth_protocol::{ReadAt, Site};

use super::super::args::ModelArgs;
use super::super::output::RequestContext as _;
use super::super::record::ResultRecord;
use super::super::session::Session;
use super::super::texts::{CopiesArgs, Prompts};
use super::super::verb::AnalysisArgs;
use super::{chosen, estimator, load_all, load_all_for, told};

/// Holds a model with an edit in its weights against the one it was made from.
///
/// Texts of both ends of the direction are read in both models: how far they spread along it, how well it separates them,
/// and how well a direction does that is fitted anew in each, held out on the same splits. Neutral texts tell what else
/// changed: the divergence of every next token, their perplexity, and how often the most likely token is the same. Every
/// number has its interval.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth direction audit --model ./qwen2.5-0.5b-ablated --against ./qwen2.5-0.5b \
    --direction refusal.safetensors --classes requests.jsonl --positive harmful --neutral neutral.txt --out kept.json \
    --report kept/"
)]
pub struct Audit {
    /// The model that --model was made from, in any form that --model takes.
    #[arg(long, value_name = "M")]
    against: String,
    /// The direction that was ablated or added.
    #[arg(long, value_name = "F.safetensors")]
    direction: PathBuf,
    /// Where the texts are read, as resid_post.4..28:4; default where the direction lives. One vector is the same at all.
    #[arg(long, value_name = "S")]
    site: Vec<SiteRange>,
    /// Texts of both ends as pairs: JSONL, a JSON list or CSV with `id`, `axis`, `prompt`, `chosen`, `rejected`.
    #[arg(long, value_name = "F.jsonl", required_unless_present = "classes", conflicts_with = "classes")]
    pairs: Option<PathBuf>,
    /// Or as classes: JSONL, a JSON list or CSV with `id`, `text`, `label`, `category`, `group`.
    #[arg(long, value_name = "F.jsonl")]
    classes: Option<PathBuf>,
    /// The label at the positive end, unless the labels are 0 (or -1) and 1, false and true, or negative and
    /// positive.
    #[arg(long, value_name = "LABEL", requires = "classes")]
    positive: Option<String>,
    /// Texts that have nothing to do with the direction, a text a line, or JSONL, a JSON list or CSV with `id` and `text`.
    #[arg(long, value_name = "F")]
    neutral: PathBuf,
    /// logistic, mean-diff, lda or pca; default the direction's own, else logistic.
    #[arg(long, value_name = "E")]
    estimator: Option<String>,
    /// Which tokens are read; default as the direction says, else last.
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    positions: Option<ReadAt>,
    /// How prompt and response become one text; default as the direction says.
    #[arg(long, value_name = "T")]
    template: Option<String>,
    #[command(flatten)]
    copies: CopiesArgs,
}

/// What was read from files, and the origin.
pub struct BakedAuditInput {
    texts: LabelledTexts,
    neutral: Prompts,
    sites: Option<Vec<Site>>,
    at: ReadAt,
    template: Template,
    estimator: CheckedEstimator,
    /// Whether the direction was fitted to these texts.
    in_sample: bool,
    origin: Option<Session>,
}

/// What is said of a direction that is held against the texts that it was fitted to.
const IN_SAMPLE: &str = "That the direction itself separates other texts as well: it was fitted to the texts that are read here, so that its \
    AUROC, and that of the baked model less the origin's along it, are in-sample. Of the AUROCs only those of directions fitted \
    anew are held out.";

impl AnalysisArgs for Audit {
    type Analysis = Baked;
    type Input = BakedAuditInput;
    const DOING: &'static str = "auditing";

    fn read(&self, _: &Params, speech: &Speech) -> anyhow::Result<BakedAuditInput> {
        let directions = load_all(&self.direction)?;
        let metadata = directions.members().first().map(Artifact::metadata);
        let told = metadata.and_then(|m| m.template.clone()).filter(|_| !speech.chat.is_on());
        let template = self.template.clone().or(told).unwrap_or_else(|| Template::default().to_string());
        let template = speech.template(&template)?;
        let contrast = (self.pairs.as_ref(), self.classes.as_ref());
        let estimator = match (&self.estimator, metadata.and_then(|m| m.estimator.clone())) {
            (Some(name), _) => estimator(name)?,
            (None, Some(own)) => own.check()?,
            (None, None) => estimator("logistic")?,
        };
        let sites = (!self.site.is_empty()).then(|| SiteRange::all(&self.site));
        self.placed(&directions, sites.as_deref())?;
        let texts = self.copies.contrast(contrast, self.positive.as_deref(), &template)?;
        Ok(BakedAuditInput {
            in_sample: metadata.is_some_and(|m| m.data_sha256 == texts.data_sha256),
            texts,
            neutral: self.copies.texts().distinct_prompts(&self.neutral)?,
            at: told::positions(self.positions, metadata)?,
            sites,
            template,
            estimator,
            origin: None,
        })
    }

    fn open(&self, ready: &mut BakedAuditInput, model: &ModelArgs, _: &Session) -> anyhow::Result<()> {
        let args = ModelArgs { model: self.against.clone(), ..model.clone() };
        ready.origin = Some(Session::open(&args)?);
        Ok(())
    }

    fn ask(
        &self,
        ready: &BakedAuditInput,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> anyhow::Result<AuditedBake> {
        let origin = ready.origin.as_ref().context("the origin is not open")?.reader();
        // It was found on the origin, if on either.
        let directions = load_all_for(&self.direction, origin.runner().info())?;
        let placed = self.placed(&directions, ready.sites.as_deref())?;
        let wide: Vec<_> = placed.into_iter().map(|(site, d)| (site, d.to_f64())).collect();
        let views: Vec<_> = wide.iter().map(|(site, d)| (*site, d.view())).collect();
        let data = BakedData {
            origin: &origin,
            directions: &views,
            at: ready.at,
            texts: &ready.texts,
            estimator: &ready.estimator,
            neutral: &ready.neutral.named,
        };
        let mut found = Baked::run(&data, params, asked)?;
        if ready.in_sample {
            found.not_shown.push(IN_SAMPLE.to_owned());
        }
        Ok(found)
    }

    fn note<T: Serialize>(
        &self,
        ready: &BakedAuditInput,
        record: ResultRecord<T>,
    ) -> anyhow::Result<ResultRecord<T>> {
        if ready.in_sample {
            eprintln!(
                "note: the direction was fitted to these texts, so that its own AUROC is in-sample; only \"AUROC anew\" is held out"
            );
        }
        let bytes = std::fs::read(chosen(&self.direction).0)
            .request(format!("can't read {}", self.direction.display()))?;
        let record = match &ready.origin {
            Some(origin) => record.model(origin.record()),
            None => record,
        };
        Ok(record
            .file("direction", 1, &truenorth::files::sha256_hex(&bytes))
            .file(ready.texts.operation, ready.texts.examples(), &ready.texts.data_sha256)
            .file("neutral", ready.neutral.named.len(), &ready.neutral.loaded.sha256)
            .choice("positions", ready.at.to_string())
            .choice("template", ready.template.to_string())
            .choice("estimator", ready.estimator.params().name())
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value(&ready.texts.copies)?))
    }
}

impl Audit {
    fn placed<'d>(
        &self,
        directions: &'d Directions,
        sites: Option<&[Site]>,
    ) -> anyhow::Result<Vec<(Site, &'d Artifact)>> {
        directions.placed(sites).request(format!("can't use {} there", self.direction.display()))
    }
}
