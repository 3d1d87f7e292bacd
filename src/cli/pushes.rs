//! Edits as flags name them.

use clap::ValueEnum;
use truenorth::pushes;

pub use truenorth::pushes::{PushContext, PushSites};

/// What α is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnitArg {
    /// Multiples of the mean residual norm at the site.
    Norm,
    /// Units of the residual stream.
    Absolute,
    /// Multiples of the vector as its file had it, before it was made one of norm 1.
    Raw,
}

impl From<UnitArg> for pushes::Unit {
    fn from(unit: UnitArg) -> Self {
        match unit {
            UnitArg::Norm => Self::Norm,
            UnitArg::Absolute => Self::Absolute,
            UnitArg::Raw => Self::Raw,
        }
    }
}

impl UnitArg {
    pub fn name(self) -> &'static str {
        pushes::Unit::from(self).name()
    }
}
