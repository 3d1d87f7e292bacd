use proptest::prelude::*;

use super::super::{ActivationKey, ReadingContext, ResultKey, StoredPrompt};

fn of(fields: [&str; 6], prompt: StoredPrompt) -> ActivationKey {
    let [model, revision, dtype, path, site, positions] = fields;
    ActivationKey::new(ReadingContext::new(model, revision, dtype, path, site, positions), prompt)
}

#[test]
fn fields_do_not_run_into_each_other() {
    let text = || StoredPrompt::Text("x".into());
    let one = of(["ab", "c", "", "", "", ""], text());
    let other = of(["a", "bc", "", "", "", ""], text());
    assert_ne!(one.hash(), other.hash());
    let moved = of(["", "ab", "c", "", "", ""], text());
    assert_ne!(one.hash(), moved.hash());
}

#[test]
fn tokens_and_text_of_the_same_bytes_differ() {
    let tokens = of([""; 6], StoredPrompt::Tokens(vec![0x6161_6161]));
    let text = of([""; 6], StoredPrompt::Text("aaaa".into()));
    assert_ne!(tokens.hash(), text.hash());
    assert_ne!(
        of([""; 6], StoredPrompt::Tokens(vec![])).hash(),
        of([""; 6], StoredPrompt::Text(String::new())).hash()
    );
}

/// A cache on disk outlives the program that wrote it: the encoding may not change unnoticed.
/// The expected value is Python's:
/// `f = lambda b: struct.pack("<Q", len(b)) + b`, then `sha256(f(b"truenorth.activation.1") +
/// f(b"m") + f(b"r") + f(b"f32") + f(b"p") + f(b"embed") + f(b"last") + b"\0" +
/// struct.pack("<Q", 2) + struct.pack("<II", 1, 258))`.
#[test]
fn the_encoding_is_as_documented() {
    let key = of(["m", "r", "f32", "p", "embed", "last"], StoredPrompt::Tokens(vec![1, 258]));
    let hex = truenorth_protocol::hash::hex(&key.hash());
    assert_eq!(hex, "64f0cbc2e884be73d8a9b6b78b42bda3b4eb9750a46b822593c9a2639248e54c");
}

#[test]
fn a_result_is_never_an_activation() {
    let result = |model: &str, path: &str| ResultKey {
        graph: [0; 32],
        model: model.into(),
        revision: String::new(),
        dtype: String::new(),
        path: path.into(),
    };
    assert_ne!(result("ab", "c").hash(), result("a", "bc").hash());
    assert_ne!(result("", "").hash(), of([""; 6], StoredPrompt::Tokens(vec![])).hash());
}

fn prompt() -> impl Strategy<Value = StoredPrompt> {
    prop_oneof![
        proptest::collection::vec(0u32..3, 0..4).prop_map(StoredPrompt::Tokens),
        "[ab]{0,4}".prop_map(StoredPrompt::Text),
    ]
}

/// From an alphabet so small that equal and nearly equal keys do come up.
fn any_key() -> impl Strategy<Value = ActivationKey> {
    (proptest::array::uniform6("[ab]{0,2}"), prompt())
        .prop_map(|(fields, prompt)| of(fields.each_ref().map(String::as_str), prompt))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn keys_are_equal_exactly_when_their_hashes_are(one in any_key(), other in any_key()) {
        prop_assert_eq!(one == other, one.hash() == other.hash());
    }

    #[test]
    fn moving_a_cut_between_two_fields_changes_the_hash(
        text in "[ab]{1,6}", cut in 0usize..7, other in 0usize..7, field in 0usize..5,
    ) {
        let at = |cut: usize| {
            let (left, right) = text.split_at(cut.min(text.len()));
            let mut fields = [""; 6];
            fields[field] = left;
            fields[field + 1] = right;
            of(fields, StoredPrompt::Tokens(vec![1]))
        };
        let same = cut.min(text.len()) == other.min(text.len());
        prop_assert_eq!(at(cut).hash() == at(other).hash(), same);
    }
}
