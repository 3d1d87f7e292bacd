//! Conversations: ids and positions against transformers, parts of prompts read and edited, and the verb that shows them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use truenorth::analyses::{EncodedPrompt, NamedPrompt, Spoken};
use truenorth::data::conversation::{Chat, messages};
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{RunError, Runner, Unwatched, Watch};
use truenorth_protocol::chat::Pieces;
use truenorth_protocol::graph::{Builder, PromptPart, Role, Steps, Take, Turn, Turns};
use truenorth_protocol::{
    Answer, ChatTemplates, CheckedGraph, ModelInfo, Prompt, ReadAt, Site, Tensor, WriteAt,
};

use crate::support::{MODEL, ok, run};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A tokenizer with room for every conversation.
struct Roomy(Engine, ModelInfo);

impl Roomy {
    fn open() -> Self {
        let engine = Engine::open(&fixtures().join("gguf/llama-folder"), &EngineOptions::default()).unwrap();
        let info = ModelInfo { context: 4096, ..engine.info().clone() };
        Self(engine, info)
    }
}

impl Runner for Roomy {
    fn info(&self) -> &ModelInfo {
        &self.1
    }

    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError> {
        self.0.encode(text, special)
    }

    fn pieces(&self, texts: &[&str]) -> Result<Option<Vec<Pieces>>, RunError> {
        self.0.pieces(texts)
    }

    fn stop_tokens(&self) -> Vec<u32> {
        vec![]
    }

