//! A whole experiment on a tiny model.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use truenorth_analyses::steer::{Dose, Push, Schedule};
use truenorth_boards::judge::{Duel, Reply};
use truenorth_data::store::Store;
use truenorth_data::{Distinct, Template};
use truenorth_protocol::run::{Runner as _, Unwatched};
use truenorth_protocol::{ReadAt, Site, WriteAt};
use truenorth_reading::extract::LabelledTexts;
use truenorth_reading::{AnalysisContext, AnalysisError, Reader};
use truenorth_stats::estimate::{Estimator, ProjectMethod};
use truenorth_stats::math::Seeds;

use crate::fixture::{Tiny, pairs};

/// A judge who likes long texts, counts how often it is asked, and knows of no arm.
struct Long {
    asked: AtomicUsize,
    left: Option<usize>,
}

impl Chooser for Long {
    fn name(&self) -> String {
        "long".into()
    }

    fn choose(&self, duels: &[Duel], _: &str, _: &AnalysisContext<'_>) -> Result<Vec<Chosen>, AnalysisError> {
        self.asked.fetch_add(2 * duels.len(), Ordering::Relaxed);
        let one = |d: &Duel| {
            assert!(!["edit", "band", "placebo"].iter().any(|w| d.id.contains(w)), "{}", d.id);
            let more = d.first.len() as f64 - d.second.len() as f64;
            let side = if more > 0.0 { PreferredText::Arm } else { PreferredText::Base };
            Chosen { preference: more, sides: [side; 2] }
        };
        Ok(duels.iter().map(one).collect())
    }

    fn score(
        &self,
        replies: &[Reply],
        _: &str,
        _: &AnalysisContext<'_>,
    ) -> Result<Vec<Option<f64>>, AnalysisError> {
        self.asked.fetch_add(replies.len(), Ordering::Relaxed);
        Ok(replies.iter().map(|r| Some((r.text.len() as f64 / 10.0).clamp(1.0, 5.0))).collect())
    }

    fn left(&self) -> Option<usize> {
        self.left
    }
}

fn dose(push: Push) -> Dose {
    Dose {
        pushes: vec![push],
        positions: WriteAt::All,
        alphas: vec![2.0],
        unit: "absolute",
        ablate: false,
        schedule: Schedule::default(),
        when: None,
    }
}

struct Whole {
    pairs: Distinct<truenorth_data::Pair>,
    template: Template,
    question: LabelledTexts,
    prompts: Vec<ExperimentPrompt>,
}

impl Whole {
    fn new() -> Self {
        let (pairs, template) = (pairs(12), Template::default());
        let question = LabelledTexts::pairs(&pairs, &template);
        let words =
            ["the old hat", "an old tin on a shelf", "a cat", "red cup", "the new tin", "yes the hat"];
        let prompt = |(i, text): (usize, &&str)| ExperimentPrompt {
            id: format!("p{i}"),
            text: (*text).into(),
            cluster: i,
            ..ExperimentPrompt::default()
        };
        Self { question, prompts: words.iter().enumerate().map(prompt).collect(), pairs, template }
    }

    fn run(
        &self,
        (tiny, store): (&Tiny, &Store),
        judge: &Long,
        params: &Params,
        arms: &[ArmAsked<'_>],
    ) -> Result<Found, AnalysisError> {
        let contrast = PlaceboContrast {
            question: &self.question,
            at: ReadAt::Last,
            estimator: Estimator::MeanDiff.check().unwrap(),
            project_out: &[],
            project_method: ProjectMethod::default(),
            sentiment: None,
        };
        let data = ExperimentData {
            prompts: &self.prompts,
            arms,
            given: None,
            contrast: Some(&contrast),
            neutral: &[],
            log_odds: Some(LogOdds { pairs: &self.pairs, template: &self.template, most: 6 }),
            directions: &[],
            at: ReadAt::Last,
            lexicons: &[],
            no_stance: None,
            judges: &[judge],
            planted: &[],
            ratings: &[],
        };
        let asked = AnalysisContext {
            reader: Reader::new(tiny, Some(store)),
            seeds: &Seeds::new(3),
            watch: &Unwatched,
        };
        Experiment::run(&data, params, &asked)
    }
}

fn arms(width: usize) -> Vec<ArmAsked<'static>> {
    let direction: Vec<f32> = (0..width).map(|i| if i % 3 == 0 { 0.5 } else { -0.25 }).collect();
    let push = Push {
        direction,
        site: Site::ResidPost(0),
        coefficient: 1.0,
        norm: None,
        clamp: None,
        spares_first: false,
    };
    let named = |name: &str, edit: bool| {
        let own = ArmParams {
            name: name.into(),
            direction: if edit { vec!["d.safetensors".into()] } else { vec![] },
            alpha: edit.then_some(2.0),
            prefix: (!edit).then(|| "the new cup".into()),
            ..ArmParams::default()
        };
        own.arm()
    };
    let plain = |arm: Arm| ArmAsked { arm, prefix: None, system: None, dose: None, reader: None };
    vec![
        plain(Arm::base()),
        ArmAsked { prefix: Some("the new cup".into()), ..plain(named("before", false)) },
        ArmAsked { dose: Some(dose(push.clone())), ..plain(named("edit", true)) },
        ArmAsked {
            dose: Some(Dose { alphas: vec![0.0], ..dose(Push { clamp: Some([-0.1, 0.2]), ..push }) }),
            ..plain(named("clamp", true))
        },
    ]
}

