//! Sites as flags and files name them: `resid_post.12`, and ranges such as `resid_post.4..28:4`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use truenorth_protocol::Site;
use truenorth_protocol::site::UnknownSite;

/// A site, or a range with both ends in it and an optional step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SiteRange {
    written: String,
    sites: Vec<Site>,
}

/// What names no sites.
#[derive(Debug, thiserror::Error)]
pub enum NoSites {
    /// A site that there is not.
    #[error(transparent)]
    Site(#[from] UnknownSite),
    /// A range that is none.
    #[error(
        "`{0}` is not a range of sites; expected KIND.FIRST..LAST or KIND.FIRST..LAST:STEP, as in resid_post.4..28:4"
    )]
    Range(String),
    /// A block that no model has.
    #[error("block {last} of `{range}` is beyond any model")]
    Beyond {
        /// The block.
        last: u32,
        /// The range.
        range: String,
    },
}

/// The last block that a range may name; this keeps a typing error from filling memory, and models have at
/// most some hundred blocks.
const LAST: u32 = 100_000;

impl SiteRange {
    /// Its sites, in order.
    #[must_use]
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The sites of several, each once, in the order given.
    #[must_use]
    pub fn all(ranges: &[Self]) -> Vec<Site> {
        let mut seen = std::collections::HashSet::new();
        ranges.iter().flat_map(|r| &r.sites).copied().filter(|s| seen.insert(*s)).collect()
    }
}

impl From<Site> for SiteRange {
    fn from(site: Site) -> Self {
        Self { written: site.to_string(), sites: vec![site] }
    }
}

impl FromStr for SiteRange {
    type Err = NoSites;

    fn from_str(arg: &str) -> Result<Self, NoSites> {
        let Some((head, tail)) = arg.split_once("..") else {
            return Ok(Self { written: arg.to_owned(), sites: vec![arg.parse()?] });
        };
        let wrong = || NoSites::Range(arg.to_owned());
        let (kind, first) = head.rsplit_once('.').ok_or_else(wrong)?;
        let (last, step) = tail.split_once(':').unwrap_or((tail, "1"));
        let number = |s: &str| s.parse::<u32>().map_err(|_| wrong());
        let (first, last, step) = (number(first)?, number(last)?, number(step)?);
        if step == 0 || last < first {
            return Err(wrong());
        }
        if last > LAST {
            return Err(NoSites::Beyond { last, range: arg.to_owned() });
        }
        let sites = (first..=last).step_by(step as usize).map(|l| format!("{kind}.{l}").parse());
        Ok(Self { written: arg.to_owned(), sites: sites.collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for SiteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl From<SiteRange> for String {
    fn from(range: SiteRange) -> Self {
        range.written
    }
}

impl TryFrom<String> for SiteRange {
    type Error = NoSites;

    fn try_from(written: String) -> Result<Self, NoSites> {
        written.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_both_ends_and_name_each_site_once() {
        let range = |s: &str| s.parse::<SiteRange>().unwrap();
        let blocks: Vec<_> = range("resid_post.4..12:4").sites().iter().map(ToString::to_string).collect();
        assert_eq!(blocks, ["resid_post.4", "resid_post.8", "resid_post.12"]);
        assert_eq!(range("logits").sites(), [Site::Logits]);
        let both = [range("resid_post.1..2"), Site::ResidPost(1).into(), Site::Embed.into()];
        assert_eq!(SiteRange::all(&both), [Site::ResidPost(1), Site::ResidPost(2), Site::Embed]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in [
            "resid_post.4..",
            "resid_post.9..4",
            "resid_post.1..5:0",
            "resid_post.0..100001",
            "embed..3",
            "resid.1..2",
            "logits.0..1",
        ] {
            assert!(bad.parse::<SiteRange>().is_err(), "{bad}");
        }
    }
}
