//! What `generation_config.json` asks of who generates text, beyond the tokens that end one.

use serde_json::Value;

/// Keys that change which token is the likeliest, or what is done besides taking it, with the values that change nothing.
const GREEDY: [(&str, &[f64]); 24] = [
    ("repetition_penalty", &[1.0]),
    ("encoder_repetition_penalty", &[1.0]),
    ("no_repeat_ngram_size", &[0.0]),
    ("encoder_no_repeat_ngram_size", &[0.0]),
    ("bad_words_ids", &[]),
    ("force_words_ids", &[]),
    ("suppress_tokens", &[]),
    ("begin_suppress_tokens", &[]),
    ("sequence_bias", &[]),
    ("exponential_decay_length_penalty", &[]),
    ("forced_bos_token_id", &[]),
    ("forced_eos_token_id", &[]),
    ("forced_decoder_ids", &[]),
    ("min_length", &[0.0]),
    ("min_new_tokens", &[0.0]),
    ("num_beams", &[0.0, 1.0]),
    ("num_beam_groups", &[0.0, 1.0]),
    ("constraints", &[]),
    ("penalty_alpha", &[0.0]),
    ("dola_layers", &[]),
    ("guidance_scale", &[1.0]),
    ("watermarking_config", &[]),
    ("token_healing", &[]),
    ("stop_strings", &[]),
];
/// Keys of sampling, which transformers follows where `do_sample` is true.
const SAMPLING: [(&str, &[f64]); 9] = [
    ("temperature", &[]),
    ("top_k", &[]),
    ("top_p", &[1.0]),
    ("top_h", &[]),
    ("min_p", &[0.0]),
    ("typical_p", &[1.0]),
    ("epsilon_cutoff", &[0.0]),
    ("eta_cutoff", &[0.0]),
    ("renormalize_logits", &[]),
];
/// How many characters of a value are shown.
const SHOWN: usize = 40;

/// The keys of a `generation_config.json` that generate other text in transformers than here, with their values: here the
/// likeliest token is taken, or one drawn as flags say.
pub(super) fn unfollowed(config: &Value) -> Option<String> {
    let set = |key: &str, neutral: &[f64]| {
        let value = config.get(key)?;
        let empty = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Number(n) => n.as_f64().is_some_and(|n| neutral.contains(&n)),
            Value::Array(all) => all.is_empty(),
            Value::Object(all) => all.is_empty(),
            Value::String(_) | Value::Bool(true) => false,
        };
        (!empty).then(|| shown(key, value))
    };
    let samples = config.get("do_sample") == Some(&Value::Bool(true));
    let sampling = [("do_sample", &[][..])].into_iter().chain(SAMPLING).filter(|_| samples);
    let keys: Vec<String> = GREEDY.into_iter().chain(sampling).filter_map(|(k, n)| set(k, n)).collect();
    (!keys.is_empty()).then(|| keys.join(", "))
}

fn shown(key: &str, value: &Value) -> String {
    let value = value.to_string();
    let start: String = value.chars().take(SHOWN).collect();
    format!("{key} = {start}{}", if start.len() < value.len() { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changes_a_text_is_named_and_what_does_not_is_not() {
        let plain = json!({
            "bos_token_id": 0, "eos_token_id": [1, 2], "max_length": 4096, "use_cache": true, "transformers_version": "5.23.0",
            "repetition_penalty": 1.0, "num_beams": 1, "suppress_tokens": [], "stop_strings": null, "do_sample": false,
            // Without do_sample transformers does not look at these.
            "temperature": 0.6, "top_p": 0.9, "top_k": 20
        });
        assert_eq!(unfollowed(&plain), None);
        let mut asks = plain.clone();
        asks["do_sample"] = true.into();
        asks["repetition_penalty"] = 1.8.into();
        asks["suppress_tokens"] = (0..200).collect::<Vec<u32>>().into();
        let said = unfollowed(&asks).unwrap();
        assert_eq!(
            said,
            "repetition_penalty = 1.8, suppress_tokens = [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,1…, do_sample = true, \
             temperature = 0.6, top_k = 20, top_p = 0.9"
        );
        for (key, value) in [
            ("begin_suppress_tokens", json!([5])),
            ("sequence_bias", json!([[[9], 50.0]])),
            ("exponential_decay_length_penalty", json!([1, 5.0])),
            ("num_beams", json!(4)),
            ("stop_strings", json!(["e"])),
            ("stop_strings", json!("e")),
            ("no_repeat_ngram_size", json!(2)),
            ("bad_words_ids", json!([[5], [6]])),
            ("min_new_tokens", json!(8)),
            ("forced_bos_token_id", json!(7)),
        ] {
            assert_eq!(unfollowed(&json!({key: value})), Some(format!("{key} = {value}")));
        }
    }
}
