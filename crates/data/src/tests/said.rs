//! Rows that say more than one text: system prompts, turns beside a text, contents in parts.

use super::*;
use crate::conversation::Message;

fn prompt(row: &str) -> Result<PromptInput, DataError> {
    Ok(read_prompts(row.as_bytes(), "p.jsonl")?.rows.swap_remove(0).input)
}

fn said(problem: Result<PromptInput, DataError>) -> String {
    let e = problem.unwrap_err();
    format!("{}: {}", e.problem, e.hint().unwrap())
}

fn hello() -> Vec<Message> {
    vec![Message::new("system", "S"), Message::user("Hi"), Message::assistant("Yo.")]
}

#[test]
fn a_rows_own_system_prompt_is_its_first_turn() {
    let turns = r#"[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yo."}]"#;
    let shared = r#"[{"from":"human","value":"Hi"},{"from":"gpt","value":"Yo."}]"#;
    for row in [
        format!(r#"{{"system":"S","messages":{turns}}}"#),
        format!(r#"{{"system_prompt":"S","messages":{turns}}}"#),
        format!(r#"{{"system":"S","conversations":{shared}}}"#),
        format!(
            r#"{{"system":"S","system_prompt":"","messages":{}}}"#,
            serde_json::to_string(&hello()).unwrap()
        ),
        format!(r#"{{"system":"S","prompt":{turns}}}"#),
        format!(r#"{{"system":"S","conversation":{shared}}}"#),
        // As a cell of a table holds them.
        format!(r#"{{"system":"S","messages":{}}}"#, serde_json::to_string(turns).unwrap()),
    ] {
        assert_eq!(prompt(&row).unwrap(), PromptInput::Messages(hello()), "{row}");
    }
    let alone = prompt(r#"{"text":"Hi","system":"S"}"#).unwrap();
    assert_eq!(alone, PromptInput::Said("Hi".into(), hello()[..2].to_vec()));
    let one_text = prompt(r#"{"text":"Hi","conversation":"A: Hi. B: Yo."}"#).unwrap();
    assert_eq!(
        one_text,
        PromptInput::Text("Hi".into()),
        "a conversation that is one text is a field like any other"
    );
    let none = prompt(r#"{"text":"Hi","system":""}"#).unwrap();
    assert_eq!(none, PromptInput::Text("Hi".into()));
    let differ = format!(r#"{{"system":"T","messages":{}}}"#, serde_json::to_string(&hello()).unwrap());
    assert!(said(prompt(&differ)).contains("two system prompts"));
    let tools = said(prompt(&format!(r#"{{"tools":[{{"name":"f"}}],"messages":{turns}}}"#)));
    assert!(tools.contains("`tools`") && tools.contains("take `tools` out"), "{tools}");
}

#[test]
fn turns_beside_a_text_are_what_a_chat_takes() {
    let both = prompt(r#"{"text":"T","messages":[{"role":"user","content":"Hi"}]}"#).unwrap();
    assert_eq!(both, PromptInput::Said("T".into(), vec![Message::user("Hi")]));
    let same = prompt(r#"{"prompt":"Hi","messages":[{"role":"user","content":"Hi"}]}"#).unwrap();
    assert_eq!(same, PromptInput::Text("Hi".into()));
    let answered = said(prompt(r#"{"prompt":"Hi","response":"Yo."}"#));
    assert!(answered.contains("`response`") && answered.contains("`messages`"), "{answered}");
    let bad = said(prompt(r#"{"messages":[{"role":"user","content":3}]}"#));
    assert!(bad.contains("message 1") && bad.contains("`role`") && !bad.contains("rejected"), "{bad}");
    let row = r#"{"id":"a","text":"T","messages":[{"role":"user","content":"Hi"}],"label":"x"}"#;
    let read = |row: &str| read_classes(row.as_bytes(), "c.jsonl").unwrap().rows.swap_remove(0);
    assert_eq!(read(&serde_json::to_string(&read(row)).unwrap()), read(row));
}

#[test]
fn contents_in_parts_stay_in_parts() {
    let row =
        r#"{"id":"a","messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"label":"x"}"#;
    let read = |row: &str| read_classes(row.as_bytes(), "c.jsonl").unwrap().rows.swap_remove(0);
    let found = read(row);
    assert!(found.turns[0].parts && found.text == "Hi", "{found:?}");
    assert_eq!(read(&serde_json::to_string(&found).unwrap()), found);
    let image = said(prompt(&row.replace("text\"", "image\"")));
    assert!(image.contains("not one part of text"), "{image}");
}

#[test]
fn pairs_may_differ_in_what_the_system_says() {
    let read = |row: &str, template: &str| read_pairs(row.as_bytes(), "p.jsonl", &template.parse().unwrap());
    let side = |system: &str, answer: &str| {
        let turns = [Message::new("system", system), Message::user("Ask"), Message::assistant(answer)];
        serde_json::to_string(&turns).unwrap()
    };
    let row = format!(r#"{{"chosen":{},"rejected":{}}}"#, side("Be kind", "yes"), side("Be rude", "no"));
    let pair = read_pairs(row.as_bytes(), "p.jsonl", &Template::chat()).unwrap().rows.swap_remove(0);
    assert_eq!((pair.prompt.as_str(), pair.conversation("yes")[0].content.as_str()), ("Ask", "Be kind"));
    let rejected = pair.conversation("no");
    assert_eq!((rejected[0].content.as_str(), rejected[2].content.as_str()), ("Be rude", "no"));
    let raw = read(&row, "{prompt} {response}").unwrap_err();
    assert!(raw.hint().unwrap().contains("--chat"), "{raw:?}");
    let same = format!(r#"{{"chosen":{},"rejected":{}}}"#, side("S", "yes"), side("S", "no"));
    let raw = read(&same, "{prompt} {response}").unwrap_err();
    assert!(raw.hint().unwrap().contains("--chat"), "{raw:?}");
    let own = r#"{"system":"S","prompt":"Ask","chosen":"yes","rejected":"no"}"#;
    let pair = read(own, "{prompt} {response}").unwrap().rows.swap_remove(0);
    let turns: Vec<(String, String)> =
        pair.conversation("no").into_iter().map(|m| (m.role, m.content)).collect();
    let expected = [("system", "S"), ("user", "Ask"), ("assistant", "no")];
    assert_eq!(turns, expected.map(|(role, content)| (role.to_owned(), content.to_owned())));
}
