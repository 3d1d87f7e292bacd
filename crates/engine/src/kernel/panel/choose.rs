//! Which kernel multiplies by which weights on which CPU.

use super::int8::PlainInt8;
use super::pack::{PanelFormat, PanelLayout};
use super::plain::{PlainF32, PlainWide};
use super::product::{Product, ProductInput};

/// Parts of int8 that rows are split into where weights are int8.
const INT8_PARTS: usize = 2;

/// The name of what [`products`](super::products) uses on this CPU, for a record of how a result was made.
#[must_use]
pub fn path(format: PanelFormat) -> &'static str {
    let cpu = super::cpu();
    match format {
        PanelFormat::F32 if cpu.amx => "f32-amx",
        PanelFormat::F32 if cpu.avx512 => "f32-avx512",
        PanelFormat::F32 if cpu.avx2 => "f32-avx2",
        PanelFormat::F32 => "f32",
        PanelFormat::Bf16 if cpu.amx => "bf16-amx",
        PanelFormat::Bf16 if cpu.dpbf16 => "bf16-avx512",
        PanelFormat::Bf16 if cpu.avx512 => "bf16-by-f32-avx512",
        PanelFormat::Bf16 if cpu.avx2 => "bf16-by-f32-avx2",
        PanelFormat::Bf16 => "bf16-by-f32",
        PanelFormat::Int8 if cpu.vnni => "int8x2-vnni",
        PanelFormat::Int8 => "int8x2",
    }
}

/// Runs products by the kernel for their weights on this CPU.
pub(super) fn choose(x: &[f32], rows: usize, jobs: &mut [Product], kind: PanelLayout) {
    let job = ProductInput { x, rows };
    #[cfg(target_arch = "x86_64")]
    {
        use super::amx::{Amx, SplitF32};
        use super::avx512::{F32, Wide};
        use super::dpbf16::Bf16Pairs;
        use super::vnni::Vnni;
        let done = match kind {
            (PanelFormat::F32, ..) => {
                SplitF32::new().map(|k| job.run(&k, jobs)).or_else(|| F32::new().map(|k| job.run(&k, jobs)))
            }
            (PanelFormat::Bf16, ..) => Amx::new()
                .map(|k| job.run(&k, jobs))
                .or_else(|| Bf16Pairs::new().map(|k| job.run(&k, jobs)))
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
        (PanelFormat::F32, ..) => job.run(&PlainF32::new(true), jobs),
        (PanelFormat::Bf16, ..) => job.run(&PlainWide::new(true), jobs),
        (_, 16, false) => job.run(&PlainInt8::<INT8_PARTS, 4, false>, jobs),
        (_, 16, true) => job.run(&PlainInt8::<INT8_PARTS, 4, true>, jobs),
        (_, _, false) => job.run(&PlainInt8::<INT8_PARTS, 8, false>, jobs),
        (_, _, true) => job.run(&PlainInt8::<INT8_PARTS, 8, true>, jobs),
    }
}
