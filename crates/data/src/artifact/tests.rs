use std::path::{Path, PathBuf};

use ndarray::array;
use proptest::prelude::*;

use super::*;
use truenorth_stats::estimate::{Estimator, LogisticParams, ProjectedOut, SplitBy};
use truenorth_stats::math::{Interval, unit};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/directions")
}

fn stack() -> Vec<Array1<f64>> {
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap();
    serde_json::from_value::<Vec<Vec<f64>>>(json["stack"].clone())
        .unwrap()
        .into_iter()
        .map(Array1::from)
        .collect()
}

fn full() -> Direction {
    let interval = Interval { low: 0.7, high: 0.9, level: 0.95 };
    let auroc = truenorth_stats::estimate::Estimate {
        value: 0.8,
        interval,
        clusters: 30,
        design: 0.8,
        repeats: None,
    };
    let mut metadata =
        DirectionMetadata::new("pairs", Site::ResidPost(12), "towards the chosen answer", "abc");
    metadata.estimator = Some(Estimator::Logistic(LogisticParams::default()));
    metadata.model = Some("smollm2-135m".into());
    metadata.revision = Some("r1".into());
    metadata.path = Some("engine/f32".into());
    metadata.residual_norm = Some(17.25);
    metadata.template = Some("{prompt} {response}".into());
    metadata.positions = Some("last".into());
    metadata.projected_out =
        vec![ProjectedOut { name: "length".into(), method: None, cosine_before: 0.3, cosine_after: 1e-17 }];
    metadata.n = Some(135);
    metadata.held_out = vec![HeldOutRecord {
        by: SplitBy::Axis,
        folds: 15,
        units: 15,
        auroc,
        paired_accuracy: None,
        permutations_p: Some((200, 0.005)),
    }];
    metadata.extra.insert("note".into(), "é".into());
    Direction::new(array![3.0, 0.0, -4.0].view(), metadata).unwrap()
}

fn stated() -> ImportAs {
    ImportAs { site: Some(Site::ResidPost(5)), sign: Some("kind".into()), ..ImportAs::default() }
}

fn import(name: &str, stated: &ImportAs) -> Result<Direction, DirectionError> {
    let path = folder().join(name);
    Direction::import(&path, DirectionFormat::of(&path).unwrap(), stated)
}

#[test]
fn an_artifact_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.safetensors");
    let direction = full();
    assert_eq!(direction.vector().to_vec(), [0.6, 0.0, -0.8]);
    direction.save(&path).unwrap();
    assert_eq!(Direction::load(&path).unwrap(), direction);
    // Another reader sees the tensor under its name.
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!((file.names(), file.tensor("direction").unwrap().shape()), (vec!["direction"], &[3][..]));
}

#[test]
fn every_format_that_keeps_metadata_comes_back_whole() {
    let direction = full();
    for format in [DirectionFormat::Safetensors, DirectionFormat::Npz, DirectionFormat::Gguf] {
        let bytes = direction.export_bytes(format).unwrap();
        assert_eq!(
            Direction::import_bytes(&bytes, format, &ImportAs::default()).unwrap(),
            direction,
            "{format:?}"
        );
    }
    let bare = direction.export_bytes(DirectionFormat::Npy).unwrap();
    let back = Direction::import_bytes(&bare, DirectionFormat::Npy, &stated()).unwrap();
    assert_eq!(back.vector(), direction.vector());
    assert!(matches!(direction.export_bytes(DirectionFormat::Pt), Err(DirectionError::ReadOnly("pt"))));
}

