//! The questions of a study: each is decided by one test, declared beforehand; everything else describes.

use truenorth_report::{AnsweredQuestion, Finding, FindingStatus, Num, QuestionVerdict, Rich, StudyAnswer};
use truenorth_stats::math;

use super::findings;
use crate::analyses::sentence::capital;
use crate::study::file::{Reads, Steers};
use crate::study::stages::{StageContext, StudyFindings};

/// The false alarms that all primary tests of a study together may give.
const LEVEL: f64 = 0.05;

/// The questions and every finding, those that decide first.
pub struct Front {
    pub answer: StudyAnswer,
    pub findings: Vec<Finding>,
}

/// A question, its test and what else was found of it.
struct QuestionResult {
    key: &'static str,
    question: &'static str,
    /// Whether the study has what could answer it.
    asked: bool,
    primary: Option<Finding>,
    others: Vec<Finding>,
    /// What was found that keeps a yes back, in a sentence.
    beside: Option<String>,
    /// What a yes must not be told without, in a sentence.
    reserve: Option<String>,
    /// What would decide it, where no test that does was run.
    undecided: String,
}

pub fn front(run: &StageContext<'_>, results: &StudyFindings, registered: &[String]) -> Front {
    let mut asked = asked(run, results);
    let p: Vec<f64> = asked.iter().filter_map(|a| a.primary.as_ref().and_then(|f| f.null.p.get())).collect();
    let adjusted = math::holm_adjusted(&p).expect("a p value of a finding lies between 0 and 1");
    let mut adjusted = adjusted.into_iter();
    let mut all = Vec::new();
    let mut questions = Vec::new();
    for a in &mut asked {
        let (place, holm) = match a.primary.take() {
            None => (None, None),
            Some(finding) => {
                all.push(finding);
                (Some(all.len() - 1), adjusted.next())
            }
        };
        let tested = verdict(a.asked, place.map(|i| &all[i]), holm);
        // What the test claims may stand, and something else with it. Where no test decides, that is all there is to tell.
        let beside = a.beside.take().filter(|_| tested == QuestionVerdict::Yes || place.is_none());
        let kept_back = beside.is_some() && tested == QuestionVerdict::Yes;
        let verdict = if kept_back { QuestionVerdict::NotShown } else { tested };
        let reserve = a.reserve.take().filter(|_| verdict == QuestionVerdict::Yes);
        let expected = expected(run, a.key, verdict);
        let found = match beside {
            Some(said) if !kept_back => by_itself(&said),
            found => found.unwrap_or_default(),
        };
        let says =
            says(a, place.map(|i| &all[i]), tested) + &found + &reserve.unwrap_or_default() + &expected;
        let holm = holm.map(Num::from);
        questions.push(AnsweredQuestion { asks: a.question.into(), verdict, says, primary: place, holm });
    }
    all.extend(asked.into_iter().flat_map(|a| a.others));
    let mut notes: Vec<Rich> = registered.iter().map(|line| Rich::from(line.as_str())).collect();
    notes.push(Rich::from(format!(
        "Each question is decided by one test; the p values of these tests are corrected together (Holm). All other \
         findings describe. All of this is of {} at {}; the limits at the end say what no number here can show.",
        run.reader.runner().info().name,
        run.study.site
    )));
    let reserve = findings::reservation(run, results);
    let sentence = sentence(run, &questions, reserve.as_deref());
    let answer = StudyAnswer { asks: None, sentence, questions, notes };
    Front { answer, findings: all }
}

