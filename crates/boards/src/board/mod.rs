//! A board of sequences: how far each, put before neutral probes, moves them along a direction, what random
//! directions would do, and what the board says as a whole.
//!
//! [`scan`] gives the rows and is the one way to them; [`Board`] adds what they say together: whether the two
//! ends reach equally far, whether scores and specificity rank alike, whether one kind of sequence scores
//! above another, and how ranks change to another board. The other board is rows of before, or what another
//! direction makes of the same shifts, so that no text is read twice for it.

mod band;
mod contrast;
mod ends;
mod entry;
mod found;
mod nulls;
pub mod page;
mod params;
mod run;
pub mod saved;
mod scan;
mod scored;
mod scorer;
mod summary;
mod table;

#[cfg(test)]
mod band_tests;
#[cfg(test)]
mod ends_tests;
#[cfg(test)]
pub(super) mod tests;

use ndarray::{ArrayView1, ArrayView2};
use truenorth_protocol::Site;

pub use band::{Over, OverSites, ScoreAtSite, over_sites};
pub use contrast::KindContrast;
pub use ends::{Asymmetry, EndScores, KnowsNothing, Lean, RankChange, RankChanges, ScoreAndZ, asymmetry};
pub use entry::{OnBoard, ScoreRow};
pub use found::{BoardSummary, BoardTestFamily, MonteCarlo, OverWhich, SummaryRow};
pub use nulls::BoardNulls;
pub use params::Params;
pub use scan::{ScanData, ScanParams, Scanned, scan};
pub use scored::{ScoredSequence, Sequence, read_board};
pub use scorer::{Lined, Scorer};

use truenorth_reading::{Analysis, AnalysisContext, AnalysisError, AnalysisPage, Listing, NamedPrompt};

/// What is scored, along which direction, and beside what.
#[derive(Clone, Copy, Debug)]
pub struct BoardData<'a> {
    /// Neutral probes, texts.
    pub probes: &'a [NamedPrompt],
    /// The sequences to score, in the order of the board.
    pub sequences: &'a [Sequence],
    /// What kind each sequence is, in their order; empty where they have none.
    pub kinds: &'a [Option<String>],
    /// The direction, `[hidden]`, or those of several sites one behind the other; they need not have unit norm.
    pub direction: ArrayView1<'a, f64>,
    /// Where the residual is read, at the last token; a direction a site.
    pub sites: &'a [Site],
    /// How the scores of several sites become one.
    pub over: Over,
    /// Directions of the same pipeline on exchanged labels, `[draws, numbers of the direction]`; none where the labels are not at hand.
    pub relabelled: Option<ArrayView2<'a, f64>>,
    /// Another board over the same sequences, to see how ranks change.
    pub beside: Option<Beside<'a>>,
}

/// Another board, and what the two are.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// What this board is, beside the other.
    pub own: &'a str,
    /// What the other board is, in words.
    pub name: &'a str,
    /// Its rows, or what they are made of.
    pub other: Other<'a>,
}

/// How another board of the same sequences is had.
#[derive(Clone, Copy, Debug)]
pub enum Other<'a> {
    /// Rows that were scored before, in any order.
    Board(&'a [ScoreRow]),
    /// Another direction at the same sites, along which the same shifts are scored.
    Direction(ArrayView1<'a, f64>),
}

/// The analysis `score`: a board of sequences along one direction.
#[derive(Clone, Copy, Debug)]
pub struct Board;

impl Analysis for Board {
    const NAME: &'static str = "score";
    const TITLE: &'static str = "The board of sequences";
    type Params = Params;
    type Input<'a> = BoardData<'a>;
    type Found = BoardSummary;

    /// Scores sequences and says what the board shows as a whole.
    ///
    /// # Errors
    /// As [`scan`]; also with fewer than eight sequences, scores that are all equal, ends that overlap, kinds
    /// that are not one a sequence or are missing, fewer than 10 000 draws where there are any, or another
    /// board of other sequences.
    fn run(
        input: &BoardData<'_>,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<BoardSummary, AnalysisError> {
        run::board(input, params, asked)
    }

    fn page(found: &BoardSummary) -> AnalysisPage {
        AnalysisPage::new(page::findings(found), page::section(found))
    }

    fn table(found: &BoardSummary) -> Listing {
        table::table(found)
    }
}
