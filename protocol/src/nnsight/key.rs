//! How a service names a model.

use std::fmt;

/// A hosted model. Services compare its text form character by character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelKey {
    /// Repository on the Hugging Face hub, `org/name`.
    pub repo_id: String,
    /// A branch, tag or commit; none for the service's own default.
    pub revision: Option<String>,
}

impl fmt::Display for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = |s: &str| serde_json::Value::from(s).to_string();
        let revision = self.revision.as_deref().map_or_else(|| "null".into(), json);
        // Python's `json.dumps` puts a space behind colons and commas.
        write!(
            f,
            "nnsight.modeling.transformers.TransformersModel:{{\"repo_id\": {}, \"revision\": {revision}, \"task\": \"text-generation\"}}",
            json(&self.repo_id),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_spelled_as_python_spells_it() {
        let mut key = ModelKey { repo_id: "allenai/Olmo-3-1125-32B".into(), revision: None };
        let lead = "nnsight.modeling.transformers.TransformersModel:";
        assert_eq!(
            key.to_string(),
            format!(
                "{lead}{}",
                r#"{"repo_id": "allenai/Olmo-3-1125-32B", "revision": null, "task": "text-generation"}"#
            )
        );
        key.revision = Some("stage1-step1000".into());
        assert!(key.to_string().contains(r#""revision": "stage1-step1000", "task""#));
    }
}
