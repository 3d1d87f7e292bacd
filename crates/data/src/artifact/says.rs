//! What a foreign file says of the direction in it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use truenorth_protocol::Site;
use truenorth_protocol::site::meant;

/// Where the direction lives, what it means and what it was found on, as far as the file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Says {
    pub site: Option<Site>,
    /// The layer that it names without a site.
    pub layer: Option<i64>,
    pub sign: Option<String>,
    pub model: Option<String>,
    pub revision: Option<String>,
    /// A place that it names, of which the site is not certain, and why.
    pub unsure: Option<String>,
    /// What else it says, for the record.
    pub extra: BTreeMap<String, String>,
}

/// Names of each entry, in the order looked for.
const SITE: [&str; 4] = ["site", "hook_name", "hook_point", "hook"];
const SIGN: [&str; 4] = ["sign", "positive", "positive_means", "sign_convention"];
const MODEL: [&str; 5] = ["model", "model_name", "model_id", "base_model", "hf_model"];
const REVISION: [&str; 2] = ["revision", "model_revision"];
const LAYER: [&str; 4] = ["layer", "hook_layer", "hook_point_layer", "layer_idx"];

impl Says {
    /// From a JSON object; nested ones under `metadata` count too, and a site is also one by the name of its hook.
    pub fn of(map: &Map<String, Value>) -> Self {
        let inner = map.get("metadata").and_then(Value::as_object);
        let text = |names: &[&str]| {
            let all = names.iter().filter_map(|n| map.get(*n).or_else(|| inner?.get(*n)));
            all.filter_map(Value::as_str).find(|t| !t.trim().is_empty()).map(str::to_owned)
        };
        let name = text(&SITE);
        let site = name.as_ref().and_then(|name| name.parse().ok().or_else(|| hook(name)));
        let layer = LAYER.iter().find_map(|n| map.get(*n).or_else(|| inner?.get(*n))?.as_i64());
        let apart = layer
            .zip(site)
            .filter(|(layer, site)| site.layer().is_some_and(|own| *layer >= 0 && i64::from(own) != *layer));
        let bare = layer.filter(|_| name.is_none());
        let of_layer = || {
            bare.map(|layer| {
                format!(
                    "it says layer {layer}, and not whether that is a block or a place among hidden_states"
                )
            })
        };
        let of_name = |name: String| match (apart, site, meant(&name)) {
            (Some((layer, site)), ..) => {
                Some(format!("it says layer {layer} and `{name}`, which is {site}: two layers"))
            }
            (None, Some(_), _) => None,
            (None, None, Some(meant)) => Some(format!("it says `{name}`; {meant}")),
            (None, None, None) => Some(format!("it says `{name}`, which is no site here")),
        };
        let unsure = name.map_or_else(of_layer, of_name);
        let site = site.filter(|_| apart.is_none());
        Self {
            site,
            layer: bare,
            unsure,
            sign: text(&SIGN),
            model: text(&MODEL),
            revision: text(&REVISION),
            extra: BTreeMap::new(),
        }
    }

    /// Takes from another what this one does not say.
    pub fn fill(&mut self, other: Self) {
        self.site = self.site.or(other.site);
        self.layer = self.layer.or(other.layer);
        for (own, other) in [
            (&mut self.sign, other.sign),
            (&mut self.model, other.model),
            (&mut self.revision, other.revision),
            (&mut self.unsure, other.unsure),
        ] {
            *own = own.take().or(other);
        }
    }

    /// From a JSON text; none where it is no object.
    pub fn of_json(text: &str) -> Option<Self> {
        match serde_json::from_str(text).ok()? {
            Value::Object(map) => Some(Self::of(&map)),
            _ => None,
        }
    }

    /// Kept for the record.
    pub fn note(&mut self, key: &str, value: impl Into<String>) {
        self.extra.insert(key.to_owned(), value.into());
    }
}

/// The site that another library's name is, where both are one for certain; else the site is asked for.
fn hook(name: &str) -> Option<Site> {
    meant(name)?.certain()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_sites() {
        for (name, site) in [
            ("blocks.8.hook_resid_pre", Some(Site::ResidPre(8))),
            ("blocks.0.hook_mlp_out", Some(Site::MlpOut(0))),
            ("model.layers.31", Some(Site::ResidPost(31))),
            ("blocks.8.attn.hook_z", None),
            ("model.layers.3.mlp", None),
            ("blocks.x.hook_resid_pre", None),
            ("hidden", None),
        ] {
            assert_eq!(hook(name), site, "{name}");
        }
    }

    #[test]
    fn entries_are_found_under_the_names_of_the_field() {
        let says = Says::of_json(
            r#"{"d_in": 4, "metadata": {"hook_name": "blocks.3.hook_resid_post", "model_name": "gpt2"}, "sign": "kind"}"#,
        )
        .unwrap();
        assert_eq!((says.site, says.model.as_deref()), (Some(Site::ResidPost(3)), Some("gpt2")));
        assert_eq!(says.sign.as_deref(), Some("kind"));
        let odd = Says::of_json(r#"{"site": "somewhere", "sign": 1, "model": ""}"#).unwrap();
        assert_eq!(odd.unsure.as_deref(), Some("it says `somewhere`, which is no site here"));
        assert_eq!(Says { unsure: None, ..odd }, Says::default());
        let two = Says::of_json(r#"{"layer": 1, "hook": "blocks.0.hook_resid_post"}"#).unwrap();
        let why = two.unsure.unwrap();
        assert!(two.site.is_none() && why.contains("layer 1") && why.contains("resid_post.0"), "{why}");
        let one = Says::of_json(r#"{"hook_layer": 8, "hook_name": "blocks.8.hook_resid_pre"}"#).unwrap();
        assert_eq!((one.site, one.unsure), (Some(Site::ResidPre(8)), None));
        let last = Says::of_json(r#"{"site": "hidden_states[30]"}"#).unwrap();
        assert_eq!(last.site, None);
        assert!(last.unsure.unwrap().contains("of a model of 30 blocks"));
        assert_eq!(Says::of_json("[1]"), None);
    }
}
