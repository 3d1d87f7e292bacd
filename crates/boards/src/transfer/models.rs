//! Boards of several models, of which one at a time need be in memory, and their comparison.

use truenorth_protocol::Site;
use truenorth_protocol::run::Watch;
use truenorth_stats::math::Seeds;

use super::{ModelBoard, OwnBoard, Params, SequenceGroups, Transferred, compare};
use crate::board::{ScanData, ScanParams, ScoreRow, scan};
use truenorth_reading::{AnalysisError, Reader};

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
    let board = board.into_iter().map(Into::into).collect();
    Ok(OwnBoard { model: name.to_owned(), site: Some(site), board })
}

/// Compares boards.
///
/// # Errors
/// As [`compare`]; also when two models have one name.
pub(super) fn transferred(
    boards: Vec<OwnBoard>,
    groups: &SequenceGroups,
    params: &Params,
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
    let found = compare(&models, groups, params, seeds)?;
    let kind = |k: &String| groups.labels.get(k).cloned().expect("a kind that is no label is refused before");
    let kinds = groups.kind.as_ref().map_or_else(Vec::new, kind);
    let clusters = boards.first().map(|b| clusters(&b.board)).unwrap_or_default();
    Ok(Transferred { transfer: found, kinds, clusters, boards })
}

/// The names of sequences that count once, together.
fn clusters(board: &[ScoreRow]) -> Vec<Vec<String>> {
    let mut of: Vec<Vec<String>> = Vec::new();
    for row in board.iter().filter(|r| r.counted_with.is_some()) {
        let first = row.counted_with.as_ref().expect("these rows are counted with others");
        match of.iter_mut().find(|c| &c[0] == first) {
            Some(cluster) => cluster.push(row.id.clone()),
            None => of.push(vec![first.clone(), row.id.clone()]),
        }
    }
    of
}
