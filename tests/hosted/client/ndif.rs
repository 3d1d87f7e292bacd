//! The wire of NDIF services, and what they tell about themselves.

mod faults;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use truenorth::client::{Client, ClientError, Hosted, Service, ServiceOptions};
use truenorth::journal::{Job, JobState};
use truenorth::run::{RunError, Runner as _, Vocabulary};
use truenorth_protocol::nnsight::{ModelKey, Modules};
use truenorth_protocol::{DType, frame};

use super::fake::{Fake, Line, Post, Script, info};
use super::support::*;
use super::torch;

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
            embed: "model.embed_tokens".into(),
            blocks: "model.layers".into(),
            attn: "self_attn.o_proj".into(),
            attn_post: None,
            mlp_norm: Some("post_attention_layernorm".into()),
            mlp: "mlp".into(),
            mlp_post: None,
            norm: "model.norm".into(),
            head: "lm_head".into(),
            parallel: false,
            layers: info().layers,
            hidden: info().hidden,
            vocab: info().vocab,
            attention: "sdpa".into(),
            logit_softcap: None,
        },
        config: json!({ "model_type": "llama", "hidden_size": info().hidden }),
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
    // NDIF reads the first two parts of it as a version.
    let python = sent["python-version"].to_str().unwrap();
    assert!(python.starts_with("3.12.0 (truenorth "), "{python}");
    let levers =
        ServiceOptions { python_version: "3.13.1".into(), nnsight_version: "0.9".into(), ..keyed(&fake) };
    run(&Client::ndif(levers, hosted()).unwrap(), 4).unwrap();
    let sent = &fake.seen("/request")[1].headers;
    assert_eq!(
        (&sent["python-version"], &sent["nnsight-version"]),
        (&"3.13.1".parse().unwrap(), &"0.9".parse().unwrap())
    );
}

#[test]
fn attention_is_asked_for_and_tells_results_apart() {
    let notes = Notes::shared();
    let fake = answering(2.5, Script::default());
    let with = |attention: &str, reply| {
        let mut hosted = Hosted { reply, ..hosted() };
        hosted.modules.attention = attention.into();
        // As an outline gives it where a version of transformers was chosen.
        hosted.info.path = "/transformers-4.57".into();
        let journal: Arc<dyn truenorth::journal::Journal> = notes.clone();
        Client::ndif(hasty(ServiceOptions { journal: Some(journal), ..keyed(&fake) }), hosted).unwrap()
    };
    let paths: Vec<String> = [("sdpa", DType::F32), ("eager", DType::F32), ("eager", DType::Bf16)]
        .into_iter()
        .map(|(attention, reply)| with(attention, reply).info().path.clone())
        .collect();
    let ends = ["nnsight/sdpa", "nnsight/eager", "nnsight/eager/bf16"];
    let host = fake.url.trim_start_matches("http://").trim_end_matches('/');
    assert_eq!(paths, ends.map(|path| format!("{path}/transformers-4.57@{host}")));
    for attention in ["sdpa", "eager"] {
        run(&with(attention, DType::F32), 3).unwrap();
    }
    let envs: Vec<_> = fake.board.envelopes.lock().unwrap().iter().map(|e| e.env.clone()).collect();
    assert_eq!(envs, [json!({"attn_implementation": "sdpa"}), json!({"attn_implementation": "eager"})]);
    assert_eq!(notes.jobs.lock().unwrap().len(), 2);
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
    // Nothing but the socket tells of such a job, so a frame that can't be read is the end of it.
    let fake = answering(5.5, Script { line: Line::Ends(b"nonsense".to_vec()), ..Script::default() });
    assert!(matches!(cause(&run(&client(&fake), 3).unwrap_err()), ClientError::Reply(_)));
    assert_eq!((fake.posts(), fake.seen("/response").len()), (1, 0));
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
    let strict = || {
        let stand_in = Some("on this machine: `it`".into());
        Client::ndif(ServiceOptions { deploy: false, stand_in, ..keyed(&fake) }, hosted()).unwrap()
    };
    let error = run(&strict(), 1).unwrap_err();
    assert!(error.is_request(), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("toy/model is not on the service; up are "), "{text}");
    assert!(
        text.contains("toy/modell") && text.contains("other/model") && !text.contains("toy/models"),
        "{text}"
    );
    let hint = error.hint().unwrap();
    assert!(hint.contains("ndif status") && hint.ends_with("on this machine: `it`"), "{hint}");
    for (level, state) in [("COLD", "NOT_STARTED"), ("HOT", "UNHEALTHY"), ("WARM", "NOT_STARTED")] {
        let status = json!({ "deployments": { "a": replica("toy/model", level, state) } });
        fake.script(|s| s.status = Some(status));
        let text = run(&strict(), 1).unwrap_err().to_string();
        assert!(text.starts_with(&format!("toy/model is {level} {state} on")), "{text}");
        assert!(matches!(client(&fake).ready(), Err(ClientError::ModelDown { .. })));
    }
    assert_eq!(fake.posts(), 0);
    let unchecked = ServiceOptions { check_up: false, ..keyed(&fake) };
    assert_eq!(number(&run(&Client::ndif(unchecked, hosted()).unwrap(), 1).unwrap()), 1.0);
    assert_eq!(fake.posts(), 1);
}

