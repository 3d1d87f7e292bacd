//! What can be read off a model's activations about labelled texts, and how much of it is news.
//!
//! Every category is probed against negatives, and all together; groups are never split; the layer (here
//! a site) and the penalty are chosen inside the training folds, and the whole procedure is repeated on
//! permuted labels. Beside it stand controls: the words and the length of the text alone, a direction of
//! truth, and an untrained model.

mod contrast;
mod controls;
mod found;
mod outcome;
pub mod page;
mod params;
mod rate;
mod run;
mod source;
mod table;
mod texts;

#[cfg(test)]
mod tests;

use truenorth_data::{ClassRow, Distinct, NearCopies};

pub use controls::{Baseline, ControlDifference, Truth};
pub use found::{ContrastProbe, ProbeTestFamily, Probed, RefusedCategory, SetSize, SiteRow, TestSetResult};
pub use params::{Control, Params};

use truenorth_reading::categories::{BEHIND_FILE, named_by};
use truenorth_reading::{
    Analysis, AnalysisContext, AnalysisError, AnalysisPage, ClassTexts, LeftOutTexts, Listing, Reader,
};

/// The name of the contrast of all texts.
pub const ALL: &str = "all";

/// The name under which held-out training texts go.
pub const HELD_OUT: &str = "held-out";

/// A test set: none of its groups may be among those of the training texts.
#[derive(Clone, Debug)]
pub struct TestTexts {
    /// The name of the test set, as flags or the study call it.
    pub name: String,
    /// Its texts, without what training texts say.
    pub texts: ClassTexts,
    /// What was left out of it since a training text says the same; none where nobody looked.
    pub apart: Option<LeftOutTexts>,
}

impl TestTexts {
    /// Rows of a test set as texts of two classes. `own` is the positive label named with the set, `named` the one named for
    /// the training texts and every set. What the labels of the training texts say by themselves is not taken over: 1 is the
    /// positive one of 0 and 1, and may be either of 1 and 2.
    ///
    /// # Errors
    /// As [`ClassTexts::new`]; the remedy is a label behind the file.
    pub fn labelled(
        rows: &Distinct<ClassRow>,
        own: Option<&str>,
        named: Option<&str>,
    ) -> Result<ClassTexts, AnalysisError> {
        ClassTexts::new(rows, own.or(named)).map_err(|e| named_by(e, BEHIND_FILE))
    }

    /// The texts of a set that are no copies of training texts, nor near copies with their label.
    ///
    /// # Errors
    /// As [`ClassTexts::apart_from`].
    pub fn apart(
        name: &str,
        texts: ClassTexts,
        train: &ClassTexts,
        near: NearCopies,
    ) -> Result<Self, AnalysisError> {
        let (texts, apart) = texts.apart_from(train, name, near)?;
        Ok(Self { name: name.to_owned(), texts, apart: Some(apart) })
    }
}

/// Texts to probe, and what the controls need.
#[derive(Clone, Copy)]
pub struct ProbeData<'a> {
    /// Texts to fit on, and to hold out from.
    pub train: &'a ClassTexts,
    /// Texts to test on.
    pub tests: &'a [TestTexts],
    /// True and false statements, for the control of that name; else not looked at.
    pub truth: Option<&'a ClassTexts>,
    /// An untrained model of the same architecture, for the control of that name; else not looked at.
    pub untrained: Option<Reader<'a>>,
}

/// Probes of texts of two classes, with controls.
#[derive(Clone, Copy, Debug)]
pub struct Probing;

impl Analysis for Probing {
    const NAME: &'static str = "probe";
    const TITLE: &'static str = "What can be read off the activations?";
    type Params = Params;
    type Input<'a> = ProbeData<'a>;
    type Found = Probed;

    /// Reads the texts and probes them.
    ///
    /// # Errors
    /// When a reading fails or is interrupted; when the texts of all categories together have too few groups
    /// for the folds, one class, groups in common with a test set, or a site where all are equal: the set and
    /// the site are named. A category of which this is true is reported as refused.
    fn run(
        input: &ProbeData<'_>,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<Probed, AnalysisError> {
        run::probe(input, params, asked)
    }

    fn page(found: &Probed) -> AnalysisPage {
        AnalysisPage::new(page::findings(found), page::section(found)).decided_by(Some(0))
    }

    fn table(found: &Probed) -> Listing {
        table::table(found)
    }
}
