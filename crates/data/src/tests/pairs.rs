//! Pairs as preference data have them.

use super::*;

fn read(text: &str, template: &str) -> Result<Loaded<Pair>, DataError> {
    read_pairs(Cursor::new(text.to_owned()), "p.jsonl", &template.parse().unwrap())
}

/// The problem and what is said to mend it.
fn wrong(text: &str, template: &str) -> (String, String) {
    let e = read(text, template).unwrap_err();
    (format!("{e}: {}", e.source().unwrap()), e.hint().unwrap())
}

#[test]
fn a_prompt_is_needed_where_the_template_shows_it() {
    for row in [
        r#"{"id":"a","chosen":"yes","rejected":"no"}"#,
        r#"{"id":"a","prompt":null,"chosen":"yes","rejected":"no"}"#,
        r#"{"id":"a","prompt":"","chosen":"yes","rejected":"no"}"#,
    ] {
        let loaded = read(row, "A: {response}").unwrap();
        assert_eq!((loaded.rows[0].prompt.trim(), loaded.rows[0].chosen.as_str()), ("", "yes"));
        let text = format!(
            "{}\n{row}",
            row.replace("\"a\"", "\"b\",\"prompt\":\"p\"")
                .replace(r#","prompt":null"#, "")
                .replace(",\"prompt\":\"\"", "")
        );
        let (problem, hint) = wrong(&text, "{prompt} {response}");
        assert_eq!(
            problem,
            "can't read `p.jsonl`, line 2: pair `a` has no `prompt`, and the template `{prompt} {response}` shows it"
        );
        assert!(hint.contains("give every row a `prompt`") && hint.contains("\"{response}\""), "{hint}");
    }
    let (_, hint) = wrong(r#"{"question":"q","chosen":"yes","rejected":"no"}"#, "{prompt} {response}");
    assert!(hint.contains("`question`; call the one that is meant `prompt`"), "{hint}");
    assert!(read(r#"{"prompt":3,"chosen":"yes","rejected":"no"}"#, "{response}").is_err());
}

#[test]
fn texts_of_white_space_are_texts_and_empty_ones_are_refused() {
    let row = r#"{"id":"a","prompt":"\n","chosen":" ","rejected":"no"}"#;
    let loaded = read(row, "{prompt}{response}").unwrap();
    let pair = &loaded.rows[0];
    assert_eq!((pair.prompt.as_str(), pair.chosen.as_str()), ("\n", " "));
    let (problem, _) = wrong(&row.replace("\" \"", "\"\""), "{prompt}{response}");
    assert_eq!(problem, "can't read `p.jsonl`, line 1: field `chosen` is empty");
    // White space is no difference between two texts.
    let (problem, _) = wrong(&row.replace("no", "\\n"), "{prompt}{response}");
    assert!(problem.starts_with("can't read `p.jsonl`, line 1") && problem.contains("`a`"), "{problem}");
}

#[test]
fn chats_of_a_question_and_an_answer_are_pairs() {
    let user = r#"{"role":"user","content":"how?"}"#;
    let turn = |text: &str| format!(r#"{{"content":"{text}","role":"assistant"}}"#);
    let (good, bad) = (turn("so"), turn("not so"));
    for row in [
        format!(r#"{{"chosen":[{user},{good}],"rejected":[{user},{bad}]}}"#),
        format!(r#"{{"prompt":"how?","chosen":[{user},{good}],"rejected":[{user},{bad}]}}"#),
        format!(r#"{{"prompt":[{user}],"chosen":[{good}],"rejected":[{bad}]}}"#),
        format!(r#"{{"prompt":"how?","chosen":[{good}],"rejected":[{bad}]}}"#),
    ] {
        let loaded = read(&row, "{prompt} {response}").unwrap();
        let pair = &loaded.rows[0];
        assert_eq!([&pair.prompt, &pair.chosen, &pair.rejected], ["how?", "so", "not so"]);
        assert!(
            loaded.notes.iter().any(|n| n.contains("1 of 1 pairs of p.jsonl are chats")),
            "{:?}",
            loaded.notes
        );
    }
    let other = user.replace("how", "why");
    let system = r#"{"role":"system","content":"be brief"}"#;
    let pair = |prompt: &str, chosen: &str, rejected: &str| {
        format!(r#"{{"id":"x",{prompt}"chosen":[{chosen}],"rejected":[{rejected}]}}"#)
    };
    for (row, problem, hint) in [
        (
            pair("", &format!("{user},{good}"), &format!("{other},{bad}")),
            "pair `x` differ before",
            "as texts",
        ),
        (
            pair("\"prompt\":\"what?\",", &format!("{user},{good}"), &format!("{user},{bad}")),
            "pair `x` do not begin",
            "as texts",
        ),
        (
            pair("", &format!("{system},{user},{good}"), &format!("{system},{user},{bad}")),
            "pair `x` have 2 messages before the last ones (system, user)",
            "chat template",
        ),
        (
            pair("", &format!("{good},{user}"), &format!("{good},{user}")),
            "its last message is of the role `user`",
            "as texts",
        ),
        (pair("", &good, &bad), "pair `x` has no `prompt`", "{response}"),
        (pair("", &good.replace("content", "value"), &bad), "message 1 has no `content`", "as texts"),
        (
            pair("", &good.replace("\"so\"", "[1]"), &bad),
            "message 1 has a list as `content` that is not one part of text",
            "as texts",
        ),
    ] {
        let (said, helps) = wrong(&row, "{prompt} {response}");
        assert!(said.contains(problem), "expected {problem}\n     got {said}");
        assert!(helps.contains(hint), "expected {hint}\n     got {helps}");
    }
    assert_eq!(read(&pair("", &good, &bad), "{response}").unwrap().rows[0].chosen, "so");
}

#[test]
fn sides_by_other_names_are_told_what_to_be_called() {
    for (up, down) in [("preferred", "dispreferred"), ("good", "bad")] {
        let (problem, hint) = wrong(&format!(r#"{{"prompt":"p","{up}":"yes","{down}":"no"}}"#), "{response}");
        assert!(problem.contains("missing field `chosen`"), "{problem}");
        assert_eq!(hint, format!("if these are pairs, call `{up}` `chosen` and `{down}` `rejected`"));
        let csv = format!("{up},{down}\nyes,no\n");
        let e = read_pairs(Cursor::new(csv), "p.csv", &Template::default()).unwrap_err();
        assert_eq!(e.hint().unwrap(), hint);
    }
}

#[test]
fn a_chat_that_is_written_out_as_a_text_is_refused() {
    let json = r#"[{\"role\": \"assistant\", \"content\": \"yes\"}]"#;
    for text in
        [json, "[{'role': 'assistant', 'content': 'yes'}]", "[ {'content': 'yes', 'role': 'assistant'}]"]
    {
        let row = format!(r#"{{"prompt":"p","chosen":"{text}","rejected":"no"}}"#);
        let (problem, hint) = wrong(&row, "{response}");
        assert!(problem.contains("field `chosen` is a chat, and it is written out as one text"), "{problem}");
        assert!(hint.contains("as texts"), "{hint}");
    }
    assert!(read(r#"{"prompt":"p","chosen":"[sic] yes","rejected":"no"}"#, "{response}").is_ok());
}
