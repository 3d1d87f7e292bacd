//! Controls that have the text alone: its words and its length.

use super::ProbeData;
use super::contrast::{ContrastRows, Material};
use truenorth_reading::{AnalysisError, ClassTexts, Reader, extract};
use truenorth_stats::estimate::probing::{
    BagOfWords, Layers, Lengths, ProbeError, ProbeSettings, ProbingResult,
};
use truenorth_stats::math::Seeds;

/// Words as layers; the vocabulary is that of the contrast's training texts.
pub(super) fn words(
    contrast: &ContrastRows<'_>,
    probe: &ProbeSettings,
    seeds: &Seeds,
) -> Result<ProbingResult, ProbeError> {
    let train = contrast.data.train.texts();
    let known: Vec<&str> = contrast.rows.iter().map(|i| train[*i]).collect();
    let bag = BagOfWords::new(&known)?;
    let own = bag.layers(&train);
    let others: Vec<_> = contrast.data.tests.iter().map(|t| bag.layers(&t.texts.texts())).collect();
    let tests = others.iter().map(|t| t as &dyn Layers).collect();
    contrast.run(&Material { train: &own, tests }, probe, seeds)
}

pub(super) struct Lengthy {
    train: Vec<f64>,
    tests: Vec<Vec<f64>>,
    pub tokens: bool,
}

impl Lengthy {
    pub fn new(reader: &Reader<'_>, data: &ProbeData<'_>) -> Result<Self, AnalysisError> {
        let of = |texts: &ClassTexts| -> Result<Vec<f64>, AnalysisError> {
            Ok(reader.encode(&texts.prompts)?.iter().map(extract::length).collect())
        };
        Ok(Self {
            train: of(data.train)?,
            tests: data.tests.iter().map(|t| of(&t.texts)).collect::<Result<_, _>>()?,
            tokens: reader.runner().encode("a", true)?.is_some(),
        })
    }

    pub fn run(
        &self,
        contrast: &ContrastRows<'_>,
        probe: &ProbeSettings,
        seeds: &Seeds,
    ) -> Result<ProbingResult, ProbeError> {
        let train = Lengths::layers(&self.train)?;
        let tests = self.tests.iter().map(|t| Lengths::layers(t)).collect::<Result<Vec<_>, _>>()?;
        let tests = tests.iter().map(|t| t as &dyn Layers).collect();
        contrast.run(&Material { train: &train, tests }, probe, seeds)
    }
}
