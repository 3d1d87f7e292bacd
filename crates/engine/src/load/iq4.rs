//! ggml's IQ4 blocks: 4-bit codes into a table of 16 values that lie closer together near zero.

use half::f16;

use crate::gguf::GgufElement;

/// What the codes stand for (`kvalues_iq4nl` of ggml).
const VALUES: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The numbers of IQ4_NL blocks: a half-precision scale, then 16 bytes of codes.
pub(super) fn nl(bytes: &[u8]) -> Vec<f32> {
    let mut out = Vec::with_capacity(bytes.len() / GgufElement::Iq4Nl.block().1 * 32);
    for block in bytes.chunks_exact(GgufElement::Iq4Nl.block().1) {
        if let [low, high, codes @ ..] = block {
            push(&mut out, f16::from_le_bytes([*low, *high]).to_f32(), codes);
        }
    }
    out
}

/// The numbers of IQ4_XS blocks: a half-precision scale, scales of 6 bits each 32 codes (2 high bits each
/// in 2 bytes, 4 low ones each in 4), then 128 bytes of codes.
pub(super) fn xs(bytes: &[u8]) -> Vec<f32> {
    let mut out = Vec::with_capacity(bytes.len() / GgufElement::Iq4Xs.block().1 * 256);
    for block in bytes.chunks_exact(GgufElement::Iq4Xs.block().1) {
        if let [a, b, c, d, l0, l1, l2, l3, codes @ ..] = block {
            let scale = f16::from_le_bytes([*a, *b]).to_f32();
            let (high, low) = (u16::from_le_bytes([*c, *d]), [*l0, *l1, *l2, *l3]);
            for (group, codes) in codes.chunks_exact(16).enumerate() {
                let four = low.get(group / 2).map_or(0, |l| l >> (4 * (group % 2)) & 15);
                let two = high >> (2 * group) & 3;
                let six = f32::from(four) + 16.0 * f32::from(two) - 32.0;
                push(&mut out, scale * six, codes);
            }
        }
    }
    out
}

/// 32 numbers: the low halves of 16 bytes, then the high ones.
fn push(out: &mut Vec<f32>, scale: f32, codes: &[u8]) {
    let value = |code: u8| scale * f32::from(VALUES[usize::from(code & 15)]);
    out.extend(codes.iter().map(|c| value(*c)));
    out.extend(codes.iter().map(|c| value(c >> 4)));
}
