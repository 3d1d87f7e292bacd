//! The command line's verbs, with the model in process, behind our server, and on the service: the
//! same files.

use std::collections::BTreeSet;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::compare::{SAME, relative};
use crate::runners::{Ours, engine};
use crate::service::{KEY, Service};
use crate::support::{MODEL, run, write_pairs};

const NAME: &str = "tn/tiny";

/// A folder for one place, and the flags that choose that place.
struct Place {
    dir: tempfile::TempDir,
    flags: Vec<String>,
}

impl Place {
    fn new(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_pairs(&dir.path().join("pairs.jsonl"), 24);
        std::fs::write(dir.path().join("prompts.txt"), "the hat\nan old tin\nno\n").unwrap();
        std::fs::write(dir.path().join("sequences.txt"), "yes, a new cup\nred\n").unwrap();
        std::fs::write(dir.path().join("key"), KEY).unwrap();
        Self { dir, flags: flags.iter().map(|f| (*f).to_owned()).collect() }
    }

    fn verb(&self, args: &[&str]) {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let all = [args, &flags].concat();
        let out = run(self.dir.path(), &all);
        assert!(out.status.success(), "{all:?}\n{}", String::from_utf8_lossy(&out.stderr));
    }

    fn bytes(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(file)).unwrap()
    }

    fn lines(&self, file: &str) -> Vec<Json> {
        let text = String::from_utf8(self.bytes(file)).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn verbs_write_the_same_files_wherever_the_model_is() {
    let state = tempfile::tempdir().unwrap();
    let service = Service::start(&[(NAME.into(), MODEL.into())], state.path());
    let ours = Ours::start(engine(Path::new(MODEL), NAME));
    let url = ours.client.service().url().to_owned();
    let ndif = ["--on", "ndif", "--host", &service.url, "--api-key-file", "key", "--config", MODEL];
    let places = [
        Place::new(&["--model", MODEL]),
        Place::new(&["--model", NAME, "--on", &url]),
        Place::new(&[&["--model", NAME][..], &ndif].concat()),
    ];
    for place in &places {
        let extract = ["direction", "extract", "--site", "resid_post.1", "--pairs", "pairs.jsonl"];
        place.verb(&[&extract[..], &["--permutations", "19", "--out", "d.safetensors"]].concat());
        place.verb(&[
            "read",
            "--input",
            "prompts.txt",
            "--site",
            "resid_post.0..1",
            "--site",
            "logits",
            "--out",
            "r.safetensors",
        ]);
        let steer =
            ["steer", "--direction", "d.safetensors", "--input", "prompts.txt", "--max-new-tokens", "12"];
        place.verb(&[&steer[..], &["--alpha=-1,0,1", "--ignore-eos", "--out", "s.jsonl"]].concat());
        place.verb(
            &[&steer[..], &["--ablate", "--temperature", "0.8", "--seed", "3", "--out", "t.jsonl"]].concat(),
        );
        let score = ["score", "--direction", "d.safetensors", "--probes", "prompts.txt"];
        place.verb(&[&score[..], &["--sequences", "sequences.txt", "--out", "board.jsonl"]].concat());
    }
    let (here, elsewhere) = places.split_first().unwrap();
    for there in elsewhere {
        for file in ["d.safetensors", "r.safetensors"] {
            same_tensors(&there.bytes(file), &here.bytes(file), file);
        }
        for file in ["s.jsonl", "t.jsonl", "board.jsonl"] {
            let (got, want) = (there.lines(file), here.lines(file));
            assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(&want) {
                same_json(got, want, file);
            }
        }
    }
    assert_eq!(service.get("/test/counts")["most"], 1, "no work was sent twice");
}

fn same_tensors(got: &[u8], want: &[u8], file: &str) {
    let (got, want) = (SafeTensors::deserialize(got).unwrap(), SafeTensors::deserialize(want).unwrap());
    let names = |f: &SafeTensors<'_>| f.names().into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(names(&got), names(&want));
    for name in want.names() {
        let values = |f: &SafeTensors<'_>| -> Vec<f32> {
            let bytes = f.tensor(name).unwrap().data().to_vec();
            bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        let far = relative(&values(&got), &values(&want));
        // An estimator's steps widen what rounding differs by.
        assert!(far < 10.0 * SAME, "{file} {name}: {far:e}");
    }
}

/// Numbers within a tolerance, all else equal.
fn same_json(got: &Json, want: &Json, at: &str) {
    match (got, want) {
        (Json::Object(g), Json::Object(w)) => {
            assert!(g.keys().eq(w.keys()), "{at}: {g:?} {w:?}");
            w.iter().for_each(|(key, value)| same_json(&g[key], value, &format!("{at} {key}")));
        }
        (Json::Array(g), Json::Array(w)) => {
            assert_eq!(g.len(), w.len(), "{at}");
            g.iter().zip(w).for_each(|(g, w)| same_json(g, w, at));
        }
        (Json::Number(g), Json::Number(w)) if g.is_f64() && w.is_f64() => {
            let (g, w) = (g.as_f64().unwrap(), w.as_f64().unwrap());
            assert!((g - w).abs() <= 2e-3 * w.abs().max(0.01), "{at}: {g}, not {w}");
        }
        _ => assert_eq!(got, want, "{at}"),
    }
}
