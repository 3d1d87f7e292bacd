//! Whether a service runs the model that was described to this side.
//!
//! A graph is checked, and its sites are found, by a configuration that was read here. Of another model
//! the same graph would run, if the two are alike in form, and its numbers would mean nothing.

use serde_json::{Map, Value};

/// Keys that say what a model computes, by the names of all families; those that only one side has say
/// nothing, because a service leaves out what is its family's default.
const KEYS: [&str; 23] = [
    "model_type",
    "hidden_size",
    "n_embd",
    "num_hidden_layers",
    "n_layer",
    "vocab_size",
    "num_attention_heads",
    "n_head",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "n_inner",
    "hidden_act",
    "activation_function",
    "rms_norm_eps",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "rope_theta",
    "rotary_pct",
    "sliding_window",
    "final_logit_softcapping",
    "attn_logit_softcapping",
    "query_pre_attn_scalar",
];

/// What the configuration that a service tells of its model says otherwise than the one read here, a
/// sentence part each.
pub fn differences(read: &Value, told: &str) -> Vec<String> {
    let Ok(told) = serde_json::from_str::<Value>(told) else { return vec![] };
    let (Some(read), Some(told)) = (text_part(read), text_part(&told)) else { return vec![] };
    let differs = |key: &&str| {
        let (here, there) = (read.get(*key)?, told.get(*key)?);
        (!here.is_null() && !there.is_null() && !same(here, there))
            .then(|| format!("{key} is {there} there and {here} here"))
    };
    KEYS.iter().filter_map(differs).collect()
}

/// Of a model that also sees, the half that reads text.
fn text_part(config: &Value) -> Option<&Map<String, Value>> {
    config.get("text_config").unwrap_or(config).as_object()
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        // Written by two programs, one of which may have held it in f32.
        (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * a.abs().max(b.abs()),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_both_sides_say_is_compared() {
        let read = json!({"model_type": "llama", "hidden_size": 576, "rms_norm_eps": 1e-5, "rope_theta": 1e4,
                          "n_layer": null, "use_cache": true});
        let told = |v: &Value| differences(&read, &v.to_string());
        assert!(told(&read).is_empty());
        // What is missing, null, written otherwise or of no consequence says nothing.
        let alike = json!({"model_type": "llama", "rope_theta": 10000, "n_layer": 3, "use_cache": false,
                           "rms_norm_eps": f64::from(1e-5_f32)});
        assert!(told(&alike).is_empty(), "{:?}", told(&alike));
        assert!(differences(&read, "not json").is_empty());
        let other = json!({"model_type": "qwen2", "hidden_size": 896});
        let want =
            ["model_type is \"qwen2\" there and \"llama\" here", "hidden_size is 896 there and 576 here"];
        assert_eq!(told(&other), want);
        let seeing = json!({"model_type": "gemma3", "text_config": read});
        assert!(differences(&seeing, &read.to_string()).is_empty());
    }
}
