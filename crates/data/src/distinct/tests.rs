use proptest::prelude::*;

use super::super::{Extra, Pair, SequenceRow, Template};
use super::*;

fn class(id: &str, text: &str, label: &str) -> ClassRow {
    ClassRow {
        id: id.into(),
        text: text.into(),
        label: label.into(),
        category: None,
        group: None,
        turns: vec![],
        extra: Extra::new(),
    }
}

fn classes(rows: Vec<ClassRow>) -> Result<Distinct<ClassRow>, CopiesError> {
    Distinct::classes(Loaded::new(rows, ""), NearCopies::default())
}

fn pair(id: &str, [prompt, chosen, rejected]: [&str; 3]) -> Pair {
    Pair {
        id: id.into(),
        axis: "a".into(),
        prompt: prompt.into(),
        chosen: chosen.into(),
        rejected: rejected.into(),
        turns: vec![],
        rejected_turns: vec![],
        extra: Extra::new(),
    }
}

fn pairs(rows: Vec<Pair>) -> Result<Distinct<Pair>, CopiesError> {
    Distinct::pairs(Loaded::new(rows, ""), &Template::default(), NearCopies::default())
}

#[test]
fn copies_count_once_and_near_copies_are_one_cluster() {
    let found = classes(vec![
        class("a", "The old hat is on the box", "x"),
        class("b", "  the OLD hat\tis on the box ", "x"),
        // Six of its seven words are those of `a`.
        class("c", "the old hat is on my box", "x"),
        class("d", "something else altogether", "y"),
    ])
    .unwrap();
    assert_eq!(found.rows.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["a", "c", "d"]);
    assert_eq!(found.cluster, [0, 0, 1]);
    let copies = &found.copies;
    assert_eq!((copies.rows, copies.exact, copies.near, copies.clusters), (4, 1, 2, 2));
    let said = copies.sentences().join("\n");
    assert!(said.contains("1 of 4 texts are copies") && said.contains("`b` of `a`"), "{said}");
    assert!(said.contains("2 texts are near copies") && said.contains("`a`, `c`"), "{said}");
    assert!(
        classes(vec![class("a", "one", "x"), class("b", "two", "y")]).unwrap().copies.sentences().is_empty()
    );
}

#[test]
fn the_threshold_is_met_exactly_and_linkage_is_single() {
    // 4 of 5 words is 0.8; one step further from the first it is 3 of 5 and less.
    let rows =
        || vec![class("a", "a b c d", "x"), class("b", "a b c d e", "x"), class("c", "b c d e f", "x")];
    assert_eq!(classes(rows()).unwrap().cluster, [0, 0, 1]);
    let near = |t: f64| Distinct::classes(Loaded::new(rows(), ""), NearCopies::new(t).unwrap()).unwrap();
    assert_eq!(near(0.81).cluster, [0, 1, 2]);
    assert_eq!(near(0.6).cluster, [0, 0, 0]);
    assert!(NearCopies::new(0.0).is_err() && "1.1".parse::<NearCopies>().is_err());
}

#[test]
fn copies_with_another_label_are_refused_by_name() {
    let e = classes(vec![class("a", "Same text", "x"), class("b", "same  text", "y")]).unwrap_err();
    let said = format!("{e} {}", e.hint().unwrap());
    assert!(["`a`", "`b`", "`x`", "`y`"].iter().all(|w| said.contains(w)), "{said}");
    let e = pairs(vec![pair("a", ["p", "yes", "no"]), pair("b", ["P", "no", "Yes"])]).unwrap_err();
    assert!(e.to_string().contains("pair `b` is pair `a` with `chosen` and `rejected` exchanged"), "{e}");
}