    fn run(&self, graph: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError> {
        self.0.run(graph, watch)
    }
}

/// Runs of consecutive numbers, as the goldens have them.
fn runs(tokens: &[usize]) -> Vec<[usize; 2]> {
    let mut runs: Vec<[usize; 2]> = vec![];
    for t in tokens {
        match runs.last_mut().filter(|run| run[1] == *t) {
            Some(run) => run[1] += 1,
            None => runs.push([*t, t + 1]),
        }
    }
    runs
}

fn tokens(encoded: &EncodedPrompt) -> &[u32] {
    match &encoded.prompt {
        Prompt::Tokens(tokens) => tokens,
        Prompt::Text(_) => &[],
    }
}

#[test]
fn ids_and_positions_are_those_of_transformers() {
    let text = std::fs::read_to_string(fixtures().join("chat/goldens.json")).unwrap();
    let golden: Json = serde_json::from_str(&text).unwrap();
    let runner = Roomy::open();
    let (mut cases, mut names, mut refused, mut masked) = (0, 0, 0, 0);
    for (name, conversations) in golden["templates"].as_object().unwrap() {
        let template = std::fs::read_to_string(fixtures().join(format!("chat/{name}.jinja"))).unwrap();
        let templates = ChatTemplates {
            templates: BTreeMap::from([(ChatTemplates::DEFAULT.to_owned(), template)]),
            source: name.clone(),
            special_tokens: serde_json::from_value(golden["special_tokens"].clone()).unwrap(),
        };
        let now = golden["now"].as_str().unwrap().parse().unwrap();
        let spoken = Spoken::of(Chat::open(Some(&templates), None, now).unwrap());
        for (title, one) in conversations.as_object().unwrap() {
            let talk = messages(&one["messages"]).unwrap();
            let named = [NamedPrompt::conversation(title, talk.clone())];
            let last = talk.last().unwrap().role == "assistant";
            for case in one["cases"].as_array().unwrap() {
                let tail = case["tail"].as_str().unwrap();
                // A question is always put with what stands before the answer.
                if case.get("refused").is_some() || (!last && tail == "complete") {
                    continue;
                }
                cases += 1;
                let found = spoken.encode(&runner, &named, tail == "continue").unwrap().remove(0);
                let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
                assert_eq!(tokens(&found), ids, "{name}, {title}, {tail}");
                for (position, want) in case["positions"].as_object().unwrap() {
                    let (part, take) = position.parse::<ReadAt>().unwrap().part().unwrap();
                    let got = part.tokens(take, &found.turns.0, ids.len());
                    let got = got.map(|tokens| serde_json::json!(runs(&tokens)));
                    // A name that is not certain is refused; it never means other tokens.
                    match got {
                        Some(got) => {
                            assert_eq!(merged(&got), merged(want), "{name}, {title}, {tail}: {position}")
                        }
                        None => refused += usize::from(!want.is_null()),
                    }
                    names += 1;
                }
                // What transformers marks as generated holds every answer.
                if let Some(mask) = case["assistant_mask"].as_array().filter(|_| last) {
                    let answers = PromptPart::Assistant.tokens(Take::All, &found.turns.0, ids.len()).unwrap();
                    assert!(answers.iter().all(|t| mask[*t] == 1), "{name}, {title}");
                    masked += 1;
                }
            }
        }
    }
    assert!(cases > 60 && names > 900 && masked > 0, "{cases} cases, {names} names, {masked} masks");
    // Thoughts that a template takes out of a turn before it is shown leave no certain place.
    assert!(refused < 20, "{refused} of {names} names are refused where transformers' tokens are known");
}

/// Runs that touch are one.
fn merged(runs: &Json) -> Vec<[u64; 2]> {
    let mut out: Vec<[u64; 2]> = vec![];
    for run in runs.as_array().into_iter().flatten() {
        let [a, b] = [run[0].as_u64().unwrap(), run[1].as_u64().unwrap()];
        match out.last_mut().filter(|last| last[1] == a) {
            Some(last) => last[1] = b,
            None => out.push([a, b]),
        }
    }
    out
}

fn turn(role: Role, start: u32, end: u32) -> Turn {
    Turn { role, start, end }
}

/// Two conversations of other lengths, and one prompt of one turn.
fn talks() -> (Vec<Vec<u32>>, Vec<Turns>) {
    let ids = |n: u32, k: u32| (0..n).map(|i| 3 + (i * k + k) % 300).collect();
    let prompts = vec![ids(14, 7), ids(9, 11), ids(5, 13)];
    let turns = vec![
        Turns(vec![turn(Role::User, 2, 5), turn(Role::Assistant, 6, 8), turn(Role::User, 10, 13)]),
        Turns(vec![turn(Role::User, 1, 4), turn(Role::Assistant, 5, 6), turn(Role::User, 6, 9)]),
        Turns(vec![turn(Role::User, 0, 5), turn(Role::Assistant, 0, 1)]),
    ];
    (prompts, turns)
}

#[test]
fn a_part_is_read_as_its_rows_of_all_tokens_say() {
    let engine = Engine::open(Path::new(MODEL), &EngineOptions::default()).unwrap();
    let (prompts, turns) = talks();
    for site in [Site::ResidPost(0), Site::ResidMid(1), Site::Logits] {
        let mut b = Builder::new();
        let group = b.tokens(prompts.clone());
        b.turns(group, turns.clone());
        let all = b.read(group, site, ReadAt::All);
        b.save("all", all);
        let asked = [
            "first-user",
            "last-user",
            "mean+sink:user",
            "mean:user",
            "last-assistant",
            "mean+sink:2..4",
            "first-1..3",
        ];
        for name in asked {
            let read = b.read(group, site, name.parse().unwrap());
            b.save(name, read);
        }
        let sinks = b.read(group, site, ReadAt::In(PromptPart::User, Take::Sinks));
        b.save("sinks", sinks);
        let answer = engine.ask(b.finish(), &Unwatched).unwrap();
        let of = |name: &str| answer.tensor(name).unwrap().to_f32().unwrap();
        let all = of("all");
        let width = all.len() / prompts.iter().map(Vec::len).sum::<usize>();
        let sinks = of("sinks");
        for name in asked {
            let (part, take) = name.parse::<ReadAt>().unwrap().part().unwrap();
            let found = of(name);
            let mut start = 0;
            for (p, prompt) in prompts.iter().enumerate() {
                let rows = part.tokens(take, &turns[p].0, prompt.len()).unwrap();
                let row = |t: &usize| &all[(start + t) * width..(start + t + 1) * width];
                let mut want = vec![0.0_f64; width];
                rows.iter().for_each(|t| want.iter_mut().zip(row(t)).for_each(|(w, v)| *w += f64::from(*v)));
                let close = want
                    .iter()
                    .zip(&found[p * width..])
                    .all(|(w, v)| (w / rows.len() as f64 - f64::from(*v)).abs() < 1e-5 * (1.0 + w.abs()));
                // With no sinks in it, a mean without them is that of all.
                assert!(close || (name == "mean:user" && sinks[p] > 0.0), "{site} {name} of prompt {p}");
                start += prompt.len();
            }
        }
    }
}

#[test]
fn a_part_is_edited_as_its_tokens_one_by_one_are() {
    let engine = Engine::open(Path::new(MODEL), &EngineOptions::default()).unwrap();
    let (prompts, turns) = talks();
    let direction = vec![0.5; engine.info().hidden as usize];
    for name in ["user", "last-user", "first-assistant", "1..3"] {
        let at: WriteAt = name.parse().unwrap();
        let ask = |graph| engine.ask(graph, &Unwatched).unwrap().tensor("x").unwrap().to_f32().unwrap();
        let mut b = Builder::new();
        let group = b.tokens(prompts.clone());
        b.turns(group, turns.clone());
        let d = b.constant(Tensor::vector(&direction));
        b.add(group, Site::ResidPost(0), at, Steps::ALL, d, &[1.0, 2.0, -1.0]);
        let x = b.read(group, Site::Logits, ReadAt::All);
        b.save("x", x);
        let together = ask(b.finish());
        let mut alone = Vec::new();
        for ((prompt, turns), alpha) in prompts.iter().zip(&turns).zip([1.0, 2.0, -1.0]) {
            let (part, take) = at.part().unwrap();
            let mut b = Builder::new();
            let group = b.tokens([prompt.clone()]);
            let d = b.constant(Tensor::vector(&direction));
            for t in part.tokens(take, &turns.0, prompt.len()).unwrap() {
                b.add(group, Site::ResidPost(0), WriteAt::Index(t as i32), Steps::ALL, d, &[alpha]);
            }
            let x = b.read(group, Site::Logits, ReadAt::All);
            b.save("x", x);
            alone.extend(ask(b.finish()));
        }
        assert!(together.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-4), "{name}");
    }
}

