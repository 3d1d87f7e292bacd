//! The keys of a JSON object in the order of the file: transformers numbers new tokens in it, and a [`Map`] sorts them.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The order of the keys of an object, and of each object that it holds.
#[derive(Default)]
pub(super) struct KeyOrder {
    keys: Vec<String>,
    inner: BTreeMap<String, Vec<String>>,
}

impl KeyOrder {
    /// The order in a file that holds one object.
    pub(super) fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        let Entries(entries) = serde_json::from_slice::<Entries<&RawValue>>(bytes)?;
        let mut inner = BTreeMap::new();
        for (key, value) in &entries {
            if value.get().trim_start().starts_with('{') {
                let Entries(parts) = serde_json::from_str::<Entries<IgnoredAny>>(value.get())?;
                inner.insert(key.clone(), unique(parts));
            }
        }
        Ok(Self { keys: unique(entries), inner })
    }

    /// The entries of the object itself.
    pub(super) fn entries<'a>(
        &'a self,
        map: &'a Map<String, Value>,
    ) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.keys.iter().filter_map(move |key| map.get_key_value(key))
    }

    /// The entries of the object under a key of it; none where there is another value, or none.
    pub(super) fn inner<'a>(
        &'a self,
        key: &str,
        map: &'a Map<String, Value>,
    ) -> impl Iterator<Item = (&'a String, &'a Value)> {
        let object = map.get(key).and_then(Value::as_object);
        let keys = self.inner.get(key).into_iter().flatten();
        keys.filter_map(move |key| object?.get_key_value(key))
    }
}

/// The keys; one that comes again has its first place, as in a dictionary of Python.
fn unique<T>(entries: Vec<(String, T)>) -> Vec<String> {
    let mut seen = HashSet::new();
    entries.into_iter().map(|(key, _)| key).filter(|key| seen.insert(key.clone())).collect()
}

/// The entries of an object as they come in the file.
struct Entries<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Vec<(String, T)> = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order_of_the_file() {
        let text = r#" {"z": 1, "a": {"y": "one", "b": [{}], "y": "two"}, "m": {}, "z": {"k": 0, "c": 0}} "#;
        let order = KeyOrder::read(text.as_bytes()).unwrap();
        let Value::Object(map) = serde_json::from_str(text).unwrap() else { panic!("an object") };
        let keys: Vec<&String> = order.entries(&map).map(|(key, _)| key).collect();
        assert_eq!(keys, ["z", "a", "m"]);
        let inner: Vec<(&String, &Value)> = order.inner("a", &map).collect();
        assert_eq!(inner[0], (&"y".to_owned(), &Value::from("two")));
        assert_eq!((inner.len(), inner[1].0.as_str()), (2, "b"));
        let keys: Vec<&String> = order.inner("z", &map).map(|(key, _)| key).collect();
        assert_eq!(keys, ["k", "c"]);
        assert_eq!(order.inner("m", &map).count() + order.inner("none", &map).count(), 0);
        assert!(KeyOrder::read(b"[1]").is_err());
    }
}
