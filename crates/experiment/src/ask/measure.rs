//! Outcomes that are measured: log-odds, projections, phrases.

use ndarray::Array1;
use truenorth_analyses::steer::{Dose, Likelihood, log_probs};
use truenorth_analyses::sweep::Lexicon;
use truenorth_data::conversation::Message;
use truenorth_reading::{AnalysisContext, AnalysisError, NamedPrompt};

use super::{ArmAsked, Edited, ExperimentData, LogOdds, Stood, before, nothing};
use crate::outcome::{Outcome, OutcomeKind, Units};
use crate::weigh::{ExperimentMeasurements, WrittenText};

type EditedModels<'a> = (&'a [Edited], &'a [Stood]);

/// Adds all that is asked for.
pub(super) fn outcomes(
    data: &ExperimentData<'_>,
    (edited, stood): EditedModels<'_>,
    sheet: &mut ExperimentMeasurements,
    asked: &AnalysisContext<'_>,
) -> Result<(), AnalysisError> {
    if let Some(odds) = data.log_odds {
        asked.watch.say("log-odds under every arm");
        let outcome = log_odds(data, odds, edited, asked)?;
        sheet.outcomes.push(outcome);
    }
    for watched in data.directions {
        asked.watch.say(&format!("projecting what was written on {}", watched.name));
        let of = |texts: &[Option<&WrittenText>]| project(data, watched, texts, asked);
        let unit = if watched.norm.is_some() { "mean residual norms" } else { "units of the stream" };
        let name = format!("projection on {} at {}", watched.name, watched.site);
        let outcome = texts(data, sheet, stood, (name, OutcomeKind::Projection, unit), &of)?;
        sheet.outcomes.push(outcome);
    }
    counted(data, stood, sheet)
}

/// Adds the shares of texts with phrases, for which no model is asked.
pub(super) fn counted(
    data: &ExperimentData<'_>,
    stood: &[Stood],
    sheet: &mut ExperimentMeasurements,
) -> Result<(), AnalysisError> {
    for lexicon in data.lexicons {
        let of = |texts: &[Option<&WrittenText>]| Ok(count(lexicon, texts));
        let name = format!("phrases of {}", lexicon.name);
        let outcome = texts(data, sheet, stood, (name, OutcomeKind::Lexicon, "share of texts"), &of)?;
        sheet.outcomes.push(outcome);
    }
    Ok(())
}

fn count(lexicon: &Lexicon, texts: &[Option<&WrittenText>]) -> Vec<Option<f64>> {
    texts.iter().map(|w| w.map(|w| f64::from(u8::from(lexicon.found_in(&w.text))))).collect()
}

/// A number a text, where there is one, of an arm's texts.
type Measures<'a> = dyn Fn(&[Option<&WrittenText>]) -> Result<Vec<Option<f64>>, AnalysisError> + 'a;

/// An outcome of texts, by arm and stand-in.
fn texts(
    data: &ExperimentData<'_>,
    sheet: &ExperimentMeasurements,
    stood: &[Stood],
    (name, kind, unit): (String, OutcomeKind, &str),
    of: &Measures<'_>,
) -> Result<Outcome, AnalysisError> {
    let values = sheet
        .texts
        .iter()
        .map(|own| of(&own.iter().map(Option::as_ref).collect::<Vec<_>>()))
        .collect::<Result<Vec<_>, _>>()?;
    let (base, arms) = values.split_first().ok_or_else(|| AnalysisError::Input("no arms".into()))?;
    let less = |own: &[Option<f64>]| -> Vec<Option<f64>> {
        own.iter().zip(base).map(|(a, b)| Some((*a)? - (*b)?)).collect()
    };
    let mut outcome = Outcome {
        name,
        kind,
        unit: unit.to_owned(),
        units: sheet.units(),
        differences: arms.iter().map(|a| less(a)).collect(),
        fixed: None,
        placebos: vec![vec![]; data.arms.len() - 1],
        flips: vec![vec![]; data.arms.len() - 1],
    };
    for s in stood {
        let drawn = s
            .texts
            .iter()
            .map(|own| Ok(less(&of(&own.iter().map(Some).collect::<Vec<_>>())?)))
            .collect::<Result<Vec<_>, AnalysisError>>()?;
        let to = if s.flip { &mut outcome.flips } else { &mut outcome.placebos };
        to[s.arm - 1] = drawn;
    }
    Ok(outcome)
}

