//! From texts, outcomes and ratings to what they show.

use std::collections::{BTreeMap, HashMap, HashSet};

use truenorth_analyses::sweep::Lexicon;
use truenorth_reading::AnalysisError;
use truenorth_stats::math::Seeds;

use super::arms::{Arm, ArmKind, EditEffect};
use super::found::{ArmFound, ArmText, Found};
use super::outcome::{Outcome, Units};
use super::params::{LEAST_PLACEBOS, Params};
use super::rating::{ATTENTION, PLANTED, Rating, check_ratings_once};
use super::scope::Scope;
use super::{agree, baseline, effect, flags, raters, verdict};

/// A prompt that every arm is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExperimentPrompt {
    /// Name in results.
    pub id: String,
    /// The text, as every arm gets it.
    pub text: String,
    /// What else its row says, by which scopes choose.
    pub fields: BTreeMap<String, String>,
    /// Its cluster with near copies, without gaps.
    pub cluster: usize,
}

/// What was written under one arm to one prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WrittenText {
    /// What was written, without the prompt.
    pub text: String,
    /// Whether the model ended it by itself, where that is known.
    pub whole: Option<bool>,
}

/// All that is known of an experiment before it is weighed.
#[derive(Clone, Debug, Default)]
pub struct ExperimentMeasurements {
    /// The prompts, in the order of `texts`.
    pub prompts: Vec<ExperimentPrompt>,
    /// The arms, in the order of `texts`; the first is base.
    pub arms: Vec<Arm>,
    /// `[arm][prompt]`; none where nothing was written.
    pub texts: Vec<Vec<Option<WrittenText>>>,
    /// What was measured, beside what judges and people said.
    pub outcomes: Vec<Outcome>,
    /// What judges and people said of arms beside base.
    pub ratings: Vec<Rating>,
    /// What a judge said of placebos: kind (`placebo` or `flip`), arm, draw and prompt, by judge.
    pub blind: Vec<(String, Blind, f64)>,
    /// What each edit does, by arm; none of arms without one.
    pub done: Vec<Option<EditEffect>>,
    /// Placebos of each arm that has an edit.
    pub placebos: usize,
    /// Why there are fewer than were asked for.
    pub fewer: Option<String>,
    /// Phrases with which a text takes no stance; the program's own where none are given.
    pub no_stance: Option<Lexicon>,
    /// What should be said with every result.
    pub notes: Vec<String>,
}

/// Which placebo a judge saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blind {
    /// Whether its direction is one of exchanged labels.
    pub flip: bool,
    /// Index of the arm.
    pub arm: usize,
    /// Number of the draw, from 0.
    pub draw: usize,
    /// Index of the prompt.
    pub prompt: usize,
}

impl ExperimentMeasurements {
    /// The prompts as what differences are paired over.
    pub(super) fn units(&self) -> Units {
        Units { what: "prompts", clusters: self.prompts.iter().map(|p| p.cluster).collect() }
    }

