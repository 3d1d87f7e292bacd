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
    match not_projected(&study.direction.project_out) {
        Some(said) => section.with(Block::note(NoteKind::Warning, said)),
        None => section,
    }
}

/// What was left in, of what can be projected out.
fn not_projected(out: &[String]) -> Option<&'static str> {
    let has = |name: &str| out.iter().any(|p| p == name);
    match (has("length"), has("sentiment")) {
        (true, true) => None,
        (true, false) => Some("Sentiment was not projected out; the direction may be that of sentiment."),
        (false, true) => Some("Length was not projected out; the direction may be that of length."),
        (false, false) => {
            Some("Neither length nor sentiment was projected out; the direction may be that of either.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::not_projected;

    #[test]
    fn what_was_projected_out_is_not_said_to_be_left_in() {
        let said = |out: &[&str]| {
            let out: Vec<String> = out.iter().map(|s| (*s).to_owned()).collect();
            not_projected(&out).unwrap_or_default().to_lowercase()
        };
        assert!(said(&["length"]).contains("sentiment") && !said(&["length"]).contains("length"));
        assert!(said(&["sentiment"]).contains("length") && !said(&["sentiment"]).contains("sentiment"));
        assert!(said(&[]).contains("length") && said(&[]).contains("sentiment"));
        assert_eq!(said(&["length", "sentiment"]), "");
    }
}
