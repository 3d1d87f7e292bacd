//! Directions over the course of training, and across categories.
//!
//! One checkpoint is enough for the categories beside each other; two and more make a course.
//!
//! Checkpoints are taken one at a time: of each only the fitted directions, centroids and magnitudes are
//! kept, never its activations. The probing matrix needs every direction on every checkpoint's texts, so
//! the checkpoints are gone through a second time; what the store keeps is not computed again.
//!
//! The same texts are read at every checkpoint, in the same folds. A probe trained on one checkpoint is
//! tested on another's texts of the fold it was not fitted on, off the diagonal too.

mod alone;
mod centroids;
mod change;
mod checkpoints;
mod cosines;
mod cross;
pub mod explorer;
mod files;
mod fit;
mod found;
mod named;
mod nulls;
pub mod page;
mod params;
mod probing;
mod protocols;
mod run;
mod table;

#[cfg(test)]
mod tests;

pub use alone::CategoryAlone;
pub use centroids::{CentroidMap, CentroidNumber, ClassAt, ClassCourse};
pub use change::{CourseChange, Jump, change_point, jump};
pub use checkpoints::{Checkpoints, OneModel, activations};
pub use cosines::{CheckpointStep, Course, courses};
pub use cross::{
    CrossCourse, CrossParams, CrossPoint, CrossSample, CrossSteer, CrossSteering, DeferredModel,
};
pub use files::{DirectionAt, DirectionCourse, DirectionGeometry, of_directions};
pub use found::{CategoryCourse, Found, TextGeometry};
pub use named::Checkpoint;
pub use params::Params;
pub(crate) use probing::{FALSE_POSITIVES, rate_method};
pub use probing::{PositiveShare, ProbeCell, ProbingMatrix};
pub use protocols::{Protocol, ProtocolAngle, ProtocolLeftOut, ProtocolReading, Protocols};

use truenorth_reading::{Analysis, AnalysisContext, AnalysisError, AnalysisPage, ClassTexts, Listing};
use truenorth_stats::math::Seeds;

/// The name of the contrast of all texts.
pub const GENERAL: &str = "general";

/// The texts' labels, the same at every checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct GeometryTexts {
    /// Whether each text is of the positive class.
    pub positive: Vec<bool>,
    /// The categories of each text, by name.
    pub categories: Vec<Vec<String>>,
    /// The group of each text, which no fold cuts through.
    pub groups: Vec<String>,
    /// The texts themselves, to say beside each direction what length and words alone tell; empty where they are not at
    /// hand.
    pub texts: Vec<String>,
}

impl From<&ClassTexts> for GeometryTexts {
    fn from(all: &ClassTexts) -> Self {
        Self {
            positive: all.positive.clone(),
            categories: all.categories.clone(),
            groups: all.groups.clone(),
            texts: truenorth_reading::extract::texts(&all.prompts).into_iter().map(str::to_owned).collect(),
        }
    }
}

/// Directions over checkpoints, by their texts or as vectors.
#[derive(Clone, Copy)]
pub enum GeometryData<'a> {
    /// The directions of texts, fitted at every checkpoint.
    Texts(&'a GeometryTexts, &'a dyn Checkpoints),
    /// As these, and pushed into a model.
    Steered(&'a GeometryTexts, &'a dyn Checkpoints, CrossSteer<'a>),
    /// Directions without their texts, in training order.
    Directions(&'a [DirectionAt]),
}

/// Directions beside each other, across categories and checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct Geometry;

impl Geometry {
    /// As [`Analysis::run`], whose model is none of the checkpoints unless it is given as one.
    ///
    /// # Errors
    /// Without a checkpoint, with one class, a category with too few texts, activations of another shape or
    /// that are not finite (the checkpoint is named), or when one can't be read; for directions as
    /// [`of_directions`].
    pub fn of(input: &GeometryData<'_>, params: &Params, seeds: &Seeds) -> Result<Found, AnalysisError> {
        Ok(match input {
            GeometryData::Texts(texts, checkpoints) => {
                Found::Texts(Box::new(run::over(*checkpoints, texts, params, None, seeds)?))
            }
            GeometryData::Steered(texts, checkpoints, steer) => {
                Found::Texts(Box::new(run::over(*checkpoints, texts, params, Some(steer), seeds)?))
            }
            GeometryData::Directions(all) => {
                Found::Directions(Box::new(of_directions(all, params.permutations, seeds)?))
            }
        })
    }
}

impl Analysis for Geometry {
    const NAME: &'static str = "geometry";
    const TITLE: &'static str = "How do the directions lie to each other?";
    type Params = Params;
    type Input<'a> = GeometryData<'a>;
    type Found = Found;

    fn run(
        input: &GeometryData<'_>,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<Found, AnalysisError> {
        Self::of(input, params, asked.seeds)
    }

    fn page(found: &Found) -> AnalysisPage {
        match found {
            Found::Texts(found) => {
                let mut page = AnalysisPage::new(page::findings(found), page::section(found));
                page.sections.extend(page::cross_section(found));
                page
            }
            Found::Directions(found) => AnalysisPage::new(vec![], page::of_directions(found)),
        }
    }

    fn table(found: &Found) -> Listing {
        match found {
            Found::Texts(found) => table::of_texts(found),
            Found::Directions(found) => table::of_directions(found),
        }
    }
}

const COURSE_NOT_SHOWN: [&str; 3] = [
    "That a direction is the same feature at two checkpoints: the coordinates themselves may turn while a \
     model trains, and a cosine can't tell the two apart.",
    change::RATES,
    "Anything between two checkpoints.",
];
