//! The same question of other models, and whether their boards agree.

use std::fs::File;
use std::io::BufReader;

use crate::analyses::Analysis as _;
use crate::analyses::board::{ScanData, read_board};
use crate::analyses::transfer::{self, OwnBoard};
use crate::error::{Error, ErrorContext as _};
use crate::host::write_json;
use crate::study::refused;
use serde_json::Value;

use super::board::BOARD;
use super::{AnalysisPage, EstimatedDirections, Stage, StageContext, StagesSoFar, keyed, needs};
use crate::analyses::board::Params as Score;
use crate::study::file::{OtherModel, StudyFile, TransferTable};
use crate::study::sites;

/// The same question of other models.
pub struct TransferStage;

impl Stage for TransferStage {
    fn name(&self) -> &'static str {
        "transfer"
    }

    fn check(&self, study: &StudyFile) -> Result<(), Error> {
        let Some(transfer) = &study.transfer else { return Ok(()) };
        let there = study.data.probes.is_some() && study.data.sequences.is_some();
        needs("transfer", "data.probes and data.sequences", there)?;
        let joined = "a [score] table, which says how sequence and probe are joined";
        needs("transfer", joined, study.score.is_some())?;
        if transfer.models.is_empty() {
            return Err(refused(
                "[transfer] names no models",
                "give models = [{ model = \"…\", site = \"…\" }], or leave the table out",
            ));
        }
        Ok(())
    }

    fn asked(&self, run: &StageContext<'_>) -> Result<Option<Value>, Error> {
        let Some(table) = &run.study.transfer else { return Ok(None) };
        // The weights, whatever they are called.
        let others = table.models.iter().map(|m| run.host.identity(&m.model));
        keyed(Some(&(table, others.collect::<Result<Vec<_>, Error>>()?, &run.study.score)))
    }

    fn leaves(&self, study: &StudyFile) -> Vec<String> {
        study.transfer.iter().flat_map(|table| leaves(table, study)).collect()
    }

    fn page(&self, run: &StageContext<'_>, _: &StagesSoFar<'_>) -> Result<AnalysisPage, Error> {
        let (table, score) = (
            run.study.transfer.as_ref().expect("a stage runs where its table is"),
            run.study.score.as_ref().expect("a stage runs where its table is"),
        );
        run.transfer(table, score)
    }
}

impl StageContext<'_> {
    pub(super) fn transfer(&self, table: &TransferTable, score: &Score) -> Result<AnalysisPage, Error> {
        let others = table.models.iter().map(|other| self.board_of(other, score));
        let others = others.collect::<Result<Vec<_>, Error>>()?;
        let rows = &self.data.sequences.as_ref().expect("a study with a board has sequences").loaded.rows[..];
        let mut params = table.params.clone();
        // A study groups sequences by their kind unless it says otherwise.
        if params.label.is_empty() && params.kind.is_none() && rows.iter().any(|r| r.kind.is_some()) {
            params.label = vec!["kind".into()];
            params.kind = Some("kind".into());
        }
        // The study's own board is there from the table [score], which this one needs.
        let path = self.folder.join(BOARD);
        let file = File::open(&path).context(format!("can't read {}", path.display()))?;
        let board = read_board(BufReader::new(file), &path.display().to_string())?;
        let model = self.reader.runner().info().name.clone();
        let board = board.into_iter().map(Into::into).collect();
        let boards = [vec![OwnBoard { model, site: Some(self.study.site), board }], others].concat();
        let found = transfer::Transfer::of(boards, rows, &params, &self.seeds())?;
        write_json(self.host, &self.folder.join("transfer.json"), &found)?;
        Ok(transfer::Transfer::page(&found))
    }

    fn own_board(&self, directions: &EstimatedDirections, score: &Score) -> Result<OwnBoard, Error> {
        let (probes, sequences) = self.scored()?;
        let name = &self.reader.runner().info().name;
        let bar = self.bar(&format!("scoring on {name}"), "tokens");
        let data = ScanData { probes, sequences, direction: directions.primary()?.direction() };
        Ok(transfer::own_board(&self.reader, name, &data, self.study.site, &score.join, &*bar)?)
    }

    /// The whole question asked of another model: its own direction from the same texts, its own board.
    fn board_of(&self, other: &OtherModel, score: &Score) -> Result<OwnBoard, Error> {
        let session = self.host.model(&other.model)?;
        let folder = self.folder.join(place(&other.model));
        std::fs::create_dir_all(&folder).context(format!("can't make {}", folder.display()))?;
        let mut study = StudyFile { site: other.site, ..self.study.clone() };
        study.direction.estimators.truncate(1);
        sites::of_other(other.site, session.runner().info())?;
        let there = StageContext { study: &study, reader: session.reader(), folder: &folder, ..*self };
        let directions = there.directions()?;
        write_json(self.host, &folder.join("directions.json"), &directions)?;
        there.own_board(&directions, score)
    }
}

pub(super) fn leaves(table: &TransferTable, study: &StudyFile) -> Vec<String> {
    let of = |other: &OtherModel| {
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
