//! A model's verdict on the steered texts.

use crate::host::write_json;
use crate::session::Session;
use crate::study::file::StudyFile;
use crate::study::refused;
use serde_json::Value;
use std::collections::HashMap;

use crate::analyses::judge::{self, JudgeData, JudgeQuestion, JudgeTexts, Reply};
use crate::analyses::{Analysis as _, AnalysisContext, AnalysisPage, NamedPrompt};
use crate::error::{Error, ErrorContext as _};
use truenorth_protocol::Prompt;

use super::{Stage, StageContext, StagesSoFar, SteeredTexts, keyed, needs};
use crate::study::file::JudgeTable;

/// A model's verdict on steered texts.
pub struct JudgeStage;

impl Stage for JudgeStage {
    fn name(&self) -> &'static str {
        "judge"
    }

    fn check(&self, study: &StudyFile) -> Result<(), Error> {
        let Some(judge) = &study.judge else { return Ok(()) };
        check(judge, "judge")?;
        needs("judge", "a [steer] table, whose texts it judges", study.steer.is_some())
    }

    fn asked(&self, run: &StageContext<'_>) -> Result<Option<Value>, Error> {
        let Some(table) = &run.study.judge else { return Ok(None) };
        let model = table.model.as_deref().map(|m| run.host.identity(m)).transpose()?;
        keyed(Some(&(table, model, &run.study.steer)))
    }

    fn leaves(&self, study: &StudyFile) -> Vec<String> {
        let questions = study.judge.iter().flat_map(|table| &table.questions);
        questions.map(|q| format!("judge-{q}.json")).collect()
    }

    fn page(&self, run: &StageContext<'_>, so_far: &StagesSoFar<'_>) -> Result<AnalysisPage, Error> {
        run.judge(
            run.study.judge.as_ref().expect("a stage runs where its table is"),
            so_far.steered.expect("a stage runs where its table is"),
        )
    }
}

/// Refuses a table that asks nothing that a judge can be asked.
pub(super) fn check(judge: &JudgeTable, table: &str) -> Result<(), Error> {
    let known = ["refusal", "incoherence"];
    if judge.questions.is_empty() {
        return Err(refused(
            format!("[{table}] asks no questions"),
            format!("give questions = [\"{}\"], or leave the table out", known.join("\", \"")),
        ));
    }
    if let Some(bad) = judge.questions.iter().find(|q| !known.contains(&q.as_str())) {
        return Err(refused(
            format!("[{table}] knows no question {bad:?}"),
            format!("use {}", known.join(", ")),
        ));
    }
    judge.params.check().context(format!("[{table}] can't be run"))
}

/// A text that was written, for a judge.
pub(super) struct TextToJudge<'a> {
    pub id: String,
    pub prompt: &'a str,
    pub text: &'a str,
    /// What it is counted with, such as a dose.
    pub group: String,
}

impl StageContext<'_> {
    pub(super) fn judge(&self, table: &JudgeTable, samples: &SteeredTexts) -> Result<AnalysisPage, Error> {
        let prompts = self.asked_of()?;
        let rows = samples.rows.iter().map(|r| {
            let group = r.alpha.to_string();
            let prompt = prompts.get(r.id.as_str()).context(format!("no prompt `{}`", r.id))?;
            Ok(TextToJudge { id: format!("{} at {group}", r.id), prompt, text: &r.text, group })
        });
        self.judged(table, "judge", &rows.collect::<Result<Vec<_>, Error>>()?)
    }

    /// The text of each prompt that is generated from, which a judge is shown.
    pub(super) fn asked_of(&self) -> Result<HashMap<&str, &str>, Error> {
        fn pair(n: &NamedPrompt) -> Result<(&str, &str), Error> {
            match &n.prompt {
                Prompt::Text(text) => Ok((&n.id, text)),
                Prompt::Tokens(_) => Err(refused(
                    format!(
                        "prompt `{}` is given as tokens, and [judge] shows the judge what was asked",
                        n.id
                    ),
                    "give [data] prompts as text, or leave [judge] out",
                )),
            }
        }
        self.data.generated_from().iter().map(pair).collect()
    }

    /// What a model says of texts, a file a question whose name begins with `name`.
    pub(super) fn judged(
        &self,
        table: &JudgeTable,
        name: &str,
        rows: &[TextToJudge<'_>],
    ) -> Result<AnalysisPage, Error> {
        let other = match &table.model {
            Some(model) => Some(self.host.model(model)?),
            None => None,
        };
        let reader = other.as_ref().map_or(self.reader, Session::reader);
        // A judge can't read nothing; how many were empty is part of the answer.
        let (written, empty): (Vec<_>, Vec<_>) = rows.iter().partition(|r| !r.text.trim().is_empty());
        let reply = |r: &&TextToJudge<'_>| Reply {
            id: r.id.clone(),
            prompt: r.prompt.to_owned(),
            text: r.text.to_owned(),
        };
        let replies: Vec<Reply> = written.iter().map(reply).collect();
        let groups: Vec<String> = written.iter().map(|r| r.group.clone()).collect();
        let said = self.texts()?;
        let near = said.near;
        let mut page = AnalysisPage::default();
        for asked_of in &table.questions {
            let question = question(asked_of)?;
            let texts = JudgeTexts::Replies { replies: &replies, question: &question, groups: Some(&groups) };
            let data = JudgeData { texts, template: None, others: &[], near };
            let bar = self.bar(&format!("judging {asked_of}"), "tokens");
            let asked = AnalysisContext { reader, seeds: &self.seeds(), watch: &*bar };
            let mut found = judge::Judge::run(&data, &table.params, &asked)?;
            said.say_copies(asked_of, &found.judgement.copies);
            if !empty.is_empty() {
                found.judgement.not_shown.push(format!("{} empty texts were left out.", empty.len()));
            }
            write_json(self.host, &self.folder.join(format!("{name}-{asked_of}.json")), &found)?;
            let prefix = if name == "judge" { asked_of.clone() } else { format!("{name}-{asked_of}") };
            let own = judge::Judge::page(&found);
            page.sections.extend(own.sections.into_iter().map(|s| s.under(&prefix)));
            page.findings.extend(own.findings.into_iter().map(|mut f| {
                f.see = f.see.map(|id| format!("{prefix}-{id}"));
                f
            }));
        }
        Ok(page)
    }
}

/// A question by its name, which the study's check has let pass.
fn question(name: &str) -> Result<JudgeQuestion, Error> {
    [JudgeQuestion::refusal(), JudgeQuestion::incoherence()]
        .into_iter()
        .find(|q| q.name == name)
        .context(format!("no question `{name}`"))
}
