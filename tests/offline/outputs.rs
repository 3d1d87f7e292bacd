//! Where output goes: never over a file that a flag names, never two into one, and through standard output.

use std::path::Path;
use std::process::Output;

use crate::support::{binary, ok, run};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases/_models/llama");
const DIRECTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/directions/one.npz");

fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

/// Runs what must be refused as a wrong request, and holds its words against some.
fn refused(dir: &Path, args: &[&str], words: &[&str]) {
    let done = run(dir, args);
    let text = said(&done);
    assert_eq!(done.status.code(), Some(2), "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{args:?}: no `{word}` in {text}");
    }
}

fn read<'a>(file: &'a str, out: &'a str) -> Vec<&'a str> {
    vec![
        "read",
        "--model",
        MODEL,
        "--input",
        file,
        "--site",
        "resid_post.1",
        "--no-cache",
        "--quiet",
        "--out",
        out,
    ]
}

fn import(dir: &Path) {
    let args = [
        "direction",
        "import",
        DIRECTION,
        "--site",
        "resid_post.1",
        "--sign",
        "up",
        "--out",
        "d.safetensors",
    ];
    ok(dir, &args);
}

/// A file that a shell puts into standard input is an input like one that a flag names, in every verb that reads one.
#[cfg(unix)]
#[test]
fn what_stands_in_standard_input_is_not_written_over() {
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("in.txt");
    std::fs::write(&file, "hi\n").unwrap();
    std::os::unix::fs::symlink("in.txt", dir.path().join("soft")).unwrap();
    let tokens = |out| vec!["tokens", "--model", MODEL, "--input", "-", "--quiet", "--out", out];
    let open = ["/proc/self/fd/0", "/proc/self/cwd/in.txt"].map(|out| read("-", out));
    let all = [tokens("in.txt"), tokens("soft"), read("-", "in.txt"), read("/dev/stdin", "in.txt")];
    for args in all.into_iter().chain(open) {
        let done = Command::new(binary())
            .args(&args)
            .current_dir(dir.path())
            .stdin(Stdio::from(std::fs::File::open(&file).unwrap()))
            .output()
            .unwrap();
        let text = said(&done);
        assert_eq!(done.status.code(), Some(2), "{args:?}: {text}");
        assert!(text.contains("would be overwritten") && text.contains("hint"), "{args:?}: {text}");
        assert_eq!(std::fs::read(&file).unwrap(), b"hi\n");
    }
}

/// A file that a model's folder lacks would be read with it the next time.
#[test]
fn a_model_gets_no_file_that_it_would_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.txt"), "hi\n").unwrap();
    std::fs::create_dir(dir.path().join("m")).unwrap();
    std::fs::write(dir.path().join("m/config.json"), "{}").unwrap();
    for out in ["m/model.safetensors", "m/special_tokens_map.json"] {
        refused(dir.path(), &read("in.txt", out), &[out, "a file of the model", "hint: name another"]);
        assert!(!dir.path().join(out).exists());
    }
    ok(dir.path(), &read("in.txt", "m/read.safetensors"));
    std::fs::write(dir.path().join("r.csv"), "pair,choice\n").unwrap();
    let twice = [
        "rate",
        "unblind",
        "--ratings",
        "ann=r.csv",
        "--ratings",
        "ben=./r.csv",
        "--key",
        "k.json",
        "--out",
        "o.json",
    ];
    refused(dir.path(), &twice, &["the sheet of ann and of ben", "own sheet"]);
}

