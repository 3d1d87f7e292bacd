//! The verbs of analyses, which differ in the files they read alone.

use clap::Args;
use truenorth::analyses::{Analysis, Asked, Parameters as _};
use truenorth::math::Seeds;

use super::args::ModelArgs;
use super::progress::Bar;
use super::record::{Out, Record};
use super::session::Session;
use super::{dry, output};

/// What an analysis is asked of, as flags name it.
pub trait Files: Args + std::fmt::Debug {
    /// The analysis.
    type Analysis: Analysis;
    /// What was read from the files.
    type Ready;
    /// What a bar says meanwhile.
    const DOING: &'static str;

    /// Reads and checks every file; no model is open yet.
    fn read(&self, params: &<Self::Analysis as Analysis>::Params) -> anyhow::Result<Self::Ready>;

    /// Asks, once the model is open.
    fn ask(
        &self,
        ready: &Self::Ready,
        params: &<Self::Analysis as Analysis>::Params,
        asked: &Asked<'_>,
    ) -> anyhow::Result<<Self::Analysis as Analysis>::Found>;

    /// Notes the files, and what they decided.
    fn note<T: serde::Serialize>(&self, ready: &Self::Ready, record: Record<T>) -> anyhow::Result<Record<T>>;
}

/// The flags of an analysis: the model, the files, the parameters, and where the result goes.
#[derive(Args, Debug)]
pub struct Verb<F: Files>
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
    out: Out,
}

impl<F: Files> Verb<F>
where
    <F::Analysis as Analysis>::Params: Args,
{
    pub fn run(mut self) -> anyhow::Result<()> {
        self.out.check()?;
        if dry::on() {
            self.params.rehearse();
        }
        let ready = self.files.read(&self.params)?;
        let session = Session::open(&self.model)?;
        let seeds = Seeds::new(self.model.seed);
        let bar = Bar::new(F::DOING, 0, "tokens", self.model.common.quiet);
        let asked = Asked { reader: session.reader(), seeds: &seeds, watch: &bar };
        let found = self.files.ask(&ready, &self.params, &asked)?;
        drop(bar);
        let note = |record: Record<_>| self.files.note(&ready, record.model(session.record()));
        tell::<F::Analysis>(found, &self.params, self.model.seed, &self.out, note)
    }
}

/// Shows and writes what an analysis found. `note` adds models and files to its record.
pub fn tell<A: Analysis>(
    found: A::Found,
    params: &A::Params,
    seed: u64,
    out: &Out,
    note: impl FnOnce(Record<A::Found>) -> anyhow::Result<Record<A::Found>>,
) -> anyhow::Result<()> {
    output::listing(&A::table(&found));
    let record = note(Record::new(A::NAME, seed, found).params(params)?)?;
    out.write(&record, A::TITLE, |found| {
        let page = A::page(found);
        (page.all_findings(), page.sections)
    })
}
