//! What was found, as it is written.

use serde::Serialize;

use super::{CategoryAlone, ChangePoint, Course, DirectionGeometry, Jump, ProbeCell, ProbingMatrix};
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
    /// How the direction turns.
    pub course: Course,
    /// At each checkpoint the cosine of directions from two halves of the texts: a cosine across
    /// checkpoints much above it can't be expected.
    pub reliability: Vec<f64>,
    /// At each checkpoint the norm of the difference of the class means, as a share of the mean residual
    /// norm.
    pub magnitude: Vec<Number>,
    /// A break in the magnitudes; none with fewer than six checkpoints.
    pub magnitude_change: Option<ChangePoint>,
    /// Between checkpoints the distance of the positive centroids, in mean residual norms of the earlier.
    pub drift: Vec<Number>,
    /// The largest drift.
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
    /// Width of the residual stream.
    pub width: usize,
    /// The general contrast first, then the categories by name.
    pub categories: Vec<CategoryCourse>,
    /// At each checkpoint the cosines of the categories, in the order of `categories`.
    pub across: Vec<Vec<Vec<Cosine>>>,
    /// At each checkpoint the probes of every category on the texts of every other, a row a category
    /// fitted on, a column a category tested on; each text on a direction that has not seen its group.
    pub across_probing: Vec<Vec<Vec<ProbeCell>>>,
    /// At the last checkpoint what length and words alone tell of each category; empty where the texts are not at
    /// hand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alone: Vec<CategoryAlone>,
    /// How the intervals of the probes are made.
    pub probing_method: String,
    /// Probes of every checkpoint on every checkpoint, in the order of `categories`.
    pub probing: Vec<ProbingMatrix>,
    /// What this does not show.
    pub not_shown: Vec<String>,
}
