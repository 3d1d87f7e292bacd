//! HTTPS, with a certificate made for the test.

use std::path::PathBuf;

use truenorth::server::{Server, ServerError};
use truenorth_protocol::Site;

use super::support::*;

/// A certificate for this machine and its key, as files.
fn certificate(dir: &std::path::Path) -> (PathBuf, PathBuf, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key, made.cert.pem().into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_over_tls_and_plain_words_do_not() {
    let files = tempfile::tempdir().unwrap();
    let (cert, key, root) = certificate(files.path());
    let (server, _dir) = fresh(Held::new(), |o| {
        keys(o);
        o.tls = Some((cert, key));
    })
    .await;
    assert!(server.url.starts_with("https://127.0.0.1:"));
    let mut client = Client::new(&server.url.replace("127.0.0.1", "localhost"), Some("key-of-ada"));
    client.http = http()
        .tls_certs_only([reqwest::Certificate::from_pem(&root).unwrap()])
        .resolve("localhost", server.url.trim_start_matches("https://").parse().unwrap())
        .build()
        .unwrap();
    let response = client.get("/model").await;
    assert_eq!((response.status().as_u16(), response.version()), (200, reqwest::Version::HTTP_11));
    let graph = read(Site::Embed, &[&[1]]);
    client.answer(&client.submit(&graph, &Send::default()).await).await;
    // Who does not know the certificate hangs up, and so does the server on who speaks plainly.
    let stranger = http().build().unwrap();
    assert!(stranger.get(format!("{}/model", server.url)).send().await.is_err());
    let plain = server.url.replace("https", "http");
    assert!(stranger.get(format!("{plain}/model")).send().await.is_err());
    assert_eq!(client.get("/healthz").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_certificate_is_named() {
    let files = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(files.path());
    let other = tempfile::tempdir().unwrap();
    let (_, wrong, _) = certificate(other.path());
    let bad = |cert: &PathBuf, key: &PathBuf| {
        let spool = tempfile::tempdir().unwrap();
        let mut o = options(spool.path());
        o.tls = Some((cert.clone(), key.clone()));
        async move { Server::bind(Held::new(), o).await.err().unwrap() }
    };
    for (cert, key, named) in [(&cert, &wrong, &wrong), (&key, &key, &key), (&cert, &cert, &cert)] {
        let error = bad(cert, key).await;
        assert!(error.is_request() && error.hint().is_some(), "{error}");
        assert!(error.to_string().contains(named.to_str().unwrap()), "{error}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(bad(&cert, &key).await, ServerError::Writable { .. }));
    }
}
