//! Disks that are small, full, or wrong.

use std::collections::HashSet;

use truenorth_protocol::{Graph, Site};

use super::support::*;

/// Logits of four tokens: an answer of some kB.
fn some() -> Graph {
    steer(&[&[1, 2, 3, 4]], &[1.0])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_answers_of_who_has_most_give_way() {
    let (server, dir) = fresh(Held::new(), |o| {
        keys(o);
        o.limits.spool_bytes = 200 << 10;
    })
    .await;
    let (ada, bob) = (server.keyed("key-of-ada"), server.keyed("key-of-bob"));
    let kept = bob.submit(&some(), &Send::default()).await;
    bob.end(&kept).await;
    let mut ids = Vec::new();
    for _ in 0..40 {
        let id = ada.submit(&some(), &Send::default()).await;
        ada.end(&id).await;
        ids.push(id);
    }
    assert_eq!(detail(ada.get(&format!("/response/{}", ids[0])).await).await.0, 404);
    ada.answer(ids.last().unwrap()).await;
    // One who has little loses nothing to one who has much.
    bob.answer(&kept).await;
    let folders = std::fs::read_dir(dir.path()).unwrap().flatten().filter(|e| e.path().is_dir()).count();
    assert!(folders < 20, "{folders}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_room_is_refused_before_it_is_taken() {
    let model = Held::new();
    model.hold();
    let (server, dir) = fresh(model.clone(), |o| o.limits.spool_bytes = 200 << 10).await;
    let client = server.client();
    let mut taken = Vec::new();
    let refused = loop {
        let response = client.send(&some(), &Send::default()).await;
        if response.status() != 200 {
            break response;
        }
        taken.push(response.json::<serde_json::Value>().await.unwrap()["id"].as_str().unwrap().to_owned());
        assert!(taken.len() < 100, "the spool never fills");
    };
    assert!(refused.headers().contains_key("retry-after"));
    let (status, why) = detail(refused).await;
    assert!(status == 507 && why.contains("bytes of disk"), "{status} {why}");
    assert!(!taken.is_empty());
    model.release();
    for id in &taken {
        client.answer(id).await;
    }
    // What was taken is there, all of it, and nothing else is.
    let folders: HashSet<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .flatten()
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(folders, taken.into_iter().collect());
}

/// By hand, on a disk of 2 MB that others fill too: `TRUENORTH_SMALL_DISK` names a folder on one, such as
/// `mount -t tmpfs -o size=2m none DIR`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a small disk"]
async fn nothing_that_was_taken_is_lost_to_a_full_disk() {
    let disk = std::path::PathBuf::from(std::env::var("TRUENORTH_SMALL_DISK").unwrap());
    let spool = disk.join("spool");
    let model = Held::new();
    model.hold();
    let mut o = options(&spool);
    o.limits.jobs_per_client = 256;
    let server = start(model.clone(), o).await;
    let client = server.client();
    let (mut taken, mut refused) = (Vec::new(), 0);
    for _ in 0..200 {
        let response = client.send(&some(), &Send::default()).await;
        match response.status().as_u16() {
            200 => {
                let body: serde_json::Value = response.json().await.unwrap();
                taken.push(body["id"].as_str().unwrap().to_owned());
            }
            507 => refused += 1,
            status => panic!("{status}"),
        }
    }
    // Somebody else takes what is left.
    let mut ballast = Vec::new();
    for size in [256 << 10, 16 << 10, 4096] {
        loop {
            let path = disk.join(format!("ballast-{}", ballast.len()));
            if std::fs::write(&path, vec![1; size]).is_err() {
                let _ = std::fs::remove_file(&path);
                break;
            }
            ballast.push(path);
        }
    }
    model.release();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    ballast.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    for id in &taken {
        client.answer(id).await;
    }
    println!("{} taken and answered, {refused} refused, 0 lost", taken.len());
    server.stop().await;
    std::fs::remove_dir_all(spool).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_answer_is_not_sent_under_its_tag() {
    let dir = tempfile::tempdir().unwrap();
    let model = Held::new();
    let server = start(model.clone(), options(dir.path())).await;
    let client = server.client();
    let (first, second) =
        (client.submit(&some(), &Send::default()).await, client.submit(&some(), &Send::default()).await);
    client.answer(&first).await;
    client.answer(&second).await;
    let flip = |id: &str| {
        let path = dir.path().join(id).join("answer");
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    };
    flip(&first);
    let (status, why) = detail(client.get(&format!("/result/{first}")).await).await;
    assert!(status == 410 && why.contains("SHA-256") && why.contains("\nhint: "), "{status} {why}");
    assert_eq!(client.end(&first).await["status"], "ERROR");
    server.stop().await;
    // Nor after a restart.
    flip(&second);
    let server = start(model, options(dir.path())).await;
    let client = server.client();
    assert_eq!(client.end(&first).await["status"], "ERROR");
    assert_eq!(detail(client.get(&format!("/result/{second}")).await).await.0, 410);
}

/// Bits that flip on a disk leave its times as they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_flips_in_a_large_answer_once_it_was_read_breaks_the_next_reading() {
    let (server, dir) = fresh(Held::new(), |_| {}).await;
    let client = server.client();
    let prompts: Vec<Vec<u32>> = vec![vec![1; 64]; 80];
    let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let id = client.submit(&steer(&prompts, &vec![1.0; prompts.len()]), &Send::default()).await;
    client.answer(&id).await;
    let path = dir.path().join(&id).join("answer");
    let mut bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 1 << 20, "{}", bytes.len());
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    let result = format!("/result/{id}");
    // A range before it is what was written; one with it, or the whole, is not sent to its end.
    let range = |range: String| client.ask(reqwest::Method::GET, &result).header("range", range);
    let good = range("bytes=10-99".into()).send().await.unwrap();
    assert_eq!((good.status().as_u16(), good.bytes().await.unwrap().as_ref()), (206, &bytes[10..100]));
    assert!(client.get(&result).await.bytes().await.is_err());
    assert_eq!(client.end(&id).await["status"], "ERROR");
    assert_eq!(client.get(&result).await.status(), 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_was_changed_on_disk_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let model = Held::new();
    model.hold();
    let mut hasty = options(dir.path());
    hasty.grace = std::time::Duration::ZERO;
    let server = start(model.clone(), hasty).await;
    let id = server.client().submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    server.stop().await;
    let other = read(Site::Embed, &[&[2]]).to_bytes().unwrap();
    std::fs::write(dir.path().join(&id).join("payload"), other).unwrap();
    model.release();
    let server = start(model, options(dir.path())).await;
    let end = server.client().end(&id).await;
    assert!(end["status"] == "ERROR" && end["description"].as_str().unwrap().contains("SHA-256"), "{end}");
}
