//! `probe`, `audit` and `geometry` on a tiny model with a tokenizer: fields, pages, exit codes.

use std::path::Path;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{MODEL, ok, run, write_pairs};

const WORDS: [&str; 12] =
    ["hat", "tin", "cup", "old", "new", "red", "man", "sea", "dog", "sun", "box", "ice"];

/// A few words that no two numbers share in this order.
fn phrase(i: usize) -> String {
    format!("{} {} {}", WORDS[i % 12], WORDS[(i / 12 + i + 1) % 12], WORDS[(i / 144 + 5 * i + 2) % 12])
}

fn write(path: &Path, rows: &[Json]) {
    let lines: Vec<String> = rows.iter().map(Json::to_string).collect();
    std::fs::write(path, lines.join("\n")).unwrap();
}

/// Pairs of which one text ends otherwise than the other.
fn ends(count: usize, from: usize, chosen: &str, rejected: &str) -> Vec<Json> {
    let row = |i: usize| {
        let (aligned, prompt) = (if i.is_multiple_of(2) { "action" } else { "inaction" }, phrase(i));
        json!({"id": format!("e{i}"), "axis": "x", "prompt": prompt, "chosen": chosen, "rejected": rejected,
            "aligned": aligned})
    };
    (from..from + count).map(row).collect()
}

/// Texts of two classes in groups of two, in categories.
fn classes(groups: usize, from: usize, categories: &[&str]) -> Vec<Json> {
    let row = |k: usize| {
        let (i, bad) = (from + k / 2, k.is_multiple_of(2));
        let word = if bad { "no no" } else { "yes" };
        json!({"id": format!("{i}-{word}"), "text": format!("{} {word}", phrase(i)),
            "label": if bad { "bad" } else { "good" }, "category": categories[i % categories.len()],
            "group": format!("g{i}")})
    };
    (0..2 * groups).map(row).collect()
}

