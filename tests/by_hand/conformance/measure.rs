//! What our client moves and takes, beside what nnsight's own does for the same work on the same
//! service: (a) the last token of 64 prompts at one layer, (b) 16 probes after each of 32 sequences.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use safetensors::SafeTensors;
use serde_json::{Value as Json, json};
use truenorth::client::{Client, Hosted};
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::{Builder, CheckLimits};
use truenorth_protocol::nnsight::PayloadInput;
use truenorth_protocol::{Answer, CheckedGraph, DType, ModelInfo, ReadAt, Site, frame};

use super::compare::relative;
use super::runners::{hosted, options};
use super::service::{KEY, Service, script, work};

pub const NAME: &str = "tn/smollm2";
pub const LAYER: u32 = 20;
/// Our part of the measurement runs in a process of its own, so that its memory is its own.
const CHILD: &str = "TRUENORTH_MEASURED";

pub fn model() -> PathBuf {
    let set = std::env::var_os("TRUENORTH_NNSIGHT_MODEL");
    PathBuf::from(set.expect("TRUENORTH_NNSIGHT_MODEL names the file of smollm2-135m"))
}

pub fn texts(name: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/human-values").join(name);
    let lines = std::fs::read_to_string(file).unwrap();
    let text = |l: &str| serde_json::from_str::<Json>(l).unwrap()["text"].as_str().unwrap().to_owned();
    lines.lines().map(text).collect()
}

/// The two pieces of work, as texts.
fn pieces() -> Json {
    let (neutral, probes) = (texts("neutral.jsonl"), texts("probes.jsonl"));
    let sequences = texts("sequences.jsonl")[..32].to_vec();
    let prompts: Vec<_> = neutral.into_iter().chain(sequences.clone()).collect();
    assert_eq!((prompts.len(), probes.len()), (64, 16));
    json!({ "prompts": prompts, "probes": probes, "sequences": sequences })
}

pub fn strings(json: &Json) -> Vec<String> {
    serde_json::from_value(json.clone()).unwrap()
}

fn read(prompts: &[String], info: &ModelInfo) -> CheckedGraph {
    let mut b = Builder::new();
    let group = b.texts(prompts);
    let h = b.read(group, Site::ResidPost(LAYER), ReadAt::Last);
    b.save("h", h);
    b.finish().check(info, &CheckLimits::default()).unwrap()
}

#[test]
#[ignore = "needs the nnsight package; .ci/conformance runs it"]
fn our_client_moves_at_most_a_fifth() {
    let (model, work) = (model(), work());
    let outline = work.join("smollm2");
    script("models.py", &["outline", model.to_str().unwrap(), outline.to_str().unwrap()]);
    let state = work.join("measure-state");
    let _ = std::fs::remove_dir_all(&state);
    let service = Service::start(&[(NAME.into(), model)], &state);
    let (pieces_file, out) = (work.join("pieces.json"), work.join("plain.safetensors"));
    std::fs::write(&pieces_file, pieces().to_string()).unwrap();
    let pair = format!("{NAME}={}", outline.display());
    let layer = LAYER.to_string();
    let plain: Json = serde_json::from_str(&script(
        "plain.py",
        &[&service.url, KEY, &pair, &layer, pieces_file.to_str().unwrap(), out.to_str().unwrap()],
    ))
    .unwrap();
    let ours = child(&service, &state);
    let figures = json!({ "plain": plain, "ours": ours });
    std::fs::write(work.join("figures.json"), serde_json::to_string_pretty(&figures).unwrap()).unwrap();
    println!("{}", serde_json::to_string_pretty(&figures).unwrap());

    let bytes = std::fs::read(&out).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for (piece, theirs) in
        [("last_token", "last_token"), ("probes", "probes_session"), ("probes", "probes_jobs")]
    {
        let moved =
            |side: &Json| side["sent_bytes"].as_u64().unwrap() + side["received_bytes"].as_u64().unwrap();
        let (plain, whole) = (moved(&plain["work"][theirs]), moved(&ours["work"][piece]["f32"]));
        let narrow = moved(&ours["work"][piece]["bf16"]);
        println!(
            "{theirs}: {plain} bytes by nnsight's client, {whole} by ours ({:.1} times fewer), {narrow} in bf16 \
             ({:.1} times)",
            plain as f64 / whole as f64,
            plain as f64 / narrow as f64
        );
        // Sixty-four rows in f32 are most of what is moved, whoever moves them; narrowed, they are not.
        assert!(narrow * 5 <= plain && whole * 3 <= plain, "{piece}: {whole} and {narrow} of {plain} bytes");
        let want = file.tensor(theirs).unwrap().data().to_vec();
        let want: Vec<f32> = want.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let got = std::fs::read(work.join(format!("{piece}.f32"))).unwrap();
        let got: Vec<f32> = got.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let far = relative(&got, &want);
        assert!(far < 1e-4, "{theirs}: off by {far:e}");
    }
}

