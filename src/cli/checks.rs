//! What a doctor tries: checks, each with what was found and what to do about it.

use serde::Serialize;

use super::output::{self, hints};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    Ok,
    Warn,
    Fail,
    Skipped,
}

#[derive(Debug, Serialize)]
struct CheckResult {
    check: &'static str,
    state: CheckStatus,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// All checks, and whether none failed.
#[derive(Debug, Serialize)]
pub struct Checks {
    pub ok: bool,
    checks: Vec<CheckResult>,
}

impl Default for Checks {
    fn default() -> Self {
        Self { ok: true, checks: vec![] }
    }
}

impl Checks {
    pub fn note(
        &mut self,
        check: &'static str,
        state: CheckStatus,
        found: impl Into<String>,
        remedy: Option<&str>,
    ) {
        self.checks.push(CheckResult {
            check,
            state,
            found: found.into(),
            remedy: remedy.map(str::to_owned),
        });
        self.ok &= state != CheckStatus::Fail;
    }

    pub fn failed(&mut self, check: &'static str, error: &anyhow::Error) {
        let remedy = hints(error);
        self.note(
            check,
            CheckStatus::Fail,
            format!("{error:#}"),
            (!remedy.is_empty()).then_some(remedy.as_str()),
        );
    }

    /// What was answered; what was not is noted.
    pub fn got<T>(&mut self, check: &'static str, answer: Result<T, impl Into<anyhow::Error>>) -> Option<T> {
        answer.map_err(|error| self.failed(check, &error.into())).ok()
    }

    /// Shows them as a table.
    pub fn show(&self) {
        let mut rows = Vec::new();
        for check in &self.checks {
            let state = match check.state {
                CheckStatus::Ok => "ok",
                CheckStatus::Warn => "look",
                CheckStatus::Fail => "FAIL",
                CheckStatus::Skipped => "skipped",
            };
            rows.push(vec![check.check.to_owned(), state.into(), check.found.clone()]);
            rows.extend(
                check.remedy.iter().map(|remedy| vec![String::new(), String::new(), format!("→ {remedy}")]),
            );
        }
        output::table(&rows);
    }
}
