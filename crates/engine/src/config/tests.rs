use serde_json::{Value, json};

use super::*;
use crate::rope::Frequencies;

mod nested;
mod ropes;

fn base(family: &str) -> Value {
    match family {
        "gpt2" => json!({"model_type": "gpt2", "vocab_size": 64, "n_embd": 32, "n_layer": 4, "n_head": 4}),
        other => json!({"model_type": other, "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
            "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}),
    }
}

/// The base config with keys set; null removes nothing, it sets null.
fn with(family: &str, changes: Value) -> Value {
    let mut config = base(family);
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn parse(family: &str, changes: Value) -> Result<Config, ConfigError> {
    Config::parse(&with(family, changes), &Choices::default())
}

fn windows(family: &str, changes: Value) -> Vec<Option<usize>> {
    parse(family, changes).unwrap().blocks.iter().map(|b| b.window).collect()
}

#[track_caller]
fn refused(family: &str, changes: Value, expected: &str) {
    let e = parse(family, changes).unwrap_err();
    assert_eq!(e.to_string(), expected);
    assert!(!e.hint().is_empty());
}

#[test]
fn sizes_that_no_model_has_are_refused_before_anything_is_made_of_them() {
    for family in ["llama", "qwen2", "gemma3_text", "olmo3"] {
        let changes = json!({"num_hidden_layers": 1e9});
        let e = parse(family, changes).unwrap_err().to_string();
        assert!(e.contains("num_hidden_layers") && e.contains("at most 16384"), "{e}");
        let e = parse(family, json!({"head_dim": 1_000_000_000})).unwrap_err().to_string();
        assert!(e.contains("head_dim") && e.contains("at most 65536"), "{e}");
    }
    assert!(parse("gpt2", json!({"n_layer": 1_000_000_000})).unwrap_err().to_string().contains("n_layer"));
}

#[test]
fn unknown_keys_are_refused_by_name() {
    refused(
        "llama",
        json!({"logit_scale": 0.0625}),
        "config key `logit_scale` = 0.0625 is not understood for family `llama` and could change the numbers",
    );
    refused(
        "olmo2",
        json!({"rope_parameters": {"rope_type": "default", "twist": 2}}),
        "config key `rope_parameters.twist` = 2 is not understood for family `olmo2` and could change the numbers",
    );
    assert!(
        parse("llama", json!({"attention_dropout": 0.1, "torch_dtype": "bfloat16", "pad_token_id": null}))
            .is_ok()
    );
}

#[test]
fn understood_keys_are_refused_where_they_are_not_computed() {
    refused(
        "mistral",
        json!({"attention_bias": true}),
        "config key `attention_bias` is true, expected nothing: family `mistral` is not computed with it",
    );
    refused(
        "gemma3_text",
        json!({"attn_logit_softcapping": 50.0}),
        "config key `attn_logit_softcapping` is 50.0, expected nothing: this family is not computed with it",
    );
    refused(
        "llama",
        json!({"quantization_config": {"quant_method": "gptq", "bits": 4}}),
        "the checkpoint is quantized by gptq (config key `quantization_config`); expected weights in f32, f16 or bf16, \
         or a GGUF file",
    );
    for off in ["attention_bias", "use_bidirectional_attention", "rope_interleaved", "is_encoder_decoder"] {
        assert!(parse("gemma3_text", json!({off: false})).is_ok(), "{off}");
    }
    assert!(parse("gemma3_text", json!({"use_bidirectional_attention": true})).is_err());
    assert!(parse("gpt2", json!({"add_cross_attention": true})).is_err());
    assert!(parse("gpt2", json!({"rope_scaling": {"rope_type": "linear", "factor": 2.0}})).is_err());
}

#[test]
fn values_are_checked() {
    refused(
        "llama",
        json!({"hidden_act": "quick_gelu"}),
        "config key `hidden_act` is \"quick_gelu\", expected silu, swish, gelu, gelu_new, gelu_fast, \
         gelu_pytorch_tanh or relu",
    );
    refused(
        "llama",
        json!({"hidden_size": "32"}),
        "config key `hidden_size` is \"32\", expected a whole number from 1 to 2147483647",
    );
    refused(
        "llama",
        json!({"num_key_value_heads": 3}),
        "config key `num_key_value_heads` is 3, expected a divisor of `num_attention_heads`, which is 4",
    );
    refused(
        "gemma2",
        json!({"hidden_activation": "gelu_pytorch_tanh", "hidden_act": "gelu"}),
        "config key `hidden_act` is \"gelu\", expected the function of `hidden_activation`",
    );
    for bad in [json!(0), json!(-1), json!(1.5), json!(1e12), json!([4]), json!(u64::MAX)] {
        assert!(parse("llama", json!({"num_hidden_layers": bad})).is_err(), "{bad}");
    }
    for bad in [json!(0.0), json!(-1e-5), json!("1e-5")] {
        assert!(parse("llama", json!({"rms_norm_eps": bad})).is_err(), "{bad}");
    }
    let e =
        Config::parse(&json!({"model_type": "llama", "hidden_size": 8}), &Choices::default()).unwrap_err();
    assert_eq!(e.to_string(), "config key `num_attention_heads` is missing, family `llama` needs it");
    let e = Config::parse(&json!({"model_type": "mamba"}), &Choices::default()).unwrap_err().to_string();
    assert!(e.starts_with("config key `model_type` is `mamba`, expected one of llama, mistral,"), "{e}");
    assert!(Config::parse(&json!(3), &Choices::default()).is_err());
}

#[test]
fn windows_are_those_of_the_family() {
    let (w, no) = (Some(6), None);
    assert_eq!(windows("llama", json!({"sliding_window": null})), [no; 4]);
    assert_eq!(windows("mistral", json!({"sliding_window": 6})), [w; 4]);
    assert_eq!(windows("mistral", json!({"sliding_window": null})), [no; 4]);
    assert_eq!(windows("mistral", json!({})), [Some(4096); 4]);
    assert_eq!(windows("qwen2", json!({"sliding_window": 6, "use_sliding_window": false})), [no; 4]);
    let on = json!({"sliding_window": 6, "use_sliding_window": true, "max_window_layers": 2});
    assert_eq!(windows("qwen2", on), [no, no, w, w]);
    assert_eq!(windows("gemma2", json!({"sliding_window": 6})), [w, no, w, no]);
    assert_eq!(windows("gemma3_text", json!({"sliding_window": 6})), [w; 4]);
    let pattern = json!({"sliding_window": 6, "sliding_window_pattern": 3});
    assert_eq!(windows("gemma3_text", pattern), [w, w, no, w]);
    assert_eq!(windows("olmo3", json!({"sliding_window": 6})), [w, w, w, no]);
    let (s, f) = ("sliding_attention", "full_attention");
    assert_eq!(windows("olmo3", json!({"sliding_window": 6, "layer_types": [f, s, s, f]})), [no, w, w, no]);
    assert_eq!(windows("llama", json!({"layer_types": [f, f, f, f]})), [no; 4]);
    assert!(parse("olmo3", json!({"layer_types": [f, s, s]})).is_err());
    assert!(parse("olmo3", json!({"layer_types": [f, s, s, "chunked_attention"]})).is_err());
    assert!(parse("olmo3", json!({"sliding_window": null})).is_err());
    assert!(parse("qwen2", json!({"layer_types": [f, s, s, f], "sliding_window": 6})).is_err());
    assert!(parse("gemma3_text", json!({"_sliding_window_pattern": 3})).is_err());
}

/// Each set of keys that transformers was tried with: its layers see as many tokens, and where its cache
/// contradicts its own forward pass, that is said.
#[test]
fn keys_of_windows_do_what_they_do_in_transformers() {
    let table = golden("windows.json");
    let tokens = usize::try_from(table["tokens"].as_u64().unwrap()).unwrap();
    let variants = table["variants"].as_array().unwrap();
    assert_eq!(table["families"].as_object().unwrap().len(), FAMILIES.len());
    for (family, entry) in table["families"].as_object().unwrap() {
        assert_eq!(entry["4.57.6"], entry["5.23.0"], "{family}: the versions agree");
        for (keys, tried) in variants.iter().zip(entry["5.23.0"].as_array().unwrap()) {
            let mut config = entry["config"].clone();
            for (key, value) in keys.as_object().unwrap() {
                config[key] = value.clone();
            }
            let parsed = Config::parse(&config, &Choices::default());
            let Some(tried) = tried.as_object() else {
                // It needs a width even where no layer slides.
                let fails = parsed.map_or(true, |c| c.blocks.iter().all(|b| b.window.is_none()));
                assert!(fails, "{family}: {keys}");
                continue;
            };
            let parsed = parsed.unwrap_or_else(|e| panic!("{family}: {keys}: {e}"));
            let sees: Vec<usize> =
                parsed.blocks.iter().map(|b| b.window.unwrap_or(tokens).min(tokens)).collect();
            assert_eq!(json!(sees), tried["sees"], "{family}: {keys}");
            let said = parsed.notes.iter().any(|n| n.contains("only the cache"));
            assert_eq!(said, tried["cached"] == json!(false), "{family}: {keys}: {:?}", parsed.notes);
        }
    }
}

#[test]
fn keys_that_transformers_leaves_unread_are_said() {
    let notes = |family, changes| parse(family, changes).unwrap().notes;
    assert_eq!(notes("llama", json!({"sliding_window": null})), Vec::<String>::new());
    assert_eq!(notes("llama", json!({"sliding_window": 2048})), Vec::<String>::new(), "all of the context");
    let said = notes("llama", json!({"sliding_window": 64}));
    assert!(said[0].contains("`sliding_window` is 64") && said[0].contains("`llama`"), "{said:?}");
    let said = notes("gemma3_text", json!({"use_sliding_window": false}));
    assert!(said[0].contains("`use_sliding_window` is false"), "{said:?}");
    let s = "sliding_attention";
    let said = notes("olmo2", json!({"layer_types": [s, s, s, s]}));
    assert!(said[0].contains("`layer_types` is not read for family `olmo2`"), "{said:?}");
    assert!(parse("llama", json!({"sliding_window": "wide"})).is_err());
}

#[test]
fn an_unknown_key_that_is_null_is_absent() {
    let scaling = json!({"rope_type": "linear", "factor": 2, "twist": null});
    let c = parse("llama", json!({"klingon": null, "rope_scaling": scaling})).unwrap();
    assert_eq!((c.accepted.len(), c.notes.len()), (0, 0));
}

#[test]
fn the_text_half_of_a_model_that_sees_is_taken() {
    let config = json!({
        "model_type": "gemma3", "eos_token_id": [1, 106], "vision_config": {"hidden_size": 1152},
        "text_config": {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240,
            "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024},
    });
    let c = Config::parse(&config, &Choices::default()).unwrap();
    assert_eq!((c.vocab, c.heads, c.kv_heads, c.head_dim, c.context), (262_208, 8, 4, 256, 131_072));
    assert_eq!((c.ropes[0].theta, c.ropes[1].theta), (1e6, 1e4));
    assert_eq!(
        (&c.ropes[0].scaling, &c.ropes[1].scaling),
        (&Scaling::Linear { factor: 8.0 }, &Scaling::None)
    );
    assert_eq!(c.blocks.iter().filter(|b| b.window.is_none()).count(), 5);
    assert_eq!(c.eos, [1, 106]);
    assert_eq!(c.head, Head::Tied);
}

#[test]
fn unknown_rotations_are_refused_by_name() {
    for kind in ["su", "mrope", "proportional"] {
        let e = parse("llama", json!({"rope_scaling": {"rope_type": kind, "factor": 2.0}})).unwrap_err();
        let expected = format!(
            "config key `rope_scaling.rope_type` is \"{kind}\", expected default, linear, dynamic, llama3, longrope or yarn"
        );
        assert_eq!(e.to_string(), expected);
    }
    assert!(parse("llama", json!({"rope_scaling": {"type": "linear"}})).is_err(), "no factor");
    assert!(parse("gpt_neox", json!({"rotary_pct": 0.1})).is_err(), "no pair left");
    assert!(parse("llama", json!({"truenorth_rope_freqs": [1.0, 2.0]})).is_err(), "four pairs");
    assert!(parse("llama", json!({"truenorth_rope_freqs": [1.0, 2.0, 3.0, 0.0]})).is_err());
}

fn inverse(family: &str, changes: Value) -> (Vec<f32>, f32) {
    let c = parse(family, changes).unwrap();
    let f = Frequencies::new(&c.ropes[0], c.head_dim);
    (f.inverse, f.attention)
}

#[test]
fn rotations_have_the_frequencies_of_their_formulas() {
    let near = |got: &[f32], want: [f32; 4]| {
        assert!(
            got.len() == 4 && got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6 * w),
            "{got:?} {want:?}"
        );
    };
    // Head of 8 and base 10 000: 10^0, 10^-1, 10^-2, 10^-3.
    near(&inverse("llama", json!({})).0, [1.0, 0.1, 0.01, 0.001]);
    near(&inverse("llama", json!({"rope_theta": 16})).0, [1.0, 0.5, 0.25, 0.125]);
    near(
        &inverse("llama", json!({"rope_scaling": {"type": "linear", "factor": 4.0}})).0,
        [0.25, 0.025, 0.0025, 0.00025],
    );
    near(
        &inverse("llama", json!({"truenorth_rope_freqs": [1.0, 1.0, 2.0, 8.0]})).0,
        [1.0, 0.1, 0.005, 0.000_125],
    );
    // Over 500 positions the pairs turn 79.6, 7.96, 0.796 and 0.0796 times.
    let llama3 = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 0.5, "high_freq_factor": 1.0,
        "original_max_position_embeddings": 500});
    let turns = 500.0 * 0.01 / std::f64::consts::TAU;
    let smooth = (turns - 0.5) / 0.5;
    #[allow(clippy::cast_possible_truncation)]
    let blended = ((1.0 - smooth) * 0.01 / 8.0 + smooth * 0.01) as f32;
    near(&inverse("llama", json!({"rope_scaling": llama3})).0, [1.0, 0.1, blended, 0.000_125]);
    // Pairs 0 to floor(0.39) are kept; the ramp ends at ceil(1.9).
    let yarn = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 500});
    let (got, attention) = inverse("llama", json!({"rope_scaling": yarn}));
    near(&got, [1.0, 0.5 * 0.1 + 0.5 * 0.025, 0.0025, 0.000_25]);
    assert!((f64::from(attention) - (0.1 * 4.0_f64.ln() + 1.0)).abs() < 1e-6);
    let c = parse("llama", json!({"rope_scaling": yarn, "max_position_embeddings": 500})).unwrap();
    assert_eq!(c.context, 2000, "scaling reaches further than the config says");
}

