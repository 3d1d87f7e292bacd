use super::*;
use crate::fixture::Tiny;
use truenorth_data::{Extra, Loaded};
use truenorth_reading::Parameters as _;

/// Words that have nothing to do with each other, a number each.
fn word(i: usize) -> String {
    let syllable =
        |n: usize| ["ba", "do", "fi", "gu", "ke", "la", "mo", "ni", "pu", "ra", "so", "ti"][n % 12];
    format!("{}{}{}", syllable(i), syllable(i / 12), syllable(i / 144))
}

fn sentence(from: usize, words: usize) -> String {
    (from..from + words).map(word).collect::<Vec<_>>().join(" ")
}

/// Pairs of four axes without a fault: every text has words of its own, both responses are of one length.
fn clean(count: usize) -> Vec<Pair> {
    let pair = |i: usize| Pair {
        id: format!("p{i}"),
        axis: format!("axis {}", i % 4),
        prompt: sentence(40 * i, 8),
        chosen: sentence(40 * i + 8, 10),
        rejected: sentence(40 * i + 20, 10),
        turns: vec![],
        rejected_turns: vec![],
        extra: Extra::new(),
    };
    (0..count).map(pair).collect()
}

fn checked(pairs: Vec<Pair>, params: &Params) -> CheckedTexts {
    let template = Template::default();
    let loaded = Loaded::new(pairs, "0".repeat(64));
    let near = NearCopies::default();
    let distinct = Distinct::pairs(loaded, &template, near).unwrap();
    let input = CheckData { texts: TextsToCheck::Pairs(&distinct, &template), near, tokens: None };
    Check::run(&input, params, &Seeds::new(7)).unwrap()
}

fn leaked(found: &CheckedTexts, kind: SplitKind) -> f64 {
    found.split(kind).unwrap().leaked.as_ref().unwrap().value
}

fn words(found: &CheckedTexts, kind: SplitKind) -> &truenorth_reading::stat::Number {
    found.split(kind).unwrap().words.as_ref().unwrap()
}

#[test]
fn pairs_without_a_fault_have_none() {
    let found = checked(clean(24), &Params::default());
    assert_eq!((found.rows, found.units, found.clusters, found.largest_cluster), (24, 24, 24, 1));
    for kind in [SplitKind::Units, SplitKind::Axes, SplitKind::Clusters, SplitKind::WholeAxes] {
        assert_eq!(leaked(&found, kind), 0.0, "{kind:?}");
        assert!(words(&found, kind).interval.unwrap().contains(0.5), "{kind:?}");
    }
    // A pair's two texts share its prompt, and five folds part them four times in five.
    // There its prompt is learnt under the other label.
    assert!(words(&found, SplitKind::Texts).value < 0.2);
    assert_eq!(found.sentences().iter().filter(|s| s.contains("a leak too")).count(), 1);
    let parted = leaked(&found, SplitKind::Texts);
    assert!((parted - 0.82).abs() < 0.08, "{parted}");
    // Where clusters are pairs, both ways to deal are one.
    let gained = found.split(SplitKind::Units).unwrap().gained.as_ref().unwrap();
    assert!(gained.value == 0.0 && gained.interval.unwrap().contains(0.0));
    let prompts = found.prompts.as_ref().unwrap();
    assert_eq!((prompts.different, prompts.shared, prompts.near), (24, 0, 0));
    assert_eq!(found.lengths[1].beyond_count, Some(0));
    assert!((found.balance.effective - 4.0).abs() < 1e-12 && found.balance.ratio == 1.0);
    // Four axes have eight ways that are not each other's opposite.
    let floor = "with 4 axes exchanged whole, each way as likely, no held-out p can be below 0.125";
    assert!(found.sentences().iter().any(|s| s == floor), "{:?}", found.sentences());
}

