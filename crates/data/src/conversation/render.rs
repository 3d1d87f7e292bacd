//! A template's environment, as transformers makes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::NaiveDateTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Error, ErrorKind, Value};

use super::{ChatError, Message, filters, json, python, source};

/// Steps after which a template is taken to loop on: a conversation of a thousand turns takes some ten thousand.
const FUEL: u64 = 20_000_000;
const NAME: &str = "chat template";
/// Names under which a message may carry its reasoning; the first is the one that templates read.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// What a template raised by `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

/// A template and what it may use.
pub(super) struct Environment {
    inner: minijinja::Environment<'static>,
    /// The template as it was given.
    template: String,
    tokens: BTreeMap<String, String>,
    now: NaiveDateTime,
    asked_date: Arc<AtomicBool>,
}

impl Environment {
    /// The environment of a template; else what is wrong with it.
    pub fn new(
        template: String,
        tokens: BTreeMap<String, String>,
        now: NaiveDateTime,
    ) -> Result<Self, String> {
        let mut inner = minijinja::Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        inner.set_syntax(syntax.map_err(|e| e.to_string())?);
        inner.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        inner.set_unknown_method_callback(python::method);
        inner.set_fuel(Some(FUEL));
        filters::add(&mut inner);
        inner.add_filter("tojson", json::tojson);
        inner.add_filter("trim", python::trim);
        inner.add_filter(source::ITEMS, source::items);
        inner.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
        });
        let asked_date = Arc::new(AtomicBool::new(false));
        let asked = asked_date.clone();
        inner.add_function("strftime_now", move |format: String| {
            asked.store(true, Ordering::Relaxed);
            let mut text = String::new();
            match write!(text, "{}", now.format(&as_chrono(&format))) {
                Ok(()) => Ok(text),
                Err(_) => {
                    let what = format!("strftime_now can't say the date as {format:?}");
                    Err(Error::new(ErrorKind::InvalidOperation, what))
                }
            }
        });
        inner.add_template_owned(NAME, source::prepared(&template)).map_err(|e| said(&e, &template))?;
        Ok(Self { inner, template, tokens, now, asked_date })
    }

    pub fn render(&self, messages: &[Message], answer: bool) -> Result<String, ChatError> {
        let failed = |e: Error| match raised(&e) {
            Some(message) => ChatError::Refused(message),
            None if endless(&e) => ChatError::Endless { steps: FUEL, line: e.line() },
            None => ChatError::Failed(said(&e, &self.template)),
        };
        let mut context: Vec<(String, Value)> =
            self.tokens.iter().map(|(name, token)| (name.clone(), token.as_str().into())).collect();
        context.extend([
            ("messages".to_owned(), messages.iter().map(value).collect()),
            ("tools".to_owned(), Value::from(())),
            ("documents".to_owned(), Value::from(())),
            ("add_generation_prompt".to_owned(), answer.into()),
        ]);
        let template = self.inner.get_template(NAME).map_err(failed)?;
        template.render(Value::from_pairs(context)).map_err(failed)
    }

    /// The date, where the template asked for it.
    pub fn date(&self) -> Option<String> {
        self.asked_date.load(Ordering::Relaxed).then(|| self.now.format("%Y-%m-%d").to_string())
    }
}

/// A format of Python's `strftime` as `chrono` has it: a time without a zone says none, and `%f` is microseconds.
fn as_chrono(format: &str) -> String {
    let (mut out, mut chars) = (String::new(), format.chars());
    while let Some(c) = chars.next() {
        match (c, c == '%') {
            (_, true) => match chars.next() {
                Some('Z' | 'z') => {}
                Some('f') => out.push_str("%6f"),
                Some(other) => out.extend(['%', other]),
                None => out.push('%'),
            },
            (c, false) => out.push(c),
        }
    }
    out
}

/// A message as a template sees it.
fn value(message: &Message) -> Value {
    let extra = || message.extra.iter().map(|(name, value)| (name.clone(), of_json(value)));
    let mut fields: Vec<(String, Value)> = Vec::new();
    let reasoning = REASONING.iter().find_map(|name| message.extra.get(*name));
    if let Some(reasoning) = reasoning.filter(|_| !message.extra.contains_key("thinking")) {
        fields.push(("thinking".into(), of_json(reasoning)));
    }
    fields.push(("role".into(), message.role.as_str().into()));
    let content = Value::from(message.content.as_str());
    let parts = || Value::from_pairs([("type", Value::from("text")), ("text", content.clone())]);
    let content = if message.parts { Value::from(vec![parts()]) } else { content };
    fields.push(("content".into(), content));
    fields.extend(extra().filter(|(name, _)| name != REASONING[0]));
    fields.extend(reasoning.map(|r| (REASONING[0].to_owned(), of_json(r))));
    Value::from_pairs(fields)
}

/// A JSON value as a template sees it.
fn of_json(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::from(()),
        Json::Bool(b) => (*b).into(),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(n), _) => n.into(),
            (None, n) => n.unwrap_or(f64::NAN).into(),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => items.iter().map(of_json).collect(),
        Json::Object(fields) => {
            Value::from_pairs(fields.iter().map(|(name, value)| (name.clone(), of_json(value))))
        }
    }
}

fn raised(error: &Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(Raised(message)) = error.downcast_ref() {
            return Some(message.clone());
        }
        source = error.source();
    }
    None
}

/// Whether the steps ran out, in the template or in what it calls.
fn endless(error: &Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.downcast_ref::<Error>().is_some_and(|e| e.kind() == ErrorKind::OutOfFuel) {
            return true;
        }
        source = error.source();
    }
    false
}

/// The longest line of a template that is shown as it is.
const SHOWN: usize = 100;

/// An error in one line, with the line of the template.
fn said(error: &Error, template: &str) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), |d| format!("{}: {d}", error.kind()));
    let Some(number) = error.line() else { return what };
    let lines = template.replace("\r\n", "\n").replace('\r', "\n");
    let line = lines.split('\n').nth(number.saturating_sub(1)).unwrap_or_default().trim();
    let used = source::used(line);
    match line.chars().count() {
        0 => format!("{what} (line {number} of the template)"),
        n if n <= SHOWN => format!("{what} (line {number} of the template: {line})"),
        _ if used.is_empty() => format!("{what} (line {number} of the template)"),
        _ => format!("{what} (line {number} of the template, which uses {})", used.join(", ")),
    }
}
