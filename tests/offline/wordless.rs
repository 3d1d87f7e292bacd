//! Models without a tokenizer take token ids, and what their files ask of who generates is said where it is not done.

use std::path::Path;
use std::process::Output;

use serde_json::Value as Json;

use crate::support::run;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

fn went(dir: &Path, args: &[&str]) -> String {
    let done = run(dir, &[args, &["--no-cache", "--quiet"]].concat());
    assert!(done.status.success(), "{args:?}: {}", said(&done));
    said(&done)
}

/// A folder with prompts of token ids and a direction.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ids.jsonl"), "{\"id\":\"a\",\"tokens\":[1,5,9]}\n").unwrap();
    // An array of NumPy, as wide as the models.
    let mut array = b"\x93NUMPY\x01\0\x76\0".to_vec();
    array.extend(format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (32,), }").bytes());
    array.extend((0..32_u8).flat_map(|i| f32::from(i).to_le_bytes()));
    std::fs::write(dir.path().join("d.npy"), array).unwrap();
    let import = [
        "direction",
        "import",
        "d.npy",
        "--site",
        "resid_post.1",
        "--sign",
        "a over b",
        "--out",
        "d.safetensors",
    ];
    let done = run(dir.path(), &import);
    assert!(done.status.success(), "{}", said(&done));
    dir
}

#[test]
fn token_ids_need_no_tokenizer() {
    let dir = folder();
    let llama = format!("{FIXTURES}/families/llama");
    let with = |verb: &str, rest: &str| -> Vec<String> {
        let all = format!("{verb} --model {llama} --input ids.jsonl {rest}");
        all.split(' ').map(str::to_owned).collect()
    };
    let go = |verb: &str, rest: &str| {
        went(dir.path(), &with(verb, rest).iter().map(String::as_str).collect::<Vec<_>>())
    };
    for positions in ["all", "0..2", "last"] {
        let text = go("read", &format!("--site resid_post.1 --positions {positions} --out o.safetensors"));
        assert!(text.contains("1 prompt,"), "{text}");
    }
    let text = go("monitor", "--direction d.safetensors --max-new-tokens 2");
    assert!(["#1", "#5", "#9"].iter().all(|piece| text.contains(piece)), "{text}");
    go(
        "steer",
        "--direction d.safetensors --alpha 0,2 --alpha-unit absolute --max-new-tokens 3 --no-damage --out s.jsonl",
    );
    let rows = std::fs::read_to_string(dir.path().join("s.jsonl")).unwrap();
    let rows: Vec<Json> = rows.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let ids: Vec<String> = row["tokens"].as_array().unwrap().iter().map(|id| format!("#{id}")).collect();
        assert!(!ids.is_empty() && row["text"] == ids.join(" "), "{row}");
    }
    go("read", "--site resid_post.1 --positions all --out o.safetensors --dry-run");
    go(
        "steer",
        "--direction d.safetensors --alpha 0,2 --alpha-unit absolute --max-new-tokens 3 --no-damage --dry-run",
    );
    // A text still can't go in.
    std::fs::write(dir.path().join("text.txt"), "the hat\n").unwrap();
    let done = run(
        dir.path(),
        &[
            "read",
            "--model",
            &llama,
            "--input",
            "text.txt",
            "--site",
            "embed",
            "--no-cache",
            "--out",
            "o.safetensors",
        ],
    );
    assert!(done.status.code() == Some(2) && said(&done).contains("can't take text"), "{}", said(&done));
}

#[test]
fn what_generation_config_asks_for_beyond_its_ends_is_said_once_where_text_is_generated() {
    let dir = folder();
    let model = dir.path().join("model");
    std::fs::create_dir(&model).unwrap();
    for entry in std::fs::read_dir(format!("{FIXTURES}/cases/_models/llama")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
    }
    let file = model.join("generation_config.json");
    let mut config: Json = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let steer = "steer --model model --input ids.jsonl --direction d.safetensors --alpha 0 --alpha-unit absolute --max-new-tokens 2 --no-damage";
    let steer: Vec<&str> = steer.split(' ').collect();
    assert!(!went(dir.path(), &steer).contains("generation_config"));
    config["repetition_penalty"] = 1.8.into();
    config["begin_suppress_tokens"] = vec![5].into();
    std::fs::write(&file, config.to_string()).unwrap();
    let text = went(dir.path(), &steer);
    assert_eq!(
        text.matches("asks for repetition_penalty = 1.8, begin_suppress_tokens = [5]").count(),
        1,
        "{text}"
    );
    let read = "read --model model --input ids.jsonl --site resid_post.1 --out o.safetensors";
    let text = went(dir.path(), &read.split(' ').collect::<Vec<_>>());
    assert!(!text.contains("repetition_penalty"), "{text}");
}
