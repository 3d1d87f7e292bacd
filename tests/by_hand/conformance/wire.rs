//! What crosses the socket between the model and a program's process on the released service, in frames
//! and bytes: ours, beside what users of nnsight write for the same work.

use std::path::PathBuf;

use serde_json::{Value as Json, json};
use truenorth::client::Client;
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::{Builder, CheckLimits, Sampling, Steps};
use truenorth_protocol::{DType, Graph, ReadAt, Site, Tensor, WriteAt};

use super::cost::Moved;
use super::measure::{LAYER, NAME, model, strings, texts};
use super::runners::{hosted, options};
use super::service::{KEY, NEWEST, Service, ndif_script, script, work};

/// Layers of the sweep and the probe.
const LAYERS: [u32; 4] = [5, 10, LAYER, 25];
const STEERED: usize = 4;
const TOKENS: u32 = 8;
/// Bytes of a job that are none of its tensors: the program, its names, and what frames are wrapped in.
const REST: usize = 32 << 10;
/// The most that the steering may move.
const STEERING: u64 = 1_000_000;

/// The texts of the work. With the idiom, so many sequences before every probe take minutes, so that
/// only by hand (`TRUENORTH_NDIF_ALL`) all of them are measured.
fn pieces() -> Json {
    let (neutral, probes) = (texts("neutral.jsonl"), texts("probes.jsonl"));
    let sequences = texts("sequences.jsonl")[..32].to_vec();
    let prompts: Vec<_> = neutral.into_iter().chain(sequences.clone()).collect();
    assert_eq!((prompts.len(), probes.len()), (64, 16));
    let measured = if std::env::var_os("TRUENORTH_NDIF_ALL").is_some() { 32 } else { 2 };
    json!({ "prompts": prompts, "probes": probes, "sequences": sequences[..measured], "layers": LAYERS })
}

/// One piece of work.
struct Work {
    verb: &'static str,
    graph: Graph,
    /// Prompts of which hidden states are read, and at how many sites.
    read: (Vec<String>, usize),
}

fn read(b: &mut Builder, prompts: &[String], layers: &[u32]) {
    let group = b.texts(prompts);
    for layer in layers {
        let h = b.read(group, Site::ResidPost(*layer), ReadAt::Last);
        b.save(format!("h{layer}"), h);
    }
}

fn steer(b: &mut Builder, prompts: &[String], layer: u32, alpha: f64, hidden: u32) {
    let mut first = vec![0.0; hidden as usize];
    first[0] = 1.0;
    let direction = b.constant(Tensor::vector(&first));
    let group = b.texts(&prompts[..STEERED]);
    b.add(group, Site::ResidPost(layer), WriteAt::All, Steps::ALL, direction, &[alpha]);
    let tokens = b.generate(group, Sampling::greedy(TOKENS));
    b.save(format!("tokens {layer} {alpha}"), tokens);
}

fn works(pieces: &Json, hidden: u32) -> Vec<Work> {
    let (prompts, probes) = (strings(&pieces["prompts"]), strings(&pieces["probes"]));
    let behind = |s: &String| probes.iter().map(|p| format!("{s} {p}")).collect::<Vec<_>>();
    let joined: Vec<String> = strings(&pieces["sequences"]).iter().flat_map(behind).collect();
    let made = |make: &dyn Fn(&mut Builder)| {
        let mut b = Builder::new();
        make(&mut b);
        b.finish()
    };
    vec![
        Work { verb: "read", graph: made(&|b| read(b, &prompts, &[LAYER])), read: (prompts.clone(), 1) },
        Work { verb: "steer", graph: made(&|b| steer(b, &prompts, LAYER, 1.0, hidden)), read: (vec![], 0) },
        Work { verb: "score", graph: made(&|b| read(b, &joined, &[LAYER])), read: (joined.clone(), 1) },
        Work {
            verb: "probe",
            graph: made(&|b| read(b, &prompts, &LAYERS)),
            read: (prompts.clone(), LAYERS.len()),
        },
        Work {
            verb: "sweep",
            graph: made(&|b| {
                read(b, &prompts, &LAYERS);
                for layer in LAYERS {
                    for alpha in [-1.0, 1.0] {
                        steer(b, &prompts, layer, alpha, hidden);
                    }
                }
            }),
            read: (prompts.clone(), LAYERS.len()),
        },
    ]
}