#[test]
fn pairs_of_one_prompt_are_a_cluster_unless_all_have_it() {
    let two = ["how do I open a jar", "what is red"];
    let row = |i: usize, prompt: &str| {
        pair(&i.to_string(), [prompt, &format!("word{i} one{i}"), &format!("other{i} two{i}")])
    };
    let found = pairs((0..4).map(|i| row(i, two[i % 2])).collect()).unwrap();
    assert_eq!(found.cluster, [0, 1, 0, 1]);
    // A prompt that all pairs have tells none from another, as the template does.
    let found = pairs((0..4).map(|i| row(i, two[0])).collect()).unwrap();
    assert_eq!(found.cluster, [0, 1, 2, 3]);
    assert!(found.copies.sentences()[0].contains("how do I open a jar"));
    // Neither does one that the model never sees.
    let template: Template = "{response}".parse().unwrap();
    let rows = Loaded::new((0..4).map(|i| row(i, two[i % 2])).collect(), "");
    assert_eq!(Distinct::pairs(rows, &template, NearCopies::default()).unwrap().cluster, [0, 1, 2, 3]);
}

#[test]
fn a_copy_in_another_category_is_no_second_one_and_groups_join() {
    let mut rows =
        vec![class("a", "one text", "x"), class("b", "One text", "x"), class("c", "quite other", "x")];
    rows[1].category = Some("k".into());
    rows[1].group = Some("g".into());
    rows[2].group = Some("g".into());
    let found = classes(rows).unwrap();
    // The group of the copy that goes still joins what it held together.
    assert_eq!((found.cluster.as_slice(), found.copies.exact, found.copies.elsewhere), (&[0, 0][..], 1, 1));
    assert_eq!(found.also, [vec!["k".to_owned()], vec![]]);
    let said = found.copies.sentences().join("\n");
    assert!(said.contains("1 of these copies stand under another category"), "{said}");
    let mut other = pair("b", ["P", "Yes", "no"]);
    other.axis = "b".into();
    let found = pairs(vec![pair("a", ["p", "yes", "no"]), other]).unwrap();
    assert_eq!(
        (found.rows.len(), found.copies.elsewhere, found.also[0].as_slice()),
        (1, 1, &["b".to_owned()][..])
    );
}

#[test]
fn duels_and_replies_are_looked_at_prompt_by_prompt() {
    let near = NearCopies::default();
    let duels = |rows: &[(&'static str, [&'static str; 3])]| first_duels("duels", rows.iter().copied(), near);
    let found = duels(&[
        ("a", ["p", "one two", "three"]),
        ("b", ["P", "One  two", "three"]),
        ("c", ["q", "one two", "three"]),
        // The same words in other places are near copies.
        ("d", ["p", "two one", "three"]),
    ]);
    let found = found.unwrap();
    assert_eq!((found.of.as_slice(), found.copies.exact, found.copies.near), (&[0, 0, 2, 0][..], 1, 2));
    let e = duels(&[("a", ["p", "x", "y"]), ("b", ["p", "Y", "x"])]).unwrap_err();
    let said = format!("{e}; {}", e.hint().unwrap());
    assert!(
        said.contains("`b` is `a` with its two texts exchanged") && said.contains("take `a` or `b` out"),
        "{said}"
    );
    let replies = [("a", ["p", "no"]), ("b", ["q", "no"]), ("c", ["p", "No"])];
    assert_eq!(first_replies(replies.into_iter(), near).of, [0, 1, 0]);
}

#[test]
fn sequences_are_stood_for_by_the_first() {
    let row = |id: &str, text: &str| SequenceRow {
        id: id.into(),
        text: text.into(),
        kind: None,
        turns: vec![],
        pair: None,
        extra: Extra::new(),
    };
    let rows = [row("a", "x"), row("b", "y"), row("c", "X"), row("d", "!!"), row("e", "??")];
    let found = first_sequences(&rows, NearCopies::default()).unwrap();
    assert_eq!((found.of.as_slice(), found.copies.exact), (&[0, 1, 0, 3, 4][..], 1));
    assert_eq!(found.stands(), [true, true, false, true, true]);
    let shared = |text, copy_of, cluster: &[usize]| SharedText { text, copy_of, cluster: cluster.to_vec() };
    assert_eq!(
        copies_between(&["a b c d e", "z", "z!"], &["Z", "q", "a b c d"], NearCopies::default()),
        [shared(0, Some(1), &[1, 2]), shared(2, None, &[0])]
    );
}

