//! Sites as flags and files name them: `resid_post.12`, ranges such as `resid_post.4..28:4`, and several with commas.

use std::fmt;
use std::str::FromStr;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use truenorth_protocol::Site;
use truenorth_protocol::site::UnknownSite;

/// A site, or a range with both ends in it and an optional step; or several of these with commas between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SiteRange {
    written: String,
    sites: Vec<Site>,
}

/// Why a text names no sites.
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
        /// The last block of the range.
        last: u32,
        /// The range as it was written.
        range: String,
    },
}

/// The last block that a range may name; this keeps a typing error from filling memory, and models have at
/// most some hundred blocks.
const LAST: u32 = 100_000;

impl SiteRange {
    /// The sites, in the order they were written.
    #[must_use]
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// What a user should know of its ranges: each whose last block its step misses.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let missed = |arg: &str| {
            let (head, tail) = arg.split_once("..")?;
            let (kind, first) = head.rsplit_once('.')?;
            let (last, step) = tail.split_once(':')?;
            let [first, last, step] = [first, last, step].map(|s| s.parse::<u32>().ok());
            let (first, last, step) = (first?, last?, step?);
            let over = last.checked_sub(first)?.checked_rem(step)?;
            (over > 0).then(|| {
                format!(
                    "`{arg}` ends at {kind}.{}: in steps of {step} it does not come to {last}",
                    last - over
                )
            })
        };
        self.written.split(',').filter_map(|arg| missed(arg.trim())).collect()
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
        let each = arg.split(',').map(|one| part(one.trim()));
        Ok(Self { written: arg.to_owned(), sites: each.collect::<Result<Vec<_>, _>>()?.concat() })
    }
}

/// The sites of one site or range.
fn part(arg: &str) -> Result<Vec<Site>, NoSites> {
    let Some((head, tail)) = arg.split_once("..") else { return Ok(vec![arg.parse()?]) };
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
    Ok(sites.collect::<Result<_, _>>()?)
}

/// A list of sites and ranges, or one text with commas.
pub fn list<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<SiteRange>, D::Error> {
    struct SitesVisitor;

    impl<'de> Visitor<'de> for SitesVisitor {
        type Value = Vec<SiteRange>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("sites: a list, or one text with commas")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.parse().map_err(E::custom)?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(seq))
        }
    }

    d.deserialize_any(SitesVisitor)
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
        let several = range("resid_post.1..2, embed");
        assert_eq!(several.sites(), [Site::ResidPost(1), Site::ResidPost(2), Site::Embed]);
        assert_eq!(several.to_string(), "resid_post.1..2, embed");
        let both = [range("resid_post.1..2"), Site::ResidPost(1).into(), Site::Embed.into()];
        assert_eq!(SiteRange::all(&both), [Site::ResidPost(1), Site::ResidPost(2), Site::Embed]);
    }

    #[test]
    fn a_step_that_misses_the_end_of_its_range_is_told() {
        let notes = |s: &str| s.parse::<SiteRange>().unwrap().notes();
        assert_eq!(
            notes("embed, resid_post.4..28:5"),
            ["`resid_post.4..28:5` ends at resid_post.24: in steps of 5 it does not come to 28"]
        );
        assert!(notes("resid_post.4..28:4,resid_post.1..5,logits").is_empty());
    }

    #[test]
    fn a_key_takes_a_list_or_one_text() {
        #[derive(serde::Deserialize)]
        struct Table {
            #[serde(deserialize_with = "list")]
            sites: Vec<SiteRange>,
        }
        let read = |value: &str| toml::from_str::<Table>(&format!("sites = {value}"));
        let sites = |value: &str| SiteRange::all(&read(value).unwrap().sites);
        let both = [Site::ResidPost(1), Site::Embed];
        assert_eq!(sites(r#"["resid_post.1", "embed"]"#), both);
        assert_eq!(sites(r#"["resid_post.1,embed"]"#), both);
        assert_eq!(sites(r#""resid_post.1, embed""#), both);
        for (bad, said) in [("3", "one text with commas"), (r#""model.layers.3""#, "write resid_post.3")] {
            let told = read(bad).err().unwrap().to_string();
            assert!(told.contains(said), "{told}");
        }
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
            "resid_post.1,",
            "resid_post.1,,embed",
        ] {
            assert!(bad.parse::<SiteRange>().is_err(), "{bad}");
        }
    }
}