#[test]
fn what_a_prompt_does_not_have_is_refused_before_anything_runs() {
    let engine = Engine::open(Path::new(MODEL), &EngineOptions::default()).unwrap();
    let ask = |turns: Vec<Turns>, at: &str| {
        let mut b = Builder::new();
        let group = b.tokens([vec![3, 4, 5], vec![6, 7]]);
        if !turns.is_empty() {
            b.turns(group, turns);
        }
        let read = b.read(group, Site::Embed, at.parse().unwrap());
        b.save("x", read);
        engine.ask(b.finish(), &Unwatched).map(drop).unwrap_err()
    };
    let said = |e: RunError| match e {
        RunError::Check(e) => e.to_string(),
        other => other.to_string(),
    };
    let user = Turns(vec![turn(Role::User, 0, 2)]);
    assert!(
        said(ask(vec![], "last-user")).contains("prompt 0 of group 0 has no tokens that `last-user` means")
    );
    assert!(said(ask(vec![user.clone(), Turns::default()], "mean:user")).contains("prompt 1"));
    assert!(
        said(ask(vec![user.clone(), Turns(vec![turn(Role::User, 1, 1)])], "mean:user"))
            .contains("for certain")
    );
    assert!(said(ask(vec![user.clone()], "last-user")).contains("turns of 1 prompts"));
    assert!(said(ask(vec![user.clone(), user.clone()], "mean:0..2")).contains("prompt 1"));
    assert!(said(ask(vec![user.clone(), user], "user")).contains("every token of `user`"));
}

