//! Another user of the same model, who asks for another attention between two of our jobs.

use std::path::Path;

use serde_json::Value as Json;
use truenorth::client::Client;
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::{Builder, Sampling};
use truenorth_protocol::{DType, ReadAt, Site};

use super::compare::{SAME, difference};
use super::runners::{engine, families, hosted, options};
use super::service::{NEWEST, Service, TRUSTED, ndif_script};
use crate::support::Reference;

/// One whose attention has soft caps, which only one implementation knows, and one where all agree but
/// for rounding.
const MODELS: [&str; 2] = ["tn/gemma2", "tn/llama"];

#[test]
#[ignore = "needs the released service; .ci/conformance runs it"]
fn released_another_users_attention_changes_no_number() {
    let models: Vec<_> = families().into_iter().filter(|(n, _)| MODELS.contains(&n.as_str())).collect();
    assert_eq!(models.len(), MODELS.len());
    let state = tempfile::tempdir().unwrap();
    let service = Service::released(NEWEST, &models, state.path(), &[]);
    for (name, path) in &models {
        let pair = format!("{name}={}", path.display());
        let other = |what: &[&str]| {
            ndif_script("another_user.py", &[&[service.url.as_str(), TRUSTED, &pair][..], what].concat())
        };
        let client = Client::ndif(options(&service), hosted(path, name, DType::F32)).unwrap();
        let want = engine(path, name).ask(graph(path), &Unwatched).unwrap();
        let first = client.ask(graph(path), &Unwatched).unwrap();
        for attention in ["eager", "sdpa"] {
            other(&["ask", attention]);
            let again = client.ask(graph(path), &Unwatched).unwrap();
            assert_eq!(again, first, "{name}: {attention} in between changes a bit");
        }
        let far = difference(&first, &want).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(far < SAME);
        // Without a word about attention the other user has the say.
        let shown: Json = serde_json::from_str(&other(&["show"])).unwrap();
        println!("{name}: {far:.1e} from the engine; before and after another user {shown}");
        if name == "tn/gemma2" {
            assert!(shown["without env"].as_f64().unwrap() > f64::from(SAME), "{shown}");
        }
    }
}

fn graph(path: &Path) -> truenorth_protocol::Graph {
    let mut b = Builder::new();
    let group = b.tokens(Reference::of(path).tokens("prompts"));
    for at in [ReadAt::Last, ReadAt::All] {
        let read = b.read(group, Site::ResidPost(1), at);
        b.save(at.to_string(), read);
    }
    let logits = b.read(group, Site::Logits, ReadAt::Last);
    b.save("logits", logits);
    let tokens = b.generate(group, Sampling::greedy(6));
    b.save("tokens", tokens);
    b.finish()
}
