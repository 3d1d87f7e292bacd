//! A category against its negatives, or all together: which rows of which set, and the procedure on them.

use super::source::PickedRows;
use super::{ALL, ProbeData};
use truenorth_reading::ClassTexts;
use truenorth_stats::estimate::probing::{
    Layers, ProbeError, ProbeSettings, ProbingResult, TestSet, TrainSet,
};
use truenorth_stats::math::Seeds;

/// A contrast: the places of its rows in the training texts and in each test set that has some.
pub(super) struct ContrastRows<'a> {
    pub name: String,
    pub rows: Vec<usize>,
    pub shared: bool,
    pub tests: Vec<(usize, Vec<usize>, bool)>,
    pub untested: Vec<String>,
    pub data: &'a ProbeData<'a>,
}

/// Layers of the training texts and of every test set, from one source.
pub(super) struct Material<'a> {
    pub train: &'a dyn Layers,
    pub tests: Vec<&'a dyn Layers>,
}

/// Labels and groups of some rows.
pub(super) struct RowLabels {
    pub labels: Vec<bool>,
    pub groups: Vec<String>,
}

impl RowLabels {
    pub fn of(texts: &ClassTexts, rows: &[usize]) -> Self {
        Self {
            labels: rows.iter().map(|i| texts.positive[*i]).collect(),
            groups: rows.iter().map(|i| texts.groups[*i].clone()).collect(),
        }
    }
}

impl<'a> ContrastRows<'a> {
    pub fn new(name: &str, data: &'a ProbeData<'a>) -> Option<Self> {
        let category = (name != ALL).then_some(name);
        let (rows, shared) = data.train.of(category)?;
        let (mut tests, mut untested) = (vec![], vec![]);
        for (i, test) in data.tests.iter().enumerate() {
            match test.texts.of(category) {
                Some((rows, shared)) => tests.push((i, rows, shared)),
                None => untested.push(test.name.clone()),
            }
        }
        Some(Self { name: name.to_owned(), rows, shared, tests, untested, data })
    }

    /// The whole procedure on some layers.
    pub fn run(
        &self,
        on: &Material<'_>,
        probe: &ProbeSettings,
        seeds: &Seeds,
    ) -> Result<ProbingResult, ProbeError> {
        let marks = RowLabels::of(self.data.train, &self.rows);
        let layers = PickedRows { all: on.train, rows: &self.rows };
        let train = TrainSet { layers: &layers, labels: &marks.labels, groups: &marks.groups };
        let parts: Vec<(PickedRows<'_>, RowLabels)> = self
            .tests
            .iter()
            .map(|(i, rows, _)| {
                (PickedRows { all: on.tests[*i], rows }, RowLabels::of(&self.data.tests[*i].texts, rows))
            })
            .collect();
        let tests: Vec<TestSet<'_>> = self
            .tests
            .iter()
            .zip(&parts)
            .map(|((i, ..), (layers, marks))| TestSet {
                name: &self.data.tests[*i].name,
                layers,
                labels: &marks.labels,
                groups: &marks.groups,
            })
            .collect();
        probe.run(&train, &tests, seeds)
    }
}
