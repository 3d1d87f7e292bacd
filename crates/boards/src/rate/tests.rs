use super::sheet::COLUMNS;
use super::*;
use truenorth_data::NearCopies;
use truenorth_files::sha256_hex;
use truenorth_stats::math::Seeds;

const SECRET: &str = "b6f0c2d4a8e1937f5502";

fn items(n: usize) -> Vec<BlindPair> {
    (0..n)
        .map(|i| BlindPair {
            id: format!("item {i}"),
            prompt: format!("say \"{i}\", please"),
            steered: format!("=steered {i};\nwith, commas"),
            base: format!("base {i}"),
        })
        .collect()
}

fn above(bound: f64) -> RatingPrediction {
    RatingPrediction {
        id: format!("above {bound}"),
        claim: "steered texts are preferred".into(),
        share_above: Some(bound),
        share_below: None,
    }
}

/// Fills a sheet by what a rater makes of the two texts.
fn fill(csv: &str, choice: impl Fn(&str, &str) -> String) -> String {
    let mut rows = cells(csv);
    for row in rows.iter_mut().skip(1) {
        row[4] = choice(&row[2], &row[3]);
    }
    csv::write(&rows)
}

fn likes_steered(left: &str, _: &str) -> String {
    if left.contains("steered") { "left".into() } else { "right".into() }
}

fn by(rater: &str, csv: String) -> Filled {
    Filled { rater: rater.into(), file: format!("{rater}.csv"), csv }
}

fn unblind(
    sheets: &[Filled],
    key: &[u8],
    registration: &RatingRegistration,
    seeds: &Seeds,
) -> Result<Unblinded, AnalysisError> {
    Rate::run(&RateData { sheets, issued: None, key, registration }, &Params::default(), seeds)
}

fn cells(csv: &str) -> Vec<Vec<String>> {
    csv::read(csv).unwrap().into_iter().map(|(_, row)| row).collect()
}

fn made(
    items: &[BlindPair],
    question: &str,
    scale: ChoiceScale,
    secret: &str,
) -> Result<BlindSheet, AnalysisError> {
    prepare(items, question, scale, secret, NearCopies::default())
}

#[test]
fn a_sheet_is_dealt_by_its_secret_and_tells_nothing_of_its_key() {
    let sheet = made(&items(20), "Which is kinder?", ChoiceScale::Side, SECRET).unwrap();
    assert_eq!(sheet, made(&items(20), "Which is kinder?", ChoiceScale::Side, SECRET).unwrap());
    let other =
        made(&items(20), "Which is kinder?", ChoiceScale::Side, "another secret of some length").unwrap();
    assert_ne!(sheet.csv, other.csv);
    assert_eq!(sheet.seal.key_sha256, sha256_hex(sheet.key.as_bytes()));
    assert!(!sheet.csv.contains("item 1") && !sheet.csv.contains(SECRET));
    let rows = cells(&sheet.csv);
    assert_eq!((rows.len(), &rows[0][..5]), (21, &COLUMNS.map(str::to_owned)[..]));
    // Every row says the question and what it takes.
    assert!(rows[1..].iter().all(|r| r[5] == "Which is kinder?" && r[6] == "left, right or tie"));
    // As often left as right, and no cell a formula.
    assert_eq!(rows.iter().filter(|r| r[2].contains("steered")).count(), 10);
    assert!(rows.iter().flatten().all(|c| !c.starts_with('=')));
    let prompts: Vec<&String> = rows[1..].iter().map(|r| &r[1]).collect();
    assert_ne!(prompts, items(20).iter().map(|i| &i.prompt).collect::<Vec<_>>(), "items are not shuffled");
}