/// Runs the other half in a process of its own.
fn child(service: &Service, state: &Path) -> Json {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "conformance::measure::ours_in_its_own_process", "--ignored", "--nocapture"])
        .env(CHILD, format!("{}\n{}", service.url, state.display()))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix("figures "));
    serde_json::from_str(line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))))
        .unwrap()
}

/// The most memory that was resident, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
#[ignore = "a part of our_client_moves_at_most_a_fifth, which starts it"]
fn ours_in_its_own_process() {
    let Ok(set) = std::env::var(CHILD) else { return };
    let (url, state) = set.split_once('\n').unwrap();
    let service = Service::at(url);
    let pieces = pieces();
    let joined = || {
        let (sequences, probes) = (strings(&pieces["sequences"]), strings(&pieces["probes"]));
        sequences
            .iter()
            .flat_map(|s| probes.iter().map(move |p| format!("{s} {p}")).collect::<Vec<_>>())
            .collect()
    };
    let all: [(&str, Vec<String>); 2] = [("last_token", strings(&pieces["prompts"])), ("probes", joined())];
    // The architecture and the tokenizer, as every run needs them.
    let mut figures = json!({});
    let known = hosted(&model(), NAME, DType::F32);
    let loaded = resident();
    for (piece, prompts) in &all {
        for reply in [DType::F32, DType::Bf16] {
            service.post("/test/reset", &json!({}));
            let host = hosted_with(&known, reply);
            let begun = Instant::now();
            let checked = read(prompts, &host.info);
            let tokens: Vec<Vec<u32>> =
                prompts.iter().map(|p| host.vocabulary.encode(p, true).unwrap()).collect();
            let tokens = [tokens];
            let Hosted { modules, key, .. } = &host;
            let request =
                PayloadInput { checked: &checked, tokens: &tokens, modules, key, reply, job: "timed" };
            let payload = frame::compress(&request.payload().unwrap()).unwrap();
            let ready = begun.elapsed();
            let client = Client::ndif(options(&service), host.clone()).unwrap();
            let begun = Instant::now();
            let answer = client.run(&checked, &Unwatched).unwrap();
            let whole = begun.elapsed();
            let peak = resident();
            let jobs = service.get("/test/counts")["jobs"].clone();
            let sum =
                |name: &str| jobs.as_array().unwrap().iter().map(|j| j[name].as_u64().unwrap()).sum::<u64>();
            let id = jobs[0]["id"].as_str().unwrap();
            let packed = std::fs::read(Path::new(state).join("jobs").join(id).join("result")).unwrap();
            let begun = Instant::now();
            let body = frame::decompress(&packed, 1 << 30).unwrap();
            let decoded: Answer = request.answer(Cursor::new(body), &|_| String::new()).unwrap();
            let decode = begun.elapsed();
            assert_eq!(decoded, answer);
            std::fs::write(work().join(format!("{piece}.{reply}")), answer.tensor("h").unwrap().bytes())
                .unwrap();
            figures[*piece][reply.to_string()] = json!({
                "jobs": jobs.as_array().unwrap().len(),
                "payload_bytes": sum("payload_bytes"),
                "payload_bytes_here": payload.len(),
                "sent_bytes": sum("received"),
                "result_bytes": sum("result_bytes"),
                "received_bytes": sum("sent"),
                "ready_s": ready.as_secs_f64(),
                "decode_s": decode.as_secs_f64(),
                "service_s": jobs.as_array().unwrap().iter().map(|j| j["seconds"].as_f64().unwrap()).sum::<f64>(),
                "whole_s": whole.as_secs_f64(),
                "peak_memory_bytes": peak,
            });
        }
    }
    let memory = json!({ "loaded": loaded, "peak": resident() });
    println!("figures {}", json!({ "work": figures, "memory_bytes": memory }));
}

fn hosted_with(known: &Hosted, reply: DType) -> Hosted {
    Hosted { reply, ..known.clone() }
}
