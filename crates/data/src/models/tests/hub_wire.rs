//! How files come from the hub: what is asked of whom, and what a broken connection leaves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use super::super::{HubFailure, ModelsError, Progress, ProgressStage, ResolveOptions, resolve};
use super::fake_hub::{COMMIT, Hub, equip, failure, git, hub};
use super::{items, watched};
use truenorth_protocol::hash::hex;

const WEIGHTS: &str = "weights, of which there are many";

/// A hub whose weights are on another host, and a cache to be filled.
fn large() -> (Hub, tempfile::TempDir) {
    let hub = hub(&[("config.json", "{}"), ("model.safetensors", WEIGHTS)]);
    hub.manners().large.insert("model.safetensors".to_owned());
    (hub, tempfile::tempdir().unwrap())
}

fn repository(cache: &Path) -> PathBuf {
    cache.join("hub/models--org--toy")
}

fn weights(cache: &Path) -> PathBuf {
    repository(cache).join(format!("snapshots/{COMMIT}/model.safetensors"))
}

fn blob(cache: &Path, etag: &str) -> PathBuf {
    repository(cache).join("blobs").join(etag)
}

fn sha256() -> String {
    hex(&Sha256::digest(WEIGHTS))
}

/// The first bytes that were asked of the other host.
fn starts(hub: &Hub) -> Vec<usize> {
    hub.asked().iter().filter(|asked| asked.what.starts_with("store:")).map(|asked| asked.from).collect()
}

#[test]
fn the_cache_is_laid_out_as_pythons() {
    let (hub, cache) = large();
    resolve("hf:org/toy", &hub.options(cache.path())).unwrap();
    let repository = repository(cache.path());
    assert_eq!(std::fs::read_to_string(repository.join("refs/main")).unwrap(), COMMIT);
    // A large file has the SHA-256 that the hub says, a small one git's hash.
    assert_eq!(std::fs::read_to_string(blob(cache.path(), &sha256())).unwrap(), WEIGHTS);
    assert_eq!(std::fs::read_to_string(blob(cache.path(), &git("{}"))).unwrap(), "{}");
    assert_eq!(std::fs::read_dir(repository.join("blobs")).unwrap().count(), 2);
    #[cfg(unix)]
    assert_eq!(std::fs::read_link(weights(cache.path())).unwrap(), Path::new("../../blobs").join(sha256()));
    assert!(cache.path().join(format!("hub/.locks/models--org--toy/{}.lock", sha256())).is_file());
}

