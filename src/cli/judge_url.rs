//! `--judge-url`: a judge behind any endpoint of chat completions. Bounded in how often and how much it is asked, its answers
//! kept on disk, its key in no record.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use truenorth::analyses::experiment::{Chooser, Chosen, PreferredText};
use truenorth::analyses::judge::{Duel, JudgeTemplate, Reply, score_template};
use truenorth::analyses::{AnalysisContext, AnalysisError};
use truenorth::client::{ApiKey, ClientError, Service, ServiceOptions};
use truenorth::files::{sha256_hex, write_atomic};
use truenorth::run::RunError;
use truenorth::stats::words::folded;

use super::output::RequestContext as _;
use super::{dry, settings};

/// A judge elsewhere.
#[derive(Args, Clone, Debug)]
pub struct JudgeUrlArgs {
    /// The address of an endpoint of chat completions as OpenAI's, up to `/v1`, of a judge beside those of the file.
    #[arg(long, value_name = "URL", requires = "judge_model")]
    pub judge_url: Option<String>,
    /// The model to ask there.
    #[arg(long, value_name = "NAME", requires = "judge_url")]
    pub judge_model: Option<String>,
    /// A file that holds the endpoint's key; else TRUENORTH_JUDGE_KEY. It goes to that address alone, and into no record.
    #[arg(long, value_name = "F", requires = "judge_url")]
    pub judge_key_file: Option<PathBuf>,
    /// How often it may be asked at most, answers that are kept counted; placebos are left out first where this is too few.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub judge_calls: usize,
    /// How many tokens it may spend in this command at most, as the service counts them; what is kept costs none.
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    pub judge_tokens: u64,
    /// How many questions are asked at once.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub judge_at_once: usize,
}

/// A judge behind an endpoint.
pub struct UrlJudge {
    service: Service,
    host: String,
    model: String,
    folder: Option<PathBuf>,
    calls: usize,
    tokens: u64,
    at_once: usize,
    spent: Mutex<JudgeUsage>,
}

#[derive(Debug, Default)]
struct JudgeUsage {
    calls: usize,
    tokens: u64,
}

impl JudgeUrlArgs {
    /// The judge, where one is named. Nothing is sent yet.
    pub fn open(&self, cache: Option<&Path>) -> anyhow::Result<Option<UrlJudge>> {
        let (Some(url), Some(model)) = (&self.judge_url, &self.judge_model) else { return Ok(None) };
        dry::refuse("a judge behind --judge-url, which a rehearsal would have to pay")?;
        let mut options = ServiceOptions::new(url.as_str());
        if let Some(key) = settings::judge_key(self.judge_key_file.as_deref())? {
            let origin = key.origin.clone();
            options.key = Some(
                ApiKey::new(&key.text).request("can't use the judge's key")?.with_origin(origin).bearer(),
            );
        }
        if let Some(warning) = options.warning(settings::proxied()) {
            eprintln!("warning: {warning}");
        }
        let service = Service::open(&options).request("can't use --judge-url")?;
        let host = service.url().trim_end_matches('/').to_owned();
        Ok(Some(UrlJudge {
            service,
            host,
            model: model.clone(),
            folder: cache.map(|c| c.join("judges")),
            calls: self.judge_calls,
            tokens: self.judge_tokens,
            at_once: self.judge_at_once,
            spent: Mutex::default(),
        }))
    }
}

/// Log-probabilities that a service tells at most.
const TOLD: usize = 20;

impl UrlJudge {
    fn question(&self, prompt: &str) -> Value {
        json!({
            "model": self.model,
            "messages": [{ "role": "user", "content": prompt }],
            "temperature": 0,
            "max_tokens": 4,
            "logprobs": true,
            "top_logprobs": TOLD,
        })
    }

    /// Where an answer is kept: under the hash of the address and the whole question, which holds no key.
    fn place(&self, question: &Value) -> Option<PathBuf> {
        let name = sha256_hex(format!("{}\n{question}", self.host).as_bytes());
        self.folder.as_ref().map(|f| f.join(&name[..2]).join(format!("{name}.json")))
    }

    fn kept(&self, question: &Value) -> Option<Value> {
        serde_json::from_slice(&std::fs::read(self.place(question)?).ok()?).ok()
    }

