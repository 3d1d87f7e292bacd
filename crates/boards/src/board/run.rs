//! The run: sequences scored in one pass, then what they say together.

use super::scan::scan_both;
use super::summary::{Against, summarise};
use super::{Beside, BoardData, BoardSummary, Other, OverWhich, Params, ScanData, ScanParams, ScoreRow};
use truenorth_protocol::Site;
use truenorth_reading::{AnalysisContext, AnalysisError};

/// Scores sequences and says what the board shows as a whole.
pub(super) fn board(
    input: &BoardData<'_>,
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<BoardSummary, AnalysisError> {
    check(input, params)?;
    let AnalysisContext { reader, seeds, watch } = *asked;
    let BoardData { probes, sequences, direction, sites, over, .. } = *input;
    let along = match input.beside {
        Some(Beside { other: Other::Direction(other), .. }) => Some(other),
        _ => None,
    };
    let data = ScanData { probes, sequences, direction };
    let how = ScanParams {
        join: params.join.clone(),
        draws: params.draws,
        matched: params.null_draws,
        ends: params.ends,
        sites: sites.to_vec(),
        over,
        at_once: None,
    };
    let (scanned, second) = scan_both(&reader, &data, (along, input.relabelled), &how, seeds, watch)?;
    let second: Option<Vec<ScoreRow>> = second.map(|rows| rows.into_iter().map(Into::into).collect());
    let against = input.beside.map(|Beside { own, name, other }| {
        let board = match other {
            Other::Board(board) => board,
            Other::Direction(_) => second.as_deref().expect("a second direction has a board of its own"),
        };
        Against { own, other: name, board }
    });
    let pairs: Vec<Option<String>> = sequences.iter().map(|s| s.pair.clone()).collect();
    let shared = scanned.shared;
    let found = summarise(scanned, input.kinds, &pairs, against, params, seeds)?;
    let named = || OverWhich { over, sites: sites.iter().map(Site::to_string).collect(), shared };
    Ok(BoardSummary { over: (sites.len() > 1).then(named), ..found })
}

/// What can be refused before anything is read.
pub(super) fn check(input: &BoardData<'_>, params: &Params) -> Result<(), AnalysisError> {
    params.check()?;
    let (kinds, n) = (input.kinds, input.sequences.len());
    if !kinds.is_empty() && kinds.len() != n {
        return Err(AnalysisError::Input(format!("{} kinds for {n} sequences", kinds.len())));
    }
    match params.kinds()? {
        Some([high, low]) if kinds.iter().all(Option::is_none) => Err(AnalysisError::Input(format!(
            "kinds `{high}` and `{low}` are set against each other, but no sequence has a kind (--contrast compares them)"
        ))),
        _ => Ok(()),
    }
}