#[test]
fn control_vectors_name_the_block_whose_output_they_change() {
    let at = |site| {
        let mut direction = full();
        direction.metadata.site = site;
        direction.export_bytes(DirectionFormat::Gguf).map(|b| gguf::read(&b).unwrap().arrays[0].name.clone())
    };
    assert_eq!(at(Site::ResidPost(12)).unwrap(), "direction.12");
    assert_eq!(at(Site::ResidPre(13)).unwrap(), "direction.12");
    for site in [Site::ResidPost(0), Site::ResidPre(1), Site::ResidPre(0), Site::MlpOut(3), Site::Embed] {
        assert!(matches!(at(site), Err(DirectionError::ControlVectorSite(s)) if s == site));
    }
    // The file of another writer holds two; the site chooses.
    let stack = stack();
    for (layer, expected) in [(1, &stack[0]), (5, &stack[1])] {
        let stated = ImportAs { site: Some(Site::ResidPost(layer)), ..stated() };
        let found = import("control.gguf", &stated).unwrap();
        assert!((found.to_f64() - unit(expected.view()).unwrap()).iter().all(|d| d.abs() < 1e-6));
    }
    let stated = ImportAs { site: Some(Site::ResidPost(2)), ..stated() };
    assert!(
        matches!(import("control.gguf", &stated), Err(DirectionError::NoSuchLayer { layer, have }) if layer == "2" && have == "1, 5")
    );
}

#[test]
fn foreign_files_hold_what_their_writers_put_there() {
    let stack = stack();
    let expect = |name: &str, stated: &ImportAs, row: usize| {
        let found = import(name, stated).unwrap_or_else(|e| panic!("{name}: {e}"));
        let off = found.to_f64() - unit(stack[row].view()).unwrap();
        assert!(off.iter().all(|d| d.abs() < 1e-6), "{name}");
        assert_eq!(found.metadata().operation, "imported");
        let norm: f64 = found.metadata().extra["imported_norm"].parse().unwrap();
        assert!((norm - truenorth_stats::math::norm(stack[row].view())).abs() < 1e-12, "{name}");
    };
    for name in ["f8.npy", "f4.npy", "f2.npy", "big.npy", "row.npy", "column.npy", "one.npz", "plain.pt"] {
        expect(name, &stated(), 1);
    }
    for row in 0..3 {
        let stated = ImportAs { row: Some(row), ..stated() };
        expect("stack.npy", &stated, row);
        expect("fortran.npy", &stated, row);
    }
    let array = |name: &str| ImportAs { array: Some(name.into()), ..stated() };
    expect("several.npz", &array("b"), 1);
    let layer = |n: u32| ImportAs { site: Some(Site::ResidPost(n)), ..array(&format!("layers.{n}")) };
    expect("nested.pt", &layer(12), 1);
    expect("nested.pt", &layer(13), 2);
    assert!(matches!(import("nested.pt", &array("layers.12")), Err(DirectionError::Stated { .. })));
}

#[test]
fn what_a_foreign_file_does_not_say_must_be_stated() {
    let refused = |name, stated: &ImportAs| import(name, stated).unwrap_err();
    let no_site = ImportAs { site: None, ..stated() };
    let no_sign = ImportAs { sign: None, ..stated() };
    for name in ["f4.npy", "one.npz", "plain.pt"] {
        assert!(matches!(refused(name, &no_site), DirectionError::Unstated { what: "site", .. }), "{name}");
    }
    for name in ["f4.npy", "one.npz", "plain.pt", "control.gguf"] {
        assert!(matches!(refused(name, &no_sign), DirectionError::Unstated { what: "sign", .. }), "{name}");
    }
    assert!(
        matches!(refused("several.npz", &stated()), DirectionError::Ambiguous { names } if names.contains('a'))
    );
    assert!(matches!(refused("stack.npy", &stated()), DirectionError::Shape { found } if found == [3, 7]));
    assert!(matches!(
        refused("stack.npy", &ImportAs { row: Some(3), ..stated() }),
        DirectionError::NoSuchRow { row: 3, rows: 3 }
    ));
    assert!(matches!(refused("integers.npy", &stated()), DirectionError::DType(_)));
    assert!(matches!(refused("missing.npy", &stated()), DirectionError::Io { what: "read", .. }));
    assert!(matches!(DirectionFormat::of(Path::new("x.dat")), Err(DirectionError::Format(_))));
}

/// The artifact with its header changed and the tensor's bytes replaced.
fn tampered(
    change: impl Fn(&mut std::collections::HashMap<String, String>),
    values: &[f32],
) -> Result<Direction, DirectionError> {
    let mut map = full().metadata.to_map();
    change(&mut map);
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![values.len()], &data).unwrap();
    Direction::from_safetensors(&safetensors::serialize([("direction", view)], Some(map)).unwrap())
}