/// Every file that a model is read from is kept, that of its folder and that beside a GGUF file without a tokenizer,
/// and none is made that would be read the next time.
#[test]
fn no_file_that_a_model_is_read_from_is_written() {
    use truenorth::models::MODEL_FILES;
    const GGUF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gguf/mistral.gguf");
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("in.txt"), "hi\n").unwrap();
    for folder in ["m/additional_chat_templates", "g/additional_chat_templates"] {
        std::fs::create_dir_all(at(folder)).unwrap();
    }
    for entry in std::fs::read_dir(MODEL).unwrap().flatten() {
        std::fs::copy(entry.path(), at("m").join(entry.file_name())).unwrap();
    }
    std::fs::copy(GGUF, at("g/model.gguf")).unwrap();
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(Path::new(MODEL).join(name), at("g").join(name)).unwrap();
    }
    for (folder, model) in [("m", "m"), ("g", "g/model.gguf")] {
        let tokens = |out: &str| {
            let args = ["tokens", "--model", model, "--input", "in.txt", "--quiet", "--out", out];
            args.map(str::to_owned)
        };
        for name in MODEL_FILES.into_iter().chain(["additional_chat_templates/tool.jinja"]) {
            // Weights are in the GGUF file itself.
            if folder == "g"
                && ["adapter_config.json", "model.safetensors", "model.safetensors.index.json"]
                    .contains(&name)
            {
                continue;
            }
            let out = format!("{folder}/{name}");
            let before = std::fs::read(at(&out)).ok();
            let what = if before.is_some() { "would be overwritten" } else { "the next time" };
            let args = tokens(&out);
            refused(
                dir.path(),
                &args.each_ref().map(String::as_str),
                &[out.as_str(), what, "a file of the model", "hint: name another"],
            );
            assert_eq!(std::fs::read(at(&out)).ok(), before, "{out}");
        }
    }
    // What nothing is read from may lie there.
    ok(dir.path(), &["tokens", "--model", "m", "--input", "in.txt", "--quiet", "--out", "m/found.jsonl"]);
    // Nor through the folder that one stands in.
    let args = ["tokens", "--model", "../../g/model.gguf", "--input", "../../in.txt", "--out", "x.jinja"];
    refused(&at("g/additional_chat_templates"), &args, &["x.jinja", "a file of the model", "model.gguf"]);
}

/// Models that were fetched, for this program or into the hub's cache, are never written over, whatever name they go
/// by, and nothing is put among them.
#[test]
fn nothing_is_written_among_the_models_of_a_cache() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("in.txt"), "hi\n").unwrap();
    std::fs::write(at("c.csv"), "text,label\na b,1\nc d,0\n").unwrap();
    let weights = "models/smollm2-135m/SmolLM2-135M-Instruct.Q4_1.gguf";
    let hub = "hub/models--org--toy";
    let kept = [
        format!("cache/{weights}"),
        format!("other/{weights}"),
        format!("{hub}/blobs/ab12"),
        format!("{hub}/refs/main"),
        format!("{hub}/snapshots/c0/copy.json"),
    ];
    for file in &kept {
        let path = at(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "weights").unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("../../blobs/ab12", at(&format!("{hub}/snapshots/c0/config.json"))).unwrap();
        symlink(format!("cache/{weights}"), at("soft")).unwrap();
    }
    let mut outs = kept.to_vec();
    outs.extend(["cache/models/new.jsonl", "cache/models/a/../new.jsonl"].map(str::to_owned));
    outs.push(format!("{hub}/snapshots/c0/new.jsonl"));
    outs.push(at(&kept[0]).display().to_string());
    if cfg!(unix) {
        outs.extend(["soft".to_owned(), format!("{hub}/snapshots/c0/config.json")]);
    }
    std::fs::create_dir(at("cache/models/a")).unwrap();
    let words = ["where models are kept", "read from it", "hint: name another file, outside"];
    for out in outs.iter().map(String::as_str) {
        for args in [
            &["tokens", "--model", "smollm2-135m", "--input", "in.txt"][..],
            &["read", "--model", "hf:org/toy", "--input", "in.txt", "--site", "resid_post.1"],
        ] {
            let args = [args, &["--offline", "--cache", "other", "--out", out]].concat();
            refused(dir.path(), &args, &[&words[..], &[out]].concat());
        }
    }
    for file in &kept {
        assert_eq!(std::fs::read(at(file)).unwrap(), b"weights", "{file}");
    }
    let page = ["data", "check", "--classes", "c.csv", "--report", "cache/models/page"];
    refused(dir.path(), &page, &["cache/models/page", words[0]]);
    assert!(!at("cache/models/page").exists());
    // Beside them there is room.
    ok(
        dir.path(),
        &["tokens", "--model", MODEL, "--input", "in.txt", "--quiet", "--out", "cache/found.jsonl"],
    );
    ok(
        dir.path(),
        &["tokens", "--model", MODEL, "--input", "in.txt", "--quiet", "--out", "cache/models/../b.jsonl"],
    );
}

/// That a folder is named where a file is written is known before the work.
#[test]
fn a_folder_is_no_file_to_write() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.txt"), "hi\n").unwrap();
    std::fs::create_dir(dir.path().join("there")).unwrap();
    for out in ["nd/", "there", "there/"] {
        refused(dir.path(), &read("in.txt", out), &[out, "that is a folder", "hint: name the file"]);
    }
}

