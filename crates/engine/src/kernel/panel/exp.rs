//! Loops over numbers, compiled for the vectors there are, and the exponential they need.

/// A loop to be compiled for several CPUs. `run` must be `#[inline(always)]`.
pub(super) trait CpuLoop {
    type Output;

    /// `FMA` where the CPU multiplies and adds in one instruction.
    fn run<const FMA: bool>(self) -> Self::Output;
}

/// Runs a loop with the widest vectors of this CPU.
pub(super) fn vectors<L: CpuLoop>(l: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    {
        let cpu = super::cpu();
        if cpu.avx512 {
            // SAFETY: the features are there.
            return unsafe { avx512(l) };
        }
        if cpu.avx2 {
            // SAFETY: the features are there.
            return unsafe { avx2(l) };
        }
    }
    l.run::<{ cfg!(target_arch = "aarch64") }>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn avx512<L: CpuLoop>(l: L) -> L::Output {
    l.run::<true>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<L: CpuLoop>(l: L) -> L::Output {
    l.run::<true>()
}

/// `a · b + c`
#[inline(always)]
pub(super) fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `eˣ` to 1 ulp where FMA is (2 ulp elsewhere), without branches; results below the smallest normal
/// number are 0.
///
/// x = n ln 2 + r with |r| ≤ ln 2 / 2; eʳ by the Taylor polynomial to r⁷, whose rest is below 2⁻²⁷.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    /// Adding it leaves the nearest integer in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    // ln 2 in two parts; the first has few bits, so that its product with n is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const LOW: f32 = -87.336_54;
    const HIGH: f32 = 88.722_83;
    let within = if x < LOW { LOW } else { x };
    let within = if within > HIGH { HIGH } else { within };
    let shifted = mul_add::<FMA>(within, std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = mul_add::<FMA>(n, -LN2_LOW, mul_add::<FMA>(n, -LN2_HIGH, within));
    let mut p = 1.0 / 5040.0;
    for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5] {
        p = mul_add::<FMA>(p, r, c);
    }
    let p = mul_add::<FMA>(p * r, r, r) + 1.0;
    // 2ⁿ in two factors, as n may be 128.
    let n = shifted.to_bits().wrapping_sub(MAGIC.to_bits()).cast_signed();
    let half = n >> 1;
    let power = |n: i32| f32::from_bits(((n + 127) << 23).cast_unsigned());
    let y = p * power(half) * power(n - half);
    let y = if x < LOW { 0.0 } else { y };
    if x > HIGH { f32::INFINITY } else { y }
}

/// `tanh x`, with an absolute error of 2⁻²³.
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp::<FMA>(2.0 * x))
}
