use proptest::prelude::*;

use super::*;

/// A file of one f32 tensor `t` of two elements.
fn small() -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend(1u64.to_le_bytes());
    out.extend(4u64.to_le_bytes());
    let text = |out: &mut Vec<u8>, s: &str| {
        out.extend((s.len() as u64).to_le_bytes());
        out.extend(s.as_bytes());
    };
    text(&mut out, "general.architecture");
    out.extend(8u32.to_le_bytes());
    text(&mut out, "llama");
    text(&mut out, "n");
    out.extend(5u32.to_le_bytes());
    out.extend((-7i32).to_le_bytes());
    text(&mut out, "words");
    out.extend(9u32.to_le_bytes());
    out.extend(8u32.to_le_bytes());
    out.extend(2u64.to_le_bytes());
    text(&mut out, "a");
    text(&mut out, "Ġb");
    text(&mut out, "general.alignment");
    out.extend(4u32.to_le_bytes());
    out.extend(64u32.to_le_bytes());
    text(&mut out, "t");
    out.extend(1u32.to_le_bytes());
    out.extend(2u64.to_le_bytes());
    out.extend(0u32.to_le_bytes());
    out.extend(0u64.to_le_bytes());
    out.resize(out.len().next_multiple_of(64), 0);
    out.extend(1.5f32.to_le_bytes());
    out.extend((-2f32).to_le_bytes());
    out
}

/// The bytes of the tensor's record, counted from its end: rank, dimension, type, offset.
fn record(bytes: &[u8]) -> usize {
    let name = bytes.windows(9).rposition(|w| w == b"\x01\0\0\0\0\0\0\0t").unwrap();
    name + 9
}

fn problem(bytes: &[u8]) -> String {
    read_header(bytes).unwrap_err().to_string()
}

#[test]
fn reads_metadata_and_tensors() {
    let header = read_header(&small()).unwrap();
    let meta = &header.metadata;
    assert_eq!(meta.text("general.architecture"), Some("llama"));
    assert_eq!(meta.get("n"), Some(&Meta::Int(-7)));
    assert_eq!(meta.u64("n"), None);
    assert_eq!(meta.texts("words").unwrap(), ["a", "Ġb"]);
    assert_eq!(header.data_start % 64, 0);
    let [tensor] = header.tensors.as_slice() else {
        panic!("one tensor");
    };
    assert_eq!((tensor.shape.as_slice(), tensor.len), ([2].as_slice(), 8));
    assert_eq!(tensor.start, small().len() - 8);
}

#[test]
fn each_lie_is_named() {
    let edit = |at: usize, new: &[u8]| {
        let mut bytes = small();
        bytes[at..at + new.len()].copy_from_slice(new);
        problem(&bytes)
    };
    let record = record(&small());
    assert!(edit(0, b"GGML").contains("GGUF"));
    assert!(edit(4, &1u32.to_le_bytes()).contains("version 1"));
    assert!(edit(4, &3u32.to_be_bytes()).contains("big-endian"));
    assert!(edit(8, &u64::MAX.to_le_bytes()).contains("tensors"));
    assert!(edit(16, &(1u64 << 40).to_le_bytes()).contains("metadata keys"));
    assert!(edit(record, &9u32.to_le_bytes()).contains("9 dimensions"));
    assert!(edit(record + 4, &0u64.to_le_bytes()).contains("empty shape"));
    assert!(edit(record + 4, &u64::MAX.to_le_bytes()).contains("impossible shape"));
    assert!(edit(record + 4, &3u64.to_le_bytes()).contains("tensor `t` needs"));
    assert!(edit(record + 12, &2u32.to_le_bytes()).contains("blocks of 32"));
    assert!(edit(record + 16, &1u64.to_le_bytes()).contains("multiple of 64"));
    assert!(edit(record + 16, &(1u64 << 62).to_le_bytes()).contains("tensor `t` needs"));
    let alignment = record - 9 - 4;
    assert!(edit(alignment, &0u32.to_le_bytes()).contains("general.alignment"));
    assert!(edit(alignment, &12u32.to_le_bytes()).contains("general.alignment"));
}

#[test]
fn types_that_are_not_read_are_named_and_do_not_hide_the_rest() {
    let mut bytes = small();
    let at = record(&bytes) + 12;
    bytes[at..at + 4].copy_from_slice(&21u32.to_le_bytes());
    let header = read_header(&bytes).unwrap();
    assert_eq!(header.tensors[0].kind, Err("IQ3_S".to_owned()));
}

#[test]
fn every_truncation_is_an_error() {
    let whole = small();
    for end in 0..whole.len() {
        assert!(matches!(read_header(&whole[..end]), Err(GgufError::Truncated { .. })), "{end}");
    }
}

proptest! {
    /// Whatever the bytes, no panic, and no tensor outside of them.
    #[test]
    fn damaged_files_do_not_panic(
        edits in prop::collection::vec((0usize..400, any::<u8>()), 1..6),
        cut in 0usize..400,
    ) {
        let mut bytes = small();
        for (at, value) in edits {
            let len = bytes.len();
            bytes[at % len] = value;
        }
        bytes.truncate(bytes.len().max(cut) - if cut % 3 == 0 { cut.min(bytes.len()) } else { 0 });
        if let Ok(header) = read_header(&bytes) {
            for tensor in header.tensors {
                prop_assert!(tensor.start + tensor.len <= bytes.len());
            }
        }
    }

    #[test]
    fn noise_does_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let magic = b"GGUF\x03\0\0\0";
        let n = magic.len().min(bytes.len());
        bytes[..n].copy_from_slice(&magic[..n]);
        let _ = read_header(&bytes);
    }
}
