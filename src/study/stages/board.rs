//! The board of sequences.

use crate::analyses::board::{Beside, Board, BoardData, Other, Over, Params, Sequence};
use crate::analyses::default_permutations;
use crate::analyses::{Analysis as _, AnalysisContext, AnalysisPage, NamedPrompt};
use crate::direction::estimator;
use crate::study::file::StudyFile;
use ndarray::{Array2, ArrayView1};
use serde_json::Value;
use truenorth_protocol::run::Watch;
use truenorth_stats::estimate::{Pipeline, SplitBy};

use super::{EstimatedDirections, Stage, StageContext, StagesSoFar, keyed, needs};
use crate::error::{Error, ErrorContext as _};
use crate::host::{write_json, write_jsonl};

/// The rows, in the run's folder.
pub(super) const BOARD: &str = "board.jsonl";

pub struct BoardStage;

impl Stage for BoardStage {
    fn name(&self) -> &'static str {
        "score"
    }

    fn check(&self, study: &StudyFile) -> Result<(), Error> {
        let Some(score) = &study.score else { return Ok(()) };
        let there = study.data.probes.is_some() && study.data.sequences.is_some();
        needs("score", "data.probes and data.sequences", there)?;
        score.check().context("[score] can't be run")
    }

    fn asked(&self, run: &StageContext<'_>) -> Result<Option<Value>, Error> {
        keyed(run.study.score.as_ref())
    }

    fn leaves(&self, _: &StudyFile) -> Vec<String> {
        vec![BOARD.into(), "board.json".into()]
    }

    fn page(&self, run: &StageContext<'_>, so_far: &StagesSoFar<'_>) -> Result<AnalysisPage, Error> {
        run.score(so_far.directions, run.study.score.as_ref().expect("a stage runs where its table is"))
    }
}

impl StageContext<'_> {
    pub(super) fn score(
        &self,
        directions: &EstimatedDirections,
        params: &Params,
    ) -> Result<AnalysisPage, Error> {
        let (probes, sequences) = self.scored()?;
        let primary = directions.primary()?;
        // What projecting length and sentiment out does to the ranks.
        let beside = (!primary.projected_out.is_empty()).then(|| Beside {
            own: "projected out",
            name: "nothing projected out",
            other: Other::Direction(ArrayView1::from(&primary.unprojected)),
        });
        let (kinds, sites) = (&self.kinds()[..], &[self.study.site][..]);
        let bar = self.bar("scoring sequences", "tokens");
        let relabelled = self.relabelled(params, &*bar)?;
        let direction = primary.direction();
        let relabelled = Some(relabelled.view());
        let over = Over::Mean;
        let data = BoardData { probes, sequences, kinds, direction, sites, over, relabelled, beside };
        let found = Board::run(
            &data,
            params,
            &AnalysisContext { reader: self.reader, seeds: &self.seeds(), watch: &*bar },
        )?;
        write_jsonl(self.host, &self.folder.join(BOARD), &found.board)?;
        write_json(self.host, &self.folder.join("board.json"), &found)?;
        Ok(Board::page(&found))
    }

    /// Directions of the primary pipeline on exchanged labels, as many as its held-out null has.
    fn relabelled(&self, params: &Params, watch: &dyn Watch) -> Result<Array2<f64>, Error> {
        let study = self.study;
        let name = study.direction.estimators.first().context("a study has at least one estimator")?;
        let (site, at) = (study.site, study.positions);
        let samples = self.data.question()?.samples(&self.reader, site, at, watch)?;
        let pipeline = Pipeline { estimator: estimator(name)?, nuisances: self.nuisances(watch)? };
        let draws = default_permutations(pipeline.estimator.params()).min(params.null_draws);
        watch.say(&format!("fitting {draws} directions to exchanged labels"));
        Ok(pipeline.relabelled_directions(&samples, SplitBy::Pair, draws, &self.seeds().child("board"))?)
    }

    /// The probes, and the sequences before them.
    pub(super) fn scored(&self) -> Result<(&[NamedPrompt], &[Sequence]), Error> {
        let lost = "a study with a board has probes and sequences";
        let probes = self.data.probes.as_ref().context(lost)?;
        Ok((&probes.named, &self.data.sequences.as_ref().context(lost)?.all))
    }

    pub(super) fn kinds(&self) -> Vec<Option<String>> {
        let sequences = self.data.sequences.as_ref().expect("a study with a board has sequences");
        sequences.loaded.rows.iter().map(|s| s.kind.clone()).collect()
    }
}