#[test]
fn copies_of_two_kinds_are_refused_and_those_of_none_are_not() {
    let row = |id: &str, kind: Option<&str>| SequenceRow {
        id: id.into(),
        text: if id == "a" { "One text" } else { "one TEXT" }.into(),
        kind: kind.map(str::to_owned),
        turns: vec![],
        pair: None,
        extra: Extra::new(),
    };
    let first = |kinds: [Option<&str>; 2]| {
        first_sequences(&[row("a", kinds[0]), row("b", kinds[1])], NearCopies::default())
    };
    for kinds in [[None, Some("x")], [Some("x"), None], [Some("x"), Some("x")]] {
        assert_eq!(first(kinds).unwrap().of, [0, 0], "{kinds:?}");
    }
    // Nearly the same words of two kinds are one, unless they are matched for that.
    let near = |pair: Option<&str>| {
        let row = |id: &str, text: &str, kind: &str| SequenceRow {
            text: text.into(),
            pair: pair.map(str::to_owned),
            ..row(id, Some(kind))
        };
        let rows = [
            row("a", "when I break it then the mending of it falls to me", "x"),
            row("b", "when I break it then the mending of it falls to you", "y"),
        ];
        first_sequences(&rows, NearCopies::default()).unwrap().of
    };
    assert_eq!((near(None), near(Some("one"))), (vec![0, 0], vec![0, 1]));
    let said = first([Some("x"), Some("y")]).unwrap_err().to_string();
    assert!(
        said.starts_with("sequences `a` and `b`") && said.ends_with("of the kinds `x` and `y`"),
        "{said}"
    );
}

#[test]
fn the_make_of_characters_makes_no_other_text() {
    for (one, other) in [
        ("Caf\u{e9} na\u{ef}ve", "cafe\u{301} nai\u{308}ve"),
        ("full width", "\u{ff26}\u{ff35}\u{ff2c}\u{ff2c}\u{3000}width"),
        ("hyphenated word", "hyphen\u{ad}ated\u{200b} word\u{feff}"),
        ("Strasse, office", "stra\u{df}e, o\u{fb03}ce"),
    ] {
        let found = classes(vec![class("a", one, "x"), class("b", other, "x")]).unwrap();
        assert_eq!(found.copies.exact, 1, "{one} {other}");
        assert_eq!(words(one).collect::<Vec<_>>(), words(other).collect::<Vec<_>>());
        assert_eq!(copies_between(&[one], &[other], NearCopies::default())[0].copy_of, Some(0));
    }
}

#[test]
fn pairs_that_answer_the_same_are_a_cluster_unless_the_answers_are_fixed() {
    let chosen = "the lighthouse keeper counts seven grey herons";
    let rejected = "a clerk forgot his umbrella in some train";
    let found = pairs(vec![
        pair("a", ["What came first of all things?", chosen, rejected]),
        pair("b", ["Say anything you like.", chosen, rejected]),
        pair("c", ["Tell me about the sea, please.", &format!("{chosen} today"), rejected]),
        pair("d", ["Is it late?", "Yes, I would.", "No, I would not."]),
        pair("e", ["Would you help a friend who steals?", "Yes, I would.", "No, I would not."]),
    ])
    .unwrap();
    assert_eq!(found.cluster, [0, 0, 0, 1, 2]);
    assert_eq!(found.rows.len(), 5);
}

