//! The arithmetic of a transformer over slices of host memory.
//!
//! Weights are packed once, at load, into [`Panels`] of 32 outputs; [`products`] multiplies any
//! number of rows by them, and activates the results where told to. What surrounds the products works
//! on rows of f32 as they are: norms, [`rope()`], and [`attend()`] over keys and values held in [`Kv`].
//!
//! Instructions are chosen once, by what the CPU has ([`cpu`]). Whatever is chosen, a row's result
//! is the same bits whatever other rows stand beside it and however work is shared out.

mod act;
mod attend;
mod avx512;
mod choose;
mod cpu;
mod exp;
mod frozen;
mod gguf;
mod int8;
mod kernel;
mod kv;
mod lines;
mod norm;
mod pack;
mod peaks;
mod plain;
mod product;
mod rope;
mod stage;
#[cfg(test)]
mod tests;
mod threads;

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod dpbf16;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub use act::{gated, softcap};
pub use attend::{AttentionShape, SequenceQueries, attend};
pub use choose::path;
pub use cpu::cpu;
pub use gguf::BlockFormat;
pub use kv::Kv;
pub use norm::{layer_norm, rms_norm};
pub use pack::{PanelFormat, Panels};
pub use peaks::{Peaks, peaks};
pub use product::{Affine, Product, Then, products};
pub use rope::rope;
pub use threads::alone;
