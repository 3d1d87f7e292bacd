//! `ndif doctor` on each released version, told nothing but the address and a key.

use serde_json::Value as Json;

use super::service::{KEY, NEWEST, Service, VERSIONS};
use crate::support::{MODEL, run};

#[test]
#[ignore = "needs the released service; .ci/conformance runs it"]
fn released_doctor_finds_the_service_well() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), KEY).unwrap();
    for version in VERSIONS {
        let state = tempfile::tempdir().unwrap();
        let service = Service::released(version, &[("tn/tiny".into(), MODEL.into())], state.path(), &[]);
        let doctor = |more: &[&str]| {
            let on = ["ndif", "doctor", "--json", "--host", &service.url, "--api-key-file", "key"];
            let out = run(dir.path(), &[&on, more].concat());
            let report: Json = serde_json::from_slice(&out.stdout).unwrap();
            (out.status.success(), report)
        };
        let (well, report) = doctor(&["--config", MODEL]);
        let checks = report["checks"].as_array().unwrap();
        let found = |name: &str| {
            let check = checks.iter().find(|c| c["check"] == name);
            check.unwrap_or_else(|| panic!("{version}: no {name}: {report}"))
        };
        assert!(well && report["ok"] == true, "{version}: {report}");
        for name in ["address", "cluster", "key", "wire", "versions", "sandbox", "job"] {
            assert_eq!(found(name)["state"], "ok", "{version}: {report}");
        }
        assert!(found("versions")["found"].as_str().unwrap().contains(version), "{report}");
        assert!(found("sandbox")["found"].as_str().unwrap().contains("apart from the model"), "{report}");
        let moved = report["job"]["bytes_sent"].as_u64().unwrap();
        assert!((100..100_000).contains(&moved), "{version}: {report}");
        // A configuration of another model: nothing runs, and what differs is named.
        if version == NEWEST {
            let ran = service.jobs().len();
            let other = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/families/gpt2");
            let (well, report) = doctor(&["--config", other]);
            assert!(!well && report.to_string().contains("model_type is "), "{report}");
            assert_eq!(service.jobs().len(), ran);
        }
    }
}