#[test]
fn near_twins_are_found_with_what_they_would_leak() {
    let mut pairs = clean(20);
    // Eight pairs have a twin, one word of each text changed, on another axis.
    for i in 0..8 {
        let mut twin = pairs[i].clone();
        twin.id = format!("twin {i}");
        twin.axis = format!("axis {}", (i + 1) % 4);
        twin.prompt.push_str(" indeed");
        pairs.push(twin);
    }
    let found = checked(pairs, &Params::default());
    assert_eq!((found.copies.near, found.copies.near_clusters, found.clusters), (16, 8, 20));
    assert_eq!(found.largest_cluster, 2);
    // With axes as named each twin is on the other side: 16 of 28 pairs.
    assert!((leaked(&found, SplitKind::Axes) - 16.0 / 28.0).abs() < 1e-12);
    // In five folds two of a cluster are apart about four times in five.
    let by_chance = leaked(&found, SplitKind::Units);
    assert!((by_chance - 0.8 * 16.0 / 28.0).abs() < 0.08, "{by_chance}");
    assert_eq!(leaked(&found, SplitKind::Clusters), 0.0);
    // Twins tell each other's labels by their words, and nothing else does.
    let gained = found.split(SplitKind::Units).unwrap().gained.as_ref().unwrap();
    assert!(gained.value > 0.1 && gained.interval.unwrap().low > 0.0, "{gained:?}");
    // All axes have twins in common: none is left to hold out.
    assert_eq!(found.balance.whole, 1);
    assert!(found.split(SplitKind::WholeAxes).unwrap().missing.is_some());
    assert_eq!(found.prompts.as_ref().unwrap().near, 16);
    let said = found.sentences().join("\n");
    assert!(said.contains("57 % of held-out texts") && said.contains("16 pairs are near copies"), "{said}");
}

#[test]
fn copies_on_another_axis_leak_where_axes_are_held_out_as_named() {
    let mut pairs = clean(16);
    let mut copy = pairs[0].clone();
    (copy.id, copy.axis) = ("copy".into(), "axis 3".into());
    pairs.push(copy);
    let found = checked(pairs, &Params::default());
    assert_eq!((found.rows, found.units, found.copies.exact, found.copies.elsewhere), (17, 16, 1, 1));
    assert!((leaked(&found, SplitKind::Axes) - 1.0 / 16.0).abs() < 1e-12);
}

#[test]
fn a_length_gap_is_found_with_its_share() {
    let mut pairs = clean(20);
    for pair in pairs.iter_mut().take(11) {
        pair.chosen.push_str(" bananas dolphins");
    }
    let found = checked(pairs.clone(), &Params::default());
    let of = |measure: &str| found.lengths.iter().find(|l| l.measure == measure).unwrap();
    let in_words = of("words");
    // 12 words to 10: a sixth of the longer one.
    assert_eq!((in_words.beyond_count, in_words.beyond.as_ref().unwrap().value), (Some(11), 0.55));
    assert!((in_words.median_gap.unwrap() - 2.0 / 12.0).abs() < 1e-12);
    assert_eq!(in_words.medians, [12.0, 10.0]);
    // The longer one in 11, as long in 9.
    assert!((in_words.chosen_longer.as_ref().unwrap().value - 15.5 / 20.0).abs() < 1e-12);
    // (11 + 9/2) / 20 of all texts too, but for the scale of each fold.
    let alone = in_words.alone.as_ref().unwrap();
    assert!((alone.value - 0.775).abs() < 0.08, "{alone:?}");
    assert!(in_words.widest.len() == 4 && in_words.widest[0] == "p0");
    assert_eq!(of("characters").beyond_count, Some(11));
    let said = found.sentences().join("\n");
    assert!(said.contains("length in characters of the responses alone reaches"), "{said}");
    // From a fifth on there is none.
    let wide = checked(pairs, &Params { length_gap: 0.2, ..Params::default() });
    assert_eq!(wide.lengths[1].beyond_count, Some(0));
}

#[test]
fn a_word_that_gives_the_side_away_is_found() {
    let mut pairs = clean(40);
    // The chosen response has a word that no other has; in every eighth pair the rejected one has it.
    for (i, pair) in pairs.iter_mut().enumerate() {
        let side = if i % 8 == 7 { &mut pair.rejected } else { &mut pair.chosen };
        side.push_str(" kindly");
    }
    let found = checked(pairs, &Params::default());
    // 35 of 40 have it on the right side: (35² + 35 · 5) / 40², but for the scale of each fold.
    let by_cluster = words(&found, SplitKind::Clusters);
    assert!(by_cluster.above(0.5) && (by_cluster.value - 0.875).abs() < 0.08, "{by_cluster:?}");
    let order = |kind| found.split(kind).unwrap().words_in_order.as_ref().unwrap().value;
    assert!((order(SplitKind::Clusters) - 0.875).abs() < 1e-12);
    assert!((order(SplitKind::WholeAxes) - 0.875).abs() < 1e-12);
    let page = Check::page(&found);
    assert!(page.findings[0].statement.contains("A bag of words tells chosen from rejected"));
}