    fn check(&self, params: &Params) -> Result<(), AnalysisError> {
        let refuse = |what: String| Err(AnalysisError::Input(what));
        if self.arms.first().is_none_or(|a| a.kind != ArmKind::Base) {
            return refuse("the first arm is base, which the others are held against".into());
        }
        if self.arms.len() < 2 {
            return refuse("an experiment needs an arm beside base".into());
        }
        if self.prompts.is_empty() {
            return refuse("an experiment needs prompts".into());
        }
        let mut seen = HashSet::new();
        for arm in &self.arms {
            if !seen.insert(arm.name.as_str()) {
                return refuse(format!("two arms are called `{}`", arm.name));
            }
            if [PLANTED, ATTENTION].contains(&arm.name.as_str()) {
                return refuse(format!(
                    "an arm can't be called `{}`, which ratings have a meaning for",
                    arm.name
                ));
            }
        }
        let prompts: HashSet<&str> = self.prompts.iter().map(|p| p.id.as_str()).collect();
        // Files are checked each by itself; a rater may come in two of them.
        check_ratings_once(&self.ratings)?;
        for r in &self.ratings {
            if [PLANTED, ATTENTION].contains(&r.arm.as_str()) {
                continue;
            }
            if !seen.contains(r.arm.as_str()) {
                return refuse(format!(
                    "{} is of the arm `{}`, which there is not; the arms are {}",
                    r.named(),
                    r.arm,
                    self.arms.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(", ")
                ));
            }
            if r.arm == self.arms[0].name {
                return refuse(format!(
                    "{} is of base beside itself; its scores stand in `base_score` of the other arms",
                    r.named()
                ));
            }
            if !prompts.contains(r.prompt.as_str()) {
                return refuse(format!("{} is of the prompt `{}`, which there is not", r.named(), r.prompt));
            }
        }
        for p in &params.predictions {
            match self.arms.iter().find(|a| a.name == p.arm) {
                None => {
                    return refuse(format!(
                        "prediction `{}` is of the arm `{}`, which there is not",
                        p.id, p.arm
                    ));
                }
                Some(Arm { withdrawn: Some(why), .. }) => {
                    return refuse(format!(
                        "prediction `{}` cites the arm `{}`, which was withdrawn: {why}. Take the prediction out, or the \
                         withdrawal",
                        p.id, p.arm
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// Weighs an experiment: flags, outcomes against base, placebos, scopes, raters, verdicts.
///
/// # Errors
/// When arms or prompts are missing or named twice, a rating is of something that there is not, a prediction cites an
/// arm that was withdrawn, or the primary outcome is none there is.
pub fn weigh(sheet: &ExperimentMeasurements, params: &Params, seeds: &Seeds) -> Result<Found, AnalysisError> {
    use truenorth_reading::Parameters as _;
    params.check()?;
    sheet.check(params)?;
    let seeds = seeds.child("experiment");
    let lexicon = sheet.no_stance.clone().unwrap_or_else(flags::no_stance);
    let (mut texts, mut flagged) = (Vec::new(), Vec::new());
    for (arm, written) in sheet.arms.iter().zip(&sheet.texts) {
        let one = |(prompt, w): (&ExperimentPrompt, &Option<WrittenText>)| {
            let w = w.as_ref()?;
            let of = (arm.prefix.as_deref(), prompt.text.as_str());
            let (text, flags) = flags::flagged(&w.text, of, w.whole, &lexicon);
            Some(ArmText { text, flags })
        };
        let own: Vec<Option<ArmText>> = sheet.prompts.iter().zip(written).map(one).collect();
        flagged.push(own.iter().map(|t| t.as_ref().map(|t| t.flags)).collect::<Vec<_>>());
        texts.push(own);
    }
    // Experiments of ratings alone have no texts, and so no flags.
    flagged.resize(sheet.arms.len(), vec![None; sheet.prompts.len()]);
    let raters = raters::raters(sheet, params)?;
    let (mut outcomes, drift) = baseline::rated(sheet, params, &raters, &seeds)?;
    outcomes.splice(0..0, sheet.outcomes.iter().cloned());
    if outcomes.is_empty() {
        return Err(AnalysisError::Asked {
            what: "an experiment without an outcome shows nothing".into(),
            remedy: "name pairs, directions, lexicons, a judge or ratings".into(),
        });
    }
    let scopes: Vec<(String, Scope)> = params
        .scopes
        .iter()
        .map(|s| Ok((s.clone(), Scope::named(s)?)))
        .collect::<Result<_, AnalysisError>>()?;
    let weighed = outcomes
        .iter()
        .map(|o| effect::weigh(o, sheet, (&scopes, &flagged), &seeds.child(&o.name)))
        .collect::<Result<Vec<_>, _>>()?;
    let primary = primary(&outcomes, params)?;
    let agreement = agree::by_arm(sheet, params, &seeds)?;
    let arms = sheet
        .arms
        .iter()
        .enumerate()
        .map(|(i, arm)| ArmFound::new(arm, &flagged[i], sheet.done.get(i).cloned().flatten()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut found = Found {
        prompts: sheet.prompts.iter().map(|p| (p.id.clone(), p.text.clone())).collect(),
        clusters: sheet.prompts.iter().map(|p| p.cluster).collect::<HashSet<_>>().len(),
        arms,
        primary,
        outcomes: weighed,
        raters,
        drift,
        agreement,
        placebos: sheet.placebos,
        fewer: sheet.fewer.clone().or_else(|| {
            let edits = sheet.arms.iter().any(|a| a.kind == ArmKind::Edit);
            (edits && sheet.placebos < LEAST_PLACEBOS)
                .then(|| format!("{} placebos were asked for, fewer than {LEAST_PLACEBOS}", sheet.placebos))
        }),
        verdicts: vec![],
        artefacts: vec![],
        predictions: vec![],
        texts,
        notes: sheet.notes.clone(),
        not_shown: NOT_SHOWN.map(str::to_owned).to_vec(),
    };
    found.verdicts = verdict::verdicts(&found, params);
    found.artefacts = verdict::artefacts(&found);
    found.predictions = verdict::predictions(&found, params);
    Ok(found)
}

/// The place of the outcome that decides.
fn primary(outcomes: &[Outcome], params: &Params) -> Result<usize, AnalysisError> {
    use super::outcome::OutcomeKind as K;
    if let Some(name) = &params.primary {
        return outcomes.iter().position(|o| o.name == *name).ok_or_else(|| AnalysisError::Asked {
            what: format!("no outcome is called `{name}`, which is the key `primary` of [experiment]"),
            remedy: format!(
                "the outcomes are {}",
                outcomes.iter().map(|o| format!("`{}`", o.name)).collect::<Vec<_>>().join(", ")
            ),
        });
    }
    let first = |of: &dyn Fn(&K) -> bool| outcomes.iter().position(|o| of(&o.kind));
    Ok(first(&|k| matches!(k, K::Choice { people: false, .. }))
        .or_else(|| first(&|k| matches!(k, K::Choice { .. })))
        .unwrap_or(0))
}

/// Ratings by the index of their arm and prompt; those of planted pairs are left out.
pub(super) fn placed(sheet: &ExperimentMeasurements) -> Vec<(usize, usize, &Rating)> {
    let arms: HashMap<&str, usize> =
        sheet.arms.iter().enumerate().map(|(i, a)| (a.name.as_str(), i)).collect();
    let prompts: HashMap<&str, usize> =
        sheet.prompts.iter().enumerate().map(|(i, p)| (p.id.as_str(), i)).collect();
    let at = |r: &'_ Rating| Some((*arms.get(r.arm.as_str())?, *prompts.get(r.prompt.as_str())?));
    sheet.ratings.iter().filter_map(|r| at(r).map(|(a, p)| (a, p, r))).collect()
}

const NOT_SHOWN: [&str; 4] = [
    "That an arm does the same on other prompts than these, or with another way to draw tokens.",
    "That what moves an outcome is what the arm is named for: an edit as large along a random direction is what it is \
     held against, and a prefix has no such thing beside it.",
    "That flags find every echo or loop: they look for four words in a row, and for the ends of sentences.",
    "That a judge who gets planted pairs right is right about these.",
];
