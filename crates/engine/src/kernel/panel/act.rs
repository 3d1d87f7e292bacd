//! Activations, alone and as gates.

use rayon::prelude::*;

use super::exp::{CpuLoop, exp, mul_add, tanh, vectors};
use super::norm::SERIAL;
use super::product::PanelError;
use super::threads::threads;
use crate::config::Act;

/// `gate = act(gate) · up`
///
/// # Errors
/// Slices of different sizes.
pub fn gated(act: Act, gate: &mut [f32], up: &[f32]) -> Result<(), PanelError> {
    PanelError::check("what is gated", up.len(), gate.len())?;
    if gate.len() < SERIAL || threads() == 1 {
        here(act, gate, Some(up));
    } else {
        const SOME: usize = SERIAL / 4;
        let both = gate.par_chunks_mut(SOME).zip(up.par_chunks(SOME));
        both.for_each(|(gate, up)| here(act, gate, Some(up)));
    }
    Ok(())
}

/// `x = c · tanh(x / c)`
pub fn softcap(x: &mut [f32], c: f32) {
    let one = |x: &mut [f32]| vectors(Cap { x, c });
    if x.len() < SERIAL { one(x) } else { x.par_chunks_mut(SERIAL / 4).for_each(one) }
}

struct Cap<'a> {
    x: &'a mut [f32],
    c: f32,
}

impl CpuLoop for Cap<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        self.x.iter_mut().for_each(|x| *x = self.c * tanh::<FMA>(*x / self.c));
    }
}

/// `x = act(x) · up`, on this thread alone.
pub(super) fn here(act: Act, x: &mut [f32], up: Option<&[f32]>) {
    match act {
        Act::Silu => vectors(ActivatedNumbers::<0> { x, up }),
        Act::GeluErf => vectors(ActivatedNumbers::<1> { x, up }),
        Act::GeluTanh => vectors(ActivatedNumbers::<2> { x, up }),
        Act::Relu => vectors(ActivatedNumbers::<3> { x, up }),
    }
}

/// `KIND` 0 is SiLU, 1 GELU, 2 GELU by tanh, 3 ReLU.
struct ActivatedNumbers<'a, const KIND: u8> {
    x: &'a mut [f32],
    up: Option<&'a [f32]>,
}

impl<const KIND: u8> CpuLoop for ActivatedNumbers<'_, KIND> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        match self.up {
            None => self.x.iter_mut().for_each(|x| *x = value::<KIND, FMA>(*x)),
            Some(up) => self.x.iter_mut().zip(up).for_each(|(x, up)| *x = value::<KIND, FMA>(*x) * up),
        }
    }
}

#[inline(always)]
fn value<const KIND: u8, const FMA: bool>(x: f32) -> f32 {
    match KIND {
        0 => x / (1.0 + exp::<FMA>(-x)),
        1 => x * normal::<FMA>(x),
        // Φ by a tanh (Hendrycks & Gimpel 2016, "Gaussian error linear units").
        2 => {
            // ½ (1 + tanh z) = 1 / (1 + e⁻²ᶻ)
            const TWICE_ROOT: f32 = 1.595_769;
            let z = TWICE_ROOT * mul_add::<FMA>(0.044_715 * x * x, x, x);
            x / (1.0 + exp::<FMA>(-z))
        }
        _ => x.max(0.0),
    }
}

/// Φ(x), by the Chebyshev fit of erfc with a relative error of 1.2 · 10⁻⁷ (Press et al. 1992,
/// "Numerical Recipes in C", section 6.2).
#[inline(always)]
fn normal<const FMA: bool>(x: f32) -> f32 {
    let z = (x * std::f32::consts::FRAC_1_SQRT_2).abs();
    let t = 1.0 / (1.0 + 0.5 * z);
    let mut p = 0.170_872_77;
    for c in [
        -0.822_152_23,
        1.488_515_9,
        -1.135_204,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_7,
        -1.265_512_2,
    ] {
        p = mul_add::<FMA>(p, t, c);
    }
    let tail = 0.5 * t * exp::<FMA>(mul_add::<FMA>(-z, z, p));
    if x < 0.0 { tail } else { 1.0 - tail }
}
