//! `audit`: is a direction about what it says?

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use truenorth::analyses::audit::{self, AuditData, Audited, Confound, Params};
use truenorth::analyses::extract::{LabelledTexts, ProjectOut};
use truenorth::analyses::{
    Analysis as _, AnalysisContext, AtSites, DirectionRecipe, NamedPrompt, OneOrMore, SentimentTexts, Speech,
};
use truenorth::artifact::{Direction as Artifact, Directions, NuisanceTexts};
use truenorth::data::{SentimentRow, Template};
use truenorth::estimate::ProjectMethod;
use truenorth_protocol::{Prompt, ReadAt, Site};

use super::direction::{estimator, load_all, load_all_for, told};
use super::output::{RequestContext as _, wrong_hint};
use super::record::ResultRecord;
use super::texts::{self, CopiesArgs, NamedFile};
use super::verb::AnalysisArgs;

/// The name that sentiment is projected out under, and of the set that is about it.
const SENTIMENT: &str = "sentiment";

/// Holds a direction against what it may have been taken for.
///
/// Each confound set is read at the direction's site; of a file with several sites the direction of each is audited at its
/// own, all read in one pass and shown on one page. Reported are: cosine with the confound's own
/// direction before and after projection, how far the direction separates the set against random
/// directions with the covariance of the training texts and against the whole pipeline on shuffled
/// labels, how far a probe of the confound alone recovers the training contrast, and a verdict that says what
/// was ruled out and what was not. Pairs called value-flip are ranked: k of n with its exact interval.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth audit --model smollm2-135m --direction values.safetensors \
    --pairs pairs.jsonl --confound sentiment=sentiment.jsonl --confound length=length.jsonl \
    --confound action=action.jsonl --confound value-flip=value-flip.jsonl --out audit.json --report audit")]
pub struct Audit {
    /// The direction; default what the pipeline finds in the pairs. One site of a file with several is F.safetensors@SITE.
    #[arg(long, value_name = "F.safetensors", required_unless_present = "site")]
    direction: Option<PathBuf>,
    /// Where texts are read; default where the direction lives.
    #[arg(long, value_name = "S")]
    site: Option<Site>,
    /// The pairs the direction was extracted from: JSONL, a JSON list or CSV with `id`, `axis`, `prompt`, `chosen`, `rejected`.
    #[arg(long, value_name = "F.jsonl", required_unless_present = "classes", conflicts_with = "classes")]
    pairs: Option<PathBuf>,
    /// Or the classes: JSONL, a JSON list or CSV with `id`, `text`, `label`, `category`, `group`.
    #[arg(long, value_name = "F.jsonl")]
    classes: Option<PathBuf>,
    /// The label at the positive end, unless the labels are 0 (or -1) and 1, false and true, or negative and
    /// positive.
    #[arg(long, value_name = "LABEL", requires = "classes")]
    positive: Option<String>,
    /// A confound: pairs or classes that differ in it, with the positive label where labels do not say it.
    /// `sentiment` is also read as texts with a sentiment label; in `action` sides are swapped where the
    /// field `aligned` is inaction; `value-flip`, or `value-flip-` and more, is ranked. Repeatable.
    #[arg(long, value_name = "NAME=F[:LABEL]", required = true)]
    confound: Vec<NamedFile>,
    /// logistic, mean-diff, lda or pca; default the direction's own, else logistic.
    #[arg(long, value_name = "E")]
    estimator: Option<String>,
    /// What the pipeline projects out: length, sentiment, or none; default as the direction says.
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    project_out: Option<Vec<String>>,
    /// How: pooled, within-class or leace; default as the direction says, else pooled.
    #[arg(long, value_name = "M")]
    project_method: Option<String>,
    /// Texts with a sentiment label that sentiment is projected out with, or held beside.
    #[arg(long, value_name = "F.jsonl")]
    sentiment: Option<PathBuf>,
    /// Which tokens are read; default as the direction says, else last.
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    positions: Option<ReadAt>,
    /// How prompt and response become one text; default as the direction says.
    #[arg(long, value_name = "T")]
    template: Option<String>,
    /// Folds of the held-out separation.
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,
    #[command(flatten)]
    copies: CopiesArgs,
}

pub struct AuditInput {
    train: LabelledTexts,
    template: Template,
    confounds: Vec<Confound>,
    flips: Vec<Confound>,
    sentiment: Option<SentimentTexts>,
    /// One a site; of all but the site alike.
    recipes: Vec<DirectionRecipe>,
    stated: Option<Directions>,
}

impl AuditInput {
    /// What the file says of the direction, of the first of its sites.
    fn first(&self) -> Option<&Artifact> {
        self.stated.as_ref()?.members().first()
    }
}

impl AnalysisArgs for Audit {
    type Analysis = AtSites<audit::Audit>;
    type Input = AuditInput;
    const DOING: &'static str = "auditing";