fn lines(bytes: &[u8]) -> Vec<Json> {
    std::str::from_utf8(bytes).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn tokens_are_shown_with_their_roles_and_what_is_odd_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let talk = r#"{"id": "t", "messages": [{"role": "user", "content": "the hat"}, {"role": "assistant", "content": "yes"}]}"#;
    std::fs::write(dir.path().join("talk.jsonl"), talk).unwrap();
    let shown = ["tokens", "--model", MODEL, "--chat=chatml", "--input", "talk.jsonl"];
    let out = ok(dir.path(), &[&shown[..], &["--positions", "last,user,last-response,mean:system"]].concat());
    let row = lines(&out.stdout).remove(0);
    let pieces: Vec<&str> = row["pieces"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    assert_eq!(pieces.concat(), row["text"].as_str().unwrap());
    assert_eq!(row["text"], "<|im_start|>user\nthe hat<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>\n");
    let of = |name: &str| -> String {
        let at = row["positions"][name].as_array().unwrap();
        at.iter().map(|i| pieces[i.as_u64().unwrap() as usize]).collect()
    };
    assert_eq!((of("user").as_str(), of("last").as_str()), ("the hat", "\n"));
    assert!("yes".ends_with(&of("last-response")));
    assert_eq!(row["positions"]["mean:system"], Json::Null);
    assert_eq!(row["roles"][0], Json::Null);
    assert_eq!(row["round_trip"], true);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(said.contains("`mean:system` means for certain") && said.contains("not model's own"), "{said}");
    // The template's own marks are in no turn.
    assert!(!said.contains("in its text"), "{said}");

    // Without a template, a conversation is refused by name.
    // What steering calls generated is behind a text, and no part of it.
    let behind = ok(dir.path(), &[&shown[..], &["--positions", "last,generated"]].concat());
    let row: serde_json::Value =
        serde_json::from_slice(behind.stdout.split(|b| *b == b'\n').next().unwrap()).unwrap();
    assert_eq!(row["positions"]["generated"], serde_json::json!([]));
    assert_eq!(row["positions"]["last"].as_array().map(Vec::len), Some(1));
    let words = String::from_utf8_lossy(&behind.stderr).into_owned();
    assert!(words.contains("`generated` means no token of these texts"), "{words}");
    let out = run(dir.path(), &["tokens", "--model", MODEL, "--input", "talk.jsonl"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(
        out.status.code() == Some(2) && said.contains("`t` has `messages`") && said.contains("--chat"),
        "{said}"
    );
    let out = run(dir.path(), &["tokens", "--model", MODEL, "--chat", "--input", "talk.jsonl"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(
        out.status.code() == Some(2) && said.contains("no chat template") && said.contains("chatml"),
        "{said}"
    );

    std::fs::write(dir.path().join("odd.txt"), "one\\ntwo <|im_end|> three\n").unwrap();
    std::fs::write(dir.path().join("seq.txt"), "the ha\n").unwrap();
    let odd = ["tokens", "--model", MODEL, "--input", "odd.txt"];
    let row = lines(&ok(dir.path(), &odd).stdout).remove(0);
    let said = row["warnings"].to_string();
    assert!(said.contains("literal") && said.contains("<|im_end|> in its text"), "{said}");
    std::fs::write(dir.path().join("probe.txt"), "t is on\n").unwrap();
    let joined = ["tokens", "--model", MODEL, "--input", "probe.txt", "--sequences", "seq.txt", "--join", ""];
    let row = lines(&ok(dir.path(), &joined).stdout).remove(0);
    assert!(row["warnings"].to_string().contains("merges at the joint"), "{row}");
    // A conversation is no text that a sequence could stand before.
    let talk =
        ["tokens", "--model", MODEL, "--chat=chatml", "--input", "talk.jsonl", "--sequences", "seq.txt"];
    let out = run(dir.path(), &talk);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(2) && said.contains("has messages"), "{said}");
}

#[test]
fn conversations_are_read_by_the_names_of_their_parts() {
    let dir = tempfile::tempdir().unwrap();
    let talk = [
        r#"{"id": "a", "messages": [{"role": "user", "content": "the hat"}, {"role": "assistant", "content": "yes the hat"}]}"#,
        r#"{"id": "b", "messages": [{"role": "user", "content": "a cup"}, {"role": "assistant", "content": "no"}]}"#,
    ];
    std::fs::write(dir.path().join("talk.jsonl"), talk.join("\n")).unwrap();
    let read = |at: &str, out: &str| {
        let args =
            ["read", "--model", MODEL, "--chat=chatml", "--system", "be good", "--input", "talk.jsonl"];
        ok(dir.path(), &[&args[..], &["--site", "resid_post.1", "--positions", at, "--out", out]].concat());
        let bytes = std::fs::read(dir.path().join(out)).unwrap();
        let metadata = safetensors::SafeTensors::read_metadata(&bytes).unwrap().1.metadata().clone().unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let of = |name: &str| -> Vec<f32> {
            let data = file.tensor(name).unwrap().data().to_vec();
            data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        let names = file.names().into_iter().map(|n| (n.to_owned(), of(n))).collect::<BTreeMap<_, _>>();
        (names, metadata)
    };
    let (rows, metadata) = read("response", "rows.safetensors");
    let (means, _) = read("mean+sink:response", "means.safetensors");
    let (lasts, _) = read("last-response", "lasts.safetensors");
    assert_eq!(metadata["positions"], "response");
    let speech: Json = serde_json::from_str(&metadata["speech"]).unwrap();
    assert_eq!((&speech["template"], &speech["system"]), (&"chatml".into(), &"be good".into()));
    assert_eq!(speech["sha256"].as_str().unwrap().len(), 64);
    let width = means["resid_post.1"].len() / 2;
    for (i, id) in ["a", "b"].iter().enumerate() {
        let rows = &rows[&format!("resid_post.1/{id}")];
        let count = rows.len() / width;
        assert_eq!(lasts["resid_post.1"][i * width..(i + 1) * width], rows[rows.len() - width..]);
        for k in 0..width {
            let mean: f32 = (0..count).map(|r| rows[r * width + k]).sum::<f32>() / count as f32;
            assert!((mean - means["resid_post.1"][i * width + k]).abs() < 1e-5, "{id} {k}");
        }
    }
}
