//! The same question of other models, and whether their boards agree.

use std::collections::BTreeMap;

use anyhow::Context as _;
use truenorth::analyses::board::{Params as Score, ScanData};
use truenorth::analyses::transfer::{self, OwnBoard, TransferParams};

use super::super::super::args::{ModelArgs, On};
use super::super::super::record::write_json;
use super::super::super::session::{self, Session};
use super::super::file::{Other, StudyFile, Transfer};
use super::super::report::check;
use super::{Directions, Page, Run};

impl Run<'_> {
    pub(super) fn transfer(
        &self,
        table: &Transfer,
        score: &Score,
        directions: &Directions,
    ) -> anyhow::Result<Page> {
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
        write_json(&self.folder.join("transfer.json"), &found)?;
        Ok(Page {
            findings: transfer::page::findings(&found),
            sections: vec![transfer::page::section(&found)],
            ..Page::default()
        })
    }

    fn own_board(&self, directions: &Directions, score: &Score) -> anyhow::Result<OwnBoard> {
        let (probes, sequences) = self.scored()?;
        let name = &self.reader.runner().info().name;
        let bar = self.bar(&format!("scoring on {name}"), "tokens");
        let data = ScanData { probes, sequences, direction: directions.primary()?.direction() };
        Ok(transfer::own_board(&self.reader, name, &data, self.study.site, &score.join, &bar)?)
    }

    /// The whole question asked of another model: its own direction from the same texts, its own board.
    fn board_of(&self, other: &Other, score: &Score) -> anyhow::Result<OwnBoard> {
        let session = Session::open(&ModelArgs { model: other.model.clone(), ..self.args.clone() })?;
        let folder = self.folder.join(place(&other.model));
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        let mut study = StudyFile { site: other.site, ..self.study.clone() };
        study.direction.estimators.truncate(1);
        check(&study, session.runner().info())?;
        let there =
            Run { study: &study, reader: session.reader(), store: session.store(), folder: &folder, ..*self };
        let directions = there.directions()?;
        write_json(&folder.join("directions.json"), &directions)?;
        there.own_board(&directions, score)
    }

    /// What another model is, for the key of a stage: its weights where they are at hand, else its name.
    pub(super) fn identity(&self, model: &str) -> anyhow::Result<String> {
        match &self.args.place.on {
            On::Local => Ok(session::resolve(model, &self.args.common)?.identity),
            _ => Ok(model.to_owned()),
        }
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
