//! What a service refuses for good: errors of their own kind, each with a remedy.

use std::path::Path;

use serde_json::{Value as Json, json};
use truenorth::client::{ApiKey, Client, ServiceOptions};
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::DType;

use super::faults::{graph, patience};
use super::runners::{causes, families, hosted, options};
use super::service::{NEWEST, Service};

/// A client as it is.
fn same(_: &mut ServiceOptions) {}

/// What a client, changed as told, is told of a model and a job for which the service has such faults: the
/// causes, and the remedy, without which no refusal is.
fn refusal(
    service: &Service,
    folder: &Path,
    change: &dyn Fn(&mut ServiceOptions),
    model: &str,
    faults: &Json,
) -> (String, String) {
    let mut chosen = options(service);
    chosen.patience = patience();
    change(&mut chosen);
    let client = Client::ndif(chosen, hosted(folder, model, DType::F32)).unwrap();
    service.post("/test/faults", faults);
    let error = client.ask(graph(0), &Unwatched).unwrap_err();
    let hint = error.hint().unwrap_or_else(|| panic!("no remedy: {error}")).to_owned();
    (causes(&error), hint)
}

#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn refusals_are_told_apart() {
    let (name, path) = families().into_iter().find(|(n, _)| n == "tn/llama").unwrap();
    let state = tempfile::tempdir().unwrap();
    let service = Service::start(&[(name.clone(), path.clone())], state.path());
    let ask = |change: &dyn Fn(&mut ServiceOptions), name: &str, faults: Json| {
        refusal(&service, &path, change, name, &faults).0
    };
    let other_key = |o: &mut ServiceOptions| o.key = Some(ApiKey::new("another").unwrap());
    let wrong = ask(&other_key, &name, json!([]));
    assert!(wrong.contains("refuses this API key") && !wrong.contains("another"), "{wrong}");
    let down = ask(&|o| o.deploy = false, "tn/lama", json!([]));
    assert!(down.contains("tn/lama is not") && down.contains("tn/llama"), "{down}");
    let old = json!([{"submit": 400, "detail": "nnsight version 0.8.1 is not supported, 0.9 is needed"}]);
    let old = ask(&same, &name, old);
    assert!(old.contains("refuses this version"), "{old}");
    let failed = ask(&same, &name, json!(["error"]));
    assert!(failed.contains("failed on the service") && failed.contains("out of memory"), "{failed}");
    let lost = ask(&same, &name, json!(["lost"]));
    assert!(lost.contains("lost"), "{lost}");
    for (fault, kind) in
        [("bomb", "reply"), ("system", "reply"), ("inflate", "more than"), ("corrupt", "result")]
    {
        let mut spoiled = json!([{"times": 9}]);
        let key = if fault == "corrupt" { "corrupt" } else { "result" };
        spoiled[0][key] = if fault == "corrupt" { json!(true) } else { json!(fault) };
        let error = ask(&|o| o.answer_bytes = 16 << 20, &name, spoiled);
        assert!(error.contains(kind), "{fault}: {error}");
    }
    assert_eq!(service.get("/test/counts")["executed"], false, "a reply was executed");
}

/// The released service in its own words.
#[test]
#[ignore = "needs the released service; .ci/conformance runs it"]
fn released_refusals_are_told_apart() {
    let (name, path) = families().into_iter().find(|(n, _)| n == "tn/llama").unwrap();
    let state = tempfile::tempdir().unwrap();
    let more = ["--min-python", "3.11", "--min-nnsight", "0.8"];
    let service = Service::released(NEWEST, &[(name.clone(), path.clone())], state.path(), &more);
    let ask = |change: &dyn Fn(&mut ServiceOptions), name: &str, faults: Json| {
        let (causes, hint) = refusal(&service, &path, change, name, &faults);
        format!("{causes}; {hint}")
    };
    let key = |key: &'static str| move |o: &mut ServiceOptions| o.key = Some(ApiKey::new(key).unwrap());
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("malformed key", ask(&key("another"), &name, json!([])), &["has not the form", "8-4-4-4-12"]),
        (
            "unknown key",
            ask(&key("00000000-0000-0000-0000-00000000000f"), &name, json!([])),
            &["does not know the API key"],
        ),
        ("no key", ask(&|o| o.key = None, &name, json!([])), &["without an API key", "NDIF_API_KEY"]),
        (
            "old Python",
            ask(&|o| o.python_version = "3.9.1".into(), &name, json!([])),
            &["refuses this version", "TRUENORTH_NDIF_PYTHON_VERSION"],
        ),
        (
            "old nnsight",
            ask(&|o| o.nnsight_version = "0.7.0".into(), &name, json!([])),
            &["refuses this version", "TRUENORTH_NDIF_NNSIGHT_VERSION"],
        ),
        ("no such model", ask(&same, "tn/lama", json!([])), &["tn/lama", "tn/llama"]),
        ("failed", ask(&same, &name, json!(["error"])), &["failed on the service", "out of memory"]),
        (
            "bomb",
            ask(&|o| o.answer_bytes = 16 << 20, &name, json!([{"times": 9, "result": "bomb"}])),
            &["reply"],
        ),
        (
            "inflate",
            ask(&|o| o.answer_bytes = 16 << 20, &name, json!([{"times": 9, "result": "inflate"}])),
            &["more than"],
        ),
    ];
    for (case, said, wanted) in &cases {
        println!("{case}: {said}");
        assert!(wanted.iter().all(|w| said.contains(w)), "{case}: {said}");
        assert!(!said.contains("00000000000f"), "{case}: the key is in {said}");
    }
    let counts = service.get("/test/counts");
    assert_eq!((&counts["executed"], &counts["keys_seen"]), (&json!(false), &json!(0)));
}
