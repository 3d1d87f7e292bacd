//! Whether an audit finds what it says that it can find: power at the least effect that it prints, and at the number
//! of groups that it says are needed.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use truenorth::estimate::audit::{AuditParams, AuditRow, ConfoundSet, ConfoundVerdict, audit, flip_ranking};
use truenorth::estimate::{Estimator, Samples};
use truenorth::math::{Seeds, unit};
use truenorth_protocol::ReadAt;
use truenorth_protocol::run::Unwatched;

use crate::Outcome;
use crate::place::{Place, Unit, question, turned};
use crate::rates::Line;
use crate::world::{World, pipeline};

/// Random directions: Holm's strictest step over three sets needs 60 at least.
const DIRECTIONS: usize = 599;

/// A confound set of any size, and how a direction truly separates it.
trait Source: Sync {
    /// Pairs of the set.
    fn set(&self, pairs: usize, which: usize, rng: &mut ChaCha8Rng) -> Outcome<Samples>;
    /// The pairs that the direction is fitted on.
    fn train(&self, rng: &mut ChaCha8Rng) -> Outcome<Samples>;
    /// The AUROC of the first set along a direction, in all pairs that there could be.
    fn truth(&self, direction: &Array1<f64>) -> f64;
    /// Two directions that span from none of the first confound to all of it.
    fn ends(&self) -> [&Array1<f64>; 2];

    /// The direction between them along which the AUROC is this.
    fn along(&self, auroc: f64) -> Outcome<Array1<f64>> {
        let [from, to] = self.ends();
        let at = |angle: f64| unit((from * angle.cos() + to * angle.sin()).view());
        let (mut low, mut high) = (-std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2);
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if self.truth(&at(middle)?) < auroc { low = middle } else { high = middle }
        }
        Ok(at(f64::midpoint(low, high))?)
    }
}

/// Normal numbers.
struct Made {
    world: World,
    confounds: [Array1<f64>; 3],
    ends: [Array1<f64>; 2],
    contrast: Array1<f64>,
}

impl Made {
    fn new(seed: u64) -> Outcome<Self> {
        let world = World::new(60);
        let mut rng = Seeds::new(seed).stream("power world");
        let [a, b, c, contrast, other] = [0; 5].map(|_| world.direction(&mut rng));
        let confounds = [a? * 3.0, b? * 3.0, c? * 3.0];
        let to = unit(confounds[0].view())?;
        let other = other?;
        let from = unit((&other - &to * other.dot(&to)).view())?;
        Ok(Self { world, confounds, ends: [from, to], contrast: contrast? * 2.0 })
    }
}

impl Source for Made {
    fn set(&self, pairs: usize, which: usize, rng: &mut ChaCha8Rng) -> Outcome<Samples> {
        Ok(self.world.samples(pairs, &self.confounds[which], "set", rng)?)
    }

    fn train(&self, rng: &mut ChaCha8Rng) -> Outcome<Samples> {
        Ok(self.world.samples(40, &self.contrast, "train", rng)?)
    }

    fn truth(&self, direction: &Array1<f64>) -> f64 {
        self.world.auroc(direction, &self.confounds[0])
    }

    fn ends(&self) -> [&Array1<f64>; 2] {
        [&self.ends[0], &self.ends[1]]
    }
}

/// Real activations: the pairs of a set are drawn, with replacement, from those that there are.
struct Read {
    sets: Vec<Samples>,
    train: Samples,
    ends: [Array1<f64>; 2],
}

fn sides(samples: &Samples) -> [ArrayView2<'_, f64>; 2] {
    let (up, down) = samples.activations().split_at(Axis(0), samples.rows() / 2);
    [up, down]
}

fn contrast(samples: &Samples) -> Outcome<Array1<f64>> {
    let [up, down] = sides(samples);
    let mean = |x: ArrayView2<'_, f64>| x.mean_axis(Axis(0)).ok_or("no rows");
    Ok(unit((mean(up)? - mean(down)?).view())?)
}

