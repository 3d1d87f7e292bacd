//! Projections of texts on directions, token by token: of given texts, or of what a model writes.

mod found;
mod page;
mod params;
mod run;
mod table;

#[cfg(test)]
mod tests;

use truenorth_protocol::Site;

pub use found::{DirectionProjections, Monitored, MonitoredText, Token};
pub use params::Params;

use truenorth_reading::{Analysis, AnalysisContext, AnalysisError, AnalysisPage, Listing, NamedPrompt};

/// A direction that is watched.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Name of the direction in results.
    pub name: String,
    /// The site at which residuals are projected.
    pub site: Site,
    /// The direction, `[hidden]`; it need not have unit norm.
    pub direction: Vec<f32>,
    /// The mean residual norm of the site, in which projections are told; none for units of the residual stream.
    pub norm: Option<f64>,
}

/// Texts to read and directions to project them on; at least one of each.
#[derive(Clone, Copy, Debug)]
pub struct MonitorData<'a> {
    /// The texts, or prompts to write on from.
    pub texts: &'a [NamedPrompt],
    /// The directions, in the order of each token's numbers.
    pub directions: &'a [Watched],
}

/// Projections token by token.
#[derive(Clone, Copy, Debug)]
pub struct Monitor;

impl Analysis for Monitor {
    const NAME: &'static str = "monitor";
    const TITLE: &'static str = "Projections token by token";
    type Params = Params;
    type Input<'a> = MonitorData<'a>;
    type Found = Monitored;

    /// Reads every token of every text, and of what is generated behind it where that is asked for.
    ///
    /// # Errors
    /// Without texts or directions, with a direction of another width, or when the reading fails.
    fn run(
        input: &MonitorData<'_>,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<Monitored, AnalysisError> {
        run::monitor(input, params, asked)
    }

    fn page(found: &Monitored) -> AnalysisPage {
        AnalysisPage { findings: vec![], sections: page::sections(found), ..AnalysisPage::default() }
    }

    fn table(found: &Monitored) -> Listing {
        table::table(found)
    }
}
