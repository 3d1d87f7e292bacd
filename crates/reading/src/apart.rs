//! Texts that a direction or a probe is held against, apart from those that it was fitted on.

use serde::Serialize;

use super::extract::{LabelledTexts, texts};
use super::{AnalysisError, ClassTexts};
use truenorth_data::{Distinct, NearCopies, SentimentRow, copies_between};

/// How many ids are named.
const NAMED: usize = 4;

/// What a set had in common with the texts that were fitted on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LeftOutTexts {
    /// Name of the set that was looked through.
    pub set: String,
    /// Rows of the set, before any was left out.
    pub rows: usize,
    /// Copies of texts that were fitted on, letter case and spaces aside; left out.
    pub copies: usize,
    /// Some of them, each with the text that was fitted on.
    pub ids: Vec<[String; 2]>,
    /// Near copies of such texts with the same label; left out.
    pub near: usize,
    /// Ids of some of them, each with the text that was fitted on.
    pub near_ids: Vec<[String; 2]>,
    /// Near copies that stay, since their label is another or means another thing.
    pub kept_near: usize,
    /// Some of those that stay, each with the text that was fitted on.
    pub kept_ids: Vec<[String; 2]>,
}

impl LeftOutTexts {
    /// What a reader must know before any number.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let named = |ids: &[[String; 2]], all: usize| {
            let first = if ids.len() < all { "first " } else { "" };
            let ids: Vec<String> = ids.iter().map(|[a, b]| format!("`{a}` of `{b}`")).collect();
            format!("({first}{})", ids.join(", "))
        };
        let Self { set, rows, copies, near, kept_near, .. } = self;
        let mut out = Vec::new();
        if *copies > 0 {
            out.push(format!(
                "set {set}: {copies} of {rows} rows are copies of what was fitted on, letter case and spaces aside, and \
                 are left out {}",
                named(&self.ids, *copies)
            ));
        }
        if *near > 0 {
            out.push(format!(
                "set {set}: {near} of {rows} rows are near copies of what was fitted on, with the same label, and are \
                 left out {}",
                named(&self.near_ids, *near)
            ));
        }
        if *kept_near > 0 {
            out.push(format!(
                "set {set}: {kept_near} of {rows} rows are near copies of what was fitted on {}; its numbers say less \
                 of new texts",
                named(&self.kept_ids, *kept_near)
            ));
        }
        out
    }

    pub(super) fn leave_out(&mut self, near: bool, id: &str, of: &str) {
        let (count, ids) =
            if near { (&mut self.near, &mut self.near_ids) } else { (&mut self.copies, &mut self.ids) };
        *count += 1;
        push(ids, id, of);
    }

    pub(super) fn keep_near(&mut self, id: &str, of: &str) {
        self.kept_near += 1;
        push(&mut self.kept_ids, id, of);
    }
}

fn push(ids: &mut Vec<[String; 2]>, id: &str, of: &str) {
    if ids.len() < NAMED {
        ids.push([id.to_owned(), of.to_owned()]);
    }
}

/// Texts labelled for sentiment, apart from what a direction is fitted on.
#[derive(Clone, Debug)]
pub struct SentimentTexts {
    /// The rows that stay.
    pub kept: Distinct<SentimentRow>,
    /// What was left out of the file, and what stays though it is alike; none where nobody looked.
    pub apart: Option<LeftOutTexts>,
}

impl std::ops::Deref for SentimentTexts {
    type Target = Distinct<SentimentRow>;

    fn deref(&self) -> &Self::Target {
        &self.kept
    }
}

impl SentimentTexts {
    /// What the direction's texts had in common with them, where there was anything.
    #[must_use]
    pub fn shared(&self) -> Option<&LeftOutTexts> {
        self.apart.as_ref().filter(|found| found.copies + found.near + found.kept_near > 0)
    }
}

/// The texts labelled for sentiment that a direction was not fitted on, neither whole nor as a response alone.
/// What they are projected out of would else be the question itself. Near copies stay: their label means
/// another thing.
///
/// # Errors
/// When one sentiment is missing, before or after.
pub fn sentiment_apart(
    mut rows: Distinct<SentimentRow>,
    fitted: &LabelledTexts,
    near: NearCopies,
) -> Result<SentimentTexts, AnalysisError> {
    let question = LabelledTexts::sentiment(&rows)?;
    let (mut found, mut keep) = question.shared_with(fitted, "sentiment", near);
    for shared in copies_between(&texts(&fitted.responses), &texts(&question.prompts), near) {
        if let Some(of) = shared.copy_of.filter(|_| keep[shared.text]) {
            keep[shared.text] = false;
            found.leave_out(false, &question.prompts[shared.text].id, &fitted.responses[of].id);
        }
    }
    rows.retain(&keep);
    let positive = rows.rows.iter().filter(|r| r.positive).count();
    if found.copies > 0 && (positive == 0 || positive == rows.rows.len()) {
        return Err(AnalysisError::Input(format!(
            "{}; {positive} positive and {} negative texts are left, and both are needed: give texts of sentiment \
             that the direction is not fitted on",
            found.sentences().first().expect("copies that were found are said"),
            rows.rows.len() - positive
        )));
    }
    Ok(SentimentTexts { kept: rows, apart: Some(found) })
}

impl ClassTexts {
    /// The texts of a test set that are no copies of training texts, nor near copies with their label: what
    /// separates these would separate those. Near copies with another label, such as negations, stay.
    ///
    /// # Errors
    /// When a copy has another label than the training text, or a class is missing from what is left.
    pub fn apart_from(
        mut self,
        train: &Self,
        set: &str,
        near: NearCopies,
    ) -> Result<(Self, LeftOutTexts), AnalysisError> {
        let mut found = LeftOutTexts { set: set.to_owned(), rows: self.len(), ..LeftOutTexts::default() };
        let mut keep = vec![true; self.len()];
        for shared in copies_between(&train.texts(), &self.texts(), near) {
            let (id, label) = (&self.prompts[shared.text].id, self.positive[shared.text]);
            let same = shared.cluster.iter().find(|i| train.positive[**i] == label);
            match (shared.copy_of, same) {
                (Some(of), _) if train.positive[of] != label => {
                    return Err(AnalysisError::Input(format!(
                        "`{id}` of set {set} says the same as the training text `{}` and has another label; correct \
                         one of the two",
                        train.prompts[of].id
                    )));
                }
                (Some(of), _) => found.leave_out(false, id, &train.prompts[of].id),
                (None, Some(of)) => found.leave_out(true, id, &train.prompts[*of].id),
                (None, None) => {
                    found.keep_near(id, &train.prompts[shared.cluster[0]].id);
                    continue;
                }
            }
            keep[shared.text] = false;
        }
        self.retain(&keep);
        let positive = self.positive.iter().filter(|p| **p).count();
        if found.copies + found.near > 0 && (positive == 0 || positive == self.len()) {
            return Err(AnalysisError::Input(format!(
                "{}; {positive} positive and {} negative texts are left, and both are needed: give the set texts of its \
                 own, or raise --near-copies if near copies are meant",
                found.sentences().join("; "),
                self.len() - positive
            )));
        }
        Ok((self, found))
    }

    fn retain(&mut self, keep: &[bool]) {
        fn only<T>(all: &mut Vec<T>, keep: &[bool]) {
            let mut keep = keep.iter();
            all.retain(|_| *keep.next().expect("every row is kept or left out"));
        }
        only(&mut self.prompts, keep);
        only(&mut self.positive, keep);
        only(&mut self.categories, keep);
        only(&mut self.groups, keep);
    }
}
