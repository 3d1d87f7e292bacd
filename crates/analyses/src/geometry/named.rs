//! A checkpoint as it is written: a model, what results call it, and its stage of training.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use truenorth_reading::AnalysisError;

/// A checkpoint: a model by any name that `--model` takes, what results call it, and the stage of training it is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// The model, with its revision: each checkpoint may be of another repository.
    pub model: String,
    /// What results call it; by default as the model.
    pub name: String,
    /// The stage of training, such as `pre` or `SFT`.
    pub stage: Option<String>,
}

/// The keys of a checkpoint that is written as a table.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CheckpointTable {
    /// As `--model`.
    model: String,
    /// What results call it; as the model when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Its stage of training.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
}

impl Checkpoint {
    /// A model that is called as it is.
    #[must_use]
    pub fn of(model: impl Into<String>) -> Self {
        let model = model.into();
        Self { name: model.clone(), model, stage: None }
    }

    fn checked(self, from: &str) -> Result<Self, AnalysisError> {
        let empty =
            [("model", &self.model), ("name", &self.name)].into_iter().find(|(_, s)| s.trim().is_empty());
        let stage = self.stage.as_ref().is_some_and(|s| s.trim().is_empty());
        match empty.map(|(what, _)| what).or(stage.then_some("stage")) {
            Some(what) => Err(AnalysisError::Input(format!(
                "checkpoint `{from}` has an empty {what}; expected a model, or NAME[@STAGE]=MODEL"
            ))),
            None => Ok(self),
        }
    }

    /// Reads a list, a checkpoint a line as [`Checkpoint::from_str`] takes them; empty lines and such that begin with
    /// `#` are left out.
    ///
    /// # Errors
    /// When a line can't be read, or none is left.
    pub fn list(text: &str) -> Result<Vec<Self>, AnalysisError> {
        // A byte order mark is no letter of the first name, and a line may end in CR alone.
        let text = text.trim_start_matches('\u{feff}');
        let lines = text.split(['\n', '\r']).map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let all: Vec<Self> = lines.map(str::parse).collect::<Result<_, _>>()?;
        if all.is_empty() {
            return Err(AnalysisError::Input(
                "no checkpoint in the list; write one a line, as MODEL or NAME[@STAGE]=MODEL".into(),
            ));
        }
        Ok(all)
    }
}

impl FromStr for Checkpoint {
    type Err = AnalysisError;

    /// `MODEL`, or `NAME[@STAGE]=MODEL`. What stands before a `=` is a name unless it holds a `/`, a `\\` or a `:`, as a
    /// path or a repository does.
    fn from_str(text: &str) -> Result<Self, AnalysisError> {
        let named = text.split_once('=').filter(|(name, _)| !name.contains(['/', '\\', ':']));
        let Some((name, model)) = named else { return Self::of(text).checked(text) };
        let (name, stage) = match name.rsplit_once('@') {
            Some((name, stage)) => (name, Some(stage.trim().to_owned())),
            None => (name, None),
        };
        Self { model: model.trim().to_owned(), name: name.trim().to_owned(), stage }.checked(text)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.stage, self.name == self.model) {
            (None, true) => f.write_str(&self.model),
            (None, false) => write!(f, "{}={}", self.name, self.model),
            (Some(stage), _) => write!(f, "{}@{stage}={}", self.name, self.model),
        }
    }
}

impl Serialize for Checkpoint {
    /// As it is shortest: a model alone stays a string.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let named = self.name != self.model;
        if !named && self.stage.is_none() {
            return s.serialize_str(&self.model);
        }
        let name = named.then(|| self.name.clone());
        CheckpointTable { model: self.model.clone(), name, stage: self.stage.clone() }.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Checkpoint {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Either)
    }
}

/// Reads a string as it is, or a table; an error names the key.
struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Checkpoint;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a model, or a table with `model`, `name` and `stage`")
    }

    fn visit_str<E: serde::de::Error>(self, model: &str) -> Result<Checkpoint, E> {
        Checkpoint::of(model).checked(model).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Checkpoint, A::Error> {
        let CheckpointTable { model, name, stage } =
            CheckpointTable::deserialize(MapAccessDeserializer::new(map))?;
        let from = model.clone();
        let name = name.unwrap_or_else(|| model.clone());
        Checkpoint { model, name, stage }.checked(&from).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Checkpoint {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Checkpoint".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = CheckpointTable::json_schema(generator);
        schema.insert("type".into(), serde_json::json!(["string", "object"]));
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_written_as_it_is_read() {
        let said = |text: &str| text.parse::<Checkpoint>().unwrap();
        let named = said("step 4@mid=org/model@stage2-step4000");
        assert_eq!((named.name.as_str(), named.stage.as_deref()), ("step 4", Some("mid")));
        assert_eq!(named.model, "org/model@stage2-step4000");
        // Neither a path nor a repository is a name.
        for plain in ["org/model@rev", "./runs/lr=0.1/step-1", "random-init:a.gguf#1", "runs\\lr=1"] {
            assert_eq!(said(plain), Checkpoint::of(plain));
        }
        for text in ["org/model@rev", "a=org/m", "a@SFT=org/m"] {
            let one = said(text);
            assert_eq!(one.to_string(), text);
            let json = serde_json::to_string(&one).unwrap();
            assert_eq!(serde_json::from_str::<Checkpoint>(&json).unwrap(), one, "{json}");
        }
        assert_eq!(serde_json::to_string(&said("org/m")).unwrap(), "\"org/m\"");
        let list = Checkpoint::list("# of two repositories\n\na@pre=x/y@1\nb@SFT=x/z\n").unwrap();
        assert_eq!(list.iter().map(|c| c.model.as_str()).collect::<Vec<_>>(), ["x/y@1", "x/z"]);
        let marked = Checkpoint::list("\u{feff}# of two\ra@pre=x/y@1\rb@SFT=x/z\r").unwrap();
        assert_eq!(marked, list);
        assert_eq!(Checkpoint::list("\u{feff}a@pre=x/y@1\nb@SFT=x/z").unwrap(), list);
    }

    #[test]
    fn what_is_empty_or_unknown_is_refused_by_name() {
        for bad in ["", "=org/m", "a=", "a@=org/m"] {
            let e = bad.parse::<Checkpoint>().unwrap_err().to_string();
            assert!(e.contains(&format!("`{bad}`")) && e.contains("NAME[@STAGE]=MODEL"), "{e}");
        }
        assert!(Checkpoint::list("# none\n").unwrap_err().to_string().contains("one a line"));
        let e = toml::from_str::<std::collections::BTreeMap<String, Checkpoint>>(
            "a = {model = \"m\", stages = \"x\"}",
        );
        assert!(e.unwrap_err().to_string().contains("stages"));
    }
}