#[test]
fn raters_who_see_it_confirm_the_prediction_and_those_who_do_not_do_not() {
    let sheet = made(&items(24), "Which is kinder?", ChoiceScale::Side, SECRET).unwrap();
    let sealed = register(&sheet.seal, &[above(0.5), above(0.99)], "2026-01-05").unwrap();
    let open = |sheets: &[Filled]| unblind(sheets, sheet.key.as_bytes(), &sealed, &Seeds::new(0)).unwrap();
    let seen = open(&[by("a", fill(&sheet.csv, likes_steered))]);
    assert!(seen.steered.value == 1.0 && seen.steered.null.as_ref().unwrap().p < 1e-6);
    assert!(seen.predictions[0].held && seen.predictions[0].clear);
    assert!(seen.predictions[1].held && !seen.predictions[1].clear);
    assert!(seen.items.iter().all(|i| i.altered == 0 && i.raters == 1) && seen.ties == 0);
    // One who always takes the left wins half, and the habit shows.
    let habit = open(&[by("b", fill(&sheet.csv, |_, _| "left".into()))]);
    assert!(habit.steered.value == 0.5 && !habit.predictions[0].held);
    assert!(habit.raters[0].left.as_ref().unwrap().null.as_ref().unwrap().p < 1e-6);
    let page = serde_json::to_string(&page::section(&habit)).unwrap();
    assert!(page.contains("b chose the left side in"), "{page}");
    // Strengths, a blank, a tie, and a second rater.
    let sheet = made(&items(24), "Which is kinder?", ChoiceScale::Strength, SECRET).unwrap();
    let sealed = register(&sheet.seal, &[above(0.5)], "2026-01-05").unwrap();
    let open = |sheets: &[Filled]| unblind(sheets, sheet.key.as_bytes(), &sealed, &Seeds::new(0)).unwrap();
    let mild = |l: &str, _: &str| if l.contains("steered") { "-1".to_owned() } else { "1".to_owned() };
    let strong = fill(&sheet.csv, |l, r| {
        if l.contains("steered 0;") || r.contains("steered 0;") {
            String::new()
        } else if l.contains("steered") {
            "-3".into()
        } else {
            "2".into()
        }
    });
    let both = open(&[by("a", fill(&sheet.csv, mild)), by("c", strong)]);
    assert!(both.raters[1].blank == 1 && both.raters[1].rated == 23);
    assert!(both.raters[1].signed_rank_p.unwrap() < 1e-4 && both.signed_rank_p.unwrap() < 1e-4);
    assert!(both.agreement.len() == 1 && both.agreement[0].n == 23 && both.agreement[0].same.value == 1.0);
}

#[test]
fn a_spreadsheet_may_end_lines_anew_and_use_semicolons() {
    let sheet = made(&items(6), "Which?", ChoiceScale::Side, SECRET).unwrap();
    let sealed = register(&sheet.seal, &[above(0.5)], "now").unwrap();
    let filled = fill(&sheet.csv, likes_steered);
    let rows = cells(&filled);
    let saved: String = rows
        .iter()
        .map(|r| {
            r.iter().map(|c| format!("\"{}\"", c.replace('"', "\"\""))).collect::<Vec<_>>().join(";") + "\n"
        })
        .collect();
    let saved = format!("\u{feff}{}", saved.replace('\n', "\r\n"));
    let found = unblind(&[by("a", saved.clone())], sheet.key.as_bytes(), &sealed, &Seeds::new(0)).unwrap();
    assert!(found.steered.value == 1.0 && found.items.iter().all(|i| i.altered == 0));
    // Excel may name the separator in a line of its own.
    let named = format!("sep=;\r\n{}", saved.trim_start_matches('\u{feff}'));
    let found = unblind(&[by("a", named)], sheet.key.as_bytes(), &sealed, &Seeds::new(0)).unwrap();
    assert!(found.steered.value == 1.0 && found.items.iter().all(|i| i.altered == 0));
    let other = filled.replace("base 3", "base 3 changed");
    let found = unblind(&[by("a", other)], sheet.key.as_bytes(), &sealed, &Seeds::new(0)).unwrap();
    assert_eq!(found.items.iter().map(|i| i.altered).sum::<usize>(), 1);
}

#[test]
fn lines_of_carriage_returns_are_read_and_a_column_twice_or_a_comment_is_refused() {
    let sheet = made(&items(6), "Which?", ChoiceScale::Side, SECRET).unwrap();
    let sealed = register(&sheet.seal, &[above(0.5)], "now").unwrap();
    let filled = fill(&sheet.csv, likes_steered);
    let open = |csv: String| unblind(&[by("a", csv)], sheet.key.as_bytes(), &sealed, &Seeds::new(0));
    let old = open(filled.replace("\r\n", "\r").replace('\n', "\r")).unwrap();
    assert!(old.raters[0].rated == 6 && old.items.iter().all(|i| i.altered == 0));
    let mut twice = cells(&filled);
    twice.iter_mut().for_each(|row| row.push(row[4].clone()));
    let e = open(csv::write(&twice)).unwrap_err().to_string();
    assert!(e.contains("a.csv") && e.contains("two columns are called `choice`"), "{e}");
    let e = open(format!("# ann\r\n{filled}")).unwrap_err().to_string();
    assert!(e.contains("row 1 is a comment, `# ann`"), "{e}");
    assert!(same_sheet(&filled, &filled.replace("\r\n", "\n")));
    assert!(!same_sheet(&filled, &fill(&sheet.csv, |_, _| "left".into())));
    let few = csv::write(&cells(&filled)[..3]);
    assert!(!same_sheet(&few, &few));
}

