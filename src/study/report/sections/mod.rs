//! The evidence: a section each for what was asked, then how it was done and where it ends.

mod agreement;
mod limits;
mod methods;
mod separation;
mod steered;

use crate::analyses::AnalysisPage;
use crate::analyses::check::Check;
use truenorth_report::{Finding, Section};

use crate::study::stages::{StageContext, StudyFindings};

pub fn all(run: &StageContext<'_>, results: &StudyFindings) -> Vec<Section> {
    let own = OwnSections {
        directions: vec![separation::separation(run, results), agreement::agreement(run, results)],
        steered: results.steered.as_ref().map(|s| steered::steered(run, results, s)),
        end: vec![methods::methods(run, results), limits::limits(run)],
    };
    in_order(&results.pages, own)
}

/// What a study tells itself, between the pages of its analyses.
struct OwnSections {
    directions: Vec<Section>,
    steered: Option<Section>,
    end: Vec<Section>,
}

/// All sections in the order of the report. An analysis that no list here names comes behind the others, so that none is
/// lost.
fn in_order(pages: &[(&'static str, AnalysisPage)], own: OwnSections) -> Vec<Section> {
    let mut left: Vec<&(&'static str, AnalysisPage)> = pages.iter().collect();
    let mut take = |names: &[&str]| {
        let (wanted, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut left).into_iter().partition(|(name, _)| names.contains(name));
        left = rest;
        wanted
    };
    let mut out = sections(take(&[Check::NAME]));
    out.extend(own.directions);
    out.extend(sections(take(&["compare"])));
    out.extend(sections(take(&["probing", "audit"])));
    out.extend(sections(take(&["score", "sweep"])));
    out.extend(own.steered);
    out.extend(sections(take(&["monitor"])));
    out.extend(sections(take(&["experiment", "judge", "transfer", "geometry"])));
    out.extend(sections(left));
    out.extend(own.end);
    out
}

fn sections(pages: Vec<&(&'static str, AnalysisPage)>) -> Vec<Section> {
    pages.into_iter().flat_map(|(_, page)| page.sections.clone()).collect()
}

/// Findings of analyses that no question took: they describe, behind those that did. What the look at the texts found is
/// said in its section alone.
pub fn unasked(pages: &[(&'static str, AnalysisPage)], asked: &[Finding]) -> Vec<Finding> {
    let others = pages.iter().filter(|(name, _)| *name != Check::NAME);
    others.flat_map(|(_, page)| page.all_findings()).filter(|finding| !asked.contains(finding)).collect()
}

#[cfg(test)]
mod tests {
    use truenorth_report::{FindingStatus, Measure, ReportedInterval, ReportedNull, Sample};

    use super::*;
    use crate::study::stages::STAGES;

    fn section(name: &str) -> Section {
        Section::new(name, name, "")
    }

    fn finding(statement: &str) -> Finding {
        Finding {
            status: FindingStatus::Unclear,
            statement: statement.into(),
            measure: Measure { name: "m".into(), value: 0.5.into(), digits: 2 },
            n: Sample::new(2, "texts"),
            interval: ReportedInterval::none("none"),
            null: ReportedNull::none("none"),
            see: None,
        }
    }

    /// The pages of a study that asks everything, and of an analysis that no list names.
    fn pages() -> Vec<(&'static str, AnalysisPage)> {
        let page = |name: &'static str| (name, AnalysisPage::new(vec![finding(name)], section(name)));
        [Check::NAME]
            .into_iter()
            .chain(STAGES.iter().map(|s| s.name()))
            .chain(["unheard-of"])
            .map(page)
            .collect()
    }

    #[test]
    fn the_sections_of_every_stage_are_on_the_page_once_also_where_no_list_names_it() {
        let own = || OwnSections {
            directions: vec![section("own-directions")],
            steered: Some(section("own-steered")),
            end: vec![section("own-end")],
        };
        let all = in_order(&pages(), own());
        let titles: Vec<&str> = all.iter().map(|s| s.title.as_str()).collect();
        for (name, _) in pages() {
            assert_eq!(titles.iter().filter(|t| **t == name).count(), 1, "{name}: {titles:?}");
        }
        assert_eq!(titles.len(), pages().len() + 3, "{titles:?}");
        assert_eq!(titles.first(), Some(&Check::NAME));
        assert_eq!(titles[titles.len() - 2..], ["unheard-of", "own-end"]);
    }

    #[test]
    fn the_findings_of_every_stage_are_told_once_also_where_no_question_takes_them() {
        let mut pages = pages();
        pages.last_mut().unwrap().1.reading.push(finding("of reading"));
        let taken: Vec<Finding> = STAGES.iter().take(3).map(|s| finding(s.name())).collect();
        let left: Vec<String> = unasked(&pages, &taken).into_iter().map(|f| f.statement).collect();
        let mut expected: Vec<&str> = STAGES.iter().skip(3).map(|s| s.name()).collect();
        expected.extend(["unheard-of", "of reading"]);
        assert_eq!(left, expected);
    }
}