    fn read(&self, params: &Params, speech: &Speech) -> anyhow::Result<AuditInput> {
        let stated = self.direction.as_deref().map(load_all).transpose()?;
        let mut ready = self.texts(stated, speech)?;
        for recipe in &mut ready.recipes {
            recipe.held_out.permutations = recipe.held_out.permutations.min(params.permutations);
        }
        Ok(ready)
    }

    fn ask(
        &self,
        ready: &AuditInput,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> anyhow::Result<OneOrMore<Audited>> {
        let directions = match &self.direction {
            Some(path) => Some(load_all_for(path, asked.reader.runner().info())?),
            None => None,
        };
        let at = |recipe: &DirectionRecipe| directions.as_ref()?.at(recipe.site).ok().map(Artifact::to_f64);
        let wide: Vec<_> = ready.recipes.iter().map(at).collect();
        let mut all = Vec::with_capacity(wide.len());
        for (recipe, direction) in ready.recipes.iter().zip(&wide) {
            let data = AuditData {
                train: &ready.train,
                direction: direction.as_ref().map(ndarray::Array1::view),
                confounds: &ready.confounds,
                flips: &ready.flips,
                sentiment: ready.sentiment.as_ref().map(|s| &s.rows[..]),
                recipe,
            };
            all.push((recipe.site, data));
        }
        if let [(_, first), _, ..] = &all[..] {
            let sites: Vec<Site> = all.iter().map(|(site, _)| *site).collect();
            audit::read_ahead(first, &sites, asked)?;
        }
        Ok(AtSites::<audit::Audit>::run(&all, params, asked)?)
    }

    fn note<T: Serialize>(
        &self,
        ready: &AuditInput,
        record: ResultRecord<T>,
    ) -> anyhow::Result<ResultRecord<T>> {
        let Some(recipe) = ready.recipes.first() else { return Ok(record) };
        let sites: Vec<String> = ready.recipes.iter().map(|r| r.site.to_string()).collect();
        let mut record = record
            .file(ready.train.operation, ready.train.examples(), &ready.train.data_sha256)
            .choice("site", sites.join(","))
            .choice("positions", recipe.at.to_string())
            .choice("template", ready.template.to_string())
            .choice("estimator", recipe.estimator.params().name())
            .choice("project-out", texts::names(&recipe.project_out))
            .choice("project-method", recipe.project_method.name())
            .choice("folds", self.folds)
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value(&ready.train.copies)?);
        for set in ready.confounds.iter().chain(&ready.flips) {
            let question = &set.question;
            record =
                record.file(format!("confound {}", set.name), question.examples(), &question.data_sha256);
        }
        record = record.sentiment(ready.sentiment.as_ref())?;
        if let Some(with) = made_with(ready.first()) {
            let texts = with.map_or("not told by the direction's file", |w| &w.sha256);
            record = record.choice("sentiment-of-direction", texts);
        }
        if let Some(d) = ready.first() {
            record = record.choice("direction", d.metadata().sign.clone());
        }
        Ok(record)
    }
}

/// The texts that sentiment was projected out of a direction with, as its file says; none where it was not.
fn made_with(direction: Option<&Artifact>) -> Option<Option<&NuisanceTexts>> {
    let metadata = direction?.metadata();
    let out = metadata.projected_out.iter().any(|p| p.name == SENTIMENT);
    out.then(|| metadata.projected_with.get(SENTIMENT))
}

/// Why a test on a set would be circular, by what the direction's file says of how it was made.
fn circular(file: &NamedFile, set: &LabelledTexts, direction: Option<&Artifact>) -> Option<String> {
    match made_with(direction)? {
        Some(with) => {
            let n = with.shared(set.prompts.iter().filter_map(text_of));
            (n > 0).then(|| format!("the direction's file says that sentiment was projected out with {n} of these texts"))
        }
        None => (file.name == SENTIMENT).then(|| {
            "the direction's file says that sentiment was projected out, and not with which texts; these may be \
             the same"
                .to_owned()
        }),
    }
}

/// Says where the texts that sentiment is projected out with now are not, or may not be, those of the direction.
fn say_other_sentiment(direction: Option<&Artifact>, rows: &[SentimentRow]) {
    match made_with(direction) {
        Some(Some(with)) if *with != NuisanceTexts::of(rows.iter().map(|r| r.text.as_str())) => eprintln!(
            "warning: sentiment was projected out of the direction with {} texts, not with the {} of --sentiment, of \
             which it had {}",
            with.texts.len(),
            rows.len(),
            with.shared(rows.iter().map(|r| r.text.as_str())),
        ),
        Some(None) => eprintln!(
            "warning: the direction's file does not say with which texts sentiment was projected out, so it can't be \
             told whether they are those of --sentiment or of a confound; a direction that is extracted anew says it"
        ),
        _ => {}
    }
}

fn text_of(named: &NamedPrompt) -> Option<&str> {
    match &named.prompt {
        Prompt::Text(text) => Some(text),
        Prompt::Tokens(_) => None,
    }
}

