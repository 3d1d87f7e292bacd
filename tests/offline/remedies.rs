//! Errors whose remedies are followed: the next error, if there is one, is not the same and does not contradict it.

use std::path::Path;

use crate::support::{run, study_place};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases/_models/llama");

/// What a command that fails says.
fn fails(dir: &Path, args: &[&str]) -> String {
    let done = run(dir, args);
    let text = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success(), "{args:?}: {text}");
    assert!(text.contains("hint: ") || text.contains(" add texts"), "{args:?}: {text}");
    text
}

#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
}

#[test]
fn a_probe_of_few_rows_names_its_file_and_never_asks_for_fewer_folds_than_it_takes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("c.csv"), "text,label\na hat,1\none tin,0\nold cup,1\nred dog,0\n")
        .unwrap();
    let probe =
        ["probe", "--model", MODEL, "--train", "c.csv", "--site", "resid_post.1", "--no-cache", "--quiet"];
    let of = |folds: &[&str]| fails(dir.path(), &[&probe[..], folds].concat());
    has(&of(&["--folds", "5"]), &["c.csv", "5 folds need at least 5 groups", "a probe takes 3 at least"]);
    has(&of(&["--folds", "2"]), &["at least 3", "ask for 3 folds or more"]);
    let three = of(&["--folds", "3"]);
    has(&three, &["c.csv", "add groups"]);
    assert!(!three.contains("use fewer --folds"), "{three}");
}

#[test]
fn geometry_of_one_cluster_says_so_and_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = "text,label\n".to_owned();
    for i in 0..16 {
        rows += &format!("the old cat sat on a red mat near my new blue house {i},{}\n", i % 2);
    }
    std::fs::write(dir.path().join("c.csv"), rows).unwrap();
    let geometry =
        ["geometry", "--checkpoint", MODEL, "--classes", "c.csv", "--site", "resid_post.1", "--no-cache"];
    for folds in ["4", "2"] {
        let text = fails(dir.path(), &[&geometry[..], &["--quiet", "--folds", folds]].concat());
        has(&text, &["c.csv", "16 texts make 1 cluster of copies", "add texts that are no copies"]);
        assert!(!text.contains("fewer --folds"), "{text}");
    }
}

#[test]
fn a_direction_at_the_logits_is_refused_before_the_work() {
    let dir = study_place();
    let extract = [
        "direction",
        "extract",
        "--model",
        MODEL,
        "--pairs",
        "pairs.jsonl",
        "--site",
        "logits",
        "--out",
        "d.safetensors",
    ];
    has(&fails(dir.path(), &extract), &["--site is logits", "hidden size", "resid_post"]);
    let study = std::fs::read_to_string(dir.path().join("study.toml")).unwrap();
    let site = study.lines().find(|line| line.starts_with("site = ")).unwrap();
    std::fs::write(dir.path().join("at.toml"), study.replacen(site, "site = \"logits\"", 1)).unwrap();
    has(&fails(dir.path(), &["study", "run", "at.toml"]), &["site is `logits`", "hidden size"]);
    assert!(!dir.path().join("d.safetensors").exists());
}

#[test]
fn a_file_of_a_study_that_is_not_there_is_named_by_its_key() {
    let dir = study_place();
    let study = std::fs::read_to_string(dir.path().join("study.toml")).unwrap();
    let lost = study.replacen("pairs.jsonl", "nope.jsonl", 1);
    std::fs::write(dir.path().join("lost.toml"), lost).unwrap();
    has(
        &fails(dir.path(), &["study", "run", "lost.toml"]),
        &["[data] pairs", "nope.jsonl", "folder of the study"],
    );
    let confound = study.replacen("[data]", "[data]\nconfounds = { length = \"gone.jsonl\" }", 1);
    std::fs::write(dir.path().join("confound.toml"), confound).unwrap();
    has(&fails(dir.path(), &["study", "run", "confound.toml"]), &["[data] confounds.length", "gone.jsonl"]);
}

