use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use truenorth_protocol::graph::Builder;
use truenorth_protocol::{ReadAt, Site};

use super::ask::JudgeAnswer;
use super::judgement::{Things, summary};
use super::run::{Asking, duels, replies};
use super::summary::summarise;
use super::*;
use crate::fixture::Tiny;
use truenorth_data::Firsts;
use truenorth_data::store::Store;
use truenorth_protocol::run::{Runner as _, Unwatched};
use truenorth_reading::Reader;
use truenorth_stats::math::Seeds;

/// What a judge with a taste, a habit and some noise would answer.
fn answers(taste: f64, habit: f64, noise: f64, n: usize, seed: u64) -> Vec<[JudgeAnswer; 2]> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut asked = |sign: f64| JudgeAnswer {
        log_odds: sign * taste + habit + noise * rng.sample::<f64, _>(StandardNormal),
        mass: 0.9,
    };
    (0..n).map(|_| [asked(1.0), asked(-1.0)]).collect()
}

fn of_answers(asked: &[[JudgeAnswer; 2]]) -> Judgement {
    let tiny = Tiny::open();
    let reader = Reader::new(&tiny, None);
    let ids: Vec<String> = (0..asked.len()).map(|i| format!("d{i}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let firsts = Firsts { of: (0..ids.len()).collect(), ..Firsts::default() };
    let things = Things { ids: &ids, firsts, clusters: (0..ids.len()).collect(), over: [""; 3] };
    summary(&reader, &things, asked, "test".into(), NoOpinionBand::default(), &Seeds::new(1)).unwrap()
}

#[test]
fn taste_and_habit_are_told_apart() {
    let fair = of_answers(&answers(1.0, 0.4, 0.3, 40, 1));
    assert!((fair.preference.value - 1.0).abs() < 0.2 && (fair.bias.value - 0.4).abs() < 0.2);
    assert!(fair.bias.null.as_ref().unwrap().p < 0.01);
    assert!(fair.first.unwrap().value > 0.9 && fair.consistency.unwrap().value > 0.8);
    // A judge who likes the first letter and nothing else gives no verdicts.
    let habit = of_answers(&answers(0.0, 3.0, 0.3, 40, 2));
    assert!(habit.first.is_none() && habit.abstained.value == 1.0);
    assert_eq!(habit.reasons[1], ("contradicts itself".to_owned(), 40));
    assert!(habit.preference.null.unwrap().p > 0.05);
    assert!(habit.consistency.unwrap().value == 0.0);
}

#[test]
fn a_judge_who_flips_coins_is_as_consistent_as_chance() {
    let coin = of_answers(&answers(0.0, 0.0, 1.0, 200, 3));
    let c = coin.consistency.unwrap();
    assert!(c.interval.unwrap().contains(0.5) && c.null.unwrap().p > 0.01);
    let silent: Vec<[JudgeAnswer; 2]> =
        vec![[JudgeAnswer { log_odds: 2.0, mass: 1e-4 }, JudgeAnswer { log_odds: -2.0, mass: 0.9 }]; 3];
    let silent = of_answers(&silent);
    assert!(silent.reasons[0].1 == 3 && silent.consistency.is_none() && silent.abstained.n == 3);
}

#[test]
fn kappa_is_that_of_the_textbook() {
    use JudgeVerdict::{Abstain as X, First as A, Second as B};
    // 20 both yes, 5 and 10 apart, 15 both no: κ = (0.7 - 0.5) / 0.5.
    let table = [((A, A), 20), ((A, B), 5), ((B, A), 10), ((B, B), 15)];
    let pairs: Vec<(JudgeVerdict, JudgeVerdict)> =
        table.iter().flat_map(|(p, n)| std::iter::repeat_n(*p, *n)).collect();
    assert!((kappa(&pairs).unwrap() - 0.4).abs() < 1e-12);
    assert!(kappa(&[(A, A), (A, A)]).is_none() && kappa(&[]).is_none());
    let judge = |name: &str, of: &dyn Fn(usize) -> JudgeVerdict| Verdicts {
        judge: name.into(),
        verdicts: (0..60).map(|i| (format!("d{i:02}"), of(i))).collect(),
    };
    let one = judge("one", &|i| [A, B, X][i % 3]);
    let near = judge("near", &|i| if i % 10 == 0 { X } else { [A, B, X][i % 3] });
    let far = judge("far", &|i| [A, B, X][(i / 3) % 3]);
    let found = agreement(&[one.clone(), near, far.clone()], 199, &Seeds::new(0)).unwrap();
    // What judges are called changes no number.
    let calling = |judges: [&Verdicts; 2], names: [&str; 2]| {
        let called = |(of, name): (&Verdicts, &str)| Verdicts { judge: name.into(), ..of.clone() };
        let judges: Vec<Verdicts> = judges.into_iter().zip(names).map(called).collect();
        let found = agreement(&judges, 199, &Seeds::new(0)).unwrap().remove(0);
        Agreed { first: String::new(), second: String::new(), ..found }
    };
    assert_eq!(calling([&one, &far], ["one", "far"]), calling([&one, &far], ["/m/one", "/m/two"]));
    let (close, apart) = (&found[0], &found[1]);
    let k = close.kappa.as_ref().unwrap();
    assert!(k.value > 0.8 && k.interval.unwrap().low > 0.6 && k.null.as_ref().unwrap().p < 0.01);
    assert!(close.decided.as_ref().unwrap().value == 1.0);
    assert!(apart.kappa.as_ref().unwrap().null.as_ref().unwrap().p > 0.05);
    assert_eq!(close.table.iter().flatten().sum::<usize>(), 60);
    assert!(agreement(std::slice::from_ref(&one), 9, &Seeds::new(0)).is_err());
    let other = Verdicts { judge: "other".into(), verdicts: BTreeMap::from([("z".to_owned(), A)]) };
    let e = agreement(&[one, other], 9, &Seeds::new(0)).unwrap_err().to_string();
    assert!(e.contains("`other` judged 0 things"), "{e}");
}

#[test]
fn a_model_judges_in_both_orders_and_is_asked_once() {
    let tiny = Tiny::open();
    let store = Store::in_memory().unwrap();
    let reader = Reader::new(&tiny, Some(&store));
    let duel = |i: usize| Duel {
        id: format!("d{i}"),
        prompt: "the hat".into(),
        first: format!("red {i}"),
        second: "a {first} tin".into(),
    };
    let all: Vec<Duel> = (0..5).map(duel).collect();
    let template = JudgeTemplate::parse("{prompt}: A {first} B {second} is:").unwrap();
    let (band, near) = (NoOpinionBand { least_preference: 0.0, least_mass: 0.0 }, NearCopies::default());
    let asking = Asking { template: &template, answers: ["A", "B"], band, near };
    let run = || duels(&reader, &all, &asking, &Seeds::new(0), &Unwatched).unwrap();
    let found = run();
    // The first row by hand.
    for (k, prompt) in ["the hat: A red 0 B a {first} tin is:", "the hat: A a {first} tin B red 0 is:"]
        .into_iter()
        .enumerate()
    {
        let encode = |t: &str| tiny.encode(t, true).unwrap().unwrap();
        let at = encode(prompt).len();
        let tokens = [encode(&format!("{prompt}A"))[at], encode(&format!("{prompt}B"))[at]];
        let mut b = Builder::new();
        let g = b.texts([prompt]);
        let logits = b.read(g, Site::Logits, ReadAt::Last);
        let l = b.log_prob(logits, &tokens);
        b.save("l", l);
        let l = tiny.ask(b.finish(), &Unwatched).unwrap().tensor("l").unwrap().to_f32().unwrap();
        let (a, b) = (f64::from(l[0]), f64::from(l[1]));
        assert!((found.rows[0].log_odds[k] - (a - b)).abs() < 1e-4);
        assert!((found.rows[0].mass[k] - (a.exp() + b.exp())).abs() < 1e-4);
    }
    assert!(found.rows.len() == 5 && found.judge == "tiny");
    // The text that all are held against makes them one cluster, of which there is nothing to turn.
    assert_eq!(found.clusters, Some(1));
    assert!(found.preference.null.is_none() && found.preference.interval.is_none());
    assert!(found.first.as_ref().is_none_or(|f| f.null.is_none() && f.interval.is_none()));
    assert!(found.clusters_said().unwrap().contains("no p"));
    let asked = tiny.asked();
    assert_eq!(run(), found);
    assert_eq!(tiny.asked(), asked, "a second judging asked the model again");
    let texts = [Reply { id: "r".into(), prompt: "the hat".into(), text: "I can't.".into() }];
    let asking = Asking { template: &JudgeTemplate::reply(), answers: ["Yes", "No"], band, near };
    let one =
        replies(&reader, &texts, &JudgeQuestion::refusal(), &asking, &Seeds::new(0), &Unwatched).unwrap();
    assert!(one.question == "refusal" && one.rows.len() == 1 && one.bias.interval.is_none());
}

#[test]
fn duels_of_one_text_twice_count_nowhere_and_questions_go_by_the_ids_of_their_rows() {
    let tiny = Tiny::open();
    let reader = Reader::new(&tiny, None);
    let duel = |id: &str, first: &str, second: &str| Duel {
        id: id.into(),
        prompt: "the hat".into(),
        first: first.into(),
        second: second.into(),
    };
    let apart = [duel("a", "red", "a tin"), duel("b", "old cup", "new")];
    let mut all = apart.to_vec();
    all.insert(1, duel("same", "The  red hat", "the red hat "));
    all.push(duel("very same", "red", "red"));
    let template = JudgeTemplate::parse("{prompt}: A {first} B {second} is:").unwrap();
    let (band, near) = (NoOpinionBand { least_preference: 0.0, least_mass: 0.0 }, NearCopies::default());
    let asking = Asking { template: &template, answers: ["A", "B"], band, near };
    let of = |all: &[Duel]| duels(&reader, all, &asking, &Seeds::new(0), &Unwatched);
    let (found, without) = (of(&all).unwrap(), of(&apart).unwrap());
    assert_eq!(found.same_texts, ["same", "very same"]);
    assert_eq!(Judgement { same_texts: vec![], ..found }, without);
    let e = of(&all[1..2]).unwrap_err();
    assert!(e.is_request() && e.to_string().contains("`same`"), "{e}");
    let e = of(&[duel("a", "red", "tin"), duel("long one", "red", &"hat ".repeat(400))]).unwrap_err();
    assert_eq!(e.prompt(), Some("long one"), "{e}");
}

#[test]
fn duels_of_the_same_texts_or_of_one_prompt_are_counted_by_the_rule_of_pairs() {
    let tiny = Tiny::open();
    let reader = Reader::new(&tiny, None);
    // Nine words are more than a fixed answer.
    let words =
        |from: u8| -> String { (0..9).flat_map(|k| [char::from(b'a' + (3 * from + k) % 26), ' ']).collect() };
    let duel = |i: u8, prompt: String| Duel {
        id: format!("{i} {prompt}"),
        prompt,
        first: words(2 * i),
        second: words(2 * i + 1),
    };
    let once: Vec<Duel> = (0..4).map(|i| duel(i, format!("ask {i}"))).collect();
    let again: Vec<Duel> = (0..4).map(|i| duel(i, format!("ask {i} x"))).collect();
    let template = JudgeTemplate::parse("A {first} B {second} is:").unwrap();
    let (band, near) = (NoOpinionBand { least_preference: 0.0, least_mass: 0.0 }, NearCopies::default());
    let asking = Asking { template: &template, answers: ["A", "B"], band, near };
    let of = |all: &[Duel]| duels(&reader, all, &asking, &Seeds::new(0), &Unwatched).unwrap();
    let twice = of(&[once.clone(), again].concat());
    assert_eq!((twice.preference.n, twice.clusters, of(&once).clusters), (8, Some(4), None));
    assert!(twice.preference.null.as_ref().unwrap().what.contains("alike in things of one cluster"));
    let one: Vec<Duel> = (0..4).map(|i| duel(i, "ask".into())).collect();
    let one = of(&one);
    assert!(one.clusters.is_none() && one.preference.interval.is_some() && one.preference.null.is_some());
    assert_eq!(one.copies.common_prompt.as_deref(), Some("ask"));
}

#[test]
fn what_can_not_be_judged_is_refused_by_name() {
    let tiny = Tiny::open();
    let reader = Reader::new(&tiny, None);
    let duel = |id: &str, first: &str| Duel {
        id: id.into(),
        prompt: "p".into(),
        first: first.into(),
        second: "b".into(),
    };
    let good = JudgeTemplate::parse("{first} or {second}:").unwrap();
    let near = NearCopies::default();
    let refused = |all: &[Duel], template: &JudgeTemplate, answers: [&str; 2], band: NoOpinionBand| {
        let e = duels(&reader, all, &Asking { template, answers, band, near }, &Seeds::new(0), &Unwatched)
            .unwrap_err();
        assert!(e.is_request(), "{e}");
        e.to_string()
    };
    let (ab, band) = ([" A", " B"], NoOpinionBand::default());
    assert!(refused(&[], &good, ab, band).contains("nothing to judge"));
    assert!(refused(&[duel("x", " ")], &good, ab, band).contains("`x` has an empty text"));
    assert!(refused(&[duel("x", "a"), duel("x", "c")], &good, ab, band).contains("`x` is there twice"));
    assert!(refused(&[duel("x", "a")], &good, [" A", " A"], band).contains("same token"));
    assert!(refused(&[duel("x", "a")], &JudgeTemplate::reply(), ab, band).contains("{first}"));
    let says = |params: Params, what: &str| {
        let e = params.check().unwrap_err();
        assert!(e.is_request() && e.to_string().contains(what), "{e}");
    };
    says(Params { least_mass: 2.0, ..Params::default() }, "band");
    says(Params { least_preference: f64::NAN, ..Params::default() }, "band");
    says(Params { answers: vec!["a".into()], ..Params::default() }, "names 1 answers");
    says(Params { markup: "loud".into(), ..Params::default() }, "no markup `loud`");
    assert!(JudgeTemplate::parse("{who}").unwrap_err().to_string().contains("{who}"));
    assert!(JudgeTemplate::parse("a } b").unwrap_err().to_string().contains("byte 2"));
    assert_eq!(JudgeTemplate::parse("{{x}} {text}").unwrap().fill(&[("text", "{y}")]), "{x} {y}");
    assert_eq!(tiny.asked(), 0);
}

#[test]
fn verdicts_are_counted_by_group_and_held_against_others() {
    let judgement = of_answers(&answers(1.0, 0.1, 0.2, 20, 5));
    let doses: Vec<String> = (0..20).map(|i| if i < 12 { "0.5" } else { "-1" }.to_owned()).collect();
    let other = Verdicts { judge: "other".into(), ..judgement.verdicts() };
    let seeds = Seeds::new(0);
    let found = summarise(&judgement, Some(&doses), std::slice::from_ref(&other), 99, &seeds).unwrap();
    let at: Vec<Option<f64>> = found.groups.iter().map(|g| g.at).collect();
    assert_eq!(at, [Some(-1.0), Some(0.5)]);
    assert_eq!((found.groups[0].abstained.n, found.groups[1].abstained.n), (8, 12));
    assert!(found.agreement.len() == 1 && found.agreement[0].same.value == 1.0);
    let alone = summarise(&judgement, None, &[], 99, &seeds).unwrap();
    assert!(alone.groups.is_empty() && alone.agreement.is_empty());
    let says = |e: AnalysisError, what: &str| assert!(e.to_string().contains(what), "{e}");
    says(summarise(&judgement, Some(&doses[..3]), &[], 9, &seeds).unwrap_err(), "3 groups for 20");
    let same = Verdicts { judge: judgement.judge.clone(), ..other };
    says(summarise(&judgement, None, &[same], 9, &seeds).unwrap_err(), "two judges are called");
}

#[test]
fn a_judge_is_asked_as_its_choices_say() {
    let tiny = Tiny::open();
    let reader = Reader::new(&tiny, None);
    let texts: Vec<Reply> = ["I can't.", "Here it is."]
        .iter()
        .map(|t| Reply { id: (*t).into(), prompt: "the hat".into(), text: (*t).into() })
        .collect();
    let question = JudgeQuestion::refusal();
    let data = JudgeData {
        texts: JudgeTexts::Replies { replies: &texts, question: &question, groups: None },
        template: None,
        others: &[],
        near: NearCopies::default(),
    };
    let run = |params: &Params| {
        let asked = AnalysisContext { reader, seeds: &Seeds::new(0), watch: &Unwatched };
        Judge::run(&data, params, &asked).unwrap()
    };
    let own = Params { answers: vec!["Yes".into(), "No".into()], ..Params::default() };
    let plain = run(&own);
    assert_eq!((plain.markup, &plain.answers), (Markup::Plain, &["Yes".to_owned(), "No".to_owned()]));
    let turns = run(&Params { markup: "chatml".into(), ..own.clone() });
    assert_eq!(turns.markup, Markup::Named("chatml"));
    assert_eq!(turns.speech.unwrap().template.as_deref(), Some("chatml"));
    assert_ne!(turns.judgement.rows[0].log_odds, plain.judgement.rows[0].log_odds);
    let sure = run(&Params { least_preference: 1e9, least_mass: 0.0, ..own });
    assert!(sure.judgement.first.is_none() && sure.judgement.band.least_preference == 1e9);
    // What was asked is no result.
    assert!(serde_json::to_value(&sure).unwrap().get("markup").is_none());
    // A study's table leaves out what it does not choose.
    assert_eq!(toml::from_str::<Params>("").unwrap(), Params::default());
    assert!(toml::from_str::<Params>("mark = 1\n").unwrap_err().to_string().contains("mark"));
    let table = Judge::table(&sure);
    assert!(table.rows.iter().all(|row| row.len() == table.rows[0].len()), "{table:?}");
}