#[test]
fn a_model_of_another_configuration_is_sent_nothing() {
    let mut replica = replica("toy/model", "HOT", "RUNNING");
    replica["config"] = json!({ "model_type": "llama", "hidden_size": 4096 }).to_string().into();
    let status = |replica| json!({ "deployments": { "a": replica } });
    let fake = answering(1.0, Script { status: Some(status(replica.clone())), ..Script::default() });
    let error = run(&client(&fake), 1).unwrap_err();
    assert!(error.is_request(), "{error:?}");
    let wanted = format!("hidden_size is 4096 there and {} here", info().hidden);
    assert!(error.to_string().ends_with(&wanted), "{error}");
    assert!(error.hint().unwrap().contains("--config"), "{:?}", error.hint());
    assert!(matches!(client(&fake).ready(), Err(ClientError::OtherConfig { .. })));
    assert_eq!(fake.posts(), 0);
    // The same model, or a service that tells nothing, is asked.
    for config in [json!({ "hidden_size": info().hidden }).to_string().into(), serde_json::Value::Null] {
        replica["config"] = config;
        fake.script(|s| s.status = Some(status(replica.clone())));
        assert_eq!(number(&run(&client(&fake), 1).unwrap()), 1.0);
    }
}

#[test]
fn a_model_that_is_not_up_is_asked_of_the_queue() {
    let up = replica("toy/modell", "HOT", "RUNNING");
    // As the service lists them: what is not on an accelerator has no state, what is on disk no key.
    let mut warm = replica("toy/model", "WARM", "");
    warm.as_object_mut().unwrap().remove("application_state");
    let cold = json!({ "deployment_level": "COLD", "repo_id": "toy/model" });
    let dead = replica("toy/model", "HOT", "UNHEALTHY");
    for (entry, words) in [
        (Some(warm), "is WARM on the service, in memory"),
        (Some(cold), "is COLD on the service, on disk only"),
        (Some(dead), "is UNHEALTHY"),
        (None, "is not listed"),
    ] {
        let mut deployments = json!({ "a": up });
        deployments.as_object_mut().unwrap().extend(entry.map(|e| ("toy/model".to_owned(), e)));
        let status = json!({ "deployments": deployments });
        let fake = answering(1.0, Script { status: Some(status), ..Script::default() });
        let heard = Heard::default();
        client(&fake).run(&graph(1), &heard).unwrap();
        let said = heard.all();
        assert!(said.contains(words) && said.contains("up are toy/modell"), "{said}");
        assert!(said.contains("--no-deploy"), "{said}");
        assert_eq!(fake.posts(), 1);
    }
    // The queue may refuse, in its own words.
    let refusal = "Could not deploy this model. It is too large.";
    let status = json!({ "deployments": { "a": up } });
    let fake = answering(1.0, Script { status: Some(status), error: Some(refusal), ..Script::default() });
    let notes = Notes::shared();
    let error = run(&noted(&fake, &notes), 1).unwrap_err();
    match cause(&error) {
        ClientError::NotDeployed { detail, near, .. } => {
            assert_eq!((detail.as_str(), near.as_slice()), (refusal, &["toy/modell".to_owned()][..]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((notes.job().state, fake.posts()), (JobState::Failed, 1));
}

#[test]
fn a_model_that_comes_up_is_waited_for() {
    let replicas = json!({ "deployments": {
        "a": replica("toy/model", "WARM", "NOT_STARTED"), "b": replica("toy/model", "HOT", "DEPLOYING"),
    } });
    let fake = answering(1.0, Script { status: Some(replicas), ..Script::default() });
    let heard = Heard::default();
    let strict = Client::ndif(ServiceOptions { deploy: false, ..keyed(&fake) }, hosted()).unwrap();
    strict.run(&graph(1), &heard).unwrap();
    assert!(heard.all().contains("toy/model is HOT DEPLOYING; the job waits for it"), "{}", heard.all());
    assert_eq!(fake.posts(), 1);
}

#[test]
fn an_older_service_is_named_before_anything_is_sent() {
    let old = json!({ "deployments": { "a": {
        "model_key": "nnsight.modeling.language.LanguageModel:{\"repo_id\": \"toy/model\"}",
        "repo_id": "toy/model", "deployment_level": "HOT", "application_state": "RUNNING" } } });
    for (status, nnsight) in
        [(Some(old), "0.5.3"), (None, "0.7.0"), (Some(json!({ "deployments": {} })), "0.6.1")]
    {
        let fake = answering(1.0, Script { status, nnsight, ..Script::default() });
        let error = run(&client(&fake), 1).unwrap_err();
        assert!(error.is_request() && error.to_string().contains(&format!("nnsight {nnsight}")), "{error}");
        assert!(error.hint().unwrap().contains("0.1.0 or later"), "{error:?}");
        assert_eq!(fake.posts(), 0);
    }
}

#[test]
fn keys_are_refused_with_the_place_they_came_from() {
    let cases = [
        (400, "Invalid API key format: 'k3y-that-nobody-sees'. API keys must be", "8-4-4-4-12"),
        (403, "Invalid API key.", "login.ndif.us"),
    ];
    for (status, detail, words) in cases {
        for (origin, remedy) in
            [("NDIF_API_KEY", "unset NDIF_API_KEY"), ("the file k", "put it into the file k")]
        {
            let posts = [Post::Refuse(status, vec![], detail)];
            let fake = answering(1.0, Script { posts: posts.into(), ..Script::default() });
            let key = truenorth::client::ApiKey::new(KEY).unwrap().with_origin(origin);
            let options = ServiceOptions { key: Some(key), socket: Some(false), ..options(&fake) };
            let error = run(&Client::ndif(options, hosted()).unwrap(), 1).unwrap_err();
            assert!(error.is_request() && error.to_string().contains(origin) && !leaks(&error), "{error:?}");
            let hint = error.hint().unwrap();
            assert!(hint.contains(words) && hint.contains(remedy), "{hint}");
            assert_eq!((fake.posts(), fake.taken()), (1, 0));
        }
    }
}

#[test]
fn the_service_itself_may_be_asked_again_and_a_gateway_may_not() {
    let own =
        || Post::Refuse(503, vec![], "Service temporarily unavailable: compute backend is reconnecting.");
    let fake = answering(1.0, Script { posts: [own(), own()].into(), ..Script::default() });
    assert_eq!(number(&run(&client(&fake), 1).unwrap()), 1.0);
    assert_eq!((fake.posts(), fake.taken()), (3, 1));
    let fake = answering(1.0, Script { posts: std::iter::repeat_n(own(), 9).collect(), ..Script::default() });
    let error = run(&client(&fake), 1).unwrap_err();
    assert!(matches!(cause(&error), ClientError::Busy { status: 503, .. }), "{error:?}");
    assert_eq!((fake.posts(), fake.taken()), (5, 0));
    let posts = [Post::TakeAndSay(503, "upstream is not available")];
    let (fake, notes) =
        (answering(1.0, Script { posts: posts.into(), ..Script::default() }), Notes::shared());
    let error = run(&noted(&fake, &notes), 1).unwrap_err();
    assert!(matches!(cause(&error), ClientError::Uncertain { .. }), "{error:?}");
    assert_eq!(fake.taken(), 1);
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
