//! The error of whatever does several things: what failed, whose fault it is, and what to do.

use std::error::Error as StdError;

use truenorth_data::artifact::DirectionError;
use truenorth_data::import::ImportError;
use truenorth_data::models::ModelsError;
use truenorth_data::store::StoreError;
use truenorth_data::{CopiesError, DataError, DataSetError, TemplateError};
use truenorth_engine::error::EngineError;
use truenorth_engine::load::LoadError;
use truenorth_engine::tokenizer::TokenizerError;
use truenorth_protocol::run::RunError;
use truenorth_remote::client::ClientError;
#[cfg(feature = "serve")]
use truenorth_remote::server::ServerError;
use truenorth_report::ReportError;
use truenorth_stats::estimate::{EstimateError, UnknownEstimator};
use truenorth_stats::math::MathError;
use truenorth_verify::claims::ClaimsError;

use crate::analyses::AnalysisError;

/// Who can mend an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong; nothing was sent or written.
    Request,
    /// Stopped on request; the same again goes on.
    Interrupted,
    /// The work failed for a reason that is not in the request.
    Failed,
}

/// An error with its causes, a remedy, and whose fault it is.
#[derive(Debug)]
pub struct Error {
    /// What was to be done; none where the cause says it all.
    what: Option<String>,
    hint: Option<String>,
    /// Whether it is the request's fault whatever the cause is.
    request: bool,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    /// Flags and what they are called where this was asked.
    words: Vec<(String, String)>,
}

impl Error {
    /// An error of the request: nothing was sent or written.
    pub fn request(what: impl Into<String>) -> Self {
        Self { what: Some(what.into()), hint: None, request: true, cause: None, words: vec![] }
    }

    /// An error of the work, not of the request.
    pub fn failed(what: impl Into<String>) -> Self {
        Self { request: false, ..Self::request(what) }
    }

    /// An error that says all by itself.
    #[must_use]
    pub fn passed_on(cause: Box<dyn StdError + Send + Sync>) -> Self {
        Self { what: None, hint: None, request: false, cause: Some(cause), words: vec![] }
    }

    /// With a remedy.
    #[must_use]
    pub fn with_hint(mut self, remedy: impl Into<String>) -> Self {
        self.hint = Some(remedy.into());
        self
    }

    /// Says flags in other words, as a study calls them by its keys: each flag as `--name` with what stands for it.
    #[must_use]
    pub fn in_words(mut self, words: Vec<(String, String)>) -> Self {
        self.words = words;
        self
    }

    /// With what brought it about.
    #[must_use]
    pub fn caused_by(mut self, cause: Self) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// Whose fault it is, by what it says itself or by its causes.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        kind(self)
    }

    /// What to do about it: the remedies of the error and its causes in one text, if there are any.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hints = self.hints();
        (!hints.is_empty()).then(|| hints.join("; "))
    }

    /// The remedies of the error and its causes, each once.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        hints(self)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.what, &self.cause) {
            (Some(what), _) => f.write_str(what),
            (None, Some(cause)) => cause.fmt(f),
            (None, None) => f.write_str("nothing is known of the cause"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let cause = self.cause.as_deref().map(|c| c as &(dyn StdError + 'static));
        if self.what.is_some() { cause } else { cause?.source() }
    }
}

/// Says what was to be done when something failed.
pub trait ErrorContext<T> {
    /// Keeps whose fault it is.
    ///
    /// # Errors
    /// When the value is one, with this before it.
    fn context(self, what: impl Into<String>) -> Result<T, Error>;

    /// Marks it as the request's fault.
    ///
    /// # Errors
    /// As [`ErrorContext::context`].
    fn request(self, what: impl Into<String>) -> Result<T, Error>;
}

impl<T, E: StdError + Send + Sync + 'static> ErrorContext<T> for Result<T, E> {
    fn context(self, what: impl Into<String>) -> Result<T, Error> {
        self.map_err(|e| Error { cause: Some(Box::new(e)), ..Error::failed(what) })
    }

    fn request(self, what: impl Into<String>) -> Result<T, Error> {
        self.map_err(|e| Error { cause: Some(Box::new(e)), ..Error::request(what) })
    }
}