#[test]
fn files_of_inner_folders_keep_them() {
    let name = "additional_chat_templates/tools.jinja";
    let hub = hub(&[
        ("config.json", "{}"),
        ("model.safetensors", "w"),
        (name, "{{ tools }}"),
        ("additional_chat_templates/more/x.jinja", "no"),
        ("onnx/config.json", "no"),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let found = resolve("hf:org/toy", &hub.options(cache.path())).unwrap();
    assert_eq!(std::fs::read_to_string(found.files.path().join(name)).unwrap(), "{{ tools }}");
    assert!(!found.files.path().join("onnx").exists());
    assert!(!found.files.path().join("additional_chat_templates/more").exists());
}

#[test]
fn the_token_is_for_the_hub_alone() {
    let (hub, cache) = large();
    resolve("hf:org/toy", &hub.options(cache.path())).unwrap();
    let asked = hub.asked();
    let (store, own): (Vec<_>, Vec<_>) = asked.iter().partition(|asked| asked.what.starts_with("store:"));
    assert!(store.len() == 1 && !store[0].token, "{asked:?}");
    assert!(own.len() >= 3 && own.iter().all(|asked| asked.token), "{asked:?}");
}

#[test]
fn a_repository_that_moved_is_found_at_its_new_name_with_the_token() {
    let (hub, cache) = large();
    hub.manners().renamed = true;
    let found = resolve("hf:org/old", &hub.options(cache.path())).unwrap();
    assert_eq!(found.identity, format!("hf:org/old@{COMMIT}"));
    assert_eq!(std::fs::read_to_string(found.files.path().join("model.safetensors")).unwrap(), WEIGHTS);
    let asked = hub.asked();
    assert!(asked.iter().filter(|a| !a.what.starts_with("store:")).all(|a| a.token), "{asked:?}");
}

#[test]
fn a_connection_that_breaks_is_gone_on_with_where_it_broke() {
    let (hub, cache) = large();
    hub.manners().cuts = vec![5, 0, 7];
    let (options, seen) = watched(cache.path());
    resolve("hf:org/toy", &equip(options, &hub.endpoint, cache.path())).unwrap();
    assert_eq!(std::fs::read_to_string(weights(cache.path())).unwrap(), WEIGHTS);
    assert_eq!(starts(&hub), [0, 5, 5, 12]);
    assert!(!blob(cache.path(), &format!("{}.incomplete", sha256())).exists());
    let total = WEIGHTS.len() as u64;
    let told = |p: &Progress| p.item == "model.safetensors" && (p.done, p.total) == (total, total);
    assert!(seen.lock().unwrap().iter().any(told));
}

#[test]
fn a_host_without_parts_of_files_is_asked_for_the_whole_again() {
    let (hub, cache) = large();
    hub.manners().cuts = vec![5];
    hub.manners().whole_only = true;
    resolve("hf:org/toy", &hub.options(cache.path())).unwrap();
    assert_eq!(std::fs::read_to_string(weights(cache.path())).unwrap(), WEIGHTS);
    assert_eq!(starts(&hub), [0, 5]);
}

#[test]
fn what_a_run_left_is_gone_on_with_by_the_next() {
    let (hub, cache) = large();
    let options = hub.options(cache.path());
    hub.manners().cuts = vec![9, 0, 0, 0, 0, 0];
    let (kind, error) = failure("hf:org/toy", &options);
    assert_eq!(kind, HubFailure::Unreachable);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains(&format!("9 of {} bytes", WEIGHTS.len())), "{cause}");
    assert!(!cause.contains("signature"), "{cause}");
    assert!(!weights(cache.path()).exists());
    hub.manners().cuts.clear();
    hub.asked();
    resolve("hf:org/toy", &options).unwrap();
    assert_eq!(starts(&hub), [9]);
    assert_eq!(std::fs::read_to_string(weights(cache.path())).unwrap(), WEIGHTS);
}

#[test]
fn what_was_left_and_is_not_the_files_beginning_is_fetched_anew() {
    let (hub, cache) = large();
    let part = blob(cache.path(), &format!("{}.incomplete", sha256()));
    for (left, asked) in [
        ("WEIGHTS", vec![7, 0]),
        // As many bytes as there should be, and more.
        (&"x".repeat(WEIGHTS.len()), vec![0]),
        (&"x".repeat(WEIGHTS.len() + 1), vec![0]),
    ] {
        std::fs::create_dir_all(part.parent().unwrap()).unwrap();
        std::fs::write(&part, left).unwrap();
        resolve("hf:org/toy", &hub.options(cache.path())).unwrap();
        assert_eq!(starts(&hub), asked, "{left}");
        assert_eq!(std::fs::read_to_string(weights(cache.path())).unwrap(), WEIGHTS);
        std::fs::remove_file(blob(cache.path(), &sha256())).unwrap();
    }
}

#[test]
fn what_is_not_what_the_hub_named_gets_no_name_in_the_cache() {
    let (hub, cache) = large();
    hub.manners().wrong = true;
    let options = hub.options(cache.path());
    let (kind, error) = failure("hf:org/toy", &options);
    assert_eq!(kind, HubFailure::Failed);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    let other = hex(&Sha256::digest(WEIGHTS.to_uppercase()));
    assert!(cause.contains(&sha256()) && cause.contains(&other), "{cause}");
    // Only that of config.json.
    assert_eq!(std::fs::read_dir(repository(cache.path()).join("blobs")).unwrap().count(), 1);
    hub.manners().wrong = false;
    resolve("hf:org/toy", &options).unwrap();
}

#[test]
fn a_hub_that_stumbles_is_asked_again_and_one_that_refuses_is_not() {
    let (hub, cache) = large();
    let options = hub.options(cache.path());
    hub.manners().refusals = vec!["503 Service Unavailable", "500 Internal Server Error"];
    resolve("hf:org/toy", &options).unwrap();
    for (spec, kind, said) in [
        ("hf:org/other", HubFailure::NotFound, "404"),
        ("hf:org/private", HubFailure::NotFound, "401"),
        ("hf:org/forged", HubFailure::Denied, "401"),
        ("hf:org/closed", HubFailure::Denied, "403"),
        ("hf:org/busy", HubFailure::Limited, "429"),
    ] {
        hub.asked();
        let (failed, error) = failure(spec, &options);
        assert_eq!(failed, kind, "{spec}");
        assert_eq!(hub.asked().len(), 1, "{spec}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(said) && cause.contains("in the hub's words"), "{cause}");
        assert!(error.hint().is_some(), "{spec}");
    }
    hub.manners().refusals = vec!["503 Service Unavailable"; 5];
    assert_eq!(failure("hf:org/toy", &options).0, HubFailure::Failed);
}

#[test]
fn a_fetch_that_is_ended_keeps_what_has_come() {
    let (hub, cache) = large();
    let cancel = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&cancel);
    let options = ResolveOptions {
        cancel: Some(cancel),
        progress: Some(Arc::new(move |p: &Progress| {
            stop.store(
                p.stage == ProgressStage::Downloading && p.item == "model.safetensors",
                Ordering::Relaxed,
            );
        })),
        ..hub.options(cache.path())
    };
    hub.manners().cuts = vec![6];
    let error = resolve("hf:org/toy", &options).unwrap_err();
    assert!(matches!(error, ModelsError::Cancelled), "{error:?}");
    hub.asked();
    resolve("hf:org/toy", &hub.options(cache.path())).unwrap();
    assert_eq!(starts(&hub), [6]);
}

#[test]
fn two_that_want_the_same_file_fetch_it_once() {
    let (hub, cache) = large();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let options = hub.options(cache.path());
            scope.spawn(move || resolve("hf:org/toy", &options).unwrap());
        }
    });
    assert_eq!(starts(&hub), [0]);
}

