//! The verb `arena`: seasons by the command line, and a board that is served, killed and served again.

use std::sync::Mutex;
use std::time::Duration;

use rand::Rng as _;
use rand::SeedableRng as _;
use serde_json::{Value, json};
use truenorth_protocol::Site;

use crate::support::MODEL;
use crate::support::arena::{
    Served, board, done, opened, refused, scores, season, season_at, submit, text, until_scored,
};

#[test]
fn seasons_are_made_opened_listed_and_closed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert!(refused(dir, &["arena", "serve", "arena"], 2).contains("arena season new"));
    opened(dir, "one", "");
    let list: Value = serde_json::from_str(&done(dir, &["arena", "season", "list", "--json"]).0).unwrap();
    assert_eq!(
        (&list[0]["name"], &list[0]["state"], list[0]["seal"].as_str().unwrap().len()),
        (&json!("one"), &json!("open"), 64)
    );
    assert!(done(dir, &["arena", "season", "list"]).0.contains("open"));
    season(dir, "two", "");
    done(dir, &["arena", "season", "new", "two.toml"]);
    assert!(refused(dir, &["arena", "season", "open", "two"], 2).contains("`one` is open"));
    assert!(refused(dir, &["arena", "season", "new", "one.toml"], 2).contains("never edited"));
    assert!(refused(dir, &["arena", "season", "open", "three"], 2).contains("one, two"));
    assert!(refused(dir, &["arena", "serve", "arena", "--dry-run"], 2).contains("no dry run"));
    let probes = dir.join("arena/seasons/one/probes.txt");
    let was = std::fs::read(&probes).unwrap();
    std::fs::write(&probes, "another probe\n").unwrap();
    assert!(refused(dir, &["arena", "serve", "arena"], 1).contains("probes.txt has the SHA-256"));
    std::fs::write(&probes, was).unwrap();
    done(dir, &["arena", "season", "close", "one"]);
    refused(dir, &["arena", "season", "close", "one"], 2);
    assert!(refused(dir, &["arena", "report", "--season", "one"], 2).contains("0 entries"));
}

