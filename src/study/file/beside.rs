//! A table that holds an analysis's parameters beside keys of the study's own.
//!
//! `#[serde(flatten)]` reads such a table too, but from a buffer that forgets where in the file a key stands.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A table with parameters and keys of its own.
pub(super) trait TableWithParams<'de>: Default {
    type Params: Deserialize<'de>;
    const OWN: &'static [&'static str];

    /// Takes the value of one of its own keys.
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;

    /// Itself with the parameters.
    fn with(self, params: Self::Params) -> Self;
}

/// Reads a table in one pass.
pub(super) fn read<'de, T: TableWithParams<'de>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    d.deserialize_map(TableVisitor(PhantomData))
}

struct TableVisitor<T>(PhantomData<T>);

impl<'de, T: TableWithParams<'de>> Visitor<'de> for TableVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let mut own = T::default();
        let params = T::Params::deserialize(MapAccessDeserializer::new(Rest { map, own: &mut own }))?;
        Ok(own.with(params))
    }
}

/// What is left of a table once its own keys are taken.
struct Rest<'a, A, T> {
    map: A,
    own: &'a mut T,
}

impl<'de, A: MapAccess<'de>, T: TableWithParams<'de>> MapAccess<'de> for Rest<'_, A, T> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            if !T::OWN.contains(&key.as_str()) {
                return seed.deserialize(key.into_deserializer()).map(Some);
            }
            self.own.take(&key, &mut self.map)?;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
