//! `data check`: a look at labelled texts before any separation.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use truenorth::analyses::check::{self, CheckData, CheckedTexts, Params, TextsToCheck};
use truenorth::analyses::{Parameters as _, Speech};
use truenorth::data::{ClassRow, Distinct, Pair, Template};
use truenorth::math::Seeds;
use truenorth::run::Runner;

use super::args::{Common, ModelArgs, NumericsArgs, On, PlaceArgs, ReadingArgs, ServiceArgs, SpeechArgs};
use super::dry;
use super::output::{self, RequestContext as _, wrong_hint};
use super::record::{OutArgs, ResultRecord};
use super::texts::CopiesArgs;

/// Looks at labelled texts before any separation, without a model.
///
/// Shows near copies and what each way to split would leak of them, what a bag of words and the length reach on held-out
/// texts, differences of length, shared prompts, how even the axes are, and how many pairs a claimed AUROC takes. Studies
/// begin with the same. With --model lengths are counted in its tokens too; no weights are read.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth data check --pairs pairs.jsonl --claim 0.65 --report check\n  \
    truenorth data check --classes train.jsonl --positive harmful --model smollm2-135m"
)]
pub struct Check {
    /// Pairs: JSONL, a JSON list or CSV with `id`, `axis`, `prompt`, `chosen`, `rejected`.
    #[arg(long, value_name = "F.jsonl", required_unless_present = "classes", conflicts_with = "classes")]
    pairs: Option<PathBuf>,
    /// Or classes: JSONL, a JSON list or CSV with `id`, `text`, `label`, `category`, `group`.
    #[arg(long, value_name = "F.jsonl")]
    classes: Option<PathBuf>,
    /// The label at the positive end, unless the labels are 0 (or -1) and 1, false and true, or negative and
    /// positive.
    #[arg(long, value_name = "LABEL", requires = "classes")]
    positive: Option<String>,
    /// How prompt and response become one text.
    #[arg(long, value_name = "T", default_value = "{prompt} {response}")]
    template: String,
    /// Whose tokens lengths are counted in as well: a model as other verbs take it.
    #[arg(long, value_name = "M")]
    model: Option<String>,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    params: Params,
    /// Seeds the ways to deal.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    out: OutArgs,
}

enum CheckInput {
    Pairs(Distinct<Pair>, Template),
    Classes(Distinct<ClassRow>),
}

impl Check {
    pub fn run(self) -> anyhow::Result<()> {
        dry::refuse("data check, which asks nothing,")?;
        self.out.check()?;
        self.params.check()?;
        let labelled = self.labelled()?;
        let tokens = self.model.as_ref().map(|model| self.tokenizer(model)).transpose()?;
        let (texts, role, rows, sha256) = match &labelled {
            CheckInput::Pairs(pairs, template) => {
                (TextsToCheck::Pairs(pairs, template), "pairs", pairs.copies.rows, &pairs.sha256)
            }
            CheckInput::Classes(rows) => (
                TextsToCheck::Classes(rows, self.positive.as_deref()),
                "classes",
                rows.copies.rows,
                &rows.sha256,
            ),
        };
        let input = CheckData { texts, near: self.copies.near_copies, tokens: tokens.as_deref() };
        let found = check::Check::run(&input, &self.params, &Seeds::new(self.seed))?;
        let record = ResultRecord::new("data check", self.seed, found)
            .params(&self.params)?
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("folds", self.params.dealt_to())
            .file(role, rows, sha256);
        let record = match &labelled {
            CheckInput::Pairs(_, template) => record.choice("template", template.to_string()),
            CheckInput::Classes(_) => record.choice("positive", self.positive.clone()),
        };
        let record = match &self.model {
            Some(model) => record.choice("tokens of", model.as_str()),
            None => record,
        };
        self.leave(&record)
    }

    fn leave(&self, record: &ResultRecord<CheckedTexts>) -> anyhow::Result<()> {
        output::listing(&check::Check::table(&record.result));
        self.out.write(record, check::Check::TITLE, |found| {
            let page = check::Check::page(found);
            (page.all_findings(), page.sections)
        })
    }

    fn labelled(&self) -> anyhow::Result<CheckInput> {
        if let Some(path) = &self.pairs {
            let template = Speech::default().template(&self.template)?;
            return Ok(CheckInput::Pairs(self.copies.texts().pairs(path, &template)?, template));
        }
        let path = self.classes.as_ref().context("pairs or classes are required")?;
        let rows = self.copies.texts().classes(path)?;
        truenorth::analyses::ClassTexts::new(&rows, self.positive.as_deref())
            .request(format!("can't use {}", path.display()))?;
        Ok(CheckInput::Classes(rows))
    }

    /// A model's tokenizer, without its weights.
    fn tokenizer(&self, model: &str) -> anyhow::Result<std::sync::Arc<dyn Runner>> {
        let args = ModelArgs {
            model: model.to_owned(),
            place: PlaceArgs { on: On::Local, service: ServiceArgs::default() },
            seed: self.seed,
            speech: SpeechArgs::default(),
            common: self.common.clone(),
            numerics: NumericsArgs {
                dtype: None,
                keep_quantized: false,
                threads: None,
                reading: ReadingArgs::default(),
            },
        };
        let (part, rehearsal) = dry::rehearsal(&args)?;
        if let Some(lack) = part.lack {
            return Err(wrong_hint(
                lack,
                "put its tokenizer.json beside its config.json or its GGUF file, or leave --model out",
            ));
        }
        Ok(rehearsal)
    }
}
