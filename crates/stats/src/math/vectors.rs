//! Loops compiled for the widest vectors that the processor has.

use pulp::{Arch, Simd, WithSimd};

/// A loop; `run` must be `#[inline(always)]`, or it is compiled for the narrowest. A closure would not
/// do: what calls one stands between it and the vectors.
pub(super) trait VectorLoop {
    type Output;

    fn run(self) -> Self::Output;
}

struct Vectors<L>(L);

impl<L: VectorLoop> WithSimd for Vectors<L> {
    type Output = L::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> L::Output {
        self.0.run()
    }
}

/// Runs a loop.
pub(super) fn vectors<L: VectorLoop>(l: L) -> L::Output {
    Arch::new().dispatch(Vectors(l))
}
