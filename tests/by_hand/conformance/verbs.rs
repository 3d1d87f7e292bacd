//! The command line's verbs, with the model in process, behind our server, and on both services: the
//! same files.

use std::collections::BTreeSet;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::compare::{SAME, relative};
use super::runners::{Ours, engine};
use super::service::{KEY, NEWEST, Service};
use crate::support::{MODEL, run, study_place, write_classes};

pub const NAME: &str = "tn/tiny";

/// A folder for one place, what the model is called there, and the flags that choose the place.
pub struct Place {
    dir: tempfile::TempDir,
    model: &'static str,
    flags: Vec<String>,
}

impl Place {
    pub fn new(model: &'static str, flags: &[&str]) -> Self {
        let dir = study_place();
        write_classes(&dir.path().join("train.jsonl"), "train", 20);
        write_classes(&dir.path().join("test.jsonl"), "test", 12);
        std::fs::write(dir.path().join("key"), KEY).unwrap();
        Self { dir, model, flags: flags.iter().map(|f| (*f).to_owned()).collect() }
    }

    pub fn here() -> Self {
        Self::new(MODEL, &[])
    }

    /// On a service that speaks as NDIF does.
    pub fn ndif(service: &Service) -> Self {
        let on = ["--on", "ndif", "--host", &service.url, "--api-key-file", "key", "--config", MODEL];
        Self::new(NAME, &on)
    }

    /// Runs a verb; `M` in its arguments is the model.
    pub fn verb(&self, args: &[&str]) {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let args = args.iter().map(|a| if *a == "M" { self.model } else { *a });
        let all: Vec<&str> = args.chain(flags).chain(["--quiet"]).collect();
        let out = run(self.dir.path(), &all);
        assert!(out.status.success(), "{all:?}\n{}", String::from_utf8_lossy(&out.stderr));
    }

