//! Metadata keys that are not known, or known and off.

use super::*;
use crate::config::{Config, ConfigError};
use crate::{Choices, Transformers};

/// Keys that are not known are refused unless the user vouches for them, and those at the values at which they do
/// nothing are none.
#[test]
fn keys_that_do_nothing_are_taken_and_others_only_with_the_flag() {
    let read = |writer: Writer, accepted: &[&str]| {
        let accept_config_keys = accepted.iter().map(|key| (*key).to_owned()).collect();
        Config::parse(writer.open().unwrap().config(), &Choices { accept_config_keys, ..Choices::default() })
    };
    for (key, one) in [
        ("llama.logit_scale", 1.0),
        ("llama.logit_scale", 0.0),
        ("llama.rope.scale_linear", 1.0),
        ("llama.rope.scaling.attn_factor", 1.0),
        ("llama.expert_weights_scale", 1.0),
        ("llama.attention.scale", 0.0),
    ] {
        read(tiny().float(key, one), &[]).unwrap_or_else(|e| panic!("{key} = {one}: {e}"));
        let error = read(tiny().float(key, 0.5), &[]).unwrap_err();
        assert!(matches!(&error, ConfigError::UnknownKey { key: k, .. } if k == key), "{error}");
        assert!(error.hint().contains(&format!("`--accept-config-key {key}`")), "{}", error.hint());
        assert_eq!(read(tiny().float(key, 0.5), &[key]).unwrap().accepted, [key]);
    }
    assert!(read(tiny().int("llama.expert_count", 8), &[]).is_err());
    assert!(read(tiny().int("llama.expert_count", 0), &[]).is_ok());
    assert!(read(tiny().int("llama.attention.sliding_window", 0), &[]).is_ok());
    // What is not there, or is known, is vouched for in vain, which is said.
    let vain = read(tiny(), &["llama.frobnicate"]).unwrap();
    assert!(vain.notes[0].contains("--accept-config-key llama.frobnicate has no effect"), "{:?}", vain.notes);
}

/// A share of a head is told by the file's own key, not by the one that the hub has for it.
#[test]
fn dimensions_that_turn_are_told_by_the_key_of_the_file() {
    const KEY: &str = "llama.rope.dimension_count";
    let read = |width: u32, transformers| {
        let choices = Choices { transformers, ..Choices::default() };
        Config::parse(tiny().int(KEY, width).open().unwrap().config(), &choices)
    };
    let notes = read(2, Transformers::V5_23).unwrap().notes;
    assert!(notes[0].contains(&format!("`{KEY}` of 2 of the 4 dimensions of a head")), "{notes:?}");
    assert!(notes.iter().all(|note| !note.contains("partial_rotary_factor")), "{notes:?}");
    assert_eq!(
        read(2, Transformers::V4_57).unwrap_err().to_string(),
        format!("config key `{KEY}` is 2, expected 4, because this family turns whole heads")
    );
    assert_eq!(read(4, Transformers::V5_23).unwrap().notes, Vec::<String>::new());
}