#[test]
fn items_of_one_prompt_are_turned_together_and_a_prompt_that_all_have_joins_nothing() {
    let found = |prompt: &dyn Fn(usize) -> String| {
        let mut items = items(12);
        items.iter_mut().enumerate().for_each(|(i, item)| item.prompt = prompt(i));
        let sheet = made(&items, "Which?", ChoiceScale::Side, SECRET).unwrap();
        let sealed = register(&sheet.seal, &[above(0.5)], "now").unwrap();
        unblind(&[by("a", fill(&sheet.csv, likes_steered))], sheet.key.as_bytes(), &sealed, &Seeds::new(0))
            .unwrap()
    };
    let p = |found: &Unblinded| found.steered.null.as_ref().unwrap().p;
    let own = found(&|i| format!("ask {i}"));
    assert!(own.clusters.is_none() && (p(&own) - 2.0 / 4096.0).abs() < 1e-12);
    let shared = found(&|i| format!("ask {}", i / 2));
    assert_eq!((shared.steered.n, shared.clusters), (12, Some(6)));
    assert!((p(&shared) - 2.0 / 64.0).abs() < 1e-12 && shared.steered.method.contains("clusters"));
    assert!(Rate::table(&shared).says.iter().any(|s| s.contains("make 6 clusters")));
    let common = found(&|_| "ask".into());
    assert!(common.clusters.is_none() && p(&common) == p(&own));
    assert!(Rate::table(&common).says.iter().any(|s| s.contains("have the prompt `ask`")));
}

#[test]
fn a_choice_of_other_texts_than_the_keys_is_refused_with_its_row() {
    let sheet = made(&items(6), "Which?", ChoiceScale::Side, SECRET).unwrap();
    let sealed = register(&sheet.seal, &[above(0.5)], "now").unwrap();
    let filled = cells(&fill(&sheet.csv, likes_steered));
    let given = |change: &dyn Fn(&mut Vec<Vec<String>>), issued: Option<&str>| {
        let mut rows = filled.clone();
        change(&mut rows);
        let sheets = [by("a", csv::write(&rows))];
        let input = RateData { sheets: &sheets, issued, key: sheet.key.as_bytes(), registration: &sealed };
        Rate::run(&input, &Params::default(), &Seeds::new(0))
    };
    let says = |change: &dyn Fn(&mut Vec<Vec<String>>), issued: Option<&str>, what: &str| {
        let e = given(change, issued).unwrap_err();
        assert!(e.is_request() && e.to_string().contains("a.csv, the sheet of `a`: row "), "{e}");
        assert!(e.to_string().contains(what), "{what}: {e}");
    };
    fn swap(rows: &mut [Vec<String>], column: usize) {
        let (a, b) = rows.split_at_mut(3);
        std::mem::swap(&mut a[2][column], &mut b[0][column]);
    }
    let code = |row: usize| filled[row][0].clone();
    says(
        &|r| swap(r, 0),
        None,
        &format!("row 3 (code `{}`) has the left text of the row with the code `{}`", code(3), code(2)),
    );
    says(&|r| swap(r, 1), None, &format!("has the prompt of the row with the code `{}`", code(3)));
    says(&|r| swap(r, 2), None, "has the left text of");
    says(&|r| swap(r, 3), None, "has the right text of");
    says(&|r| r[4].swap(2, 3), None, "row 5");
    // Edited and exchanged: one of the texts is as it was, or the sheet that was given out tells.
    let turn = |r: &mut Vec<Vec<String>>| r[4].swap(2, 3);
    let edit = |r: &mut Vec<Vec<String>>, column: usize| r[4][column].push_str(" (typo mended)");
    let one = |r: &mut Vec<Vec<String>>| (turn(r), edit(r, 2)).1;
    says(&one, None, "left and its right text exchanged");
    let long: Vec<BlindPair> = items(6)
        .into_iter()
        .map(|i| BlindPair {
            base: format!("{} is plain and short", i.base),
            steered: format!("{} but long and kind", i.steered),
            ..i
        })
        .collect();
    let sheet = made(&long, "Which?", ChoiceScale::Side, SECRET).unwrap();
    let sealed = register(&sheet.seal, &[above(0.5)], "now").unwrap();
    let filled = cells(&fill(&sheet.csv, likes_steered));
    let open = |turned: bool, issued: Option<&str>| {
        let mut rows = filled.clone();
        rows[4][2].push_str(" indeed");
        rows[4][3].push_str(" really");
        if turned {
            rows[4].swap(2, 3);
        }
        let sheets = [by("a", csv::write(&rows))];
        let input = RateData { sheets: &sheets, issued, key: sheet.key.as_bytes(), registration: &sealed };
        Rate::run(&input, &Params::default(), &Seeds::new(0))
    };
    let e = open(true, Some(&sheet.csv)).unwrap_err();
    assert!(e.to_string().contains("row 5") && e.to_string().contains("exchanged, and edited"), "{e}");
    let altered = |found: Unblinded| found.items.iter().map(|i| i.altered).sum::<usize>();
    assert_eq!(altered(open(false, Some(&sheet.csv)).unwrap()), 1);
    // Without the sheet, or with another than the sealed one, it can't be told.
    assert_eq!(altered(open(true, None).unwrap()), 1);
    assert_eq!(altered(open(true, Some(&sheet.csv.replace("plain", "odd"))).unwrap()), 1);
}

