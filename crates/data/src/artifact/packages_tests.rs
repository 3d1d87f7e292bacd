//! Files as the packages that own the formats write them (`fixtures/make/packages.py`).

use std::path::{Path, PathBuf};

use super::*;
use truenorth_stats::math::unit;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/packages")
}

fn expected() -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

fn layer(n: u32) -> Vec<f64> {
    serde_json::from_value(expected()["layers"][n.to_string()].clone()).unwrap()
}

fn import(name: &str, stated: &ImportAs) -> Result<Direction, DirectionError> {
    let path = folder().join(name);
    Direction::import(&path, Format::of(&path).unwrap(), stated)
}

/// Nothing said but what the sign means.
fn signed() -> ImportAs {
    ImportAs { sign: Some("kind".into()), ..ImportAs::default() }
}

fn at(layer: usize) -> ImportAs {
    ImportAs { layer: Some(layer), ..signed() }
}

fn here() -> ImportAs {
    ImportAs { site: Some(Site::ResidPost(5)), ..signed() }
}

fn holds(name: &str, stated: &ImportAs, values: &[f64], site: Site) -> Direction {
    let found = import(name, stated).unwrap_or_else(|e| panic!("{name}: {e}"));
    let off = found.to_f64() - unit(Array1::from(values.to_vec()).view()).unwrap();
    assert!(off.iter().all(|d| d.abs() < 1e-6), "{name}");
    assert_eq!(found.metadata().site, site, "{name}");
    found
}

#[test]
fn a_vector_a_layer_says_its_site() {
    for name in ["repeng.gguf", "repeng.pkl", "steering.pt", "steering.pkl"] {
        holds(name, &at(4), &layer(4), Site::ResidPost(4));
        // The site chooses too; what leaves a block enters the next.
        let pre = ImportAs { site: Some(Site::ResidPre(13)), ..signed() };
        holds(name, &pre, &layer(12), Site::ResidPre(13));
        let none = import(name, &signed()).unwrap_err();
        assert_eq!(
            none.to_string(),
            "the file holds a vector for each of the layers 3, 4, 12; none was chosen",
            "{name}"
        );
        assert!(none.hint().unwrap().contains("--layer"));
        assert!(
            matches!(import(name, &at(5)), Err(DirectionError::NoSuchLayer { layer, have }) if layer == "5" && have == "3, 4, 12")
        );
        let unsigned = ImportAs { sign: None, ..at(4) };
        assert!(matches!(import(name, &unsigned), Err(DirectionError::Unstated { what: "sign", .. })));
    }
    holds("steering-mlp.pkl", &signed(), &layer(3), Site::MlpOut(3));
    let back = holds("repeng.gguf", &at(4), &layer(4), Site::ResidPost(4));
    assert_eq!(back.metadata().extra["imported_model_hint"], "llama");
    let bytes = back.export_bytes(Format::Gguf).unwrap();
    assert_eq!(Direction::import_bytes(&bytes, Format::Gguf, &ImportAs::default()).unwrap(), back);
}

#[test]
fn tensors_and_arrays_come_out_of_every_form_of_pickle() {
    for name in ["old.bin", "really-npy.bin", "nnsight.pt"] {
        holds(name, &here(), &layer(3), Site::ResidPost(5));
    }
    let named = |array: &str| ImportAs { array: Some(array.into()), ..here() };
    for protocol in [2, 4, 5] {
        let name = format!("numpy{protocol}.pkl");
        holds(&name, &named("v"), &layer(3), Site::ResidPost(5));
        holds(&name, &named("t"), &layer(4), Site::ResidPost(5));
    }
    let told = holds("new.bin", &here(), &layer(3), Site::ResidPost(5));
    assert_eq!(told.metadata().model.as_deref(), Some("org/name"));
    holds("views.bin", &named("last"), &layer(12), Site::ResidPost(5));
    let second = ImportAs { row: Some(1), ..here() };
    holds("fortran.pkl", &second, &layer(4), Site::ResidPost(5));
    holds("views.bin", &second, &layer(4), Site::ResidPost(5));
    let objects = import("objects.pkl", &here()).unwrap_err();
    assert!(matches!(&objects, DirectionError::NumpyInTorch(_)), "{objects}");
}

