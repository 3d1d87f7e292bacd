//! Edits as flags name them.

use clap::ValueEnum;
use truenorth::pushes;

pub use truenorth::pushes::{At, Opened};

/// What α is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// Multiples of the mean residual norm at the site.
    Norm,
    /// Units of the residual stream.
    Absolute,
    /// Multiples of the vector as its file had it, before it was made one of norm 1.
    Raw,
}

impl From<Unit> for pushes::Unit {
    fn from(unit: Unit) -> Self {
        match unit {
            Unit::Norm => Self::Norm,
            Unit::Absolute => Self::Absolute,
            Unit::Raw => Self::Raw,
        }
    }
}

impl Unit {
    pub fn name(self) -> &'static str {
        pushes::Unit::from(self).name()
    }
}
