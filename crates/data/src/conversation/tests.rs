use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::*;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/chat")
}

fn chat_of(template: &str, tokens: &[(&str, &str)]) -> Chat {
    opened(template, tokens).unwrap()
}

fn opened(template: &str, tokens: &[(&str, &str)]) -> Result<Chat, ChatError> {
    let model = ChatTemplates {
        templates: BTreeMap::from([("default".to_owned(), template.to_owned())]),
        source: "test".into(),
        special_tokens: tokens.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    };
    let now = "2026-11-03T09:05:07".parse().unwrap();
    Chat::open(Some(&model), None, now)
}

fn tail(name: &str) -> Tail {
    match name {
        "answer" => Tail::Answer,
        "continue" => Tail::Continue,
        _ => Tail::Complete,
    }
}

#[test]
fn texts_are_those_of_transformers() {
    let text = std::fs::read_to_string(fixtures().join("goldens.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let tokens: BTreeMap<String, String> = serde_json::from_value(golden["special_tokens"].clone()).unwrap();
    let tokens: Vec<(&str, &str)> = tokens.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let mut wrong = Vec::new();
    let (mut cases, mut refused) = (0, 0);
    for (name, conversations) in golden["templates"].as_object().unwrap() {
        let template = std::fs::read_to_string(fixtures().join(format!("{name}.jinja"))).unwrap();
        let chat = chat_of(&template, &tokens);
        for (title, one) in conversations.as_object().unwrap() {
            let messages = messages(&one["messages"]).unwrap();
            for case in one["cases"].as_array().unwrap() {
                cases += 1;
                let tail = tail(case["tail"].as_str().unwrap());
                let found = chat.render(&messages, tail);
                let same = match case["refused"].as_str() {
                    Some(said) => {
                        refused += 1;
                        found == Err(ChatError::Refused(said.to_owned()))
                    }
                    None => found.as_deref() == Ok(case["text"].as_str().unwrap()),
                };
                if !same {
                    wrong.push(format!("{name}, {title}, {tail:?}:\n{found:#?}\n{:#}", case["text"]));
                }
            }
        }
    }
    assert!(cases > 100 && refused > 0, "{cases}, {refused}");
    assert!(wrong.is_empty(), "{} of {cases}\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn expressions_are_what_jinja2_makes_of_them() {
    let text = std::fs::read_to_string(fixtures().join("expressions.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let messages = messages(&golden["messages"]).unwrap();
    let mut wrong = Vec::new();
    for case in golden["cases"].as_array().unwrap() {
        let template = case["template"].as_str().unwrap();
        let found = opened(template, &[]).and_then(|chat| chat.render(&messages, Tail::Complete));
        let same = match case["text"].as_str() {
            Some(text) => found.as_deref() == Ok(text),
            None => found.is_err(),
        };
        if !same {
            wrong.push(format!("{template}\n  found    {found:?}\n  expected {}", case["text"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_can_t_be_said_as_python_says_it_is_refused() {
    for (template, said) in [
        ("{{ {'a': 1}|urlencode }}", "urlencode"),
        ("{{ 'a'.expandtabs() }}", "expandtabs"),
        ("{{ ('%s'|e) % '<' }}", "marked as safe"),
        ("{{ ('%s'|safe)|format('<') }}", "marked as safe"),
        ("{{ [1, 2]|pprint }}", "pprint"),
        ("{{ messages[0]|attr('role') }}", "attr"),
        ("{{ '\u{663}'|int }}", "digits 0 to 9"),
    ] {
        let found = chat_of(template, &[]).render(&[Message::user("x")], Tail::Complete);
        assert!(matches!(&found, Err(ChatError::Failed(e)) if e.contains(said)), "{template}: {found:?}");
    }
}

#[test]
fn a_failure_names_what_the_template_uses() {
    let failed =
        |template: &str| chat_of(template, &[]).render(&[Message::user("x")], Tail::Complete).unwrap_err();
    let e = failed("a\r\n{{ messages[0].role|trim(1, 2, 3) }}");
    assert!(e.to_string().contains("(line 2 of the template: {{ messages[0].role|trim(1, 2, 3) }})"), "{e}");
    assert!(!e.hint().contains("wordwrap"), "{}", e.hint());
    let e = failed(&format!(
        "{}{{{{ 'x'.ljust(1)|trim(1, 2, 3) }}}}{{% if (1) %}}{{% endif %}}",
        "long ".repeat(40)
    ));
    assert!(e.to_string().ends_with("(line 1 of the template, which uses `ljust`, `trim`)"), "{e}");
    let e = failed("{% macro f(a, b=1) %}{{ a }}{% endmacro %}\n{{ f(1, 2, 3) }}");
    assert!(e.to_string().contains("the macro `f` takes at most 2"), "{e}");
}

#[test]
fn characters_that_a_template_names_are_refused() {
    for template in ["{{ '\\N{BULLET}' }}", "{{ '\\UFFFFFFFF' }}", "{{ '\\U0001' }}"] {
        let model = ChatTemplates {
            templates: BTreeMap::from([("default".to_owned(), template.to_owned())]),
            source: "test".into(),
            special_tokens: BTreeMap::new(),
        };
        let now = "2026-11-03T09:05:07".parse().unwrap();
        let found = Chat::open(Some(&model), None, now).map(|_| ());
        assert!(matches!(found, Err(ChatError::Template { .. })), "{template}: {found:?}");
    }
}

#[test]
fn brackets_without_end_come_to_an_end() {
    for template in [
        format!("{{{{ {}5 % 3{} }}}}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("{{{{ {}5 % 3 }}}}", "(".repeat(100_000)),
    ] {
        let model = ChatTemplates {
            templates: BTreeMap::from([("default".to_owned(), template)]),
            source: "test".into(),
            special_tokens: BTreeMap::new(),
        };
        let now = "2026-11-03T09:05:07".parse().unwrap();
        let found = Chat::open(Some(&model), None, now).map(|_| ());
        assert!(matches!(found, Err(ChatError::Template { .. })), "{found:?}");
    }
}

#[test]
fn a_width_that_no_text_has_is_refused() {
    let render = |template: &str| chat_of(template, &[]).render(&[Message::user("x")], Tail::Complete);
    for template in [
        "{{ '{:>99999999999}'.format('a') }}",
        "{{ '{:.99999999999f}'.format(1.5) }}",
        "{{ '{{{0:*^99999999999999999999999}'.format('a') }}",
        "{{ 'a'.ljust(99999999999) }}",
        "{{ 'a'|center(99999999999) }}",
        "{{ [1]|tojson(indent=99999999999) }}",
        "{{ '%99999999999d' % 1 }}",
        "{{ '%.99999999999f' % 1 }}",
        "{{ '%*d' % (99999999999, 1) }}",
    ] {
        let found = render(template);
        assert!(
            matches!(&found, Err(ChatError::Failed(e)) if e.contains("65536") && e.contains("line 1")),
            "{template}: {found:?}"
        );
    }
    // A number that is no width.
    let found = render("{{ '{:>3} of 99999999999 {{:99999999999}}'.format('a') }}");
    assert_eq!(found.as_deref(), Ok("  a of 99999999999 {:99999999999}"));
}

#[test]
fn a_template_is_the_same_whatever_ends_its_lines() {
    let lines = "{% for m in messages %}\n<{{ m.role }}>\n{{ m.content + '\n' }}\n{% endfor %}\n";
    let render =
        |template: &str| chat_of(template, &[]).render(&[Message::user("a\r\nb")], Tail::Answer).unwrap();
    assert_eq!(render(lines), "<user>\na\r\nb\n\n");
    assert_eq!(render(&lines.replace('\n', "\r\n")), render(lines));
    assert_eq!(render(&lines.replace('\n', "\r")), render(lines));
}

#[test]
fn what_a_template_alters_has_no_place() {
    let chat = chat_of(
        "{% for m in messages %}[{{ m.content | upper if m.role == 'user' else m.content | trim }}]{% endfor %}",
        &[],
    );
    let messages = [Message::user("shout"), Message::assistant("  \n as it is ")];
    let found = chat.place(&messages, Tail::Complete).unwrap();
    assert_eq!(found.text, "[SHOUT][as it is]");
    assert_eq!(found.turns[0].bytes, None);
    assert_eq!(found.turns[1].bytes, Some(8..16));
    // What is shown twice has no one place, and the same words elsewhere are no place.
    let chat = chat_of("{% for m in messages %}{{ m.content }}|{{ m.content }}{% endfor %}", &[]);
    assert_eq!(chat.place(&[Message::user("x")], Tail::Complete).unwrap().turns[0].bytes, None);
    let chat = chat_of("user user {{ messages[0].content }}", &[]);
    assert_eq!(chat.place(&[Message::user("user")], Tail::Complete).unwrap().turns[0].bytes, Some(10..14));
    // A content that is left out by a condition on it, and one that marks would change.
    let chat = chat_of("{{ messages[0].content if messages[0].content == 'x' else 'y' }}", &[]);
    assert_eq!(chat.place(&[Message::user("x")], Tail::Complete).unwrap().turns[0].bytes, None);
    let private = [Message::user("a\u{f0000}b")];
    assert_eq!(chat.place(&private, Tail::Complete).unwrap().turns[0].bytes, None);
}

#[test]
fn the_date_is_told_where_it_is_said() {
    let chat = chat_of("{{ messages[0].content }} {{ strftime_now('%d %b %Y, %H:%M') }}", &[]);
    assert_eq!(chat.date(), None);
    assert_eq!(chat.render(&[Message::user("On")], Tail::Answer).unwrap(), "On 03 Nov 2026, 09:05");
    assert_eq!(chat.date().as_deref(), Some("2026-11-03"));
    let bad = chat_of("{{ strftime_now('%!') }}", &[]).render(&[Message::user("On")], Tail::Answer);
    assert!(matches!(bad, Err(ChatError::Failed(what)) if what.contains("%!")));
}

#[test]
fn a_template_that_can_t_be_used_says_where() {
    let model = |text: &str| ChatTemplates {
        templates: BTreeMap::from([("tool_use".to_owned(), text.to_owned())]),
        source: "tokenizer_config.json".into(),
        ..ChatTemplates::default()
    };
    let open = |m: Option<&ChatTemplates>, name| Chat::open(m, name, now()).map(drop).unwrap_err();
    let e = open(Some(&model("x")), None);
    assert!(e.to_string().contains("it has tool_use") && e.hint().contains("--chat=tool_use"), "{e}");
    let e = open(Some(&model("x")), Some("rag"));
    assert_eq!(e.hint(), "name one that is there");
    let mut both = model("x");
    both.templates.insert(ChatTemplates::DEFAULT.into(), "y".into());
    assert!(open(Some(&both), Some("rag")).hint().ends_with("or leave the name out"));
    let e = open(None, None);
    assert!(e.to_string().contains("no chat template") && e.hint().contains("--chat=chatml"), "{e}");
    let e = open(Some(&model("{% for %}")), Some("tool_use"));
    assert!(e.to_string().contains("line 1"), "{e}");
    assert_eq!(Chat::open(None, Some("gemma"), now()).unwrap().sha256.len(), 64);
    // A loop without an end ends.
    let chat =
        chat_of("{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}", &[]);
    let e = chat.render(&[Message::user("x")], Tail::Answer).unwrap_err();
    assert!(matches!(e, ChatError::Endless { line: Some(1), .. }), "{e:?}");
    assert!(e.to_string().contains("steps (line 1") && e.hint().contains("shorter conversation"), "{e}");
    assert_eq!(chat.render(&[], Tail::Answer), Err(ChatError::Empty));
}

#[test]
fn markups_are_turns() {
    let chat = Chat::open(None, Some("chatml"), now()).unwrap();
    let talk = [Message::new("system", "S"), Message::user("U"), Message::assistant("A")];
    assert_eq!(
        chat.render(&talk, Tail::Complete).unwrap(),
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
    );
    for name in MARKUPS {
        let chat = Chat::open(None, Some(name), now()).unwrap();
        let found = chat.place(&talk, Tail::Complete).unwrap();
        for (turn, message) in found.turns.iter().zip(&talk) {
            assert_eq!(&found.text[turn.bytes.clone().unwrap()], message.content, "{name}");
        }
        assert!(chat.render(&talk[..2], Tail::Answer).unwrap().contains('U'), "{name}");
        assert!(chat.render(&talk, Tail::Continue).unwrap().ends_with('A'), "{name}");
    }
}

#[test]
fn messages_are_checked_and_null_is_left_out() {
    let read = |text: &str| messages(&serde_json::from_str(text).unwrap());
    let one = read(r#"[{"role":"user","content":"x","tool_calls":null,"name":"n"}]"#).unwrap();
    assert_eq!(one[0].extra.keys().collect::<Vec<_>>(), ["name"]);
    for (bad, says) in [
        ("{}", "no list"),
        ("[]", "no messages"),
        ("[1]", "message 1 is no object"),
        (r#"[{"content":"x"}]"#, "message 1 has no `role`"),
        (r#"[{"role":"user","content":[{"type":"image"}]}]"#, "a list as `content`"),
        (
            r#"[{"role":"user","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]}]"#,
            "not one part of text",
        ),
    ] {
        assert!(read(bad).unwrap_err().contains(says), "{bad}");
    }
}
