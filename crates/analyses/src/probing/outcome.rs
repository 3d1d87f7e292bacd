//! From the numbers of each contrast to what is written.

use std::collections::BTreeMap;

use truenorth_protocol::Site;
use truenorth_stats::estimate::NullTest;
use truenorth_stats::estimate::probing::{ProbingResult, TestProbe};
use truenorth_stats::math;
use truenorth_stats::math::ClusteredStatistic;

use super::contrast::{ContrastRows, RowLabels};
use super::params::ProbingPlan;
use super::rate::{self, negative_groups, rate};
use super::{
    ContrastProbe, HELD_OUT, ProbeData, ProbeTestFamily, Probed, RefusedCategory, SetSize, SiteRow,
    TestSetResult,
};
use truenorth_reading::stat::{Null, Number, Test, of};
use truenorth_reading::{AnalysisError, ClassTexts};

fn null(test: &NullTest, of: Test, what: &str) -> Null {
    Null {
        test: of,
        what: what.to_owned(),
        expected: test.mean,
        range: Some([test.low, test.high]),
        p: test.p,
        draws: Some(test.permutations),
    }
}

const STRETCHED: &str =
    "score interval over groups (Newcombe 2006), stretched for the training texts that folds share";
const PLAIN: &str = "score interval over groups (Newcombe 2006), the fit as it is";

pub(super) fn nested(found: &ProbingResult) -> Number {
    let n = &found.nested;
    Number {
        value: n.auroc.value,
        n: found.rows,
        interval: Some(n.auroc.interval),
        method: STRETCHED.into(),
        null: n.null.as_ref().map(|t| {
            null(t, Test::ProbeNested, "labels permuted, the whole procedure repeated; one-sided p")
        }),
    }
}

/// A test set's AUROC at the chosen layer.
pub(super) fn tested(test: &TestProbe) -> Number {
    Number {
        value: test.auroc,
        n: test.rows,
        interval: test.layers.get(test.chosen).map(|l| l.interval),
        method: PLAIN.into(),
        null: test.null.as_ref().map(|t| {
            null(t, Test::ProbeTested, "training labels permuted, the choice of site repeated; one-sided p")
        }),
    }
}

fn sides(texts: &ClassTexts, rows: &[usize]) -> [usize; 2] {
    let up = rows.iter().filter(|i| texts.positive[**i]).count();
    [up, rows.len() - up]
}

impl ContrastProbe {
    /// What was found of a contrast, before the sites have names and the controls are there.
    ///
    /// # Errors
    /// When a score is not finite.
    pub(super) fn new(contrast: &ContrastRows<'_>, probing: ProbingResult) -> Result<Self, AnalysisError> {
        let accuracy = probing.nested.accuracy;
        let marks = RowLabels::of(contrast.data.train, &contrast.rows);
        Ok(Self {
            category: contrast.name.clone(),
            n: sides(contrast.data.train, &contrast.rows),
            groups: probing.groups,
            shared_negatives: contrast.shared,
            untested: contrast.untested.clone(),
            uneven: probing.uneven,
            held_out: nested(&probing),
            true_positives: rate(&contrast.name, &probing.nested.scores, &marks)?,
            negative_groups: negative_groups(&marks),
            accuracy: Number {
                value: accuracy.value,
                n: probing.rows,
                interval: Some(accuracy.interval),
                method: STRETCHED.into(),
                null: None,
            },
            chosen: vec![],
            best: String::new(),
            largest: probing.maximum.as_ref().zip(probing.layers.get(probing.best)).map(|(m, l)| Number {
                value: l.auroc.value,
                n: probing.rows,
                interval: None,
                method: "none: the best of several is too large".into(),
                null: Some(null(
                    m,
                    Test::ProbeMaximum,
                    "labels permuted, the best of all sites; one-sided p",
                )),
            }),
            selectivity: probing.nested.selectivity,
            p_adjusted: None,
            p_bh: None,
            permutations: probing.permutations,
            tests: probing
                .tests
                .iter()
                .zip(&contrast.tests)
                .map(|(t, (at, rows, shared))| {
                    let marks = RowLabels::of(&contrast.data.tests[*at].texts, rows);
                    Ok(TestSetResult {
                        name: t.name.clone(),
                        groups: t.groups,
                        site: String::new(),
                        shared_negatives: *shared,
                        auroc: tested(t),
                        true_positives: rate(&t.name, &t.scores, &marks)?,
                        negative_groups: negative_groups(&marks),
                        accuracy: Number {
                            value: t.accuracy.value,
                            n: t.rows,
                            interval: Some(t.accuracy.interval),
                            method: PLAIN.into(),
                            null: None,
                        },
                    })
                })
                .collect::<Result<_, AnalysisError>>()?,
            rows: vec![],
            baselines: vec![],
            truth: None,
            absent: vec![],
            probing,
        })
    }

