//! Texts as a program has them.

use std::convert::Infallible;
use std::path::Path;

use serde_json::json;
use truenorth_data::{Distinct, NearCopies, Pair, Template, read_pairs};

use crate::analyses::NamedPrompt;
use crate::analyses::extract::LabelledTexts;
use crate::error::{Error, ErrorContext as _};

/// Texts under their numbers, from 1.
pub(super) fn named<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<NamedPrompt> {
    let number = |(i, text): (usize, T)| NamedPrompt::text((i + 1).to_string(), text.as_ref());
    texts.into_iter().enumerate().map(number).collect()
}

/// Contrastive pairs, read and checked: copies are counted once, near copies stay together in every split.
///
/// Wherever pairs are wanted, the path of a file and a list of `(prompt, chosen, rejected)` do too.
#[derive(Clone, Debug)]
pub struct Pairs {
    distinct: Distinct<Pair>,
    notes: Vec<String>,
}

impl Pairs {
    /// Reads a file: JSON lines with `prompt`, `chosen`, `rejected` and, where axes are held out, `axis`; or any other
    /// form that `--pairs` takes.
    ///
    /// # Errors
    /// When the file can't be read, or a row lacks a field, is said twice or contradicts another; file and line are
    /// named.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let bytes = std::fs::read(path).request(format!("can't read pairs from {name}"))?;
        Self::of(&bytes, &name)
    }

    /// Pairs of `(prompt, chosen, rejected)`, where `chosen` is the response at the positive end.
    ///
    /// # Errors
    /// When there are none, or one contradicts another; they are named by number, from 1.
    pub fn new<P, C, R>(pairs: impl IntoIterator<Item = (P, C, R)>) -> Result<Self, Error>
    where
        P: AsRef<str>,
        C: AsRef<str>,
        R: AsRef<str>,
    {
        let line = |(i, (prompt, chosen, rejected)): (usize, (P, C, R))| {
            let (prompt, chosen, rejected) = (prompt.as_ref(), chosen.as_ref(), rejected.as_ref());
            let id = (i + 1).to_string();
            format!("{}\n", json!({ "id": id, "prompt": prompt, "chosen": chosen, "rejected": rejected }))
        };
        let lines: String = pairs.into_iter().enumerate().map(line).collect();
        Self::of(lines.as_bytes(), "the pairs")
    }

    fn of(bytes: &[u8], name: &str) -> Result<Self, Error> {
        let template = Template::default();
        let loaded = read_pairs(bytes, name, &template).request(format!("can't read pairs from {name}"))?;
        let notes = loaded.notes.clone();
        let distinct = Distinct::pairs(loaded, &template, NearCopies::default())?;
        Ok(Self { distinct, notes })
    }

    /// Pairs that stay once copies are left out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.distinct.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.distinct.rows.is_empty()
    }

    /// What a user should know of how they were read.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The pairs as labelled texts, put together by the default template.
    #[must_use]
    pub fn question(&self) -> LabelledTexts {
        LabelledTexts::pairs(&self.distinct, &Template::default())
    }
}

impl From<&Pairs> for Pairs {
    fn from(pairs: &Pairs) -> Self {
        pairs.clone()
    }
}

impl TryFrom<&str> for Pairs {
    type Error = Error;

    fn try_from(path: &str) -> Result<Self, Error> {
        Self::open(path)
    }
}

impl TryFrom<&Path> for Pairs {
    type Error = Error;

    fn try_from(path: &Path) -> Result<Self, Error> {
        Self::open(path)
    }
}

impl<P: AsRef<str>, C: AsRef<str>, R: AsRef<str>> TryFrom<Vec<(P, C, R)>> for Pairs {
    type Error = Error;

    fn try_from(pairs: Vec<(P, C, R)>) -> Result<Self, Error> {
        Self::new(pairs)
    }
}

impl<P: AsRef<str>, C: AsRef<str>, R: AsRef<str>, const N: usize> TryFrom<[(P, C, R); N]> for Pairs {
    type Error = Error;

    fn try_from(pairs: [(P, C, R); N]) -> Result<Self, Error> {
        Self::new(pairs)
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
