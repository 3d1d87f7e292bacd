//! Directions of categories, at the study's model or over checkpoints.

use crate::analyses::Labelled;
use crate::analyses::geometry::{self, GeometryParams, Texts};
use crate::direction::estimator;
use crate::error::Error;
use crate::host::write_json;
use crate::inputs::checkpoints::{Checkpoints, activations};
use truenorth_stats::estimate::Estimator;

use super::{Page, Run};
use crate::study::file::Geometry;

/// Shuffles behind each change-point test.
const PERMUTATIONS: usize = 1999;

impl Run<'_> {
    pub(super) fn geometry(&self, table: &Geometry, all: &Labelled) -> Result<Page, Error> {
        let texts = Texts {
            positive: all.positive.clone(),
            categories: all.categories.clone(),
            groups: all.groups.clone(),
        };
        let names = &self.study.direction.estimators;
        let chosen = names.iter().map(|n| estimator(n)).collect::<Result<Vec<_>, Error>>()?;
        // Classes have no pairs for pca.
        let chosen = chosen.into_iter().find(|e| *e.params() != Estimator::Pca);
        let params = GeometryParams {
            estimator: chosen.map_or_else(|| estimator("mean-diff"), Ok)?,
            folds: self.study.held_out.folds,
            permutations: PERMUTATIONS,
            probing: table.probing,
        };
        let at = (self.study.site, self.study.positions);
        let found = if table.checkpoints.is_empty() {
            // The study's own model, which is open already.
            let own = [self.study.model.clone()];
            let load = |_| {
                let bar = self.bar(&own[0], "tokens");
                activations(&self.reader, &all.prompts, at, &*bar)
            };
            geometry::geometry(&own, &texts, &params, &self.seeds(), load)?
        } else {
            let names = &table.checkpoints;
            let mut open = Checkpoints::new(names, self.host, &all.prompts, at);
            let found = geometry::geometry(names, &texts, &params, &self.seeds(), |i| open.load(i));
            open.finish(found)?.0
        };
        write_json(self.host, &self.folder.join("geometry.json"), &found)?;
        Ok(Page {
            findings: geometry::page::findings(&found),
            sections: vec![geometry::page::section(&found)],
            ..Page::default()
        })
    }
}
