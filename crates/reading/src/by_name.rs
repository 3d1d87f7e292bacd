//! Choices that files write in the words that flags take.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serializer};

/// Writes what there is as its word.
pub fn serialize<T: Display, S: Serializer>(value: &Option<T>, s: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => s.collect_str(value),
        None => s.serialize_none(),
    }
}

/// Reads a word, where there is one.
pub fn deserialize<'de, T, D>(d: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    Option::<String>::deserialize(d)?.map(|word| word.parse().map_err(D::Error::custom)).transpose()
}

/// Reads an estimator by its name, or whole with its hyperparameters, where there is one.
pub fn estimator<'de, T, D>(d: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display> + DeserializeOwned,
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "expected an estimator by name, or with its hyperparameters as in { lda = { shrinkage = 0.5 } }"
    )]
    enum NameOrWhole<T> {
        Name(String),
        Whole(T),
    }
    match Option::<NameOrWhole<T>>::deserialize(d)? {
        None => Ok(None),
        Some(NameOrWhole::Whole(estimator)) => Ok(Some(estimator)),
        Some(NameOrWhole::Name(name)) => name.parse().map(Some).map_err(D::Error::custom),
    }
}