#[test]
fn scores_are_scaled_as_the_family_says() {
    let scales = |family, changes| -> Vec<f64> {
        parse(family, changes).unwrap().blocks.iter().map(|b| b.scale).collect()
    };
    assert_eq!(scales("gemma2", json!({"query_pre_attn_scalar": 16})), [0.25; 4]);
    let by_layer = scales("gpt2", json!({"scale_attn_by_inverse_layer_idx": true}));
    assert!(by_layer.iter().zip(1..).all(|(s, n)| (s * f64::from(n) - 8.0_f64.powf(-0.5)).abs() < 1e-12));
    assert_eq!(scales("gpt2", json!({"scale_attn_weights": false})), [1.0; 4]);
}

/// A table of `fixtures/config`.
fn golden(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/config").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Every key of the config classes in transformers 4.57 and 5.23, with the modules of a forward pass that
/// read it, and the keys of official releases that no class has.
fn table() -> Value {
    golden("keys.json")
}

/// Keys that a model's code reads and that change no activation: dropout, heads beside the language
/// model's, what a call returns, rows of the embedding that get no gradient.
const READ_FOR_NOTHING: [&str; 15] = [
    "attention_dropout",
    "attn_pdrop",
    "classifier_dropout",
    "embd_pdrop",
    "hidden_dropout",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "problem_type",
    "resid_pdrop",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
];

#[test]
fn the_defaults_of_every_class_are_understood() {
    let table = table();
    let families = table["families"].as_object().unwrap();
    assert_eq!(families.len(), FAMILIES.len());
    for (family, versions) in families {
        let mut parsed = Vec::new();
        for (version, keys) in versions.as_object().unwrap() {
            let mut config: Value =
                keys.as_object().unwrap().iter().map(|(k, v)| (k.clone(), v["default"].clone())).collect();
            if family == "olmo3" && version.starts_with("4.") {
                // Version 4 gives its sliding layers another base than version 5 where the file has none.
                config["rope_theta"] = json!(500_000.0);
            }
            let config = Config::parse(&config, &Choices::default());
            parsed.push(config.unwrap_or_else(|e| panic!("{family} of {version}: {e}")));
        }
        assert_eq!(parsed[0], parsed[1], "{family}");
    }
}

#[test]
fn harmless_keys_are_those_that_no_forward_pass_reads() {
    let table = table();
    let mut all: std::collections::BTreeMap<&str, bool> = std::collections::BTreeMap::new();
    for versions in table["families"].as_object().unwrap().values() {
        for keys in versions.as_object().unwrap().values() {
            for (key, about) in keys.as_object().unwrap() {
                let read = !about["read_by"].as_array().unwrap().is_empty();
                *all.entry(key.as_str()).or_default() |= read;
            }
        }
    }
    let releases = table["releases"].as_object().unwrap();
    for key in known::HARMLESS {
        match all.get(key) {
            Some(false) => {}
            Some(true) => {
                let excused = READ_FOR_NOTHING.contains(key) || *key == "use_cache";
                assert!(excused, "`{key}` is read by a model and called harmless");
            }
            None => assert!(releases.contains_key(*key), "`{key}` has no source"),
        }
    }
    // Whatever no model reads is accepted at any value, unless it is understood itself.
    for family in FAMILIES.map(|f| f.name) {
        for key in all.iter().filter(|(_, read)| !**read).map(|(key, _)| *key) {
            if known::HARMLESS.contains(&key) {
                let refused = parse(family, json!({key: "x"})).err();
                let of = |e: &ConfigError| matches!(e, ConfigError::UnknownKey { key: k, .. } if k == key);
                assert!(!refused.as_ref().is_some_and(of), "{family}: {refused:?}");
            }
        }
    }
    for key in releases.keys() {
        assert!(parse("llama", json!({key: false})).is_ok(), "{key}");
    }
}

#[test]
fn a_key_that_is_vouched_for_is_accepted_and_remembered() {
    let choices = Choices {
        accept_config_keys: vec!["klingon".into(), "rope_scaling.twist".into(), "not_there".into()],
        ..Choices::default()
    };
    let config = with(
        "llama",
        json!({"klingon": 1, "rope_scaling": {"rope_type": "linear", "factor": 2, "twist": 3}}),
    );
    let parsed = Config::parse(&config, &choices).unwrap();
    assert_eq!(parsed.accepted, ["klingon", "rope_scaling.twist"]);
    let none = "--accept-config-key not_there has no effect: the model's config has no such key";
    assert_eq!(parsed.notes, [none]);
    // What is understood and not computed can't be wished away.
    let choices = Choices { accept_config_keys: vec!["add_cross_attention".into()], ..Choices::default() };
    let refused = Config::parse(&with("llama", json!({"add_cross_attention": true})), &choices);
    assert!(refused.unwrap_err().to_string().contains("--accept-config-key can't change"));
    let vain = |key: &str, changes| {
        let choices = Choices { accept_config_keys: vec![key.into()], ..Choices::default() };
        let parsed = Config::parse(&with("llama", changes), &choices).unwrap();
        assert!(parsed.accepted.is_empty());
        let [note] = &parsed.notes[..] else { panic!("{:?}", parsed.notes) };
        assert!(note.contains(key), "{note}");
        note.clone()
    };
    assert!(vain("hidden_size", json!({})).contains("it is known"));
    assert!(vain("use_cache", json!({"use_cache": true})).contains("it is known"));
    assert!(vain("klingon", json!({"klingon": null})).contains("it is null"));
    assert!(vain("vision_config", json!({})).contains("no such key"));
    let error = parse("llama", json!({"klingon": 1})).unwrap_err();
    assert!(error.hint().contains("--accept-config-key klingon"), "{}", error.hint());
}