#[test]
#[ignore = "needs the released service; .ci/conformance runs it"]
fn released_verbs_move_at_most_a_fifth_of_the_idiom() {
    let (model, work) = (model(), work());
    let outline = work.join("smollm2");
    script("models.py", &["outline", model.to_str().unwrap(), outline.to_str().unwrap()]);
    let state = tempfile::tempdir().unwrap();
    let service = Service::released(NEWEST, &[(NAME.into(), model.clone())], state.path(), &[]);
    let file: PathBuf = work.join("wire-pieces.json");
    let pieces = pieces();
    std::fs::write(&file, pieces.to_string()).unwrap();
    let host = hosted(&model, NAME, DType::F32);
    let client = Client::ndif(options(&service), host.clone()).unwrap();
    let (mut rows, mut figures, mut wrong) = (vec![], json!({}), vec![]);
    for Work { verb, graph, read } in works(&pieces, host.info.hidden) {
        let checked = graph.check(&host.info, &CheckLimits::default()).unwrap();
        service.post("/test/reset", &json!({}));
        let answer = client.run(&checked, &Unwatched).unwrap();
        assert!(!answer.values.is_empty());
        let jobs = service.jobs();
        let (ours, said) = (Moved::by(&jobs), Moved::said(&host, &checked));
        wrong.extend(ours.is_as_said(&said, &checked).err().map(|why| format!("{verb}: {why}")));
        let pair = format!("{NAME}={}", outline.display());
        let layer = LAYER.to_string();
        let idiom =
            ndif_script("idioms.py", &[&service.url, KEY, &pair, &layer, file.to_str().unwrap(), verb]);
        let idiom = serde_json::from_str::<Json>(&idiom).unwrap()[verb].clone();
        let theirs = idiom["wire_bytes"].as_u64().unwrap();
        let (Moved { frames, to_program, to_model, .. }, bytes) = (ours, ours.bytes());
        rows.push(format!(
            "| {verb} | {} | {frames} | {to_program} | {to_model} | {} | {} | {theirs} | {:.1} |",
            ours.jobs,
            said.bytes(),
            idiom["wire_frames"],
            theirs as f64 / bytes as f64
        ));
        figures[verb] = json!({ "ours": jobs, "idiom": idiom });
        if verb == "steer" {
            // What is steered crosses once each way, whoever steers.
            if bytes > STEERING.min(theirs) {
                wrong.push(format!("{verb}: {bytes} bytes, more than {STEERING} or the idiom's {theirs}"));
            }
        } else if bytes * 5 > theirs {
            wrong.push(format!("{verb}: {bytes} bytes, more than a fifth of {theirs}"));
        }
        // Every token's hidden state at every site, once each way.
        let tokens: Vec<usize> =
            read.0.iter().map(|t| host.vocabulary.encode(t, true).unwrap().len()).collect();
        let padded = tokens.len() * tokens.iter().max().copied().unwrap_or(0);
        let once = (padded * read.1 * host.info.hidden as usize * 4 + REST) as u64;
        if !read.0.is_empty() && verb != "sweep" && (to_program > once || to_model > once) {
            wrong.push(format!("{verb}: {to_program} and {to_model} bytes, its tensors have {once}"));
        }
    }
    std::fs::write(work.join("wire.json"), serde_json::to_string_pretty(&figures).unwrap()).unwrap();
    println!(
        "| verb | jobs | frames | bytes to the program | bytes to the model | as said before | idiom's frames \
         | idiom's bytes | times |"
    );
    println!("|{}", " --- |".repeat(9));
    rows.iter().for_each(|r| println!("{r}"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
