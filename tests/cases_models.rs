//! Inputs about models, configs and tokenizers that once went wrong, each with what is right.
//!
//! A case is a folder of `fixtures/cases`: `cmd` as a shell runs it (`$TN` the program, `$CASE` the
//! folder, `$OUT` an empty one), `expected` in words, `ids.json` and `ref.safetensors` as transformers
//! 5.23 gives them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod cases;
mod support;

use std::path::Path;

use cases::Case;
use safetensors::SafeTensors;
use support::{MODEL, relative_rows, run, write_pairs};

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// Holds every tensor that the case gave to the reference's of the same name.
fn holds_values(name: &str) {
    let case = Case::of(name);
    let run = case.run();
    assert!(run.ok, "{name}: {}", run.said);
    let (got, want) =
        (run.file("out.safetensors"), std::fs::read(case.folder().join("ref.safetensors")).unwrap());
    let (got, want) = (SafeTensors::deserialize(&got).unwrap(), SafeTensors::deserialize(&want).unwrap());
    let mut compared = 0;
    for (tensor, reference) in want.tensors() {
        let Ok(ours) = got.tensor(&tensor) else { continue };
        assert_eq!(ours.shape(), reference.shape(), "{name}: {tensor}");
        let rows = reference.shape()[0];
        let off = relative_rows(&floats(ours.data()), &floats(reference.data()), rows);
        assert!(off < 1e-4, "{name}: {tensor} is off by {off:e}");
        compared += 1;
    }
    assert!(compared >= 9, "{name}: {compared} tensors compared of {:?}", want.names());
}

/// Holds the token ids, seen by the embeddings that were read, to `ids.json`.
fn holds_ids(name: &str) {
    let case = Case::of(name);
    let run = case.run();
    assert!(run.ok, "{name}: {}", run.said);
    let ids: serde_json::Value =
        serde_json::from_slice(&std::fs::read(case.folder().join("ids.json")).unwrap()).unwrap();
    let weights = std::fs::read(case.model().join("model.safetensors")).unwrap();
    let weights = SafeTensors::deserialize(&weights).unwrap();
    let embedding = weights.tensor("model.embed_tokens.weight").unwrap();
    let (width, embedding) = (embedding.shape()[1], floats(embedding.data()));
    let got = run.file("out.safetensors");
    let got = SafeTensors::deserialize(&got).unwrap();
    for (i, want) in ids["ids"].as_array().unwrap().iter().enumerate() {
        let read = floats(got.tensor(&format!("embed/p{i}")).unwrap().data());
        let found: Vec<u64> = read
            .chunks(width)
            .map(|row| embedding.chunks(width).position(|e| e == row).expect("a row of the embedding") as u64)
            .collect();
        let want: Vec<u64> = want.as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
        assert_eq!(found, want, "{name}: p{i}");
    }
}

#[test]
fn config_keys_that_change_nothing_are_accepted() {
    for name in ["cfg-distilgpt2-keys", "cfg-gpt2-medium-keys", "cfg-use_mrope"] {
        holds_values(name);
    }
}

#[test]
fn a_whole_file_wins_over_shards_and_is_named() {
    holds_values("hub-both-single-and-shards");
    let said = Case::of("hub-both-single-and-shards").run().said;
    assert!(said.contains("model.safetensors.index.json") && said.contains("warning"), "{said}");
}

#[test]
fn a_head_beside_a_tied_config_is_read_and_named() {
    holds_values("tie-true-but-head-differs");
    let said = Case::of("tie-true-but-head-differs").run().said;
    for part in ["lm_head.weight", "5.23", "4.57", "--transformers 4.57"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn tokens_are_those_of_transformers() {
    for name in ["tok-add-prefix-space", "tok-bos-flag-generic-class", "tok-padding", "tok-truncation"] {
        holds_ids(name);
    }
}

#[test]
fn integers_beside_a_direction_are_passed_over() {
    let run = Case::of("dir-safetensors-with-int").run();
    assert!(run.ok, "{}", run.said);
    assert!(run.said.contains("resid_post.1"), "{}", run.said);
}

/// The case's own file is large; one of the other fixtures without the key shows the same.
#[test]
fn a_guessed_split_is_named() {
    let case = Case::of("gguf-no-pre");
    let whole = std::fs::read(MODEL).unwrap();
    let key = b"tokenizer.ggml.pre";
    let at = whole.windows(key.len()).position(|w| w == key).expect("the key");
    let mut without = whole;
    without[at + key.len() - 1] = b'x';
    std::fs::write(case.folder().join("model.gguf"), without).unwrap();
    let run = case.run();
    assert!(run.ok, "{}", run.said);
    assert!(run.said.contains("tokenizer.ggml.pre") && run.said.contains("gpt-2"), "{}", run.said);
}

/// What is accepted by a flag is in every result.
#[test]
fn an_unknown_key_names_the_flag_that_accepts_it() {
    let case = Case::of("cfg-use_mrope");
    let path = case.model().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"use_mrope\"", "\"klingon\"")).unwrap();
    let run = case.run();
    assert!(!run.ok);
    assert!(
        run.said.contains("`klingon`") && run.said.contains("--accept-config-key klingon"),
        "{}",
        run.said
    );
    let run = case.run_with("--accept-config-key klingon");
    assert!(run.ok, "{}", run.said);
    let bytes = run.file("out.safetensors");
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let path = &header.metadata().as_ref().unwrap()["path"];
    assert!(path.contains("accept-config-key=klingon"), "{path}");
}