/// A text of spaces or line ends has tokens, and what is to be known of a tokenizer is said where tokens are shown.
#[test]
fn tokens_of_white_space_and_notes_of_the_tokenizer_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.jsonl"), "{\"id\":\"a\",\"text\":\"\\n\"}\n").unwrap();
    let done = ok(dir.path(), &["tokens", "--model", MODEL, "--input", "in.jsonl", "--quiet"]);
    assert!(!said(&done).contains("\"ids\":[]"), "{}", said(&done));
    let model = dir.path().join("model");
    std::fs::create_dir(&model).unwrap();
    for entry in std::fs::read_dir(MODEL).unwrap().flatten() {
        std::fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
    }
    std::fs::write(model.join("tokenizer_config.json"), "{\"tokenizer_class\":\"CohereTokenizerFast\"}")
        .unwrap();
    for verb in [&["tokens"][..], &["read", "--site", "resid_post.1", "--out", "o.safetensors", "--dry-run"]]
    {
        let done = ok(dir.path(), &[verb, &["--model", "model", "--input", "in.jsonl", "--quiet"]].concat());
        let text = said(&done);
        assert!(
            text.contains("`CohereTokenizerFast`") && text.contains("PreTrainedTokenizerFast"),
            "{verb:?}: {text}"
        );
    }
}

/// A file of a tokenizer that its library panics over is an error that names the file.
#[test]
fn no_panic_of_the_tokenizers_library_reaches_a_user() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.txt"), "hello there\n").unwrap();
    let whole: serde_json::Value =
        serde_json::from_slice(&std::fs::read(Path::new(MODEL).join("tokenizer.json")).unwrap()).unwrap();
    let template = |single: &str| {
        serde_json::from_str(&format!(
            r#"{{"type":"TemplateProcessing","single":[{single}],"pair":[],"special_tokens":{{}}}}"#
        ))
        .unwrap()
    };
    let charsmap =
        serde_json::json!({"type": "Precompiled", "precompiled_charsmap": "ALQCAACEAAAAAACAAQAAgMz8"});
    let cases: [(&str, serde_json::Value, &[&str]); 4] = [
        ("/model/continuing_subword_prefix", "##".into(), &["continuing_subword_prefix", "\"##\""]),
        ("/post_processor", template(r#"{"SpecialToken":{"id":"<nope>","type_id":0}}"#), &["`<nope>`"]),
        ("/post_processor", template(r#"{"Sequence":{"id":"B","type_id":0}}"#), &["sequence B"]),
        ("/normalizer", charsmap, &[]),
    ];
    for (place, value, words) in cases {
        let model = dir.path().join("model");
        std::fs::create_dir_all(&model).unwrap();
        for entry in std::fs::read_dir(MODEL).unwrap().flatten() {
            std::fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
        }
        let mut json = whole.clone();
        *json.pointer_mut(place).unwrap() = value;
        std::fs::remove_file(model.join("tokenizer.json")).unwrap();
        std::fs::write(model.join("tokenizer.json"), json.to_string()).unwrap();
        for verb in [&["tokens", "--input", "in.txt", "--model"][..], &["models", "show"]] {
            let done = run(dir.path(), &[verb, &["model"]].concat());
            let text = said(&done);
            assert!(!text.contains("panicked") && done.status.code() != Some(101), "{place}: {text}");
            for word in words {
                assert!(
                    text.contains(word) && text.contains("tokenizer.json"),
                    "{place}: no {word} in {text}"
                );
            }
        }
    }
}

/// Activations under the name of another format would mislead what opens them: refused before a model is looked for.
#[test]
fn activations_are_written_under_the_endings_of_their_formats() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("in.txt"), "hi\n").unwrap();
    let verb = ["read", "--input", "in.txt", "--site", "resid_post.1", "--no-cache", "--quiet"];
    for out in ["a.parquet", "a.CSV", "a.json", "a.npy", "a.pt", "a.gguf", "a.txt"] {
        let args = [&verb[..], &["--model", "./no-model", "--out", out]].concat();
        refused(dir.path(), &args, &[out, "safetensors or npz", "hint:", "end in .safetensors"]);
        assert!(!dir.path().join(out).exists(), "{out}");
    }
    for out in ["a.safetensors", "b.SAFETENSORS", "c.Npz", "d", "e.2024"] {
        ok(dir.path(), &[&verb[..], &["--model", MODEL, "--out", out]].concat());
        let zip = std::fs::read(dir.path().join(out)).unwrap().starts_with(b"PK");
        assert_eq!(zip, out == "c.Npz", "{out}");
    }
}

/// A file that a flag names is kept, also where the command would not come to read it.
#[test]
fn no_file_of_a_flag_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (file, text) in [("in.txt", "hi\n"), ("key", "a-key\n"), ("c.csv", "text,label\na b,1\nc d,0\n")] {
        std::fs::write(at(file), text).unwrap();
    }
    for (flag, out) in [("--api-key-file", "key"), ("--api-key-file", "./key")] {
        let args = [&read("in.txt", out)[..], &[flag, "key"]].concat();
        refused(dir.path(), &args, &["key", "would be overwritten"]);
    }
    assert_eq!(std::fs::read(at("key")).unwrap(), b"a-key\n");
    // Two outputs that are one file would leave one of them.
    let probe = ["probe", "--model", MODEL, "--train", "c.csv", "--site", "resid_post.1", "--report", "page"];
    for make in [false, true] {
        if make {
            std::fs::create_dir(at("page")).unwrap();
        }
        let args = [&probe[..], &["--out", "page/report.json"]].concat();
        refused(dir.path(), &args, &["report.json", "are one file"]);
    }
    // A file can't be where a folder is to be, nor among tables whose names are made later.
    for (out, place, words) in [
        ("x", ["--report", "x"], "is to be a file"),
        ("x", ["--tables", "./x"], "is to be a file"),
        ("x", ["--report", "x/y"], "is to be a file"),
        ("page/t.csv", ["--tables", "page"], "among the tables"),
    ] {
        let check = ["data", "check", "--classes", "c.csv", "--out", out];
        refused(dir.path(), &[&check[..], &place].concat(), &[out, words]);
        refused(dir.path(), &[&probe[..7], &["--out", out], &place].concat(), &[out, words]);
    }
    assert!(!at("x").exists());
    let score =
        ["score", "--model", MODEL, "--direction", "d", "--probes", "in.txt", "--sequences", "in.txt"];
    refused(dir.path(), &[&score[..], &["--out", "o", "--summary", "./o"]].concat(), &["are one file"]);
    // Nor are two documents written on one stream, which rows without a file are on as well.
    let mixed = |rest: &[&str]| {
        refused(dir.path(), &[&score[..], rest].concat(), &["are one stream", "to a file"]);
    };
    for [out, summary] in
        [["-", "-"], ["/dev/stdout", "-"], ["-", "/dev/fd/1"], ["/dev/stderr", "/dev/stderr"]]
    {
        mixed(&["--out", out, "--summary", summary]);
    }
    mixed(&["--summary", "-"]);
    mixed(&["--out", "-", "--expect", "board.jsonl"]);
    // Standard input is read once.
    let both = ["steer", "--model", MODEL, "--direction", "d.safetensors", "--input", "-", "--neutral", "-"];
    import(dir.path());
    refused(dir.path(), &both, &["given for two files"]);
}