#[test]
fn artifacts_that_do_not_hold_are_refused() {
    let unit = [0.6, 0.0, -0.8];
    assert!(tampered(|_| {}, &unit).is_ok());
    assert!(matches!(tampered(|_| {}, &[3.0, 0.0, -4.0]), Err(DirectionError::Norm { norm }) if norm == 5.0));
    assert!(tampered(|_| {}, &[0.6004, 0.0, -0.8]).is_ok());
    assert!(matches!(tampered(|_| {}, &[0.61, 0.0, -0.8]), Err(DirectionError::Norm { .. })));
    assert!(matches!(tampered(|_| {}, &[f32::NAN, 0.0]), Err(DirectionError::NotFinite { index: 0, .. })));
    assert!(matches!(tampered(|_| {}, &[]), Err(DirectionError::Shape { .. })));
    for key in [
        "format",
        "format_version",
        "operation",
        "site",
        "layer_convention",
        "sign",
        "estimator",
        "data_sha256",
        "model",
        "revision",
        "path",
        "positions",
        "n",
        "truenorth_version",
    ] {
        let without = tampered(|m| assert!(m.remove(key).is_some(), "{key}"), &unit);
        assert!(matches!(without, Err(DirectionError::Missing(k)) if k == key), "{key}: {without:?}");
    }
    let put = |key: &'static str, value: &str| {
        tampered(|m| assert!(m.insert(key.into(), value.into()).is_some()), &unit)
    };
    assert!(matches!(put("format_version", "2"), Err(DirectionError::Version { known: 1, .. })));
    assert!(matches!(put("site", "layer 3"), Err(DirectionError::Metadata { key: "site", .. })));
    assert!(matches!(put("site", "logits"), Err(DirectionError::Metadata { key: "site", .. })));
    assert!(matches!(put("estimator", "{"), Err(DirectionError::Metadata { key: "estimator", .. })));
    assert!(matches!(put("sign", " "), Err(DirectionError::Missing("sign"))));
    assert!(matches!(Direction::from_safetensors(b"junk"), Err(DirectionError::Safetensors(_))));
    let zero = Direction::new(array![0.0, 0.0].view(), full().metadata);
    assert!(matches!(zero, Err(DirectionError::Zero)));
}

#[test]
fn a_direction_is_not_used_where_it_does_not_belong() {
    let d = full();
    let there = Site::ResidPost(12);
    let own = ("smollm2-135m", d.metadata().revision.clone().unwrap());
    let own = (own.0, own.1.as_str());
    assert!(d.check_for(own, 3, there).is_ok());
    let error = d.check_for(own, 576, there).unwrap_err();
    assert_eq!(error.to_string(), "the direction is 3 wide, the model 576");
    assert!(matches!(d.check_for(("gemma3-270m", "main"), 3, there), Err(DirectionError::Model { .. })));
    assert!(matches!(d.check_for(own, 3, Site::ResidPost(11)), Err(DirectionError::Site { .. })));

    let mut hashed = full().metadata().clone();
    hashed.revision = Some("sha256:aa".into());
    let hashed = Direction::new(d.to_f64().view(), hashed).unwrap();
    assert!(hashed.check_model("a-file.gguf", "sha256:aa").is_ok(), "the same weights under another name");
    assert!(matches!(hashed.check_model("smollm2-135m", "sha256:bb"), Err(DirectionError::Weights { .. })));
    assert!(matches!(hashed.check_model("other", "sha256:bb"), Err(DirectionError::Model { .. })));
    assert!(
        hashed.check_model("smollm2-135m", "main").is_ok(),
        "a revision by name says nothing of the weights"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_files_are_refused_or_read_but_never_panic(at in 0..4000_usize, byte: u8, cut in 0..4000_usize) {
        for name in ["control.gguf", "fortran.npy", "several.npz", "one.npz", "nested.pt"] {
            let path = folder().join(name);
            let mut bytes = std::fs::read(&path).unwrap();
            let n = bytes.len();
            bytes[at % n] = byte;
            let format = DirectionFormat::of(&path).unwrap();
            let stated = ImportAs { row: Some(0), ..stated() };
            let _ = Direction::import_bytes(&bytes, format, &stated);
            let _ = Direction::import_bytes(&bytes[..cut.min(n)], format, &stated);
        }
    }
}