    /// What the model is called there.
    pub fn model(&self) -> &'static str {
        self.model
    }

    /// The flags that choose the place.
    pub fn flags(&self) -> &[String] {
        &self.flags
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn bytes(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
    }

    pub fn lines(&self, file: &str) -> Vec<Json> {
        let text = String::from_utf8(self.bytes(file)).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    /// A file of a study, the model under one name.
    pub fn json(&self, file: &str) -> Json {
        serde_json::from_str(&String::from_utf8(self.bytes(file)).unwrap().replace(self.model, "M")).unwrap()
    }

    /// What a verb found, without the record of where and how.
    pub fn result(&self, file: &str) -> Json {
        // Results name their models, which are called differently in each place.
        let text = String::from_utf8(self.bytes(file)).unwrap().replace(self.model, "M");
        let mut result = serde_json::from_str::<Json>(&text).unwrap()["result"].clone();
        // A judge is named after its file, where it is one, and has its hash for a revision.
        for of in ["judge", "revision"] {
            if let Some(place) = result.pointer_mut(&format!("/judgement/{of}")) {
                assert!(place.is_string(), "{file}: {of} {place}");
                *place = "M".into();
            }
        }
        result
    }
}

/// What each verb is asked, in the order in which they need each other's files.
const VERBS: &[&str] = &[
    "direction extract --model M --site resid_post.1 --pairs pairs.jsonl --estimator mean-diff \
     --permutations 19 --out d.safetensors",
    "direction extract --model M --site resid_mid.0 --pairs pairs.jsonl --estimator lda \
     --permutations 19 --out lda.safetensors",
    "read --model M --input prompts.txt --site resid_post.0..1 --site logits --out last.safetensors",
    "read --model M --input prompts.txt --site embed --site resid_pre.1 --site attn_out.0 --site mlp_out.1 \
     --site final_norm --positions mean --out mean.safetensors",
    "steer --model M --direction d.safetensors --input prompts.txt --max-new-tokens 12 --alpha=-1,0,1 \
     --neutral seq.txt --ignore-eos --out norm.jsonl",
    "steer --model M --direction d.safetensors --input prompts.txt --max-new-tokens 8 --alpha=-4,4 \
     --alpha-unit absolute --positions generated --out absolute.jsonl",
    "steer --model M --direction d.safetensors --input prompts.txt --max-new-tokens 8 --alpha=6 \
     --alpha-unit absolute --positions last --out at-last.jsonl",
    "steer --model M --direction d.safetensors --input prompts.txt --max-new-tokens 12 --ablate \
     --temperature 0.8 --seed 3 --out ablated.jsonl",
    "steer --model M --direction lda.safetensors --input prompts.txt --max-new-tokens 8 --alpha=0,3 \
     --alpha-unit absolute --temperature 0.9 --top-p 0.7 --seed 4 --out sampled.jsonl",
    "score --model M --direction d.safetensors --probes prompts.txt --sequences seq.txt --out board.jsonl",
    "probe --model M --train train.jsonl --test other=test.jsonl --positive up --site resid_post.0..1 \
     --folds 4 --estimator mean-diff --permutations 39 --controls random-label,bag-of-words \
     --out probe.json",
    "sweep --model M --site resid_post.0..1 --pairs pairs.jsonl --neutral seq.txt --prompts prompts.txt \
     --alpha=-0.2,0.2 --max-new-tokens 4 --random-directions 2 --permutations 19 --null-draws 5 --folds 4 \
     --out sweep.json",
    "geometry --checkpoint M --classes train.jsonl --positive up --site resid_mid.1 --permutations 99 \
     --out geometry.json",
    "judge --judge M --steered norm.jsonl --prompts prompts.txt --alpha 1 --least-preference 0 \
     --least-mass 0 --answers A,B --permutations 99 --out judged.json",
    "study run study.toml --model M",
];

fn all(place: &Place) {
    for verb in VERBS {
        place.verb(&verb.split_whitespace().collect::<Vec<_>>());
    }
}

/// Compares every file; returns the worst relative difference of tensors.
fn same_files(there: &Place, here: &Place) -> f32 {
    let mut worst = 0.0_f32;
    for file in [
        "d.safetensors",
        "lda.safetensors",
        "last.safetensors",
        "mean.safetensors",
        "runs/tiny/directions/mean-diff.safetensors",
        "runs/tiny/directions/lda.safetensors",
    ] {
        worst = worst.max(same_tensors(&there.bytes(file), &here.bytes(file), file));
    }
    for file in [
        "norm.jsonl",
        "absolute.jsonl",
        "at-last.jsonl",
        "ablated.jsonl",
        "sampled.jsonl",
        "board.jsonl",
        "runs/tiny/steered.jsonl",
        "runs/tiny/board.jsonl",
    ] {
        let (got, want) = (there.lines(file), here.lines(file));
        assert!(!want.is_empty() && got.len() == want.len(), "{file}");
        for (got, want) in got.iter().zip(&want) {
            same_json(got, want, file);
        }
    }
    for file in ["probe.json", "sweep.json", "geometry.json", "judged.json"] {
        assert!(here.result(file).is_object(), "{file}");
        same_json(&there.result(file), &here.result(file), file);
    }
    worst
}

#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn verbs_write_the_same_files_wherever_the_model_is() {
    let state = tempfile::tempdir().unwrap();
    let service = Service::start(&[(NAME.into(), MODEL.into())], state.path());
    let ours = Ours::start(engine(Path::new(MODEL), NAME));
    let url = ours.client.service().url().to_owned();
    let places = [Place::here(), Place::new(NAME, &["--on", &url]), Place::ndif(&service)];
    places.iter().for_each(all);
    let (here, elsewhere) = places.split_first().unwrap();
    for there in elsewhere {
        same_files(there, here);
    }
    assert_eq!(service.get("/test/counts")["most"], 1, "no work was sent twice");
}