#[test]
fn shared_prompts_are_one_cluster_and_near_ones_are_named() {
    let mut pairs = clean(20);
    for i in 0..3 {
        pairs[i + 4].prompt = pairs[i].prompt.clone();
    }
    pairs[10].prompt = format!("{} indeed", pairs[9].prompt);
    let found = checked(pairs, &Params::default());
    let prompts = found.prompts.as_ref().unwrap();
    assert_eq!((prompts.different, prompts.shared, prompts.pairs), (17, 3, 6));
    // Their responses differ, so that the pairs are no near copies and in clusters of their own.
    assert_eq!((prompts.near, found.copies.near, found.clusters), (2, 0, 17));
    assert_eq!(prompts.near_ids, [["p9", "p10"]]);
    let expected = 6.0 / 20.0 * 0.8;
    assert!((leaked(&found, SplitKind::Units) - expected).abs() < 0.08);
}

#[test]
fn uneven_axes_are_told() {
    let mut pairs = clean(24);
    pairs.iter_mut().take(12).for_each(|p| p.axis = "most".into());
    let found = checked(pairs, &Params::default());
    let b = &found.balance;
    assert_eq!(b.axes.iter().map(|a| a.rows).collect::<Vec<_>>(), [12, 3, 3, 3, 3]);
    // 1 / (1/4 + 4/64).
    assert!((b.effective - 3.2).abs() < 1e-12 && b.ratio == 4.0 && b.whole == 5);
    assert!(found.sentences().iter().any(|s| s.contains("uneven") && s.contains("3.2 even ones of 5")));
    let least = found.power.iter().find(|p| p.of == "axes").unwrap().least_p.unwrap();
    assert!((least - 2.0 / 32.0).abs() < 1e-12);
}

#[test]
fn power_is_that_of_so_many_independent_texts() {
    let found = checked(clean(90), &Params { claim: 0.62, ..Params::default() });
    let of = |measure: &str| found.power.iter().find(|p| p.measure.as_deref() == Some(measure)).unwrap();
    let (plain, fitted) = (of("AUROC"), of("AUROC, fitted in folds"));
    assert_eq!(plain.n, 90);
    assert!((plain.least.unwrap() - 0.62).abs() < 0.005, "{plain:?}");
    assert!((plain.power.unwrap() - 0.8).abs() < 0.03 && plain.needed.unwrap().abs_diff(90) < 6);
    // A variance of 9/4 takes so many times as many.
    assert!(fitted.least > plain.least && fitted.needed.unwrap().abs_diff(plain.needed.unwrap() * 9 / 4) < 6);
    assert!(plain.needed_to_rule_out > plain.needed);
    let order = of("pairs in order");
    assert!(order.least.unwrap() > plain.least.unwrap(), "{order:?}");
}

fn class(i: usize, label: &str, category: &str, group: Option<&str>) -> ClassRow {
    ClassRow {
        id: format!("t{i}"),
        text: sentence(40 * i, 12),
        label: label.into(),
        category: Some(category.into()),
        group: group.map(str::to_owned),
        turns: vec![],
        extra: Extra::new(),
    }
}

#[test]
fn axes_that_near_copies_chain_are_named_with_the_rows_that_do_it() {
    let mut pairs = clean(24);
    // One word of ten is another, on the next axis: 0 with 1, 1 with 2, and 3 by itself.
    for (from, to) in [(4, 5), (9, 10)] {
        pairs[to].chosen = format!("{} {}", pairs[from].chosen, word(2000 + to));
        pairs[to].rejected = format!("{} {}", pairs[from].rejected, word(2100 + to));
        pairs[to].prompt = pairs[from].prompt.clone();
    }
    let found = checked(pairs.clone(), &Params::default());
    let said = |found: &CheckedTexts, what: &str| {
        assert!(found.sentences().iter().any(|s| s.contains(what)), "{what}: {:?}", found.sentences());
    };
    assert_eq!((found.balance.whole, found.balance.chains.len()), (2, 1));
    said(
        &found,
        "chain the axes `axis 0`, `axis 1`, `axis 2` into one unit (`p4` with `p5`; `p9` with `p10`)",
    );
    said(&found, "4 axes are 2 where one is held out at a time");
    assert!(found.split(SplitKind::WholeAxes).unwrap().missing.is_none());
    // With the last one chained too there is no axis to hold out, and that is why, not a class that is missing.
    pairs.retain(|p| p.axis != "axis 3");
    let found = checked(pairs, &Params::default());
    said(&found, "so that no axis can be held out (`p4` with `p5`");
    said(&found, "with 1 axis exchanged whole");
    for kind in [SplitKind::Axes, SplitKind::WholeAxes] {
        let why = found.split(kind).unwrap().missing.clone().unwrap();
        assert!(why.contains("axes are chained into one unit"), "{why}");
    }
}

