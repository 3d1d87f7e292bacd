use truenorth_protocol::{ReadAt, Site};

use super::*;
use crate::fixture::Tiny;
use truenorth_data::{ClassRow, Distinct, Extra, Loaded, NearCopies};
use truenorth_protocol::run::Unwatched;
use truenorth_reading::{ActivationMemory, Parameters as _};
use truenorth_stats::estimate::probing::ProbeEstimator;
use truenorth_stats::math::Seeds;

const WORDS: [&str; 12] =
    ["hat", "tin", "cup", "old", "new", "red", "man", "sea", "dog", "sun", "box", "ice"];

fn phrase(i: usize) -> String {
    format!("{} {} {}", WORDS[i % 12], WORDS[(i / 12 + i + 1) % 12], WORDS[(i / 144 + 5 * i + 2) % 12])
}

/// Groups of two texts, of which the positive one ends in `no no` and the other in `yes`.
fn texts(groups: usize, from: usize, categories: &[&str]) -> Loaded<ClassRow> {
    let row = |k: usize| {
        let (i, bad) = (from + k / 2, k.is_multiple_of(2));
        ClassRow {
            id: format!("{i}-{bad}"),
            text: format!("{} {}", phrase(i), if bad { "no no" } else { "yes" }),
            label: if bad { "bad" } else { "good" }.into(),
            category: Some(categories[i % categories.len()].into()),
            group: Some(format!("g{i}")),
            turns: vec![],
            extra: Extra::new(),
        }
    };
    Loaded::new((0..2 * groups).map(row).collect(), "0".repeat(64))
}

fn labelled(rows: &Loaded<ClassRow>) -> ClassTexts {
    ClassTexts::new(&distinct(rows), Some("bad")).unwrap()
}

fn distinct(rows: &Loaded<ClassRow>) -> Distinct<ClassRow> {
    Distinct::classes(rows.clone(), NearCopies::default()).unwrap()
}

fn params(sites: &[Site]) -> Params {
    Params {
        sites: sites.iter().map(|s| (*s).into()).collect(),
        estimator: Some(ProbeEstimator::MeanDiff),
        folds: Some(4),
        permutations: 39,
        ..Params::default()
    }
}

const BLOCKS: [Site; 2] = [Site::ResidPost(0), Site::ResidPost(1)];

fn run(data: &ProbeData<'_>, params: &Params) -> Result<Probed, AnalysisError> {
    let tiny = Tiny::open();
    // As a command without a cache asks.
    let memory = ActivationMemory::default();
    let reader = Reader::new(&tiny, None).remembering(&memory);
    let found = ask(reader, data, params);
    assert_eq!(tiny.read_again(), [], "texts were read twice");
    found
}

fn ask(reader: Reader<'_>, data: &ProbeData<'_>, params: &Params) -> Result<Probed, AnalysisError> {
    Probing::run(data, params, &AnalysisContext { reader, seeds: &Seeds::new(1), watch: &Unwatched })
}

fn only(train: &ClassTexts) -> ProbeData<'_> {
    ProbeData { train, tests: &[], truth: None, untrained: None }
}

