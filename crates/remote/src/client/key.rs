//! The user's key. It goes into one header and nowhere else.

use std::fmt;

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::ClientError;

/// The header that carries the key.
const HEADER: HeaderName = HeaderName::from_static("ndif-api-key");
/// What stands in its place wherever text is shown.
const REDACTED: &str = "[api key]";

/// An API key. Its text is neither shown nor kept: `Debug` hides it, and errors have it blotted out
/// even where a service repeats it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    value: HeaderValue,
    /// The header that carries it, with what stands before it there.
    header: (HeaderName, &'static str),
    /// Where the user keeps it, for messages.
    origin: Option<String>,
}

impl ApiKey {
    /// A key as the user gave it; blanks around it are dropped.
    ///
    /// # Errors
    /// When it is empty or holds characters that no header may carry. The error does not show it.
    pub fn new(text: &str) -> Result<Self, ClientError> {
        let text = text.trim();
        let mut value = HeaderValue::from_str(text).map_err(|_| ClientError::Key)?;
        if text.is_empty() || value.to_str().is_err() {
            return Err(ClientError::Key);
        }
        value.set_sensitive(true);
        Ok(Self { value, header: (HEADER, ""), origin: None })
    }

    /// The same key as services of chat completions take it, `Authorization: Bearer KEY`.
    #[must_use]
    pub fn bearer(self) -> Self {
        Self { header: (AUTHORIZATION, "Bearer "), ..self }
    }

    /// With where it came from, such as a variable or a file, so that errors can name the place.
    #[must_use]
    pub fn with_origin(self, origin: impl Into<String>) -> Self {
        Self { origin: Some(origin.into()), ..self }
    }

    pub(super) fn origin(&self) -> Option<&String> {
        self.origin.as_ref()
    }

    pub(super) fn header(&self) -> (HeaderName, HeaderValue) {
        let (name, before) = &self.header;
        let whole = [before.as_bytes(), self.value.as_bytes()].concat();
        // What stands before it is plain text, so a value it stays.
        let mut value = HeaderValue::from_bytes(&whole).unwrap_or_else(|_| self.value.clone());
        value.set_sensitive(true);
        (name.clone(), value)
    }

    pub(super) fn blot(&self, text: &str) -> String {
        match self.value.to_str() {
            Ok(key) if text.contains(key) => text.replace(key, REDACTED),
            _ => text.to_owned(),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        let key = ApiKey::new(" s3cret \n").unwrap();
        assert_eq!(format!("{key:?} {:?}", key.header().1), "ApiKey(…) Sensitive");
        assert_eq!(key.header().1.to_str().unwrap(), "s3cret");
        let (name, value) = key.clone().bearer().header();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer s3cret"));
        assert!(value.is_sensitive());
        assert_eq!(key.blot("no such key: s3cret"), "no such key: [api key]");
    }

    #[test]
    fn what_no_header_may_carry_is_refused_unseen() {
        for bad in ["", "  ", "a\nb", "schlüssel"] {
            let error = ApiKey::new(bad).unwrap_err();
            assert!(bad.trim().is_empty() || !format!("{error:?} {error}").contains(bad.trim()), "{bad:?}");
        }
    }
}
