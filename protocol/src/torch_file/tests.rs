use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/torch")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

fn matches(value: &TorchValue, expected: &Json) -> bool {
    let all = |values: &[TorchValue], expected: &Json| {
        let expected = expected.as_array().unwrap();
        values.len() == expected.len() && values.iter().zip(expected).all(|(v, e)| matches(v, e))
    };
    match value {
        TorchValue::None => expected.is_null(),
        TorchValue::Bool(b) => expected.as_bool() == Some(*b),
        TorchValue::Int(i) => expected.as_i64() == Some(*i),
        TorchValue::Float(f) => expected.is_f64() && expected.as_f64() == Some(*f),
        TorchValue::Str(s) => expected.as_str() == Some(s),
        TorchValue::Bytes(_) => false,
        TorchValue::List(v) => all(v, &expected["list"]),
        TorchValue::Tuple(v) => all(v, &expected["tuple"]),
        TorchValue::Dict(entries) => {
            let expected = expected["dict"].as_array().unwrap();
            entries.len() == expected.len()
                && entries.iter().zip(expected).all(|((k, v), e)| matches(k, &e[0]) && matches(v, &e[1]))
        }
        TorchValue::Tensor(t) => {
            let numbers: Vec<f64> =
                expected["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            let shape: Vec<usize> =
                expected["shape"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect();
            expected["tensor"] == format!("{:?}", t.dtype) && t.shape == shape && t.to_f64() == numbers
        }
    }
}

#[test]
fn files_of_torch_hold_what_torch_put_there() {
    let expected: Json = serde_json::from_slice(&file("expected.json")).unwrap();
    let files = expected["files"].as_object().unwrap();
    assert_eq!(files.len(), 15);
    for (name, expected) in files {
        let value = read(&file(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(matches(&value, expected), "{name}: {value:?}");
    }
}

#[test]
fn what_would_run_is_refused_by_name() {
    match read(&file("evil.pt")) {
        Err(TorchFileError::Pickle(PickleError::Global { module, name })) => {
            assert_eq!((module.as_str(), name.as_str()), ("__builtin__", "print"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_supported_is_named() {
    assert!(
        matches!(read(&file("complex.pt")), Err(TorchFileError::Storage(s)) if s == "ComplexFloatStorage")
    );
    assert!(matches!(read(b""), Err(TorchFileError::NotZip(_))));
    // A service sends the new form alone.
    let sent = |name: &str| read_from(Cursor::new(file(name)), &FileLimits::default());
    assert!(matches!(sent("legacy.pt"), Err(TorchFileError::NotZip(_))));
    assert!(matches!(sent("numpy.pt"), Err(TorchFileError::Pickle(PickleError::Global { .. }))));
}

#[test]
fn the_old_form_and_arrays_of_numpy_are_tensors() {
    let numbers: Vec<f64> = (0..24).map(|n| f64::from(n) / 8.0).collect();
    let old = read(&file("legacy.pt")).unwrap();
    assert!(matches!(&old, TorchValue::Tensor(t) if t.shape == [4, 6] && t.to_f64() == numbers), "{old:?}");
    let TorchValue::Dict(entries) = read(&file("numpy.pt")).unwrap() else { panic!("a dictionary") };
    assert!(matches!(&entries[0].1, TorchValue::Tensor(t) if t.shape == [6] && t.to_f64() == numbers[..6]));
}

/// An archive as torch lays it out, of a pickle and the bytes of storage `0`.
fn archive(pickle: &[u8], storage: &[u8], order: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("x/data.pkl", pickle), ("x/byteorder", order.as_bytes()), ("x/data/0", storage)] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A name of so many characters for everything in an archive, and the records of zip64 that torch always writes between
/// the directory and its end.
fn named_archive(stem: usize, pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("data.pkl", pickle), ("byteorder", b"little".as_slice()), ("data/0", storage)] {
        zip.start_file(format!("{}/{name}", "n".repeat(stem)), stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    let mut bytes = zip.finish().unwrap().into_inner();
    let end = bytes.split_off(bytes.len() - 22);
    let at = bytes.len() as u64;
    let number = |from: usize| u64::from(u32::from_le_bytes(end[from..from + 4].try_into().unwrap()));
    let (size, start) = (number(12), number(16));
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44_u64.to_le_bytes());
    bytes.extend([0x1e_u8, 3, 0x2d, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for n in [3, 3, size, start] {
        bytes.extend(n.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(at.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(end);
    bytes
}

#[test]
fn files_of_any_name_are_read() {
    let pickle = tensor_pickle(4, 0, &[4], &[1]);
    let ones: Vec<u8> = [1.0_f32; 4].iter().flat_map(|v| v.to_le_bytes()).collect();
    for stem in 1..=40 {
        let value = read(&named_archive(stem, &pickle, &ones));
        assert!(matches!(&value, Ok(TorchValue::Tensor(t)) if t.to_f64() == [1.0; 4]), "{stem}: {value:?}");
    }
}

/// The pickle of one float tensor of `length` stored elements, with this offset, shape and stride.
fn tensor_pickle(length: u8, offset: u8, shape: &[i32], stride: &[i32]) -> Vec<u8> {
    let mut p = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK".to_vec();
    p.extend([length, b't', b'Q', b'K', offset]);
    for list in [shape, stride] {
        p.push(b'(');
        for n in list {
            p.push(b'J');
            p.extend(n.to_le_bytes());
        }
        p.push(b't');
    }
    p.extend(b"tR.");
    p
}

#[test]
fn tensors_never_reach_past_their_storage() {
    let four = [0_u8; 16];
    let case = |length, offset, shape: &[i32], stride: &[i32]| {
        read(&archive(&tensor_pickle(length, offset, shape, stride), &four, "little"))
    };
    assert!(matches!(case(4, 0, &[2, 2], &[2, 1]), Ok(TorchValue::Tensor(t)) if t.shape == [2, 2]));
    assert!(matches!(case(4, 1, &[2, 2], &[2, 1]), Err(TorchFileError::OutOfStorage { length: 4, .. })));
    assert!(matches!(case(4, 0, &[2], &[i32::MAX]), Err(TorchFileError::OutOfStorage { .. })));
    assert!(matches!(case(5, 0, &[4], &[1]), Err(TorchFileError::Tensor(_))));
    assert!(matches!(case(4, 0, &[-1], &[1]), Err(TorchFileError::Tensor(_))));
    assert!(matches!(case(4, 0, &[2], &[1, 1]), Err(TorchFileError::Tensor(_))));
    // Stride 0 makes a large tensor of one element; the bound is on what is made.
    assert!(matches!(case(4, 0, &[i32::MAX, 4], &[0, 0]), Err(TorchFileError::TooLarge { .. })));
    let big = archive(&tensor_pickle(4, 0, &[4], &[1]), &four, "big");
    assert!(matches!(read(&big), Err(TorchFileError::ByteOrder(o)) if o == "big"));
}

#[test]
fn numbers_that_are_not_those_stored_are_turned_or_refused() {
    // ... requires_grad, backward_hooks, {MARK: VALUE}
    let marked = |mark: &str, value: &[u8]| {
        let mut p = tensor_pickle(4, 0, &[4], &[1]);
        p.truncate(p.len() - 3);
        p.extend(b"\x89}}X");
        p.extend(u32::try_from(mark.len()).unwrap().to_le_bytes());
        p.extend(mark.as_bytes());
        p.extend(value);
        p.extend(b"stR.");
        let ones: Vec<u8> = [1.0_f32, -2.0, 0.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        read(&archive(&p, &ones, "little"))
    };
    let numbers = |read| match read {
        Ok(TorchValue::Tensor(t)) => t.to_f64(),
        other => panic!("{other:?}"),
    };
    assert_eq!(numbers(marked("neg", b"\x88")), [-1.0, 2.0, 0.0, -3.0]);
    assert_eq!(numbers(marked("neg", b"\x89")), [1.0, -2.0, 0.0, 3.0]);
    let said = marked("conj", b"\x88").unwrap_err().to_string();
    assert!(said.contains("`conj`") && said.contains("resolve_conj()"), "{said}");
}

proptest! {
    #[test]
    fn damage_is_refused_or_read_but_never_panics(at in 0..2000_usize, byte: u8, cut in 0..2000_usize) {
        let mut bytes = file("state.p2.pt");
        let n = bytes.len();
        bytes[at % n] = byte;
        let _ = read(&bytes);
        let _ = read(&bytes[..cut.min(n)]);
    }
}
