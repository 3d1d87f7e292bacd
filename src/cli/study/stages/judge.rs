//! A model's verdict on the steered texts.

use std::collections::HashMap;

use anyhow::Context as _;
use truenorth::analyses::judge::{self, JudgeData, Question, Reply, Texts};
use truenorth::analyses::{Analysis as _, Asked, Page};
use truenorth::data::NearCopies;
use truenorth_protocol::Prompt;

use super::super::super::args::ModelArgs;
use super::super::super::record::write_json;
use super::super::super::session::Session;
use super::super::super::texts::say_copies;
use super::super::file::Judge;
use super::{Run, Samples};

impl Run<'_> {
    pub(super) fn judge(&self, table: &Judge, samples: &Samples) -> anyhow::Result<Page> {
        let other = match &table.model {
            Some(model) => Some(Session::open(&ModelArgs { model: model.clone(), ..self.args.clone() })?),
            None => None,
        };
        let reader = other.as_ref().map_or(self.reader, Session::reader);
        let prompts: HashMap<&str, &Prompt> =
            self.data.generated_from().iter().map(|n| (n.id.as_str(), &n.prompt)).collect();
        let text = |id: &str| match prompts.get(id) {
            Some(Prompt::Text(text)) => text.clone(),
            _ => String::new(),
        };
        // A judge can't read nothing; how many were empty is part of the answer.
        let (written, empty): (Vec<_>, Vec<_>) = samples.rows.iter().partition(|r| !r.text.trim().is_empty());
        let replies: Vec<Reply> = written
            .iter()
            .map(|r| Reply {
                id: format!("{} at {}", r.id, r.alpha),
                prompt: text(&r.id),
                text: r.text.clone(),
            })
            .collect();
        let doses: Vec<String> = written.iter().map(|r| r.alpha.to_string()).collect();
        let near = NearCopies::new(self.study.near_copies)?;
        let mut page = Page::default();
        for name in &table.questions {
            let question = question(name)?;
            let texts = Texts::Replies { replies: &replies, question: &question, groups: Some(&doses) };
            let data = JudgeData { texts, template: None, others: &[], near };
            let bar = self.bar(&format!("judging {name}"), "tokens");
            let asked = Asked { reader, seeds: &self.seeds(), watch: &bar };
            let mut found = judge::Judge::run(&data, &table.params, &asked)?;
            say_copies(name, &found.judgement.copies);
            if !empty.is_empty() {
                found.judgement.not_shown.push(format!("{} empty texts were left out.", empty.len()));
            }
            write_json(&self.folder.join(format!("judge-{name}.json")), &found)?;
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
fn question(name: &str) -> anyhow::Result<Question> {
    [Question::refusal(), Question::incoherence()]
        .into_iter()
        .find(|q| q.name == name)
        .with_context(|| format!("no question `{name}`"))
}