#[test]
fn arms_and_their_placebos_are_asked_once_and_judged_alike() {
    let (whole, tiny, store) = (Whole::new(), Tiny::open(), Store::in_memory().unwrap());
    let arms = arms(tiny.info().hidden as usize);
    let params = Params {
        max_new_tokens: 6,
        permutations: 19,
        log_odds: 6,
        rubrics: vec!["How long?".into()],
        ..Params::default()
    };
    let judge = Long { asked: AtomicUsize::new(0), left: None };
    let found = whole.run((&tiny, &store), &judge, &params, &arms).unwrap();
    // Planted pairs, three arms, 19 placebos of two edits; every text of four arms on the scale.
    let planted = found.raters[0].planted.as_ref().map_or(0, |n| n.n);
    assert_eq!(judge.asked.load(Ordering::Relaxed), 2 * (planted + 3 * 6 + 2 * 19 * 6) + 4 * 6);
    let names: Vec<&str> = found.outcomes.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(names, ["log-odds", "choice of long", "How long?, long"]);
    for outcome in &found.outcomes[..2] {
        for (arm, edit) in [("before", false), ("edit", true), ("clamp", true)] {
            let e = outcome.effect(arm).unwrap();
            assert_eq!(e.placebo.as_ref().map(|p| p.differences.len()), edit.then_some(19), "{arm}");
        }
    }
    // Stand-ins move the stream as much as the edit does: the pushes by the same norm.
    let done = found.arms[2].done.as_ref().unwrap();
    assert!(done.placebo_angles.len() == 5 && done.placebo_angles.iter().all(|a| *a > 0.0), "{done:?}");
    let asked = tiny.asked();
    let again = whole.run((&tiny, &store), &judge, &params, &arms).unwrap();
    assert_eq!((tiny.asked(), again == found), (asked, true), "a second run asked the model again");
}

#[test]
fn a_budget_leaves_placebos_out_and_then_no_edit_is_said_to_steer() {
    let (whole, tiny, store) = (Whole::new(), Tiny::open(), Store::in_memory().unwrap());
    let arms = arms(tiny.info().hidden as usize);
    let params = Params { max_new_tokens: 6, permutations: 19, ..Params::default() };
    // 2 × 6 planted, 2 × 3 × 6 of the arms, and 2 × 2 × 6 a placebo of both edits.
    let judge = |left| Long { asked: AtomicUsize::new(0), left: Some(left) };
    let found = whole.run((&tiny, &store), &judge(12 + 36 + 24 * 4 + 5), &params, &arms).unwrap();
    let placebo = found.outcomes[1].effect("edit").unwrap().placebo.as_ref().unwrap();
    assert_eq!(placebo.differences.len(), 4);
    assert!(found.fewer.as_ref().unwrap().contains("room for 4 placebos"), "{:?}", found.fewer);
    let edit = found.verdicts.iter().find(|v| v.arm == "edit").unwrap();
    assert!(edit.because.iter().any(|b| b.contains("a verdict needs 19")), "{edit:?}");
    let e = whole.run((&tiny, &store), &judge(40), &params, &arms).unwrap_err();
    assert!(e.is_request() && e.to_string().contains("the arms alone take 48"), "{e}");
}