#[test]
fn a_blob_that_is_here_is_not_fetched_for_another_snapshot() {
    let (hub, cache) = large();
    let options = hub.options(cache.path());
    resolve("hf:org/toy", &options).unwrap();
    std::fs::remove_file(weights(cache.path())).unwrap();
    hub.asked();
    let (watched, seen) = watched(cache.path());
    resolve("hf:org/toy", &equip(watched, &hub.endpoint, cache.path())).unwrap();
    assert!(starts(&hub).is_empty() && weights(cache.path()).exists());
    assert!(items(&seen, ProgressStage::Downloading).is_empty());
}

#[test]
fn names_and_addresses_that_lead_elsewhere_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    let hub = hub(&[("config.json", "{}"), ("additional_chat_templates/..jinja", "x")]);
    hub.manners().files.insert("additional_chat_templates/a\\\\..jinja".to_owned(), "x".to_owned());
    let (kind, error) = failure("hf:org/toy", &hub.options(cache.path()));
    assert_eq!(kind, HubFailure::Failed);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("no path in the repository"), "{cause}");
    for address in ["nowhere", "ftp://h/", "file:///etc"] {
        let (kind, error) = failure("hf:org/toy", &equip(ResolveOptions::new(""), address, cache.path()));
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            kind == HubFailure::Failed && cause.contains(address) && cause.contains("https://"),
            "{cause}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_cache_that_cannot_be_written_is_named_with_a_remedy() {
    let (hub, cache) = large();
    // A file where a folder should be.
    std::fs::write(cache.path().join("hub"), "").unwrap();
    let (kind, error) = failure("hf:org/toy", &hub.options(cache.path()));
    assert_eq!(kind, HubFailure::Disk);
    assert!(error.hint().unwrap().contains("HF_HUB_CACHE"));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains(cache.path().to_str().unwrap()), "{cause}");
}
