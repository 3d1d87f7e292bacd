//! What a study can't ask together, refused before a file or a model is opened.

use truenorth_protocol::ReadAt;

use super::StudyFile;
use crate::error::Error;
use crate::study::refused;
use crate::study::stages::STAGES;

impl StudyFile {
    pub(super) fn check(&self) -> Result<(), Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) || self.name.starts_with('.') {
            return Err(refused(
                format!("study name {:?} can't name a folder", self.name),
                "use letters, digits, - and _",
            ));
        }
        if self.positions == ReadAt::All {
            return Err(refused(
                "positions `all` gives a row a token, a direction needs a row a text",
                "use last, mean, mean+sink or an index",
            ));
        }
        if self.direction.estimators.is_empty() {
            return Err(refused("no estimators", "name at least one of logistic, mean-diff, lda, pca"));
        }
        self.check_data()?;
        self.check_steer()?;
        STAGES.iter().try_for_each(|stage| stage.check(self))
    }

    fn check_steer(&self) -> Result<(), Error> {
        let Some(steer) = &self.steer else { return Ok(()) };
        let wrong = |what: &str, remedy: &str| Err(refused(format!("[steer] {what}"), remedy));
        if steer.alphas.is_empty() {
            return wrong("has no doses", "give some, as in alphas = [-0.1, 0, 0.1]");
        }
        if let Some(bad) = steer.alphas.iter().find(|a| !a.is_finite()) {
            return wrong(&format!("has a dose {bad}"), "give doses that are finite numbers");
        }
        if steer.max_new_tokens == 0 {
            return wrong("generates no tokens: max_new_tokens = 0", "give 1 or more");
        }
        if steer.prompts == 0 {
            return wrong("steers no prompts: prompts = 0", "give 1 or more, or leave the table out");
        }
        Ok(())
    }

    fn check_data(&self) -> Result<(), Error> {
        let data = &self.data;
        if data.pairs.is_some() == data.classes.is_some() {
            let what = if data.pairs.is_some() { "both data.pairs and" } else { "neither data.pairs nor" };
            return Err(refused(
                format!("{what} data.classes"),
                "name the one that the direction is estimated from",
            ));
        }
        if data.positive.is_some() && data.classes.is_none() {
            return Err(refused(
                "data.positive names a label, but there is no data.classes",
                "leave data.positive out, or name the classes in data.classes",
            ));
        }
        if data.sentiment.is_some() && data.confounds.contains_key("sentiment") && self.audit.is_some() {
            return Err(refused(
                "data.sentiment is the audit's set `sentiment`, and data.confounds.sentiment is another of that name",
                "give the one under [data.confounds] another name, or leave it out",
            ));
        }
        let wants_sentiment = self.direction.project_out.iter().any(|p| p == "sentiment");
        if wants_sentiment && data.sentiment.is_none() {
            return Err(refused(
                "project_out names sentiment, but data.sentiment is missing",
                "name the labelled texts in data.sentiment, or take sentiment out of project_out",
            ));
        }
        Ok(())
    }
}
