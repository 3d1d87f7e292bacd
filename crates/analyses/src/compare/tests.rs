use super::*;
use crate::fixture::{Tiny, loaded_pairs};
use truenorth_data::{Distinct, NearCopies, Template};
use truenorth_protocol::run::Unwatched;
use truenorth_reading::{ActivationMemory, ChatChoice, Reader, SpecialTokens, Speech};
use truenorth_stats::estimate::Estimator;

fn question(template: &Template) -> LabelledTexts {
    let found = Distinct::pairs(loaded_pairs(16), template, NearCopies::default()).unwrap();
    LabelledTexts::pairs(&found, template)
}

fn found(other: &Speech, at: ReadAt) -> PromptFormatComparison {
    let tiny = Tiny::open();
    let memory = ActivationMemory::default();
    let reader = Reader::new(&tiny, None).remembering(&memory);
    let (own, _) = Speech::default().open(&tiny).unwrap();
    let (spoken, _) = other.open(&tiny).unwrap();
    let questions =
        [question(&Template::default()), question(&other.template("{prompt} {response}").unwrap())];
    let seeds = Seeds::new(5);
    let data = CompareData {
        sides: [
            Side { question: &questions[0], spoken: &own, at: ReadAt::Last },
            Side { question: &questions[1], spoken: &spoken, at },
        ],
        site: Site::ResidPost(1),
        estimators: &[("mean-diff".into(), Estimator::MeanDiff.check().unwrap())],
        project_out: (&[ProjectOut::Length], ProjectMethod::default()),
        sentiment: None,
        folds: 4,
        seeds: &seeds,
    };
    let asked = AnalysisContext { reader, seeds: &seeds, watch: &Unwatched };
    Compare::run(&data, &Params::default(), &asked).unwrap()
}

#[test]
fn raw_and_chat_are_held_beside_each_other_on_the_same_splits() {
    let chatml = Speech { chat: ChatChoice::Named("chatml".into()), ..Speech::default() };
    let found = found(&chatml, "mean:response".parse().unwrap());
    assert_eq!(found.ways.each_ref().map(|w| w.name.as_str()), ["raw", "chat"]);
    assert_eq!(found.ways[1].positions, "mean:response");
    assert!(found.ways[1].mean_tokens > found.ways[0].mean_tokens);
    assert_eq!(found.ways[1].speech.as_ref().unwrap().template.as_deref(), Some("chatml"));
    assert_eq!(found.rows.iter().map(|r| r.held_out.as_str()).collect::<Vec<_>>(), ["pairs", "axes"]);
    for row in &found.rows {
        assert!((row.less.value - (row.auroc[1].value - row.auroc[0].value)).abs() < 1e-12);
        assert!(row.less.interval.is_some_and(|i| i.contains(row.less.value)));
        assert!(row.cosine.value < 0.999 && row.in_order.is_some());
    }
    let page = Compare::page(&found);
    assert_eq!((page.findings.len(), page.reading.len(), page.sections.len()), (0, 2, 1));
    assert_eq!(Compare::table(&found).rows.len(), 3);
}

#[test]
fn a_way_beside_itself_changes_nothing() {
    let found = found(&Speech::default(), ReadAt::Last);
    for row in &found.rows {
        assert!(row.less.value == 0.0 && row.less.interval.unwrap().contains(0.0));
        assert!((row.cosine.value - 1.0).abs() < 1e-9);
    }
}

#[test]
fn the_other_way_is_what_the_study_is_not() {
    let (raw, chat) = (Speech::default(), Speech { chat: ChatChoice::Own(true), ..Speech::default() });
    let params = Params::default();
    assert!(params.speech(&raw).chat.is_on() && !params.speech(&chat).chat.is_on());
    assert!(params.differs(&raw, ReadAt::Last).is_ok() && params.differs(&chat, ReadAt::Last).is_ok());
    for (own, same) in [
        (&raw, Params { chat: ChatChoice::Own(false), ..Params::default() }),
        (&chat, Params { chat: ChatChoice::Own(true), ..Params::default() }),
    ] {
        assert!(same.differs(own, ReadAt::Last).unwrap_err().to_string().contains("the study's own"));
        let mean = Params { positions: Some(ReadAt::Mean), ..same.clone() };
        assert!(mean.differs(own, ReadAt::Last).is_ok() && mean.differs(own, ReadAt::Mean).is_err());
        let none = Params { special_tokens: SpecialTokens::None, ..same };
        assert!(none.differs(own, ReadAt::Last).is_ok());
    }
    let by_token = Params { positions: Some(ReadAt::All), ..params };
    assert!(by_token.differs(&raw, ReadAt::Last).is_err());
    let silent =
        Params { chat: ChatChoice::Own(false), system: Some("Be kind.".into()), ..Params::default() };
    assert!(silent.differs(&chat, ReadAt::Last).unwrap_err().to_string().contains("system turn"));
}