fn asked(run: &StageContext<'_>, results: &StudyFindings) -> Vec<QuestionResult> {
    let study = run.study;
    // Takes the finding that decides out of a stage's page, if that stage is the one that decides.
    let of = |names: &[&str], decides: &str| {
        let (mut primary, mut others) = (None, Vec::new());
        for (name, page) in results.pages.iter().filter(|(name, _)| names.contains(name)) {
            for (i, finding) in page.findings.iter().enumerate() {
                if *name == decides && page.primary == Some(i) {
                    primary = Some(finding.clone());
                } else {
                    others.push(finding.clone());
                }
            }
        }
        (primary, others)
    };
    let [by_pair, by_axis] = findings::separations(run, results);
    let (probing, mut reads) =
        of(&["probing"], if study.primary.reads == Reads::Probing { "probing" } else { "" });
    let tested = |f: &Finding| f.null.p.get().is_some();
    let primary = match study.primary.reads {
        Reads::Pairs => by_pair.clone().filter(tested),
        Reads::Axes => by_axis.clone().filter(tested),
        Reads::Probing => probing,
    };
    let beside = [by_pair, by_axis].into_iter().flatten().filter(|f| Some(f) != primary.as_ref());
    // What separates as well alone comes before all that speaks for the direction.
    reads.splice(0..0, findings::not_beaten(run, results).into_iter().chain(beside));
    reads.extend(results.pages.iter().flat_map(|(_, page)| page.reading.clone()));
    let (flips, mut means) = of(&["audit", "score"], "audit");
    means.splice(0..0, findings::agreement(results));
    let by = match study.primary.steers {
        Some(Steers::Judge) => "judge",
        Some(Steers::Sweep) => "sweep",
        Some(Steers::Experiment) => "experiment",
        None if study.sweep.is_some() => "sweep",
        None if study.judge.is_some() => "judge",
        None => "experiment",
    };
    let (dose, steers) = of(&["sweep", "judge", "experiment"], by);
    // What an experiment finds keeps back what is said of steering, and nothing else.
    let kept_back = |steers: bool| {
        let mut pages = results.pages.iter().filter(move |(name, _)| (*name == "experiment") == steers);
        pages.find_map(|(_, page)| page.keeps_back.clone())
    };
    let (carries, holds) = of(&["transfer", "geometry"], "transfer");
    let reserve = findings::reservation(run, results).and_then(|said| {
        Some(format!(" But the {} direction is {said}.", results.directions.estimated.first()?.name))
    });
    vec![
        QuestionResult {
            key: "reads",
            question: "Does it read?",
            asked: true,
            primary,
            others: reads,
            beside: None,
            reserve,
            undecided: undecided("reads", study.primary.reads, by),
        },
        QuestionResult {
            key: "means",
            question: "Is it what it says, and not something else?",
            asked: study.audit.is_some(),
            primary: flips,
            others: means,
            beside: kept_back(false),
            reserve: None,
            undecided: undecided("means", study.primary.reads, by),
        },
        QuestionResult {
            key: "steers",
            question: "Does it steer?",
            asked: study.sweep.is_some() || study.judge.is_some() || study.experiment.is_some(),
            primary: dose,
            others: steers,
            beside: kept_back(true).filter(|_| by == "experiment"),
            reserve: None,
            undecided: undecided("steers", study.primary.reads, by),
        },
        QuestionResult {
            key: "holds",
            question: "Does it hold elsewhere?",
            asked: study.transfer.is_some(),
            primary: carries,
            others: holds,
            beside: None,
            reserve: None,
            undecided: undecided("holds", study.primary.reads, by),
        },
    ]
}

/// What a test says after correction: its claim stands, its opposite does, or neither.
fn verdict(asked: bool, primary: Option<&Finding>, holm: Option<f64>) -> QuestionVerdict {
    if !asked {
        return QuestionVerdict::NotAsked;
    }
    let small = holm.is_some_and(|p| p <= LEVEL);
    match primary.map(|f| f.status) {
        Some(FindingStatus::Supported) if small => QuestionVerdict::Yes,
        Some(FindingStatus::NotSupported) if small && primary.is_some_and(contrary) => QuestionVerdict::No,
        _ => QuestionVerdict::NotShown,
    }
}

/// Whether the whole interval lies on the other side of the null than the claim.
fn contrary(finding: &Finding) -> bool {
    let ends = [&finding.null.low, &finding.null.high].map(Num::get);
    match (finding.interval.high.get(), ends) {
        (Some(high), [Some(low), Some(top)]) => high < f64::midpoint(low, top),
        _ => false,
    }
}

/// What decides a question and what it needs, for a study that asks it and has no such test.
fn undecided(key: &str, reads: Reads, steers: &str) -> String {
    match (key, reads, steers) {
        ("reads", Reads::Probing, _) => {
            "What decides this is how a probe separates held-out groups ([probing]), and no test of that came out.".into()
        }
        ("reads", ..) => {
            "What decides this is the p of the held-out separation, and none was worked out: give [held_out] permutations \
             of 19 or more."
                .into()
        }
        ("means", ..) => {
            "What decides this are value flips ([data.confounds] value-flip = \"FILE\"), and the study has none.".into()
        }
        ("steers", _, "judge") => {
            "What decides this is which text of a pair the judge prefers ([judge] with a question about two texts), and \
             the study asks it about none."
                .into()
        }
        ("steers", _, "experiment") => {
            "What decides this is the first arm of [experiment] that is an edit, and none was judged.".into()
        }
        ("steers", ..) => {
            "What decides this is how the answers move with the dose ([sweep]), and no site gave a number.".into()
        }
        _ => {
            "What decides this is whether another model ranks the sequences alike ([transfer]), and no p of that was \
             worked out: it needs [transfer] permutations above 0, and two clusters of sequences of one size."
                .into()
        }
    }
}

