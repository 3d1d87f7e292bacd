//! What a study can't ask together, refused before a file or a model is opened.

use truenorth_protocol::ReadAt;

use super::super::super::output::wrong_hint;
use super::super::super::sites;
use super::StudyFile;

impl StudyFile {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) || self.name.starts_with('.') {
            return Err(wrong_hint(
                format!("study name {:?} can't name a folder", self.name),
                "use letters, digits, - and _",
            ));
        }
        if self.positions == ReadAt::All {
            return Err(wrong_hint(
                "positions `all` gives a row a token, a direction needs a row a text",
                "use last, mean, mean+sink or an index",
            ));
        }
        if self.direction.estimators.is_empty() {
            return Err(wrong_hint("no estimators", "name at least one of logistic, mean-diff, lda, pca"));
        }
        self.check_data()?;
        self.check_analyses()
    }

    fn check_data(&self) -> anyhow::Result<()> {
        let data = &self.data;
        if data.pairs.is_some() == data.classes.is_some() {
            let what = if data.pairs.is_some() { "both data.pairs and" } else { "neither data.pairs nor" };
            return Err(wrong_hint(
                format!("{what} data.classes"),
                "name the one that the direction is estimated from",
            ));
        }
        if data.positive.is_some() && data.classes.is_none() {
            return Err(wrong_hint(
                "data.positive names a label, but there is no data.classes",
                "leave data.positive out, or name the classes in data.classes",
            ));
        }
        let wants_sentiment = self.direction.project_out.iter().any(|p| p == "sentiment");
        if wants_sentiment && data.sentiment.is_none() {
            return Err(wrong_hint(
                "project_out names sentiment, but data.sentiment is missing",
                "name the labelled texts in data.sentiment, or take sentiment out of project_out",
            ));
        }
        Ok(())
    }

    fn check_analyses(&self) -> anyhow::Result<()> {
        let data = &self.data;
        let needs = |table: &str, what: &str, there: bool| {
            if there {
                Ok(())
            } else {
                Err(wrong_hint(format!("[{table}] needs {what}"), "name the files, or leave the table out"))
            }
        };
        let board = data.probes.is_some() && data.sequences.is_some();
        if let Some(score) = &self.score {
            needs("score", "data.probes and data.sequences", board)?;
            score.check()?;
        }
        if let Some(transfer) = &self.transfer {
            needs("transfer", "data.probes and data.sequences", board)?;
            needs(
                "transfer",
                "a [score] table, which says how sequence and probe are joined",
                self.score.is_some(),
            )?;
            if transfer.models.is_empty() {
                return Err(wrong_hint(
                    "[transfer] names no models",
                    "give models = [{ model = \"…\", site = \"…\" }], or leave the table out",
                ));
            }
        }
        if self.audit.is_some() {
            needs(
                "audit",
                "data.confounds or data.sentiment",
                !data.confounds.is_empty() || data.sentiment.is_some(),
            )?;
        }
        if let Some(sweep) = &self.sweep {
            needs("sweep", "data.pairs", data.pairs.is_some())?;
            self.sites_of("sweep", &sweep.sites)?;
        }
        if let Some(probing) = &self.probing {
            needs("probing", "data.classes", data.classes.is_some())?;
            self.sites_of("probing", &probing.sites)?;
            let known = ["random-label", "truth", "bag-of-words", "length", "random-init"];
            if let Some(bad) = probing.controls.iter().find(|c| !known.contains(&c.as_str())) {
                return Err(wrong_hint(
                    format!("[probing] knows no control {bad:?}"),
                    format!("use {}", known.join(", ")),
                ));
            }
            let truth = probing.controls.iter().any(|c| c == "truth");
            needs("probing", "data.truth for its control `truth`", !truth || data.truth.is_some())?;
        }
        if self.geometry.is_some() {
            needs("geometry", "data.classes", data.classes.is_some())?;
        }
        if let Some(judge) = &self.judge {
            let known = ["refusal", "incoherence"];
            if let Some(bad) = judge.questions.iter().find(|q| !known.contains(&q.as_str())) {
                return Err(wrong_hint(
                    format!("[judge] knows no question {bad:?}"),
                    format!("use {}", known.join(", ")),
                ));
            }
            judge.params.check()?;
            needs("judge", "a [steer] table, whose texts it judges", self.steer.is_some())?;
        }
        Ok(())
    }

    fn sites_of(&self, table: &str, names: &[String]) -> anyhow::Result<()> {
        if names.is_empty() {
            return Err(wrong_hint(
                format!("[{table}] names no sites"),
                "give some, as in resid_post.4..28:4",
            ));
        }
        sites::of_names(names).map(|_| ())
    }
}
