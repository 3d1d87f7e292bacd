use std::path::Path;

use super::*;

const SMALL: &str = "{\"id\": \"a\", \"text\": \"one\"}\n";

fn put(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn files(path: &Path) -> Vec<String> {
    let split = Split::of(path).unwrap().unwrap();
    split.files.iter().map(|f| f.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn refused(path: &Path, what: &str, remedy: &str) {
    let e = Split::of(path).unwrap_err();
    let hint = e.hint().unwrap_or_default();
    assert!(e.to_string().contains(what) && hint.contains(remedy), "{e}: {hint}");
}

#[test]
fn a_folder_with_a_card_is_what_the_card_names() {
    let dir = tempfile::tempdir().unwrap();
    let card = "---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*.jsonl\n  \
                - split: test\n    path:\n    - other/t.csv\n---\n\n# A set\n";
    put(dir.path(), "README.md", card);
    put(dir.path(), "data/train-00000-of-00002.jsonl", SMALL);
    put(dir.path(), "data/train-00001-of-00002.jsonl", &SMALL.replace("\"a\"", "\"b\""));
    put(dir.path(), "other/t.csv", "id,text\nx,y\n");
    refused(dir.path(), "has the splits train, test", "/train");
    assert_eq!(files(&dir.path().join("train")).len(), 2);
    assert_eq!(files(&dir.path().join("test")), ["t.csv"]);
    refused(&dir.path().join("dev"), "no split `dev`", "/train");
    // Parts follow each other as JSON lines; one file is read as it is.
    let train = Split::of(&dir.path().join("train")).unwrap().unwrap();
    let rows = crate::read_prompts(train.open().unwrap(), &train.name).unwrap().rows;
    assert_eq!(rows.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(train.name.ends_with("train (2 files)"), "{}", train.name);
    let test = Split::of(&dir.path().join("test")).unwrap().unwrap();
    assert_eq!(test.bytes().unwrap(), b"id,text\nx,y\n");
    assert_eq!(data_sha256(&dir.path().join("test")), data_sha256(&dir.path().join("other/t.csv")));
    // A file is itself, and nothing is nothing.
    assert_eq!(Split::of(&dir.path().join("other/t.csv")).unwrap(), None);
    assert_eq!(Split::of(Path::new("not/there/at/all")).unwrap(), None);
}

#[test]
fn configurations_are_named_or_the_default_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let card = |default: &str| {
        format!(
            "---\nconfigs:\n- config_name: en\n  data_files: en.jsonl\n{default}- config_name: de\n  data_files: [\"de/*\"]\n- \
             config_name: by\n  data_dir: named\n---\n"
        )
    };
    put(dir.path(), "README.md", &card(""));
    for file in ["en.jsonl", "de/a.jsonl", "named/train.jsonl", "named/validation.jsonl"] {
        put(dir.path(), file, SMALL);
    }
    put(dir.path(), "de/notes.pdf", "");
    refused(dir.path(), "has the configurations en, de, by", "/en");
    assert_eq!(files(&dir.path().join("en")), ["en.jsonl"]);
    // A folder of that name is a folder first.
    assert_eq!(files(&dir.path().join("de")), ["a.jsonl"]);
    assert_eq!(files(&dir.path().join("by/validation")), ["validation.jsonl"]);
    refused(&dir.path().join("by"), "has the splits train, validation", "by/train");
    refused(&dir.path().join("by/test"), "no split `test`", "by/train");
    put(dir.path(), "README.md", &card("  default: true\n"));
    assert_eq!(files(dir.path()), ["en.jsonl"]);
    assert_eq!(files(&dir.path().join("train")), ["en.jsonl"]);
}

#[test]
fn a_folder_without_a_card_goes_by_the_names_of_its_files() {
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), "without files of a data set", ".parquet");
    put(dir.path(), "README.md", "# A model\n");
    put(dir.path(), "config.json", "{}");
    refused(dir.path(), "without files of a data set", ".parquet");
    put(dir.path(), "one.jsonl", SMALL);
    assert_eq!(files(dir.path()), ["one.jsonl"]);
    // Two tables are no data set by lying in one folder.
    put(dir.path(), "two.jsonl", SMALL);
    refused(dir.path(), "several files: one.jsonl, two.jsonl", "one.jsonl");
    put(dir.path(), "my-dev.csv", "text\na\n");
    put(dir.path(), "test/x.jsonl", SMALL);
    refused(dir.path(), "has the splits validation, test", "/validation");
    assert_eq!(files(&dir.path().join("validation")), ["my-dev.csv"]);
    // A name that is no split is no data set's fault.
    assert_eq!(Split::of(&dir.path().join("other")).unwrap(), None);
    put(dir.path(), "kept/state.json", "{}");
    refused(&dir.path().join("kept"), "save_to_disk", "to_parquet");
}

#[test]
fn a_card_that_names_no_files_is_refused_with_what_it_names() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "x.jsonl", SMALL);
    let with =
        |files: &str| put(dir.path(), "README.md", &format!("---\nconfigs:\n- data_files: {files}\n---\n"));
    for (files, what) in [
        ("gone-*.parquet", "names `gone-*.parquet` for the split `train`"),
        ("../x.jsonl", "names `../x.jsonl`, which is no pattern"),
        ("/etc/*", "names `/etc/*`"),
        ("\"hf://datasets/a/b.parquet\"", "names `hf://"),
        ("3", "`data_files` of `default` names no files"),
        ("[", "is no YAML"),
    ] {
        with(files);
        refused(dir.path(), what, "name the file itself");
    }
    put(dir.path(), "README.md", "---\nconfigs: x\n---\n");
    refused(dir.path(), "`configs` is no list", "README.md");
}