impl Audit {
    fn texts(&self, stated: Option<Directions>, speech: &Speech) -> anyhow::Result<AuditInput> {
        let direction = stated.as_ref().and_then(|d| d.members().first());
        let metadata = direction.map(Artifact::metadata);
        let template = self.template.clone().or_else(|| metadata.and_then(|m| m.template.clone()));
        let source = match template {
            Some(t) if self.template.is_some() || !speech.chat.is_on() => t,
            _ => Template::default().to_string(),
        };
        let template = speech.template(&source)?;
        let near = self.copies.near_copies;
        let train = self.copies.contrast(
            (self.pairs.as_ref(), self.classes.as_ref()),
            self.positive.as_deref(),
            &template,
        )?;
        if let Some(other) = metadata.filter(|m| m.data_sha256 != train.data_sha256) {
            let of = if other.operation == "imported" { "an imported file" } else { "other data" };
            eprintln!("warning: the direction comes from {of}, not from the {} given here", train.operation);
        }
        let project_out = self.project_out(direction)?;
        if self.sentiment.is_none() && project_out.contains(&ProjectOut::Sentiment) {
            return Err(wrong_hint(
                "sentiment is projected out of the direction, which needs the texts it was done with",
                "name them with --sentiment F.jsonl, or say --project-out none",
            ));
        }
        let sentiment = texts::at(near).sentiment_for(&train, self.sentiment.as_ref(), &project_out)?;
        if let Some(sentiment) = &sentiment {
            say_other_sentiment(direction, &sentiment.rows);
        }
        let (mut confounds, mut flips) = (vec![], vec![]);
        for file in &self.confound {
            let mut question = texts::at(near).question(file, &template)?;
            if audit::ranked(&file.name) {
                question = question.apart_from(&train, &file.name, near).request(format!(
                    "can't use {} as `{}`",
                    file.path.display(),
                    file.name
                ))?;
                texts::at(near).say_apart(question.apart.as_ref());
            } else {
                texts::at(near).say_shared(&question, &train, &file.name);
            }
            let circular = circular(file, &question, direction);
            let set = Confound { name: file.name.clone(), question, circular };
            if audit::ranked(&file.name) { flips.push(set) } else { confounds.push(set) }
        }
        if confounds.is_empty() {
            return Err(wrong_hint(
                "only value flips were given, which are ranked and rule nothing out",
                "name at least one other set with --confound NAME=F",
            ));
        }
        let recipe = self.recipe(stated.as_ref(), project_out)?;
        let sites = stated
            .as_ref()
            .filter(|_| self.site.is_none())
            .map_or_else(|| vec![recipe.site], Directions::sites);
        let recipes = sites.into_iter().map(|site| DirectionRecipe { site, ..recipe.clone() }).collect();
        Ok(AuditInput { train, template, confounds, flips, sentiment, recipes, stated })
    }

    /// What is projected out: as asked, else as the direction says.
    fn project_out(&self, direction: Option<&Artifact>) -> anyhow::Result<Vec<ProjectOut>> {
        if let Some(asked) = &self.project_out {
            let names = asked.iter().map(|a| a.trim()).filter(|a| *a != "none");
            return Ok(names.map(str::parse).collect::<Result<_, _>>()?);
        }
        let of =
            |name: &str| direction.is_some_and(|d| d.metadata().projected_out.iter().any(|p| p.name == name));
        let all = [ProjectOut::Length, ProjectOut::Sentiment];
        Ok(all.into_iter().filter(|p| of(p.name())).collect())
    }

    fn recipe(
        &self,
        stated: Option<&Directions>,
        project_out: Vec<ProjectOut>,
    ) -> anyhow::Result<DirectionRecipe> {
        let metadata = stated.and_then(|d| d.members().first()).map(Artifact::metadata);
        let site = match (self.site, stated) {
            (Some(site), Some(d)) => {
                match d.one() {
                    Ok(one) => one.check_site(site),
                    Err(_) => d.at(site).map(drop),
                }
                .request("the direction does not live at --site")?;
                site
            }
            (Some(site), None) => site,
            (None, _) => metadata.context("a direction or a site is required")?.site,
        };
        let at = told::positions(self.positions, metadata)?;
        let chosen = match (&self.estimator, metadata.and_then(|m| m.estimator.clone())) {
            (Some(name), _) => estimator(name)?,
            (None, Some(own)) => own.check()?,
            (None, None) => estimator("logistic")?,
        };
        let mut recipe = DirectionRecipe::new(site, at, chosen);
        recipe.project_out = project_out;
        recipe.project_method = match (&self.project_method, metadata) {
            (Some(name), _) => texts::project_method(name)?,
            // Files of before the choice were made within classes.
            (None, Some(m)) if !m.projected_out.is_empty() => {
                m.projected_out.iter().find_map(|p| p.method).unwrap_or(ProjectMethod::WithinClass)
            }
            (None, _) => ProjectMethod::default(),
        };
        recipe.held_out.folds = Some(self.folds);
        Ok(recipe)
    }
}
