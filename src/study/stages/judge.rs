//! A model's verdict on the steered texts.

use crate::host::write_json;
use crate::session::Session;
use crate::study::file::StudyFile;
use crate::study::refused;
use serde_json::Value;
use std::collections::HashMap;

use crate::analyses::judge::{self, JudgeData, Question, Reply, Texts};
use crate::analyses::{Analysis as _, Asked, Page};
use crate::error::{Context as _, Error};
use truenorth_protocol::Prompt;

use super::{Run, Samples, SoFar, Stage, keyed, needs};
use crate::study::file::Judge;

/// A model's verdict on steered texts.
pub struct JudgeStage;

impl Stage for JudgeStage {
    fn name(&self) -> &'static str {
        "judge"
    }

    fn check(&self, study: &StudyFile) -> Result<(), Error> {
        let Some(judge) = &study.judge else { return Ok(()) };
        let known = ["refusal", "incoherence"];
        if judge.questions.is_empty() {
            return Err(refused(
                "[judge] asks no questions",
                format!("give questions = [\"{}\"], or leave the table out", known.join("\", \"")),
            ));
        }
        if let Some(bad) = judge.questions.iter().find(|q| !known.contains(&q.as_str())) {
            return Err(refused(
                format!("[judge] knows no question {bad:?}"),
                format!("use {}", known.join(", ")),
            ));
        }
        judge.params.check().context("[judge] can't be run")?;
        needs("judge", "a [steer] table, whose texts it judges", study.steer.is_some())
    }

    fn asked(&self, run: &Run<'_>) -> Result<Option<Value>, Error> {
        let Some(table) = &run.study.judge else { return Ok(None) };
        let model = table.model.as_deref().map(|m| run.host.identity(m)).transpose()?;
        keyed(Some(&(table, model, &run.study.steer)))
    }

    fn leaves(&self, study: &StudyFile) -> Vec<String> {
        let questions = study.judge.iter().flat_map(|table| &table.questions);
        questions.map(|q| format!("judge-{q}.json")).collect()
    }

    fn page(&self, run: &Run<'_>, so_far: &SoFar<'_>) -> Result<Page, Error> {
        run.judge(
            run.study.judge.as_ref().expect("a stage runs where its table is"),
            so_far.steered.expect("a stage runs where its table is"),
        )
    }
}

impl Run<'_> {
    pub(super) fn judge(&self, table: &Judge, samples: &Samples) -> Result<Page, Error> {
        let other = match &table.model {
            Some(model) => Some(self.host.model(model)?),
            None => None,
        };
        let reader = other.as_ref().map_or(self.reader, Session::reader);
        let prompts: HashMap<&str, &Prompt> =
            self.data.generated_from().iter().map(|n| (n.id.as_str(), &n.prompt)).collect();
        let text = |id: &str| match prompts.get(id).expect("texts are generated from these prompts") {
            Prompt::Text(text) => Ok(text.clone()),
            Prompt::Tokens(_) => Err(refused(
                format!("prompt `{id}` is given as tokens, and [judge] shows the judge what was asked"),
                "give [data] prompts as text, or leave [judge] out",
            )),
        };
        // A judge can't read nothing; how many were empty is part of the answer.
        let (written, empty): (Vec<_>, Vec<_>) = samples.rows.iter().partition(|r| !r.text.trim().is_empty());
        let replies: Vec<Reply> = written
            .iter()
            .map(|r| {
                let id = format!("{} at {}", r.id, r.alpha);
                Ok(Reply { id, prompt: text(&r.id)?, text: r.text.clone() })
            })
            .collect::<Result<_, Error>>()?;
        let doses: Vec<String> = written.iter().map(|r| r.alpha.to_string()).collect();
        let said = self.texts()?;
        let near = said.near;
        let mut page = Page::default();
        for name in &table.questions {
            let question = question(name)?;
            let texts = Texts::Replies { replies: &replies, question: &question, groups: Some(&doses) };
            let data = JudgeData { texts, template: None, others: &[], near };
            let bar = self.bar(&format!("judging {name}"), "tokens");
            let asked = Asked { reader, seeds: &self.seeds(), watch: &*bar };
            let mut found = judge::Judge::run(&data, &table.params, &asked)?;
            said.say_copies(name, &found.judgement.copies);
            if !empty.is_empty() {
                found.judgement.not_shown.push(format!("{} empty texts were left out.", empty.len()));
            }
            write_json(self.host, &self.folder.join(format!("judge-{name}.json")), &found)?;
            let own = judge::Judge::page(&found);
            page.sections.extend(own.sections.into_iter().map(|s| s.under(name)));
            page.findings.extend(own.findings.into_iter().map(|mut f| {
                f.see = f.see.map(|id| format!("{name}-{id}"));
                f
            }));
        }
        Ok(page)
    }
}

/// A question by its name, which the study's check has let pass.
fn question(name: &str) -> Result<Question, Error> {
    [Question::refusal(), Question::incoherence()]
        .into_iter()
        .find(|q| q.name == name)
        .context(format!("no question `{name}`"))
}
