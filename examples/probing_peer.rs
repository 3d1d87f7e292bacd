//! How long does probing of many layers take, and how much memory? Also the other side of
//! `bench/probing_peer.py`, which times scikit-learn on the same arrays.
//!
//! `probing_peer rows layers width permutations estimator [seconds] [folder]`: makes rows in pairs with
//! a direction planted at one layer, probes them, and prints a line of JSON. With a folder, layers
//! are read from `layer_L.npy` (little-endian f32, C order) there instead. The estimators
//! `audit-mean-diff`, `audit-lda` and `audit-logistic` audit the direction of each layer in turn against
//! five sets of 50 pairs instead; `seconds` is then the limit of one layer.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ndarray::{Array2, s};
use rand_distr::{Distribution, StandardNormal};
use truenorth::estimate::audit::{AuditParams, ConfoundSet, audit};
use truenorth::estimate::probing::{Layers, ProbeEstimator, ProbeSettings, SourceError, TrainSet};
use truenorth::estimate::{Estimator, LogisticParams, Nuisances, Pipeline, Samples};
use truenorth::math::{Seeds, random_unit};

/// Layers made, or read, when they are asked for.
struct Source {
    rows: usize,
    layers: usize,
    width: usize,
    folder: Option<PathBuf>,
}

impl Layers for Source {
    fn count(&self) -> usize {
        self.layers
    }

    fn layer(&self, index: usize) -> Result<Array2<f32>, SourceError> {
        if let Some(folder) = &self.folder {
            let bytes = std::fs::read(folder.join(format!("layer_{index}.npy")))?;
            let values = bytes.get(bytes.len() - 4 * self.rows * self.width..).ok_or("file too short")?;
            let floats = values.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            return Ok(Array2::from_shape_vec((self.rows, self.width), floats.collect())?);
        }
        let mut rng = Seeds::new(index as u64).stream("rows");
        let mut x = Array2::from_shape_simple_fn((self.rows, self.width), || {
            let v: f32 = StandardNormal.sample(&mut rng);
            v
        });
        if index == self.layers / 2 {
            let d = random_unit(self.width, &mut Seeds::new(0).stream("truth"))?;
            for (i, mut row) in x.outer_iter_mut().enumerate() {
                let way = if i < self.rows / 2 { 2.0 } else { -2.0 };
                row.iter_mut().zip(&d).for_each(|(v, d)| *v += (way * d) as f32);
            }
        }
        Ok(x)
    }
}

/// The most memory this process has held, in bytes; `None` where the system does not say.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(1024 * line.split_whitespace().nth(1)?.parse::<u64>().ok()?)
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Penalties to choose from.
fn alphas() -> Vec<f64> {
    vec![1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0]
}

/// The first half of the rows is the positive ones, row `i` the partner of row `n/2 + i`.
fn pairs(x: &Array2<f32>, name: &str) -> Outcome<Samples> {
    let x = x.mapv(f64::from);
    let n = x.nrows() / 2;
    let ids: Vec<String> = (0..n).map(|i| format!("{name} {i}")).collect();
    Ok(Samples::from_pairs(x.slice(s![..n, ..]), x.slice(s![n.., ..]), &ids, &ids)?)
}