    fn keep(&self, question: &Value, answer: &Value) -> anyhow::Result<()> {
        let Some(path) = self.place(question) else { return Ok(()) };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
        }
        let text = serde_json::to_vec(answer)?;
        write_atomic(&path, |w| w.write_all(&text)).with_context(|| format!("can't write {}", path.display()))
    }

    /// The answers to prompts, those that are kept not asked again.
    fn answers(&self, prompts: &[String], asked: &AnalysisContext<'_>) -> Result<Vec<Value>, AnalysisError> {
        let questions: Vec<Value> = prompts.iter().map(|p| self.question(p)).collect();
        let mut answers: Vec<Option<Value>> = questions.iter().map(|q| self.kept(q)).collect();
        let missing: Vec<usize> = (0..questions.len()).filter(|i| answers[*i].is_none()).collect();
        let refuse = |what: String, remedy: &str| AnalysisError::Asked { what, remedy: remedy.to_owned() };
        {
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            spent.calls += questions.len();
            if spent.calls > self.calls {
                return Err(refuse(
                    format!("{} would be asked more than {} times", self.name(), self.calls),
                    "allow more with --judge-calls N, or ask less of it",
                ));
            }
        }
        let left: Vec<Value> = missing.iter().map(|i| questions[*i].clone()).collect();
        let mut failed = None;
        let done = self.service.completions(&left, self.at_once, asked.watch, &mut |k, answer| {
            let used = answer.pointer("/usage/total_tokens").and_then(Value::as_u64).unwrap_or(0);
            // What is read of an answer, and what it cost; all else may differ from time to time.
            let told = json!({ "choices": answer.get("choices"), "usage": answer.get("usage") });
            if let Err(e) = self.keep(&left[k], &told) {
                failed = Some(refuse(format!("{e:#}"), "make room, or name another --cache"));
                return ControlFlow::Break(());
            }
            answers[missing[k]] = Some(told);
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            spent.tokens += used;
            if spent.tokens > self.tokens {
                failed = Some(refuse(
                    format!("{} has spent {} tokens, of {} allowed", self.name(), spent.tokens, self.tokens),
                    "what it answered is kept; go on with more --judge-tokens N",
                ));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        done.map_err(|e| match e {
            ClientError::Interrupted => RunError::Interrupted.into(),
            e => refuse(
                format!("the judge {} can't be asked: {e}", self.name()),
                "check --judge-url, --judge-model and the key (--judge-key-file F or TRUENORTH_JUDGE_KEY); what it answered \
                 so far is kept, and the same command goes on",
            ),
        })?;
        answers
            .into_iter()
            .map(|a| {
                a.ok_or_else(|| {
                    refuse(format!("{} left a question without an answer", self.name()), "ask again")
                })
            })
            .collect()
    }
}

/// The log-probability of words as the first token of an answer; none of a word that is not among those told. Where a
/// service tells none, the word that the answer begins with is sure.
fn chances(answer: &Value, words: &[&str]) -> Vec<Option<f64>> {
    let plain = |t: &str| t.trim().trim_matches(|c: char| !c.is_alphanumeric()).to_uppercase();
    if let Some(told) = answer.pointer("/choices/0/logprobs/content/0/top_logprobs").and_then(Value::as_array)
    {
        let of = |word: &&str| {
            let own = told.iter().filter(|t| t["token"].as_str().is_some_and(|t| plain(t) == *word));
            let sum: f64 = own.filter_map(|t| t["logprob"].as_f64()).map(f64::exp).sum();
            (sum > 0.0).then(|| sum.ln())
        };
        return words.iter().map(of).collect();
    }
    let text = answer.pointer("/choices/0/message/content").and_then(Value::as_str).unwrap_or_default();
    let first = text.split_whitespace().next().map(plain).unwrap_or_default();
    words.iter().map(|w| (first == **w).then_some(0.0)).collect()
}

/// A log-probability below all that a service told.
const UNTOLD: f64 = -12.0;
/// Of a word that is sure, in nats over one that is not there.
const SURE: f64 = 1.0;

/// Log-odds of the first letter over the second; none where neither is there.
fn log_odds(answer: &Value) -> Option<f64> {
    let told = answer.pointer("/choices/0/logprobs/content/0/top_logprobs").is_some_and(Value::is_array);
    match chances(answer, &["A", "B"])[..] {
        [None, None] => None,
        [a, b] if told => Some(a.unwrap_or(UNTOLD) - b.unwrap_or(UNTOLD)),
        [a, _] => Some(if a.is_some() { SURE } else { -SURE }),
        _ => None,
    }
}

impl Chooser for UrlJudge {
    fn name(&self) -> String {
        self.model.clone()
    }

    fn choose(
        &self,
        duels: &[Duel],
        criterion: &str,
        asked: &AnalysisContext<'_>,
    ) -> Result<Vec<Chosen>, AnalysisError> {
        let template = JudgeTemplate::duel(criterion)?.as_turn();
        let fair = |d: &&Duel| {
            let [a, b] = [folded(&d.first), folded(&d.second)];
            a != b && !a.is_empty() && !b.is_empty()
        };
        let shown: Vec<&Duel> = duels.iter().filter(fair).collect();
        let fill = |d: &&Duel| {
            [(&d.first, &d.second), (&d.second, &d.first)]
                .map(|(a, b)| template.fill(&[("prompt", &d.prompt), ("first", a), ("second", b)]))
        };
        let prompts: Vec<String> = shown.iter().flat_map(fill).collect();
        let answers = self.answers(&prompts, asked)?;
        let mut said = answers.as_chunks::<2>().0.iter().map(|both| both.each_ref().map(log_odds));
        let one = |d: &Duel| {
            if !fair(&d) {
                return Chosen::NEITHER;
            }
            let Some([Some(a), Some(b)]) = said.next() else { return Chosen::NEITHER };
            let side = |first: bool| if first { PreferredText::Arm } else { PreferredText::Base };
            Chosen { preference: (a - b) / 2.0, sides: [side(a > 0.0), side(b < 0.0)] }
        };
        Ok(duels.iter().map(one).collect())
    }

    fn score(
        &self,
        replies: &[Reply],
        rubric: &str,
        asked: &AnalysisContext<'_>,
    ) -> Result<Vec<Option<f64>>, AnalysisError> {
        let template = score_template().as_turn();
        let fill =
            |r: &Reply| template.fill(&[("prompt", &r.prompt), ("text", &r.text), ("question", rubric)]);
        let shown: Vec<&Reply> = replies.iter().filter(|r| !r.text.trim().is_empty()).collect();
        let prompts: Vec<String> = shown.iter().map(|r| fill(r)).collect();
        let mut answers = self.answers(&prompts, asked)?.into_iter();
        let mean = |answer: &Value| {
            let all = chances(answer, &["1", "2", "3", "4", "5"]);
            let of = |(p, k): (&Option<f64>, u8)| p.map(|p| (p.exp(), f64::from(k)));
            let (mass, sum) =
                all.iter().zip(1..).filter_map(of).fold((0.0, 0.0), |(m, s), (p, k)| (m + p, s + p * k));
            (mass > 0.0).then(|| sum / mass)
        };
        let one = |r: &Reply| if r.text.trim().is_empty() { None } else { mean(&answers.next()?) };
        Ok(replies.iter().map(one).collect())
    }

    fn left(&self) -> Option<usize> {
        Some(self.calls.saturating_sub(self.spent.lock().unwrap_or_else(PoisonError::into_inner).calls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_by_their_tokens_or_by_their_first_word() {
        let told = json!({"choices": [{"message": {"content": "A"}, "logprobs": {"content": [{"top_logprobs": [
            {"token": "A", "logprob": -0.5}, {"token": " A", "logprob": -2.0}, {"token": "B", "logprob": -1.5}]}]}}]});
        let a = ((-0.5_f64).exp() + (-2.0_f64).exp()).ln();
        assert!((log_odds(&told).unwrap() - (a + 1.5)).abs() < 1e-12);
        let words = |text: &str| json!({"choices": [{"message": {"content": text}}]});
        assert_eq!(log_odds(&words("B.")), Some(-SURE));
        assert_eq!(log_odds(&words("**A** is better")), Some(SURE));
        assert_eq!(log_odds(&words("Both are fine")), None);
        assert_eq!(log_odds(&json!({})), None);
        assert_eq!(chances(&words("4"), &["3", "4"]), [None, Some(0.0)]);
    }
}
