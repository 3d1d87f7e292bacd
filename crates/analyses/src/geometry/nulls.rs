//! Cosines of directions that know nothing of the labels, a checkpoint at a time.

use ndarray::Array2;

use super::fit::CategoryContrast;
use super::params::GeometryPlan;
use super::run::OTHERS;
use truenorth_reading::stat::Number;
use truenorth_reading::{AnalysisError, Cosine, CosineNulls, Unrelated};
use truenorth_stats::math::{MathError, Seeds};

/// Why a contrast with shared negatives has no exchange of labels.
const SHARED: &str = "categories that share their negative texts have directions that are alike by that alone, which no \
                      exchange of their labels keeps";

/// What was drawn at every checkpoint.
pub(super) struct Nulls {
    labels: Vec<Vec<bool>>,
    seeds: Seeds,
    names: Vec<String>,
    shown: usize,
    width: usize,
    /// The directions of the checkpoint before, a contrast each.
    last: Vec<Result<Unrelated, &'static str>>,
    /// `[contrast][step]`.
    steps: Vec<Vec<Result<CosineNulls, &'static str>>>,
    /// `[checkpoint][contrast][contrast]` of those shown.
    across: Vec<Vec<Vec<Result<CosineNulls, &'static str>>>>,
    /// `[contrast][checkpoint]`, with all but that category; empty where there is none.
    others: Vec<Vec<Result<CosineNulls, &'static str>>>,
}

fn drawn(
    a: &Result<Unrelated, &'static str>,
    b: &Result<Unrelated, &'static str>,
) -> Result<CosineNulls, &'static str> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok(CosineNulls::of(a, b)),
        (Err(why), _) | (_, Err(why)) => Err(why),
    }
}

impl Nulls {
    /// `labels` are exchanged ones of all texts, `[draws][texts]`.
    pub fn new(labels: Vec<Vec<bool>>, contrasts: &[CategoryContrast], shown: usize, seeds: &Seeds) -> Self {
        let n = contrasts.len();
        Self {
            labels,
            seeds: seeds.child("unrelated directions"),
            names: contrasts.iter().map(|c| c.name.clone()).collect(),
            shown,
            width: 0,
            last: vec![],
            steps: vec![vec![]; n],
            across: vec![],
            others: vec![vec![]; n],
        }
    }

    /// Draws at one checkpoint.
    pub fn add(
        &mut self,
        x: &Array2<f64>,
        contrasts: &[CategoryContrast],
        plan: &GeometryPlan,
    ) -> Result<(), AnalysisError> {
        self.width = x.ncols();
        let seeds = self.seeds.child(&format!("checkpoint {}", self.across.len()));
        let here = contrasts
            .iter()
            .map(|c| match (self.labels.is_empty(), c.shared_negatives) {
                (true, _) => Ok(Err("no label exchanges were asked for (--null-draws)")),
                (_, true) => Ok(Err(SHARED)),
                _ => Ok(Ok(c.unrelated(x, &plan.estimator, &self.labels, &seeds.child(&c.name))?)),
            })
            .collect::<Result<Vec<_>, AnalysisError>>()?;
        for (steps, (before, now)) in self.steps.iter_mut().zip(self.last.iter().zip(&here)) {
            steps.push(drawn(before, now));
        }
        self.across.push(
            here.iter()
                .take(self.shown)
                .map(|a| here.iter().take(self.shown).map(|b| drawn(a, b)).collect())
                .collect(),
        );
        for (i, others) in self.others.iter_mut().enumerate() {
            let wanted = format!("{OTHERS}{}", self.names[i]);
            if let Some(other) = self.names.iter().position(|n| *n == wanted) {
                others.push(drawn(&here[i], &here[other]));
            }
        }
        self.last = here;
        Ok(())
    }

    /// A cosine of a contrast's direction with that of the checkpoint before.
    pub fn step(&self, contrast: usize, step: usize, number: Number) -> Result<Cosine, MathError> {
        self.against(self.steps[contrast].get(step), number)
    }

    /// A cosine of two contrasts at a checkpoint.
    pub fn across(&self, at: usize, [a, b]: [usize; 2], number: Number) -> Result<Cosine, MathError> {
        self.against(self.across.get(at).and_then(|m| m.get(a)?.get(b)), number)
    }

    /// A cosine of a category with all but it.
    pub fn others(&self, contrast: usize, at: usize, number: Number) -> Result<Cosine, MathError> {
        self.against(self.others[contrast].get(at), number)
    }

    fn against(
        &self,
        drawn: Option<&Result<CosineNulls, &'static str>>,
        number: Number,
    ) -> Result<Cosine, MathError> {
        let drawn = drawn.map_or(Err("nothing was drawn"), |d| d.as_ref().map_err(|why| *why));
        Cosine::new(number, self.width, drawn)
    }
}