/// A direction goes through standard output in every format, told by --format where no name tells it.
#[test]
fn a_direction_is_exported_through_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    import(dir.path());
    let export =
        |rest: &[&str]| run(dir.path(), &[&["direction", "export", "d.safetensors", "--out"], rest].concat());
    let text = said(&export(&["-"]));
    assert!(text.contains("--format"), "{text}");
    for format in ["safetensors", "npz", "npy", "gguf"] {
        let named = format!("d2.{format}");
        let done = export(&[&named]);
        assert!(done.status.success(), "{}", said(&done));
        let whole = std::fs::read(dir.path().join(&named)).unwrap();
        for out in ["-", "/dev/stdout"] {
            let done = export(&[out, "--format", format]);
            assert!(done.status.success() && done.stdout == whole, "{out} {format}: {}", said(&done));
        }
        // The remedy works: the very bytes come back in.
        std::fs::write(dir.path().join("piped"), &whole).unwrap();
        let mut back = vec!["direction", "import", "piped", "--out", "again.safetensors"];
        let text = said(&run(dir.path(), &back));
        assert!(text.contains("--format"), "{text}");
        back.extend(["--format", format]);
        if format != "safetensors" && format != "npz" {
            back.extend(["--site", "resid_post.1", "--sign", "up"]);
        }
        ok(dir.path(), &back);
    }
    let done = export(&["-", "--format", "pt"]);
    assert!(!done.status.success() && said(&done).contains("read only"), "{}", said(&done));
}

#[test]
fn a_file_may_go_into_the_folder_that_the_page_makes() {
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..16).map(|i| format!("w{i} u{} v{},{}\n", i * 7, i * 3, i % 2)).collect();
    std::fs::write(dir.path().join("c.csv"), format!("text,label\n{rows}")).unwrap();
    let check = ["data", "check", "--classes", "c.csv", "--report", "new/page", "--out"];
    ok(dir.path(), &[&check[..], &["new/page/found.json"]].concat());
    for file in ["found.json", "report.json", "report.html"] {
        assert!(dir.path().join("new/page").join(file).is_file(), "{file}");
    }
    refused(dir.path(), &[&check[..], &["other/found.json"]].concat(), &["there is no folder other"]);
}
