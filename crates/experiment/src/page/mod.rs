//! An experiment on a page: raters first, then arms, outcomes, what may have made them, and the texts.

mod outcomes;
mod raters;
mod samples;

use truenorth_reading::AnalysisPage;
use truenorth_report::{
    AnsweredQuestion, Block, Cell, Column, Finding, FindingStatus, Measure, NoteKind, Num, QuestionVerdict,
    ReportedInterval, ReportedNull, Rich, Sample, Section, StudyAnswer, Table,
};

use super::arms::ArmKind;
use super::found::{ArmVerdict, Effect, Found};

const NOT_SHOWN: &str = "Why a text is flagged, and that texts without flags are good: flags look for four words in a row, \
     for phrases, and for the ends of sentences.";

/// Findings and sections.
pub(super) fn page(found: &Found) -> AnalysisPage {
    let all = findings(found);
    let edit = |f: &&ArmVerdict| {
        found
            .arms
            .iter()
            .any(|a| a.arm.name == f.arm && a.arm.kind == ArmKind::Edit && a.arm.withdrawn.is_none())
    };
    let decides =
        found.verdicts.iter().find(edit).and_then(|v| all.iter().position(|(arm, _)| *arm == v.arm));
    let mut sections: Vec<Section> = raters::section(found).into_iter().collect();
    sections.push(arms(found));
    sections.extend((0..found.outcomes.len()).map(|i| outcomes::section(found, i)));
    sections.push(artefacts(found));
    sections.extend(samples::section(found));
    let keeps_back = found.verdicts.iter().find(edit).filter(|v| !v.because.is_empty());
    AnalysisPage {
        findings: all.into_iter().map(|(_, f)| f).collect(),
        sections,
        keeps_back: keeps_back.map(|v| format!(" But {}.", v.because.join("; "))),
        ..AnalysisPage::default()
    }
    .decided_by(decides)
}