#[test]
#[ignore = "needs the released service; .ci/conformance runs it"]
fn released_verbs_write_the_same_files() {
    let state = tempfile::tempdir().unwrap();
    let service = Service::released(NEWEST, &[(NAME.into(), MODEL.into())], state.path(), &[]);
    let (here, there) = (Place::here(), Place::ndif(&service));
    all(&here);
    for verb in VERBS {
        service.post("/test/reset", &serde_json::json!({}));
        let begun = std::time::Instant::now();
        there.verb(&verb.split_whitespace().collect::<Vec<_>>());
        let counts = service.get("/test/counts");
        let jobs = counts["jobs"].as_array().unwrap();
        assert!(!jobs.is_empty() && jobs.iter().all(|j| j["trusted"] == false), "{verb}: {jobs:?}");
        assert_eq!(counts["ran_most"], 1, "{verb}: ran twice");
        assert_eq!(counts["most"], 1, "{verb}: sent twice");
        let sum = |name: &str| jobs.iter().map(|j| j[name].as_u64().unwrap()).sum::<u64>();
        println!(
            "{}: {} jobs, {} frames and {} bytes across the runner's socket, {:.1?}",
            verb.split(" --").next().unwrap(),
            jobs.len(),
            sum("wire_frames"),
            sum("wire_bytes"),
            begun.elapsed()
        );
    }
    println!("worst difference of a tensor {:.1e}", same_files(&there, &here));
}

#[test]
#[ignore = "by hand, with TRUENORTH_NDIF_ALL=1: minutes here, more through the sandbox"]
fn released_human_values_study() {
    if std::env::var_os("TRUENORTH_NDIF_ALL").is_none() {
        return;
    }
    let (model, state) = (super::measure::model(), tempfile::tempdir().unwrap());
    let path = model.display().to_string();
    let service = Service::released(NEWEST, &[(NAME.into(), model)], state.path(), &[]);
    let study = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/human-values/study.toml");
    let key = state.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    let place = |model: &str, flags: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let begun = std::time::Instant::now();
        let out = run(dir.path(), &[&["study", "run", study, "--model", model, "--quiet"], flags].concat());
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        println!("the study on {model}: {:.1?}", begun.elapsed());
        dir
    };
    let key = key.display().to_string();
    let on = ["--on", "ndif", "--host", &service.url, "--api-key-file", &key, "--config", &path];
    let (there, here) = (place(NAME, &on), place(&path, &[]));
    let jobs = service.jobs();
    let sum = |name: &str| jobs.iter().map(|j| j[name].as_u64().unwrap()).sum::<u64>();
    println!("{} jobs, {} frames, {} bytes", jobs.len(), sum("wire_frames"), sum("wire_bytes"));
    let file = |dir: &tempfile::TempDir, name: &str| {
        std::fs::read(dir.path().join("runs/human-values").join(name))
            .unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    for name in ["mean-diff", "logistic", "lda", "pca"] {
        let name = format!("directions/{name}.safetensors");
        let far = same_tensors(&file(&there, &name), &file(&here, &name), &name);
        println!("{name}: {far:.1e}");
    }
    let lines = |dir: &tempfile::TempDir| -> Vec<Json> {
        let text = String::from_utf8(file(dir, "board.jsonl")).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let (got, want) = (lines(&there), lines(&here));
    assert!(!want.is_empty() && got.len() == want.len());
    got.iter().zip(&want).for_each(|(got, want)| same_json(got, want, "board.jsonl"));
}

pub fn same_tensors(got: &[u8], want: &[u8], file: &str) -> f32 {
    let (got, want) = (SafeTensors::deserialize(got).unwrap(), SafeTensors::deserialize(want).unwrap());
    let names = |f: &SafeTensors<'_>| f.names().into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(names(&got), names(&want));
    // The steps of an estimator that inverts a matrix widen what rounding differs by.
    let within = if file.contains("lda") { 10.0 * SAME } else { SAME };
    let mut worst = 0.0_f32;
    for name in want.names() {
        let values = |f: &SafeTensors<'_>| -> Vec<f32> {
            let bytes = f.tensor(name).unwrap().data().to_vec();
            bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        let far = relative(&values(&got), &values(&want));
        assert!(far < within, "{file} {name}: {far:e}");
        worst = worst.max(far);
    }
    worst
}

/// Numbers within a tolerance, all else equal.
pub fn same_json(got: &Json, want: &Json, at: &str) {
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
            // Of sums and differences of what is read: their own size says less than that of their parts.
            assert!((g - w).abs() <= 1e-4 * w.abs().max(1.0), "{at}: {g}, not {w}");
        }
        _ => assert_eq!(got, want, "{at}"),
    }
}
