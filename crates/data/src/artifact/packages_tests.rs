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
    Direction::import(&path, DirectionFormat::of(&path).unwrap(), stated)
}

/// Nothing said but what the sign means.
fn signed() -> ImportAs {
    ImportAs { sign: Some("kind".into()), ..ImportAs::default() }
}

fn at(layer: i64) -> ImportAs {
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
    let bytes = back.export_bytes(DirectionFormat::Gguf).unwrap();
    assert_eq!(Direction::import_bytes(&bytes, DirectionFormat::Gguf, &ImportAs::default()).unwrap(), back);
    // Its kind of model goes back with it.
    assert!(bytes.windows(5).any(|w| w == b"llama"));
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
    // The file says layer 3, which is a block or a place among hidden_states.
    let third = ImportAs { site: Some(Site::ResidPost(3)), ..signed() };
    let told = holds("new.bin", &third, &layer(3), Site::ResidPost(3));
    let elsewhere = import("new.bin", &here()).unwrap_err().to_string();
    assert!(elsewhere.contains("layer 3") && elsewhere.contains("resid_post.5"), "{elsewhere}");
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
    let of_block = |layer| ImportAs { site: Some(Site::ResidPost(layer)), ..signed() };
    let place = |layer: Option<i64>, position| ImportAs {
        layer,
        position,
        ..of_block(layer.and_then(|l| u32::try_from(l).ok()).unwrap_or(5))
    };
    let found = holds("positions.pt", &place(Some(2), Some(-1)), &cube[1][2], Site::ResidPost(2));
    assert_eq!(found.metadata().extra["imported_array"], "position -1, layer 2");
    holds("positions.pt", &place(Some(0), Some(0)), &cube[0][0], Site::ResidPost(0));
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
    holds("layers.npy", &ImportAs { layer: Some(1), ..of_block(1) }, &layer(4), Site::ResidPost(1));
    // A site of another layer than the one asked for; the row that the hint speaks of has no layer.
    let e = import("layers.npy", &ImportAs { layer: Some(1), ..of_block(2) }).unwrap_err();
    assert!(matches!(e, DirectionError::AskedLayer { layer: 1, asked: Site::ResidPost(2) }), "{e}");
    // One beyond the rows says that they are not the layers from 0 on.
    holds("layers.npy", &ImportAs { layer: Some(1), ..here() }, &layer(4), Site::ResidPost(5));
    holds("layers.npy", &ImportAs { row: Some(1), ..here() }, &layer(4), Site::ResidPost(5));
    // Whether row 1 is what leaves block 1 or block 0 is not told.
    assert!(matches!(import("layers.npy", &at(1)), Err(DirectionError::Unstated { what: "site", .. })));
    let both = ImportAs { row: Some(1), ..at(1) };
    assert!(matches!(import("layers.npy", &both), Err(DirectionError::RowAndLayer)));
    let crossed = import("layers.npy", &place(Some(1), Some(0))).unwrap_err();
    assert!(matches!(&crossed, DirectionError::LayerAndPosition { .. }), "{crossed}");
    assert!(crossed.hint().unwrap().contains("leave --position out"), "{crossed}");
    let named = ImportAs { array: Some("x".into()), ..here() };
    let e = import("layers.npy", &named).unwrap_err();
    assert!(e.to_string().contains("no name") && e.hint() == Some("leave --array out"), "{e}");
}

#[test]
fn shapes_that_are_no_stack_are_told_what_helps() {
    let read = |shape: &str, count: u8, stated: &ImportAs| {
        let values: Vec<u8> = (1..=count).flat_map(|v: u8| f32::from(v).to_le_bytes()).collect();
        Direction::import_bytes(&npy_of("<f4", shape, &values), DirectionFormat::Npy, stated)
    };
    // Axes of 1 before a stack are passed over.
    let row = ImportAs { row: Some(1), ..here() };
    let found = read("(1, 1, 3, 2)", 6, &row).unwrap();
    let off = found.to_f64() - unit(Array1::from(vec![3.0, 4.0]).view()).unwrap();
    assert!(off.iter().all(|d| d.abs() < 1e-6), "{off}");
    let block = ImportAs { layer: Some(2), site: Some(Site::ResidPost(2)), ..signed() };
    assert!(read("(1, 1, 3, 2)", 6, &block).is_ok());
    let e = read("(2, 1, 3, 2)", 12, &row).unwrap_err();
    assert!(e.hint().unwrap().contains("reshape"), "{e}");
    for empty in ["(0,)", "(0, 32)"] {
        let e = read(empty, 0, &here()).unwrap_err();
        assert!(e.hint().unwrap().contains("empty"), "{empty}: {e}");
    }
}