impl Read {
    fn new(place: &Place) -> Outcome<Self> {
        let read = |question: &truenorth::analyses::extract::LabelledTexts| {
            question.samples(&place.session.reader(), place.site, ReadAt::Last, &Unwatched)
        };
        let sets: Vec<Samples> =
            place.confounds.values().map(|pairs| read(&question(pairs))).collect::<Result<_, _>>()?;
        let mut rng = Seeds::new(0).stream("labels of chance");
        let train = read(&question(&turned(&place.pairs, Unit::Cluster, &mut rng)))?;
        let to = contrast(&sets[0])?;
        let other = contrast(&train)?;
        let from = unit((&other - &to * other.dot(&to)).view())?;
        Ok(Self { sets, train, ends: [from, to] })
    }
}

fn drawn(from: &Samples, pairs: usize, rng: &mut ChaCha8Rng) -> Outcome<Samples> {
    let [up, down] = sides(from);
    let rows: Vec<usize> = (0..pairs).map(|_| rng.random_range(0..up.nrows())).collect();
    let ids: Vec<String> = (0..pairs).map(|i| i.to_string()).collect();
    let of = |x: ArrayView2<'_, f64>| -> Array2<f64> { x.select(Axis(0), &rows) };
    Ok(Samples::from_pairs(of(up).view(), of(down).view(), &ids, &ids)?)
}

impl Source for Read {
    fn set(&self, pairs: usize, which: usize, rng: &mut ChaCha8Rng) -> Outcome<Samples> {
        drawn(&self.sets[which % self.sets.len()], pairs, rng)
    }

    fn train(&self, _: &mut ChaCha8Rng) -> Outcome<Samples> {
        Ok(self.train.clone())
    }

    fn truth(&self, direction: &Array1<f64>) -> f64 {
        let [up, down] = sides(&self.sets[0]).map(|x| x.dot(direction).to_vec());
        let n = up.len();
        // Two texts drawn with replacement are of one pair as often as that.
        let above = |i: usize, j: usize| {
            f64::from(u8::from(up[i] > down[j])) + 0.5 * f64::from(u8::from(up[i] == down[j]))
        };
        let all: f64 = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| above(i, j)).sum();
        all / (n * n) as f64
    }

    fn ends(&self) -> [&Array1<f64>; 2] {
        [&self.ends[0], &self.ends[1]]
    }
}

/// The first row of an audit of a direction, on fresh sets.
fn row(
    source: &dyn Source,
    direction: &Array1<f64>,
    pairs: usize,
    seed: u64,
    stream: &str,
) -> Outcome<AuditRow> {
    let seeds = Seeds::new(seed);
    let mut rng = seeds.stream(stream);
    let train = source.train(&mut rng)?;
    let sets: Vec<Samples> = (0..3).map(|i| source.set(pairs, i, &mut rng)).collect::<Outcome<_>>()?;
    let named: Vec<ConfoundSet<'_>> =
        sets.iter().map(|samples| ConfoundSet { name: "set", samples, projected_out: false }).collect();
    let params = AuditParams { random_directions: DIRECTIONS, permutations: 0, ..AuditParams::default() };
    let pipeline = pipeline(&Estimator::MeanDiff)?;
    let found = audit(&pipeline, &train, Some(direction.view()), &named, &params, &seeds.child(stream))?;
    Ok(found.rows.into_iter().next().ok_or("no row")?)
}

/// What is promised, read from an audit of a direction that has none of the confound, and what is then found.
struct Promise {
    verdict: &'static str,
    pairs: usize,
    /// The AUROC planted and the pairs of the second audit, from what the first prints.
    plant: fn(&AuditRow, usize) -> Option<(f64, usize)>,
    found: fn(&AuditRow) -> bool,
}

const PROMISES: &[Promise] = &[
    Promise {
        verdict: "separates, at the least AUROC printed",
        pairs: 40,
        plant: |row, pairs| Some((row.detectable.separates?, pairs)),
        found: |row| row.separates,
    },
    Promise {
        verdict: "found (more than matched directions), at the least AUROC printed",
        pairs: 40,
        plant: |row, pairs| Some((row.detectable.matched?, pairs)),
        found: |row| row.verdict == ConfoundVerdict::Confounded,
    },
    Promise {
        verdict: "ruled out, at an AUROC of 1/2 and the number of groups printed",
        pairs: 40,
        plant: |row, _| Some((0.5, row.needed.rule_out?)),
        found: |row| row.verdict == ConfoundVerdict::RuledOut,
    },
];

