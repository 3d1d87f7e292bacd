//! What the CPU can do, asked once.

use std::sync::OnceLock;

/// Instructions there are kernels for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// AVX2 and FMA.
    pub avx2: bool,
    /// AVX-512 F, BW, DQ and VL.
    pub avx512: bool,
    /// Dot products of bf16 pairs, `vdpbf16ps`, where they are faster than widening: on CPUs that
    /// are not Intel's, whose unit takes two cycles for what two FMAs do in one.
    pub dpbf16: bool,
    /// Dot products of int8, `vpdpbusd`.
    pub vnni: bool,
    /// Tiles of bf16, which the kernel has given this process leave to use.
    pub amx: bool,
}

#[must_use]
pub fn cpu() -> Cpu {
    static CPU: OnceLock<Cpu> = OnceLock::new();
    *CPU.get_or_init(detect)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Cpu {
    use std::arch::is_x86_feature_detected as has;
    let avx512 = has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
    Cpu {
        avx2: has!("avx2") && has!("fma"),
        avx512,
        dpbf16: avx512 && has!("avx512bf16") && !made_by_intel(),
        vnni: avx512 && has!("avx512vnni"),
        amx: avx512 && has!("avx512bf16") && amx(),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Cpu {
    Cpu::default()
}

#[cfg(target_arch = "x86_64")]
fn made_by_intel() -> bool {
    use std::arch::x86_64::__cpuid;
    let leaf = __cpuid(0);
    [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes).concat() == b"GenuineIntel"
}

/// Whether tiles and their bf16 product are there and this process may use them. Linux keeps their
/// 8 KiB of state a thread from a process that has not asked.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn amx() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    if __cpuid(0).eax < 0x1d {
        return false;
    }
    let features = __cpuid_count(7, 0).edx;
    let there = features & (1 << 22) != 0 && features & (1 << 24) != 0;
    // SAFETY: the call changes only which state Linux saves for this process; where it is not
    // known it fails.
    there && unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn amx() -> bool {
    false
}