#[test]
fn dicts_of_vectors_are_chosen_from_by_layer() {
    for name in ["by-number.pt", "by-name.pt"] {
        let of_four = |site| ImportAs { layer: Some(4), site: Some(Site::ResidPost(site)), ..signed() };
        let found = holds(name, &of_four(4), &layer(4), Site::ResidPost(4));
        holds(name, &of_four(3), &layer(4), Site::ResidPost(3));
        let e = import(name, &of_four(5)).unwrap_err();
        assert!(matches!(e, DirectionError::StatedLayer { layer: 4, asked: Site::ResidPost(5) }), "{e}");
        assert!(found.metadata().extra["imported_array"].ends_with('4'), "{name}");
        // A number is a block's or one of hidden_states, which is not told.
        let e = import(name, &at(4)).unwrap_err();
        assert!(e.to_string().contains("may be block 4") && e.to_string().contains("hidden_states"), "{e}");
        for unchosen in [here(), signed()] {
            assert!(
                matches!(import(name, &unchosen), Err(DirectionError::Layers { have }) if have == "3, 4")
            );
        }
        assert!(
            matches!(import(name, &at(5)), Err(DirectionError::NoSuchLayer { have, .. }) if have == "3, 4")
        );
    }
    // The name of a hook is a site, and chooses.
    holds("by-hook.pt", &at(4), &layer(4), Site::ResidPost(4));
    let stated = |site| ImportAs { site: Some(site), ..signed() };
    holds("by-hook.pt", &stated(Site::ResidPost(3)), &layer(3), Site::ResidPost(3));
    holds("by-hook.pt", &stated(Site::ResidPre(4)), &layer(3), Site::ResidPre(4));
    let absent = import("by-hook.pt", &stated(Site::MlpOut(3))).unwrap_err();
    assert!(matches!(absent, DirectionError::NoSuchLayer { .. }), "{absent}");
    let named = ImportAs { array: Some("blocks.3.hook_resid_post".into()), ..signed() };
    holds("by-hook.pt", &named, &layer(3), Site::ResidPost(3));
}

#[test]
fn a_layer_that_counts_from_the_end_needs_its_block() {
    let e = import("steering-last.pkl", &signed()).unwrap_err();
    assert!(matches!(e, DirectionError::Unstated { what: "site", .. }), "{e}");
    assert!(e.to_string().contains("layer -1 counts from the end"), "{e}");
    for stated in [here(), ImportAs { layer: Some(-1), ..here() }] {
        holds("steering-last.pkl", &stated, &layer(3), Site::ResidPost(5));
    }
    holds("steering-both.pt", &at(3), &layer(3), Site::ResidPost(3));
    holds("steering-both.pt", &ImportAs { layer: Some(-1), ..here() }, &layer(4), Site::ResidPost(5));
    let unchosen = import("steering-both.pt", &here()).unwrap_err();
    assert!(matches!(&unchosen, DirectionError::Layers { have } if have == "3, -1"), "{unchosen}");
    // Of a stack the last row is the last layer.
    holds("layers.npy", &ImportAs { layer: Some(-1), ..here() }, &layer(12), Site::ResidPost(5));
    assert!(import("layers.npy", &ImportAs { layer: Some(-4), ..here() }).is_err());
}

