//! What came out, as it is written.

use std::collections::BTreeMap;

use serde::Serialize;
use truenorth_protocol::Site;

use super::super::stat::{Measured, Null, of};
use super::super::{AnalysisError, Labelled, LeftOutTexts};
use super::{Baseline, Contrast, HELD_OUT, ProbeData, ProbeParams, Truth};
use truenorth_stats::estimate::NullTest;
use truenorth_stats::estimate::probing::{Probing, TestProbe};
use truenorth_stats::math;

/// A set of texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetSize {
    /// `train`, or the name of a test set.
    pub name: String,
    /// Positive and negative texts.
    pub n: [usize; 2],
    /// Groups.
    pub groups: usize,
    /// Groups that were joined because they hold equal texts.
    pub joined: usize,
    /// SHA-256 of the file.
    pub data_sha256: String,
}

/// One number of a curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SiteRow {
    /// The site.
    pub site: String,
    /// `held-out`, or the name of a test set.
    pub set: String,
    /// AUROC at this site; `n` counts texts.
    pub auroc: Measured,
    /// Share on the right side of a threshold chosen on other texts; for test sets at the chosen site only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Measured>,
    /// The chance that any site reaches this AUROC on permuted labels; held-out texts only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_any_site: Option<f64>,
    /// AUROC of the controls here: `random-label` (mean of permuted labels), `truth`, `random-init`,
    /// `bag-of-words` and `length`, which have no site.
    pub controls: BTreeMap<String, f64>,
    /// Logistic regression: the penalty of each fold, then of the fit on all texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alphas: Vec<f64>,
    /// Columns with one value in all training texts.
    pub constant_columns: usize,
}

/// A test set at the site with the largest held-out AUROC.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tested {
    /// Its name.
    pub name: String,
    /// Groups of it.
    pub groups: usize,
    /// The site, chosen on training texts.
    pub site: String,
    /// Whether negatives of other categories stand in for its own.
    pub shared_negatives: bool,
    /// AUROC; the null is permuted training labels, the choice of site repeated.
    pub auroc: Measured,
    /// Share on the right side of a threshold chosen on held-out training texts.
    pub accuracy: Measured,
}

/// A category against negatives, or all together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContrastProbe {
    /// The category, or `all`.
    pub category: String,
    /// Positive and negative training texts.
    pub n: [usize; 2],
    /// Their groups.
    pub groups: usize,
    /// Whether negatives of other categories stand in for its own.
    pub shared_negatives: bool,
    /// Test sets without a positive text of this category.
    pub untested: Vec<String>,
    /// Held-out AUROC with the site chosen inside the training folds; the null repeats all choices.
    pub held_out: Measured,
    /// Held-out accuracy at a threshold chosen with the site.
    pub accuracy: Measured,
    /// The site chosen in each fold.
    pub chosen: Vec<String>,
    /// The site with the largest held-out AUROC, at which test sets are scored.
    pub best: String,
    /// The largest held-out AUROC of all sites, against the largest of every permutation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest: Option<Measured>,
    /// Held-out AUROC less its mean on permuted labels (Hewitt and Liang 2019).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selectivity: Option<f64>,
    /// p of `held_out` after Holm over the family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
    /// p of `held_out` after Benjamini and Hochberg over the family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_bh: Option<f64>,
    /// Permutations done.
    pub permutations: usize,
    /// Test sets at the best site.
    pub tests: Vec<Tested>,
    /// Every site and set.
    pub rows: Vec<SiteRow>,
    /// Controls that go through the same procedure.
    pub baselines: Vec<Baseline>,
    /// A direction of truth on these texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// Name and reason of controls that gave no number.
    pub absent: Vec<(String, String)>,
    /// All numbers; not written.
    #[serde(skip)]
    pub probing: Probing,
}

/// A category that can't be probed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Refused {
    /// The category.
    pub category: String,
    /// Why.
    pub why: String,
}

/// The tests that adjusted p values are adjusted over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Family {
    /// What they are.
    pub name: String,
    /// How many.
    pub size: usize,
}

/// Everything probed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probed {
    /// The sites.
    pub sites: Vec<String>,
    /// The token read.
    pub positions: String,
    /// The estimator.
    pub estimator: String,
    /// Folds of whole groups.
    pub folds: usize,
    /// The label of the positive class.
    pub positive: String,
    /// The training texts, then the test sets.
    pub sets: Vec<SetSize>,
    /// What each test set had in common with the training texts.
    pub apart: Vec<LeftOutTexts>,
    /// All categories together first.
    pub contrasts: Vec<ContrastProbe>,
    /// Categories that can't be probed.
    pub refused: Vec<Refused>,
    /// The family of the adjusted p values.
    pub family: Family,
    /// Permutations asked for.
    pub permutations_asked: usize,
    /// What this does not show.
    pub not_shown: Vec<String>,
}

fn null(test: &NullTest, what: &str) -> Null {
    Null {
        what: what.to_owned(),
        expected: test.mean,
        range: Some([test.low, test.high]),
        p: test.p,
        draws: Some(test.permutations),
    }
}

const STRETCHED: &str = "bootstrap over groups, stretched for the training texts that folds share";
const PLAIN: &str = "bootstrap over groups, the fit as it is";

