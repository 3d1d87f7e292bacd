//! zstd with a cap: what is unpacked never grows past what was allowed.

use std::io::{self, Read};

/// Level that nnsight's client uses; higher ones cost more time than they save on activations.
const LEVEL: i32 = 6;

/// The first bytes of a zstd frame.
pub const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How far back a frame may look that is unpacked in little memory: 16 MiB, twice what zstd's level 19 uses.
pub const WINDOW: usize = 16 << 20;

/// Why a zstd frame could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// More than the cap came out.
    #[error("compressed data unpacks to more than {limit} bytes, the most that is allowed here")]
    TooLarge {
        /// The most bytes that may come out.
        limit: usize,
    },
    /// Not zstd, damaged, or cut off.
    #[error("compressed data is damaged or cut off")]
    Damaged(#[source] io::Error),
}

/// Bytes of memory that unpacking a frame takes beside what comes out of it, as far as it is unpacked by
/// [`FrameReader::narrow`]: the window, or all of it where the frame says that it is less.
#[must_use]
pub fn window(packed: &[u8]) -> usize {
    /// Buffers whatever the window is.
    const LEAST: usize = 384 << 10;
    let content = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
    let content = content.and_then(|n| usize::try_from(n).ok()).unwrap_or(WINDOW);
    content.min(WINDOW) + LEAST
}

/// Compresses bytes. A checksum goes along: zstd alone does not notice every flipped bit, and an
/// answer with other numbers looks like an answer.
///
/// # Errors
/// When zstd runs out of memory.
pub fn compress(bytes: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).map_err(FrameError::Damaged)?;
    compressor
        .set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))
        .and_then(|()| compressor.compress(bytes))
        .map_err(FrameError::Damaged)
}

/// Unpacks bytes, at most `limit` of them.
///
/// # Errors
/// As [`FrameError`].
pub fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, FrameError> {
    let mut out = Vec::new();
    read_to_end(bytes, limit, &mut out)?;
    Ok(out)
}

/// Unpacks a stream as it comes, at most `limit` bytes, into `out`. Memory grows with what has come
/// out so far, never with what a header promises.
///
/// # Errors
/// As [`FrameError`].
pub fn read_to_end(packed: impl Read, limit: usize, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let decoder = zstd::stream::read::Decoder::new(packed).map_err(FrameError::Damaged)?;
    // One byte more than allowed shows that there is more.
    let mut capped = decoder.take((limit as u64).saturating_add(1));
    let before = out.len();
    capped.read_to_end(out).map_err(FrameError::Damaged)?;
    if out.len() - before > limit {
        return Err(FrameError::TooLarge { limit });
    }
    Ok(())
}

/// Unpacks a stream as it is read, for what is too large to hold twice. Reading past the cap fails
/// with a [`FrameError::TooLarge`] inside the error, damage with what zstd said.
pub struct FrameReader<R: Read> {
    decoder: zstd::stream::read::Decoder<'static, io::BufReader<R>>,
    limit: usize,
    left: usize,
}

impl<R: Read> FrameReader<R> {
    /// Unpacks at most `limit` bytes of `packed`.
    ///
    /// # Errors
    /// When zstd runs out of memory.
    pub fn new(packed: R, limit: usize) -> Result<Self, FrameError> {
        let decoder = zstd::stream::read::Decoder::new(packed).map_err(FrameError::Damaged)?;
        Ok(Self { decoder, limit, left: limit })
    }

    /// [`FrameReader::new`] of a frame that looks back no further than [`WINDOW`] bytes, which is the memory that
    /// unpacking takes; a frame of three bytes may ask for 128 MiB otherwise.
    ///
    /// # Errors
    /// When zstd runs out of memory.
    pub fn narrow(packed: R, limit: usize) -> Result<Self, FrameError> {
        let mut reader = Self::new(packed, limit)?;
        reader.decoder.window_log_max(WINDOW.trailing_zeros()).map_err(FrameError::Damaged)?;
        Ok(reader)
    }
}

impl<R: Read> Read for FrameReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(out)?;
        self.left = self
            .left
            .checked_sub(read)
            .ok_or_else(|| io::Error::other(FrameError::TooLarge { limit: self.limit }))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_cut_at_the_cap() {
        let bomb = compress(&vec![0; 64 << 20]).unwrap();
        assert!(bomb.len() < 16 << 10);
        assert!(matches!(decompress(&bomb, 1 << 20), Err(FrameError::TooLarge { limit: 1_048_576 })));
        assert_eq!(decompress(&bomb, 64 << 20).unwrap().len(), 64 << 20);
    }

    #[test]
    fn a_stream_is_cut_at_the_cap_and_told_when_damaged() {
        let bomb = compress(&vec![0; 8 << 20]).unwrap();
        let mut out = Vec::new();
        let error = FrameReader::new(&bomb[..], 1 << 20).unwrap().read_to_end(&mut out).unwrap_err();
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<FrameError>());
        assert!(matches!(inner, Some(FrameError::TooLarge { limit: 1_048_576 })), "{error:?}");
        assert!(out.len() <= 1 << 20);
        out.clear();
        FrameReader::new(&bomb[..], 8 << 20).unwrap().read_to_end(&mut out).unwrap();
        assert_eq!(out.len(), 8 << 20);
        let cut = &bomb[..bomb.len() - 1];
        assert!(FrameReader::new(cut, 8 << 20).unwrap().read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn no_flipped_bit_gives_other_bytes() {
        let bytes: Vec<u8> = (0..40_u32).flat_map(|i| (i as f32).sin().to_le_bytes()).collect();
        let good = compress(&bytes).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // A bit that says how the frame is laid out may change nothing that comes out.
            assert!(decompress(&bad, 1 << 20).map_or(true, |out| out == bytes), "bit {bit}");
        }
    }

    #[test]
    fn damage_and_loss_are_told() {
        let good = compress(&(0..=255).cycle().take(10_000).collect::<Vec<u8>>()).unwrap();
        for cut in [0, 3, 10, good.len() - 1] {
            if cut > 0 {
                assert!(matches!(decompress(&good[..cut], 1 << 20), Err(FrameError::Damaged(_))), "{cut}");
            }
        }
        let mut bad = good.clone();
        bad[0] ^= 1;
        assert!(matches!(decompress(&bad, 1 << 20), Err(FrameError::Damaged(_))));
    }
}
