//! One analysis at several sites of a model, on one page.

use std::marker::PhantomData;

use serde::Serialize;
use truenorth_protocol::Site;
use truenorth_protocol::run::RunError;

use super::{Analysis, AnalysisContext, AnalysisError, AnalysisPage, Listing};

/// An analysis at one site or at several; at one it is the analysis itself.
#[derive(Clone, Copy, Debug)]
pub struct AtSites<A>(PhantomData<A>);

/// What was found at one site, or at each of several.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OneOrMore<T> {
    /// Of the one site that was asked for.
    One(T),
    /// Of several sites, each by itself.
    Several(FoundAtSites<T>),
}

/// What was found at each of several sites.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundAtSites<T> {
    /// In the order of a pass.
    pub sites: Vec<AtSite<T>>,
    /// What the sites together do not show, a sentence each.
    pub not_shown: Vec<String>,
}

/// What was found at one of several sites.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtSite<T> {
    /// The site that was read.
    pub site: Site,
    /// The result at this site alone.
    pub found: T,
}

/// What is said of all sites together.
const NOT_SHOWN: &str = "Which site is the best: p and intervals are of each site alone, and the best of several looks better than it is. The \
     sites share their texts, so that they go up and down together.";

impl<T> OneOrMore<T> {
    /// Of one site as it is, of several each with its site.
    #[must_use]
    pub fn of(mut all: Vec<AtSite<T>>) -> Self {
        match (all.len(), all.pop()) {
            (1, Some(only)) => Self::One(only.found),
            (_, last) => {
                all.extend(last);
                Self::Several(FoundAtSites { sites: all, not_shown: vec![NOT_SHOWN.to_owned()] })
            }
        }
    }

    /// What was found at one site; none of several.
    pub fn one(&self) -> Option<&T> {
        match self {
            Self::One(found) => Some(found),
            Self::Several(_) => None,
        }
    }
}

impl<A: Analysis> Analysis for AtSites<A> {
    const NAME: &'static str = A::NAME;
    const TITLE: &'static str = A::TITLE;
    type Params = A::Params;
    type Input<'a> = Vec<(Site, A::Input<'a>)>;
    type Found = OneOrMore<A::Found>;

    fn run(
        input: &Vec<(Site, A::Input<'_>)>,
        params: &A::Params,
        asked: &AnalysisContext<'_>,
    ) -> Result<Self::Found, AnalysisError> {
        let one = |(site, input): &(Site, A::Input<'_>)| {
            if asked.watch.interrupted() {
                return Err(RunError::Interrupted.into());
            }
            Ok(AtSite { site: *site, found: A::run(input, params, asked)? })
        };
        Ok(OneOrMore::of(input.iter().map(one).collect::<Result<_, AnalysisError>>()?))
    }

    fn page(found: &Self::Found) -> AnalysisPage {
        match found {
            OneOrMore::One(found) => A::page(found),
            OneOrMore::Several(several) => page::<A>(several),
        }
    }

    fn table(found: &Self::Found) -> Listing {
        match found {
            OneOrMore::One(found) => A::table(found),
            OneOrMore::Several(several) => table::<A>(several),
        }
    }
}

/// The findings and sections of every site, each with its site's name. No one test decides for all of them.
fn page<A: Analysis>(several: &FoundAtSites<A::Found>) -> AnalysisPage {
    let mut out = AnalysisPage::default();
    for AtSite { site, found } in &several.sites {
        let page = A::page(found);
        let prefix = site.to_string().replace('.', "-");
        for mut finding in page.all_findings() {
            finding.statement = format!("At {site}: {}", finding.statement);
            finding.see = finding.see.map(|id| format!("{prefix}-{id}"));
            out.findings.push(finding);
        }
        for mut section in page.sections {
            section.title = format!("{}, at {site}", section.title);
            out.sections.push(section.under(&prefix));
        }
    }
    if let Some(last) = out.sections.last_mut() {
        last.blocks.push(truenorth_report::Block::limits(&several.not_shown));
    }
    out
}

