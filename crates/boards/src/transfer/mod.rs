//! Whether what a direction says of sequences holds on other models.
//!
//! Every model has a direction and a board of its own over the same sequences. Signs that agree prove
//! little by themselves: two models that both lean to one sign agree often without knowing of each
//! other. So agreement in a group is held against the other model's board with its scores dealt anew
//! over all sequences, which keeps both models' lean; the law of that is exact.

mod found;
mod kinds;
mod labels;
mod models;
pub mod page;
mod params;
mod run;
mod signs;
mod table;

#[cfg(test)]
mod tests;

use truenorth_data::SequenceRow;
use truenorth_protocol::Site;
use truenorth_stats::math::Seeds;

pub use found::{Comparison, Movers, OwnBoard, PairTransfer, Transferred, Unanimous};
pub use kinds::{KindRow, Kinds};
pub use labels::{Label, SequenceGroups};
pub use models::own_board;
pub use params::Params;
pub use run::{ModelBoard, compare};
pub use signs::GroupAgreement;

use crate::board::ScanData;
use truenorth_reading::{Analysis, AnalysisContext, AnalysisError, AnalysisPage, Listing};

/// A model with its own direction, and the boards of the others. One model at a time need be in memory:
/// [`own_board`] scores those before and after it.
#[derive(Clone, Copy)]
pub struct TransferData<'a> {
    /// What the board of the model asked is called, apart from the others.
    pub name: &'a str,
    /// The site at which its direction lives.
    pub site: Site,
    /// Probes, sequences and its direction.
    pub scored: ScanData<'a>,
    /// What stands between sequence and probe.
    pub join: &'a str,
    /// Boards of the models that come before it; the first of all makes the groups top, middle and bottom.
    pub before: &'a [OwnBoard],
    /// Boards of the models that come after it.
    pub after: &'a [OwnBoard],
    /// The sequences as their file has them, with their labels.
    pub rows: &'a [SequenceRow],
}

/// The same question of several models.
#[derive(Clone, Copy, Debug)]
pub struct Transfer;

impl Transfer {
    /// Compares boards that are there already; the first makes the groups top, middle and bottom. `rows` are the
    /// sequences with their labels.
    ///
    /// # Errors
    /// As [`Transfer::run`], but that nothing is read.
    pub fn of(
        boards: Vec<OwnBoard>,
        rows: &[SequenceRow],
        params: &Params,
        seeds: &Seeds,
    ) -> Result<Transferred, AnalysisError> {
        models::transferred(boards, &SequenceGroups::new(rows, params)?, params, seeds)
    }
}

impl Analysis for Transfer {
    const NAME: &'static str = "transfer";
    const TITLE: &'static str = "Transfer between models";
    type Params = Params;
    type Input<'a> = TransferData<'a>;
    type Found = Transferred;

    /// Scores the model's board and compares it with those of the others.
    ///
    /// # Errors
    /// With fewer than two models, two of one name, fewer than eight sequences, boards of other sequences,
    /// scores that are all equal, or labels that the sequences do not have; when the reading fails.
    fn run(
        input: &TransferData<'_>,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<Transferred, AnalysisError> {
        let groups = SequenceGroups::new(input.rows, params)?;
        let own = own_board(&asked.reader, input.name, &input.scored, input.site, input.join, asked.watch)?;
        let boards = [input.before, &[own], input.after].concat();
        models::transferred(boards, &groups, params, asked.seeds)
    }

    fn page(found: &Transferred) -> AnalysisPage {
        AnalysisPage::new(page::findings(found), page::section(found)).decided_by(page::primary(found))
    }

    fn table(found: &Transferred) -> Listing {
        table::table(found)
    }
}
