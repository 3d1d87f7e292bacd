//! What is said of texts before any number: which are copies, and what two sets have in common.

use truenorth_data::artifact::Direction;
use truenorth_data::{ClassRow, Copies, CopiesError, Distinct, Pair, copies_between};
use truenorth_protocol::Prompt;

use super::{Prompts, TextFiles};
use crate::analyses::LeftOutTexts;
use crate::analyses::categories::dealt;
use crate::analyses::extract::LabelledTexts;
use crate::error::{Error, ErrorContext as _};

impl TextFiles<'_> {
    /// Says how a file was read.
    pub(super) fn note(&self, notes: &[String]) {
        for note in notes {
            self.desk.say(&format!("note: {note}"));
        }
    }

    /// Says what was read and which of it are copies, before any number.
    pub(super) fn told<T>(
        &self,
        name: &str,
        notes: &[String],
        found: Result<Distinct<T>, CopiesError>,
    ) -> Result<Distinct<T>, Error> {
        self.note(notes);
        let found = found.request(format!("can't use {name}"))?;
        self.say_copies(name, &found.copies);
        Ok(found)
    }

    /// Says where what is common to all categories goes when one of them is held out.
    pub(super) fn say_dealt(&self, name: &str, rows: &Distinct<ClassRow>) {
        if dealt(rows).is_some() {
            let bare = rows.rows.iter().filter(|r| r.category.is_none()).count();
            self.desk.say(&format!(
                "note: {bare} of {} rows of {name} have no category, all of one label among them; where a category is held out, \
                 a share of them is held out with it",
                rows.rows.len()
            ));
        }
    }

    /// Says which rows of a file are copies.
    pub fn say_copies(&self, name: &str, copies: &Copies) {
        for sentence in copies.sentences() {
            self.desk.say(&format!("{name}: {sentence}"));
        }
        if let Some(opening) = &copies.opening {
            self.desk.opening(&format!("{name}: {}", opening.sentence(&copies.unit)));
        }
    }

    /// Says what a set had in common with what was fitted on.
    pub fn say_apart(&self, found: Option<&LeftOutTexts>) {
        for sentence in found.into_iter().flat_map(LeftOutTexts::sentences) {
            self.desk.say(&sentence);
        }
    }

    /// Says what a confound set has in common with what was fitted on: with copies its test is circular.
    pub fn say_shared(&self, set: &LabelledTexts, fitted: &LabelledTexts, name: &str) {
        let (found, _) = set.shared_with(fitted, name, self.near);
        if let Some([id, of]) = found.ids.first() {
            self.desk.say(&format!(
                "set {name}: {} of {} rows are copies of what was fitted on (first `{id}` of `{of}`); a test on them is \
                 circular",
                found.copies, found.rows
            ));
        }
        self.say_apart(Some(&LeftOutTexts { copies: 0, near: 0, ..found }));
    }

    /// Says that a file is the one that a direction was fitted on: what the direction says of it is no news.
    pub fn say_fitted_on(&self, direction: &Direction, role: &str, sha256: &str) {
        if direction.metadata().data_sha256 == sha256 {
            self.desk.say(&format!(
                "warning: the {role} are the file that the direction was fitted on; what it says of them is no test of it"
            ));
        }
    }

    /// Says which prompts to generate from are prompts of pairs: what is generated from these is no news to a direction
    /// that was fitted on all pairs.
    pub fn say_prompts_of_pairs(&self, pairs: &[Pair], prompts: &Prompts) {
        let first: Vec<&str> = pairs.iter().map(|p| p.prompt.as_str()).collect();
        let plain = prompts.named.iter().filter_map(|n| match &n.prompt {
            Prompt::Text(text) => Some((n.id.as_str(), text.as_str())),
            Prompt::Tokens(_) => None,
        });
        let (ids, second): (Vec<&str>, Vec<&str>) = plain.unzip();
        let shared = copies_between(&first, &second, self.near);
        if let Some(one) = shared.first() {
            self.desk.say(&format!(
                "{} of {} prompts to generate from are copies or near copies of prompts of pairs (first `{}` of pair `{}`); \
                 projections of what follows them are not held out",
                shared.len(),
                prompts.named.len(),
                ids[one.text],
                pairs[one.cluster[0]].id
            ));
        }
    }
}
