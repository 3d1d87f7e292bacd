//! Repositories of the hub, fetched, found again, and refused.

use std::net::TcpListener;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::super::{
    Fetched, Files, HubFailure, ModelsError, ProgressStage, ResolveOptions, Resolved, digest, resolve,
};
use super::fake_hub::{COMMIT, equip, failure, git, hub};
use super::{items, watched};
use truenorth_protocol::hash::hex;

const INDEX: &str = r#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;

#[test]
fn a_repository_is_fetched_and_then_found_offline() {
    let hub = hub(&[
        ("config.json", "{}"),
        ("tokenizer.json", "{}"),
        ("model.safetensors.index.json", INDEX),
        ("model-1.safetensors", "one"),
        ("model-2.safetensors", "two"),
        ("consolidated.safetensors", "everything again"),
        ("pytorch_model.bin", "everything again"),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let (options, seen) = watched(cache.path());
    let options = equip(options, &hub.endpoint, cache.path());
    let found = resolve("hf:org/toy", &options).unwrap();
    let Files::Folder(folder) = &found.files else { panic!() };
    assert_eq!(std::fs::read_to_string(folder.join("model-2.safetensors")).unwrap(), "two");
    assert_eq!(found.weights.len(), 2);
    assert_eq!((found.name.as_str(), found.revision.as_str()), ("org/toy", COMMIT));
    assert_eq!(found.identity, format!("hf:org/toy@{COMMIT}"));
    let fetched = items(&seen, ProgressStage::Downloading);
    assert!(fetched.contains(&"model-1.safetensors".to_owned()), "{fetched:?}");
    let requests = hub.files_asked();
    assert!(requests.contains(&"GET model-1.safetensors".to_owned()));
    assert!(!requests.iter().any(|request| request.contains("consolidated") || request.contains(".bin")));

    let offline = ResolveOptions { offline: true, ..options };
    assert_eq!(resolve("hf:org/toy", &offline).unwrap(), found);
    assert_eq!(resolve(&format!("hf:org/toy@{COMMIT}"), &offline).unwrap(), found);
    assert!(hub.asked().is_empty());
}

/// The file of the cache that a snapshot's file stands for.
fn blob(found: &Resolved, name: &str) -> PathBuf {
    found.files.path().join(name).canonicalize().unwrap()
}

#[cfg(unix)]
#[test]
fn a_file_changed_in_the_cache_is_refused_by_name() {
    let hub = hub(&[("config.json", "{}"), ("tokenizer.json", "{ }"), ("model.safetensors", "weights")]);
    hub.manners().large.insert("model.safetensors".to_owned());
    let cache = tempfile::tempdir().unwrap();
    let options = hub.options(cache.path());
    let found = resolve("hf:org/toy", &options).unwrap();
    for name in ["model.safetensors", "tokenizer.json", "config.json"] {
        // A large file by its SHA-256, a small one by git's hash of it.
        let hash = |text: &str| if name.ends_with('s') { hex(&Sha256::digest(text)) } else { git(text) };
        let path = blob(&found, name);
        let good = std::fs::read_to_string(&path).unwrap();
        let bad = "x".repeat(good.len());
        std::fs::write(&path, &bad).unwrap();
        for offline in [false, true] {
            let error = resolve("hf:org/toy", &ResolveOptions { offline, ..options.clone() }).unwrap_err();
            let ModelsError::Damaged { file, expected, found, .. } = &error else { panic!("{error:?}") };
            assert_eq!((file.as_str(), expected, found), (name, &hash(&good), &hash(&bad)));
            assert!(
                error.to_string().contains("org/toy") && error.hint().unwrap().contains("delete"),
                "{error}"
            );
        }
        // The remedy.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(resolve("hf:org/toy", &options).unwrap(), found);
    }
}

#[cfg(unix)]
#[test]
fn a_small_file_is_checked_by_gits_hash_of_it() {
    let cache = tempfile::tempdir().unwrap();
    let options = ResolveOptions::new(cache.path());
    let blobs = cache.path().join("blobs");
    std::fs::create_dir(&blobs).unwrap();
    // `printf hello | git hash-object --stdin`
    let good = blobs.join("b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
    std::fs::write(&good, "hello").unwrap();
    let file = cache.path().join("config.json");
    std::os::unix::fs::symlink(&good, &file).unwrap();
    let files = [file.clone()];
    assert!(digest::check("org/toy", &files, &options).unwrap().is_empty());
    std::fs::write(&good, "hellO").unwrap();
    let error = digest::check("org/toy", &files, &options).unwrap_err();
    assert!(matches!(&error, ModelsError::Damaged { file, .. } if file == "config.json"), "{error:?}");
}

#[cfg(unix)]
#[test]
fn a_cache_of_copies_is_told_by_what_is_in_it() {
    let hub = hub(&[("config.json", "{}"), ("model.safetensors", "weights")]);
    let cache = tempfile::tempdir().unwrap();
    let options = hub.options(cache.path());
    let found = resolve("hf:org/toy", &options).unwrap();
    let copy = found.files.path().join("model.safetensors");
    let identity = |text: &str| {
        std::fs::remove_file(&copy).unwrap();
        std::fs::write(&copy, text).unwrap();
        resolve("hf:org/toy", &ResolveOptions { offline: true, ..options.clone() }).unwrap().identity
    };
    let (one, other) = (identity("weights"), identity("Weights"));
    assert!(one.starts_with(&format!("{}+sha256:", found.identity)), "{one}");
    assert_ne!(one, other);
}

#[cfg(unix)]
#[test]
fn weights_fetched_to_be_read_once_are_deleted_and_no_others() {
    let hub = hub(&[("config.json", "{}"), ("tokenizer.json", "{ }"), ("model.safetensors", "weights")]);
    let cache = tempfile::tempdir().unwrap();
    let options = hub.options(cache.path());
    let fetched = Fetched::of("hf:org/toy", cache.path());
    let noting = fetched.noting(options.clone());
    let found = resolve("hf:org/toy", &noting).unwrap();
    let (link, weights) = (found.files.path().join("model.safetensors"), blob(&found, "model.safetensors"));
    // A run that was cut short leaves the list, and the next one knows what it may delete.
    assert_eq!(resolve("hf:org/toy", &noting).unwrap(), found);
    assert_eq!(Fetched::of("hf:org/toy", cache.path()).delete().unwrap(), 7);
    assert!(!link.exists() && !weights.exists() && blob(&found, "config.json").exists());
    assert_eq!(fetched.delete().unwrap(), 0);
    // It comes again, and what was there before stays.
    assert_eq!(resolve("hf:org/toy", &options).unwrap(), found);
    assert_eq!(resolve("hf:org/toy", &noting).unwrap(), found);
    assert_eq!(fetched.delete().unwrap(), 0);
    assert!(weights.exists());
    // What another revision has too is that revision's.
    std::fs::remove_file(&link).unwrap();
    std::fs::remove_file(&weights).unwrap();
    resolve("hf:org/toy", &noting).unwrap();
    let other = link.parent().unwrap().parent().unwrap().join("other");
    std::fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(&weights, other.join("model.safetensors")).unwrap();
    assert_eq!(fetched.delete().unwrap(), 0);
    assert!(!link.exists() && weights.exists());
}

#[test]
fn random_init_fetches_no_weights() {
    let hub = hub(&[("config.json", "{}"), ("model.safetensors", "w")]);
    let cache = tempfile::tempdir().unwrap();
    let options = hub.options(cache.path());
    let found = resolve("random-init:hf:org/toy#5", &options).unwrap();
    assert_eq!(found.identity, format!("random-init:hf:org/toy@{COMMIT}#5"));
    assert!(!hub.files_asked().iter().any(|request| request.contains("safetensors")));
}

#[test]
fn a_repository_without_safetensors_is_named() {
    let hub = hub(&[("config.json", "{}"), ("pytorch_model.bin", "w")]);
    let cache = tempfile::tempdir().unwrap();
    let options = hub.options(cache.path());
    let error = resolve("hf:org/toy", &options).unwrap_err();
    assert!(matches!(error, ModelsError::NoWeights { .. }), "{error:?}");
}

#[test]
fn failures_of_the_hub_are_told_apart() {
    let hub = hub(&[("config.json", "{}")]);
    let cache = tempfile::tempdir().unwrap();
    let options = hub.options(cache.path());
    assert_eq!(failure("hf:org/other", &options).0, HubFailure::NotFound);
    let (kind, error) = failure("hf:org/closed", &options);
    assert_eq!(kind, HubFailure::Denied);
    assert!(error.hint().unwrap().contains("HF_TOKEN"));
    assert!(!format!("{error:?} {options:?}").contains("hf_secret"));
}

#[test]
fn a_hub_out_of_reach_is_named_and_its_cause_said_once() {
    use std::error::Error as _;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let cache = tempfile::tempdir().unwrap();
    let options = equip(ResolveOptions::new(cache.path()), &endpoint, cache.path());
    let (kind, error) = failure("hf:org/toy@v1", &options);
    assert_eq!(kind, HubFailure::Unreachable);
    assert!(error.to_string().contains("org/toy at revision v1"), "{error}");
    assert!(error.hint().unwrap().contains("--offline"));
    let mut said = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push(error.to_string());
        cause = error.source();
    }
    for pair in said.windows(2) {
        assert!(!pair[0].contains(&pair[1]), "{said:?}");
    }
}

#[test]
fn offline_and_not_cached() {
    let cache = tempfile::tempdir().unwrap();
    let options = equip(ResolveOptions::new(cache.path()), "http://127.0.0.1:9", cache.path());
    let (kind, error) = failure("hf:org/toy", &ResolveOptions { offline: true, ..options });
    assert_eq!(kind, HubFailure::NotCached);
    assert!(error.hint().unwrap().contains("without --offline"));
}
