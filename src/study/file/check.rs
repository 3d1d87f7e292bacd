//! What a study can't ask together, refused before a file or a model is opened.

use truenorth_protocol::ReadAt;
use truenorth_stats::estimate::probing::ProbeEstimator;

use super::StudyFile;
use crate::analyses::Parameters as _;
use crate::analyses::probing::Control;
use crate::error::{Context as _, Error};
use crate::study::refused;

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
        self.check_analyses()
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
        let wants_sentiment = self.direction.project_out.iter().any(|p| p == "sentiment");
        if wants_sentiment && data.sentiment.is_none() {
            return Err(refused(
                "project_out names sentiment, but data.sentiment is missing",
                "name the labelled texts in data.sentiment, or take sentiment out of project_out",
            ));
        }
        Ok(())
    }

    fn check_analyses(&self) -> Result<(), Error> {
        let data = &self.data;
        let needs = |table: &str, what: &str, there: bool| {
            if there {
                Ok(())
            } else {
                Err(refused(format!("[{table}] needs {what}"), "name the files, or leave the table out"))
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
                return Err(refused(
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
            if sweep.params.sites.is_empty() {
                return Err(refused("[sweep] names no sites", "give some, as in resid_post.4..28:4"));
            }
        }
        if let Some(probing) = &self.probing {
            needs("probing", "data.classes", data.classes.is_some())?;
            probing.check().context("[probing] can't be run")?;
            if probing.estimator.is_none() {
                let first = self.direction.estimators.first().map(|name| name.parse::<ProbeEstimator>());
                first
                    .transpose()
                    .request("[probing] names no estimator, and the study's first is no probe's")?;
            }
            let truth = probing.controls.contains(&Control::Truth);
            needs("probing", "data.truth for its control `truth`", !truth || data.truth.is_some())?;
        }
        if let Some(geometry) = &self.geometry {
            needs("geometry", "data.classes", data.classes.is_some())?;
            geometry.params.check().context("[geometry] can't be run")?;
        }
        if let Some(judge) = &self.judge {
            let known = ["refusal", "incoherence"];
            if let Some(bad) = judge.questions.iter().find(|q| !known.contains(&q.as_str())) {
                return Err(refused(
                    format!("[judge] knows no question {bad:?}"),
                    format!("use {}", known.join(", ")),
                ));
            }
            judge.params.check()?;
            needs("judge", "a [steer] table, whose texts it judges", self.steer.is_some())?;
        }
        Ok(())
    }
}
