//! Writes the first inputs of each target's corpus: `cargo run --bin seeds -- CORPUS`.

use std::fs;
use std::path::Path;

use truenorth_protocol::frame::compress;
use truenorth_protocol::graph::{AlphaUnit, Edit, Op, Sampling, Steps, answer_to_bytes};
use truenorth_protocol::{Answer, Builder, Graph, ReadAt, Site, Tensor, Value, WriteAt};

fn graph() -> Graph {
    let mut b = Builder::new();
    let one = b.tokens([vec![1, 2, 3], vec![4, 5]]);
    let two = b.tokens([vec![6, 7]]);
    let d = b.constant(Tensor::vector(&[0.5, -0.5, 0.25, 1.0]));
    let norm = b.constant(Tensor::scalar(2.0));
    let unit = AlphaUnit::Norm(norm);
    b.write(one, Site::ResidPost(0), WriteAt::Last, Steps::ALL, Edit::Add { direction: d, alpha: vec![1.0, -1.0], unit });
    b.write(one, Site::MlpOut(1), WriteAt::All, Steps { start: 0, end: Some(2) }, Edit::Ablate { direction: d });
    b.write(two, Site::AttnOut(0), WriteAt::Index(-1), Steps::ALL, Edit::Clamp { direction: d, min: -1.0, max: 1.0 });
    let read = b.read(one, Site::ResidPost(1), ReadAt::Mean);
    b.save("mean", read);
    let logits = b.read(two, Site::Logits, ReadAt::All);
    let logprob = b.node(Op::PromptLogProb { logits });
    b.save("logprob", logprob);
    let generate = b.generate(two, Sampling { temperature: 0.7, top_p: 0.9, seed: 3, stop: vec![2], ..Sampling::greedy(4) });
    b.save("tokens", generate);
    let text = b.node(Op::Decode { generate });
    b.save("text", text);
    b.finish()
}

fn answer() -> Answer {
    let mut answer = Answer::default();
    let tensor = Tensor::vector(&[1.0, 2.0, 3.0, 4.0]);
    answer.values.insert("a".into(), Value::Tensor { tensor: tensor.clone(), rows: None });
    answer.values.insert("b".into(), Value::Tensor { tensor, rows: Some(vec![1, 3]) });
    answer.values.insert("text".into(), Value::Text(vec!["one".into(), "zwei ✓".into()]));
    answer
}

fn main() {
    let corpus = std::env::args().nth(1).expect("the corpus folder");
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new(&corpus).join(target);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(name), bytes).expect("a file");
    };
    let graph = graph();
    put("graph", "seed-bytes", &graph.to_bytes().expect("small"));
    put("graph", "seed-json", graph.to_json().expect("finite").as_bytes());
    let answer = answer_to_bytes(&answer()).expect("small");
    put("answer", "seed", &answer);
    put("frame", "seed", &compress(&answer).expect("small"));
    put("frame", "seed-long", &compress(&vec![7; 100_000]).expect("small"));
    for (name, text) in [
        ("seed-url", r#"{"id": "a1", "status": "COMPLETED", "description": "", "data": "http://x/y"}"#),
        ("seed-log", r#"{"id": "a1", "status": "LOG", "description": "line\n", "meta": {"n": [1, 2.5, null]}}"#),
        ("seed-session", r#"{"session_id": "s"}"#),
        ("seed-envelope", r#"{"model_key": "m", "session_id": "", "compress": true, "env": {"python": "3.12"}}"#),
    ] {
        put("update", name, text.as_bytes());
    }
    // Files of torch.save and the pickles inside them.
    for entry in fs::read_dir("../../fixtures/torch").expect("run in protocol/fuzz") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "pt") {
            let bytes = fs::read(&path).expect("a file");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if let Some(at) = bytes.windows(2).position(|w| w == [0x80, 2] || w == [0x80, 4]) {
                let end = bytes[at..].windows(3).position(|w| w == b".PK").map_or(bytes.len(), |e| at + e + 1);
                put("pickle", &name, &bytes[at..end.min(at + 4096)]);
            }
            put("torch_file", &name, &bytes);
        }
    }
}
