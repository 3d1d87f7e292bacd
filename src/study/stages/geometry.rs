//! Directions of categories, at the study's model or over checkpoints.

use crate::analyses::Parameters as _;
use crate::analyses::geometry::{
    CrossSteer, Found, Geometry, GeometryData, OneModel, Params, Texts, explorer,
};
use crate::analyses::{Analysis as _, Asked, Labelled};
use crate::error::Context as _;
use crate::study::file::StudyFile;
use serde_json::Value;
use truenorth_stats::estimate::{Estimator, UnknownEstimator};

use super::{Page, Run, SoFar, Stage, keyed, needs};
use crate::error::Error;
use crate::host::write_json;
use crate::inputs::checkpoints::{Opened, Pushed};
use crate::study::{file, refused};

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
        geometry.params.check().context("[geometry] can't be run")
    }

    fn asked(&self, run: &Run<'_>) -> Result<Option<Value>, Error> {
        keyed(run.study.geometry.as_ref())
    }

    fn leaves(&self, study: &StudyFile) -> Vec<String> {
        let course = study.geometry.as_ref().is_some_and(|g| g.checkpoints.len() > 1);
        std::iter::once("geometry.json").chain(course.then_some(explorer::NAME)).map(str::to_owned).collect()
    }

    fn page(&self, run: &Run<'_>, _: &SoFar<'_>) -> Result<Page, Error> {
        let classes = run.data.labelled()?.expect("a stage runs where its table is");
        run.geometry(run.study.geometry.as_ref().expect("a stage runs where its table is"), &classes)
    }
}

impl Run<'_> {
    pub(super) fn geometry(&self, table: &file::Geometry, all: &Labelled) -> Result<Page, Error> {
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
        let (texts, seeds) = (Texts::from(all), self.seeds());
        let target = table.steer_into.as_ref().map(|s| Pushed::new(&s.model, self.host));
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
            let asked = Asked { reader: self.reader, seeds: &seeds, watch: &*bar };
            Ok(Geometry::run(&data(&own), &params, &asked)?)
        } else {
            let open =
                Opened::new(&table.checkpoints, self.host, &all.prompts, place).reading_too(&table.protocols);
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
        Ok(Geometry::page(&found))
    }
}