#[test]
fn what_the_texts_end_in_is_read_and_the_words_know_it_too() {
    let train = labelled(&texts(32, 0, &["a", "b"]));
    let tests =
        [TestTexts { name: "other".into(), texts: labelled(&texts(16, 40, &["a", "b"])), apart: None }];
    let truth = labelled(&texts(12, 80, &["x"]));
    let (tiny, other) = (Tiny::open(), Tiny::open());
    let reader = Reader::new(&tiny, None);
    let data = ProbeData {
        train: &train,
        tests: &tests,
        truth: Some(&truth),
        untrained: Some(Reader::new(&other, None)),
    };
    let mut params = params(&BLOCKS);
    params.controls.extend([Control::Truth, Control::RandomInit]);
    let found = ask(reader, &data, &params).unwrap();
    let names: Vec<&str> = found.contrasts.iter().map(|c| c.category.as_str()).collect();
    assert_eq!((names, found.family.size, found.refused.len()), (vec!["all", "a", "b"], 3, 0));
    let all = &found.contrasts[0];
    assert!(all.held_out.value > 0.95 && all.held_out.null.as_ref().unwrap().p <= 0.05, "{:?}", all.held_out);
    assert!(all.p_adjusted.unwrap() >= all.held_out.null.as_ref().unwrap().p && all.p_bh.is_some());
    assert!(all.selectivity.unwrap() > 0.25 && !all.shared_negatives);
    assert!(all.tests[0].auroc.value > 0.95 && all.tests[0].accuracy.value > 0.8, "{:?}", all.tests);
    rates_stand_beside(&found, &train);
    // Two sites, held-out texts and a test set.
    assert_eq!(all.rows.len(), 4);
    let controls: Vec<&String> = all.rows[0].controls.keys().collect();
    assert_eq!(controls, ["bag-of-words", "length", "random-init", "random-label", "truth"]);
    // The two words give everything away, and the model that stands in for the untrained one is the same.
    let of = |name: &str| all.baselines.iter().find(|b| b.name == name).unwrap();
    assert!(of("bag-of-words").held_out.value > 0.9);
    for d in &of("random-init").differences {
        assert!(d.difference.value == 0.0 && d.difference.interval.unwrap().contains(0.0), "{d:?}");
    }
    assert_eq!(of("random-init").differences.len(), 2);
    let truth = all.truth.as_ref().unwrap();
    // The statements end in the same words, so their direction is that of the task.
    assert!(truth.on_task.iter().all(|(_, m)| m.value > 0.95) && truth.cosines.len() == 2, "{truth:?}");
    assert!(truth.cosines.iter().all(|c| c.as_ref().unwrap().value > 0.5));
}

/// The true-positive rates in the numbers, in the table and on the page.
fn rates_stand_beside(found: &Probed, train: &ClassTexts) {
    let all = &found.contrasts[0];
    let scores = all.probing.nested.scores.iter().zip(&train.positive);
    let of = |class: bool| scores.clone().filter(move |(_, p)| **p == class).map(|(s, _)| *s);
    // One of so few is more than 1 %, so that no negative may be above the threshold.
    let top = of(false).fold(f64::NEG_INFINITY, f64::max);
    let share = of(true).filter(|s| *s > top).count() as f64 / of(true).count() as f64;
    let held_out = all.true_positives.unwrap();
    assert!((held_out.value - share).abs() < 1e-12 && share > 0.0, "{held_out:?}, {share}");
    let on_test = all.tests[0].true_positives.unwrap();
    assert!(on_test.value > 0.0 && on_test.high >= on_test.value, "{on_test:?}");
    // Nothing bounds it from below at so few negatives, and that is said, in the words of `geometry`.
    assert!(held_out.low == 0.0 && on_test.low == 0.0);
    let groups = (all.negative_groups, all.tests[0].negative_groups);
    assert_eq!(groups, (all.groups, all.tests[0].groups));
    let said = &found.rate_method;
    assert!(said.starts_with("true-positive rate at 1 % false positives"), "{said}");
    let named = format!("all {}, all on other {}", groups.0, groups.1);
    assert!(said.contains("368 groups") && said.contains(&named), "{said}");
    let table = Probing::table(found);
    assert!(table.rows[0].contains(&"TPR at 1 % FPR".to_owned()) && table.says.contains(said), "{table:?}");
    let cell = format!("{:.3} (0.000 to {:.3})", held_out.value, held_out.high);
    assert!(table.rows[1].contains(&cell), "{table:?}");
    let written = serde_json::to_value(found).unwrap();
    assert_eq!(written["contrasts"][0]["true_positives"]["low"], 0.0);
    let page = serde_json::to_string(&Probing::page(found)).unwrap();
    assert!(page.contains("true positives at 1 %") && page.contains("368 groups"));
}

