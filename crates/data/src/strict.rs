//! JSON without a name twice in one object: of two values nobody can know which is meant.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is no JSON value that can be used.
#[derive(Debug)]
pub enum JsonFault {
    /// A name that one object has twice.
    Twice {
        /// The name that occurs twice.
        key: String,
        /// The line, from 1.
        line: usize,
        /// The byte of the line, from 1.
        column: usize,
    },
    /// The text is no JSON.
    Syntax(serde_json::Error),
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice { key, line, column } => {
                write!(f, "`{key}` is there twice in one object at line {line} column {column}")
            }
            Self::Syntax(e) => e.fmt(f),
        }
    }
}

/// Reads one JSON value.
///
/// # Errors
/// When the text is no JSON, or an object in it has a name twice.
pub fn strict_json(text: &str) -> Result<Value, JsonFault> {
    let twice = RefCell::new(None);
    let mut from = serde_json::Deserializer::from_str(text);
    let value = Strict(&twice).deserialize(&mut from).and_then(|value| from.end().map(|()| value));
    value.map_err(|e| match twice.take() {
        Some(key) => JsonFault::Twice { key, line: e.line(), column: e.column() },
        None => JsonFault::Syntax(e),
    })
}

/// Leaves a name that is there twice in its cell.
#[derive(Clone, Copy)]
struct Strict<'a>(&'a RefCell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            out.push(value);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if out.contains_key(&key) {
                *self.0.borrow_mut() = Some(key);
                return Err(A::Error::custom("a name twice"));
            }
            let value = map.next_value_seed(self)?;
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_twice_is_refused_at_every_depth() {
        for (text, key, line) in [
            (r#"{"a":1,"a":1}"#, "a", 1),
            ("[1,\n{\"b\":{\"c\":1,\n\"c\":2}}]", "c", 3),
            (r#"{"text":"a","t\u0065xt":"b"}"#, "text", 1),
        ] {
            match strict_json(text) {
                Err(JsonFault::Twice { key: found, line: at, .. }) => assert_eq!((&*found, at), (key, line)),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(matches!(strict_json("{\"a\":1} x"), Err(JsonFault::Syntax(_))));
    }

    proptest! {
        #[test]
        fn all_else_reads_as_it_does_elsewhere(text in r#"[\[\]{}:, "abe0-9.\\n-]{0,24}"#) {
            if let Ok(value) = strict_json(&text) {
                prop_assert_eq!(value, serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }

    #[test]
    fn every_kind_of_value_is_kept() {
        let text = r#"{"n":null,"t":true,"i":-3,"u":18446744073709551615,"f":1.5e3,"s":"é","l":[[],{}]}"#;
        assert_eq!(strict_json(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }
}