/// Texts behind their prompts as base puts them, read by base's model and projected; none of empty ones.
fn project(
    data: &ExperimentData<'_>,
    watched: &truenorth_analyses::monitor::Watched,
    texts: &[Option<&WrittenText>],
    asked: &AnalysisContext<'_>,
) -> Result<Vec<Option<f64>>, AnalysisError> {
    let there: Vec<(usize, &WrittenText)> = texts
        .iter()
        .enumerate()
        .filter_map(|(p, w)| Some((p, (*w)?)))
        .filter(|(_, w)| !w.text.trim().is_empty())
        .collect();
    if there.is_empty() {
        return Ok(vec![None; texts.len()]);
    }
    let named: Vec<NamedPrompt> = there
        .iter()
        .map(|(p, w)| {
            let prompt = &data.prompts[*p];
            let said = vec![Message::user(prompt.text.as_str()), Message::new("assistant", w.text.trim())];
            let id = format!("{} and what was written", prompt.id);
            NamedPrompt::text(id, format!("{} {}", prompt.text, w.text.trim())).in_turns(said)
        })
        .collect();
    let readings = asked.reader.read(&named, &[watched.site], data.at, asked.watch)?;
    let lost = || AnalysisError::Answer { name: watched.site.to_string(), prompts: named.len() };
    let reading = readings.first().filter(|r| r.values.nrows() == named.len()).ok_or_else(lost)?;
    let direction: Array1<f64> = watched.direction.iter().map(|v| f64::from(*v)).collect();
    let size = direction.dot(&direction).sqrt() * watched.norm.unwrap_or(1.0);
    let mut out = vec![None; texts.len()];
    for ((p, _), row) in there.iter().zip(reading.values.outer_iter()) {
        out[*p] = Some(row.mapv(f64::from).dot(&direction) / size);
    }
    Ok(out)
}

/// Log-odds of the chosen over the rejected response of pairs under every arm and stand-in.
fn log_odds(
    data: &ExperimentData<'_>,
    odds: LogOdds<'_>,
    edited: &[Edited],
    asked: &AnalysisContext<'_>,
) -> Result<Outcome, AnalysisError> {
    let all = odds.pairs.rows.len();
    let count = odds.most.min(all);
    let picked: Vec<usize> = (0..count).map(|i| i * all / count).collect();
    let of = |arm: &ArmAsked<'_>, dose: Option<&Dose>| odds_of(arm, dose, (odds, &picked), asked);
    let base = of(&data.arms[0], None)?;
    let less =
        |own: Vec<f64>| -> Vec<Option<f64>> { own.iter().zip(&base).map(|(a, b)| Some(a - b)).collect() };
    let mut differences = Vec::new();
    for arm in &data.arms[1..] {
        differences.push(match arm.arm.withdrawn {
            Some(_) => vec![None; picked.len()],
            None => less(of(arm, arm.dose.as_ref())?),
        });
    }
    let mut stands = [vec![vec![]; data.arms.len() - 1], vec![vec![]; data.arms.len() - 1]];
    for e in edited {
        for (to, doses) in stands.iter_mut().zip([&e.placebos, &e.flips]) {
            for (i, dose) in doses.iter().enumerate() {
                asked.watch.say(&format!(
                    "log-odds under placebo {} of {} of {}",
                    i + 1,
                    doses.len(),
                    data.arms[e.arm].arm.name
                ));
                to[e.arm - 1].push(less(of(&data.arms[e.arm], Some(dose))?));
            }
        }
    }
    let [placebos, flips] = stands;
    let clusters: Vec<usize> = picked.iter().map(|i| odds.pairs.cluster[*i]).collect();
    Ok(Outcome {
        name: "log-odds".into(),
        kind: OutcomeKind::LogOdds,
        unit: "nats".into(),
        units: Units { what: "pairs", clusters: truenorth_stats::math::dense(&clusters) },
        differences,
        fixed: None,
        placebos,
        flips,
    })
}

fn odds_of(
    arm: &ArmAsked<'_>,
    dose: Option<&Dose>,
    (odds, picked): (LogOdds<'_>, &[usize]),
    asked: &AnalysisContext<'_>,
) -> Result<Vec<f64>, AnalysisError> {
    let reader = arm.reader.unwrap_or(asked.reader);
    let mut named = Vec::with_capacity(2 * picked.len());
    for i in picked {
        let pair = &odds.pairs.rows[*i];
        for (side, response) in [("chosen", &pair.chosen), ("rejected", &pair.rejected)] {
            let text = before(arm, &odds.template.apply(&pair.prompt, response));
            let mut turns = pair.conversation(response);
            if let Some(first) = turns.iter_mut().find(|t| t.role == "user") {
                first.content = before(arm, &first.content);
            }
            if let Some(system) = &arm.system {
                turns.insert(0, Message::new("system", system.as_str()));
            }
            named.push(NamedPrompt::text(format!("{}/{side}", pair.id), text).in_turns(turns));
        }
    }
    let none = nothing();
    let found = log_probs(&reader, &named, dose.unwrap_or(&none), asked.watch)?;
    let own = |l: &Likelihood, shared: usize| l.log_probs[shared..].iter().sum::<f64>();
    found
        .as_chunks::<2>()
        .0
        .iter()
        .zip(picked)
        .map(|([c, r], i)| {
            if c.tokens == r.tokens {
                let id = &odds.pairs.rows[*i].id;
                return Err(AnalysisError::Input(format!(
                    "pair `{id}`: both responses are the same tokens to this model"
                )));
            }
            let same = c.tokens.iter().zip(&r.tokens).take_while(|(a, b)| a == b).count();
            // Each side keeps a token of its own, also where one text begins with the other.
            let shared = same.min(c.tokens.len() - 1).min(r.tokens.len() - 1);
            Ok(own(c, shared) - own(r, shared))
        })
        .collect()
}
