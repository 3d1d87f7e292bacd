//! What reads files, and what computes the values of a graph, gives an error where memory runs out: the size of
//! a block that a file or a request decides never ends the process.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use truenorth::artifact::{Direction, DirectionFormat, ImportAs};
use truenorth::data::import::{ImportOptions, ImportSource, Importer};
use truenorth::engine::load::Source;
use truenorth::engine::tokenizer::Tokenizer;
use truenorth::engine::{Engine, EngineOptions, Transformers};
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::{Binary, CheckLimits, NodeId, Op, Unary};
use truenorth_protocol::{Builder, ReadAt, Site};

use crate::alone::alone;
use crate::scarce::{Scarce, refuses};

/// For the whole binary, where it has plenty for all but this test.
#[global_allocator]
static ALLOCATOR: Scarce = Scarce;

const MANY: usize = 1 << 18;

/// A safetensors file of a header and zeros.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.resize(file.len() + data, 0);
    file
}

/// An array file of ones.
fn numpy(shape: &str, fortran: bool) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '<f4', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.bytes());
    file.extend(1.0_f32.to_le_bytes().repeat(MANY));
    file
}

fn directions() {
    let stated = ImportAs {
        site: "resid_post.1".parse().ok(),
        sign: Some("chosen over rejected".into()),
        ..ImportAs::default()
    };
    let whole = numpy(&format!("({MANY},)"), false);
    let direction = Direction::import_bytes(&whole, DirectionFormat::Npy, &stated).unwrap();
    for format in
        [DirectionFormat::Npy, DirectionFormat::Npz, DirectionFormat::Safetensors, DirectionFormat::Gguf]
    {
        let bytes = direction.export_bytes(format).unwrap();
        let read = || Direction::import_bytes(&bytes, format, &stated).is_ok();
        refuses(&format!("a direction as {}", format.name()), read);
    }
    // One row of a stack, column after column.
    let npy = numpy(&format!("(4, {})", MANY / 4), true);
    let row = ImportAs { row: Some(1), ..stated };
    refuses("a row of a stack", || Direction::import_bytes(&npy, DirectionFormat::Npy, &row).is_ok());
}

fn weights(folder: &Path) {
    let config = r#"{"model_type": "llama", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4}"#;
    std::fs::write(folder.join("config.json"), config).unwrap();
    let mut header = String::from("{");
    let many = MANY / 16;
    for i in 0..many {
        let (from, to) = (4 * i, 4 * i + 4);
        let name = format!("model.layers.{i}.mlp.down_proj.weight");
        write!(header, r#""{name}":{{"dtype":"F32","shape":[1],"data_offsets":[{from},{to}]}},"#).unwrap();
    }
    let elements = 4 * MANY;
    let (from, size) = (4 * many, 4 * (many + elements));
    write!(
        header,
        r#""lm_head.weight":{{"dtype":"F32","shape":[{elements}],"data_offsets":[{from},{size}]}}}}"#
    )
    .unwrap();
    std::fs::write(folder.join("model.safetensors"), safetensors(&header, size)).unwrap();
    refuses("a header of safetensors", || Source::open_folder(folder).is_ok());
    let source = Source::open_folder(folder).unwrap();
    let read = |dtype| source.tensor("lm_head.weight", &[elements], dtype, &Device::Cpu).is_ok();
    for dtype in [DType::F32, DType::F16] {
        refuses(&format!("a tensor as {dtype:?}"), || read(dtype));
    }
}

/// A GGUF file's array of texts, integers or numbers under a key.
fn gguf_array(key: &str, kind: u32, count: usize, one: &[u8], to: &mut Vec<u8>) {
    to.extend((key.len() as u64).to_le_bytes());
    to.extend(key.bytes());
    to.extend(9_u32.to_le_bytes());
    to.extend(kind.to_le_bytes());
    to.extend((count as u64).to_le_bytes());
    to.extend(one.repeat(count));
}

fn gguf() {
    let text = [&3_u64.to_le_bytes()[..], b"abc"].concat();
    let long = [&(4 * MANY as u64).to_le_bytes()[..], &vec![b'a'; 4 * MANY]].concat();
    let broken = [&(2 * MANY as u64).to_le_bytes()[..], &vec![0xff; 2 * MANY]].concat();
    for (name, kind, count, one) in [
        ("many texts", 8, MANY, &text[..]),
        ("a long text", 8, 1, &long),
        ("a text that is not UTF-8", 8, 1, &broken),
        ("many integers", 4, MANY, &[1, 0, 0, 0]),
        ("many numbers", 6, MANY, &[0; 4]),
        ("many truth values", 7, 4 * MANY, &[1]),
    ] {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend(0_u64.to_le_bytes());
        file.extend(1_u64.to_le_bytes());
        gguf_array("key", kind, count, one, &mut file);
        refuses(&format!("a header of GGUF with {name}"), || {
            truenorth::engine::gguf::read_header(&file).is_ok()
        });
    }
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend((MANY as u64 / 8).to_le_bytes());
    file.extend(0_u64.to_le_bytes());
    for i in 0..MANY / 8 {
        let name = format!("blk.{i}");
        file.extend((name.len() as u64).to_le_bytes());
        file.extend(name.bytes());
        file.extend(1_u32.to_le_bytes());
        file.extend(32_u64.to_le_bytes());
        file.extend(0_u32.to_le_bytes());
        file.extend(0_u64.to_le_bytes());
    }
    file.extend([0; 256]);
    refuses("a header of GGUF with many tensors", || truenorth::engine::gguf::read_header(&file).is_ok());
}

fn tokenizer(folder: &Path) {
    let mut vocab = String::from(r#""<unk>":0"#);
    for i in 1..MANY / 8 {
        write!(vocab, r#","w{i:06}":{i}"#).unwrap();
    }
    let json = format!(
        r#"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": {{"type": "Whitespace"}}, "post_processor": null, "decoder": null,
            "model": {{"type": "WordLevel", "unk_token": "<unk>", "vocab": {{{vocab}}}}}}}"#
    );
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, json).unwrap();
    refuses("a tokenizer", || Tokenizer::from_json(&path, Transformers::default()).is_ok());
}