#[test]
fn positive_texts_of_one_group_have_no_rate() {
    let marks = |groups: [&str; 4]| contrast::RowLabels {
        labels: vec![true, true, false, false],
        groups: groups.map(str::to_owned).to_vec(),
    };
    let scores = [2.0, 3.0, 0.0, 1.0];
    assert!(rate::rate("x", &scores, &marks(["a", "a", "b", "c"])).unwrap().is_none());
    let found = rate::rate("x", &scores, &marks(["a", "b", "b", "c"])).unwrap().unwrap();
    assert!(found.value == 1.0 && found.low == 0.0);
    assert_eq!(rate::negative_groups(&marks(["a", "b", "b", "b"])), 1);
    assert!(rate::rate("x", &[f64::NAN, 3.0, 0.0, 1.0], &marks(["a", "b", "b", "c"])).is_err());
}

#[test]
fn negatives_are_shared_where_a_category_has_none_and_that_is_said() {
    let mut rows = texts(32, 0, &["a", "b"]);
    for row in rows.rows.iter_mut().filter(|r| r.label == "good") {
        row.category = Some("safe".into());
    }
    let train = labelled(&rows);
    let found = run(&only(&train), &params(&BLOCKS)).unwrap();
    let a = &found.contrasts[1];
    assert!(a.shared_negatives && a.n == [16, 32] && !found.contrasts[0].shared_negatives);
    assert!(found.not_shown.iter().any(|s| s.contains("same negatives")));
}

#[test]
fn equal_texts_are_of_one_group() {
    let mut rows = texts(20, 0, &["a"]);
    let copy = ClassRow { id: "copy".into(), group: Some("own".into()), ..rows.rows[0].clone() };
    rows.rows.push(copy);
    // A copy counts once, whatever its group and its category; it is then of both categories.
    let train = labelled(&rows);
    assert_eq!((train.len(), train.joined, train.copies.exact), (40, 0, 1));
    rows.rows[40].category = Some("b".into());
    let train = labelled(&rows);
    assert_eq!((train.len(), train.copies.elsewhere, train.categories[0].len()), (40, 1, 2));
    assert_eq!((train.of(Some("b")).unwrap().0[0], train.of(Some("a")).unwrap().0.len()), (0, 40));
    let plain = ClassRow { group: None, text: "alone".into(), id: "g1".into(), ..rows.rows[0].clone() };
    rows.rows.push(plain);
    let groups = labelled(&rows).groups;
    assert_eq!(groups.iter().filter(|g| **g == groups[40]).count(), 1, "an id is no group's name");
}

#[test]
fn a_category_that_can_not_be_probed_is_named_and_the_others_are() {
    let mut rows = texts(32, 0, &["a", "b"]);
    rows.rows.extend(texts(2, 100, &["few"]).rows);
    let train = labelled(&rows);
    let found = run(&only(&train), &params(&BLOCKS)).unwrap();
    assert_eq!(found.contrasts.len(), 3);
    assert!(
        found.refused[0].category == "few" && found.refused[0].why.contains("4 folds"),
        "{:?}",
        found.refused
    );
}

#[test]
fn texts_that_give_no_honest_number_are_refused_by_name() {
    let train = labelled(&texts(16, 0, &["a"]));
    let chain = |e: AnalysisError| {
        assert!(e.is_request(), "{e}");
        run::chain(&e)
    };
    let test =
        |rows: Loaded<ClassRow>| [TestTexts { name: "late".into(), texts: labelled(&rows), apart: None }];
    // A group in both, with other texts.
    let mut rows = texts(16, 40, &["a"]);
    rows.rows[3].group = Some("g2".into());
    let tests = test(rows);
    let e = chain(run(&ProbeData { tests: &tests, ..only(&train) }, &params(&BLOCKS)).unwrap_err());
    assert!(e.contains("`late` shares 1 of its groups") && e.contains("`g2`"), "{e}");
    // A text in both, in other groups.
    let mut rows = texts(16, 40, &["a"]);
    rows.rows[3].text = format!(" {} no no", phrase(5));
    let tests = test(rows);
    let e = chain(run(&ProbeData { tests: &tests, ..only(&train) }, &params(&BLOCKS)).unwrap_err());
    assert!(e.contains("`late` has 1 texts of the training texts"), "{e}");
    // Every text ends in the same token, whose embedding is the same.
    let mut rows = texts(16, 0, &["a"]);
    rows.rows.iter_mut().for_each(|r| r.text.push_str(" hat"));
    let flat = labelled(&rows);
    let e = chain(run(&only(&flat), &params(&[Site::ResidPost(0), Site::Embed])).unwrap_err());
    assert!(e.contains("`all` at embed") && e.contains("equal"), "{e}");
    let few = labelled(&texts(3, 0, &["a"]));
    let e = chain(run(&only(&few), &params(&BLOCKS)).unwrap_err());
    assert!(e.contains("`all`") && e.contains("4 folds"), "{e}");
    let mut rows = texts(16, 0, &["a"]);
    rows.rows.retain(|r| r.label == "bad");
    assert!(ClassTexts::new(&distinct(&rows), Some("bad")).unwrap_err().to_string().contains("[\"bad\"]"));
    let e =
        chain(run(&only(&train), &Params { positions: Some(ReadAt::All), ..params(&BLOCKS) }).unwrap_err());
    assert!(e.contains("positions `all`"), "{e}");
}

