//! The machine's own limits, measured by loops that do nothing else.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
#[cfg(target_arch = "x86_64")]
use std::hint::black_box;
#[cfg(target_arch = "x86_64")]
use std::time::Instant;

/// What all threads of the pool reach together.
#[derive(Clone, Copy, Debug)]
pub struct Peaks {
    /// f32 multiply-adds, in GFLOP/s.
    pub fma: f64,
    /// Reads from memory, in GB/s.
    pub reads: f64,
}

/// Numbers that the reading loop goes through: 192 MiB, more than most caches hold.
#[cfg(target_arch = "x86_64")]
const READ: usize = 48 << 20;
/// Turns of the multiplying loop, some hundredths of a second.
#[cfg(target_arch = "x86_64")]
const TURNS: usize = 1_000_000;

/// Measures them; nothing where there is no AVX-512, for which the loops are written.
#[must_use]
pub fn peaks() -> Option<Peaks> {
    #[cfg(target_arch = "x86_64")]
    if super::cpu().avx512 {
        let threads = rayon::current_num_threads();
        #[allow(clippy::cast_precision_loss)]
        let work = |each: usize| (threads * each) as f64;
        // SAFETY: the CPU has AVX-512.
        let multiply = timed(threads, &|_| unsafe { multiply(TURNS) });
        let memory = vec![1.0_f32; READ];
        let part = READ / threads.max(1);
        // SAFETY: as above.
        let reading = timed(threads, &|t| unsafe { read(&memory[t * part..(t + 1) * part]) });
        // A multiply-add is two operations on 16 numbers.
        return Some(Peaks {
            fma: work(TURNS * 24 * 32) / multiply / 1e9,
            reads: work(part * 4) / reading / 1e9,
        });
    }
    None
}

/// Seconds that a loop takes on every thread at once.
#[cfg(target_arch = "x86_64")]
fn timed(threads: usize, f: &(dyn Fn(usize) + Sync)) -> f64 {
    let start = Instant::now();
    rayon::scope(|s| (0..threads).for_each(|t| s.spawn(move |_| f(t))));
    start.elapsed().as_secs_f64()
}

/// As many independent sums as hide the latency of an addition.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn multiply(turns: usize) {
    let mut sums = [_mm512_set1_ps(1.0); 24];
    let (x, y) = (black_box(_mm512_set1_ps(1.000_001)), black_box(_mm512_set1_ps(1e-9)));
    for _ in 0..turns {
        for s in &mut sums {
            *s = _mm512_fmadd_ps(*s, x, y);
        }
    }
    black_box(sums);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn read(numbers: &[f32]) {
    let mut sums = [_mm512_setzero_ps(); 8];
    for line in numbers.as_chunks::<128>().0 {
        for (s, x) in sums.iter_mut().zip(line.as_chunks::<16>().0) {
            // SAFETY: the vector is there.
            *s = _mm512_add_ps(*s, unsafe { _mm512_loadu_ps(x.as_ptr()) });
        }
    }
    black_box(sums);
}

#[cfg(test)]
mod tests {
    #[test]
    fn peaks_are_those_of_a_computer() {
        if let Some(p) = super::peaks() {
            // From a crawl on a loaded machine to what 256 cores could do.
            assert!(p.fma > 0.1 && p.fma < 1e5 && p.reads > 0.01 && p.reads < 1e4, "{p:?}");
        }
    }
}
