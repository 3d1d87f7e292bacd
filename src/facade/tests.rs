use super::*;
use crate::error::ErrorKind;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gguf/llama/model.gguf");

fn pairs() -> Vec<(String, String, String)> {
    let word = |i: usize| ["hat", "tin", "cup", "old", "new", "red"][i % 6];
    let pair = |i: usize| {
        let (a, b) = (word(i), word(i / 6 + 1));
        (format!("the {b} {i}"), format!("yes the {a} {i}"), format!("no a {b} {i}"))
    };
    (0..16).map(pair).collect()
}

fn open(cache: &std::path::Path) -> Model {
    Options::new().cache(cache).offline().open(MODEL).unwrap()
}

#[test]
fn a_direction_is_found_kept_added_and_scored_with() {
    let dir = tempfile::tempdir().unwrap();
    let model = open(dir.path());
    assert_eq!(model.usual_site().to_string(), "resid_post.1");
    let direction = Direction::extract(&model, pairs()).unwrap();
    assert_eq!(direction.vector().len(), model.info().hidden as usize);
    assert_eq!(direction.held_out().len(), 1);
    let file = dir.path().join("d.safetensors");
    direction.save(&file).unwrap();
    let loaded = Direction::load(&file).unwrap();
    assert_eq!(loaded.vector(), direction.vector());

    // The projection of a text rises with the direction, and the doses come back in their order.
    let rows = loaded.steer(&model, ["the hat", "no cup"], &[-0.5, 0.5]).unwrap();
    let doses: Vec<(String, f64)> = rows.iter().map(|r| (r.id.clone(), r.alpha)).collect();
    let expected = [("1", -0.5), ("1", 0.5), ("2", -0.5), ("2", 0.5)].map(|(id, a)| (id.to_owned(), a));
    assert_eq!(doses, expected);

    let scored = loaded.score(&model, ["the hat", "a tin"], ["be kind", "no", "old"]).unwrap();
    assert!(scored.iter().all(|row| row.z.abs() <= row.z_bound && row.score.is_finite()));
    assert_eq!(scored.iter().map(|row| row.text.as_str()).collect::<Vec<_>>(), ["be kind", "no", "old"]);
}

#[test]
fn a_reading_is_that_of_the_session_below() {
    let dir = tempfile::tempdir().unwrap();
    let model = open(dir.path());
    let both = model.read(["the hat", "no"], "resid_post.0").unwrap();
    let one = model.read(["no"], "resid_post.0").unwrap();
    assert_eq!(both.row(1), one.row(0));
    assert_ne!(both.row(0), both.row(1));
    let mean = model.read_at(["the hat"], "resid_post.0", "mean").unwrap();
    assert_eq!(mean.dim(), (1, model.info().hidden as usize));
}

#[test]
fn errors_say_whose_fault_they_are_and_what_helps() {
    let dir = tempfile::tempdir().unwrap();
    let model = open(dir.path());
    let e = model.read(["the hat"], "resid_post.9").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Request, "{e}");
    let e = Model::open("no-such-model").unwrap_err();
    assert!(e.kind() == ErrorKind::Request && e.hint().is_some(), "{e}");
    let e = Direction::extract(&model, "no-such-file.jsonl").unwrap_err();
    assert!(e.kind() == ErrorKind::Request && e.to_string().contains("no-such-file.jsonl"), "{e}");
    let e = Direction::extract(&model, [("a", "yes", "no")]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Request, "{e}");
    let e = Model::open("http://127.0.0.1:9").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Failed, "{e}");
}
