//! Sites: the named places of a transformer where a graph may read or write.

mod hook;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use hook::{Meant, meant};

/// A place in the forward pass.
///
/// Blocks count from 0. `resid_post.L` is the output of block `L`, which is Hugging Face's
/// `hidden_states[L + 1]` except for the last block, where theirs is after the final norm and
/// ours is before it. `attn_out` and `mlp_out` are what is added to the residual stream, so
/// after any post-norm. All sites have the model's hidden size, [`Site::Logits`] the vocabulary's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Site {
    /// What enters block 0, with any scaling and position embedding applied.
    Embed,
    /// The residual stream entering block `L`.
    ResidPre(u32),
    /// What attention adds to the residual stream in block `L`.
    AttnOut(u32),
    /// The residual stream after attention in block `L`. Where attention and MLP run in
    /// parallel (GPT-NeoX), `resid_pre + attn_out`.
    ResidMid(u32),
    /// What the MLP adds to the residual stream in block `L`.
    MlpOut(u32),
    /// The residual stream leaving block `L`.
    ResidPost(u32),
    /// The residual stream after the final norm.
    FinalNorm,
    /// The scores over the vocabulary, after any soft-cap.
    Logits,
}

/// A site name that can't be read. Where it is a hook's name in another library, the message has the site that is
/// meant: a site has one spelling, by which results are kept and compared, so that name is not taken itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", unknown(.0))]
pub struct UnknownSite(pub String);

fn unknown(name: &str) -> String {
    let several: Vec<&str> = name.split(',').map(str::trim).collect();
    if several.len() > 1 && several.iter().all(|one| one.parse::<Site>().is_ok()) {
        return format!("`{name}` names {} sites, and one is expected here", several.len());
    }
    match meant(name) {
        Some(meant) => format!("`{name}` is not how sites are named here; {meant}"),
        None => format!(
            "unknown site `{name}`; expected embed, final_norm, logits, or one of resid_pre, attn_out, resid_mid, \
             mlp_out, resid_post followed by a block, as in resid_post.12"
        ),
    }
}

impl Site {
    /// The block this site lies in, if it lies in one.
    #[must_use]
    pub fn layer(self) -> Option<u32> {
        match self {
            Self::ResidPre(l)
            | Self::AttnOut(l)
            | Self::ResidMid(l)
            | Self::MlpOut(l)
            | Self::ResidPost(l) => Some(l),
            Self::Embed | Self::FinalNorm | Self::Logits => None,
        }
    }

    /// A number that grows in the order in which a model computes its sites.
    ///
    /// `embed` and `resid_pre.0` hold the same values but are distinct moments: an edit at
    /// `embed` is seen at `resid_pre.0`. The same goes for `resid_post.L` and `resid_pre.L+1`.
    #[must_use]
    pub fn order(self) -> u64 {
        let in_block = |l: u32, k: u64| 1 + u64::from(l) * 5 + k;
        match self {
            Self::Embed => 0,
            Self::ResidPre(l) => in_block(l, 0),
            Self::AttnOut(l) => in_block(l, 1),
            Self::ResidMid(l) => in_block(l, 2),
            Self::MlpOut(l) => in_block(l, 3),
            Self::ResidPost(l) => in_block(l, 4),
            Self::FinalNorm => u64::MAX - 1,
            Self::Logits => u64::MAX,
        }
    }

    /// Every site of a model with this many blocks, in order.
    pub fn all(layers: u32) -> impl Iterator<Item = Self> {
        let blocks = (0..layers).flat_map(|l| {
            [Self::ResidPre(l), Self::AttnOut(l), Self::ResidMid(l), Self::MlpOut(l), Self::ResidPost(l)]
        });
        std::iter::once(Self::Embed).chain(blocks).chain([Self::FinalNorm, Self::Logits])
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embed => f.write_str("embed"),
            Self::ResidPre(l) => write!(f, "resid_pre.{l}"),
            Self::AttnOut(l) => write!(f, "attn_out.{l}"),
            Self::ResidMid(l) => write!(f, "resid_mid.{l}"),
            Self::MlpOut(l) => write!(f, "mlp_out.{l}"),
            Self::ResidPost(l) => write!(f, "resid_post.{l}"),
            Self::FinalNorm => f.write_str("final_norm"),
            Self::Logits => f.write_str("logits"),
        }
    }
}

impl FromStr for Site {
    type Err = UnknownSite;

    fn from_str(s: &str) -> Result<Self, UnknownSite> {
        let unknown = || UnknownSite(s.chars().take(80).collect());
        match s {
            "embed" => return Ok(Self::Embed),
            "final_norm" => return Ok(Self::FinalNorm),
            "logits" => return Ok(Self::Logits),
            _ => {}
        }
        let (kind, layer) = s.split_once('.').ok_or_else(unknown)?;
        // Only digits: `parse` would take `+3`, and a site must have one spelling.
        if layer.is_empty()
            || !layer.bytes().all(|b| b.is_ascii_digit())
            || (layer.len() > 1 && layer.starts_with('0'))
        {
            return Err(unknown());
        }
        let layer = layer.parse().map_err(|_| unknown())?;
        match kind {
            "resid_pre" => Ok(Self::ResidPre(layer)),
            "attn_out" => Ok(Self::AttnOut(layer)),
            "resid_mid" => Ok(Self::ResidMid(layer)),
            "mlp_out" => Ok(Self::MlpOut(layer)),
            "resid_post" => Ok(Self::ResidPost(layer)),
            _ => Err(unknown()),
        }
    }
}

impl From<Site> for String {
    fn from(site: Site) -> Self {
        site.to_string()
    }
}

impl TryFrom<String> for Site {
    type Error = UnknownSite;

    fn try_from(s: String) -> Result<Self, UnknownSite> {
        s.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_site_reads_back_and_order_is_that_of_the_model() {
        let sites: Vec<Site> = Site::all(3).collect();
        for site in &sites {
            assert_eq!(site.to_string().parse::<Site>().as_ref(), Ok(site));
        }
        assert!(sites.windows(2).all(|w| w[0].order() < w[1].order()));
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in [
            "",
            "resid_post",
            "resid_post.",
            "resid_post.-1",
            "resid_post.+1",
            "resid_post.01",
            "resid.3",
            "Embed",
            "resid_post.4294967296",
        ] {
            assert!(bad.parse::<Site>().is_err(), "{bad}");
        }
    }
}