fn parsed(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Runs what must be refused as a wrong request, and gives what was said.
fn refused(dir: &Path, args: &[&str]) -> String {
    let out = run(dir, args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{args:?}\n{said}");
    assert!(!dir.join("out.json").exists(), "{args:?} wrote something");
    said
}

/// The page of a verb and the machine's copy of it: a section of this name, plots, and nothing from
/// elsewhere.
fn page(dir: &Path, section: &str) -> Json {
    let html = std::fs::read_to_string(dir.join("report.html")).unwrap();
    assert!(html.contains("<svg") && html.contains(&format!("id=\"{section}\"")), "{section}");
    assert!(!html.contains("src=\"http") && !html.contains("href=\"http"));
    parsed(&dir.join("report.json"))
}

mod audit {
    use super::*;

    const QUICK: [&str; 6] =
        ["--random-directions", "199", "--permutations", "19", "--estimator", "mean-diff"];

    fn place() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        write_pairs(&path("pairs.jsonl"), 24);
        write(&path("action.jsonl"), &ends(16, 0, "the sea", "an ice"));
        write(&path("flip.jsonl"), &ends(12, 40, "yes", "no"));
        write(&path("classes.jsonl"), &classes(12, 70, &["a", "b"]));
        let label = |i: usize| {
            json!({"id": format!("s{i}"), "text": format!("{} {}", phrase(200 + i),
            if i.is_multiple_of(2) { "new" } else { "old" }), "label": i % 2})
        };
        write(&path("tone.jsonl"), &(0..24).map(label).collect::<Vec<_>>());
        dir
    }

    fn audit<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["audit", "--model", MODEL, "--pairs", "pairs.jsonl", "--out", "out.json"], &QUICK[..], more]
            .concat()
    }

    #[test]
    fn a_row_a_confound_with_nulls_verdicts_and_what_they_leave_open() {
        let dir = place();
        let site = ["--site", "resid_post.1", "--confound", "sentiment=tone.jsonl"];
        let sets = ["--confound", "action=action.jsonl", "--confound", "value-flip=flip.jsonl"];
        let own = ["--confound", "mine=classes.jsonl:bad", "--report", "page", "--project-out", "sentiment"];
        let args = audit(&[&site[..], &sets, &own, &["--sentiment", "tone.jsonl"]].concat());
        let out = ok(dir.path(), &args);
        assert!(String::from_utf8_lossy(&out.stdout).contains("circular"));
        let found = parsed(&dir.path().join("out.json"));
        assert_eq!(found["verb"], "audit");
        assert_eq!(found["data"]["confound action"]["rows"], 16);
        let result = &found["result"];
        let rows = result["rows"].as_array().unwrap();
        let names: Vec<&str> = rows.iter().map(|r| r["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["sentiment", "action", "mine"]);
        for row in rows {
            for field in ["cosine", "cosine_unprojected", "p", "own", "groups", "rows"] {
                assert!(row[field].is_number(), "{field}: {row}");
            }
            assert!(row["recovery"]["auroc"].is_number() && row["null_interval"][1].is_number(), "{row}");
            assert!(row["separation"]["interval"]["low"].is_number(), "{row}");
            assert!(row["shuffled"]["draws"] == 19 && row["verdict"].is_string(), "{row}");
            let says = row["says"].as_str().unwrap();
            assert!(says.contains(row["name"].as_str().unwrap()) && says.ends_with('.'), "{row}");
        }
        assert_eq!(rows[0]["verdict"], "circular");
        assert!(rows[0]["p_adjusted"].is_null() && rows[0]["says"].as_str().unwrap().contains("24 of these"));
        assert!(result["family"]["size"].as_u64().unwrap() <= 2);
        let flip = &result["flips"][0];
        assert_eq!(
            (flip["right"]["trials"].as_u64(), flip["pairs"].as_array().map(Vec::len)),
            (Some(12), Some(12))
        );
        assert!(flip["right"]["exact"]["low"].is_number() && flip["relative_strength"].is_number());
        assert_eq!(result["agreement"]["names"].as_array().unwrap().len(), 5);
        assert!(!result["not_shown"].as_array().unwrap().is_empty());
        let report = page(&dir.path().join("page"), "audit");
        // Held-out separation, three confounds, one set of flips.
        assert_eq!(report["front"].as_array().unwrap().len(), 5);

        // The same again is the same file, out of the store.
        let first = std::fs::read(dir.path().join("out.json")).unwrap();
        ok(dir.path(), &args);
        assert_eq!(std::fs::read(dir.path().join("out.json")).unwrap(), first);
    }

    #[test]
    fn a_direction_brings_its_site_and_pipeline_along() {
        let dir = place();
        let to = ["--site", "resid_post.0", "--pairs", "pairs.jsonl", "--permutations", "0"];
        let how = ["--estimator", "lda", "--project-out", "length", "--out", "d.safetensors"];
        ok(dir.path(), &[&["direction", "extract", "--model", MODEL], &to[..], &how].concat());
        let common =
            ["--pairs", "pairs.jsonl", "--out", "out.json", "--permutations", "19", "--no-agreement"];
        let sets = ["--direction", "d.safetensors", "--confound", "action=action.jsonl"];
        let args = [&["audit", "--model", MODEL], &common[..], &sets].concat();
        let said = refused(dir.path(), &[&args[..], &["--site", "resid_post.1"]].concat());
        assert!(said.contains("resid_post.0") && said.contains("resid_post.1"), "{said}");
        ok(dir.path(), &args);
        let found = parsed(&dir.path().join("out.json"));
        let result = &found["result"];
        assert_eq!((&result["site"], &result["estimator"]), (&json!("resid_post.0"), &json!("lda")));
        assert_eq!(result["projected_out"][0]["name"], "length");
        assert!(
            result["given"] == true && result["cosine_to_pipeline"].as_f64().unwrap() > 0.999,
            "{result}"
        );
    }

    #[test]
    fn what_can_not_be_audited_is_refused_by_name() {
        let dir = place();
        let path = |name: &str| dir.path().join(name);
        let site = ["--site", "resid_post.1"];
        let said = |more: &[&str]| refused(dir.path(), &audit(&[&site[..], more].concat()));

        write_pairs(&path("few.jsonl"), 3);
        let few = said(&["--confound", "short=few.jsonl"]);
        assert!(few.contains("`short` has 3 pairs"), "{few}");
        let mut one = classes(12, 70, &["a"]);
        one.retain(|r| r["label"] == "bad");
        write(&path("one.jsonl"), &one);
        let class = said(&["--confound", "alone=one.jsonl:bad"]);
        assert!(class.contains("`alone`") && class.contains("[\"bad\"]"), "{class}");
        let label = said(&["--confound", "x=classes.jsonl"]);
        assert!(label.contains("two labels") && label.contains("not named"), "{label}");
        // Every text ends in the same token, so there is nothing to see at the embedding of it.
        let mut same = ends(12, 0, "hat cup", "red cup");
        same.iter_mut().for_each(|r| r["prompt"] = json!("the"));
        for (i, row) in same.iter_mut().enumerate() {
            row["chosen"] = json!(format!("{} cup", phrase(i)));
            row["rejected"] = json!(format!("{} cup", phrase(i + 50)));
        }
        write(&path("same.jsonl"), &same);
        let at_embed = audit(&["--site", "embed", "--confound", "flat=same.jsonl"]);
        let train = refused(dir.path(), &at_embed);
        assert!(train.contains("`train`") && train.contains("rounding"), "{train}");
        let flips = said(&["--confound", "value-flip=flip.jsonl"]);
        assert!(flips.contains("ranked") && flips.contains("hint:"), "{flips}");
        let twice = said(&["--confound", "a=flip.jsonl", "--confound", "a=action.jsonl"]);
        assert!(twice.contains("`a`"), "{twice}");
        assert!(said(&["--confound", "a"]).contains("NAME=F"));
        let sentiment = said(&["--confound", "a=flip.jsonl", "--project-out", "sentiment"]);
        assert!(sentiment.contains("--sentiment"), "{sentiment}");
        write_pairs(&path("pairs.jsonl"), 3);
        let short = said(&["--confound", "a=flip.jsonl"]);
        assert!(short.contains("5 folds") && short.contains('3'), "{short}");

        // A direction of another width.
        let mut numbers = b"\x93NUMPY\x01\x00".to_vec();
        let head = format!("{:<118}", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }");
        numbers.extend(118_u16.to_le_bytes());
        numbers.extend(head.as_bytes());
        numbers.extend([1.0_f32, 0.0, 0.0].iter().flat_map(|v| v.to_le_bytes()));
        std::fs::write(path("d.npy"), numbers).unwrap();
        let stated = ["--site", "resid_post.1", "--sign", "up", "--out", "wide.safetensors"];
        ok(dir.path(), &[&["direction", "import", "d.npy"], &stated[..]].concat());
        write_pairs(&path("pairs.jsonl"), 12);
        let wide = said(&["--direction", "wide.safetensors", "--confound", "a=flip.jsonl"]);
        assert!(wide.contains("wide.safetensors") && wide.contains('3'), "{wide}");
    }
}

mod probe {
    use super::*;

    const QUICK: [&str; 4] = ["--estimator", "mean-diff", "--permutations", "39"];

    fn place() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("train.jsonl"), &classes(32, 0, &["a", "b"]));
        write(&dir.path().join("test.jsonl"), &classes(16, 40, &["a", "b"]));
        let statement = |k: usize| {
            json!({"id": format!("s{k}"), "text": format!("{} {}", phrase(80 + k / 2),
                if k.is_multiple_of(2) { "new" } else { "old" }), "label": k.is_multiple_of(2),
                "group": format!("s{}", k / 2)})
        };
        write(&dir.path().join("truth.jsonl"), &(0..32).map(statement).collect::<Vec<_>>());
        dir
    }

    fn probe<'a>(more: &[&'a str]) -> Vec<&'a str> {
        let common = ["probe", "--model", MODEL, "--train", "train.jsonl", "--out", "out.json"];
        [&common[..], &["--folds", "4", "--positive", "bad"], more].concat()
    }

    #[test]
    fn every_site_and_set_has_its_interval_and_its_controls_beside() {
        let dir = place();
        let sites = ["--site", "resid_post.0..1", "--test", "other=test.jsonl", "--report", "page"];
        let controls = "random-label,bag-of-words,length,truth=truth.jsonl,random-init";
        ok(dir.path(), &probe(&[&sites[..], &QUICK, &["--controls", controls]].concat()));
        let found = parsed(&dir.path().join("out.json"));
        let result = &found["result"];
        assert_eq!((&found["verb"], result["sites"].as_array().unwrap().len()), (&json!("probe"), 2));
        assert_eq!(found["models"].as_array().unwrap().len(), 2, "the untrained model is named");
        let contrasts = result["contrasts"].as_array().unwrap();
        let names: Vec<&str> = contrasts.iter().map(|c| c["category"].as_str().unwrap()).collect();
        assert_eq!(names, ["all", "a", "b"]);
        for c in contrasts {
            let rows = c["rows"].as_array().unwrap();
            assert_eq!(rows.len(), 4, "two sites, held-out texts and a test set");
            for row in rows {
                assert!(row["auroc"]["value"].is_number() && row["auroc"]["interval"]["low"].is_number());
                for control in ["truth", "random-init", "bag-of-words", "length"] {
                    assert!(row["controls"][control].is_number(), "{control}: {row}");
                }
                assert_eq!(row["controls"]["random-label"].is_number(), row["set"] == "held-out", "{row}");
            }
            assert!(c["held_out"]["null"]["p"].is_number() && c["p_adjusted"].is_number());
            assert_eq!(c["baselines"].as_array().unwrap().len(), 3);
            assert!(c["baselines"][0]["differences"][1]["difference"]["interval"]["low"].is_number());
            assert!(
                c["truth"]["cosines"][1]["value"].is_number()
                    && c["tests"][0]["accuracy"]["value"].is_number()
            );
        }
        assert!(!result["not_shown"].as_array().unwrap().is_empty());
        let report = page(&dir.path().join("page"), "probing");
        assert!(report["front"].as_array().unwrap().len() >= 5);
    }

    #[test]
    fn what_can_not_be_probed_is_refused_by_name() {
        let dir = place();
        let path = |name: &str| dir.path().join(name);
        let site = ["--site", "resid_post.1"];
        let said = |more: &[&str]| refused(dir.path(), &probe(&[&site[..], more].concat()));
        // Groups of the training texts, other texts.
        let mut leak = classes(12, 60, &["a", "b"]);
        leak[0]["group"] = json!("g3");
        write(&path("leak.jsonl"), &leak);
        let leaked = said(&["--test", "late=leak.jsonl"]);
        assert!(leaked.contains("`late` shares 1") && leaked.contains("`g3`") && leaked.contains("hint:"));
        let same = said(&["--test", "late=train.jsonl"]);
        assert!(
            same.contains("set late: 64 of 64 rows are copies") && same.contains("train.jsonl"),
            "{same}"
        );
        let mut one = classes(12, 60, &["a"]);
        one.retain(|r| r["label"] == "bad");
        write(&path("one.jsonl"), &one);
        let class = said(&["--test", "late=one.jsonl"]);
        assert!(class.contains("one.jsonl") && class.contains("[\"bad\"]"), "{class}");
        assert!(said(&["--controls", "luck"]).contains("no control `luck`"));
        assert!(said(&["--estimator", "pca"]).contains("no probe `pca`"));
        let none = said(&["--permutations", "0"]);
        assert!(none.contains("random-label"), "{none}");
        let mut flat = classes(16, 0, &["a"]);
        flat.iter_mut().for_each(|r| r["text"] = json!(format!("{} hat", r["text"].as_str().unwrap())));
        write(&path("train.jsonl"), &flat);
        let constant = refused(dir.path(), &probe(&["--site", "embed"]));
        assert!(constant.contains("`all` at embed") && constant.contains("equal"), "{constant}");
        write(&path("train.jsonl"), &classes(3, 0, &["a"]));
        let few = said(&[]);
        assert!(few.contains("4 folds") && few.contains("`all`"), "{few}");
    }
}

