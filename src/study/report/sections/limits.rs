//! Where the report ends.

use truenorth_report::{Block, NoteKind, Section};

use crate::study::stages::StageContext;

/// What no part of the report can show, and what the study did not ask.
pub fn limits(run: &StageContext<'_>) -> Section {
    let study = run.study;
    let mut items = vec![match &study.transfer {
        Some(t) => format!("One set of texts, at one site of each of {} models.", 1 + t.models.len()),
        None => "One model and one set of texts. Nothing here was repeated on another model.".to_owned(),
    }];
    items.push(
        "The texts were written for this purpose; what their authors share besides what was meant is shared by \
         all of them, held out or not."
            .into(),
    );
    items.push(
        "Reading is not steering: a direction that separates activations need not be one that the model uses."
            .into(),
    );
    items.push("No human has rated any text of this study.".into());
    let asked = [
        ("a confound audit", study.audit.is_some()),
        ("a sweep that sets reading beside steering", study.sweep.is_some()),
        ("transfer to another model", study.transfer.is_some()),
        ("a board with specificity", study.score.is_some()),
    ];
    let missing: Vec<&str> = asked.iter().filter(|(_, there)| !there).map(|(what, _)| *what).collect();
    if !missing.is_empty() {
        items.push(format!("Not asked in this study: {}.", missing.join(", ")));
    }
    let list = Block::List { ordered: false, items: items.into_iter().map(Into::into).collect() };
    let section = Section::new("limits", "Limits", "What nothing in this report can show.").with(list);
    let out = &study.direction.project_out;
    if out.iter().any(|p| p == "sentiment") && out.iter().any(|p| p == "length") {
        return section;
    }
    section.with(Block::note(
        NoteKind::Warning,
        "Length, sentiment or both were not projected out; the direction may be theirs.",
    ))
}
