//! Directions of categories, at the study's model or over checkpoints.

use crate::analyses::Parameters as _;
use crate::analyses::geometry::{
    CrossSample, CrossSteer, Found, Geometry, GeometryData, GeometryTexts, OneModel, Params, explorer,
};
use crate::analyses::{Analysis as _, AnalysisContext, ClassTexts};
use crate::error::ErrorContext as _;
use crate::study::file::StudyFile;
use serde_json::Value;
use truenorth_stats::estimate::{Estimator, UnknownEstimator};

use super::judge::TextToJudge;
use super::{AnalysisPage, Stage, StageContext, StagesSoFar, keyed, needs};
use crate::error::Error;
use crate::host::write_json;
use crate::inputs::checkpoints::{CheckpointReadings, PushedModel};
use crate::study::{file, refused};

/// What the files of judged pushes begin with.
const JUDGED: &str = "geometry-judge";

/// Directions of categories, and over checkpoints.
pub struct GeometryStage;

impl Stage for GeometryStage {
    fn name(&self) -> &'static str {
        "geometry"
    }

    fn check(&self, study: &StudyFile) -> Result<(), Error> {
        let Some(geometry) = &study.geometry else { return Ok(()) };
        needs("geometry", "data.classes", study.data.classes.is_some())?;
        if !geometry.protocols.is_empty() && geometry.checkpoints.is_empty() {
            return Err(refused(
                "[geometry] protocols need a checkpoint",
                format!("give checkpoints = [\"{}\"]", study.model),
            ));
        }
        if let Some(steer) = &geometry.steer_into {
            steer.check().context("[geometry] steer_into can't be run")?;
        }
        if let Some(judge) = &geometry.judge {
            super::judge::check(judge, "geometry.judge")?;
            needs("geometry.judge", "steer_into, whose texts it judges", geometry.steer_into.is_some())?;
        }
        geometry.params.check().context("[geometry] can't be run")
    }

    fn asked(&self, run: &StageContext<'_>) -> Result<Option<Value>, Error> {
        let Some(table) = &run.study.geometry else { return Ok(None) };
        let judge = table.judge.as_ref().and_then(|j| j.model.as_deref());
        match judge.map(|model| run.host.identity(model)).transpose()? {
            Some(model) => keyed(Some(&(table, model))),
            None => keyed(Some(table)),
        }
    }

    fn leaves(&self, study: &StudyFile) -> Vec<String> {
        let course = study.geometry.as_ref().is_some_and(|g| g.checkpoints.len() > 1);
        let questions = study.geometry.iter().filter_map(|g| g.judge.as_ref()).flat_map(|j| &j.questions);
        std::iter::once("geometry.json")
            .chain(course.then_some(explorer::NAME))
            .map(str::to_owned)
            .chain(questions.map(|q| format!("{JUDGED}-{q}.json")))
            .collect()
    }

    fn page(&self, run: &StageContext<'_>, _: &StagesSoFar<'_>) -> Result<AnalysisPage, Error> {
        let classes = run.data.labelled()?.expect("a stage runs where its table is");
        run.geometry(run.study.geometry.as_ref().expect("a stage runs where its table is"), &classes)
    }
}

impl StageContext<'_> {
    pub(super) fn geometry(
        &self,
        table: &file::GeometryTable,
        all: &ClassTexts,
    ) -> Result<AnalysisPage, Error> {
        let names = &self.study.direction.estimators;
        let known: Vec<Estimator> =
            names.iter().map(|n| n.parse()).collect::<Result<_, UnknownEstimator>>()?;
        let params = Params {
            positions: table.params.positions.or(Some(self.study.positions)),
            // Classes have no pairs for pca.
            estimator: table
                .params
                .estimator
                .clone()
                .or_else(|| known.into_iter().find(|e| *e != Estimator::Pca)),
            folds: table.params.folds.or(Some(self.study.held_out.folds)),
            ..table.params.clone()
        };
        let place = (self.study.site, params.at());
        let (texts, seeds) = (GeometryTexts::from(all), self.seeds());
        let target = table.steer_into.as_ref().map(|s| PushedModel::new(&s.model, self.host));
        let steer = target.as_ref().zip(table.steer_into.as_ref()).map(|(target, params)| CrossSteer {
            target,
            prompts: self.data.generated_from(),
            site: place.0,
            params,
        });
        let data = |checkpoints| match steer {
            Some(steer) => GeometryData::Steered(&texts, checkpoints, steer),
            None => GeometryData::Texts(&texts, checkpoints),
        };
        let found = if table.checkpoints.is_empty() {
            // The study's own model, which is open already.
            let bar = self.bar(&self.study.model, "tokens");
            let own = OneModel::new(&self.study.model, self.reader, &all.prompts, place, &*bar);
            let asked = AnalysisContext { reader: self.reader, seeds: &seeds, watch: &*bar };
            Ok(Geometry::run(&data(&own), &params, &asked)?)
        } else {
            let open = CheckpointReadings::new(&table.checkpoints, self.host, &all.prompts, place)
                .reading_too(&table.protocols);
            let again = table.steer_into.as_ref().map(|s| s.model.as_str());
            let open = if table.delete_fetched { open.deleting(again) } else { open };
            let found = Geometry::of(&data(&open), &params, &seeds);
            open.finish(found).map(|(found, _)| found)
        };
        if let Some(target) = target {
            target.finish()?;
        }
        let found = found?;
        write_json(self.host, &self.folder.join("geometry.json"), &found)?;
        if let (true, Found::Texts(found)) = (table.checkpoints.len() > 1, &found) {
            truenorth_report::write_page(self.folder, explorer::NAME, &explorer::html(found))?;
        }
        let mut page = Geometry::page(&found);
        if let (Some(judge), Found::Texts(found)) = (&table.judge, &found)
            && let Some(steering) = &found.steering
        {
            let judged = self.judged_pushes(judge, &steering.samples)?;
            page.sections.extend(judged.sections);
            page.findings.extend(judged.findings);
        }
        Ok(page)
    }

    /// What a model says of the texts written under the checkpoints' directions. What is written at 0 is the same for all.
    fn judged_pushes(
        &self,
        judge: &file::JudgeTable,
        samples: &[CrossSample],
    ) -> Result<AnalysisPage, Error> {
        let prompts = self.asked_of()?;
        let first = samples.first().map(|s| (&s.checkpoint, &s.category));
        let kept = samples.iter().filter(|s| s.lambda != 0.0 || Some((&s.checkpoint, &s.category)) == first);
        let row = |s: &'_ CrossSample| {
            let group = match s.lambda {
                0.0 => "unsteered".to_owned(),
                lambda => format!("{}, {} at {lambda}", s.checkpoint, s.category),
            };
            (format!("{}: {group}", s.id), group)
        };
        let rows = kept.map(|s| {
            let (id, group) = row(s);
            let prompt = prompts.get(s.id.as_str()).context(format!("no prompt `{}`", s.id))?;
            Ok(TextToJudge { id, prompt, text: &s.text, group })
        });
        let rows = rows.collect::<Result<Vec<_>, Error>>()?;
        let mut page = self.judged(judge, JUDGED, &rows)?;
        for section in &mut page.sections {
            section.title = format!("{}: directions of checkpoints pushed", section.title);
        }
        Ok(page)
    }
}
