//! `truenorth serve` as a process: killed, interrupted, misused.

use std::path::Path;
use std::process::{Command, Output};

use truenorth_protocol::{Builder, ReadAt, Site};

use super::process::{Process, command, name, served};
use super::support::*;

fn serve(dir: &Path) -> (Process, String) {
    served(command(dir, &[]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (process, url) = serve(dir.path());
    let client = Client::new(&url, None);
    let how = serde_json::json!({ "model_key": name(&client).await });
    let mut ids = Vec::new();
    for i in 0..12 {
        let mut b = Builder::new();
        let g = b.texts([format!("the hat {i}")]);
        let r = b.read(g, Site::ResidPost(i % 2), ReadAt::All);
        b.save("r", r);
        let response = client.form(form(&how, b.finish().to_bytes().unwrap())).await;
        assert_eq!(response.status(), 200);
        ids.push(response.json::<serde_json::Value>().await.unwrap()["id"].as_str().unwrap().to_owned());
    }
    // SIGKILL: no goodbye.
    drop(process);
    let (_process, url) = serve(dir.path());
    let client = Client::new(&url, None);
    for id in ids {
        assert!(client.answer(&id).await.tensor("r").is_some());
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn signals_end_it_in_good_order() {
    let dir = tempfile::tempdir().unwrap();
    for signal in ["-INT", "-TERM"] {
        let (mut process, _) = serve(dir.path());
        let id = process.0.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let status = tokio::task::spawn_blocking(move || process.0.wait().unwrap()).await.unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[test]
fn what_can_not_be_served_is_said_before_anything_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| -> Output { command(dir.path(), args).output().unwrap() };
    let keys = dir.path().join("keys");
    std::fs::write(&keys, "# none\n").unwrap();
    for (args, why) in [
        (vec!["--listen", "0.0.0.0:0"], "--api-key-file"),
        (vec!["--api-key-file", "nowhere"], "nowhere"),
        (vec!["--api-key-file", keys.to_str().unwrap()], "no API key"),
        (vec!["--keep", "1 day"], "expected a number with s, m, h or d"),
        (vec!["--max-jobs", "0"], "at least 1"),
    ] {
        let out = run(&args);
        let text = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{args:?} {text}");
        assert!(text.contains(why) && out.stdout.is_empty(), "{args:?} {text}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(&keys, "key-of-ada\n").unwrap();
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o666)).unwrap();
        let out = run(&["--api-key-file", keys.to_str().unwrap()]);
        let text = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(2) && text.contains("can be written by others"), "{text}");
        assert!(text.contains("chmod 600"), "{text}");
    }
    let foreign = dir.path().join("work");
    std::fs::create_dir_all(foreign.join("2f1c39a8-0000-4000-8000-000000000000")).unwrap();
    let thesis = foreign.join("2f1c39a8-0000-4000-8000-000000000000/thesis.txt");
    std::fs::write(&thesis, "years").unwrap();
    let out = run(&["--spool", foreign.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(2) && text.contains("is no spool"), "{text}");
    assert_eq!(std::fs::read_to_string(thesis).unwrap(), "years");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let out = run(&["--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("hint: "));
}