#[test]
fn weights_of_mlx_are_named_as_quantized_whatever_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    std::fs::create_dir(&model).unwrap();
    for entry in std::fs::read_dir(MODEL).unwrap().flatten() {
        std::fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
    }
    std::fs::remove_file(model.join("config.json")).unwrap();
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(Path::new(MODEL).join("config.json")).unwrap()).unwrap();
    config["quantization"] = serde_json::json!({"group_size": 64, "bits": 4});
    std::fs::write(model.join("config.json"), config.to_string()).unwrap();
    for accepted in [&[][..], &["--accept-config-key", "quantization"]] {
        let text = fails(dir.path(), &[&["models", "show", "model"][..], accepted].concat());
        has(&text, &["quantized by MLX", "use the model it was made from"]);
    }
}

#[test]
fn logistic_of_two_axes_names_them_and_another_estimator_does() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["red", "old", "new", "wet", "dry", "big", "shy", "sad", "hot", "odd", "raw", "sly"];
    let mut rows = String::new();
    for (i, word) in words.iter().enumerate() {
        let axis = ["care", "truth"][i % 2];
        rows += &format!(
            "{{\"id\":\"{i}\",\"axis\":\"{axis}\",\"prompt\":\"say {word}\",\"chosen\":\"yes {word} {i}\",\"rejected\":\"no {i} {word}\"}}\n"
        );
    }
    std::fs::write(dir.path().join("p.jsonl"), rows).unwrap();
    let extract = [
        "direction",
        "extract",
        "--model",
        MODEL,
        "--pairs",
        "p.jsonl",
        "--site",
        "resid_post.1",
        "--no-cache",
    ];
    let rest = ["--permutations", "0", "--quiet", "--out", "d.safetensors", "--estimator"];
    let of = |name: &'static str| [&extract[..], &rest, &[name]].concat();
    let text = fails(dir.path(), &of("logistic"));
    has(&text, &["p.jsonl", "`care`, `truth`", "third axis", "mean-diff or lda"]);
    let done = run(dir.path(), &of("lda"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_study_of_one_axis_or_category_says_what_its_file_wants() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["red", "old", "new", "wet", "dry", "big", "shy", "sad", "hot", "odd", "raw", "sly"];
    let (mut pairs, mut named, mut bare) = (String::new(), String::new(), String::new());
    for (i, word) in words.iter().enumerate() {
        pairs += &format!(
            "{{\"id\":\"{i}\",\"axis\":\"care\",\"prompt\":\"say {word}\",\"chosen\":\"yes {word} {i}\",\"rejected\":\"no {i} {word}\"}}\n"
        );
        let row = format!("\"id\":\"{i}\",\"text\":\"{word} thing {i}\",\"label\":\"{}\"", i % 2 == 0);
        named += &format!("{{{row},\"category\":\"care\"}}\n");
        bare += &format!("{{{row}}}\n");
    }
    for (name, text) in [("p.jsonl", &pairs), ("named.jsonl", &named), ("bare.jsonl", &bare)] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    std::fs::write(dir.path().join("n.txt"), "one\ntwo\nthree\n").unwrap();
    let said = |data: &str| {
        let study = format!(
            "name = \"one\"\ntitle = \"One\"\nmodel = {MODEL:?}\nseed = 1\nsite = \"resid_post.1\"\n\
             [data]\n{data}\nneutral = \"n.txt\"\n[direction]\nestimators = [\"mean-diff\"]\n\
             [held_out]\npermutations = 9\n[steer]\nalphas = [0.0, 1.0]\nmax_new_tokens = 4\nprompts = 2\n"
        );
        std::fs::write(dir.path().join("study.toml"), study).unwrap();
        fails(dir.path(), &["study", "run", "study.toml"])
    };
    has(&said("pairs = \"p.jsonl\""), &["axis `care`", "data.pairs", "direction extract` takes"]);
    let classes = |file: &str| said(&format!("classes = \"{file}\"\npositive = \"true\""));
    has(&classes("named.jsonl"), &["category `care`", "data.classes", "direction extract` takes"]);
    has(&classes("bare.jsonl"), &["no text", "`category`", "data.classes"]);
}