/// What else was found, told where there is no yes for it to speak against.
fn by_itself(said: &str) -> String {
    said.strip_prefix(" But ").map_or_else(|| said.to_owned(), |found| format!(" {}", capital(found)))
}

fn says(of: &QuestionResult, primary: Option<&Finding>, verdict: QuestionVerdict) -> String {
    match primary {
        None if !of.asked => "The study has no test of it.".into(),
        None => of.undecided.clone(),
        Some(f) => {
            let number = f.measure.value.get().map_or_else(
                || f.measure.name.clone(),
                |v| format!("{} {v:.*}", f.measure.name, f.measure.digits),
            );
            let of = format!("{number}; n = {}, {}", f.n.count, f.n.of);
            match verdict {
                QuestionVerdict::Yes => format!("{} {of}.", f.statement),
                QuestionVerdict::No => format!("The evidence is against this: “{}” {of}.", f.statement),
                _ => format!("The evidence does not carry this: “{}” {of}.", f.statement),
            }
        }
    }
}

/// What was registered of a question, and whether it came true.
fn expected(run: &StageContext<'_>, key: &str, verdict: QuestionVerdict) -> String {
    let Some(register) = &run.study.register else { return String::new() };
    let expected = match key {
        "reads" => register.reads,
        "means" => register.means,
        "steers" => register.steers,
        _ => register.holds,
    };
    match (expected, verdict) {
        (None, _) => String::new(),
        (Some(true), QuestionVerdict::Yes) | (Some(false), QuestionVerdict::No) => " As expected.".into(),
        (Some(true), QuestionVerdict::No) => " Expected: yes; the opposite was found.".into(),
        (Some(false), QuestionVerdict::Yes) => " Expected: no; it was found.".into(),
        (Some(true), QuestionVerdict::NotShown) => " Expected: yes; not shown.".into(),
        (Some(false), QuestionVerdict::NotShown) => " Expected: no; neither shown nor refuted.".into(),
        (Some(expected), QuestionVerdict::NotAsked) => {
            format!(" Expected: {}; not tested.", if expected { "yes" } else { "no" })
        }
    }
}

/// `reserve`: what the direction is beside length, sentiment and words alone, without which its reading is not told.
fn sentence(run: &StageContext<'_>, questions: &[AnsweredQuestion], reserve: Option<&str>) -> String {
    let words = run.data.words();
    let clause = |i: usize, yes: &str, no: &str, not_shown: &str, not_asked: &str| {
        match questions[i].verdict {
            QuestionVerdict::Yes => yes,
            QuestionVerdict::No => no,
            QuestionVerdict::NotShown => not_shown,
            QuestionVerdict::NotAsked => not_asked,
        }
        .to_owned()
    };
    let (high, low) = (&words.high, &words.low);
    let but = reserve.map_or_else(String::new, |said| format!(", but is {said}"));
    let reads = clause(
        0,
        &format!("tells {high} from {low} in texts it was not fitted on{but}"),
        &format!("does not tell {high} from {low}"),
        &format!("is not shown to tell {high} from {low}"),
        "was not tested",
    );
    let rest = [
        clause(
            1,
            "is shown to follow what it is named for",
            "follows something else than what it is named for",
            "is not shown to be what it is named for",
            "was not tested for what else it may follow",
        ),
        clause(
            2,
            "steers",
            "does not steer as it should",
            "is not shown to steer",
            "was not tested for steering",
        ),
        clause(
            3,
            "holds on every other model tried",
            "does not hold elsewhere",
            "is not shown to hold elsewhere",
            "was tried on this model alone",
        ),
    ];
    format!(
        "In {} at {}, the direction {reads}; it {}, {} and {}.",
        run.reader.runner().info().name,
        run.study.site,
        rest[0],
        rest[1],
        rest[2]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_without_its_test_says_what_would_decide_it() {
        let says = |key| undecided(key, Reads::Pairs, "sweep");
        for (key, names) in [
            ("reads", "[held_out] permutations"),
            ("means", "value-flip"),
            ("steers", "[sweep]"),
            ("holds", "[transfer]"),
        ] {
            let said = says(key);
            assert!(said.starts_with("What decides this ") && said.contains(names), "{key}: {said}");
        }
        assert!(undecided("steers", Reads::Pairs, "judge").contains("[judge]"));
        assert!(undecided("reads", Reads::Probing, "sweep").contains("[probing]"));
        let found = by_itself(" But the audit finds that the direction follows length.");
        assert_eq!(found, " The audit finds that the direction follows length.");
    }
}
