//! The verbs of analyses, which differ in the files they read alone.

use clap::Args;
use truenorth::analyses::{Analysis, AnalysisContext, Parameters as _, Speech};
use truenorth::math::Seeds;

use super::args::ModelArgs;
use super::progress::Bar;
use super::record::{OutArgs, ResultRecord};
use super::session::Session;
use super::{dry, output};

/// What an analysis is asked of, as flags name it.
pub trait AnalysisArgs: Args + std::fmt::Debug {
    type Analysis: Analysis;
    type Input;
    const DOING: &'static str;

    /// Completes the parameters by flags that name files too.
    fn settle(&self, _: &mut <Self::Analysis as Analysis>::Params) {}

    /// Reads and checks every file; no model is open yet.
    fn read(
        &self,
        params: &<Self::Analysis as Analysis>::Params,
        speech: &Speech,
    ) -> anyhow::Result<Self::Input>;

    /// Refuses a model beside whose numbers those of the files can't stand.
    fn suits(&self, _ready: &Self::Input, _model: &ModelArgs) -> anyhow::Result<()> {
        Ok(())
    }

    /// Opens further models, once the model is open.
    fn open(&self, _: &mut Self::Input, _: &ModelArgs, _: &Session) -> anyhow::Result<()> {
        Ok(())
    }

    /// Asks, once all models are open.
    fn ask(
        &self,
        ready: &Self::Input,
        params: &<Self::Analysis as Analysis>::Params,
        asked: &AnalysisContext<'_>,
    ) -> anyhow::Result<<Self::Analysis as Analysis>::Found>;

    /// Parameters that were left to the run, by flag, as it settled them.
    fn settled(
        &self,
        _found: &<Self::Analysis as Analysis>::Found,
    ) -> Vec<(&'static str, serde_json::Value)> {
        vec![]
    }

    /// Notes the files, and what they decided.
    fn note<T: serde::Serialize>(
        &self,
        ready: &Self::Input,
        record: ResultRecord<T>,
    ) -> anyhow::Result<ResultRecord<T>>;
}

// The flags of an analysis: the model, the files, the parameters, and where the result goes. What the verb does is told by
// the docs of its files, which those of the flags that verbs share would else replace.
#[derive(Args, Debug)]
#[command(
    about = told::<F>().get_about().cloned().unwrap_or_default(),
    long_about = told::<F>().get_long_about().cloned().unwrap_or_default()
)]
pub struct AnalysisCommand<F: AnalysisArgs>
where
    <F::Analysis as Analysis>::Params: Args,
{
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    files: F,
    #[command(flatten)]
    params: <F::Analysis as Analysis>::Params,
    #[command(flatten)]
    out: OutArgs,
}

/// A command with the docs of its flags.
fn told<F: Args>() -> clap::Command {
    F::augment_args(clap::Command::new(""))
}

impl<F: AnalysisArgs> AnalysisCommand<F>
where
    <F::Analysis as Analysis>::Params: Args,
{
    pub fn run(mut self) -> anyhow::Result<()> {
        self.out.check()?;
        self.files.settle(&mut self.params);
        self.params.check()?;
        if dry::on() {
            self.params.rehearse();
        }
        let mut ready = self.files.read(&self.params, &self.model.speech.speech())?;
        let session = Session::open(&self.model)?;
        self.files.suits(&ready, &self.model)?;
        self.files.open(&mut ready, &self.model, &session)?;
        let seeds = Seeds::new(self.model.seed);
        let bar = Bar::new(F::DOING, 0, "tokens", self.model.common.quiet);
        let asked = AnalysisContext { reader: session.reader(), seeds: &seeds, watch: &bar };
        let found = self.files.ask(&ready, &self.params, &asked)?;
        drop(bar);
        let settled = self.files.settled(&found);
        let record = ResultRecord::new(F::Analysis::NAME, self.model.seed, found)
            .model(session.record())
            .params(&self.params)?;
        let record = settled.into_iter().fold(record, |record, (flag, value)| record.choice(flag, value));
        leave::<F::Analysis>(&self.files.note(&ready, record)?, &self.out)
    }
}

/// Shows what an analysis found, and writes it with its page.
pub fn leave<A: Analysis>(record: &ResultRecord<A::Found>, out: &OutArgs) -> anyhow::Result<()> {
    output::listing(&A::table(&record.result));
    out.write(record, A::TITLE, |found| {
        let page = A::page(found);
        (page.all_findings(), page.sections)
    })
}
