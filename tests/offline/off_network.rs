//! What lies on this machine is shown and rehearsed without asking anybody: not the hub, not a service.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value as Json;
use truenorth::journal::{Job, JobState};
use truenorth::store::Store;

use crate::support::{MODEL, binary};

/// A hub that counts who asks, and answers nobody.
struct Hub {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Hub {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.unwrap().read(&mut [0; 1024]);
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn run(&self, dir: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.current_dir(dir).args(args).env("HF_ENDPOINT", &self.url).env("HF_HOME", dir.join("hf"));
        command.env("TRUENORTH_CACHE", dir.join("cache")).output().unwrap()
    }
}

fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

#[test]
fn a_job_of_the_journal_is_shown_without_the_hub_and_says_why_its_service_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open();
    let model = serde_json::json!({
        "name": "org/name", "revision": "main", "family": "llama", "layers": 2, "hidden": 4, "vocab": 8,
        "context": 16, "path": "nnsight/sdpa",
    });
    for wire in ["ndif", "truenorth"] {
        let job = Job {
            key: format!("{wire}-key"),
            id: Some("an-id".into()),
            // Nobody listens at port 9.
            service: "http://127.0.0.1:9/".into(),
            wire: wire.into(),
            model: serde_json::from_value(model.clone()).unwrap(),
            graph: vec![1],
            state: JobState::Submitted,
            note: "QUEUED".into(),
            created: 1,
            changed: 2,
        };
        Store::open(&dir.path().join("cache/activations")).unwrap().put_job(&job).unwrap();
    }
    for wire in ["ndif-key", "truenorth-key"] {
        for (flag, why) in
            [("--quiet", "can't reach 127.0.0.1:9"), ("--offline", "not asked, because of --offline")]
        {
            let shown = hub.run(dir.path(), &["jobs", "show", wire, flag]);
            let text = said(&shown);
            assert!(shown.status.success(), "{wire} {flag}: {text}");
            assert!(text.contains("at the service") && text.contains("QUEUED"), "{text}");
            assert!(text.contains("the service says  nothing: ") && text.contains(why), "{text}");
            let json = hub.run(dir.path(), &["jobs", "show", wire, flag, "--json"]).stdout;
            let json: Json = serde_json::from_slice(&json).unwrap();
            assert!(json["now_unknown"].as_str().unwrap().contains(why) && json["now"].is_null(), "{json}");
        }
    }
    assert_eq!(hub.asked(), 0);
}

#[test]
fn a_dry_run_on_a_server_takes_a_file_for_the_model_that_it_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.txt"), "the hat\nno\n").unwrap();
    let hub = Hub::open();
    let read = |model: &str, on: &str| {
        let what =
            ["--input", "in.txt", "--site", "resid_post.0", "--out", "a.safetensors", "--dry-run=json"];
        hub.run(dir.path(), &[&["read", "--model", model, "--on", on], &what[..]].concat())
    };
    let random = format!("random-init:{MODEL}#3");
    for model in [MODEL, &random] {
        let out = read(model, "http://127.0.0.1:9");
        assert!(out.status.success(), "{model}: {}", said(&out));
        let told: Json = serde_json::from_slice(&out.stdout).unwrap();
        let row = &told["models"][0];
        assert_eq!((&row["where"], &row["prompts"]), (&"hosted".into(), &2.into()), "{told}");
        assert_eq!(row["tokens_guessed"], false, "{told}");
    }
    // NDIF knows no files, and neither is an address.
    for (on, words) in [("ndif", "is a file here"), ("there", "neither local nor ndif nor a URL")] {
        let out = read(MODEL, on);
        assert_eq!(out.status.code(), Some(2), "{on}: {}", said(&out));
        assert!(said(&out).contains(words), "{on}: {}", said(&out));
    }
    assert_eq!(hub.asked(), 0);
    // The hub is asked for what is on it.
    assert!(!read("org/name", "http://127.0.0.1:9").status.success());
    assert!(hub.asked() > 0);
}

#[test]
fn a_dry_run_of_what_asks_no_model_says_what_it_would_remove_or_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::open();
    std::fs::write(dir.path().join("in.txt"), "the hat\nno\n").unwrap();
    let run = |line: &str| hub.run(dir.path(), &line.split(' ').collect::<Vec<_>>());
    let filled = run(&format!("read --model {MODEL} --input in.txt --site resid_post.0 --out a.safetensors"));
    assert!(filled.status.success(), "{}", said(&filled));
    let entries = || -> u64 {
        let stats: Json = serde_json::from_slice(&run("cache stats --json").stdout).unwrap();
        stats["entries"].as_u64().unwrap()
    };
    assert_eq!(entries(), 2);
    let would = run("cache gc --max-size 0B --dry-run");
    assert!(said(&would).starts_with("2 entries would be removed (256 B), 0 kept (0 B)"), "{}", said(&would));
    let would: Json = serde_json::from_slice(&run("cache gc --max-size 130B --dry-run=json").stdout).unwrap();
    assert_eq!(
        (&would["removed"], &would["kept"], &would["kept_bytes"]),
        (&1.into(), &1.into(), &128.into())
    );
    for line in [
        "cache verify --delete --dry-run",
        "jobs forget x --dry-run",
        "jobs fetch --all --dry-run",
        "models pull smollm2-135m --dry-run",
        "ndif doctor --model org/name --dry-run",
    ] {
        let out = run(line);
        assert_eq!(out.status.code(), Some(2), "{line}: {}", said(&out));
        assert!(said(&out).contains("has no dry run"), "{line}: {}", said(&out));
    }
    assert_eq!(entries(), 2);
    let gone = said(&run("cache gc --max-size 0B"));
    assert!(gone.starts_with("2 entries removed (256 B), 0 kept (0 B)"), "{gone}");
    assert!(gone.contains("what the file still takes"), "{gone}");
    assert_eq!(entries(), 0);
}
