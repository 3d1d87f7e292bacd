//! Which kernel multiplies by which weights on which CPU.

use super::int8::PlainInt8;
use super::pack::{Format, Kind};
use super::plain::{Plain, PlainWide};
use super::product::{Job, Shared};

/// Parts of int8 that rows are split into where weights are int8.
const INT8_PARTS: usize = 2;

/// The name of what [`products`](super::products) uses on this CPU, for a record of how a result was made.
#[must_use]
pub fn path(format: Format) -> &'static str {
    let cpu = super::cpu();
    match format {
        Format::F32 if cpu.amx => "f32-amx",
        Format::F32 if cpu.avx512 => "f32-avx512",
        Format::F32 if cpu.avx2 => "f32-avx2",
        Format::F32 => "f32",
        Format::Bf16 if cpu.amx => "bf16-amx",
        Format::Bf16 if cpu.dpbf16 => "bf16-avx512",
        Format::Bf16 if cpu.avx512 => "bf16-by-f32-avx512",
        Format::Bf16 if cpu.avx2 => "bf16-by-f32-avx2",
        Format::Bf16 => "bf16-by-f32",
        Format::Int8 if cpu.vnni => "int8x2-vnni",
        Format::Int8 => "int8x2",
    }
}

/// Runs products by the kernel for their weights on this CPU.
pub(super) fn choose(x: &[f32], rows: usize, jobs: &mut [Job], kind: Kind) {
    let job = Shared { x, rows };
    #[cfg(target_arch = "x86_64")]
    {
        use super::amx::{Amx, Split};
        use super::avx512::{F32, Wide};
        use super::dpbf16::Pairs;
        use super::vnni::Vnni;
        let done = match kind {
            (Format::F32, ..) => {
                Split::new().map(|k| job.run(&k, jobs)).or_else(|| F32::new().map(|k| job.run(&k, jobs)))
            }
            (Format::Bf16, ..) => Amx::new()
                .map(|k| job.run(&k, jobs))
                .or_else(|| Pairs::new().map(|k| job.run(&k, jobs)))
                .or_else(|| Wide::new().map(|k| job.run(&k, jobs))),
            (_, 16, false) => Vnni::<INT8_PARTS, 4, false>::new().map(|k| job.run(&k, jobs)),
            (_, 16, true) => Vnni::<INT8_PARTS, 4, true>::new().map(|k| job.run(&k, jobs)),
            (_, _, false) => Vnni::<INT8_PARTS, 8, false>::new().map(|k| job.run(&k, jobs)),
            (_, _, true) => Vnni::<INT8_PARTS, 8, true>::new().map(|k| job.run(&k, jobs)),
        };
        if done.is_some() {
            return;
        }
    }
    match kind {
        (Format::F32, ..) => job.run(&Plain::new(true), jobs),
        (Format::Bf16, ..) => job.run(&PlainWide::new(true), jobs),
        (_, 16, false) => job.run(&PlainInt8::<INT8_PARTS, 4, false>, jobs),
        (_, 16, true) => job.run(&PlainInt8::<INT8_PARTS, 4, true>, jobs),
        (_, _, false) => job.run(&PlainInt8::<INT8_PARTS, 8, false>, jobs),
        (_, _, true) => job.run(&PlainInt8::<INT8_PARTS, 8, true>, jobs),
    }
}