#[test]
fn what_an_npz_says_is_found_under_every_name() {
    for name in ["metadata.npz", "bytes.npz", "texts.npz", "file.npz"] {
        let found = holds(name, &ImportAs::default(), &layer(4), Site::ResidPost(4));
        let says = found.metadata();
        assert_eq!(
            (says.model.as_deref(), says.revision.as_deref()),
            (Some("org/season"), Some("abc")),
            "{name}"
        );
        assert_eq!(says.sign, "human values over their absence", "{name}");
    }
    let objects = import("objects.npz", &signed()).unwrap_err().to_string();
    assert!(
        objects.contains("`meta` is an array of Python objects") && objects.contains("json.dumps"),
        "{objects}"
    );
    // The last of hidden_states is after the final norm, so that 30 is one of two sites.
    let hidden = import("hidden.npz", &ImportAs::default()).unwrap_err().to_string();
    assert!(hidden.contains("resid_post.29") && hidden.contains("write final_norm there"), "{hidden}");
    let stated = ImportAs { site: Some(Site::FinalNorm), ..ImportAs::default() };
    holds("hidden.npz", &stated, &layer(4), Site::FinalNorm);
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
    let ends = ImportAs { layer: Some(11), site: Some(Site::ResidPost(11)), ..signed() };
    holds("ends.npz", &ends, &layer(4), Site::ResidPost(11));
    // A band of floats is a vector itself.
    let band = ImportAs { array: Some("band".into()), ..signed() };
    holds("averaged.npz", &band, &layer(4), Site::ResidPost(4));
    // What is said of the band is not said of one of its layers.
    let e = import("averaged.npz", &at(2)).unwrap_err();
    assert!(e.to_string().contains("layer 2") && e.to_string().contains("resid_post.4"), "{e}");
    let own = ImportAs { site: Some(Site::ResidPost(12)), ..at(2) };
    holds("averaged.npz", &own, &layer(12), Site::ResidPost(12));
    assert!(matches!(import("averaged.npz", &signed()), Err(DirectionError::Ambiguous { .. })));
    let bytes = found.export_bytes(DirectionFormat::Npz).unwrap();
    assert_eq!(Direction::import_bytes(&bytes, DirectionFormat::Npz, &ImportAs::default()).unwrap(), found);
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
    let elsewhere = ImportAs { site: Some(Site::ResidPost(8)), ..feature.clone() };
    assert!(matches!(import("sae", &elsewhere), Err(DirectionError::Stated { .. })));
    let encoder = import("sae", &ImportAs { array: Some("W_enc".into()), ..feature.clone() });
    assert!(matches!(encoder, Err(DirectionError::Feature { .. } | DirectionError::NoSuchArray { .. })));
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
                let _ = Direction::import_bytes(&bytes, DirectionFormat::Pt, &here());
            }
            assert!(
                Direction::import_bytes(&whole[..at], DirectionFormat::Pt, &here()).is_err(),
                "{name} cut at {at}"
            );
        }
    }
}

/// An array file of these bytes.
fn npy_of(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(data);
    out
}

#[test]
fn a_band_that_does_not_fit_its_rows_is_refused_by_name() {
    let rows: Vec<u8> = [1.0_f32, 0.0, 0.0, 0.0, 1.0, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let read = |(descr, n, band): (&str, usize, Vec<u8>), stated: &ImportAs| {
        let arrays = [
            ("per_layer".to_owned(), npy_of("<f4", "(2, 3)", &rows)),
            ("band".to_owned(), npy_of(descr, &format!("({n},)"), &band)),
        ];
        let bytes = import::npz(&arrays, std::collections::HashMap::new()).unwrap();
        Direction::import_bytes(&bytes, DirectionFormat::Npz, stated)
    };
    let integers = |band: &[i64]| {
        let bytes = band.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        ("<i8", band.len(), bytes)
    };
    let floats = |band: &[f64]| {
        let bytes = band.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        ("<f8", band.len(), bytes)
    };
    let stated = ImportAs { layer: Some(1), ..here() };
    // By place, layer 1 would be the second row of each of these.
    for band in [integers(&[4, 5, 6]), integers(&[1, 1]), integers(&[4, 4, 6]), floats(&[4.0, 5.0, 6.0])] {
        let e = read(band.clone(), &stated).unwrap_err();
        assert!(e.to_string().contains("`band`") && e.to_string().contains("2 rows"), "{e}");
        assert!(e.hint().unwrap().contains("--row"), "{e}");
        // What the remedy says works.
        let row = ImportAs { row: Some(1), ..here() };
        assert_eq!(read(band, &row).unwrap().to_f64().to_vec(), [0.0, 1.0, 0.0]);
    }
    for band in [integers(&[4, 5]), floats(&[4.0, 5.0]), integers(&[2, 5])] {
        let fifth = ImportAs { layer: Some(5), ..here() };
        assert_eq!(read(band.clone(), &fifth).unwrap().to_f64().to_vec(), [0.0, 1.0, 0.0]);
        assert!(matches!(read(band, &stated), Err(DirectionError::NoSuchLayer { .. })));
    }
}

/// An npz of a stack of these numbers and of this shape, with a band of so many entries.
fn npz_with_band(shape: &str, values: &[f32], (descr, n, band): (&str, usize, &[u8])) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let arrays = [
        ("per_layer".to_owned(), npy_of("<f4", shape, &values)),
        ("band".to_owned(), npy_of(descr, &format!("({n},)"), band)),
    ];
    import::npz(&arrays, std::collections::HashMap::new()).unwrap()
}

