//! Confound sets that played a part in making the direction: a test on them says nothing.

use std::collections::HashSet;

use truenorth_protocol::Prompt;

use super::{AuditData, Confound};
use truenorth_reading::extract::{LabelledTexts, ProjectOut};
use truenorth_stats::words::folded;

/// Why each confound's test would be circular, where it would.
pub(super) fn reasons(data: &AuditData<'_>) -> Vec<Option<String>> {
    let used: HashSet<String> = match data.sentiment {
        Some(rows) if data.recipe.project_out.contains(&ProjectOut::Sentiment) => {
            rows.iter().map(|r| folded(&r.text)).collect()
        }
        _ => HashSet::new(),
    };
    let fitted: HashSet<String> = folded_texts(data.train).collect();
    let count = |c: &Confound, known: &HashSet<String>| {
        folded_texts(&c.question).filter(|t| known.contains(t)).count()
    };
    data.confounds
        .iter()
        .map(|c| {
            c.circular.clone().or_else(|| match (count(c, &used), count(c, &fitted)) {
                (0, 0) => None,
                (0, n) => Some(format!(
                    "{n} of its {} texts say the same as training texts, letter case and spaces aside",
                    c.question.prompts.len()
                )),
                (n, _) => Some(format!("sentiment was projected out with {n} of these very texts")),
            })
        })
        .collect()
}

fn folded_texts(question: &LabelledTexts) -> impl Iterator<Item = String> {
    question.prompts.iter().filter_map(|n| match &n.prompt {
        Prompt::Text(text) => Some(folded(text)),
        Prompt::Tokens(_) => None,
    })
}