/// Killed at random moments while many submit, and served again: every text that was sent is there once, with the score
/// that it has where nothing was killed.
#[test]
fn what_was_accepted_is_scored_once_whatever_is_killed() {
    const TEXTS: usize = 60;
    const KILLS: usize = 6;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&first, &second] {
        opened(dir.path(), "one", "per_minute = 1000");
    }
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(20);
    let served = Mutex::new(Served::start(first.path(), &[]));
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let served = &served;
                scope.spawn(move || {
                    for i in (sender..TEXTS).step_by(4) {
                        // Whoever gets no answer sends again: taken once, it is a copy then.
                        for attempt in 0.. {
                            assert!(attempt < 400, "text {i} is never taken");
                            let host = served.lock().unwrap().host.clone();
                            match submit(&host, i, &text(i)) {
                                Some((202 | 409, _)) => break,
                                Some((status, body)) => panic!("{status} {body}"),
                                None => std::thread::sleep(Duration::from_millis(25)),
                            }
                        }
                    }
                })
            })
            .collect();
        for _ in 0..KILLS {
            std::thread::sleep(Duration::from_millis(rng.random_range(5..120)));
            let mut held = served.lock().unwrap();
            held.child.kill().unwrap();
            held.child.wait().unwrap();
            *held = Served::start(first.path(), &[]);
        }
        senders.into_iter().for_each(|s| s.join().unwrap());
    });
    let served = served.into_inner().unwrap();
    until_scored(&served.host);
    let killed = board(&served.host);
    served.kill();
    let calm = Served::start(second.path(), &[]);
    for i in 0..TEXTS {
        assert_eq!(submit(&calm.host, i, &text(i)).unwrap().0, 202);
    }
    until_scored(&calm.host);
    let wanted = board(&calm.host);
    calm.kill();
    assert_eq!(scores(&killed).len(), TEXTS);
    assert_eq!(scores(&killed), scores(&wanted));

    // The season as it is goes elsewhere by copying its folder, and is the same there.
    let moved = tempfile::tempdir().unwrap();
    let to = moved.path().join("backup");
    done(first.path(), &["arena", "backup", "--to", to.to_str().unwrap()]);
    let dir = to.to_str().unwrap();
    let checked = done(moved.path(), &["arena", "check", "--dir", dir, "--entries", "10", "--quiet"]).0;
    let checked: Value = serde_json::from_str(&checked).unwrap();
    assert_eq!(
        (&checked["board"]["inversions"], &checked["baselines"], &checked["entries"]),
        (&json!(0), &json!(0.0), &json!(TEXTS))
    );
    for (out, at_least) in [("board.jsonl", TEXTS), ("board.csv", TEXTS), ("board.parquet", 1), ("set/", 0)] {
        done(moved.path(), &["arena", "export", "--dir", dir, "--out", out]);
        let path = moved.path().join(out);
        let bytes = if path.is_dir() {
            std::fs::read(path.join("README.md")).unwrap()
        } else {
            std::fs::read(&path).unwrap()
        };
        assert!(bytes.iter().filter(|b| **b == b'\n').count() >= at_least, "{out}");
        assert!(!bytes.windows(3).any(|w| w == b"ada"), "{out} has a handle");
    }
    assert!(moved.path().join("set/data/train-00000-of-00001.parquet").is_file());
    let args = [
        "arena",
        "report",
        "--dir",
        dir,
        "--out",
        "report.json",
        "--report",
        "page/",
        "--held-out",
        "probes2.txt",
        "--board",
        "other=board.jsonl",
        "--draws",
        "0",
        "--null-draws",
        "50",
        "--permutations",
        "99",
        "--quiet",
    ];
    std::fs::write(moved.path().join("probes2.txt"), "no hat at all\nthe cup and the tin\n").unwrap();
    done(moved.path(), &args);
    let report: Value =
        serde_json::from_slice(&std::fs::read(moved.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(report["result"]["board"]["sequences"], TEXTS);
    assert!(report["result"]["board"]["rank_changes"]["correlation"]["value"].is_f64());
    assert!(
        (report["result"]["transfer"]["pairs"][0]["spearman"]["value"].as_f64().unwrap() - 1.0).abs() < 1e-12
    );
    assert!(
        std::fs::read_to_string(moved.path().join("page/report.html")).unwrap().contains("probes held out")
    );
}

/// A season over a band is reported as whole as one of a single site, with what `score` says of the same texts.
#[test]
fn a_season_over_several_sites_has_a_whole_report() {
    const TEXTS: usize = 12;
    for over in ["mean", "worst"] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let sites = [Site::ResidPost(0), Site::ResidPost(1)];
        season_at(dir, "one", "per_minute = 1000", &sites, &format!("over = \"{over}\"\n"));
        done(dir, &["arena", "season", "new", "one.toml"]);
        done(dir, &["arena", "season", "open", "one", "--quiet"]);
        let served = Served::start(dir, &[]);
        for i in 0..TEXTS {
            assert_eq!(submit(&served.host, i, &text(i)).unwrap().0, 202);
        }
        until_scored(&served.host);
        served.kill();
        std::fs::write(dir.join("probes2.txt"), "no hat at all\nthe cup and the tin\n").unwrap();
        done(dir, &["arena", "export", "--out", "entries.jsonl"]);
        let alike = ["--draws", "0", "--null-draws", "50", "--permutations", "99", "--quiet"];
        let report =
            ["arena", "report", "--out", "report.json", "--report", "page/", "--held-out", "probes2.txt"];
        done(dir, &[&report[..], &["--board", "other=entries.jsonl"], &alike].concat());
        let score =
            ["score", "--model", MODEL, "--direction", "values.safetensors", "--probes", "probes.txt"];
        let of = [
            "--sequences",
            "entries.jsonl",
            "--over",
            over,
            "--out",
            "board.jsonl",
            "--summary",
            "score.json",
        ];
        done(dir, &[&score[..], &of, &alike].concat());
        let read = |file: &str| -> Value {
            serde_json::from_slice(&std::fs::read(dir.join(file)).unwrap()).unwrap()
        };
        let (found, wanted) = (read("report.json"), read("score.json"));
        let (own, by_score) = (&found["result"]["board"], &wanted["result"]);
        assert_eq!(own["sequences"], TEXTS);
        let names = json!(["resid_post.0", "resid_post.1"]);
        assert_eq!(own["over"], json!({ "over": over, "sites": names }));
        assert_eq!(
            (&found["choices"]["over"], &found["choices"]["site"]),
            (&json!(over), &json!("resid_post.0,resid_post.1"))
        );
        for part in ["over", "z_bound", "largest_z", "asymmetry", "family"] {
            assert!(!own[part].is_null(), "{over}: no {part}");
        }
        assert_eq!((&own["over"], &own["z_bound"]), (&by_score["over"], &by_score["z_bound"]));
        let rows = |of: &Value| -> Vec<(String, usize, String, usize)> {
            let one = |r: &Value| {
                let score = r["score"]["value"].as_f64().unwrap();
                let text = r["text"].as_str().unwrap().to_owned();
                (
                    text,
                    r["rank"].as_u64().unwrap() as usize,
                    format!("{score:.9}"),
                    r["sites"].as_array().unwrap().len(),
                )
            };
            let mut all: Vec<_> = of["rows"].as_array().unwrap().iter().map(one).collect();
            all.sort();
            all
        };
        assert_eq!(rows(own), rows(by_score));
        assert_eq!((rows(own).len(), rows(own)[0].3), (TEXTS, 2));
        // Other probes and other boards are beside it, as they are of a single site.
        assert!(own["rank_changes"]["correlation"]["value"].is_f64());
        let rho = found["result"]["transfer"]["pairs"][0]["spearman"]["value"].as_f64().unwrap();
        assert!((rho - 1.0).abs() < 1e-12);
        let page = std::fs::read_to_string(dir.join("page/report.html")).unwrap();
        assert!(page.contains("probes held out") && page.contains("resid_post.0"));
        let kept = ["arena", "report", "--no-model", "--out", "kept.json"];
        done(dir, &[&kept[..], &alike[2..]].concat());
        let kept = read("kept.json");
        let z = kept["result"]["kept"]["rows"][0]["z_bound"].as_f64().unwrap();
        assert!((z - own["z_bound"].as_f64().unwrap()).abs() < 1e-9, "{over}: {z}");
    }
}
