//! What reads bytes off the wire gives an error where memory runs out: the size of a block that an input
//! decides never ends the process.

use truenorth_protocol::graph::{answer_read, answer_to_bytes};
use truenorth_protocol::nnsight::read_binary_update;
use truenorth_protocol::pickle::{self, Call, Global, PickleValue};
use truenorth_protocol::{Answer, Builder, Graph, ReadAt, Site, Tensor, frame, torch_file};

use crate::alone::alone;
use crate::archive::{archive, text};
use crate::scarce::refuses;

const MANY: usize = 1 << 20;

/// A file of `torch.save` with a tensor of these sizes and strides.
fn saved(shape: [i64; 2], stride: [i64; 2]) -> Vec<u8> {
    let global = |module: &str, name: &str| Global { module: module.into(), name: name.into() };
    let pair = |[a, b]: [i64; 2]| PickleValue::Tuple(vec![PickleValue::Int(a), PickleValue::Int(b)]);
    let class = PickleValue::Global(global("torch", "FloatStorage"));
    let storage = PickleValue::Tuple(vec![
        text("storage"),
        class,
        text("0"),
        text("cpu"),
        PickleValue::Int(MANY as i64),
    ]);
    let tensor = PickleValue::Call(Box::new(Call {
        global: global("torch._utils", "_rebuild_tensor_v2"),
        bare: false,
        args: vec![
            PickleValue::Persistent(Box::new(storage)),
            PickleValue::Int(0),
            pair(shape),
            pair(stride),
            PickleValue::Bool(false),
            PickleValue::None,
        ],
        items: vec![],
        appended: vec![],
        state: None,
    }));
    archive(&pickle::write(&tensor, &|_, _| true).unwrap(), &vec![1; 4 * MANY])
}

fn graph(prompts: &[Vec<u32>], texts: &[String], constant: usize) -> Vec<u8> {
    let mut b = Builder::new();
    let g = b.tokens(prompts.to_vec());
    let t = b.texts(texts.to_vec());
    let c = b.constant(Tensor::vector(&vec![0.5; constant]));
    b.save("c", c);
    for group in [g, t] {
        let r = b.read(group, Site::ResidPost(0), ReadAt::Last);
        b.save(format!("r{group:?}"), r);
    }
    b.finish().to_bytes().unwrap()
}

// One test, as the budget is that of the process.
// Alone, as the budget is that of the process.
#[test]
fn a_decoder_that_runs_out_of_memory_says_so() {
    alone("no_memory::a_decoder_that_runs_out_of_memory_says_so", says_so);
}

fn says_so() {
    let graphs = [
        ("a graph of many prompts", graph(&vec![vec![1]; MANY / 8], &[], 1)),
        ("a graph of a long prompt", graph(&[vec![1; MANY]], &[], 1)),
        ("a graph of a long text", graph(&[vec![1]], &["a".repeat(MANY)], 1)),
        ("a graph of a large constant", graph(&[vec![1]], &[], MANY)),
    ];
    for (name, bytes) in &graphs {
        refuses(name, || Graph::from_bytes(bytes).is_ok());
    }

    let mut answers = Vec::new();
    let tensor = |n: usize| Tensor::vector(&vec![1.0; n]);
    let value = |n, rows| truenorth_protocol::Value::Tensor { tensor: tensor(n), rows };
    let texts = |n: usize, bytes: usize| truenorth_protocol::Value::Text(vec!["a".repeat(bytes); n]);
    for (name, value) in [
        ("an answer of a large tensor", value(MANY, None)),
        ("an answer of many rows", value(1, Some(vec![1; MANY]))),
        ("an answer of many texts", texts(MANY / 8, 1)),
        ("an answer of a long text", texts(1, MANY)),
    ] {
        let mut answer = Answer::default();
        answer.values.insert("x".into(), value);
        answers.push((name, answer_to_bytes(&answer).unwrap()));
    }
    for (name, bytes) in &answers {
        refuses(name, || answer_read(&bytes[..]).is_ok());
        let packed = frame::compress(bytes).unwrap();
        let reader = || frame::FrameReader::new(&packed[..], 64 << 20).unwrap();
        refuses(&format!("{name}, unpacked as it comes"), || answer_read(reader()).is_ok());
    }
    let packed = frame::compress(&answers[0].1).unwrap();
    refuses("a frame", || frame::decompress(&packed, 64 << 20).is_ok());

    let side = 1024;
    for (name, file) in [
        ("a file of torch.save", saved([side, side], [side, 1])),
        ("a file of torch.save with a transposed tensor", saved([side, side], [1, side])),
    ] {
        refuses(name, || torch_file::read(&file).is_ok());
    }
    let limits = pickle::PickleLimits::default();
    let long = || vec![7; MANY];
    let twice = PickleValue::Bytes(long());
    for (name, value) in [
        ("a pickle of many values", PickleValue::List(vec![PickleValue::Int(1); MANY / 16])),
        (
            "a pickle of many tuples",
            PickleValue::List(vec![PickleValue::Tuple(vec![PickleValue::None]); MANY / 16]),
        ),
        (
            "a pickle of many entries",
            PickleValue::Dict(vec![(PickleValue::Int(1), PickleValue::None); MANY / 16]),
        ),
        ("a pickle of long bytes", PickleValue::Tuple(vec![twice.clone(), twice])),
        ("a pickle of a long text", text(&"a".repeat(MANY))),
    ] {
        let bytes = pickle::write(&value, &|_, _| true).unwrap();
        drop(value);
        refuses(name, || pickle::read(&bytes, &limits, &|_, _| true).is_ok());
    }

    let status = PickleValue::Dict(vec![
        (text("id"), text("a")),
        (text("status"), text("COMPLETED")),
        (text("data"), PickleValue::Bytes(long())),
    ]);
    let frame = archive(&pickle::write(&status, &|_, _| true).unwrap(), b"");
    refuses("a status with its result", || read_binary_update(&frame).is_ok());
}
