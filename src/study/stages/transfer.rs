//! The same question of other models, and whether their boards agree.

use crate::host::write_json;
use std::collections::BTreeMap;

use crate::analyses::scan::ScanData;
use crate::analyses::transfer::{self, OwnBoard, TransferParams};
use crate::error::{Context as _, Error};

use super::{Directions, Page, Run};
use crate::study::file::{Other, Score, StudyFile, Transfer};
use crate::study::report::check;

impl Run<'_> {
    pub(super) fn transfer(
        &self,
        table: &Transfer,
        score: &Score,
        directions: &Directions,
    ) -> Result<Page, Error> {
        let mut boards = vec![self.own_board(directions, score)?];
        for other in &table.models {
            boards.push(self.board_of(other, score)?);
        }
        let mut params = TransferParams::default();
        let kinds = self.kinds();
        if kinds.iter().any(Option::is_some) {
            params.labels = BTreeMap::from([("kind".to_owned(), kinds)]);
            params.kind = Some("kind".into());
        }
        let found = transfer::compare(boards, &params, &self.seeds())?;
        write_json(self.host, &self.folder.join("transfer.json"), &found)?;
        Ok(Page {
            findings: transfer::page::findings(&found),
            sections: vec![transfer::page::section(&found)],
            ..Page::default()
        })
    }

    fn own_board(&self, directions: &Directions, score: &Score) -> Result<OwnBoard, Error> {
        let (probes, sequences) = self.scored()?;
        let name = &self.reader.runner().info().name;
        let bar = self.bar(&format!("scoring on {name}"), "tokens");
        let data = ScanData { probes, sequences, direction: directions.primary()?.direction() };
        Ok(transfer::own_board(&self.reader, name, &data, self.study.site, &score.join, &*bar)?)
    }

    /// The whole question asked of another model: its own direction from the same texts, its own board.
    fn board_of(&self, other: &Other, score: &Score) -> Result<OwnBoard, Error> {
        let session = self.host.model(&other.model)?;
        let folder = self.folder.join(place(&other.model));
        std::fs::create_dir_all(&folder).context(format!("can't make {}", folder.display()))?;
        let mut study = StudyFile { site: other.site, ..self.study.clone() };
        study.direction.estimators.truncate(1);
        check(&study, session.runner().info())?;
        let there = Run { study: &study, reader: session.reader(), folder: &folder, ..*self };
        let directions = there.directions()?;
        write_json(self.host, &folder.join("directions.json"), &directions)?;
        there.own_board(&directions, score)
    }
}

/// The files that the stage leaves.
pub(super) fn leaves(table: &Transfer, study: &StudyFile) -> Vec<String> {
    let of = |other: &Other| {
        let folder = place(&other.model);
        let directions = study.direction.estimators.iter().take(1);
        let mut files: Vec<String> =
            directions.map(|e| format!("{folder}/directions/{e}.safetensors")).collect();
        files.push(format!("{folder}/directions.json"));
        files
    };
    table.models.iter().flat_map(of).chain(["transfer.json".to_owned()]).collect()
}

/// Where in the run's folder another model's files are.
fn place(model: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    format!("transfer/{}", model.chars().map(plain).collect::<String>())
}