/// What the page answers first: an arm a line, with its verdict; `findings` are those of its page.
#[must_use]
pub fn answer(found: &Found, findings: &[Finding], notes: Vec<Rich>) -> StudyAnswer {
    let own = self::findings(found);
    let question = |v: &ArmVerdict| {
        let arm = found.arms.iter().find(|a| a.arm.name == v.arm);
        let edit = arm.is_some_and(|a| a.arm.kind == ArmKind::Edit);
        let place = own.iter().position(|(name, _)| *name == v.arm).filter(|p| *p < findings.len());
        let because = v.because.iter().map(|b| format!(" {}.", capital(b))).collect::<String>();
        // A verdict without a test on the page is none.
        let verdict = match v.verdict {
            QuestionVerdict::Yes | QuestionVerdict::No if place.is_none() => QuestionVerdict::NotShown,
            verdict => verdict,
        };
        AnsweredQuestion {
            asks: format!("Does {} {}?", v.arm, if edit { "steer" } else { "move the outcome" }),
            verdict,
            says: format!("{}{because}", v.says),
            primary: place,
            holm: found.outcomes[found.primary].effect(&v.arm).and_then(|e| e.holm).map(Num::from),
        }
    };
    let questions: Vec<AnsweredQuestion> = found.verdicts.iter().map(question).collect();
    let mut all = notes;
    all.extend(found.predictions.iter().map(|p| {
        Rich::from(format!(
            "Expected before anything was written: {}. {}",
            p.claim.trim_end_matches('.'),
            match (p.held, p.clear) {
                (Some(true), true) => "It is so, with the whole interval.",
                (Some(true), false) => "It is so, within the error.",
                (Some(false), _) => "It is not so.",
                (None, _) => "Nothing is known of it.",
            }
        ))
    }));
    all.push(Rich::from(format!(
        "What decides is {}, {} of each arm less base on the same {}; p values are corrected over the arms (Holm).{}",
        found.outcomes[found.primary].name,
        found.outcomes[found.primary].unit,
        found.outcomes[found.primary].over,
        found.fewer.as_ref().map_or(String::new(), |why| format!(" No edit can be said to steer: {why}."))
    )));
    StudyAnswer {
        asks: Some("What does each arm do?".into()),
        sentence: sentence(found, &questions),
        questions,
        notes: all,
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn sentence(found: &Found, questions: &[AnsweredQuestion]) -> String {
    let of = |verdict: QuestionVerdict| -> Vec<&str> {
        let with = found.verdicts.iter().zip(questions);
        with.filter(|(_, q)| q.verdict == verdict).map(|(v, _)| v.arm.as_str()).collect()
    };
    let said = |names: Vec<&str>, one: &str, many: &str| match names.len() {
        0 => None,
        1 => Some(format!("{} {one}", names[0])),
        _ => Some(format!("{} {many}", names.join(", "))),
    };
    let parts: Vec<String> = [
        said(of(QuestionVerdict::Yes), "does what it should", "do what they should"),
        said(of(QuestionVerdict::No), "does the opposite", "do the opposite"),
        said(of(QuestionVerdict::NotShown), "is not shown to", "are not shown to"),
        said(of(QuestionVerdict::NotAsked), "was withdrawn", "were withdrawn"),
    ]
    .into_iter()
    .flatten()
    .collect();
    format!(
        "Of {} arms beside base on {} prompts: {}.",
        found.verdicts.len(),
        found.prompts.len(),
        parts.join("; ")
    )
}

/// Findings of the primary outcome, an arm each, then the placebos of each edit; with the arm.
fn findings(found: &Found) -> Vec<(String, Finding)> {
    let outcome = &found.outcomes[found.primary];
    let status = |e: &Effect| {
        let v = found.verdicts.iter().find(|v| v.arm == e.arm);
        match v.map(|v| (v.verdict, v.because.is_empty())) {
            Some((QuestionVerdict::Yes, _)) => FindingStatus::Supported,
            Some((QuestionVerdict::No, _)) => FindingStatus::NotSupported,
            _ if e.holm.is_some_and(|p| p <= 0.05) => FindingStatus::Caution,
            _ => FindingStatus::Unclear,
        }
    };
    let mut out: Vec<(String, Finding)> = outcome
        .effects
        .iter()
        .map(|e| {
            let d = &e.difference;
            let finding = Finding {
                status: status(e),
                statement: format!("{} moves {} from base.", e.arm, outcome.name),
                measure: Measure::of(format!("mean difference, {}", outcome.unit), d, 2),
                n: Sample::of(d, outcome.over),
                interval: ReportedInterval::of(d),
                null: ReportedNull::of(d),
                see: Some(format!("experiment-outcome-{}", found.primary)),
            };
            (e.arm.clone(), finding)
        })
        .collect();
    for e in &outcome.effects {
        for (stands, what) in [
            (&e.placebo, "directions drawn like the activations"),
            (&e.flips, "directions of shuffled labels"),
        ] {
            let Some(p) = stands else { continue };
            let number = e.difference.clone().against(p.null.clone());
            let finding = Finding {
                status: if p.null.p <= 0.05 { FindingStatus::Supported } else { FindingStatus::NotSupported },
                statement: format!(
                    "{} does more than as large edits along {what}: it lies further out than {} of {}.",
                    e.arm,
                    p.beyond,
                    p.differences.len()
                ),
                measure: Measure::of(format!("mean difference, {}", outcome.unit), &number, 2),
                n: Sample::new(number.n as u64, outcome.over),
                interval: ReportedInterval::of(&number),
                null: ReportedNull::of(&number),
                see: Some(format!("experiment-outcome-{}", found.primary)),
            };
            out.push((e.arm.clone(), finding));
        }
    }
    out
}

/// The arms with what is done, how large it is, and what is wrong with their texts.
fn arms(found: &Found) -> Section {
    let lead = format!(
        "{} arms, base among them, on the same {} prompts{}.",
        found.arms.len(),
        found.prompts.len(),
        if found.clusters < found.prompts.len() {
            format!(" in {} clusters of near copies", found.clusters)
        } else {
            String::new()
        }
    );
    let mut done = Table::new(
        "experiment-arms",
        "What is done under each arm. An edit's size is the angle by which it turns the residual where it turns it most, on \
         the prompts, beside the mean of its first placebos; divergence is that of the next token from base's.",
        "What an edit does to texts longer than the prompts it was measured on.",
        ["arm", "kind", "what is done", "turns by", "placebos", "divergence"].map(Column::new).to_vec(),
    );
    let gap = || Cell::empty("no edit");
    for a in &found.arms {
        let own = a.done.as_ref();
        let angle =
            |v: Option<f64>| v.map_or_else(|| Cell::empty("nothing is moved"), |v| Cell::number(v, 1));
        let placebo = own.filter(|d| !d.placebo_angles.is_empty());
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        done.push(vec![
            a.arm.name.as_str().into(),
            a.arm.kind.word().into(),
            match &a.arm.withdrawn {
                Some(why) => format!("{} (withdrawn: {why})", a.arm.says).into(),
                None => a.arm.says.as_str().into(),
            },
            own.map_or_else(gap, |d| angle(d.angle)),
            placebo.map_or_else(gap, |d| Cell::number(mean(&d.placebo_angles), 1)),
            own.map_or_else(gap, |d| Cell::number(d.kl, 2)),
        ]);
    }
    done.columns[3].unit = Some("degrees".into());
    done.columns[4].unit = Some("degrees".into());
    done.columns[5].unit = Some("nats".into());
    let mut section = Section::new("experiment-arms-section", "The arms", lead).with(done);
    if found.arms.iter().any(|a| a.texts > 0) {
        section = section.with(flags(found));
    }
    section
}

fn flags(found: &Found) -> Table {
    let mut table = Table::new(
        "experiment-flags",
        "Share of each arm's texts with a flag: four words in a row of the prefix (echoes), the same four words three times \
         (loops), a phrase that takes no stance, no end of a sentence (breaks off). Wilson's intervals.",
        NOT_SHOWN,
        ["arm", "texts", "echoes", "loops", "takes no stance", "breaks off", "any"].map(Column::new).to_vec(),
    );
    for a in found.arms.iter().filter(|a| a.texts > 0) {
        let cell = |flag: &str| Cell::maybe(a.share(flag), 2, "no texts");
        table.push(vec![
            a.arm.name.as_str().into(),
            a.texts.into(),
            cell("echoes"),
            cell("loops"),
            cell("takes no stance"),
            cell("breaks off"),
            Cell::maybe(a.flagged.as_ref(), 2, "no texts"),
        ]);
    }
    table
}

/// What may have made an effect, and where all of it ends.
fn artefacts(found: &Found) -> Section {
    let lead = match found.artefacts.len() {
        0 => "No echo, loop, drift, habit of a rater or difference between scopes was found.".to_owned(),
        n => format!("{n} things that may have made a number, or look like an effect."),
    };
    let mut section = Section::new("experiment-artefacts", "What may have made it", lead);
    if !found.artefacts.is_empty() {
        let items = found.artefacts.iter().map(|a| Rich::from(a.says.as_str())).collect();
        section = section.with(Block::List { ordered: false, items });
    }
    for note in &found.notes {
        section = section.with(Block::note(NoteKind::Remark, note.as_str()));
    }
    section.with(Block::limits(&found.not_shown))
}
