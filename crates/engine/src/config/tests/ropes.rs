//! Rotations of every family by the keys of its config, as transformers has them (`fixtures/make/config_ropes.py`).

use super::*;
use crate::Transformers;

/// What transformers has and what is read here, or nothing where nothing is to be compared.
fn differ(tried: &Value, parsed: &Result<Config, ConfigError>) -> Option<String> {
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(e) => return Some(format!("refused: {e}")),
    };
    // The two are in the order of the config: of full and of sliding layers.
    [("full", 0), ("sliding", 1)].into_iter().find_map(|(kind, at)| {
        let want = tried.get(kind)?;
        let got = Frequencies::new(&parsed.ropes[at], parsed.head_dim);
        let theirs: Vec<f64> = want["inverse"].as_array()?.iter().filter_map(Value::as_f64).collect();
        let far = theirs.len() != got.inverse.len()
            || theirs.iter().zip(&got.inverse).any(|(a, b)| (a - f64::from(*b)).abs() > 1e-6)
            || (want["attention"].as_f64()? - f64::from(got.attention)).abs() > 1e-6;
        far.then(|| format!("{kind}: {:?} x {}, not {want}", got.inverse, got.attention))
    })
}

#[test]
fn rotations_are_those_of_both_versions() {
    let table = golden("ropes.json");
    let variants = table["variants"].as_array().unwrap();
    assert_eq!(table["families"].as_object().unwrap().len() + 1, FAMILIES.len(), "all but gpt2 turn");
    let (mut wrong, mut compared, mut refused) = (Vec::new(), 0, 0);
    for (family, entry) in table["families"].as_object().unwrap() {
        for (i, keys) in variants.iter().enumerate() {
            let mut config = entry["config"].clone();
            for (key, value) in keys.as_object().unwrap() {
                config[key] = value.clone();
            }
            let read = |transformers| Config::parse(&config, &Choices { transformers, ..Choices::default() });
            for (version, rules) in [("4.57.6", Transformers::V4_57), ("5.23.0", Transformers::V5_23)] {
                let tried = &entry[version][i];
                // Null is a config that this version can't open; 4.57 knows no `rope_parameters`, which is said.
                if tried.is_null() || rules == Transformers::V4_57 && keys.get("rope_parameters").is_some() {
                    continue;
                }
                let parsed = read(rules);
                if parsed.is_err() {
                    refused += 1;
                    // Refused is what names no kind, or two, or kinds of layers where there are none.
                    let text = keys.to_string();
                    let by_kind = ["gemma3_text", "olmo3"].contains(&family.as_str());
                    let meant = text.contains("_attention") && !by_kind
                        || text.contains("default") && text.contains("linear")
                        || !text.contains("type") && text.contains("factor")
                        // Two names of one value that disagree.
                        || family == "gpt_neox"
                            && ["rope_theta", "partial_rotary_factor"].iter().any(|key| keys.get(key).is_some());
                    if meant {
                        continue;
                    }
                }
                compared += 1;
                if let Some(how) = differ(tried, &parsed) {
                    wrong.push(format!("{family} by {version}: {keys}\n   {how}"));
                }
            }
            // Where the versions differ, both are named.
            let (by_4, by_5) = (&entry["4.57.6"][i], &entry["5.23.0"][i]);
            if keys.get("rope_scaling").is_some() && !by_4.is_null() && !by_5.is_null() && by_4 != by_5 {
                let Ok(parsed) = read(Transformers::V5_23) else { continue };
                let said = parsed.notes.iter().any(|n| n.contains("4.57") && n.contains("5.23"));
                if !said {
                    wrong.push(format!("{family}: {keys}: versions differ unsaid\n  {by_4}\n  {by_5}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 450 && refused < 200, "{compared} compared, {refused} refused");
}

#[test]
fn an_older_name_of_the_kind_is_unread_where_layers_turn_in_two_ways() {
    let scaling = json!({"rope_scaling": {"type": "linear", "factor": 2.0}});
    for family in ["olmo3", "gemma3_text"] {
        let parsed = parse(family, scaling.clone()).unwrap();
        assert_eq!(parsed.ropes[0].scaling, Scaling::None);
        let note = parsed.notes.last().unwrap();
        for part in ["linear", "5.23", "4.57", "Name the kind `rope_type`", family] {
            assert!(note.contains(part), "{note}");
        }
        let by_4 = Choices { transformers: Transformers::V4_57, ..Choices::default() };
        let error = Config::parse(&with(family, scaling.clone()), &by_4).unwrap_err().to_string();
        assert!(error.contains("rope_scaling.type") && error.contains("`rope_type`"), "{error}");
    }
}

#[test]
fn what_transformers_leaves_unread_is_said_and_what_it_cannot_run_refused() {
    let linear = json!({"rope_type": "linear", "factor": 2.0});
    for (family, keys, said) in [
        (
            "llama",
            json!({"rope_parameters": {"rope_theta": 9.0}, "rope_scaling": linear}),
            "`rope_scaling` holds",
        ),
        (
            "gemma3_text",
            json!({"rope_parameters": {"rope_type": "linear", "factor": 2.0}}),
            "under `full_attention`",
        ),
        ("olmo3", json!({"rope_scaling": {"type": "su"}}), "positions are not stretched"),
        ("llama", json!({"partial_rotary_factor": 0.5}), "`partial_rotary_factor` of 0.5 is left unread"),
        ("olmo3", json!({"rope_theta": 700.0}), "sliding layers turn by the base 500000"),
    ] {
        let notes = parse(family, keys.clone()).unwrap().notes;
        assert!(notes.iter().any(|note| note.contains(said)), "{family} {keys}: {notes:?}");
    }
    for (family, keys, named) in [
        ("llama", json!({"partial_rotary_factor": 0.5, "rope_scaling": linear}), "partial_rotary_factor"),
        (
            "olmo3",
            json!({"rope_parameters": {"rope_type": "default"}, "rope_scaling": linear}),
            "rope_scaling",
        ),
        ("gemma3_text", json!({"rope_scaling": {"rope_type": "su"}}), "rope_scaling.rope_type"),
    ] {
        let error = parse(family, keys.clone()).unwrap_err().to_string();
        assert!(error.contains(named), "{family} {keys}: {error}");
    }
}

#[test]
fn a_base_of_null_is_refused_and_not_taken_for_a_missing_one() {
    for (family, transformers) in ["llama", "mistral", "gemma3_text", "olmo3"]
        .into_iter()
        .flat_map(|family| [(family, Transformers::V4_57), (family, Transformers::V5_23)])
    {
        let read = |changes: Value| {
            Config::parse(&with(family, changes), &Choices { transformers, ..Choices::default() })
        };
        let error = read(json!({"rope_theta": null})).unwrap_err().to_string();
        assert!(error.contains("`rope_theta` is null") && error.contains("no such key"), "{family}: {error}");
        assert!(read(json!({})).is_ok(), "{family} without the key");
        // Version 5 takes a base inside of the stretch before the one beside it, number or null; 4.57 leaves it unread.
        let by_5 = transformers == Transformers::V5_23;
        let linear = |theta: Value| json!({"rope_type": "linear", "factor": 2.0, "rope_theta": theta});
        let inside = read(json!({"rope_theta": null, "rope_scaling": linear(700.0.into())}));
        assert_eq!(
            inside.map(|c| c.ropes[0].theta).ok(),
            by_5.then_some(700.0),
            "{family} by {transformers}"
        );
        let null_inside = read(json!({"rope_theta": 700.0, "rope_scaling": linear(Value::Null)}));
        assert_eq!(null_inside.is_err(), by_5, "{family} by {transformers}");
    }
    // The base of sliding layers too, and no base is needed beside rotations that have their own.
    let error = parse("gemma3_text", json!({"rope_local_base_freq": null})).unwrap_err().to_string();
    assert!(error.contains("`rope_local_base_freq` is null"), "{error}");
    let own = json!({"rope_theta": null, "rope_parameters": {"rope_type": "default", "rope_theta": 700.0}});
    assert_eq!(parse("llama", own).unwrap().ropes[0].theta, 700.0);
}

#[test]
fn yarn_without_a_factor_stretches_by_the_contexts_in_version_5() {
    let table = golden("ropes.json");
    let mut config = table["families"]["llama"]["config"].clone();
    config["max_position_embeddings"] = 256.into();
    let mut read = |factor: Value, transformers| {
        config["rope_scaling"] = serde_json::json!({"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": 16});
        Config::parse(&config, &Choices { transformers, ..Choices::default() }).map(|c| c.ropes)
    };
    let given = read(16.0.into(), Transformers::V5_23).unwrap();
    assert_eq!(read(Value::Null, Transformers::V5_23).unwrap(), given);
    assert!(read(Value::Null, Transformers::V4_57).unwrap_err().to_string().contains("factor"));
}
