//! The blocks of GGUF files as int8 panels. Nothing is rounded: every weight is `scale · q + offset`
//! with an int8 `q`, and scales and offsets are products that f32 holds.

use half::f16;

use super::pack::Panels;

/// A block format of GGUF (its names are those of the format's specification).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockFormat {
    /// 32 int8 and a scale.
    Q8_0,
    /// 32 numbers of 4 bits, less 8, and a scale.
    Q4_0,
    /// 32 numbers of 4 bits, a scale and an offset.
    Q4_1,
    /// 32 numbers of 5 bits, less 16, and a scale.
    Q5_0,
    /// 32 numbers of 5 bits, a scale and an offset.
    Q5_1,
    /// 256 numbers of 4 bits, a scale and an offset of each 32.
    Q4K,
    /// 256 numbers of 5 bits, a scale and an offset of each 32.
    Q5K,
    /// 256 numbers of 6 bits, less 32, a scale of each 16.
    Q6K,
}

impl BlockFormat {
    /// Weights and bytes of a block.
    #[must_use]
    pub fn size(self) -> (usize, usize) {
        match self {
            Self::Q8_0 => (32, 34),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }

    /// Whether rows this wide are whole blocks.
    #[must_use]
    pub fn fits(self, width: usize) -> bool {
        width.is_multiple_of(self.size().0)
    }

    fn group(self) -> usize {
        if self == Self::Q6K { 16 } else { 32 }
    }

    fn has_offsets(self) -> bool {
        matches!(self, Self::Q4_1 | Self::Q5_1 | Self::Q4K | Self::Q5K)
    }
}

impl Panels {
    /// Packs `[outputs, inputs]` weights in blocks; nothing where the bytes are not as many as that takes.
    #[must_use]
    pub fn blocks(block: BlockFormat, bytes: &[u8], outputs: usize, inputs: usize) -> Option<Self> {
        let (weights, size) = block.size();
        if !block.fits(inputs) || bytes.len() != outputs * inputs / weights * size {
            return None;
        }
        let mut to = Expanded::default();
        for b in bytes.chunks_exact(size) {
            expand(block, b, &mut to)?;
        }
        let offsets = block.has_offsets().then_some(&to.offsets[..]);
        Some(Self::int8(&to.q, &to.scales, offsets, block.group(), outputs, inputs))
    }
}

#[derive(Default)]
struct Expanded {
    q: Vec<i8>,
    scales: Vec<f32>,
    offsets: Vec<f32>,
}

fn half(b: &[u8], at: usize) -> Option<f32> {
    Some(f16::from_le_bytes([*b.get(at)?, *b.get(at + 1)?]).to_f32())
}

fn expand(block: BlockFormat, b: &[u8], to: &mut Expanded) -> Option<()> {
    match block {
        BlockFormat::Q8_0 => {
            to.scales.push(half(b, 0)?);
            to.q.extend(b.get(2..34)?.iter().map(|q| q.cast_signed()));
        }
        BlockFormat::Q4_0 => {
            to.scales.push(half(b, 0)?);
            nibbles(b.get(2..18)?, &[], 8, &mut to.q);
        }
        BlockFormat::Q4_1 => {
            to.scales.push(half(b, 0)?);
            to.offsets.push(half(b, 2)?);
            nibbles(b.get(4..20)?, &[], 0, &mut to.q);
        }
        BlockFormat::Q5_0 => {
            to.scales.push(half(b, 0)?);
            nibbles(b.get(6..22)?, b.get(2..6)?, 16, &mut to.q);
        }
        BlockFormat::Q5_1 => {
            to.scales.push(half(b, 0)?);
            to.offsets.push(half(b, 2)?);
            nibbles(b.get(8..24)?, b.get(4..8)?, 0, &mut to.q);
        }
        BlockFormat::Q4K | BlockFormat::Q5K => {
            let (d, min) = (half(b, 0)?, half(b, 2)?);
            let scales = b.get(4..16)?;
            let (fifth, low) =
                if block == BlockFormat::Q4K { (None, b.get(16..)?) } else { (b.get(16..48), b.get(48..)?) };
            for group in 0..8 {
                let (s, m) = six_bits(scales, group)?;
                to.scales.push(d * f32::from(s));
                to.offsets.push(-min * f32::from(m));
                // Two groups share 32 bytes: low halves, then high halves.
                let bytes = low.get(group / 2 * 32..group / 2 * 32 + 32)?;
                for (i, byte) in bytes.iter().enumerate() {
                    let q = if group % 2 == 0 { byte & 15 } else { byte >> 4 };
                    let high = fifth.and_then(|f| f.get(i)).map_or(0, |f| f >> group & 1);
                    to.q.push((q | high << 4).cast_signed());
                }
            }
        }
        BlockFormat::Q6K => {
            let (low, high, scales) = (b.get(..128)?, b.get(128..192)?, b.get(192..208)?);
            let d = half(b, 208)?;
            to.scales.extend(scales.iter().map(|s| d * f32::from(s.cast_signed())));
            for i in 0..256 {
                // Half a block is 128 numbers, of 64 low and 32 high bytes, in quarters of 32.
                let (side, quarter, lane) = (i / 128, i % 128 / 32, i % 32);
                let l = low.get(side * 64 + quarter % 2 * 32 + lane)? >> (quarter / 2 * 4) & 15;
                let h = high.get(side * 32 + lane)? >> (quarter * 2) & 3;
                to.q.push((l | h << 4).cast_signed() - 32);
            }
        }
    }
    Some(())
}

/// Sixteen low halves, then sixteen high ones, each with a fifth bit where there is one, less `zero`.
fn nibbles(bytes: &[u8], fifth: &[u8], zero: i8, to: &mut Vec<i8>) {
    for shift in [0, 4] {
        for (i, b) in bytes.iter().enumerate() {
            let at = i + shift * 4;
            let high = fifth.get(at / 8).map_or(0, |f| f >> (at % 8) & 1);
            to.push((b >> shift & 15 | high << 4).cast_signed() - zero);
        }
    }
}

/// Scale and offset of a group of a K block, 6 bits each in 12 bytes.
fn six_bits(b: &[u8], group: usize) -> Option<(u8, u8)> {
    if group < 4 {
        return Some((b.get(group)? & 63, b.get(group + 4)? & 63));
    }
    let both = b.get(group + 4)?;
    Some((both & 15 | b.get(group - 4)? >> 6 << 4, both >> 4 | b.get(group)? >> 6 << 4))
}
