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
    "rotary_pct",
    "sliding_window",
    "final_logit_softcapping",
    "attn_logit_softcapping",
    "query_pre_attn_scalar",
    "tie_word_embeddings",
];

/// Keys of which null is a value like others: there is then no such thing.
const OR_NONE: [&str; 2] = ["final_logit_softcapping", "attn_logit_softcapping"];

/// Keys of the rotations. Files before transformers 5 have the first by itself and the others under
/// `rope_scaling`; later ones have all of them under `rope_parameters`.
const ROPE: [&str; 3] = ["rope_theta", "factor", "rope_type"];

/// What the configuration that a service tells of its model says otherwise than the one read here, a
/// sentence part each.
pub fn differences(read: &Value, told: &str) -> Vec<String> {
    let Ok(told) = serde_json::from_str::<Value>(told) else { return vec![] };
    let (Some(read), Some(told)) = (text_part(read), text_part(&told)) else { return vec![] };
    let said = |key: &str, here: &Value, there: &Value| {
        (!same(here, there)).then(|| format!("{key} is {there} there and {here} here"))
    };
    let value = |key: &&str| {
        let (here, there) = (read.get(*key)?, told.get(*key)?);
        let both = !here.is_null() && !there.is_null();
        if both || OR_NONE.contains(key) { said(key, here, there) } else { None }
    };
    let rotation = |key: &&str| said(key, rope(read, key)?, rope(told, key)?);
    let ends = || {
        let (here, there) = (tokens(read.get("eos_token_id")?)?, tokens(told.get("eos_token_id")?)?);
        (here != there).then(|| format!("eos_token_id is {there:?} there and {here:?} here"))
    };
    KEYS.iter().filter_map(value).chain(ROPE.iter().filter_map(rotation)).chain(ends()).collect()
}

fn rope<'a>(config: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    let under = |name: &str| config.get(name)?.get(key);
    let older = || if key == "rope_type" { config.get("rope_scaling")?.get("type") } else { None };
    let found = config.get(key).or_else(|| under("rope_parameters")).or_else(|| under("rope_scaling"));
    found.or_else(older).filter(|v| !v.is_null())
}

/// One token or several, in order.
fn tokens(value: &Value) -> Option<Vec<u64>> {
    let mut all = match value {
        Value::Array(list) => list.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>()?,
        one => vec![one.as_u64()?],
    };
    all.sort_unstable();
    Some(all)
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
        // What is absent there is none, where none is a value; rotations are found under either name.
        let capped = json!({"attn_logit_softcapping": 4.0, "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"},
                            "eos_token_id": [2, 7]});
        let uncapped = json!({"attn_logit_softcapping": null, "rope_theta": 1e4, "eos_token_id": 2});
        let want = [
            "attn_logit_softcapping is 4.0 there and null here",
            "rope_theta is 500000.0 there and 10000.0 here",
            "eos_token_id is [2, 7] there and [2] here",
        ];
        assert_eq!(differences(&uncapped, &capped.to_string()), want);
        let reordered = json!({"rope_theta": 5e5, "eos_token_id": [7, 2]});
        assert!(differences(&reordered, &capped.to_string()).is_empty());
        let seeing = json!({"model_type": "gemma3", "text_config": read});
        assert!(differences(&seeing, &read.to_string()).is_empty());
    }
}
