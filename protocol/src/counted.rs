//! Memory that is counted while bytes are decoded.
//!
//! A byte of an encoding can stand for fifty in memory: an empty prompt takes two bytes and thirty-two
//! here. So sequences count what they take as they grow, against what [`within`] allows, and texts and
//! tensors are copied only once all of their bytes are seen to be there.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::size_of;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

thread_local! {
    /// Bytes that may still be taken on this thread, where they are counted; then none were enough.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    static SPENT: Cell<bool> = const { Cell::new(false) };
}

/// What was decoded does not fit into the memory that is allowed for it.
pub(crate) struct MemoryExceeded;

/// Decodes something that may take so many bytes in all.
pub(crate) fn within<T>(bytes: usize, decode: impl FnOnce() -> T) -> Result<T, MemoryExceeded> {
    /// Ends the count in whatever way decoding ends.
    struct Restore(Option<usize>);
    impl Drop for Restore {
        fn drop(&mut self) {
            LEFT.set(self.0);
        }
    }
    let _restore = Restore(LEFT.replace(Some(bytes)));
    SPENT.set(false);
    let decoded = decode();
    if SPENT.replace(false) { Err(MemoryExceeded) } else { Ok(decoded) }
}

/// Counts bytes that are about to be taken.
fn take<E: de::Error>(bytes: usize) -> Result<(), E> {
    let Some(left) = LEFT.get() else { return Ok(()) };
    match left.checked_sub(bytes) {
        Some(left) => {
            LEFT.set(Some(left));
            Ok(())
        }
        None => {
            SPENT.set(true);
            Err(E::custom("more memory than is allowed"))
        }
    }
}

/// A sequence whose growth is counted.
pub(crate) fn seq<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    struct SequenceVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for SequenceVisitor<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = from.next_element()? {
                if all.len() == all.capacity() {
                    let more = all.capacity().clamp(4, 1 << 20);
                    take(more.saturating_mul(size_of::<T>()))?;
                    all.try_reserve_exact(more).map_err(de::Error::custom)?;
                }
                all.push(one);
            }
            Ok(all)
        }
    }

    d.deserialize_seq(SequenceVisitor(PhantomData))
}

/// A text that is copied once it is there.
pub(crate) fn text<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    struct TextVisitor;

    impl Visitor<'_> for TextVisitor {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            take(text.len())?;
            let mut copy = String::new();
            copy.try_reserve_exact(text.len()).map_err(E::custom)?;
            copy.push_str(text);
            Ok(copy)
        }
    }

    d.deserialize_str(TextVisitor)
}

/// A text out of a stream, made as its bytes come: bincode would ask for all of its length at once, in a
/// way that can't be refused. Written it is the same as bytes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Streamed(#[serde(deserialize_with = "seq")] Vec<u8>);

impl TryFrom<Streamed> for String {
    type Error = std::string::FromUtf8Error;

    fn try_from(text: Streamed) -> Result<Self, Self::Error> {
        Self::from_utf8(text.0)
    }
}

/// Bytes that are copied once they are there.
pub(crate) fn bytes<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            take(bytes.len())?;
            let mut copy = Vec::new();
            copy.try_reserve_exact(bytes.len()).map_err(E::custom)?;
            copy.extend_from_slice(bytes);
            Ok(copy)
        }
    }

    d.deserialize_bytes(Bytes)
}