#[test]
fn a_band_is_read_in_both_orders_of_bytes() {
    let values = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let stated = ImportAs { layer: Some(1), site: Some(Site::ResidPost(1)), ..signed() };
    // By place, layer 1 would be the second row.
    let bands: [(&str, &[u8]); 5] = [
        ("<i8", &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (">i8", &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        (">i4", &[0, 0, 0, 1, 0, 0, 0, 0]),
        (">u2", &[0, 1, 0, 0]),
        ("|u1", &[1, 0]),
    ];
    for (descr, band) in bands {
        let bytes = npz_with_band("(2, 3)", &values, (descr, 2, band));
        let found = Direction::import_bytes(&bytes, DirectionFormat::Npz, &stated).unwrap();
        assert_eq!(found.to_f64().to_vec(), [1.0, 0.0, 0.0], "{descr}");
        // The layer is the file's own, which a site has to fit.
        let other = ImportAs { site: Some(Site::ResidPost(7)), ..stated.clone() };
        let e = Direction::import_bytes(&bytes, DirectionFormat::Npz, &other).unwrap_err();
        assert!(matches!(e, DirectionError::StatedLayer { layer: 1, .. }), "{descr}: {e}");
    }
}

#[test]
fn a_band_of_a_safetensors_file_names_the_layers() {
    let values: Vec<u8> = [1.0_f32, 0.0, 0.0, 0.0, 1.0, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let header = r#"{"v":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"layers":{"dtype":"I32","shape":[2],"data_offsets":[24,32]}}"#;
    let mut bytes = u64::try_from(header.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(values);
    bytes.extend([1_i32, 0].iter().flat_map(|v| v.to_le_bytes()));
    let read = |layer| {
        let stated = ImportAs { layer: Some(layer), site: Some(Site::ResidPost(1)), ..signed() };
        Direction::import_bytes(&bytes, DirectionFormat::Safetensors, &stated)
    };
    // By place, layer 1 would be the second row.
    assert_eq!(read(1).unwrap().to_f64().to_vec(), [1.0, 0.0, 0.0]);
    assert!(matches!(read(2), Err(DirectionError::NoSuchLayer { .. })));
}

#[test]
fn a_band_that_is_not_read_is_refused_and_counts_nothing() {
    let text: Vec<u8> = [u32::from(b'4'), u32::from(b'8')].iter().flat_map(|c| c.to_le_bytes()).collect();
    let bytes = npz_with_band("(2, 3)", &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], ("<U1", 2, &text));
    let read = |stated: &ImportAs| Direction::import_bytes(&bytes, DirectionFormat::Npz, stated);
    let e = read(&ImportAs { layer: Some(1), ..here() }).unwrap_err();
    assert!(e.to_string().contains("`band`") && e.to_string().contains("`<U1`"), "{e}");
    assert!(e.hint().unwrap().contains("dtype='int64'") && e.hint().unwrap().contains("--row"), "{e}");
    // What the remedy says works.
    let row = ImportAs { row: Some(1), ..here() };
    assert_eq!(read(&row).unwrap().to_f64().to_vec(), [0.0, 1.0, 0.0]);
}

#[test]
fn a_row_of_a_stack_of_positions_is_that_of_a_position() {
    let row = |row, position| ImportAs { row: Some(row), position, ..here() };
    let cube: Vec<Vec<Vec<f64>>> = serde_json::from_value(expected()["positions"].clone()).unwrap();
    let found = holds("positions.pt", &row(2, Some(-1)), &cube[1][2], Site::ResidPost(5));
    assert_eq!(found.metadata().extra["imported_array"], "position -1, row 2");
    holds("positions.pt", &row(0, Some(0)), &cube[0][0], Site::ResidPost(5));
    let e = import("positions.pt", &row(3, Some(0))).unwrap_err();
    assert!(matches!(e, DirectionError::NoSuchRow { row: 3, rows: 3 }), "{e}");
    // Without a position it is not certain which is meant, and what is said of that is what works.
    let e = import("positions.pt", &row(1, None)).unwrap_err();
    assert!(e.hint().unwrap().contains("--position P and --row N"), "{e}");
    // A stack of rows has no positions.
    assert!(matches!(import("layers.npy", &row(1, Some(0))), Err(DirectionError::RowAndLayer)));
    // Of a band that does not fit, the remedy holds for such a stack too.
    let values: Vec<f32> = (0..12_u8).map(f32::from).collect();
    let band: Vec<u8> = [4_i64, 4].iter().flat_map(|v| v.to_le_bytes()).collect();
    let bytes = npz_with_band("(2, 2, 3)", &values, ("<i8", 2, &band));
    let read = |stated: &ImportAs| Direction::import_bytes(&bytes, DirectionFormat::Npz, stated);
    let e = read(&ImportAs { layer: Some(1), position: Some(0), ..here() }).unwrap_err();
    assert!(e.hint().unwrap().contains("--row N") && e.hint().unwrap().contains("--position P"), "{e}");
    let third = unit(Array1::from(vec![6.0, 7.0, 8.0]).view()).unwrap();
    let off = read(&row(0, Some(1))).unwrap().to_f64() - third;
    assert!(off.iter().all(|d| d.abs() < 1e-6), "{off}");
    // One position is a stack of rows.
    let bytes = npz_with_band("(1, 4, 3)", &values, ("<i8", 2, &band));
    let found = Direction::import_bytes(&bytes, DirectionFormat::Npz, &row(2, None)).unwrap();
    assert_eq!(found.metadata().extra["imported_array"], "per_layer, row 2");
}

#[test]
fn what_is_missing_of_a_file_of_many_layers_is_said() {
    // All its layers are read, so that the sign alone is wanted.
    let path = folder().join("repeng.gguf");
    let e = Directions::import(&path, DirectionFormat::Gguf, &ImportAs::default()).unwrap_err();
    assert!(matches!(e, DirectionError::Unstated { what: "sign", .. }), "{e}");
    // A file of the MLP's outputs is no control vector.
    let stated = ImportAs { site: Some(Site::ResidPost(3)), ..signed() };
    let e = import("steering-mlp.pkl", &stated).unwrap_err();
    assert!(matches!(e, DirectionError::Stated { file: Site::MlpOut(3), asked: Site::ResidPost(3) }), "{e}");
}

#[test]
fn a_control_vector_of_64_bit_floats_is_read() {
    let mut bytes = gguf::write(&[(3, vec![0.0, 0.0])], "llama", &std::collections::HashMap::new());
    let name = b"direction.3";
    // Behind the name: the number of dimensions, the one dimension, and the type.
    let at = bytes.windows(name.len()).position(|w| w == name).unwrap() + name.len() + 4 + 8;
    bytes[at..at + 4].copy_from_slice(&28_u32.to_le_bytes());
    let data = bytes.len() - 32;
    for (i, value) in [3.0_f64, -4.0].iter().enumerate() {
        bytes[data + 8 * i..data + 8 * (i + 1)].copy_from_slice(&value.to_le_bytes());
    }
    assert_eq!(gguf::read(&bytes).unwrap().arrays[0].values, [3.0, -4.0]);
}