impl<T> ErrorContext<T> for Option<T> {
    fn context(self, what: impl Into<String>) -> Result<T, Error> {
        self.ok_or_else(|| Error::failed(what))
    }

    fn request(self, what: impl Into<String>) -> Result<T, Error> {
        self.ok_or_else(|| Error::request(what))
    }
}

/// Errors of the parts, each of which says all by itself.
macro_rules! parts {
    ($($part:ty),+ $(,)?) => {
        $(impl From<$part> for Error {
            fn from(cause: $part) -> Self {
                Self::passed_on(Box::new(cause))
            }
        })+

        /// The remedy that an error of a part gives, if it is one that does.
        fn hint_of(cause: &(dyn StdError + 'static)) -> Option<String> {
            if let Some(e) = cause.downcast_ref::<Error>() {
                return e.hint.clone();
            }
            $(if let Some(e) = cause.downcast_ref::<$part>() {
                return Remedy::of(e);
            })+
            #[cfg(feature = "serve")]
            if let Some(e) = cause.downcast_ref::<ServerError>() {
                return e.hint().map(Into::into);
            }
            None
        }
    };
}

/// A part's own remedy.
trait Remedy {
    fn of(&self) -> Option<String>;
}

macro_rules! remedies {
    (with: $($with:ty),+; without: $($without:ty),+ $(,)?) => {
        $(impl Remedy for $with {
            fn of(&self) -> Option<String> {
                self.hint().map(Into::into)
            }
        })+
        $(impl Remedy for $without {
            fn of(&self) -> Option<String> {
                None
            }
        })+
        parts!($($with),+, $($without),+);
    };
}

remedies! {
    with: RunError, ModelsError, StoreError, EngineError, LoadError, TokenizerError, DirectionError, EstimateError,
        DataError, DataSetError, CopiesError, ImportError, AnalysisError, ClientError, ReportError,
        ClaimsError;
    without: MathError, TemplateError, UnknownEstimator, serde_json::Error,
}

/// An error and its causes, those that an [`Error`] only passes on in its place.
pub fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let passed = |e: &'a (dyn StdError + 'static)| match e.downcast_ref::<Error>() {
        Some(Error { what: None, cause: Some(cause), .. }) => &**cause as &(dyn StdError + 'static),
        _ => e,
    };
    std::iter::successors(Some(error), next).map(passed)
}

fn next<'a>(error: &&'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    (*error).source()
}

