//! What a study can't ask together, refused before a file or a model is opened.

use super::{Reads, Steers, StudyFile};
use crate::analyses::Parameters as _;
use crate::error::Error;
use crate::study::refused;
use crate::study::stages::{STAGES, in_keys};
use truenorth_protocol::WriteAt;
use truenorth_protocol::graph::Decides;

impl StudyFile {
    pub(super) fn check(&self) -> Result<(), Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) || self.name.starts_with('.') {
            return Err(refused(
                format!("study name {:?} can't name a folder", self.name),
                "use letters, digits, - and _",
            ));
        }
        if self.positions.by_token() {
            return Err(refused(
                format!("positions `{}` gives a row a token, a direction needs a row a text", self.positions),
                "use last, mean, mean+sink, an index, or of a part its last-, first- or mean:, as in mean:response",
            ));
        }
        self.speech().check()?;
        if self.direction.estimators.is_empty() {
            return Err(refused("no estimators", "name at least one of logistic, mean-diff, lda, pca"));
        }
        self.check_data()?;
        self.check_steer()?;
        self.check_primary()?;
        self.check.check().map_err(|e| in_keys(e.into(), "check"))?;
        STAGES.iter().try_for_each(|stage| stage.check(self).map_err(|e| in_keys(e, stage.name())))
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
        steer.how.check().map_err(|e| in_keys(e.into(), "steer"))?;
        if steer.max_new_tokens == 0 {
            return wrong("generates no tokens: max_new_tokens = 0", "give 1 or more");
        }
        if steer.prompts == 0 {
            return wrong("steers no prompts: prompts = 0", "give 1 or more, or leave the table out");
        }
        let Some(when) = &steer.when else { return Ok(()) };
        if !when.above.is_finite() {
            return wrong(&format!("when.above = {}", when.above), "give a finite number, such as 0.05");
        }
        let later = when.site.order() > self.site.order();
        if later && (when.by.0 == Decides::Token || steer.positions != WriteAt::Generated) {
            return wrong(
                &format!("when.site {} comes after {}, where something is done", when.site, self.site),
                "look at an earlier site; or steer with positions = \"generated\" and by = \"last\"",
            );
        }
        Ok(())
    }

    fn check_primary(&self) -> Result<(), Error> {
        let needs = |key: &str, what: &str, there: bool| match there {
            true => Ok(()),
            false => Err(refused(
                format!("[primary] {key} names {what}, and the study has no [{what}]"),
                format!("add a table [{what}], or take {key} out of [primary]"),
            )),
        };
        if self.primary.reads == Reads::Probing {
            needs("reads", "probing", self.probing.is_some())?;
        }
        match self.primary.steers {
            Some(Steers::Sweep) => needs("steers", "sweep", self.sweep.is_some())?,
            Some(Steers::Judge) => needs("steers", "judge", self.judge.is_some())?,
            Some(Steers::Experiment) => needs("steers", "experiment", self.experiment.is_some())?,
            None => {}
        }
        let Some(register) = &self.register else { return Ok(()) };
        if register.hypothesis.trim().is_empty() {
            return Err(refused(
                "[register] hypothesis says nothing",
                "say in a sentence what is expected, and why",
            ));
        }
        let asked = [
            ("means", register.means, "[audit]", self.audit.is_some()),
            (
                "steers",
                register.steers,
                "[sweep], [judge] or [experiment]",
                self.sweep.is_some() || self.judge.is_some() || self.experiment.is_some(),
            ),
            ("holds", register.holds, "[transfer]", self.transfer.is_some()),
        ];
        match asked.iter().find(|(_, expected, _, there)| expected.is_some() && !there) {
            None => Ok(()),
            Some((key, _, table, _)) => Err(refused(
                format!("[register] says what is expected of {key}, and the study has no {table}"),
                format!("add {table}, or take {key} out of [register]"),
            )),
        }
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
