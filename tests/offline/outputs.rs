//! Where output goes: never over a file that a flag names, never two into one, and through standard output.

use std::path::Path;
use std::process::Output;

use crate::support::{ok, run};

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
    refused(dir.path(), &[&probe[..], &["--out", "page/report.json"]].concat(), &["there is no folder"]);
    std::fs::create_dir(at("page")).unwrap();
    refused(
        dir.path(),
        &[&probe[..], &["--out", "page/report.json"]].concat(),
        &["report.json", "are one file"],
    );
    let score =
        ["score", "--model", MODEL, "--direction", "d", "--probes", "in.txt", "--sequences", "in.txt"];
    refused(dir.path(), &[&score[..], &["--out", "o", "--summary", "./o"]].concat(), &["are one file"]);
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
