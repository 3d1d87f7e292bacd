//! The version of transformers that is followed where versions differ.

use std::fmt;
use std::str::FromStr;

/// How a model's files are read where they leave a choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// The version of transformers that is followed.
    pub transformers: Transformers,
    /// Config keys that are taken to change nothing, although they are not known.
    pub accept_config_keys: Vec<String>,
}

/// A version of transformers. Where two differ in what a model's files mean, one has to be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transformers {
    /// 4.57, the last of the fourth major version.
    V4_57,
    /// 5.23, of the fifth major version.
    #[default]
    V5_23,
}

impl Transformers {
    /// The version that is not this one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::V4_57 => Self::V5_23,
            Self::V5_23 => Self::V4_57,
        }
    }
}

impl fmt::Display for Transformers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4_57 => "4.57",
            Self::V5_23 => "5.23",
        })
    }
}

impl FromStr for Transformers {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "4.57" => Ok(Self::V4_57),
            "5.23" => Ok(Self::V5_23),
            _ => Err(format!("`{s}` is not a version that is known here; expected 4.57 or 5.23")),
        }
    }
}