/// What an error and each of its causes say, in the words of whoever asked.
#[must_use]
pub fn messages(error: &(dyn StdError + 'static)) -> Vec<String> {
    causes(error).map(|cause| reworded(error, cause.to_string())).collect()
}

/// A text of an error or its causes with flags in the words of whoever asked.
fn reworded(error: &(dyn StdError + 'static), text: String) -> String {
    let all = std::iter::successors(Some(error), next);
    let own = all.filter_map(|e| e.downcast_ref::<Error>()).find(|e| !e.words.is_empty());
    let Some(Error { words, .. }) = own else { return text };
    let mut said = String::new();
    let mut rest = &text[..];
    while let Some(at) = rest.find("--") {
        let (before, from) = rest.split_at(at);
        let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let flag = &from[..from.find(|c| !part(c)).unwrap_or(from.len())];
        let word = words.iter().find(|(name, _)| name == flag).map_or(flag, |(_, word)| word);
        said.push_str(before);
        rest = &from[flag.len()..];
        // `ends (--ends)` says the same twice now.
        match (said.strip_suffix(&format!("{word} (")), rest.strip_prefix(')')) {
            (Some(lead), Some(after)) => (said, rest) = (format!("{lead}{word}"), after),
            _ => said.push_str(word),
        }
    }
    said + rest
}

/// The remedies of an error and its causes, each once.
#[must_use]
pub fn hints(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in causes(error).filter_map(hint_of).map(|hint| reworded(error, hint)) {
        // The hint of a cause may stand in that of its effect.
        if !hints.iter().any(|said| said.contains(&hint)) {
            hints.push(hint);
        }
    }
    hints
}

/// Whose fault an error is, by the first of its causes that says so; else [`ErrorKind::Failed`].
#[must_use]
pub fn kind(error: &(dyn StdError + 'static)) -> ErrorKind {
    causes(error).find_map(kind_of).unwrap_or(ErrorKind::Failed)
}

fn kind_of(cause: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    let request = |yes: bool| if yes { ErrorKind::Request } else { ErrorKind::Failed };
    if cause.is::<EstimateError>()
        || cause.is::<UnknownEstimator>()
        || cause.is::<ClaimsError>()
        || matches!(cause.downcast_ref(), Some(ReportError::Foreign { .. }))
        || cause.downcast_ref::<Error>().is_some_and(|e| e.request)
    {
        return Some(ErrorKind::Request);
    }
    if let Some(e) = cause.downcast_ref::<ClientError>() {
        let interrupted = matches!(e, ClientError::Interrupted);
        return Some(if interrupted { ErrorKind::Interrupted } else { request(e.is_request()) });
    }
    if let Some(e) = cause.downcast_ref::<ModelsError>() {
        let interrupted = matches!(e, ModelsError::Cancelled);
        return Some(if interrupted { ErrorKind::Interrupted } else { request(e.is_bad_request()) });
    }
    let run = match cause.downcast_ref::<AnalysisError>() {
        Some(AnalysisError::Run(e)) => Some(e),
        _ => cause.downcast_ref::<RunError>(),
    };
    if let Some(e) = run {
        let interrupted = matches!(e, RunError::Interrupted);
        return Some(if interrupted { ErrorKind::Interrupted } else { request(e.is_request()) });
    }
    cause.downcast_ref::<AnalysisError>().is_some_and(AnalysisError::is_request).then_some(ErrorKind::Request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_whose_fault_it_is_and_every_remedy() {
        let run = || RunError::Request { what: "bad".into(), hint: Some("better".into()) };
        let e = Error::from(run());
        assert_eq!(
            (e.to_string().as_str(), e.kind(), e.hints()),
            ("bad", ErrorKind::Request, vec!["better".into()])
        );
        let e = Err::<(), _>(Error::from(AnalysisError::from(run()))).context("can't ask").unwrap_err();
        assert_eq!(
            (e.to_string().as_str(), e.kind(), e.hints()),
            ("can't ask", ErrorKind::Request, vec!["better".into()])
        );
        assert_eq!(causes(&e).count(), 2);
        let flags =
            || RunError::Request { what: "3 --ends".into(), hint: Some("fewer --ends, --ends-at".into()) };
        let e = Error::from(AnalysisError::from(flags()));
        assert_eq!(
            (messages(&e), e.hints()),
            (vec!["3 --ends".into()], vec!["fewer --ends, --ends-at".into()])
        );
        let e = e.in_words(vec![("--ends".into(), "ends".into())]);
        assert_eq!((messages(&e), e.hints()), (vec!["3 ends".into()], vec!["fewer ends, --ends-at".into()]));
        let e = Err::<(), _>(e).context("can't ask").unwrap_err();
        assert_eq!(messages(&e), ["can't ask", "3 ends"]);
        assert_eq!(Error::failed("disk").with_hint("more room").hints(), ["more room"]);
        assert_eq!(Error::from(RunError::Interrupted).kind(), ErrorKind::Interrupted);
        let e =
            Err::<(), _>(MathError::TooFew { what: "rows", least: 2, found: 1 }).request("no").unwrap_err();
        assert_eq!((e.kind(), causes(&e).count()), (ErrorKind::Request, 2));
    }
}