fn parquet() {
    let schema = Arc::new(parse_message_type("message m { required binary text (UTF8); }").unwrap());
    let mut file = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut file, schema, Arc::new(WriterProperties::new())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let texts: Vec<ByteArray> =
        (0..8).map(|i| format!("{i}{}", "a".repeat(MANY)).into_bytes().into()).collect();
    column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    refuses("a Parquet file", || {
        let columns = "text=text".parse().unwrap();
        let options =
            ImportOptions { columns, label: Some("any".into()), ..ImportOptions::new(ImportSource::Parquet) };
        Importer::new(options).unwrap().read(&file, "f").is_ok()
    });
}

/// Values of a graph: each operation on a value of some MiB, and its answer.
fn operations() {
    const WIDE: usize = 100;
    let engine = Engine::open(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/families/llama")),
        &EngineOptions::default(),
    );
    let engine = engine.unwrap();
    type Made = fn(&mut Builder, NodeId) -> NodeId;
    let all: [(&str, Made); 10] = [
        ("what is stacked", |_, a| a),
        ("a sum of two", |b, a| b.binary(Binary::Add, a, a)),
        ("powers", |b, a| b.unary(Unary::Exp, a)),
        ("a softmax", |b, a| b.unary(Unary::Softmax, a)),
        ("unit vectors", |b, a| b.unary(Unary::Unit, a)),
        ("dot products", |b, a| b.dot(a, a)),
        ("a narrower type", |b, a| b.cast(a, truenorth_protocol::DType::F16)),
        ("a part", |b, a| b.slice(a, 0, 0..90)),
        ("log-probabilities", |b, a| b.log_prob(a, &(0..64).collect::<Vec<_>>())),
        ("the largest", |b, a| b.node(Op::TopKIndices { a, k: 32 })),
    ];
    for (name, made) in all {
        let mut b = Builder::new();
        let g = b.tokens([vec![1]]);
        let read = b.read(g, Site::Logits, ReadAt::Last);
        let row = b.stack(&[read; WIDE]);
        let a = b.stack(&[row; WIDE]);
        let value = made(&mut b, a);
        b.save("value", value);
        let checked = b.finish().check(engine.info(), &CheckLimits::default()).unwrap();
        refuses(name, || engine.run(&checked, &Unwatched).is_ok());
    }
}

// Alone, as the budget is that of the process.
#[test]
fn what_memory_does_not_suffice_for_is_refused() {
    alone("no_memory::what_memory_does_not_suffice_for_is_refused", all_refused);
}

fn all_refused() {
    let folder = tempfile::tempdir().unwrap();
    directions();
    weights(folder.path());
    gguf();
    tokenizer(folder.path());
    parquet();
    operations();
}