#[test]
fn stacks_are_chosen_from_by_layer_and_position() {
    let cube: Vec<Vec<Vec<f64>>> = serde_json::from_value(expected()["positions"].clone()).unwrap();
    let place = |layer, position| ImportAs { layer, position, ..here() };
    let found = holds("positions.pt", &place(Some(2), Some(-1)), &cube[1][2], Site::ResidPost(5));
    assert_eq!(found.metadata().extra["imported_array"], "position -1, layer 2");
    holds("positions.pt", &place(Some(0), Some(0)), &cube[0][0], Site::ResidPost(5));
    for incomplete in [place(Some(1), None), place(None, Some(1)), place(None, None)] {
        let error = import("positions.pt", &incomplete).unwrap_err();
        assert!(error.hint().unwrap().contains("--position P and --layer N"), "{error}");
    }
    assert!(matches!(
        import("positions.pt", &place(Some(3), Some(0))),
        Err(DirectionError::NoSuchPlace { flag: "layer", at: 3, count: 3 })
    ));
    assert!(matches!(
        import("positions.pt", &place(Some(0), Some(-3))),
        Err(DirectionError::NoSuchPlace { flag: "position", at: -3, count: 2 })
    ));
    holds("layers.npy", &ImportAs { layer: Some(1), ..here() }, &layer(4), Site::ResidPost(5));
    // Whether row 1 is what leaves block 1 or block 0 is not told.
    assert!(matches!(import("layers.npy", &at(1)), Err(DirectionError::Unstated { what: "site", .. })));
    let both = ImportAs { row: Some(1), ..at(1) };
    assert!(matches!(import("layers.npy", &both), Err(DirectionError::RowAndLayer)));
}

#[test]
fn a_site_that_is_not_the_chosen_layers_is_refused() {
    let stated = |site| ImportAs { layer: Some(4), site: Some(site), ..signed() };
    let e = import("repeng.gguf", &stated(Site::ResidPost(5))).unwrap_err();
    assert!(
        matches!(e, DirectionError::Stated { file: Site::ResidPost(4), asked: Site::ResidPost(5) }),
        "{e}"
    );
    // What leaves block 4 enters block 5.
    import("repeng.gguf", &stated(Site::ResidPre(5))).unwrap();
}

#[test]
fn an_npz_says_what_its_meta_says_and_its_band_names_the_layers() {
    let stated = ImportAs { site: Some(Site::ResidPost(12)), layer: Some(12), ..ImportAs::default() };
    let found = holds("season.npz", &stated, &layer(12), Site::ResidPost(12));
    let metadata = found.metadata();
    assert_eq!((metadata.model.as_deref(), metadata.revision.as_deref()), (Some("org/season"), Some("abc")));
    assert_eq!(metadata.sign, "human values over their absence");
    assert!(metadata.extra["imported_meta"].contains("\"seed\": 3"));
    let absent = ImportAs { layer: Some(2), ..stated.clone() };
    assert!(matches!(import("season.npz", &absent), Err(DirectionError::NoSuchLayer { .. })));
    assert!(matches!(import("season.npz", &at(12)), Err(DirectionError::Unstated { what: "site", .. })));
    // Two integers are the ends of as many layers as there are rows.
    let ends = ImportAs { layer: Some(11), ..here() };
    holds("ends.npz", &ends, &layer(4), Site::ResidPost(5));
    // A band of floats is a vector itself.
    let band = ImportAs { array: Some("band".into()), ..signed() };
    holds("averaged.npz", &band, &layer(4), Site::ResidPost(4));
    holds("averaged.npz", &at(2), &layer(12), Site::ResidPost(4));
    assert!(matches!(import("averaged.npz", &signed()), Err(DirectionError::Ambiguous { .. })));
    let bytes = found.export_bytes(Format::Npz).unwrap();
    assert_eq!(Direction::import_bytes(&bytes, Format::Npz, &ImportAs::default()).unwrap(), found);
}

#[test]
fn a_feature_of_a_sparse_autoencoder_is_a_row_of_its_decoder() {
    let feature = ImportAs { row: Some(1), ..signed() };
    for name in ["sae", "sae/sae_weights.safetensors"] {
        let found = holds(name, &feature, &layer(4), Site::ResidPre(8));
        assert_eq!(found.metadata().model.as_deref(), Some("gpt2"));
        assert_eq!(found.metadata().extra["imported_array"], "W_dec, row 1");
    }
    holds("sae5", &feature, &layer(4), Site::MlpOut(7));
    assert!(matches!(import("sae", &signed()), Err(DirectionError::Shape { .. })));
    let past = ImportAs { row: Some(3), ..signed() };
    assert!(matches!(import("sae", &past), Err(DirectionError::NoSuchRow { row: 3, rows: 3 })));
}

#[test]
fn damaged_pickles_are_refused_or_read_but_never_panic() {
    for name in ["old.bin", "views.bin", "steering.pkl", "numpy2.pkl", "numpy5.pkl", "fortran.pkl"] {
        let whole = std::fs::read(folder().join(name)).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            for byte in [0, 0x2e, 0x7f, 0xff] {
                bytes[at] = byte;
                let _ = Direction::import_bytes(&bytes, Format::Pt, &here());
            }
            assert!(
                Direction::import_bytes(&whole[..at], Format::Pt, &here()).is_err(),
                "{name} cut at {at}"
            );
        }
    }
}