#[test]
fn pairs_that_share_one_long_response_are_a_cluster_unless_all_do() {
    let long = "the lighthouse keeper counts seven grey herons before breakfast";
    let refusal = "I am sorry, but that is nothing that I can help anybody with.";
    let rows = |constant: bool| {
        let other = |text: &str| if constant { refusal.to_owned() } else { text.to_owned() };
        pairs(vec![
            pair(
                "a",
                ["What came first of all things?", long, &other("a clerk forgot his umbrella in some train")],
            ),
            pair(
                "b",
                [
                    "Say anything you like.",
                    &long.to_uppercase(),
                    &other("none of the pears on that tree are ripe"),
                ],
            ),
            pair(
                "c",
                [
                    "Is it late?",
                    "clouds were low and slow over my father's land",
                    &other(&format!("{long} today")),
                ],
            ),
            pair(
                "d",
                [
                    "Who calls?",
                    "a bell rings twice when no one is near it",
                    &other("we found four coins under the old stairs"),
                ],
            ),
        ])
        .unwrap()
    };
    let found = rows(false);
    assert_eq!(found.cluster, [0, 0, 0, 1], "a response of either side is a text");
    assert!(found.copies.common_responses.is_empty());
    // What all have tells none from another, and is said.
    let found = rows(true);
    assert_eq!(found.cluster, [0, 0, 1, 2]);
    let said = found.copies.sentences().join("\n");
    assert!(said.contains("all pairs have the rejected response `I am sorry"), "{said}");
}

#[test]
fn signs_alone_are_alike_where_they_are_the_same() {
    let row = |i: usize, rejected: &str| pair(&i.to_string(), ["p", "!!", rejected]);
    let found = pairs(vec![row(0, "one"), row(1, "two"), pair("2", ["p", "??", "three"])]).unwrap();
    assert_eq!(found.cluster, [0, 0, 1]);
}

#[test]
fn texts_without_spaces_are_near_copies_by_their_characters() {
    let cluster = |texts: &[&str]| {
        let row = |(i, text): (usize, &&str)| class(&i.to_string(), text, "x");
        classes(texts.iter().enumerate().map(row).collect()).unwrap().cluster
    };
    // "I go to market every morning to buy vegetables and fresh fruit", with the end changed; "it rained all day".
    let thai = "ฉันไปตลาดทุกเช้าเพื่อซื้อผักและผลไม้สด";
    assert_eq!(
        cluster(&[thai, &format!("{thai}ก"), &format!("{thai} ข"), "ฝนตกทั้งวันเราจึงอยู่บ้าน"]),
        [0, 0, 0, 1]
    );
    for (one, near, other) in [
        ("ຂ້ອຍໄປຕະຫຼາດທຸກເຊົ້າ", "ຂ້ອຍໄປຕະຫຼາດທຸກເຊົ້າກ", "ຝົນຕົກໝົດມື້"),
        ("ខ្ញុំទៅផ្សាររៀងរាល់ព្រឹក", "ខ្ញុំទៅផ្សាររៀងរាល់ព្រឹកក", "ភ្លៀងពេញមួយថ្ងៃ"),
        ("ကျွန်တော်မနက်တိုင်းဈေးသွားတယ်", "ကျွန်တော်မနက်တိုင်းဈေးသွားတယ်က", "တစ်နေ့လုံးမိုးရွာတယ်"),
        ("ཀཁགངཅཆཇཉཏཐདནཔཕབམཙཚཛཝཞཟའཡར", "ཀཁགངཅཆཇཉཏཐདནཔཕབམཙཚཛཝཞཟའཡལ", "རཡའཟཞཝཛཚཙམབཕཔནདཐཏཉཇཆཅངགཁཀ"),
        // One long word, also with a few others before it; signs.
        (
            "mnmhaiainhhlgknijpgfpiejjckapha",
            "mnmhaiainhhlgknijpgfpiejjckaphb",
            "ljdpbgkcaeofhlmmbnpiakcjgdeohfb",
        ),
        ("Key: mnmhaiainhhlgknijpgfpiejjckapha", "Key: mnmhaiainhhlgknijpgfpiejjckaphb", "Key: none"),
        ("!!!???", "!!!???!", "... ---"),
    ] {
        assert_eq!(cluster(&[one, near, other]), [0, 0, 1], "{one}");
    }
    // Words of a language, short signs, and sequences of few letters that have nothing in common.
    assert_eq!(
        cluster(&["unconstitutionally", "constitutionally", "!!", "!?", "ไป", "ไม่"]),
        [0, 1, 2, 3, 4, 5]
    );
    let dna = |seed: usize| -> String {
        let mut state = seed;
        let mut next = || {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            ['a', 'c', 'g', 't'][state >> 16 & 3]
        };
        (0..1000).map(|_| next()).collect()
    };
    let (one, other) = (dna(1), dna(2));
    assert_eq!(cluster(&[&one, &format!("{}c", &one[..999]), &other]), [0, 0, 1]);
    // Beside eight other words a long one is one word.
    let words = "the file of that name has this hash today";
    let hash = |c: &str| format!("{words} {}", c.repeat(40));
    assert_eq!(cluster(&[&hash("a1"), &hash("b2")]), [0, 0]);
}

