//! Services that are not there, and NDIF without a key: said at once, with what helps.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{MODEL, binary};

/// Runs the program as a user with no settings and no key.
fn run(dir: &Path, args: &[&str], key: Option<&str>) -> Output {
    let mut command = Command::new(binary());
    command.current_dir(dir).args(args).env("TRUENORTH_CACHE", dir.join("cache"));
    command.env("XDG_CONFIG_HOME", dir.join("config")).env_remove("NNSIGHT_CONFIG").env_remove("NDIF_HOST");
    // Whatever is asked of the hub would fail at port 9, in other words.
    command.env("HF_ENDPOINT", "http://127.0.0.1:9").env("HF_HOME", dir.join("hf"));
    match key {
        Some(key) => command.env("NDIF_API_KEY", key),
        None => command.env_remove("NDIF_API_KEY"),
    };
    command.output().unwrap()
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// A folder with two prompts.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.txt"), "the hat\nno\n").unwrap();
    std::fs::write(dir.path().join("one.txt"), "the hat\n").unwrap();
    dir
}

fn read<'a>(model: &'a str, on: &'a str) -> Vec<&'a str> {
    let what = ["read", "--input", "in.txt", "--site", "resid_post.0", "--out", "a.safetensors"];
    [&what[..], &["--model", model, "--on", on]].concat()
}

#[test]
fn a_server_that_is_not_there_is_told_of_while_it_is_sought_and_soon_given_up() {
    let dir = place();
    let out = run(dir.path(), &read(MODEL, "http://127.0.0.1:9"), None);
    let said = said(&out);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("can't reach 127.0.0.1:9; asking again in").count(), 2, "{said}");
    assert!(said.contains("hint: is it running? `truenorth serve --model M --listen 127.0.0.1:9`"), "{said}");
    assert!(!said.contains("a job that was sent"), "{said}");
}

#[test]
fn what_sends_no_job_speaks_of_none() {
    let dir = place();
    for verb in ["status", "env", "doctor"] {
        let out = run(dir.path(), &["ndif", verb, "--host", "http://127.0.0.1:9"], None);
        let all = format!("{}{}", String::from_utf8_lossy(&out.stdout), said(&out));
        assert!(all.contains("check the address and the network, then run the same command again"), "{all}");
        assert!(!all.contains("a job that was sent"), "{verb}: {all}");
    }
}

#[test]
fn ndif_without_a_key_is_refused_before_anything_is_asked() {
    let dir = place();
    let whoami = run(dir.path(), &["ndif", "whoami", "--host", "http://127.0.0.1:9"], None);
    let hosted = run(dir.path(), &read("org/name", "ndif"), None);
    for out in [whoami, hosted] {
        let said = said(&out);
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert!(
            said.contains("there is no key for NDIF") && said.contains("`truenorth ndif login`"),
            "{said}"
        );
        assert!(!said.contains("can't reach"), "{said}");
    }
    // With one, whose it is has to be asked.
    let asked = run(dir.path(), &["ndif", "whoami", "--host", "http://127.0.0.1:9"], Some("a-key"));
    assert!(said(&asked).contains("can't reach 127.0.0.1:9"), "{}", said(&asked));
}

#[test]
fn a_name_that_no_service_has_is_refused_before_the_hub_is_asked_for_it() {
    let dir = place();
    let out = run(dir.path(), &read("smollm2-135m", "ndif"), Some("a-key"));
    let said = said(&out);
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("--on ndif takes org/name") && said.contains("smollm2-135m"), "{said}");
    assert!(said.contains("hint: give org/name[@revision]"), "{said}");
}

#[test]
fn one_of_a_thing_is_told_in_the_singular() {
    let dir = place();
    for (input, says) in
        [("one.txt", "1 prompt, 1 site, positions"), ("in.txt", "2 prompts, 1 site, positions")]
    {
        let args =
            ["read", "--model", MODEL, "--input", input, "--site", "resid_post.0", "--out", "a.safetensors"];
        let out = run(dir.path(), &args, None);
        assert!(out.status.success() && said(&out).contains(says), "{}", said(&out));
    }
}
