//! The same question of other models, and whether their boards agree.

use anyhow::Context as _;
use truenorth::analyses::scan::ScanData;
use truenorth::analyses::transfer::{self, OwnBoard, TransferData};
use truenorth::analyses::{Analysis as _, Asked};

use super::super::super::args::{ModelArgs, On};
use super::super::super::record::write_json;
use super::super::super::session::{self, Session};
use super::super::file::{Other, Score, StudyFile, Transfer};
use super::super::report::check;
use super::{Directions, Page, Run};

impl Run<'_> {
    pub(super) fn transfer(
        &self,
        table: &Transfer,
        score: &Score,
        directions: &Directions,
    ) -> anyhow::Result<Page> {
        let others = table.models.iter().map(|other| self.board_of(other, score));
        let others = others.collect::<anyhow::Result<Vec<_>>>()?;
        let rows = self.data.sequences.as_ref().map(|s| &s.loaded.rows[..]).unwrap_or_default();
        let mut params = table.params.clone();
        // A study groups sequences by their kind unless it says otherwise.
        if params.label.is_empty() && params.kind.is_none() && rows.iter().any(|r| r.kind.is_some()) {
            params.label = vec!["kind".into()];
            params.kind = Some("kind".into());
        }
        let (probes, sequences) = self.scored()?;
        let name = &self.reader.runner().info().name;
        let data = TransferData {
            name,
            site: self.study.site,
            scored: ScanData { probes, sequences, direction: directions.primary()?.direction() },
            join: &score.join,
            before: &[],
            after: &others,
            rows,
        };
        let bar = self.bar(&format!("scoring on {name}"), "tokens");
        let asked = Asked { reader: self.reader, seeds: &self.seeds(), watch: &bar };
        let found = transfer::Transfer::run(&data, &params, &asked)?;
        write_json(&self.folder.join("transfer.json"), &found)?;
        Ok(transfer::Transfer::page(&found))
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
