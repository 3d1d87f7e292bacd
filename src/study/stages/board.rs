//! The board of sequences.

use crate::analyses::Named;
use crate::analyses::board::{self, SummaryParams};
use crate::analyses::scan::{ScanData, ScanParams, scan};
use crate::analyses::score::Sequence;
use crate::error::{Context as _, Error};
use crate::host::write_json;
use crate::host::write_jsonl;
use ndarray::ArrayView1;

use super::{Directions, Page, Run};
use crate::study::file::Score;

impl Run<'_> {
    pub(super) fn score(&self, directions: &Directions, score: &Score) -> Result<Page, Error> {
        let (probes, sequences) = self.scored()?;
        let primary = directions.primary()?;
        let params = ScanParams { join: score.join.clone(), ..ScanParams::new(self.study.site) };
        let bar = self.bar("scoring sequences", "tokens");
        let scan = |direction: &[f64], draws| {
            let direction = ArrayView1::from(direction);
            let data = ScanData { probes, sequences, direction };
            scan(&self.reader, &data, &ScanParams { draws, ..params.clone() }, &self.seeds(), &*bar)
        };
        let scanned = scan(&primary.direction, params.draws)?;
        write_jsonl(self.host, &self.folder.join("board.jsonl"), &scanned.board)?;
        // What projecting length and sentiment out does to the ranks.
        let plain = match primary.projected_out.is_empty() {
            true => None,
            false => Some(scan(&primary.unprojected, 0)?.board),
        };
        let kinds = self.kinds();
        let summary = board::summarise(
            &scanned,
            &SummaryParams {
                kinds: kinds.iter().any(Option::is_some).then_some(&kinds[..]),
                contrast: score.contrast.clone(),
                against: plain.as_deref().map(|b| ("nothing projected out", b)),
                name: "projected out",
                ..SummaryParams::default()
            },
            &self.seeds(),
        )?;
        write_json(self.host, &self.folder.join("board.json"), &summary)?;
        Ok(Page {
            findings: board::page::findings(&summary),
            sections: vec![board::page::section(&summary)],
            ..Page::default()
        })
    }

    /// The probes, and the sequences before them.
    pub(super) fn scored(&self) -> Result<(&[Named], &[Sequence]), Error> {
        let lost = "a study with a board has probes and sequences";
        let probes = self.data.probes.as_ref().context(lost)?;
        Ok((&probes.named, &self.data.sequences.as_ref().context(lost)?.all))
    }

    /// The kind of each sequence.
    pub(super) fn kinds(&self) -> Vec<Option<String>> {
        let rows = self.data.sequences.as_ref().map(|s| &s.loaded.rows[..]).unwrap_or_default();
        rows.iter().map(|s| s.kind.clone()).collect()
    }
}