#[test]
fn choices_that_contradict_each_other_are_refused_before_anything_is_read() {
    let said = |params: Params| params.check().unwrap_err().to_string();
    assert!(said(Params::default()).contains("no site"));
    assert!(said(Params { permutations: 0, ..params(&BLOCKS) }).contains("random-label"));
    let none = Params { permutations: 0, controls: vec![], ..params(&BLOCKS) };
    none.check().unwrap();
    // Controls that need something which is not there.
    let train = labelled(&texts(16, 0, &["a"]));
    for (control, needs) in [(Control::Truth, "statements"), (Control::RandomInit, "untrained model")] {
        let e = run(&only(&train), &Params { controls: vec![control], ..params(&BLOCKS) }).unwrap_err();
        assert!(e.is_request() && e.to_string().contains(needs), "{e}");
    }
}

#[test]
fn a_table_names_what_flags_name_and_is_written_as_it_was_read() {
    let read = |text: &str| toml::from_str::<Params>(text);
    let text =
        "sites = [\"resid_post.0..4:2\"]\npositions = \"-1\"\nestimator = \"lda\"\ncontrols = [\"truth\"]";
    let params = read(text).unwrap();
    assert_eq!(params.plan().sites.len(), 3);
    assert_eq!(params.positions, Some(ReadAt::Index(-1)));
    assert_eq!(params.estimator, Some(ProbeEstimator::Lda { shrinkage: None }));
    assert_eq!(read(&toml::to_string(&params).unwrap()).unwrap(), params);
    let own = read("estimator = { lda = { shrinkage = 0.5 } }").unwrap();
    assert_eq!(own.estimator, Some(ProbeEstimator::Lda { shrinkage: Some(0.5) }));
    for (bad, says) in [
        ("estimator = \"pca\"", "no probe `pca`"),
        ("estimator = { lda = { shrink = 1 } }", "an estimator by name"),
        ("sites = [\"resid_post.9..4\"]", "not a range of sites"),
        ("controls = [\"luck\"]", "`random-label`"),
        ("permutation = 5", "unknown field `permutation`"),
    ] {
        let said = read(bad).unwrap_err().to_string();
        assert!(said.contains(says), "{bad}: {said}");
    }
}

#[cfg(feature = "cli")]
#[test]
fn flags_say_what_the_library_takes_where_nothing_is_said() {
    use clap::{Args as _, FromArgMatches as _};
    let flags = Params::augment_args(clap::Command::new("probe"));
    let found = flags.try_get_matches_from(["probe", "--site", "resid_post.0..1"]).unwrap();
    let flags = Params::from_arg_matches(&found).unwrap();
    let library = Params { sites: flags.sites.clone(), ..Params::default() };
    let (a, b) = (flags.plan(), library.plan());
    assert_eq!((a.sites.len(), a.sites, a.at, a.probe), (2, b.sites, b.at, b.probe));
    assert_eq!((flags.controls, flags.no_categories), (library.controls, false));
}
