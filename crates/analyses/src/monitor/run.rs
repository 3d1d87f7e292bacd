//! The run: texts generated from where that is asked for, then every token read at all sites in one pass.

use truenorth_protocol::graph::{SINK_MULTIPLE, Sampling};
use truenorth_protocol::run::Runner;
use truenorth_protocol::{Prompt, ReadAt, Site, WriteAt};
use truenorth_stats::math;

use super::found::{DirectionProjections, Monitored, MonitoredText, NOT_SHOWN, Token};
use super::{MonitorData, Params, Watched};
use crate::steer::{Dose, Schedule, steer};
use truenorth_reading::{AnalysisContext, AnalysisError, EncodedPrompt, NamedPrompt, Reading, Said, stat};

pub(super) fn monitor(
    input: &MonitorData<'_>,
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<Monitored, AnalysisError> {
    let (texts, directions) = (input.texts, input.directions);
    if texts.is_empty() || directions.is_empty() {
        return Err(AnalysisError::Input(format!(
            "{} texts and {} directions; a monitor needs at least one of each",
            texts.len(),
            directions.len()
        )));
    }
    let info = asked.reader.runner().info();
    if let Some(other) = directions.iter().find(|d| d.direction.len() != info.hidden as usize) {
        return Err(AnalysisError::Input(format!(
            "the direction {} is {} wide, the residual stream of {} {}",
            other.name,
            other.direction.len(),
            info.name,
            info.hidden
        )));
    }
    let generates = params.max_new_tokens > 0;
    let given = asked.reader.encode_turns(texts, generates)?;
    let whole = if generates { written(texts, &given, params, asked)? } else { texts.to_vec() };
    let tokens: Vec<Vec<u32>> = asked
        .reader
        .encode_turns(&whole, false)?
        .into_iter()
        .zip(&whole)
        .map(|(e, named)| ids(e, named))
        .collect::<Result<_, _>>()?;
    let mut sites: Vec<Site> = directions.iter().map(|d| d.site).collect();
    sites.sort_by_key(|s| s.order());
    sites.dedup();
    let readings = asked.reader.read(&whole, &sites, ReadAt::All, asked.watch)?;
    let units = directions.iter().map(unit).collect::<Result<Vec<_>, _>>()?;
    let mut found: Vec<MonitoredText> = Vec::with_capacity(whole.len());
    let mut row = 0;
    for ((named, ids), own) in texts.iter().zip(&tokens).zip(&given) {
        let mut all = Vec::with_capacity(ids.len());
        let pieces = spelled(asked.reader.runner(), ids)?;
        for (id, piece) in ids.iter().zip(pieces) {
            all.push(token((*id, piece), row, directions, &units, &readings)?);
            row += 1;
        }
        leave_out(&mut all, row - ids.len(), directions, &readings);
        let given = match (&own.prompt, generates) {
            (Prompt::Tokens(t), true) => t.len().min(ids.len()),
            _ => ids.len(),
        };
        found.push(MonitoredText { id: named.id.clone(), given, tokens: all });
    }
    let about = directions.iter().enumerate().map(|(i, d)| about(i, d, &found)).collect();
    Ok(Monitored { directions: about, texts: found, not_shown: NOT_SHOWN.map(str::to_owned).to_vec() })
}

/// The texts with what the model writes behind them, as tokens.
fn written(
    texts: &[NamedPrompt],
    given: &[EncodedPrompt],
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<Vec<NamedPrompt>, AnalysisError> {
    let nothing = Dose {
        pushes: vec![],
        positions: WriteAt::All,
        alphas: vec![0.0],
        unit: "absolute",
        ablate: false,
        schedule: Schedule::default(),
        when: None,
    };
    let sampling = Sampling {
        temperature: params.temperature,
        seed: if params.temperature == 0.0 { 0 } else { asked.seeds.number() },
        stop: asked.reader.runner().stop_tokens(),
        ..Sampling::greedy(params.max_new_tokens)
    };
    let rows = steer(&asked.reader, texts, &nothing, &sampling, asked.watch)?;
    let one = |((named, own), row): ((&NamedPrompt, &EncodedPrompt), crate::steer::Steered)| {
        let mut tokens = ids(own.clone(), named)?;
        tokens.extend(row.tokens.iter().filter_map(|t| u32::try_from(*t).ok()));
        Ok(NamedPrompt {
            said: Said::Placed(own.turns.clone()),
            ..NamedPrompt::tokens(named.id.clone(), tokens)
        })
    };
    texts.iter().zip(given).zip(rows).map(one).collect()
}

fn ids(encoded: EncodedPrompt, named: &NamedPrompt) -> Result<Vec<u32>, AnalysisError> {
    match encoded.prompt {
        Prompt::Tokens(tokens) => Ok(tokens),
        Prompt::Text(_) => Err(AnalysisError::Input(format!(
            "`{}` has no token ids: the tokenizer of the model is not at hand, and a monitor goes token by token",
            named.id
        ))),
    }
}

fn unit(watched: &Watched) -> Result<ndarray::Array1<f64>, AnalysisError> {
    let wide: ndarray::Array1<f64> = watched.direction.iter().map(|v| f64::from(*v)).collect();
    math::unit(wide.view()).map_err(|e| stat::of(&watched.name, &e))
}

fn token(
    (id, piece): (u32, String),
    row: usize,
    directions: &[Watched],
    units: &[ndarray::Array1<f64>],
    readings: &[Reading],
) -> Result<Token, AnalysisError> {
    let (mut projection, mut cosine) = (Vec::new(), Vec::new());
    for (watched, unit) in directions.iter().zip(units) {
        let reading = readings.iter().find(|r| r.site == watched.site && row < r.values.nrows());
        let reading =
            reading.ok_or_else(|| AnalysisError::Answer { name: watched.site.to_string(), prompts: row })?;
        let x = reading.values.row(row).mapv(f64::from);
        let along = x.dot(unit);
        let norm = x.dot(&x).sqrt();
        projection.push(along / watched.norm.unwrap_or(1.0));
        cosine.push(if norm > 0.0 { along / norm } else { 0.0 });
    }
    Ok(Token { id, piece, projection, cosine, left_out_of: vec![] })
}

/// Marks the tokens of a text, whose rows begin at `first`, that a mean over its tokens leaves out at the site of each
/// direction.
fn leave_out(tokens: &mut [Token], first: usize, directions: &[Watched], readings: &[Reading]) {
    for (place, watched) in directions.iter().enumerate() {
        let Some(reading) = readings.iter().find(|r| r.site == watched.site) else { continue };
        let rows = reading.values.outer_iter().skip(first).take(tokens.len());
        let norms: Vec<f64> =
            rows.map(|row| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()).collect();
        for (token, sink) in tokens.iter_mut().zip(sinks(&norms)) {
            if sink {
                token.left_out_of.push(place);
            }
        }
    }
}

/// Which norms of a text are more than [`SINK_MULTIPLE`] times their lower median, as means over tokens have it.
fn sinks(norms: &[f64]) -> Vec<bool> {
    let mut sorted = norms.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    norms.iter().map(|norm| *norm > SINK_MULTIPLE * median).collect()
}

/// The text of each token, special ones included; where nothing tells it, its id.
fn spelled(runner: &dyn Runner, ids: &[u32]) -> Result<Vec<String>, AnalysisError> {
    let each: Vec<&[u32]> = ids.chunks(1).collect();
    let texts = runner.spell(&each)?.filter(|all| all.len() == ids.len());
    Ok(texts.unwrap_or_else(|| ids.iter().map(|id| format!("#{id}")).collect()))
}

fn about(i: usize, watched: &Watched, texts: &[MonitoredText]) -> DirectionProjections {
    let all: Vec<f64> = texts.iter().flat_map(|t| t.kept(i)).map(|t| t.projection[i]).collect();
    let tokens = texts.iter().map(|t| t.tokens.len()).sum::<usize>();
    #[allow(clippy::cast_precision_loss)]
    let mean = (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64);
    DirectionProjections {
        name: watched.name.clone(),
        site: watched.site.to_string(),
        unit: if watched.norm.is_some() { "mean residual norms" } else { "absolute" }.into(),
        norm: watched.norm,
        mean,
        least: all.iter().copied().reduce(f64::min),
        greatest: all.iter().copied().reduce(f64::max),
        tokens,
        left_out: tokens - all.len(),
        multiple: SINK_MULTIPLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_are_told_by_the_norms_of_their_text_wherever_they_stand() {
        assert_eq!(sinks(&[22_000.0, 240.0, 250.0, 900.0]), [true, false, false, false]);
        assert_eq!(sinks(&[240.0, 250.0, 9_000.0, 260.0, 230.0]), [false, false, true, false, false]);
        // A first token like the others stays, and so does the one token of a text.
        assert_eq!(sinks(&[300.0, 240.0, 250.0]), [false; 3]);
        assert_eq!(sinks(&[22_000.0]), [false]);
    }
}