mod geometry {
    use super::*;

    fn place() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("classes.jsonl"), &classes(48, 0, &["a", "b", "c"]));
        dir
    }

    fn geometry<'a>(more: &[&'a str]) -> Vec<&'a str> {
        let common = ["geometry", "--classes", "classes.jsonl", "--positive", "bad", "--out", "out.json"];
        [&common[..], &["--site", "resid_post.1", "--permutations", "99"], more].concat()
    }

    #[test]
    fn one_checkpoint_lays_its_categories_beside_each_other() {
        let dir = place();
        ok(dir.path(), &geometry(&["--checkpoint", MODEL, "--report", "page"]));
        let found = parsed(&dir.path().join("out.json"));
        let result = &found["result"];
        let across = &result["across"][0];
        assert_eq!(across.as_array().unwrap().len(), 4, "the general direction and three categories");
        assert!(across[1][2]["interval"]["low"].is_number() && across[1][2]["null"]["p"].is_number());
        for c in &result["categories"].as_array().unwrap()[1..] {
            for field in ["magnitude", "to_general", "to_others"] {
                assert!(
                    c[field][0]["value"].is_number() && c[field][0]["interval"]["low"].is_number(),
                    "{field}"
                );
            }
            assert!(c["reliability"][0].as_f64().unwrap() > 0.0);
        }
        assert!(result["across_probing"][0][1][2]["auroc"].is_number());
        page(&dir.path().join("page"), "geometry");
    }

    #[test]
    fn the_template_that_is_asked_for_is_around_the_texts() {
        let dir = place();
        let size = |more: &[&str]| {
            // Markup makes texts alike; none is a copy of another.
            let how = ["--checkpoint", MODEL, "--null-draws", "0", "--no-probing", "--near-copies", "1"];
            ok(dir.path(), &geometry(&[&how[..], more].concat()));
            let out = dir.path().join("out.json");
            let found = parsed(&out);
            std::fs::remove_file(out).unwrap();
            found["result"]["categories"][0]["difference"][0]["value"].as_f64().unwrap()
        };
        let (raw, chat) = (size(&[]), size(&["--chat=chatml"]));
        let mut rows = classes(48, 0, &["a", "b", "c"]);
        for row in &mut rows {
            let text = row["text"].as_str().unwrap();
            let marked = format!("<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n");
            row["text"] = json!(marked);
        }
        write(&dir.path().join("classes.jsonl"), &rows);
        let marked = size(&["--special-tokens", "none"]);
        assert!((chat - marked).abs() < 1e-5 * marked, "{chat} {marked}");
        assert!((chat - raw).abs() > 1e-3 * raw, "{chat} {raw}");
    }

    #[test]
    fn several_checkpoints_make_a_course() {
        let dir = place();
        let (one, two) = (format!("random-init:{MODEL}#1"), format!("random-init:{MODEL}#2"));
        ok(dir.path(), &geometry(&["--checkpoint", &one, &two, MODEL, "--report", "page"]));
        let found = parsed(&dir.path().join("out.json"));
        assert_eq!(found["models"].as_array().unwrap().len(), 3);
        let general = &found["result"]["categories"][0];
        assert_eq!(general["course"]["steps"].as_array().unwrap().len(), 2);
        assert_eq!(general["drift"].as_array().unwrap().len(), 2);
        assert_eq!(found["result"]["probing"][0]["cells"].as_array().unwrap().len(), 3);
        page(&dir.path().join("page"), "geometry");
    }

    #[test]
    fn files_are_laid_beside_each_other_by_what_they_say() {
        let dir = place();
        for (site, name) in [("resid_post.0", "a"), ("resid_post.1", "b"), ("resid_post.1", "c")] {
            let to =
                ["--classes", "classes.jsonl", "--positive", "bad", "--site", site, "--permutations", "0"];
            let estimator = if name == "b" { "lda" } else { "mean-diff" };
            let out = format!("{name}.safetensors");
            let how = ["--estimator", estimator, "--out", &out];
            ok(dir.path(), &[&["direction", "extract", "--model", MODEL], &to[..], &how].concat());
        }
        let run = ["geometry", "--out", "out.json", "--direction"];
        let said = refused(dir.path(), &[&run[..], &["b.safetensors", "a.safetensors"]].concat());
        assert!(said.contains("a.safetensors") && said.contains("resid_post.0"), "{said}");
        ok(dir.path(), &[&run[..], &["b.safetensors", "c.safetensors", "--report", "page"]].concat());
        let found = parsed(&dir.path().join("out.json"));
        assert_eq!(found["result"]["checkpoints"], json!(["b", "c"]));
        let step = &found["result"]["courses"][0]["course"]["steps"][0];
        assert!(step["cosine"]["value"].is_number() && step["cosine"]["interval"].is_null(), "{step}");
        page(&dir.path().join("page"), "geometry");
    }

    #[test]
    fn what_has_no_geometry_is_refused_by_name() {
        let dir = place();
        let said = |more: &[&str]| refused(dir.path(), &geometry(more));
        assert!(said(&["--checkpoint", MODEL, "--estimator", "pca"]).contains("pca"));
        assert!(said(&["--checkpoint", MODEL, MODEL]).contains("named twice"));
        assert!(said(&["--checkpoint", "no-such-model"]).contains("no-such-model"));
        let mut rows = classes(48, 0, &["a", "b"]);
        rows.extend(classes(3, 60, &["rare"]));
        write(&dir.path().join("classes.jsonl"), &rows);
        let few = said(&["--checkpoint", MODEL]);
        assert!(few.contains("`rare`") && few.contains("3 positive"), "{few}");
    }
}

#[test]
fn each_verb_shows_an_example() {
    let dir = tempfile::tempdir().unwrap();
    for verb in ["probe", "audit", "geometry"] {
        let out = ok(dir.path(), &[verb, "--help"]);
        let help = String::from_utf8_lossy(&out.stdout);
        assert!(help.contains(&format!("Example:\n  truenorth {verb} ")), "{verb}: {help}");
    }
}
