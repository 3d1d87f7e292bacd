//! The loops over exponentials that most time goes to, those of logistic regression and of logits,
//! written so that the processor takes several numbers at once.

use super::vectors::{VectorLoop, vectors};

/// `eˣ` to about two units in the last place for `|x| <= 708`, larger ones taken as ±708: the
/// nearest power of two, and the Taylor series of what is left (at most `ln 2 / 2`).
#[inline(always)]
fn exp(x: f64) -> f64 {
    // Adding this rounds to an integer, whose bits are then the last of the sum.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let x = x.clamp(-708.0, 708.0);
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = x - k * LN2_HIGH - k * LN2_LOW;
    let mut sum = 1.0 / 6_227_020_800.0;
    for factorial in [
        479_001_600.0,
        39_916_800.0,
        3_628_800.0,
        362_880.0,
        40_320.0,
        5_040.0,
        720.0,
        120.0,
        24.0,
        6.0,
        2.0,
        1.0,
        1.0,
    ] {
        sum = sum * r + 1.0 / factorial;
    }
    f64::from_bits(sum.to_bits().wrapping_add(shifted.to_bits() << 52))
}

/// Along a line of logits `at + step · along`: the residuals `σ(logit) − label` into `out`, and the
/// first and second derivative of the summed log loss in `step`.
///
/// All slices have one length; what is beyond the shortest is left out.
pub(crate) fn along(
    at: &[f64],
    offset: f64,
    along: &[f64],
    slope: f64,
    step: f64,
    labels: &[f64],
    out: &mut [f64],
) -> (f64, f64) {
    vectors(LossAlong { at, offset, along, slope, step, labels, out })
}

struct LossAlong<'a> {
    at: &'a [f64],
    offset: f64,
    along: &'a [f64],
    slope: f64,
    step: f64,
    labels: &'a [f64],
    out: &'a mut [f64],
}

impl VectorLoop for LossAlong<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run(self) -> (f64, f64) {
        const LANES: usize = 8;
        let Self { at, offset, along, slope, step, labels, out } = self;
        let mut first = [0.0; LANES];
        let mut second = [0.0; LANES];
        let n = at.len().min(along.len()).min(labels.len()).min(out.len());
        let mut one = |i: usize, lane: usize| {
            let v = along[i] + slope;
            let p = 1.0 / (1.0 + exp(-(at[i] + offset + step * v)));
            let r = p - labels[i];
            out[i] = r;
            first[lane] += r * v;
            second[lane] += p * (1.0 - p) * v * v;
        };
        let whole = n - n % LANES;
        for start in (0..whole).step_by(LANES) {
            for lane in 0..LANES {
                one(start + lane, lane);
            }
        }
        for i in whole..n {
            one(i, 0);
        }
        (first.iter().sum(), second.iter().sum())
    }
}

/// The largest of some numbers, in lanes that a compiler can make vectors of.
#[inline(always)]
pub fn largest(x: &[f32]) -> f32 {
    let (whole, rest) = x.as_chunks::<16>();
    let more = |m: f32, x: f32| if x > m { x } else { m };
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in whole {
        lanes.iter_mut().zip(chunk).for_each(|(m, x)| *m = more(*m, *x));
    }
    lanes.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, more)
}

/// `ln Σ eˣ`, in f64.
pub fn log_sum_exp(x: &[f32]) -> f64 {
    vectors(LogSumExp(x))
}

struct LogSumExp<'a>(&'a [f32]);

impl VectorLoop for LogSumExp<'_> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        const LANES: usize = 8;
        let max = f64::from(largest(self.0));
        let (whole, rest) = self.0.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for chunk in whole {
            sums.iter_mut().zip(chunk).for_each(|(s, x)| *s += exp(f64::from(*x) - max));
        }
        let rest: f64 = rest.iter().map(|x| exp(f64::from(*x) - max)).sum();
        max + (sums.iter().sum::<f64>() + rest).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_powers() {
        for i in -7000..=7000 {
            let x = f64::from(i) * 0.1013;
            let (found, expected) = (exp(x), x.clamp(-708.0, 708.0).exp());
            assert!((found / expected - 1.0).abs() < 1e-14, "{x}: {found} {expected}");
        }
    }

    #[test]
    fn sums_of_powers_are_those_of_plain_ones() {
        for n in [1_u8, 7, 8, 9, 100] {
            let x: Vec<f32> = (0..n).map(|i| f32::from(i) * 7.3 % 11.0 + 90.0).collect();
            let plain = x.iter().map(|v| f64::from(*v).exp()).sum::<f64>().ln();
            assert!((log_sum_exp(&x) - plain).abs() < 1e-12, "{n}");
        }
    }

    #[test]
    fn derivatives_are_those_of_the_log_loss() {
        let at: Vec<f64> = (0..19).map(|i| f64::from(i) * 0.4 - 3.0).collect();
        let direction: Vec<f64> = (0..19).map(|i| f64::from(i * i % 7) - 2.0).collect();
        let labels: Vec<f64> = (0..19).map(|i| f64::from(i % 2)).collect();
        let loss = |step: f64| -> f64 {
            (0..19)
                .map(|i| {
                    let t = at[i] + 0.3 + step * (direction[i] - 0.1);
                    (1.0 + t.exp()).ln() - labels[i] * t
                })
                .sum()
        };
        let mut out = vec![0.0; 19];
        let (first, second) = along(&at, 0.3, &direction, -0.1, 0.7, &labels, &mut out);
        let h = 1e-5;
        assert!((first - (loss(0.7 + h) - loss(0.7 - h)) / (2.0 * h)).abs() < 1e-8);
        let numeric = (loss(0.7 + h) - 2.0 * loss(0.7) + loss(0.7 - h)) / (h * h);
        assert!((second - numeric).abs() < 1e-4, "{second} {numeric}");
        let t = at[4] + 0.3 + 0.7 * (direction[4] - 0.1);
        assert!((out[4] - (1.0 / (1.0 + (-t).exp()) - labels[4])).abs() < 1e-15);
    }
}
