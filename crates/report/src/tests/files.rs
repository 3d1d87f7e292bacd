use super::super::{Document, HTML_NAME, JSON_NAME, ReportError, render, write};
use super::demo::demo;

#[test]
fn both_files_are_written_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("runs/demo");
    let paths = write(&out, &demo()).unwrap();
    assert_eq!(paths, [out.join(JSON_NAME), out.join(HTML_NAME)]);
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2);
    assert_eq!(render::from_json(&std::fs::read_to_string(&paths[0]).unwrap()).unwrap(), demo());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&paths[1]).unwrap().permissions().mode();
        assert_eq!(mode & 0o400, 0o400);
        assert_eq!(mode & 0o111, 0, "a report is not executable");
    }
}

#[test]
fn an_invalid_document_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &demo()).unwrap();
    let before = std::fs::read(dir.path().join(JSON_NAME)).unwrap();
    let error = write(dir.path(), &Document::default()).unwrap_err();
    assert_eq!(error.to_string(), "report /title: blank text, expected words");
    assert_eq!(std::fs::read(dir.path().join(JSON_NAME)).unwrap(), before);
}

#[test]
fn what_another_hand_wrote_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    for name in [JSON_NAME, HTML_NAME] {
        let path = dir.path().join(name);
        for theirs in ["<html><body>generator</body></html>", "{\"schema\": \"other\"}", "\u{0}\u{1}"] {
            std::fs::write(&path, theirs).unwrap();
            let error = write(dir.path(), &demo()).unwrap_err();
            assert!(matches!(&error, ReportError::Foreign { path: p } if *p == path), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), theirs);
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        }
        // Nothing is lost with an empty file.
        std::fs::write(&path, "").unwrap();
        write(dir.path(), &demo()).unwrap();
        // What was written by this program is replaced, whichever report it is.
        write(dir.path(), &Document { title: "another".into(), ..demo() }).unwrap();
        assert!(std::fs::read_to_string(dir.path().join(HTML_NAME)).unwrap().contains("another"));
        [JSON_NAME, HTML_NAME].iter().for_each(|n| std::fs::remove_file(dir.path().join(n)).unwrap());
    }
}

#[test]
fn a_folder_that_is_a_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("taken");
    std::fs::write(&path, "x").unwrap();
    let error = write(&path, &demo()).unwrap_err();
    assert!(matches!(&error, ReportError::Write { path: p, .. } if *p == path), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn the_page_names_the_hash_of_the_data_file() {
    let json = render::json(&demo()).unwrap();
    let hash = truenorth_protocol::hash::sha256_hex(json.as_bytes());
    assert!(render::html(&demo()).contains(&hash));
}

/// Writes the demo into `target/report-demo`, to be looked at.
#[test]
#[ignore = "writes files to look at"]
fn demo_to_look_at() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/report-demo");
    write(&dir, &demo()).unwrap();
    for section in demo().sections {
        for block in section.blocks {
            if let super::super::Block::Figure(figure) = block {
                std::fs::write(dir.join(format!("{}.svg", figure.id)), render::figure_svg(&figure)).unwrap();
            }
        }
    }
}