/// The rows of every site under one head, its name before each.
fn table<A: Analysis>(several: &FoundAtSites<A::Found>) -> Listing {
    let mut out = Listing::default();
    for AtSite { site, found } in &several.sites {
        let own = A::table(found);
        let named = |(i, row): (usize, Vec<String>)| {
            let first = if i == 0 { "site".to_owned() } else { site.to_string() };
            std::iter::once(first).chain(row).collect::<Vec<String>>()
        };
        let mut rows: Vec<Vec<String>> = own.rows.into_iter().enumerate().map(named).collect();
        let headed = rows.first().is_some_and(|head| out.rows.first() == Some(head));
        out.rows.extend(rows.drain(usize::from(headed)..));
        out.says.extend(own.says.into_iter().map(|said| format!("{site}: {said}")));
        for mut more in own.more {
            more.says.insert(0, format!("at {site}"));
            out.more.push(more);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use truenorth_protocol::run::{Runner as _, Unwatched};
    use truenorth_report::Section;
    use truenorth_stats::math::Seeds;

    use super::*;
    use crate::fixture::Tiny;
    use crate::{Parameters, Reader};

    /// Finds the number that it is given.
    struct Same;

    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Nothing;

    impl Parameters for Nothing {
        fn rehearse(&mut self) {}
    }

    impl Analysis for Same {
        const NAME: &'static str = "same";
        const TITLE: &'static str = "The same";
        type Params = Nothing;
        type Input<'a> = u32;
        type Found = u32;

        fn run(input: &u32, _: &Nothing, _: &AnalysisContext<'_>) -> Result<u32, AnalysisError> {
            Ok(*input)
        }

        fn page(found: &u32) -> AnalysisPage {
            AnalysisPage::new(vec![], Section::new("same", "The same", found.to_string()))
        }

        fn table(found: &u32) -> Listing {
            // Of an odd number there is nothing to list.
            let mut out = Listing::default();
            if found.is_multiple_of(2) {
                out = Listing::new(&["number"]);
                out.rows.push(vec![found.to_string()]);
            }
            Listing { says: vec!["so it is".into()], ..out }
        }
    }

    #[test]
    fn several_sites_stand_under_one_head_and_one_is_as_it_is_alone() {
        let tiny = Tiny::open();
        let seeds = Seeds::new(1);
        let asked = AnalysisContext { reader: Reader::new(&tiny, None), seeds: &seeds, watch: &Unwatched };
        let run = |input: Vec<(Site, u32)>| AtSites::<Same>::run(&input, &Nothing, &asked).unwrap();
        let one = run(vec![(Site::Embed, 4)]);
        assert_eq!((one.one(), serde_json::to_string(&one).unwrap().as_str()), (Some(&4), "4"));
        assert_eq!(AtSites::<Same>::table(&one), Same::table(&4));
        let two = run(vec![(Site::ResidPost(0), 4), (Site::ResidPost(1), 6)]);
        let json = serde_json::to_value(&two).unwrap();
        assert_eq!(json["sites"][1], serde_json::json!({"site": "resid_post.1", "found": 6}));
        let table = AtSites::<Same>::table(&two);
        assert_eq!(table.rows, [["site", "number"], ["resid_post.0", "4"], ["resid_post.1", "6"]]);
        assert_eq!(table.says, ["resid_post.0: so it is", "resid_post.1: so it is"]);
        let page = AtSites::<Same>::page(&two);
        let ids: Vec<&str> = page.sections.iter().map(|s| s.id.as_str()).collect();
        assert_eq!(ids, ["resid_post-0-same", "resid_post-1-same"]);
        let bare = run(vec![(Site::ResidPost(0), 3), (Site::ResidPost(1), 5)]);
        assert!(AtSites::<Same>::table(&bare).rows.is_empty() && tiny.info().layers == 2);
    }
}
