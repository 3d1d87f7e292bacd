//! Blind sheets, their seals and what raters say.

use super::*;

/// A folder with a sheet of four items, and predictions.
fn rating() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let item = |i: usize| {
        format!("{{\"id\":\"i{i}\",\"prompt\":\"p {i}\",\"steered\":\"kind {i}\",\"base\":\"plain {i}\"}}")
    };
    let items: Vec<String> = (0..8).map(item).collect();
    std::fs::write(dir.path().join("items.jsonl"), items.join("\n")).unwrap();
    let prediction = "[{\"id\":\"wins\",\"claim\":\"steered texts are kinder\",\"share_above\":0.5}]";
    std::fs::write(dir.path().join("p.json"), prediction).unwrap();
    let sheet =
        ["rate", "sheet", "--items", "items.jsonl", "--question", "Which is kinder?", "--folder", "r"];
    let out = ok(dir.path(), &sheet);
    let key = std::fs::read_to_string(dir.path().join("r/key.json")).unwrap();
    let secret = serde_json::from_str::<Json>(&key).unwrap()["secret"].as_str().unwrap().to_owned();
    let shown = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(!shown.contains(&secret) && !shown.contains("\"steered\""), "{shown}");
    dir
}

/// A rater who sees which text is kind, all but the first item.
fn fill(dir: &Path) {
    let sheet = std::fs::read_to_string(dir.join("r/sheet.csv")).unwrap();
    let mut rated = 0;
    let rows = sheet.lines().map(|line| {
        let Some((open, told)) = line.rsplit_once(",\"\",\"") else { return line.to_owned() };
        let kind_left = open.find("kind").unwrap() < open.find("plain").unwrap();
        rated += 1;
        format!("{open},\"{}\",\"{told}", if kind_left == (rated > 1) { "left" } else { "right" })
    });
    std::fs::write(dir.join("ann.csv"), rows.collect::<Vec<_>>().join("\r\n")).unwrap();
}

#[test]
fn ratings_are_blind_sealed_predicted_and_then_opened() {
    let dir = rating();
    let r = dir.path().join("r");
    let seal = read_json(&r.join("seal.json"));
    let key = std::fs::read(r.join("key.json")).unwrap();
    assert_eq!(seal["key_sha256"], truenorth::files::sha256_hex(&key));
    assert_eq!(
        seal["sheet_sha256"],
        truenorth::files::sha256_hex(&std::fs::read(r.join("sheet.csv")).unwrap())
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(r.join("key.json")).unwrap().permissions().mode() & 0o077, 0);
    }
    fill(dir.path());
    let unblind = ["rate", "unblind", "--folder", "r", "--ratings", "ann=ann.csv", "--out", "u.json"];
    refused(dir.path(), &unblind, &["no registration", "before the key is opened"]);
    let register = ["rate", "register", "--folder", "r", "--predictions", "p.json"];
    ok(dir.path(), &register);
    refused(dir.path(), &register, &["registration.json is there already"]);
    let out = ok(dir.path(), &[&unblind[..], &["--report", "page"]].concat());
    let secret = serde_json::from_slice::<Json>(&key).unwrap()["secret"].as_str().unwrap().to_owned();
    assert!(!String::from_utf8_lossy(&out.stderr).contains(&secret));
    let text = std::fs::read_to_string(dir.path().join("u.json")).unwrap();
    assert!(!text.contains(&secret));
    let result = &read_json(&dir.path().join("u.json"))["result"];
    measured(&result["steered"]);
    assert_eq!((&result["steered"]["value"], &result["steered"]["n"]), (&Json::from(0.875), &Json::from(8)));
    assert_eq!(result["predictions"][0]["held"], true);
    assert!(result["items"].as_array().unwrap().iter().all(|i| i["altered"] == 0));
    assert!(page(&dir.path().join("page")).contains("id=\"rate-shares\""));
    ok(dir.path(), &unblind);

    // Predictions made after the key was opened are none, and so is a key that is not the sealed one.
    std::fs::remove_file(r.join("registration.json")).unwrap();
    refused(dir.path(), &register, &["the key was opened at", "registered after that are none"]);
    std::fs::remove_file(r.join("opened.json")).unwrap();
    ok(dir.path(), &register);
    let other = String::from_utf8(key).unwrap().replace("\"left\"", "\"right\"");
    std::fs::write(r.join("key.json"), other).unwrap();
    refused(dir.path(), &unblind, &["SHA-256", "the key that was sealed"]);
}

#[test]
fn a_rating_names_what_is_wrong_with_it() {
    let dir = rating();
    let sheet = ["rate", "sheet", "--question", "Which?", "--items"];
    refused(
        dir.path(),
        &[&sheet[..], &["items.jsonl", "--folder", "r"]].concat(),
        &["has a sheet.csv already"],
    );
    std::fs::write(
        dir.path().join("same.jsonl"),
        "{\"id\":\"a\",\"steered\":\"x\",\"base\":\"x\"}\n{\"id\":\"b\",\"steered\":\"x\",\"base\":\"y\"}\n",
    )
    .unwrap();
    refused(
        dir.path(),
        &[&sheet[..], &["same.jsonl", "--folder", "q"]].concat(),
        &["`a` has two texts that are the same"],
    );
    assert!(!dir.path().join("q").exists());
    let register = ["rate", "register", "--folder", "r", "--predictions", "p.json"];
    std::fs::write(dir.path().join("p.json"), "[]").unwrap();
    refused(dir.path(), &register, &["no predictions"]);
    std::fs::write(dir.path().join("p.json"), "[{\"id\":\"w\",\"claim\":\"c\"}]").unwrap();
    refused(dir.path(), &register, &["`w` needs share_above or share_below"]);
    std::fs::write(dir.path().join("p.json"), "[{\"id\":\"w\",\"claim\":\"c\",\"share_above\":0.5}]")
        .unwrap();
    ok(dir.path(), &register);
    fill(dir.path());
    let text = std::fs::read_to_string(dir.path().join("ann.csv")).unwrap();
    let (head, rows) = text.split_once("\r\n").unwrap();
    let rows = rows.replace(",\"left\",", ",\"perhaps\",");
    std::fs::write(dir.path().join("ann.csv"), format!("{head}\r\n{rows}")).unwrap();
    let unblind = ["rate", "unblind", "--folder", "r", "--ratings"];
    refused(dir.path(), &[&unblind[..], &["ann=ann.csv"]].concat(), &["sheet of `ann`", "perhaps"]);
    refused(dir.path(), &[&unblind[..], &["ann.csv"]].concat(), &["names no rater"]);
    // A registration that was changed shows.
    let file = dir.path().join("r/registration.json");
    let changed = std::fs::read_to_string(&file).unwrap().replace("0.5", "0.1");
    std::fs::write(&file, changed).unwrap();
    fill(dir.path());
    refused(dir.path(), &[&unblind[..], &["ann=ann.csv"]].concat(), &["the registration was changed"]);
}