    /// Everything that needs the sites' names and the controls.
    fn finish(&mut self, sites: &[Site]) {
        let name = |layer: usize| sites[layer].to_string();
        self.chosen = self.probing.nested.chosen.iter().map(|l| name(*l)).collect();
        self.best = name(self.probing.best);
        for test in &mut self.tests {
            test.site.clone_from(&self.best);
        }
        for (i, layer) in self.probing.layers.iter().enumerate() {
            self.rows.push(SiteRow {
                site: name(i),
                set: HELD_OUT.into(),
                auroc: Number {
                    value: layer.auroc.value,
                    n: self.probing.rows,
                    interval: Some(layer.auroc.interval),
                    method: STRETCHED.into(),
                    null: layer
                        .null
                        .as_ref()
                        .map(|t| null(t, Test::ProbeNested, "labels permuted, this site alone; one-sided p")),
                },
                accuracy: Some(Number {
                    value: layer.accuracy.value,
                    n: self.probing.rows,
                    interval: Some(layer.accuracy.interval),
                    method: STRETCHED.into(),
                    null: None,
                }),
                p_any_site: layer.p_any_layer,
                controls: self.controls(i, None),
                alphas: layer.alphas.clone(),
                constant_columns: layer.constant_columns,
            });
            for (k, test) in self.probing.tests.iter().enumerate() {
                let ClusteredStatistic { value, interval, .. } = test.layers[i];
                self.rows.push(SiteRow {
                    site: name(i),
                    set: test.name.clone(),
                    auroc: Number {
                        value,
                        n: test.rows,
                        interval: Some(interval),
                        method: PLAIN.into(),
                        null: None,
                    },
                    accuracy: (i == test.chosen).then(|| self.tests[k].accuracy.clone()),
                    p_any_site: None,
                    controls: self.controls(i, Some(k)),
                    alphas: vec![],
                    constant_columns: layer.constant_columns,
                });
            }
        }
    }

    /// AUROC of each control at a site, on held-out texts or on a test set.
    fn controls(&self, layer: usize, test: Option<usize>) -> BTreeMap<String, f64> {
        let at = |p: &ProbingResult| {
            // Words and lengths are one layer that stands for all sites.
            let layer = layer.min(p.layers.len().saturating_sub(1));
            match test {
                None => p.layers.get(layer).map(|l| l.auroc.value),
                Some(k) => p.tests.get(k).and_then(|t| t.layers.get(layer)).map(|l| l.value),
            }
        };
        let mut out: BTreeMap<String, f64> =
            self.baselines.iter().filter_map(|b| Some((b.name.clone(), at(&b.probing)?))).collect();
        if let Some(null) =
            self.probing.layers.get(layer).and_then(|l| l.null.as_ref()).filter(|_| test.is_none())
        {
            out.insert("random-label".into(), null.mean);
        }
        // The statements' first test set is the task's training texts.
        let truth = self.truth.as_ref().and_then(|t| t.probing.tests.get(test.map_or(0, |k| k + 1)));
        if let Some(ClusteredStatistic { value, .. }) = truth.and_then(|t| t.layers.get(layer)) {
            out.insert("truth".into(), *value);
        }
        out
    }
}

impl Probed {
    pub(super) fn new(
        data: &ProbeData<'_>,
        plan: &ProbingPlan,
        mut contrasts: Vec<ContrastProbe>,
        refused: Vec<RefusedCategory>,
    ) -> Result<Self, AnalysisError> {
        let p: Vec<f64> = contrasts.iter().filter_map(|c| c.held_out.null.as_ref().map(|n| n.p)).collect();
        let holm = math::holm_adjusted(&p).map_err(|e| of("p values", &e))?;
        let bh = math::benjamini_hochberg(&p).map_err(|e| of("p values", &e))?;
        let mut adjusted = holm.into_iter().zip(bh);
        for contrast in &mut contrasts {
            contrast.finish(&plan.sites);
            if contrast.held_out.null.is_some()
                && let Some((holm, bh)) = adjusted.next()
            {
                (contrast.p_adjusted, contrast.p_bh) = (Some(holm), Some(bh));
            }
        }
        let size = |name: &str, texts: &ClassTexts| {
            let mut groups = texts.groups.clone();
            groups.sort_unstable();
            groups.dedup();
            SetSize {
                name: name.to_owned(),
                n: sides(texts, &(0..texts.len()).collect::<Vec<_>>()),
                groups: groups.len(),
                joined: texts.joined,
                data_sha256: texts.data_sha256.clone(),
            }
        };
        let mut sets = vec![size("train", data.train)];
        sets.extend(data.tests.iter().map(|t| size(&t.name, &t.texts)));
        Ok(Self {
            sites: plan.sites.iter().map(ToString::to_string).collect(),
            positions: plan.at.to_string(),
            estimator: plan.probe.estimator.name().to_owned(),
            folds: plan.probe.folds,
            positive: data.train.positive_end.clone(),
            sets,
            apart: data.tests.iter().filter_map(|t| t.apart.clone()).collect(),
            not_shown: not_shown(&contrasts),
            rate_method: rate::method(&contrasts),
            contrasts,
            refused,
            family: ProbeTestFamily {
                name: "held-out AUROC against permuted labels, over all categories together and each one"
                    .into(),
                size: p.len(),
            },
            permutations_asked: plan.probe.permutations,
        })
    }
}

fn not_shown(contrasts: &[ContrastProbe]) -> Vec<String> {
    let mut out: Vec<String> = [
        "That the model uses what is read here: a probe reads what can be had, not what is acted on.",
        "That it is the category that is read: whatever else the classes differ in would do as well, in \
         every set that shares it.",
        "That an untrained model's or a bag of words' AUROC is a lower bound: they are other readers of the \
         same texts, and may fail where a better one would not.",
        "What sentiment alone would reach: no texts labelled for it go into probing. The words and the length alone \
         are controls.",
        "Differences between sites: the curves share their texts, and their bands are of each site alone.",
    ]
    .map(str::to_owned)
    .to_vec();
    if contrasts.iter().any(|c| c.shared_negatives || c.tests.iter().any(|t| t.shared_negatives)) {
        out.push(
            "How categories differ from each other: those without negative texts of their own are held against \
             the same negatives, so their results go up and down together."
                .into(),
        );
    }
    if contrasts.iter().any(|c| c.truth.is_some()) {
        out.push(
            "That a cosine beyond the range of random directions means truth: activations lie in a narrow cone, \
             in which any two mean differences may have a cosine."
                .into(),
        );
    }
    out
}
