use std::error::Error as _;
use std::io::Cursor;

use super::*;
use proptest::prelude::*;
use truenorth_files::sha256_hex;

mod field;
mod pairs;
mod said;

const GOOD: &str = r#"{"id":"a","axis":"honesty","prompt":"p","chosen":"yes","rejected":"no","source":"x"}"#;

fn pairs(text: &[u8]) -> Result<Loaded<Pair>, DataError> {
    read_pairs(Cursor::new(text), "pairs.jsonl", &Template::default())
}

/// The error of a file as (line, column, problem).
fn refused<T: std::fmt::Debug>(read: Result<Loaded<T>, DataError>) -> (Option<usize>, Option<usize>, String) {
    let e = read.unwrap_err();
    (e.line, e.column, e.source().unwrap().to_string())
}

#[test]
fn pairs_are_read_with_hash_and_other_fields() {
    let file = format!("\u{feff}{GOOD}\r\n\n{}\n", GOOD.replace("\"a\"", "7"));
    let loaded = pairs(file.as_bytes()).unwrap();
    assert_eq!(loaded.rows.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["a", "7"]);
    assert_eq!(loaded.rows[0].extra["source"], "x");
    assert_eq!(loaded.sha256, sha256_hex(file.as_bytes()));
    assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn bad_pairs_are_refused_where_they_stand() {
    let two = |second: &str| pairs(format!("{GOOD}\n{second}\n").as_bytes());
    let case = |second: &str| refused(two(second));
    assert_eq!(case(GOOD), (Some(2), None, "id `a` was used on line 1 already".into()));
    for field in ["axis", "prompt", "chosen", "rejected"] {
        let other = GOOD.replace("\"a\"", "\"b\"");
        let gone = other.replace(&format!("\"{field}\":"), "\"else\":");
        let says = match field {
            "prompt" => {
                "pair `b` has no `prompt`, and the template `{prompt} {response}` shows it".to_owned()
            }
            _ => format!("missing field `{field}`"),
        };
        assert_eq!(case(&gone), (Some(2), None, says));
    }
    assert_eq!(case(&GOOD.replace("\"a\"", "\"  \"")), (Some(2), None, "field `id` is empty".into()));
    let same = GOOD.replace("\"a\"", "\"b\"").replace("\"no\"", "\"yes \"");
    assert_eq!(case(&same), (Some(2), None, "pair `b` has identical `chosen` and `rejected`".into()));
    let number = GOOD.replace("\"a\"", "\"b\"").replace("\"p\"", "3");
    assert_eq!(case(&number), (Some(2), None, "field `prompt` is 3; expected a string".into()));
    assert_eq!(case("[1]"), (Some(2), Some(1), "expected a JSON object, got an array".into()));
    assert_eq!(case("{\"id\": oops}"), (Some(2), Some(8), "not JSON".into()));
    assert_eq!(refused(pairs(b"\n \n")), (None, None, "no rows".into()));
}

#[test]
fn a_file_without_an_end_is_refused_while_it_is_read() {
    use std::io::Read as _;

    use super::rows::{Rows, Wanted};
    let endless = std::io::BufReader::new(std::io::repeat(b'a').take(1 << 40));
    let first = Cursor::new(format!("{GOOD}\n")).chain(endless);
    let read = Rows::within(8 << 20, first, "pairs.jsonl", Wanted::Records);
    let e = refused(read.map(|_| Loaded::new(vec![()], "")));
    assert_eq!(e, (None, None, "the file, unpacked, is larger than 8 MiB".into()));
}

#[test]
fn bytes_that_are_no_utf8_are_located() {
    let mut file = format!("{GOOD}\n{{\"id\":\"").into_bytes();
    file.extend([0xe9, b'"', b'}']);
    assert_eq!(refused(pairs(&file)), (Some(2), Some(8), "byte 0xe9 is not UTF-8".into()));
    let (line, column, problem) = refused(pairs(&[0xff, 0xfe, b'{', 0]));
    assert_eq!((line, column), (Some(1), Some(1)));
    assert!(problem.contains("UTF-16"));
}

#[test]
fn an_error_names_file_and_place_once() {
    let e = pairs(b"{\"id\":\"a\"}").unwrap_err();
    assert_eq!(e.to_string(), "can't read `pairs.jsonl`, line 1");
    assert_eq!(e.source().unwrap().to_string(), "missing field `chosen`");
}

#[test]
fn prompts_come_as_lines_texts_or_tokens() {
    let read = |text: &str, name| read_prompts(Cursor::new(text.to_owned()), name);
    let plain = read("first\n\n{third\n", "-").unwrap();
    assert_eq!(plain.rows.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(plain.rows[1].input, PromptInput::Text("{third".into()));
    let json = read("{\"id\":\"a\",\"tokens\":[1,2]}\n{\"id\":\"b\",\"text\":\"t\"}", "-").unwrap();
    assert_eq!(json.rows[0].input, PromptInput::Tokens(vec![1, 2]));
    for (line, expected) in [
        ("{\"id\":\"a\",\"tokens\":[]}", "field `tokens` is empty"),
        (
            "{\"id\":\"a\",\"tokens\":[-1]}",
            "field `tokens` is [-1]; expected an array of token ids from 0 to 4294967295",
        ),
        ("{\"id\":\"a\",\"tokens\":[1],\"text\":\"x\"}", "expected either `text` or `tokens`, got both"),
        ("{\"id\":\"a\"}", "expected either `text` or `tokens`, got neither"),
        ("{\"id\":\"a\",\"text\":\"\"}", "field `text` is empty"),
    ] {
        assert_eq!(refused(read(line, "-")).2, expected);
    }
    // A broken first line of a file that says it is JSONL is not taken for a prompt.
    assert_eq!(refused(read("{\"id\":", "x.jsonl")).2, "not JSON");
}

#[test]
fn other_readers_check_their_labels() {
    let classes =
        read_classes(Cursor::new("{\"id\":1,\"text\":\"t\",\"label\":true,\"category\":\"c\"}"), "-")
            .unwrap();
    assert_eq!((classes.rows[0].label.as_str(), classes.rows[0].category.as_deref()), ("true", Some("c")));
    assert_eq!(
        refused(read_classes(Cursor::new("{\"id\":1,\"text\":\"t\"}"), "-")).2,
        "missing field `label`"
    );
    let sentiment = read_sentiment(
        Cursor::new(
            "{\"id\":1,\"text\":\"t\",\"label\":1}\n{\"id\":2,\"text\":\"t\",\"label\":\"negative\"}",
        ),
        "-",
    )
    .unwrap();
    assert_eq!(sentiment.rows.iter().map(|r| r.positive).collect::<Vec<_>>(), [true, false]);
    let (_, _, problem) =
        refused(read_sentiment(Cursor::new("{\"id\":1,\"text\":\"t\",\"label\":\"neutral\"}"), "-"));
    assert_eq!(problem, "field `label` is \"neutral\"; expected 0, 1, \"negative\" or \"positive\"");
    let sequences =
        read_sequences(Cursor::new("{\"id\":1,\"text\":\"t\",\"kind\":\"symbol\",\"lang\":\"en\"}"), "-")
            .unwrap();
    assert_eq!(sequences.rows[0].kind.as_deref(), Some("symbol"));
    assert_eq!(sequences.rows[0].extra["lang"], "en");
    assert_eq!(read_sequences(Cursor::new("one\ntwo\n"), "-").unwrap().rows[1].text, "two");
}

#[test]
fn templates_know_two_names() {
    let t: Template = "Q: {prompt}\n{{A}}: {response}".parse().unwrap();
    assert_eq!(t.apply("{response}", "b"), "Q: {response}\n{A}: b");
    assert_eq!(Template::default(), Template::default().to_string().parse().unwrap());
    assert_eq!(Template::default().apply("a", "b"), "a b");
    let refused = |s: &str| s.parse::<Template>().unwrap_err();
    assert_eq!(refused("{answer}{response}"), TemplateError::Unknown { name: "answer".into(), at: 0 });
    assert_eq!(refused("é{response"), TemplateError::Unpaired { brace: '{', at: 2 });
    assert_eq!(refused("{response}}"), TemplateError::Unpaired { brace: '}', at: 10 });
    assert_eq!(refused("{prompt}"), TemplateError::NoResponse("{prompt}".into()));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = pairs(&bytes);
        let _ = read_prompts(Cursor::new(&bytes), "x.jsonl");
        let _ = read_sentiment(Cursor::new(&bytes), "-");
    }
}