/// The nested AUROC.
pub(super) fn nested(found: &Probing) -> Measured {
    let n = &found.nested;
    Measured {
        value: n.auroc.value,
        n: found.rows,
        interval: Some(n.auroc.interval),
        method: STRETCHED.into(),
        null: n.null.as_ref().map(|t| null(t, "labels permuted, the whole procedure repeated; one-sided p")),
    }
}

/// A test set's AUROC at the chosen layer.
pub(super) fn tested(test: &TestProbe) -> Measured {
    Measured {
        value: test.auroc,
        n: test.rows,
        interval: test.layers.get(test.chosen).map(|l| l.1.interval),
        method: PLAIN.into(),
        null: test
            .null
            .as_ref()
            .map(|t| null(t, "training labels permuted, the choice of site repeated; one-sided p")),
    }
}

fn sides(texts: &Labelled, rows: &[usize]) -> [usize; 2] {
    let up = rows.iter().filter(|i| texts.positive[**i]).count();
    [up, rows.len() - up]
}

impl ContrastProbe {
    pub(super) fn new(contrast: &Contrast<'_>, probing: Probing) -> Self {
        let accuracy = probing.nested.accuracy;
        Self {
            category: contrast.name.clone(),
            n: sides(contrast.data.train, &contrast.rows),
            groups: probing.groups,
            shared_negatives: contrast.shared,
            untested: contrast.untested.clone(),
            held_out: nested(&probing),
            accuracy: Measured {
                value: accuracy.value,
                n: probing.rows,
                interval: Some(accuracy.interval),
                method: STRETCHED.into(),
                null: None,
            },
            chosen: vec![],
            best: String::new(),
            largest: probing.maximum.as_ref().zip(probing.layers.get(probing.best)).map(|(m, l)| Measured {
                value: l.auroc.value,
                n: probing.rows,
                interval: None,
                method: "none: the largest of several is too large".into(),
                null: Some(null(m, "labels permuted, the largest of all sites; one-sided p")),
            }),
            selectivity: probing.nested.selectivity,
            p_adjusted: None,
            p_bh: None,
            permutations: probing.permutations,
            tests: probing
                .tests
                .iter()
                .zip(&contrast.tests)
                .map(|(t, (_, _, shared))| Tested {
                    name: t.name.clone(),
                    groups: t.groups,
                    site: String::new(),
                    shared_negatives: *shared,
                    auroc: tested(t),
                    accuracy: Measured {
                        value: t.accuracy.0,
                        n: t.rows,
                        interval: Some(t.accuracy.1.interval),
                        method: PLAIN.into(),
                        null: None,
                    },
                })
                .collect(),
            rows: vec![],
            baselines: vec![],
            truth: None,
            absent: vec![],
            probing,
        }
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
                auroc: Measured {
                    value: layer.auroc.value,
                    n: self.probing.rows,
                    interval: Some(layer.auroc.interval),
                    method: STRETCHED.into(),
                    null: layer
                        .null
                        .as_ref()
                        .map(|t| null(t, "labels permuted, this site alone; one-sided p")),
                },
                accuracy: Some(Measured {
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
                let (value, boot) = test.layers[i];
                self.rows.push(SiteRow {
                    site: name(i),
                    set: test.name.clone(),
                    auroc: Measured {
                        value,
                        n: test.rows,
                        interval: Some(boot.interval),
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
        let at = |p: &Probing| {
            // Words and lengths are one layer that stands for all sites.
            let layer = layer.min(p.layers.len().saturating_sub(1));
            match test {
                None => p.layers.get(layer).map(|l| l.auroc.value),
                Some(k) => p.tests.get(k).and_then(|t| t.layers.get(layer)).map(|l| l.0),
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
        if let Some((value, _)) = truth.and_then(|t| t.layers.get(layer)) {
            out.insert("truth".into(), *value);
        }
        out
    }
}

impl Probed {
    pub(super) fn new(
        data: &ProbeData<'_>,
        params: &ProbeParams,
        mut contrasts: Vec<ContrastProbe>,
        refused: Vec<Refused>,
    ) -> Result<Self, AnalysisError> {
        let p: Vec<f64> = contrasts.iter().filter_map(|c| c.held_out.null.as_ref().map(|n| n.p)).collect();
        let holm = math::holm_adjusted(&p).map_err(|e| of("p values", &e))?;
        let bh = math::benjamini_hochberg(&p).map_err(|e| of("p values", &e))?;
        let mut adjusted = holm.into_iter().zip(bh);
        for contrast in &mut contrasts {
            contrast.finish(&params.sites);
            if contrast.held_out.null.is_some()
                && let Some((holm, bh)) = adjusted.next()
            {
                (contrast.p_adjusted, contrast.p_bh) = (Some(holm), Some(bh));
            }
        }
        let size = |name: &str, texts: &Labelled| {
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
            sites: params.sites.iter().map(ToString::to_string).collect(),
            positions: params.at.to_string(),
            estimator: params.probe.estimator.name().to_owned(),
            folds: params.probe.folds,
            positive: data.train.positive_end.clone(),
            sets,
            apart: data.tests.iter().filter_map(|t| t.apart.clone()).collect(),
            not_shown: not_shown(&contrasts),
            contrasts,
            refused,
            family: Family {
                name: "held-out AUROC against permuted labels, over all categories together and each one"
                    .into(),
                size: p.len(),
            },
            permutations_asked: params.probe.permutations,
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
