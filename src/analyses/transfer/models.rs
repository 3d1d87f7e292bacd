//! Boards of several models, of which one at a time need be in memory, and their comparison.

use serde::Serialize;
use truenorth_protocol::Site;

use super::super::board::{ScanData, ScanParams, Scored, scan};
use super::super::{AnalysisError, Reader};
use super::{ModelBoard, Transfer, TransferParams, transfer};
use truenorth_protocol::run::Watch;
use truenorth_stats::math::Seeds;

/// What is left of a model once its board is scored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OwnBoard {
    /// The model, as it is told apart from the others.
    pub model: String,
    /// Where its direction lives.
    pub site: Site,
    /// In the order of the sequences.
    pub board: Vec<Scored>,
}

/// Boards and how they go together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transferred {
    /// The comparison.
    #[serde(flatten)]
    pub transfer: Transfer,
    /// The kind of each sequence, in their order, where one was named.
    pub kinds: Vec<Option<String>>,
    /// The boards, in the order of the models.
    pub boards: Vec<OwnBoard>,
}

/// Scores one model's board with its own direction. `name` tells the model apart from the others.
///
/// # Errors
/// As [`scan`].
pub fn own_board(
    reader: &Reader<'_>,
    name: &str,
    data: &ScanData<'_>,
    site: Site,
    join: &str,
    watch: &dyn Watch,
) -> Result<OwnBoard, AnalysisError> {
    let params = ScanParams { join: join.to_owned(), draws: 0, ..ScanParams::new(site) };
    // Nothing is drawn, so the seed decides nothing.
    let board = scan(reader, data, &params, &Seeds::new(0), watch)?.board;
    Ok(OwnBoard { model: name.to_owned(), site, board })
}

/// Compares boards.
///
/// # Errors
/// As [`transfer`]; also when two models have one name.
pub fn compare(
    boards: Vec<OwnBoard>,
    params: &TransferParams,
    seeds: &Seeds,
) -> Result<Transferred, AnalysisError> {
    for (i, board) in boards.iter().enumerate() {
        if boards[..i].iter().any(|b| b.model == board.model) {
            return Err(AnalysisError::Input(format!(
                "two boards are called `{}`; results are told apart by the name",
                board.model
            )));
        }
    }
    let models: Vec<ModelBoard<'_>> =
        boards.iter().map(|b| ModelBoard { model: b.model.clone(), board: &b.board }).collect();
    let found = transfer(&models, params, seeds)?;
    let kinds = params.kind.as_ref().and_then(|k| params.labels.get(k)).cloned().unwrap_or_default();
    Ok(Transferred { transfer: found, kinds, boards })
}