#[test]
fn a_key_of_before_has_no_prompts_and_is_read() {
    let sheet = made(&items(6), "Which?", ChoiceScale::Side, SECRET).unwrap();
    let mut key: serde_json::Value = serde_json::from_str(&sheet.key).unwrap();
    for item in key["items"].as_array_mut().unwrap() {
        item.as_object_mut().unwrap().remove("prompt").unwrap();
    }
    let key = key.to_string();
    let seal = SheetSeal { key_sha256: sha256_hex(key.as_bytes()), ..sheet.seal.clone() };
    let sealed = register(&seal, &[above(0.5)], "now").unwrap();
    let found = unblind(&[by("a", fill(&sheet.csv, likes_steered))], key.as_bytes(), &sealed, &Seeds::new(0))
        .unwrap();
    assert!(found.items.iter().all(|i| i.altered == 0));
}

#[test]
fn a_key_that_was_not_sealed_or_predictions_made_later_are_refused() {
    let sheet = made(&items(6), "Which?", ChoiceScale::Side, SECRET).unwrap();
    let sealed = register(&sheet.seal, &[above(0.5)], "now").unwrap();
    let filled = [by("a", fill(&sheet.csv, likes_steered))];
    let says = |key: &str, sealed: &RatingRegistration, sheets: &[Filled], what: &str| {
        let e = unblind(sheets, key.as_bytes(), sealed, &Seeds::new(0)).unwrap_err();
        assert!(e.is_request() && e.to_string().contains(what), "{e}");
    };
    let turned = sheet.key.replacen("\"left\"", "\"right\"", 1);
    assert_ne!(turned, sheet.key);
    says(&turned, &sealed, &filled, "name the key that was sealed");
    let mut later = sealed.clone();
    later.predictions[0].share_above = Some(0.1);
    says(&sheet.key, &later, &filled, "changed after it was made");
    let mut none = sealed.clone();
    none.predictions.clear();
    says(&sheet.key, &none, &filled, "no predictions");
    let good = &filled[0].csv;
    says(&sheet.key, &sealed, &[by("a", good.replace("\"left\"", "\"maybe\""))], "`");
    says(&sheet.key, &sealed, &[filled[0].clone(), filled[0].clone()], "rater `a` has two sheets");
    says(&sheet.key, &sealed, &[by("a", sheet.csv.clone())], "no item is decided");
    says(&sheet.key, &sealed, &[by("a", "code,prompt\r\n".into())], "no column `left`");
    let strange = format!("{good}\"zzzzzz\",\"\",\"\",\"\",\"left\"\r\n");
    says(&sheet.key, &sealed, &[by("a", strange)], "`zzzzzz`");
    let choice = fill(&sheet.csv, |_, _| "maybe".into());
    says(&sheet.key, &sealed, &[by("a", choice)], "choice `maybe`; the sheet takes left, right or tie");
    // 1 and 2 for left and right are no strengths, and 4 is none on a sheet of strengths.
    let numbers = fill(&sheet.csv, |l, _| if l.contains("steered") { "1".into() } else { "2".into() });
    says(&sheet.key, &sealed, &[by("a", numbers)], "row 2 (code `");
    let strong = made(&items(6), "Which?", ChoiceScale::Strength, SECRET).unwrap();
    let bound = register(&strong.seal, &[above(0.5)], "now").unwrap();
    for (cell, ok) in [("4", false), ("left", false), ("3", true), ("\u{2212}2", true)] {
        let item = |text: &str| text.contains("steered 1;");
        let csv = fill(&strong.csv, |l, r| if item(l) || item(r) { cell.into() } else { "1".into() });
        let found = unblind(&[by("a", csv)], strong.key.as_bytes(), &bound, &Seeds::new(0));
        assert_eq!(found.is_ok(), ok, "{cell}");
    }
    says(&sheet.key, &sealed, &[by("a", "\"code".into())], "never ends");
}

