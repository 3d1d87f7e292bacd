//! Memory that an input decides, asked for so that a refusal is an error and not the end of the process.

use std::collections::TryReserveError;

/// An empty vector with room for so many elements.
///
/// # Errors
/// When the allocator has no such block.
pub fn room<T>(elements: usize) -> Result<Vec<T>, TryReserveError> {
    let mut all = Vec::new();
    all.try_reserve_exact(elements)?;
    Ok(all)
}

/// A copy of a text.
///
/// # Errors
/// As [`room`].
pub fn copied(text: &str) -> Result<String, TryReserveError> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len())?;
    copy.push_str(text);
    Ok(copy)
}

/// Adds an element to a vector that grows.
///
/// # Errors
/// As [`room`].
pub fn add<T>(to: &mut Vec<T>, one: T) -> Result<(), TryReserveError> {
    to.try_reserve(1)?;
    to.push(one);
    Ok(())
}

/// Whether the allocator has so many bytes, which are given back at once. For what a library is about to ask
/// for in a way that can't be refused: it may still be that somebody else is faster.
///
/// # Errors
/// As [`room`].
pub fn available(bytes: usize) -> Result<(), TryReserveError> {
    room::<u8>(bytes).map(drop)
}
