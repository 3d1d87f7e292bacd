//! Files held against files value by value, and claims about numbers held against files.
//!
//! A file is read by what its name says it is ([`values`]): JSON, JSON lines, tensors, or lines of text. Two versions of it
//! are compared at every [`Leaf`] ([`compare`]), and a page with the drawing of its numbers word by word ([`compare_pages`]).
//! A value is left out only where a [`Rule`] of the caller says so, and is counted then. Claims, in words or with a JSON
//! pointer, are in [`claims`].
//!
//! It knows the names of a report's files and how a report is laid out; it knows no study.

pub mod claims;
mod compare;
mod files;
mod leaves;
mod page;

pub use compare::{ComparedFile, NEAR, Rule, TINY, ValueDifference, compare};
pub use files::{ValuesError, below, values};
pub use leaves::{Crumb, Leaf, leaves};
pub use page::compare_pages;
