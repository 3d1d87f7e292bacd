//! Sheets of another program (`fixtures/make/field.py`).

use std::path::Path;

use truenorth_stats::math::Seeds;

use super::*;

fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/field").join(name))
        .unwrap()
}

fn sheets() -> Vec<Filled> {
    let sheet = |rater: &str| {
        let file = format!("sheet-{rater}.csv");
        Filled { rater: rater.into(), csv: text(&file), file }
    };
    vec![sheet("ann"), sheet("ben")]
}

fn read(key: &str, steered: Option<&str>) -> Result<Foreign, AnalysisError> {
    foreign(&sheets(), (&text(key), key), steered)
}

#[test]
fn ratings_are_told_under_every_form_of_key() {
    for (key, steered) in [("key.json", None), ("key-side.json", None), ("key-doses.json", Some("0.1"))] {
        let found =
            Rate::unsealed(&read(key, steered).unwrap(), &Params { permutations: 99 }, &Seeds::new(0))
                .unwrap();
        let won: Vec<(f64, usize, usize)> = found
            .raters
            .iter()
            .map(|r| (r.steered.as_ref().unwrap().value, r.steered.as_ref().unwrap().n, r.ties))
            .collect();
        assert_eq!(won, [(14.0 / 18.0, 18, 2), (12.0 / 20.0, 20, 0)], "{key}");
        assert_eq!((found.items.len(), found.registration_sha256, found.predictions.len()), (20, None, 0));
        // 12 of 20 both for it, 6 both against it, 2 with one against and a tie.
        assert_eq!(found.agreement[0].table, [[12, 2, 0], [0, 4, 0], [0, 2, 0]], "{key}");
    }
    assert!(is_foreign(&text("sheet-ann.csv")));
    assert!(!is_foreign("\"code\",\"prompt\",\"left\",\"right\",\"choice\"\r\n"));
}

#[test]
fn a_key_that_does_not_say_is_refused() {
    let said = |e: AnalysisError| e.to_string();
    let unnamed = said(read("key-doses.json", None).unwrap_err());
    assert!(unnamed.contains("the arms `0`, `0.1`; which of them is steered is not told"), "{unnamed}");
    assert!(said(read("key.json", Some("other")).unwrap_err()).contains("no arm `other`"));
    let with = |key: &str| said(foreign(&sheets(), (key, "k.json"), None).unwrap_err());
    assert!(with(r#"{"p00": {"A": "steered", "B": "base"}}"#).contains("says nothing of `p01`"));
    assert!(with(r#"{"p00": "left"}"#).contains("of `p00` it says \"left\""));
    assert!(with("[1]").contains("item 1 has no `pair_id`"));
    let mut other = sheets();
    other[1].csv = other[1].csv.replace("Reply A of 3", "Another reply");
    let e = said(foreign(&other, (&text("key.json"), "key.json"), None).unwrap_err());
    assert!(e.contains("`p03`") && e.contains("other texts than the first sheet"), "{e}");
    let mut wrong = sheets();
    wrong[0].csv = wrong[0].csv.replacen(",T\r\n", ",C\r\n", 1);
    let e = said(foreign(&wrong, (&text("key.json"), "key.json"), None).unwrap_err());
    assert!(e.contains("rating `C`; expected A, B or T"), "{e}");
}

#[test]
fn rows_of_the_key_that_a_sheet_lacks_are_told() {
    let mut ben = sheets().swap_remove(1);
    let (kept, _) = ben.csv.trim_end().rsplit_once("\r\n").unwrap();
    ben.csv = format!("{kept}\r\n");
    let read = foreign(&[ben], (&text("key.json"), "key.json"), None).unwrap();
    assert_eq!(read.registration.seal.items, 20);
    let found = Rate::unsealed(&read, &Params { permutations: 99 }, &Seeds::new(0)).unwrap();
    assert_eq!((found.items.len(), found.raters[0].missing, found.raters[0].rows()), (20, 1, 19));
    let says = table::table(&found).says.join("\n");
    assert!(says.contains("of the key's 20 items, the sheet of ben lacks 1 and leaves 0 blank"), "{says}");
}

#[test]
fn a_key_of_lists_is_shown_as_it_is() {
    for (key, shown) in
        [(r#"{"p00": ["steered", "base"]}"#, "of `p00` it says [\"steered\",\"base\"]"), ("[]", "empty list")]
    {
        let e = foreign(&sheets(), (key, "k.json"), None).unwrap_err();
        assert!(e.to_string().contains(shown) && e.hint().is_some(), "{e}");
    }
}
