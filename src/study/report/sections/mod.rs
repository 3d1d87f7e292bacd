//! The evidence: a section each for what was asked, then how it was done and where it ends.

mod agreement;
mod limits;
mod methods;
mod separation;
mod steered;

use crate::analyses::check::Check;
use truenorth_report::Section;

use crate::study::stages::{StageContext, StudyFindings};

pub fn all(run: &StageContext<'_>, results: &StudyFindings) -> Vec<Section> {
    let pages = |names: &[&str]| {
        let wanted = results.pages.iter().filter(|(name, _)| names.contains(name));
        wanted.flat_map(|(_, page)| page.sections.clone()).collect::<Vec<_>>()
    };
    let mut out = pages(&[Check::NAME]);
    out.extend([separation::separation(run, results), agreement::agreement(run, results)]);
    out.extend(pages(&["compare"]));
    out.extend(pages(&["probing", "audit"]));
    out.extend(pages(&["score", "sweep"]));
    out.extend(results.steered.as_ref().map(|s| steered::steered(run, results, s)));
    out.extend(pages(&["monitor"]));
    out.extend(pages(&["experiment", "judge", "transfer", "geometry"]));
    out.push(methods::methods(run, results));
    out.push(limits::limits(run));
    out
}
