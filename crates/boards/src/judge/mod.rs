//! A model as judge, asked everything twice so that its habits cancel.
//!
//! Two texts are put before the judge in both orders, and a question about one text in two wordings that
//! call for opposite answers. What it prefers is half the difference of the two log-odds; what it does
//! whatever the texts (a letter it likes, a yes it likes) is half their sum, and is reported as its bias.
//! It abstains where the two askings contradict each other, where its preference is within a band, and
//! where the answers asked for have next to no probability.
//!
//! Nothing is generated: the log-probabilities of the two answers' first tokens after the prompt are
//! read. A judge that was trained to chat is asked in its own chat template.

mod agree;
mod ask;
mod found;
mod judgement;
mod markup;
pub mod page;
mod params;
mod run;
mod score;
mod summary;
mod table;
mod template;
mod texts;
pub(crate) mod together;

#[cfg(test)]
mod tests;

pub use agree::{Agreed, Verdicts, agreement, kappa};
pub use found::{GroupVerdicts, JudgeSummary, JudgeVerdict, JudgedItem, Judgement, NoOpinionBand};
pub use markup::Markup;
pub use params::Params;
pub use score::{JudgeScore, score_template, scores};
pub use table::agreed as agreed_table;
pub use template::JudgeTemplate;
pub use texts::{Duel, JudgeQuestion, Reply};

use truenorth_data::NearCopies;
use truenorth_reading::{Analysis, AnalysisContext, AnalysisError, AnalysisPage, Listing};

/// What is judged, how it is put, and whose verdicts it is held against.
#[derive(Clone, Copy, Debug)]
pub struct JudgeData<'a> {
    /// What is judged: duels of texts, or replies with a question.
    pub texts: JudgeTexts<'a>,
    /// What is put before the judge; none takes the project's own.
    pub template: Option<&'a JudgeTemplate>,
    /// What others say of the same texts.
    pub others: &'a [Verdicts],
    /// From which similarity on two answers to one prompt count once.
    pub near: NearCopies,
}

/// Two texts each, or one each with a question.
#[derive(Clone, Copy, Debug)]
pub enum JudgeTexts<'a> {
    /// Two texts each, judged in both orders.
    Duels {
        /// The pairs of texts, each judged in both orders.
        duels: &'a [Duel],
        /// What they are compared by, such as [`JudgeTemplate::CRITERION`]; a template of one's own need not
        /// have it.
        criterion: &'a str,
    },
    /// One text each, asked about in two wordings.
    Replies {
        /// The texts, each asked about twice.
        replies: &'a [Reply],
        /// The question in its two wordings.
        question: &'a JudgeQuestion,
        /// The group of each, such as a dose.
        groups: Option<&'a [String]>,
    },
}

impl JudgeTexts<'_> {
    fn words(self) -> [&'static str; 2] {
        match self {
            Self::Duels { .. } => ["A", "B"],
            Self::Replies { .. } => ["Yes", "No"],
        }
    }
}

/// A model as judge.
#[derive(Clone, Copy, Debug)]
pub struct Judge;

impl Analysis for Judge {
    const NAME: &'static str = "judge";
    const TITLE: &'static str = "What the judge says";
    type Params = Params;
    type Input<'a> = JudgeData<'a>;
    type Found = JudgeSummary;

    /// Has texts judged, everything asked twice, groups what was said and holds it against others. A template
    /// of duels has `{first}` and `{second}`, one of replies `{text}` and `{question}`; both may have
    /// `{prompt}`.
    ///
    /// # Errors
    /// Without texts, with an empty or repeated one, a duel that is another with its texts exchanged, a
    /// template without its places, answers that begin with one token, groups that are not one a text, two
    /// judges of one name or with fewer than two texts in common, or when the work fails.
    fn run(
        input: &JudgeData<'_>,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<JudgeSummary, AnalysisError> {
        run::judge(input, params, asked)
    }

    fn page(found: &JudgeSummary) -> AnalysisPage {
        AnalysisPage::new(page::findings(found), page::section(found)).decided_by(page::primary(found))
    }

    fn table(found: &JudgeSummary) -> Listing {
        table::table(found)
    }
}