fn kept(source: &dyn Source, promise: &Promise, seed: u64) -> Outcome<Option<bool>> {
    // A set whose own probe fails is not tested, and nothing is promised of it.
    let tested = |row: &AuditRow| row.verdict != ConfoundVerdict::TooLittleData;
    let printed = row(source, &source.along(0.5)?, promise.pairs, seed, "what is printed")?;
    if !tested(&printed) {
        return Ok(None);
    }
    let Some((auroc, pairs)) = (promise.plant)(&printed, promise.pairs) else { return Ok(None) };
    let direction = source.along(auroc)?;
    // Not every set is separated so far by any direction between the two.
    if (source.truth(&direction) - auroc).abs() > 0.01 {
        return Ok(None);
    }
    let planted = row(source, &direction, pairs, seed, "what is planted")?;
    Ok(tested(&planted).then(|| (promise.found)(&planted)))
}

const FLIPS: &str = "value flips told from a coin, at the number printed";

/// Flips ranked right as often as the first ones seem to be, and as many as are said to be needed.
fn flips(seed: u64) -> Outcome<Option<bool>> {
    let world = World::new(60);
    let mut rng = Seeds::new(seed).stream("flips");
    let direction = world.direction(&mut rng)?;
    let train = world.samples(40, &(&direction * 2.0), "train", &mut rng)?;
    let pipeline = pipeline(&Estimator::MeanDiff)?;
    let rank = |pairs: usize, rng: &mut ChaCha8Rng| -> Outcome<_> {
        // Within a pair the prompt goes out: ranked right in about 70 %.
        let set = world.samples(pairs, &(&direction * 0.35), "flips", rng)?;
        Ok(flip_ranking(&pipeline, &train, direction.view(), &set, 199, 0.95, &Seeds::new(seed))?)
    };
    // So many that the share seen is about the share that is.
    let Some(needed) = rank(2000, &mut rng)?.needed else { return Ok(None) };
    Ok(Some(rank(needed, &mut rng)?.binomial.p <= 0.05))
}

/// In how many of how many it is kept; none where it could be planted in none.
fn share(runs: u64, one: impl Fn(u64) -> Outcome<Option<bool>> + Sync) -> Outcome<Option<[u64; 2]>> {
    let found: Vec<Option<bool>> = (0..runs).into_par_iter().map(&one).collect::<Outcome<_>>()?;
    let told: Vec<bool> = found.into_iter().flatten().collect();
    if told.is_empty() {
        return Ok(None);
    }
    Ok(Some([told.iter().filter(|f| **f).count() as u64, told.len() as u64]))
}

/// Whether all promises are kept.
pub fn all(
    place: &Place,
    runs: u64,
    only: Option<&str>,
    tell: &mut dyn FnMut(Line) -> Outcome<()>,
) -> Outcome<()> {
    const MADE: &str = "normal numbers, 60 wide";
    let asked = |verdict: &str| only.is_none_or(|only| verdict.contains(only));
    let read = Read::new(place)?;
    let model = &place.session.runner().info().name;
    for promise in PROMISES.iter().filter(|p| asked(p.verdict)) {
        if let Some(made) = share(runs, |seed| kept(&Made::new(seed)?, promise, seed))? {
            tell(Line::power(promise.verdict, MADE, made)?)?;
        }
        if let Some(real) = share(runs, |seed| kept(&read, promise, seed))? {
            let line = Line::power(promise.verdict, "sets drawn from the confound sets", real)?;
            tell(line.read_on(model))?;
        }
    }
    if asked(FLIPS)
        && let Some(made) = share(runs, flips)?
    {
        tell(Line::power(FLIPS, MADE, made)?)?;
    }
    Ok(())
}
