//! What the tokenizers library takes for granted of a `tokenizer.json`, looked at before it reads the file; and a
//! guard around the library for what can't be looked at.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use serde_json::Value;

/// What is wrong with the parts that the library uses without a look.
///
/// # Errors
/// The problem, with the key and the value.
pub(super) fn check(json: &Value) -> Result<(), String> {
    if let Some(model) = json.get("model") {
        prefixes(model)?;
    }
    prepended(json.get("normalizer").unwrap_or(&Value::Null))?;
    post_processor(json.get("post_processor").unwrap_or(&Value::Null))
}

/// The library cuts the prefix of a word's later pieces off the second token of each merge, by its length alone.
fn prefixes(model: &Value) -> Result<(), String> {
    let Some(prefix) = model.get("continuing_subword_prefix").and_then(Value::as_str) else { return Ok(()) };
    let merges = model.get("merges").and_then(Value::as_array);
    for merge in merges.into_iter().flatten() {
        let second = match merge {
            Value::String(both) => both.split_once(' ').map(|(_, second)| second),
            Value::Array(both) => both.get(1).and_then(Value::as_str),
            _ => None,
        };
        if let Some(second) = second.filter(|second| !second.starts_with(prefix)) {
            return Err(format!(
                "`model.continuing_subword_prefix` is {prefix:?}, and the second token of the merge {merge} does not \
                 begin with it: {second:?}"
            ));
        }
    }
    Ok(())
}

/// The library moves a text by what is put before it, and loses count where that is nothing.
fn prepended(part: &Value) -> Result<(), String> {
    let parts = part.get("normalizers").and_then(Value::as_array);
    parts.into_iter().flatten().try_for_each(prepended)?;
    let text = part.get("prepend").and_then(Value::as_str);
    if part.get("type").and_then(Value::as_str) == Some("Prepend") && text == Some("") {
        return Err("the normalizer `Prepend` puts the empty text before a text, which the tokenizers library cannot \
                    do; without that normalizer the file means the same"
            .to_owned());
    }
    Ok(())
}

/// Templates name tokens that are listed, and that of one text has no second one in it.
fn post_processor(part: &Value) -> Result<(), String> {
    let parts = part.get("processors").and_then(Value::as_array);
    parts.into_iter().flatten().try_for_each(post_processor)?;
    if part.get("type").and_then(Value::as_str) != Some("TemplateProcessing") {
        return Ok(());
    }
    let listed = part.get("special_tokens");
    for (key, of_one) in [("single", true), ("pair", false)] {
        for piece in part.get(key).and_then(Value::as_array).into_iter().flatten() {
            let id = |kind: &str| piece.get(kind)?.get("id")?.as_str();
            if let Some(token) = id("SpecialToken")
                && listed.and_then(|l| l.get(token)).is_none()
            {
                return Err(format!(
                    "`post_processor.{key}` puts the token `{token}` around a text, which its `special_tokens` do not \
                     list"
                ));
            }
            if of_one && id("Sequence") == Some("B") {
                return Err("`post_processor.single` is for one text and names a second one, the sequence B"
                    .to_owned());
            }
        }
    }
    Ok(())
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls the library, whose own bugs would end the program: it indexes the tables of a file that can't be checked
/// from outside (the trie of a `precompiled_charsmap`) and trusts its own regular expressions. A panic becomes an
/// error like any other, and nothing is printed for it, as it is told with the file's name.
///
/// # Errors
/// What the library panicked with.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                usual(info);
            }
        }));
    });
    let before = GUARDED.replace(true);
    // What a panic leaves half done is dropped with it: the tokenizer is not changed by encoding, and one that can't
    // be built is not kept.
    let done = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(before);
    done.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        format!("the tokenizers library can't use it ({text})")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_that_would_end_the_library_are_named() {
        let a = json!({"Sequence": {"id": "A", "type_id": 0}});
        let template = |single: Value| {
            json!({"post_processor": {"type": "TemplateProcessing", "single": single, "pair": [a],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}})
        };
        let token = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
        assert_eq!(check(&template(json!([token("<s>"), a]))), Ok(()));
        let missing = template(json!([token("<nope>"), a]));
        let nested =
            json!({"post_processor": {"type": "Sequence", "processors": [missing["post_processor"]]}});
        for json in [&missing, &nested] {
            let problem = check(json).unwrap_err();
            assert!(problem.contains("`<nope>`") && problem.contains("post_processor.single"), "{problem}");
        }
        let second = check(&template(json!([{"Sequence": {"id": "B", "type_id": 0}}]))).unwrap_err();
        assert!(second.contains("sequence B"), "{second}");
        for merges in [json!(["a b"]), json!([["a", "b"]])] {
            let model =
                |prefix: &str| json!({"model": {"continuing_subword_prefix": prefix, "merges": merges}});
            let problem = check(&model("##")).unwrap_err();
            assert!(problem.contains("\"##\"") && problem.contains("\"b\""), "{problem}");
            assert_eq!(check(&model("")), Ok(()));
        }
        assert_eq!(
            check(&json!({"model": {"continuing_subword_prefix": "##", "merges": ["a ##b"]}})),
            Ok(())
        );
    }

    #[test]
    fn a_panic_becomes_an_error_with_its_words() {
        let empty: Vec<u8> = vec![];
        let problem = guarded(|| empty[usize::from(u8::MAX)]).unwrap_err();
        assert!(problem.contains("index out of bounds"), "{problem}");
        assert_eq!(guarded(|| 3), Ok(3));
    }
}
