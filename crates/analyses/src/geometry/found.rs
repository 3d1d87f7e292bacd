//! What was found, as it is written.

use serde::Serialize;

use super::{
    CategoryAlone, CentroidMap, Course, CourseChange, CrossSteering, DirectionGeometry, Jump, ProbeCell,
    ProbingMatrix, Protocols,
};
use truenorth_reading::Cosine;
use truenorth_reading::stat::Number;

/// What was found: of texts, or of directions without theirs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Found {
    /// Directions that were fitted on texts.
    Texts(Box<TextGeometry>),
    /// Directions as they came.
    Directions(Box<DirectionGeometry>),
}

/// A category over the course of training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CategoryCourse {
    /// The category, or [`GENERAL`](super::GENERAL).
    pub category: String,
    /// Positive and negative texts.
    pub n: [usize; 2],
    /// Whether it has no negative texts of its own and takes those of all.
    pub shared_negatives: bool,
    /// Its cosines, steps and breaks over the checkpoints.
    pub course: Course,
    /// At each checkpoint the cosine of directions from two halves of the texts: a cosine across
    /// checkpoints much above it can't be expected.
    pub reliability: Vec<f64>,
    /// At each checkpoint the norm of the difference of the class means, in the model's own units: the size of the
    /// direction before it is made a unit.
    pub difference: Vec<Number>,
    /// At each checkpoint the norm of the difference of the class means, as a share of the mean residual
    /// norm.
    pub magnitude: Vec<Number>,
    /// A break in the magnitudes; none with fewer than six checkpoints.
    pub magnitude_change: Option<CourseChange>,
    /// Between checkpoints the distance of the positive centroids, in mean residual norms of the earlier.
    pub drift: Vec<Number>,
    /// The largest drift beside the others; none with fewer than three steps.
    pub drift_jump: Option<Jump>,
    /// At each checkpoint the cosine with the general direction, whose texts include this category's.
    pub to_general: Vec<Cosine>,
    /// At each checkpoint the cosine with the direction of all other categories.
    pub to_others: Vec<Cosine>,
}

/// Directions of texts, at one checkpoint or over a course of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TextGeometry {
    /// The checkpoints in training order.
    pub checkpoints: Vec<String>,
    /// The stage of training of each; empty where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Option<String>>,
    /// Width of the residual stream.
    pub width: usize,
    /// The general contrast first, then the categories by name.
    pub categories: Vec<CategoryCourse>,
    /// At each checkpoint the cosines of the categories, in the order of `categories`.
    pub across: Vec<Vec<Vec<Cosine>>>,
    /// At each checkpoint the probes of every category on the texts of every other, a row a category
    /// fitted on, a column a category tested on; each text on a direction that has not seen its group.
    pub across_probing: Vec<Vec<Vec<ProbeCell>>>,
    /// Where the centroids of the classes lie, and how far their texts scatter.
    pub centroids: CentroidMap,
    /// At the last checkpoint what length and words alone tell of each category; empty where the texts are not at
    /// hand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alone: Vec<CategoryAlone>,
    /// How the intervals of the probes are made.
    pub probing_method: String,
    /// How those of their true-positive rates are made, and whether there are texts enough for one.
    pub rate_method: String,
    /// Probes of every checkpoint on every checkpoint, in the order of `categories`.
    pub probing: Vec<ProbingMatrix>,
    /// The last checkpoint's texts read in other ways; none where that was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocols: Option<Protocols>,
    /// The directions pushed into a model; none where that was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steering: Option<CrossSteering>,
    /// What the geometry does not show, a sentence each.
    pub not_shown: Vec<String>,
}

impl TextGeometry {
    /// Where stages of training begin: the number of the first checkpoint, and the stage.
    #[must_use]
    pub fn stage_starts(&self) -> Vec<(usize, &str)> {
        let mut out = vec![];
        let mut before = None;
        for (i, stage) in self.stages.iter().enumerate() {
            if let Some(stage) = stage.as_deref().filter(|_| before != Some(stage)) {
                out.push((i, stage));
            }
            before = Some(stage);
        }
        out
    }

    /// The checkpoints with their stages, as the heads of a matrix have them.
    #[must_use]
    pub fn staged_names(&self) -> Vec<String> {
        let name = |(i, name): (usize, &String)| match self.stages.get(i) {
            Some(Some(stage)) => format!("{stage}: {name}"),
            _ => name.clone(),
        };
        self.checkpoints.iter().enumerate().map(name).collect()
    }
}