#[test]
fn sheets_and_predictions_that_make_no_sense_are_refused_by_name() {
    let says = |e: AnalysisError, what: &str| assert!(e.to_string().contains(what), "{e}");
    says(made(&items(1), "Which?", ChoiceScale::Side, SECRET).unwrap_err(), "1 items");
    says(made(&items(3), " ", ChoiceScale::Side, SECRET).unwrap_err(), "no question");
    says(made(&items(3), "Which?", ChoiceScale::Side, "0").unwrap_err(), "1 characters");
    let mut twice = items(3);
    twice[2].id = "item 0".into();
    says(made(&twice, "Which?", ChoiceScale::Side, SECRET).unwrap_err(), "`item 0` is there twice");
    let mut same = items(3);
    same[1].base = same[1].steered.clone();
    says(
        made(&same, "Which?", ChoiceScale::Side, SECRET).unwrap_err(),
        "`item 1` has two texts that are the same",
    );
    let seal = made(&items(3), "Which?", ChoiceScale::Side, SECRET).unwrap().seal;
    says(register(&seal, &[], "now").unwrap_err(), "no predictions");
    says(
        register(&seal, &[RatingPrediction { share_above: None, ..above(0.5) }], "now").unwrap_err(),
        "share_above",
    );
    let never = RatingPrediction { share_below: Some(0.2), ..above(0.5) };
    says(register(&seal, &[never], "now").unwrap_err(), "can't come true");
    says(register(&seal, &[above(0.5), above(0.5)], "now").unwrap_err(), "twice");
}

#[test]
fn the_signed_rank_test_is_exact() {
    // scipy.stats.wilcoxon(method="exact"): 1..8 all positive; and with the two smallest negative.
    let p = |v: &[f64]| signed_rank_p(v).unwrap().unwrap();
    assert!((p(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]) - 2.0 / 256.0).abs() < 1e-12);
    // Rank sums of at most 3: {}, {1}, {2}, {3}, {1, 2}: five ways of 256 on each side.
    assert!((p(&[-1.0, -2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]) - 10.0 / 256.0).abs() < 1e-12);
    // Ties share ranks: all turns of four equal strengths are a sign test.
    assert!((p(&[2.0, 2.0, 2.0, 2.0, 0.0]) - 2.0 / 16.0).abs() < 1e-12);
    assert!(signed_rank_p(&[0.0, 0.0]).unwrap().is_none() && signed_rank_p(&[]).unwrap().is_none());
    assert!(signed_rank_p(&[f64::NAN]).is_err());
}

/// What a model wrote may hold a byte of value 0, which no reader of text takes.
#[test]
fn a_sheet_of_texts_with_nul_bytes_is_read_and_is_what_was_given_out() {
    let mut items = items(6);
    items[2].steered = "a steered\0text".into();
    items[3].prompt = "say\0it".into();
    let sheet = made(&items, "Which is kinder?", ChoiceScale::Side, SECRET).unwrap();
    assert!(!sheet.csv.contains('\0') && sheet.csv.contains("a steered\u{2400}text"));
    let sealed = register(&sheet.seal, &[above(0.5)], "2026-01-05").unwrap();
    let found =
        unblind(&[by("a", fill(&sheet.csv, likes_steered))], sheet.key.as_bytes(), &sealed, &Seeds::new(0));
    assert!(found.unwrap().items.iter().all(|i| i.altered == 0 && i.raters == 1));
}
