//! What an audit found.

use ndarray::Array1;
use serde::{Deserialize, Serialize};

use crate::estimate::pipeline::ProjectedOut;
use crate::math::{ClusteredStatistic, Interval};

/// How far from 1/2 an AUROC (or from 0 a cosine) lies, against draws of a null.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistanceNull {
    /// Directions drawn under the null.
    pub draws: usize,
    /// The distance that one in `sets / alpha` draws exceeds: what Holm's strictest step asks for.
    #[serde(default)]
    pub critical: f64,
    /// `(1 + #{null at least as far}) / (1 + draws)`.
    pub p: f64,
    /// Median distance under the null.
    pub median: f64,
    /// The 95 % point of the distance under the null.
    pub high: f64,
}

/// How far scores tell two classes apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Separation {
    /// Chance that a positive row scores above a negative one.
    pub auroc: f64,
    /// Its interval over pairs or groups, the direction as it is (see [`Placement`](crate::math::Placement)).
    pub interval: Interval,
    /// Pairs or groups.
    pub clusters: usize,
    /// Variance of these clusters over that of independent texts.
    pub design: f64,
}

impl From<ClusteredStatistic> for Separation {
    fn from(found: ClusteredStatistic) -> Self {
        let ClusteredStatistic { value, interval, clusters, design } = found;
        Self { auroc: value, interval, clusters, design }
    }
}

/// What a set of this size can find, at the audit's rate of false alarms, with power 0.8.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detectable {
    /// The least AUROC above 1/2 that the interval tells from 1/2; none where not even 1 is.
    pub separates: Option<f64>,
    /// The least AUROC above 1/2 that is beyond matched directions, the family allowed for.
    pub matched: Option<f64>,
    /// How likely the interval lies within the margin if the AUROC is 1/2.
    pub power_to_rule_out: f64,
}

/// How many groups like these it would take, with power 0.8; none where more than
/// [`FEASIBLE`](crate::math::FEASIBLE) would.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Needed {
    /// To tell an AUROC like the one seen from 1/2.
    pub separates: Option<usize>,
    /// To find it beyond matched directions; none where it is within what those do, however many groups.
    pub matched: Option<usize>,
    /// To rule out more than the margin, if the AUROC is 1/2.
    pub rule_out: Option<usize>,
}

/// What can be said about a confound, in the order in which the reasons are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfoundVerdict {
    /// The confound was projected out with the rows it is tested on, or its rows are among the
    /// training rows: whatever comes out says nothing.
    Circular,
    /// Too few groups, or no probe of the set's own tells its classes apart: a direction that does
    /// not either is no news.
    TooLittleData,
    /// The direction separates the confound more than directions drawn like the activations do, the
    /// family of tests allowed for.
    Confounded,
    /// Not more than those do, and the interval of the separation stays within the margin.
    RuledOut,
    /// Not more than those do, but the interval leaves room for what matters.
    NotRuledOut,
}

/// What an audit says of one confound set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRow {
    /// The name of the confound set.
    pub name: String,
    /// Rows of its set.
    pub rows: usize,
    /// Pairs or groups of its set, the clusters of the interval.
    pub groups: usize,
    /// Cosine of the direction with the confound's own, fitted by the same estimator.
    pub cosine: f64,
    /// The same for the direction fitted with nothing projected out.
    pub cosine_unprojected: f64,
    /// The cosine against directions of permuted training labels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cosine_shuffled: Option<DistanceNull>,
    /// How far the direction separates the confound's set.
    pub separation: Separation,
    /// Whether its interval leaves 1/2 out: the direction tells the set apart, whatever other directions do.
    pub separates: bool,
    /// The score test that the AUROC is 1/2, two-sided; the interval is its inversion.
    pub p_separates: f64,
    /// The least effects that a set of this size would show.
    pub detectable: Detectable,
    /// Groups like these that firm answers would take.
    pub needed: Needed,
    /// The separation against the directions of random contrasts with the covariance of the training rows
    /// within their classes.
    pub random: DistanceNull,
    /// The separation against the whole pipeline on permuted training labels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shuffled: Option<DistanceNull>,
    /// How far the confound's own direction separates the training contrast.
    pub recovery: Separation,
    /// How far the confound's own direction separates its own held-out rows: what could be found.
    pub own: f64,
    /// Lower end of the interval of `own`.
    pub own_low: f64,
    /// `random.p`, adjusted by Holm's method over the rows that are neither circular nor too small;
    /// `None` for those.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p_adjusted: Option<f64>,
    /// Rows that are equal, number by number, to a training row.
    pub shared_rows: usize,
    /// What can be said about the confound, of all this.
    pub verdict: ConfoundVerdict,
    /// The confound's own direction, a unit vector of the width; not written.
    #[serde(skip)]
    pub own_direction: Array1<f64>,
}

/// An audit of one direction: a row a confound, and what all rows share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfoundAudit {
    /// A row a confound, in the order given.
    pub rows: Vec<AuditRow>,
    /// Tests in the family that the p values are adjusted over.
    pub family: usize,
    /// Family-wise error of the verdicts.
    pub alpha: f64,
    /// An AUROC within this of 1/2 does not matter.
    pub margin: f64,
    /// Random directions drawn.
    pub random_directions: usize,
    /// Permutations of the pipeline asked for.
    pub permutations_asked: usize,
    /// Permutations of the pipeline done.
    pub permutations: usize,
    /// Cosine of the direction with what the pipeline finds on the training rows.
    pub cosine_to_pipeline: f64,
    /// What the pipeline projected out of the training rows.
    pub projected_out: Vec<ProjectedOut>,
    /// Nuisances that the training rows do not vary in, with the reason.
    pub absent: Vec<(String, String)>,
    /// The direction audited, a unit vector of the width; not written.
    #[serde(skip)]
    pub direction: Array1<f64>,
}
