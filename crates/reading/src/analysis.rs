//! What every analysis is: a name, parameters, a run, and how what was found is shown.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use truenorth_protocol::run::Watch;
use truenorth_report::{Finding, Section};
use truenorth_stats::math::Seeds;

use super::{AnalysisError, Reader};

/// A question about a model. Verbs, studies and the library all ask it through this.
pub trait Analysis {
    /// The verb's name and that of the study's table.
    const NAME: &'static str;
    /// The title of a page about this alone.
    const TITLE: &'static str;
    /// Every choice beside the texts and the direction.
    type Params: Parameters;
    /// What is looked at: texts read and checked, the direction, where it is read.
    type Input<'a>;
    /// What was found: every number with what it rests on, and what it does not show.
    type Found: Serialize;

    /// Asks.
    ///
    /// # Errors
    /// When the input can't answer the question, a reading fails, or the work is interrupted.
    fn run(
        input: &Self::Input<'_>,
        params: &Self::Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<Self::Found, AnalysisError>;

    /// Its findings and its section of a report.
    fn page(found: &Self::Found) -> AnalysisPage;

    /// Its rows and sentences on a terminal.
    fn table(found: &Self::Found) -> Listing;
}

/// The choices of an analysis: one struct for the verb's flags, the study's table and the library's argument.
/// All of it is recorded with every result, under the names of its fields.
pub trait Parameters: Clone + Debug + Serialize + DeserializeOwned {
    /// Cuts random draws down to what asks a model as much as all would: for a rehearsal, whose numbers are
    /// made up.
    fn rehearse(&mut self);

    /// Refuses choices that no texts could go with, before a file or a model is opened.
    ///
    /// # Errors
    /// When choices are out of range or contradict each other.
    fn check(&self) -> Result<(), AnalysisError> {
        Ok(())
    }
}

/// The model behind its store, the seeds of what is random, and who watches.
#[derive(Clone, Copy)]
pub struct AnalysisContext<'a> {
    /// The model, behind the store of what it was asked before.
    pub reader: Reader<'a>,
    /// The root of every random draw, each use with a label of its own.
    pub seeds: &'a Seeds,
    /// Is told how far the work is, and may stop it.
    pub watch: &'a dyn Watch,
}

/// What an analysis puts into a report.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AnalysisPage {
    /// Lines for the front page, the most important first.
    pub findings: Vec<Finding>,
    /// The place in `findings` of the one test that decides the analysis's question; the others describe. None where
    /// that test could not be run.
    #[serde(default)]
    pub primary: Option<usize>,
    /// Something that was found beside, in a sentence that follows the answer and keeps it from being a yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeps_back: Option<String>,
    /// Lines about reading, of an analysis that is about something else.
    #[serde(default)]
    pub reading: Vec<Finding>,
    /// Plots, tables and words.
    pub sections: Vec<Section>,
}

impl AnalysisPage {
    /// A page of one section.
    #[must_use]
    pub fn new(findings: Vec<Finding>, section: Section) -> Self {
        Self { findings, sections: vec![section], ..Self::default() }
    }

    /// Names the test that decides the question, where it has a p value.
    #[must_use]
    pub fn decided_by(mut self, place: Option<usize>) -> Self {
        self.primary = place.filter(|i| self.findings.get(*i).is_some_and(|f| f.null.p.get().is_some()));
        self
    }

    /// All findings, those about reading last.
    #[must_use]
    pub fn all_findings(&self) -> Vec<Finding> {
        self.findings.iter().chain(&self.reading).cloned().collect()
    }
}

/// What a terminal shows: rows, the first of which is the head, sentences below them, and further tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Rows of as many cells as the head has.
    pub rows: Vec<Vec<String>>,
    /// Sentences below the rows.
    pub says: Vec<String>,
    /// Tables below these.
    pub more: Vec<Listing>,
}

impl Listing {
    /// An empty table with its head.
    #[must_use]
    pub fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|h| (*h).to_owned()).collect()], ..Self::default() }
    }
}

/// As few random draws as a rehearsal needs.
pub fn few(draws: &mut usize) {
    *draws = (*draws).min(19);
}