/// The audit of every layer's direction, a layer at a time.
fn audits(
    source: &Source,
    estimator: Estimator,
    permutations: usize,
    seconds: f64,
) -> Outcome<serde_json::Value> {
    let pipeline = Pipeline { estimator: estimator.check()?, nuisances: Nuisances::none() };
    let begun = Instant::now();
    let (mut done, mut flagged) = (usize::MAX, 0);
    for layer in 0..source.layers {
        let train = pairs(&source.layer(layer)?, "train")?;
        let sets = (0..5)
            .map(|i| {
                let mut rng = Seeds::new(layer as u64).stream(&format!("confound {i}"));
                let confound = random_unit(source.width, &mut rng)?;
                let x = Array2::from_shape_fn((100, source.width), |(row, column)| {
                    let v: f32 = StandardNormal.sample(&mut rng);
                    v + (if row < 50 { 4.0 } else { -4.0 } * confound[column]) as f32
                });
                pairs(&x, "confound")
            })
            .collect::<Outcome<Vec<_>>>()?;
        let named: Vec<ConfoundSet<'_>> = sets
            .iter()
            .map(|samples| ConfoundSet { name: "confound", samples, projected_out: false })
            .collect();
        let params = AuditParams {
            permutations,
            budget: (seconds > 0.0).then(|| Duration::from_secs_f64(seconds)),
            ..AuditParams::default()
        };
        let found = audit(&pipeline, &train, None, &named, &params, &Seeds::new(0))?;
        done = done.min(found.permutations);
        flagged += found.rows.iter().filter(|r| r.p_adjusted.is_some_and(|p| p <= 0.05)).count();
    }
    Ok(serde_json::json!({
        "seconds": begun.elapsed().as_secs_f64(),
        "peak_bytes": peak(),
        "permutations": done,
        "flagged": flagged,
        "tests": 5 * source.layers,
    }))
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize, default: &str| args.get(i).cloned().unwrap_or_else(|| default.to_owned());
    let (rows, layers, width): (usize, usize, usize) =
        (arg(0, "60").parse()?, arg(1, "4").parse()?, arg(2, "256").parse()?);
    let seconds: f64 = arg(5, "0").parse()?;
    let source = Source { rows, layers, width, folder: args.get(6).map(PathBuf::from) };
    let permutations: usize = arg(3, "100").parse()?;
    let audited = match arg(4, "mean-diff").as_str() {
        "audit-mean-diff" => Some(Estimator::MeanDiff),
        "audit-lda" => Some(Estimator::Lda { shrinkage: None }),
        "audit-logistic" => Some(Estimator::Logistic(LogisticParams { alphas: alphas(), folds: 5 })),
        _ => None,
    };
    if let Some(estimator) = audited {
        println!("{}", audits(&source, estimator, permutations, seconds)?);
        return Ok(());
    }
    let estimator = match arg(4, "mean-diff").as_str() {
        "mean-diff" => ProbeEstimator::MeanDiff,
        "lda" => ProbeEstimator::Lda { shrinkage: None },
        "lda-half" => ProbeEstimator::Lda { shrinkage: Some(0.5) },
        "logistic" => ProbeEstimator::Logistic { alphas: alphas() },
        "logistic-one" => ProbeEstimator::Logistic { alphas: vec![1.0] },
        other => return Err(format!("unknown estimator `{other}`").into()),
    };
    let labels: Vec<bool> = (0..rows).map(|i| i < rows / 2).collect();
    let groups: Vec<String> = (0..rows).map(|i| format!("{}", i % (rows / 2))).collect();
    let probe = ProbeSettings {
        permutations,
        budget: (seconds > 0.0).then(|| Duration::from_secs_f64(seconds)),
        ..ProbeSettings::new(estimator)
    };
    let begun = Instant::now();
    for layer in 0..layers {
        source.layer(layer)?;
    }
    let reading = begun.elapsed().as_secs_f64();
    let train = TrainSet { layers: &source, labels: &labels, groups: &groups };
    let found = probe.run(&train, &[], &Seeds::new(0))?;
    let aurocs: Vec<f64> = found.layers.iter().map(|l| l.auroc.value).collect();
    println!(
        "{}",
        serde_json::json!({
            "seconds": found.seconds,
            // Of which making or reading the layers, measured apart.
            "seconds_reading": reading,
            "peak_bytes": peak(),
            "permutations": found.permutations,
            "nested_auroc": found.nested.auroc.value,
            "nested_p": found.nested.null.map(|n| n.p),
            "chosen": found.nested.chosen,
            "aurocs": aurocs,
        })
    );
    Ok(())
}
