//! What a probe is held against: the text alone, an untrained model, a direction of truth.

use ndarray::{Array1, Axis};
use serde::Serialize;
use truenorth_protocol::Site;

use super::HELD_OUT;
use super::contrast::{ContrastRows, Material, RowLabels};
use super::run::named;
use super::source::PickedRows;
use truenorth_reading::stat::{Null, Number, of};
use truenorth_reading::{AnalysisError, ClassTexts};
use truenorth_stats::estimate::probing::{
    Layers, ProbeError, ProbeSettings, ProbingResult, TestSet, TrainSet, auroc_difference,
};
use truenorth_stats::math;
use truenorth_stats::math::{ClusteredStatistic, MathError, Seeds};

/// How much more a probe knows than a control, on the same texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlDifference {
    /// `held-out`, or the name of a test set.
    pub set: String,
    /// AUROC of the probe.
    pub probe: f64,
    /// AUROC of the control.
    pub control: f64,
    /// The probe's AUROC less the control's, paired.
    pub difference: Number,
}

/// A control that goes through the same procedure as the probe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Baseline {
    /// `bag-of-words`, `length` or `random-init`.
    pub name: String,
    /// What the control is, in words.
    pub what: String,
    /// Held-out AUROC, choices made inside the training folds.
    pub held_out: Number,
    /// The probe against it, paired by text.
    pub differences: Vec<ControlDifference>,
    /// The layer-by-layer numbers behind it; not written.
    #[serde(skip)]
    pub probing: ProbingResult,
}

impl Baseline {
    pub(super) fn new(
        name: &str,
        what: &str,
        contrast: &ContrastRows<'_>,
        probed: &ProbingResult,
        found: ProbingResult,
        probe: &ProbeSettings,
    ) -> Result<Self, AnalysisError> {
        let level = probe.level;
        let pair =
            |set: &str, probe: f64, control: f64, rows: usize, found: ClusteredStatistic| ControlDifference {
                set: set.to_owned(),
                probe,
                control,
                difference: Number {
                    value: found.value,
                    n: rows,
                    interval: Some(found.interval),
                    method: format!(
                        "two score intervals put together (Zou and Donner 2008), paired over {} groups",
                        found.clusters
                    ),
                    null: None,
                },
            };
        let data = contrast.data;
        let mut differences = Vec::with_capacity(1 + contrast.tests.len());
        if let (Some(a), Some(b)) = (&probed.nested.placed, &found.nested.placed) {
            // Directions of different folds share rows, as for the AUROC itself.
            let folds = probe.folds as f64;
            let less = a.less(b, level, 1.0 + folds / (folds - 1.0)).map_err(|e| of(name, &e))?;
            differences.push(pair(HELD_OUT, a.value(), b.value(), probed.rows, less));
        }
        for ((i, rows, _), (a, b)) in contrast.tests.iter().zip(probed.tests.iter().zip(&found.tests)) {
            let marks = RowLabels::of(&data.tests[*i].texts, rows);
            let less = auroc_difference(&a.scores, &b.scores, &marks.labels, &marks.groups, level)
                .map_err(|e| of(name, &e))?;
            differences.push(pair(&data.tests[*i].name, a.auroc, b.auroc, marks.labels.len(), less));
        }
        Ok(Self {
            name: name.to_owned(),
            what: what.to_owned(),
            held_out: super::outcome::nested(&found),
            differences,
            probing: found,
        })
    }
}

/// A direction of truth, fitted on statements, on the task's texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// Statements that the direction was fitted on.
    pub rows: usize,
    /// Groups of statements.
    pub groups: usize,
    /// Held-out AUROC on the statements themselves: whether there was a direction of truth to find.
    pub held_out: Number,
    /// Its AUROC on the task's texts at the site that reads the statements best: the training texts, then
    /// each test set. Far below 1/2 says as much as far above.
    pub on_task: Vec<(String, Number)>,
    /// At each site the cosine of the two mean differences; none where one of them is zero.
    pub cosines: Vec<Option<Number>>,
    /// The layer-by-layer numbers behind it; not written.
    #[serde(skip)]
    pub probing: ProbingResult,
}

/// The task's training texts as a test set of the statements.
const TASK: &str = "training texts";

impl Truth {
    /// Fits on the statements and tests on the task.
    pub(super) fn run(
        contrast: &ContrastRows<'_>,
        texts: &ClassTexts,
        rows: &dyn Layers,
        on: &Material<'_>,
        probe: &ProbeSettings,
        seeds: &Seeds,
    ) -> Result<ProbingResult, ProbeError> {
        let data = contrast.data;
        // A group of statements may happen to have the name of one of the task's.
        let groups: Vec<String> = texts.groups.iter().map(|g| format!("statement {g}")).collect();
        let train = TrainSet { layers: rows, labels: &texts.positive, groups: &groups };
        let mut parts = vec![(
            TASK,
            PickedRows { all: on.train, rows: &contrast.rows },
            RowLabels::of(data.train, &contrast.rows),
        )];
        for (i, rows, _) in &contrast.tests {
            let test = &data.tests[*i];
            parts.push((
                &test.name,
                PickedRows { all: on.tests[*i], rows },
                RowLabels::of(&test.texts, rows),
            ));
        }
        let tests: Vec<TestSet<'_>> = parts
            .iter()
            .map(|(name, layers, marks)| TestSet {
                name,
                layers,
                labels: &marks.labels,
                groups: &marks.groups,
            })
            .collect();
        probe.run(&train, &tests, &seeds.child("truth"))
    }

    pub(super) fn new(
        found: ProbingResult,
        truth: &[Option<Array1<f64>>],
        task: &[Option<Array1<f64>>],
    ) -> Result<Self, AnalysisError> {
        let cosines = truth
            .iter()
            .zip(task)
            .map(|pair| match pair {
                (Some(a), Some(b)) => Ok(Some(cosine(a, b)?)),
                _ => Ok(None),
            })
            .collect::<Result<_, MathError>>()
            .map_err(|e| of("truth", &e))?;
        Ok(Self {
            rows: found.rows,
            groups: found.groups,
            held_out: super::outcome::nested(&found),
            on_task: found.tests.iter().map(|t| (t.name.clone(), super::outcome::tested(t))).collect(),
            cosines,
            probing: found,
        })
    }
}

fn cosine(a: &Array1<f64>, b: &Array1<f64>) -> Result<Number, MathError> {
    let value = math::cosine(a.view(), b.view())?;
    let bare = Number::bare(value, a.len(), "none: n counts the numbers of a direction");
    Ok(bare.against(Null::random_direction(value, a.len())?))
}

/// The mean difference of the classes at each site; none where it is zero.
pub(super) fn directions(
    layers: &dyn Layers,
    rows: &[usize],
    texts: &ClassTexts,
    sites: &[Site],
) -> Result<Vec<Option<Array1<f64>>>, AnalysisError> {
    (0..layers.count())
        .map(|layer| {
            let x = layers.layer(layer).map_err(|source| {
                named(ProbeError::Source { set: "train".into(), layer, source }, "truth", sites)
            })?;
            let mean = |positive: bool| {
                let own: Vec<usize> =
                    rows.iter().copied().filter(|i| texts.positive[*i] == positive).collect();
                x.select(Axis(0), &own).mapv(f64::from).mean_axis(Axis(0))
            };
            Ok(match (mean(true), mean(false)) {
                (Some(up), Some(down)) => math::unit((up - down).view()).ok(),
                _ => None,
            })
        })
        .collect()
}
