//! Having arms and placebos write, and what was written judged.

mod budget;
mod judged;
pub(crate) mod judges;
mod measure;
mod planted;
mod stand_ins;

use truenorth_analyses::monitor::Watched;
use truenorth_analyses::steer::{self, Dose, Schedule, Stopped};
use truenorth_analyses::sweep::Lexicon;
use truenorth_boards::judge::Duel;
use truenorth_data::conversation::Message;
use truenorth_data::{Distinct, Pair, SentimentRow, Template};
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::{ReadAt, WriteAt};
use truenorth_reading::extract::{LabelledTexts, ProjectOut};
use truenorth_reading::{AnalysisContext, AnalysisError, NamedPrompt, Reader};
use truenorth_stats::estimate::{CheckedEstimator, ProjectMethod};

use crate::arms::{Arm, ArmKind, EditEffect};
use crate::flags::stripped;
use crate::params::Params;
use crate::rating::Rating;
use crate::weigh::{ExperimentMeasurements, ExperimentPrompt, WrittenText};
use judges::Chooser;
use stand_ins::{StandIns, Which};

/// Prompts, arms and judges, and what is measured.
#[derive(Clone, Copy)]
pub struct ExperimentData<'a> {
    /// The prompts that every arm is given.
    pub prompts: &'a [ExperimentPrompt],
    /// The arms; the first is base.
    pub arms: &'a [ArmAsked<'a>],
    /// What was written elsewhere, `[arm][prompt]`; none where the arms are to write.
    pub given: Option<&'a [Vec<Option<WrittenText>>]>,
    /// The texts whose covariance placebos have; needed where an arm edits.
    pub contrast: Option<&'a PlaceboContrast<'a>>,
    /// Neutral texts, where clamps of placebos are shifted to; the prompts where there are none.
    pub neutral: &'a [NamedPrompt],
    /// Pairs whose log-odds are an outcome.
    pub log_odds: Option<LogOdds<'a>>,
    /// Directions that what was written is projected on.
    pub directions: &'a [Watched],
    /// At which token it is read.
    pub at: ReadAt,
    /// Phrases that are counted.
    pub lexicons: &'a [Lexicon],
    /// Phrases with which a text takes no stance; none for the program's own.
    pub no_stance: Option<&'a Lexicon>,
    /// The judges that compare and rate what is written.
    pub judges: &'a [&'a dyn Chooser],
    /// Pairs whose first text is the better one by the criterion; made of base's texts where there are none.
    pub planted: &'a [Duel],
    /// What people, and judges elsewhere, said.
    pub ratings: &'a [Rating],
}

/// An arm, and how the model is asked under it.
#[derive(Clone)]
pub struct ArmAsked<'a> {
    /// The arm as results name it.
    pub arm: Arm,
    /// Words before every prompt.
    pub prefix: Option<String>,
    /// The system turn; none for none.
    pub system: Option<String>,
    /// What is done to the residual stream, with one dose.
    pub dose: Option<Dose>,
    /// The model that writes under it; none for that of base.
    pub reader: Option<Reader<'a>>,
}

/// The texts that placebos are drawn like, and how directions are fitted to them.
pub struct PlaceboContrast<'a> {
    /// The texts with their labels.
    pub question: &'a LabelledTexts,
    /// The token of each text that is read.
    pub at: ReadAt,
    /// What fits directions to them.
    pub estimator: CheckedEstimator,
    /// What is projected out of the texts first.
    pub project_out: &'a [ProjectOut],
    /// How it is projected out.
    pub project_method: ProjectMethod,
    /// Texts labelled for sentiment.
    pub sentiment: Option<&'a [SentimentRow]>,
}

/// Pairs whose log-odds are an outcome.
#[derive(Clone, Copy)]
pub struct LogOdds<'a> {
    /// The pairs, copies left out.
    pub pairs: &'a Distinct<Pair>,
    /// How prompt and response become one text.
    pub template: &'a Template,
    /// The most pairs that are asked about, taken evenly.
    pub most: usize,
}

/// Stand-ins whose size is measured.
const SIZED: usize = 5;

/// An arm that edits with the doses that stand in for its own.
struct Edited {
    arm: usize,
    placebos: Vec<Dose>,
    flips: Vec<Dose>,
}

/// What stand-ins wrote, `[draw][prompt]`.
struct Stood {
    arm: usize,
    flip: bool,
    texts: Vec<Vec<WrittenText>>,
}