#[test]
fn texts_for_all_categories_are_held_out_with_each() {
    let harms = (0..16).map(|i| class(i, "harmful", ["a", "b", "c", "d"][i % 4], None));
    let safe = (16..32).map(|i| ClassRow { category: None, ..class(i, "safe", "", None) });
    let loaded = Loaded::new(harms.chain(safe).collect(), "0".repeat(64));
    let distinct = Distinct::classes(loaded, NearCopies::default()).unwrap();
    let texts = TextsToCheck::Classes(&distinct, Some("harmful"));
    let input = CheckData { texts, near: NearCopies::default(), tokens: None };
    let found = Check::run(&input, &Params::default(), &Seeds::new(7)).unwrap();
    let named = found.split(SplitKind::Axes).unwrap();
    assert!(named.words.is_none() && named.missing.as_ref().unwrap().contains("one class to learn"));
    assert!(found.split(SplitKind::WholeAxes).unwrap().words.is_some());
    assert_eq!((found.balance.axes.len(), found.balance.axes[4].rows), (5, 16));
}

#[test]
fn classes_have_groups_and_categories() {
    let mut rows: Vec<ClassRow> = (0..24)
        .map(|i| {
            let label = if i % 2 == 0 { "harmful" } else { "safe" };
            // Four rows to a group, on two categories; the last category is harmful throughout.
            let group = format!("g{}", i / 4);
            class(i, label, ["a", "b", "c"][i / 8], (i < 16).then_some(group.as_str()))
        })
        .collect();
    rows.iter_mut().skip(16).for_each(|r| r.label = "harmful".into());
    let distinct = Distinct::classes(Loaded::new(rows, "0".repeat(64)), NearCopies::default()).unwrap();
    let tiny = Tiny::open();
    let input = CheckData {
        texts: TextsToCheck::Classes(&distinct, Some("harmful")),
        near: NearCopies::default(),
        tokens: Some(&tiny),
    };
    let found = Check::run(&input, &Params::default(), &Seeds::new(7)).unwrap();
    assert_eq!((found.unit.as_str(), found.texts, found.units, found.clusters), ("texts", 24, 12, 12));
    // Sixteen texts are in groups of four, of which others are nearly always fitted on; groups that are dealt whole leak
    // nothing.
    assert!((leaked(&found, SplitKind::Texts) - 16.0 / 24.0).abs() < 0.02);
    assert_eq!(leaked(&found, SplitKind::Units), 0.0);
    assert!(found.prompts.is_none() && found.lengths[0].beyond.is_none());
    assert_eq!(found.balance.axes[2].positive, 8);
    assert!(found.sentences().iter().any(|s| s.contains("one class alone (`c`)")), "{:?}", found.sentences());
    // Its tokenizer was asked, and no graph.
    assert_eq!((found.lengths[2].measure.as_str(), tiny.asked()), ("tokens", 0));
    assert!(Check::table(&found).rows.len() == 6 && !Check::page(&found).sections[0].blocks.is_empty());
}

#[test]
fn parameters_out_of_range_are_refused() {
    for bad in [
        Params { folds: Some(1), ..Params::default() },
        Params { deals: 0, ..Params::default() },
        Params { length_gap: 1.0, ..Params::default() },
        Params { claim: 0.5, ..Params::default() },
        Params { claim: f64::NAN, ..Params::default() },
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
    // More folds than pairs: those splits say why they are not there.
    let found = checked(clean(8), &Params { folds: Some(9), ..Params::default() });
    let split = found.split(SplitKind::Units).unwrap();
    assert!(
        split.words.is_none() && split.missing.as_ref().unwrap().contains("9 folds need at least 9 groups")
    );
}