#[test]
fn what_is_not_a_model_is_named_as_what_it_is() {
    let refused = |change: &dyn Fn(&Path), parts: &[&str]| {
        let case = Case::of("cfg-use_mrope");
        change(&case.model());
        let run = case.run();
        assert!(!run.ok);
        for part in parts {
            assert!(run.said.contains(part), "{part}: {}", run.said);
        }
    };
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
    for file in ["model.safetensors", "config.json", "tokenizer.json"] {
        refused(
            &|dir| std::fs::write(dir.join(file), pointer).unwrap(),
            &["Git LFS pointer", file, "git lfs pull"],
        );
    }
    let adapter = r#"{"base_model_name_or_path": "org/base", "peft_type": "LORA"}"#;
    refused(
        &|dir| std::fs::write(dir.join("adapter_config.json"), adapter).unwrap(),
        &["LoRA adapter", "merge_and_unload"],
    );
    for (quantizer, method) in [
        (r#"{"quant_method": "fp8"}"#, "fp8"),
        (r#"{"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}"#, "bitsandbytes"),
        (r#"{"quant_method": "gptq", "bits": 4}"#, "gptq"),
        (r#"{"quant_method": "awq"}"#, "awq"),
    ] {
        refused(
            &|dir| {
                let path = dir.join("config.json");
                let mut config: serde_json::Value =
                    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                config["quantization_config"] = serde_json::from_str(quantizer).unwrap();
                std::fs::write(path, config.to_string()).unwrap();
            },
            &["quantized by", method, "quantization_config", "GGUF"],
        );
    }
}

/// What a mean leaves out is in what is written, computed or out of the store; `mean+sink` has nothing to say.
#[test]
fn means_say_what_they_left_out() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("prompts.txt"), "the hat\nan old tin\nno\n").unwrap();
    let read = |positions: &str, out: &str| {
        let place = ["read", "--model", MODEL, "--input", "prompts.txt", "--site", "resid_post.0..1"];
        let ran = run(dir.path(), &[&place[..], &["--positions", positions, "--out", out]].concat());
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{said}");
        let bytes = std::fs::read(dir.path().join(out)).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        (said, header.metadata().clone().unwrap(), bytes)
    };
    let (said, first, bytes) = read("mean", "a.safetensors");
    assert!(said.contains("resid_post.0: the means of 0 of 3 texts leave out 0 tokens"), "{said}");
    let counts: serde_json::Value = serde_json::from_str(&first["left_out"]).unwrap();
    assert_eq!(counts, serde_json::json!({"resid_post.0": [0, 0, 0], "resid_post.1": [0, 0, 0]}));
    let (_, again, same) = read("mean", "b.safetensors");
    assert_eq!(first["left_out"], again["left_out"]);
    let tensor = |bytes: &[u8]| {
        SafeTensors::deserialize(bytes).unwrap().tensor("resid_post.1").unwrap().data().to_vec()
    };
    assert_eq!(tensor(&bytes), tensor(&same));
    let (said, all, _) = read("mean+sink", "c.safetensors");
    assert!(!said.contains("leave out") && !all.contains_key("left_out"), "{said}");

    write_pairs(&dir.path().join("pairs.jsonl"), 24);
    let place =
        ["direction", "extract", "--model", MODEL, "--site", "resid_post.1", "--pairs", "pairs.jsonl"];
    let more =
        ["--positions", "mean", "--permutations", "19", "--estimator", "mean-diff", "--out", "d.safetensors"];
    let ran = run(dir.path(), &[&place[..], &more].concat());
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let bytes = std::fs::read(dir.path().join("d.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let text = header.metadata().clone().unwrap()["left_out"].clone();
    assert!(text.contains("of 48 texts") && text.contains("4 times"), "{text}");
}

/// A small Llama with a matrix of its own for the output.
const LLAMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases/_models/llama");

/// A copy of it whose tensors are others: by name, element type, shape and bytes.
fn with_tensors(
    dir: &Path,
    change: impl Fn(
        &str,
        safetensors::tensor::TensorView<'_>,
    ) -> Option<(String, safetensors::Dtype, Vec<usize>, Vec<u8>)>,
) {
    for entry in std::fs::read_dir(LLAMA).unwrap().flatten() {
        std::fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    let bytes = std::fs::read(Path::new(LLAMA).join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let kept: Vec<_> = file.tensors().into_iter().filter_map(|(name, view)| change(&name, view)).collect();
    let views = kept.iter().map(|(name, dtype, shape, bytes)| {
        (name.clone(), safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
}

/// Reads two texts of a model at the end of its blocks.
fn read_of(dir: &Path, model: &str) -> (Vec<f32>, String) {
    std::fs::write(dir.join("t.txt"), "the hat\nan old tin\n").unwrap();
    let args = [
        "read",
        "--model",
        model,
        "--no-cache",
        "--input",
        "t.txt",
        "--site",
        "resid_post.2",
        "--out",
        "o.safetensors",
    ];
    let done = run(dir, &args);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{model}: {said}");
    let bytes = std::fs::read(dir.join("o.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    (
        floats(
            file.tensors().into_iter().find(|(_, v)| v.dtype() == safetensors::Dtype::F32).unwrap().1.data(),
        ),
        said,
    )
}

#[test]
fn models_with_another_head_and_wide_weights_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (want, _) = read_of(dir.path(), LLAMA);
    // What `AutoModelForSequenceClassification` and trl's value heads save in place of, or beside, `lm_head`.
    for (head, beside) in
        [("score.weight", false), ("classifier.dense.weight", false), ("v_head.summary.weight", true)]
    {
        let model = dir.path().join(head);
        std::fs::create_dir(&model).unwrap();
        with_tensors(&model, |name, view| match name {
            "lm_head.weight" if !beside => {
                Some((head.to_owned(), view.dtype(), vec![1, 32], view.data()[..128].to_vec()))
            }
            _ => Some((name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec())),
        });
        if beside {
            let bytes = std::fs::read(model.join("model.safetensors")).unwrap();
            let file = SafeTensors::deserialize(&bytes).unwrap();
            // The vector of the final norm stands for the weights of the second head.
            let extra = file.tensor("model.norm.weight").unwrap();
            let all = file.tensors().into_iter().chain([(head.to_owned(), extra)]);
            safetensors::serialize_to_file(all, None, &model.join("again")).unwrap();
            std::fs::rename(model.join("again"), model.join("model.safetensors")).unwrap();
        }
        let (got, said) = read_of(dir.path(), head);
        assert_eq!(got, want, "{head}");
        assert!(said.contains(&format!("`{head}` is a head for something else")), "{said}");
        assert_eq!(said.contains("no output matrix"), !beside, "{said}");
        let logits = [
            "read",
            "--model",
            head,
            "--no-cache",
            "--input",
            "t.txt",
            "--site",
            "logits",
            "--out",
            "l.safetensors",
        ];
        let done = run(dir.path(), &logits);
        assert_eq!(done.status.success(), beside, "{head}: {}", String::from_utf8_lossy(&done.stderr));
        assert!(beside || String::from_utf8_lossy(&done.stderr).contains("`lm_head.weight` is not stored"));
    }
    let wide = dir.path().join("f64");
    std::fs::create_dir(&wide).unwrap();
    with_tensors(&wide, |name, view| {
        let bytes = floats(view.data()).iter().flat_map(|x| f64::from(*x).to_le_bytes()).collect();
        Some((name.to_owned(), safetensors::Dtype::F64, view.shape().to_vec(), bytes))
    });
    let (got, said) = read_of(dir.path(), "f64");
    assert_eq!(got, want);
    assert!(said.contains("F64") && said.contains("rounded to f32"), "{said}");
}