#[test]
fn answers_of_few_words_are_fixed_in_scripts_without_spaces_too() {
    let found = pairs(vec![
        pair("a", ["สายหรือยัง", "ใช่ครับ ผมจะทำ", "ไม่ครับ ผมไม่ทำ"]),
        pair("b", ["ฝนตกไหมวันนี้ที่บ้านคุณ", "ใช่ครับ ผมจะทำ", "ไม่ครับ ผมไม่ทำ"]),
        pair("c", ["เล่าเรื่องทะเล", "ฉันไปตลาดทุกเช้าเพื่อซื้อผักและผลไม้สด", "ฝนตกทั้งวันเราจึงอยู่บ้านอ่านหนังสือ"]),
        pair("d", ["พูดอะไรก็ได้", "ฉันไปตลาดทุกเช้าเพื่อซื้อผักและผลไม้สด", "ฝนตกทั้งวันเราจึงอยู่บ้านอ่านหนังสือ"]),
    ]);
    assert_eq!(found.unwrap().cluster, [0, 1, 2, 2]);
}

#[test]
fn ten_thousand_texts_of_one_mould_are_told_apart() {
    let rows: Vec<ClassRow> = (0..10_000)
        .map(|i: usize| {
            let text = format!("is it right to take a{} from b{} when c{i} is near", i % 97, i / 97);
            class(&i.to_string(), &text, "x")
        })
        .collect();
    let found = classes(rows).unwrap();
    assert_eq!(found.rows.len(), 10_000);
    // Of eleven words two or three differ: 9 of 13 are common at the best.
    assert_eq!(found.copies.clusters, 10_000);
}

fn jaccard(a: &str, b: &str) -> f64 {
    let set = |t: &str| near::parts(t).into_iter().collect::<HashSet<_>>();
    let (a, b) = (set(a), set(b));
    a.intersection(&b).count() as f64 / a.union(&b).count().max(1) as f64
}

proptest! {
    #[test]
    fn the_index_finds_what_comparing_all_finds(
        texts in prop::collection::vec(prop::collection::vec(0..6_u8, 1..9), 1..25),
        threshold in prop::sample::select(vec![0.3, 0.5, 2.0 / 3.0, 0.75, 0.8, 1.0]),
    ) {
        let texts: Vec<String> =
            texts.iter().map(|t| t.iter().map(|w| format!("w{w} ")).collect()).collect();
        let mut fast = DisjointSets::new(texts.len());
        join_near(texts.iter().map(String::as_str).enumerate(), threshold, &mut fast);
        let mut slow = DisjointSets::new(texts.len());
        for i in 0..texts.len() {
            for j in 0..i {
                if jaccard(&texts[i], &texts[j]) >= threshold - 1e-9 {
                    slow.join(i, j);
                }
            }
        }
        prop_assert_eq!(fast.numbered(), slow.numbered());
    }
}