pub(super) fn ask(
    data: &ExperimentData<'_>,
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<ExperimentMeasurements, AnalysisError> {
    use truenorth_reading::Parameters as _;
    params.check()?;
    let seeds = asked.seeds.child("experiment");
    let asked = &AnalysisContext { seeds: &seeds, ..*asked };
    let mut sheet = ExperimentMeasurements {
        prompts: data.prompts.to_vec(),
        arms: data.arms.iter().map(|a| a.arm.clone()).collect(),
        ratings: data.ratings.to_vec(),
        placebos: params.placebos,
        no_stance: data.no_stance.cloned(),
        ..ExperimentMeasurements::default()
    };
    let judged = budget::plan(data, params)?;
    sheet.fewer = judged.fewer.clone();
    if let Some(given) = data.given {
        sheet.texts = given.to_vec();
    }
    let edited = if data.given.is_none() { stand_ins(data, params, asked)? } else { vec![] };
    let mut stood = Vec::new();
    if data.given.is_none() {
        asked.watch.say("writing under every arm");
        sheet.texts = data
            .arms
            .iter()
            .map(|arm| match arm.arm.withdrawn {
                Some(_) => Ok(vec![None; data.prompts.len()]),
                None => {
                    Ok(write(data, arm, arm.dose.as_ref(), params, asked)?.into_iter().map(Some).collect())
                }
            })
            .collect::<Result<_, AnalysisError>>()?;
        // What stand-ins write is of use to what reads texts.
        if !data.judges.is_empty() || !data.lexicons.is_empty() || !data.directions.is_empty() {
            for e in &edited {
                for (flip, doses) in [(false, &e.placebos), (true, &e.flips)] {
                    let name = &data.arms[e.arm].arm.name;
                    let texts = doses
                        .iter()
                        .enumerate()
                        .map(|(i, dose)| {
                            asked.watch.say(&format!("placebo {} of {} of {name}", i + 1, doses.len()));
                            write(data, &data.arms[e.arm], Some(dose), params, asked)
                        })
                        .collect::<Result<_, _>>()?;
                    stood.push(Stood { arm: e.arm, flip, texts });
                }
            }
        }
        sheet.done = done(data, &edited, asked)?;
    }
    measure::outcomes(data, (&edited, &stood), &mut sheet, asked)?;
    for judge in data.judges {
        judged::judge(data, *judge, (&stood, judged.placebos), &mut sheet, params, asked)?;
    }
    Ok(sheet)
}

/// Weighs what was written and rated elsewhere; no model is asked.
///
/// # Errors
/// As [`weigh`](crate::weigh()).
pub fn given(
    data: &ExperimentData<'_>,
    params: &Params,
    seeds: &truenorth_stats::math::Seeds,
) -> Result<crate::Found, AnalysisError> {
    let mut sheet = ExperimentMeasurements {
        prompts: data.prompts.to_vec(),
        arms: data.arms.iter().map(|a| a.arm.clone()).collect(),
        texts: data.given.unwrap_or_default().to_vec(),
        ratings: data.ratings.to_vec(),
        no_stance: data.no_stance.cloned(),
        ..ExperimentMeasurements::default()
    };
    if !sheet.texts.is_empty() {
        measure::counted(data, &[], &mut sheet)?;
    }
    crate::weigh(&sheet, params, seeds)
}

/// The stand-ins of every arm that edits.
fn stand_ins(
    data: &ExperimentData<'_>,
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<Vec<Edited>, AnalysisError> {
    let arms: Vec<(usize, &Dose)> = data
        .arms
        .iter()
        .enumerate()
        .filter(|(_, a)| a.arm.withdrawn.is_none() && a.arm.kind == ArmKind::Edit)
        .filter_map(|(i, a)| Some((i, a.dose.as_ref()?)))
        .collect();
    if arms.is_empty() || params.placebos + params.flips == 0 {
        return Ok(vec![]);
    }
    let Some(contrast) = data.contrast else {
        return Err(AnalysisError::Asked {
            what: format!(
                "the arm `{}` edits, and there are no texts whose covariance its placebos could have",
                data.arms[arms[0].0].arm.name
            ),
            remedy: "name the pairs that the direction was fitted on, or give placebos = 0, which leaves out every verdict \
                     that an edit steers"
                .into(),
        });
    };
    let doses: Vec<&Dose> = arms.iter().map(|(_, d)| *d).collect();
    let prompts: Vec<NamedPrompt> = data.prompts.iter().map(|p| NamedPrompt::text(&p.id, &p.text)).collect();
    let neutral = if data.neutral.is_empty() { &prompts[..] } else { data.neutral };
    let draw = |which, n: usize| match n {
        0 => Ok(None),
        n => {
            asked.watch.say("reading the texts that placebos are drawn like");
            let with = (asked.seeds, asked.watch);
            StandIns::draw(&asked.reader, contrast, &doses, (which, n), neutral, with).map(Some)
        }
    };
    let matched = draw(Which::Matched, params.placebos)?;
    let flipped = draw(Which::Flipped, params.flips)?;
    let all = |s: &Option<StandIns>, own: &Dose, n: usize| -> Vec<Dose> {
        s.iter().flat_map(|s| (0..n).map(move |d| s.dose(own, d))).collect()
    };
    let one = |(arm, own): &(usize, &Dose)| Edited {
        arm: *arm,
        placebos: all(&matched, own, params.placebos),
        flips: all(&flipped, own, params.flips),
    };
    Ok(arms.iter().map(one).collect())
}

/// A prompt as an arm puts it.
pub(super) fn put(arm: &ArmAsked<'_>, id: &str, text: &str) -> NamedPrompt {
    let text = before(arm, text);
    match &arm.system {
        None => NamedPrompt::text(id, text),
        Some(system) => {
            let turns = vec![Message::new("system", system.as_str()), Message::user(text.as_str())];
            NamedPrompt::text(id, text).in_turns(turns)
        }
    }
}

/// A text behind an arm's prefix.
fn before(arm: &ArmAsked<'_>, text: &str) -> String {
    match &arm.prefix {
        None => text.to_owned(),
        Some(prefix) if prefix.ends_with(char::is_whitespace) => format!("{prefix}{text}"),
        Some(prefix) => format!("{prefix}\n{text}"),
    }
}

/// A dose of nothing.
fn nothing() -> Dose {
    Dose {
        pushes: vec![],
        positions: WriteAt::All,
        alphas: vec![0.0],
        unit: "absolute",
        ablate: false,
        schedule: Schedule::default(),
        when: None,
    }
}

fn write(
    data: &ExperimentData<'_>,
    arm: &ArmAsked<'_>,
    dose: Option<&Dose>,
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<Vec<WrittenText>, AnalysisError> {
    let reader = arm.reader.unwrap_or(asked.reader);
    let prompts: Vec<NamedPrompt> = data.prompts.iter().map(|p| put(arm, &p.id, &p.text)).collect();
    let sampling = Sampling {
        temperature: params.temperature,
        seed: if params.temperature == 0.0 { 0 } else { asked.seeds.number() },
        stop: reader.runner().stop_tokens(),
        ..Sampling::greedy(params.max_new_tokens)
    };
    let none = nothing();
    let rows = steer::steer(&reader, &prompts, dose.unwrap_or(&none), &sampling, asked.watch)?;
    // Who judges is not to see which arm it was by a prefix that is said again.
    let without = |text: String| match &arm.arm.prefix {
        Some(prefix) => stripped(&text, prefix).to_owned(),
        None => text,
    };
    Ok(rows
        .into_iter()
        .map(|r| WrittenText { text: without(r.text), whole: Some(r.stopped == Stopped::EndOfText) })
        .collect())
}

/// What edits do to the model, and their first stand-ins.
fn done(
    data: &ExperimentData<'_>,
    edited: &[Edited],
    asked: &AnalysisContext<'_>,
) -> Result<Vec<Option<EditEffect>>, AnalysisError> {
    let mut out = vec![None; data.arms.len()];
    for (i, arm) in data.arms.iter().enumerate() {
        let (Some(dose), None) = (&arm.dose, &arm.arm.withdrawn) else { continue };
        let reader = arm.reader.unwrap_or(asked.reader);
        let prompts: Vec<NamedPrompt> = data.prompts.iter().map(|p| put(arm, &p.id, &p.text)).collect();
        asked.watch.say(&format!("measuring what {} does", arm.arm.name));
        let measured = |dose: &Dose| -> Result<(f64, Option<f64>), AnalysisError> {
            let damage = steer::damage(&reader, &prompts, dose, asked.watch)?.remove(0);
            let angle = |s: &steer::EditSize| s.later.or(s.first).map(|m| m.angle);
            Ok((damage.kl, damage.size.iter().filter_map(angle).reduce(f64::max)))
        };
        let (kl, angle) = measured(dose)?;
        let stands = edited.iter().find(|e| e.arm == i).map_or(&[][..], |e| &e.placebos[..]);
        let placebo_angles = stands
            .iter()
            .take(SIZED)
            .map(|d| Ok(measured(d)?.1.unwrap_or(0.0)))
            .collect::<Result<_, AnalysisError>>()?;
        out[i] = Some(EditEffect { kl, angle, placebo_angles });
    }
    Ok(out)
}
