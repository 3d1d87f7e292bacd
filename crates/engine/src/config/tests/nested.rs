//! Keys inside of the objects of a config. The figures are those of transformers 5.23.0 and 4.57.6 for heads of
//! eight and these configs.

use super::*;
use crate::Transformers;

#[test]
fn rotations_by_kind_of_layer_are_refused_where_all_layers_turn_in_one_way() {
    // Nothing but Gemma 3 and OLMo 3 has them; of llama, mistral, olmo2 and gpt_neox transformers 5.23 turns the
    // layers by the default base in spite of them, and qwen2, qwen3 and gemma2 it can't open.
    let full = json!({"rope_type": "default", "rope_theta": 100.0});
    let by_kind =
        json!({"full_attention": full, "sliding_attention": {"rope_type": "default", "rope_theta": 7.0}});
    for family in FAMILIES.map(|f| f.name) {
        for given in [by_kind.clone(), json!({"full_attention": full})] {
            let parsed = parse(family, json!({"rope_parameters": given}));
            match family {
                "gemma3_text" | "olmo3" => assert_eq!(parsed.unwrap().ropes[0].theta, 100.0),
                "gpt2" => assert!(parsed.is_err(), "no rotation at all"),
                _ => {
                    let e = parsed.unwrap_err().to_string();
                    assert!(e.starts_with("config key `rope_parameters.full_attention` is {\"rope_t"), "{e}");
                    assert!(
                        e.contains("one rotation for all layers") && e.contains(&format!("`{family}`")),
                        "{e}"
                    );
                }
            }
            let scaling = parse(family, json!({"rope_scaling": given})).unwrap_err().to_string();
            assert!(scaling.contains("rope_scaling"), "{scaling}");
        }
        // Flat ones beside them are as wrong.
        let mixed = json!({"rope_type": "default", "rope_theta": 9.0, "full_attention": full});
        assert!(parse(family, json!({"rope_parameters": mixed})).is_err(), "{family}");
    }
}

#[test]
fn a_base_inside_of_a_scaling_is_read_as_the_chosen_version_reads_it() {
    let of = |transformers, changes| {
        let choices = Choices { transformers, ..Choices::default() };
        let c = Config::parse(&with("llama", changes), &choices).unwrap();
        let second = Frequencies::new(&c.ropes[0], c.head_dim).inverse[1];
        (second, c.notes)
    };
    let scaling = json!({"rope_type": "linear", "factor": 2.0, "rope_theta": 100.0});
    for (changes, by_5, by_4) in [
        (json!({"rope_scaling": scaling}), 0.1581, 0.05),
        (json!({"rope_scaling": scaling, "rope_theta": 50.0}), 0.1581, 0.188),
    ] {
        for (version, second, followed) in
            [(Transformers::V5_23, by_5, "5.23"), (Transformers::V4_57, by_4, "4.57")]
        {
            let (got, notes) = of(version, changes.clone());
            assert!((got - second).abs() < 1e-4, "{changes} by {followed}: {got}");
            assert_eq!(notes.len(), 1);
            assert!(
                notes[0].contains(&format!("by transformers {followed}, which is followed")),
                "{notes:?}"
            );
            assert!(notes[0].contains("100") && notes[0].contains("--transformers"), "{notes:?}");
        }
    }
    // The same base twice is one.
    let (_, notes) = of(Transformers::V5_23, json!({"rope_scaling": scaling, "rope_theta": 100.0}));
    assert!(notes.is_empty(), "{notes:?}");
    let (_, notes) =
        of(Transformers::V4_57, json!({"rope_parameters": {"rope_type": "default", "rope_theta": 9.0}}));
    assert!(notes[0].contains("4.57") && notes[0].contains("unread"), "{notes:?}");
}
