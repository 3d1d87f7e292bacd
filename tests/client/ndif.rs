//! The wire of NDIF services, and what they tell about themselves.

use std::sync::Arc;

use serde_json::json;
use truenorth::client::{Client, ClientError, Hosted, Service, ServiceOptions};
use truenorth::jobs::JobState;
use truenorth::run::{RunError, Runner as _, Vocabulary};
use truenorth_protocol::nnsight::{ModelKey, Modules};
use truenorth_protocol::{DType, frame};

use crate::fake::{Fake, Line, Post, Script, info};
use crate::support::*;
use crate::torch;

/// A token a byte.
struct Bytes;

impl Vocabulary for Bytes {
    fn encode(&self, text: &str, _special: bool) -> Result<Vec<u32>, RunError> {
        Ok(text.bytes().map(u32::from).collect())
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, RunError> {
        Ok(tokens.iter().map(|t| char::from(*t as u8)).collect())
    }
}

fn hosted() -> Hosted {
    Hosted {
        info: info(),
        modules: Modules {
            blocks: "model.layers".into(),
            attn: "self_attn".into(),
            attn_post: None,
            mlp_norm: Some("post_attention_layernorm".into()),
            mlp: "mlp".into(),
            mlp_post: None,
            norm: "model.norm".into(),
            head: "lm_head".into(),
            parallel: false,
            logit_softcap: None,
        },
        key: key(),
        stop: vec![2],
        vocabulary: Arc::new(Bytes),
        reply: DType::F32,
    }
}

fn key() -> ModelKey {
    ModelKey { repo_id: "toy/model".into(), revision: None }
}

fn replica(repo: &str, level: &str, state: &str) -> serde_json::Value {
    let key = ModelKey { repo_id: repo.into(), revision: None }.to_string();
    json!({ "model_key": key, "repo_id": repo, "revision": null, "task": "text-generation",
            "deployment_level": level, "application_state": state, "n_params": 7 })
}

/// A service that answers everything with a tensor of `number`.
fn answering(number: f32, script: Script) -> Fake {
    let result = frame::compress(&torch::result(number, [1, 4])).unwrap();
    Fake::new(Script { result: Some(result), ..script })
}

fn client(fake: &Fake) -> Client {
    Client::ndif(hasty(keyed(fake)), hosted()).unwrap()
}

fn noted(fake: &Fake, notes: &Arc<Notes>) -> Client {
    Client::ndif(hasty(ServiceOptions { journal: Some(notes.clone()), ..keyed(fake) }), hosted()).unwrap()
}

#[test]
fn a_graph_is_answered() {
    let status = json!({ "deployments": { "a": replica("toy/model", "HOT", "RUNNING") } });
    let fake = answering(2.5, Script { status: Some(status), key: Some(KEY), ..Script::default() });
    assert_eq!(number(&run(&client(&fake), 3).unwrap()), 2.5);
    assert_eq!((fake.posts(), fake.taken()), (1, 1));
    let sent = &fake.seen("/request")[0].headers;
    assert!(!sent.contains_key("idempotency-key"));
    assert_eq!(sent["nnsight-version"], "0.8.1");
}

#[test]
fn what_is_in_the_journal_is_not_told_to_a_socket_alone() {
    // NDIF stores what it has not told a socket; only that can be picked up later.
    let (fake, notes) = (answering(2.5, Script::default()), Notes::shared());
    assert_eq!(number(&run(&noted(&fake, &notes), 3).unwrap()), 2.5);
    assert_eq!((fake.posts(), fake.seen("/subscribe").len()), (1, 0));
    assert_eq!((notes.job().state, notes.job().wire.as_str()), (JobState::Done, "ndif"));
}

#[test]
fn a_result_comes_along_in_a_frame() {
    let result = frame::compress(&torch::result(4.5, [1, 4])).unwrap();
    let last = torch::completed("job-0", &result);
    let fake = answering(0.0, Script { line: Line::Ends(last), ..Script::default() });
    assert_eq!(number(&run(&client(&fake), 3).unwrap()), 4.5);
    assert_eq!((fake.posts(), fake.seen("/result").len()), (1, 0));
    // A frame that can't be read leads to polls.
    let fake = answering(5.5, Script { line: Line::Ends(b"nonsense".to_vec()), ..Script::default() });
    assert_eq!(number(&run(&client(&fake), 3).unwrap()), 5.5);
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_model_that_is_not_up_is_told_with_those_that_are() {
    let status = json!({ "deployments": {
        "a": replica("toy/modell", "HOT", "RUNNING"),
        "b": replica("other/model", "HOT", "RUNNING"),
        "c": replica("meta/llama", "HOT", "RUNNING"),
        "d": replica("far/away", "HOT", "RUNNING"),
        "e": replica("toy/models", "COLD", "NOT_STARTED"),
    } });
    let fake = answering(1.0, Script { status: Some(status), ..Script::default() });
    let error = run(&client(&fake), 1).unwrap_err();
    assert!(error.is_request(), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("toy/model is not on the service; up are "), "{text}");
    assert!(
        text.contains("toy/modell") && text.contains("other/model") && !text.contains("toy/models"),
        "{text}"
    );
    assert!(error.hint().unwrap().contains("ndif status"));
    for (level, state) in [("COLD", "NOT_STARTED"), ("HOT", "UNHEALTHY")] {
        let status = json!({ "deployments": { "a": replica("toy/model", level, state) } });
        fake.script(|s| s.status = Some(status));
        let text = run(&client(&fake), 1).unwrap_err().to_string();
        assert!(text.starts_with(&format!("toy/model is {level} {state} on")), "{text}");
    }
    assert_eq!(fake.posts(), 0);
    let unchecked = ServiceOptions { check_up: false, ..keyed(&fake) };
    assert_eq!(number(&run(&Client::ndif(unchecked, hosted()).unwrap(), 1).unwrap()), 1.0);
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_model_that_comes_up_is_waited_for() {
    let replicas = json!({ "deployments": {
        "a": replica("toy/model", "WARM", "NOT_STARTED"), "b": replica("toy/model", "HOT", "DEPLOYING"),
    } });
    let fake = answering(1.0, Script { status: Some(replicas), ..Script::default() });
    let heard = Heard::default();
    client(&fake).run(&graph(1), &heard).unwrap();
    assert!(heard.all().contains("toy/model is HOT DEPLOYING; the job waits for it"), "{}", heard.all());
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_pickle_that_would_run_code_is_refused_by_name() {
    let evil = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/torch/evil.pt")).unwrap();
    let fake = Fake::new(Script { result: Some(frame::compress(&evil).unwrap()), ..Script::default() });
    let error = run(&client(&fake), 1).unwrap_err();
    assert!(matches!(cause(&error), ClientError::Reply(_)), "{error:?}");
    let mut text = String::new();
    let mut at: Option<&dyn std::error::Error> = Some(cause(&error));
    while let Some(e) = at {
        text += &format!("{e}\n");
        at = e.source();
    }
    assert!(text.contains("print"), "{text}");
    assert_eq!(fake.posts(), 1);
}

#[test]
fn values_of_another_shape_are_refused() {
    let result = frame::compress(&torch::result(1.0, [2, 4])).unwrap();
    let fake = Fake::new(Script { result: Some(result), ..Script::default() });
    let error = run(&client(&fake), 1).unwrap_err();
    assert!(matches!(cause(&error), ClientError::Reply(_)), "{error:?}");
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_lost_receipt_is_read_off_the_socket() {
    for plan in [Post::TakeAndHang, Post::TakeAndSay(500, "oops"), Post::TakeAndSay(200, "no receipt")] {
        let fake = answering(2.0, Script { posts: [plan.clone()].into(), ..Script::default() });
        assert_eq!(number(&run(&client(&fake), 1).unwrap()), 2.0, "{plan:?}");
        assert_eq!((fake.posts(), fake.taken()), (1, 1), "{plan:?}");
    }
}

#[test]
fn a_job_in_doubt_is_never_sent_again() {
    for plan in [Post::TakeAndHang, Post::Hang, Post::TakeAndSay(502, "bad gateway")] {
        let (fake, notes) =
            (answering(2.0, Script { posts: [plan].into(), ..Script::default() }), Notes::shared());
        let error = run(&noted(&fake, &notes), 1).unwrap_err();
        assert!(matches!(cause(&error), ClientError::Uncertain { source: Some(_), .. }), "{error:?}");
        assert!(error.hint().unwrap().contains(&notes.job().key[..12]) && !leaks(&error));
        let again = run(&noted(&fake, &notes), 1).unwrap_err();
        assert!(matches!(cause(&again), ClientError::Uncertain { source: None, .. }), "{again:?}");
        assert_eq!((fake.posts(), notes.job().state), (1, JobState::Submitting));
    }
}

#[test]
fn ctrl_c_while_a_job_is_sent_leaves_it_in_doubt_at_worst() {
    let script = Script { posts: [Post::TakeAndHang].into(), ..Script::default() };
    let (fake, notes) = (answering(2.0, script), Notes::shared());
    let heard = Heard::default();
    let patient = ServiceOptions { journal: Some(notes.clone()), ..keyed(&fake) };
    let patient = Client::ndif(patient, hosted()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| heard.stop_once(|| fake.taken() == 1));
        let first = patient.run(&graph(1), &heard);
        assert!(matches!(first, Err(RunError::Interrupted)), "{first:?}");
    });
    let again = run(&noted(&fake, &notes), 1).unwrap_err();
    assert!(matches!(cause(&again), ClientError::Uncertain { .. }), "{again:?}");
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_prompt_too_long_is_refused_before_anything_is_sent() {
    let fake = answering(1.0, Script::default());
    let mut b = truenorth_protocol::Builder::new();
    let prompts = b.texts(["x".repeat(65)]);
    let h = b.read(prompts, truenorth_protocol::Site::ResidPost(1), truenorth_protocol::ReadAt::Last);
    b.save("h", h);
    let checked = b.finish().check(&info(), &Default::default()).unwrap();
    let error = client(&fake).run(&checked, &Heard::default()).unwrap_err();
    assert!(error.is_request() && error.to_string().contains("65 tokens"), "{error}");
    assert_eq!(fake.posts(), 0);
}

#[test]
fn a_service_tells_its_models_versions_and_whose_key_it_is() {
    let mut other = replica("toy/model", "HOT", "RUNNING");
    other["revision"] = json!("v2");
    other["model_key"] = json!("x:{}");
    let status = json!({ "deployments": {
        "a": replica("toy/model", "HOT", "DEPLOYING"), "b": replica("toy/model", "HOT", "RUNNING"),
        "c": replica("toy/model", "WARM", "NOT_STARTED"), "d": replica("a/cold", "COLD", "NOT_STARTED"),
        "e": other, "f": {},
    }, "cluster": { "nodes": 3 } });
    let fake = Fake::new(Script { status: Some(status), key: Some(KEY), ..Script::default() });
    let service = Service::open(&keyed(&fake)).unwrap();
    let models = service.status().unwrap().models();
    let rows: Vec<_> = models
        .iter()
        .map(|m| {
            (m.model.as_str(), m.revision.as_str(), m.level.as_str(), m.state.as_str(), m.replicas, m.is_up())
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("toy/model", "main", "HOT", "RUNNING", 2, true),
            ("toy/model", "v2", "HOT", "RUNNING", 1, true),
            ("a/cold", "main", "COLD", "NOT_STARTED", 0, false),
            ("f", "main", "?", "UNHEALTHY", 0, false),
        ]
    );
    let env = service.env().unwrap();
    assert_eq!(
        (env.python_version.as_str(), env.packages["torch"].as_str()),
        ("3.12.1 (main)", Some("2.8.0"))
    );
    assert_eq!(service.whoami().unwrap().email.as_deref(), Some("me@example.org"));
    fake.script(|s| s.key = Some("another"));
    assert!(matches!(service.whoami(), Err(ClientError::Unauthorized { with_key: true, .. })));
    assert_eq!(fake.posts(), 0);
}
