//! How much the next token of neutral texts changes, a text at a time, so that no more logits are held than those of one.

use ndarray::{Array2, ArrayView1};
use truenorth_protocol::{Prompt, ReadAt, Site};
use truenorth_stats::math::{log_sum_exp, ratio_of_sums};

use super::BakedData;
use super::found::Neutral;
use truenorth_reading::stat::{LEVEL, Number, RESAMPLES, of, studentised};
use truenorth_reading::{AnalysisContext, AnalysisError, NamedPrompt, Reader};

/// Sums over the next tokens of one text.
#[derive(Default)]
struct NextTokenSums {
    tokens: f64,
    kl: f64,
    same: f64,
    surprise: [f64; 2],
}

pub(super) fn neutral(data: &BakedData<'_>, asked: &AnalysisContext<'_>) -> Result<Neutral, AnalysisError> {
    let mut all = Vec::with_capacity(data.neutral.len());
    // Logits are too many to keep, and no later question asks for them.
    let plain = |reader: &Reader<'_>, named: &NamedPrompt| {
        let bare = Reader::new(reader.runner(), None);
        let bare = reader.spoken().map_or(bare, |spoken| bare.speaking(spoken));
        let ids = match bare.encode(std::slice::from_ref(named))?.into_iter().next() {
            Some(Prompt::Tokens(ids)) => ids,
            _ => {
                return Err(AnalysisError::Input(format!(
                    "`{}` has no token ids: the tokenizer of the model is not at hand, and next tokens are held against it",
                    named.id
                )));
            }
        };
        let read = bare.read(std::slice::from_ref(named), &[Site::Logits], ReadAt::All, asked.watch)?;
        let logits = read.into_iter().next().map(|r| r.values);
        let lost = || AnalysisError::Answer { name: Site::Logits.to_string(), prompts: 1 };
        Ok((ids, logits.ok_or_else(lost)?))
    };
    for named in data.neutral {
        if asked.watch.interrupted() {
            return Err(truenorth_protocol::run::RunError::Interrupted.into());
        }
        let (ids, origin) = plain(data.origin, named)?;
        let (own, baked) = plain(&asked.reader, named)?;
        if ids != own || origin.dim() != baked.dim() {
            return Err(AnalysisError::Input(format!(
                "`{}` is other tokens to the two models: they have not one tokenizer and vocabulary, so that one is not \
                 made from the other",
                named.id
            )));
        }
        let sums = text(&ids, &origin, &baked);
        if sums.tokens > 0.0 {
            all.push(sums);
        }
    }
    if all.is_empty() {
        return Err(AnalysisError::Input(
            "no neutral text has two tokens, and of one nothing is predicted".into(),
        ));
    }
    let number = |name: &str, value: &dyn Fn(&NextTokenSums) -> f64| -> Result<Number, AnalysisError> {
        let sums: Vec<f64> = all.iter().map(value).collect();
        let sizes: Vec<f64> = all.iter().map(|s| s.tokens).collect();
        let whole = sums.iter().sum::<f64>() / sizes.iter().sum::<f64>();
        if all.len() < 2 {
            return Ok(Number::bare(whole, 1, "none: one text has no spread"));
        }
        let mut rng = asked.seeds.stream(&format!("neutral texts, {name}"));
        let found = ratio_of_sums(&sums, &sizes, RESAMPLES, LEVEL, &mut rng).map_err(|e| of(name, &e))?;
        Ok(studentised(&found, all.len(), "texts"))
    };
    let surprise = [number("origin", &|s| s.surprise[0])?, number("baked", &|s| s.surprise[1])?];
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let tokens = all.iter().map(|s| s.tokens).sum::<f64>() as usize;
    Ok(Neutral {
        texts: all.len(),
        tokens,
        kl: number("divergence", &|s| s.kl)?,
        same: number("same next token", &|s| s.same)?,
        surprise_less: number("surprise", &|s| s.surprise[1] - s.surprise[0])?,
        perplexity: [surprise[0].value.exp(), surprise[1].value.exp()],
        surprise,
    })
}

/// What the tokens of one text that have a next one come to.
fn text(ids: &[u32], origin: &Array2<f32>, baked: &Array2<f32>) -> NextTokenSums {
    let mut sums = NextTokenSums::default();
    for (row, next) in ids.iter().skip(1).enumerate() {
        let rows = [origin.row(row), baked.row(row)];
        let [p, q] = rows.map(|r| {
            let values = r.to_vec();
            let whole = log_sum_exp(&values);
            values.into_iter().map(|v| f64::from(v) - whole).collect::<Vec<f64>>()
        });
        let kl: f64 = p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum();
        sums.tokens += 1.0;
        // Rounding can take a divergence of nothing below 0.
        sums.kl += kl.max(0.0);
        sums.same += f64::from(u8::from(likeliest(rows[0]) == likeliest(rows[1])));
        for (surprise, log) in sums.surprise.iter_mut().zip([&p, &q]) {
            *surprise -= log.get(*next as usize).copied().unwrap_or(0.0);
        }
    }
    sums
}

fn likeliest(row: ArrayView1<'_, f32>) -> Option<usize> {
    row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn divergence_and_surprise_are_those_of_the_formulas() {
        // ln of 0.5, 0.25, 0.25 and of 0.25, 0.5, 0.25, with another constant each.
        let origin = array![[2.0_f32.ln() + 3.0, 3.0, 3.0], [0.0, 0.0, 0.0]];
        let baked = array![[0.0, 2.0_f32.ln(), 0.0], [9.0, 9.0, 9.0]];
        let sums = text(&[0, 1], &origin, &baked);
        let want = 0.5 * 2.0_f64.ln() - 0.25 * 2.0_f64.ln();
        assert!((sums.kl - want).abs() < 1e-6, "{}", sums.kl);
        assert!((sums.surprise[0] - 4.0_f64.ln()).abs() < 1e-6);
        assert!((sums.surprise[1] - 2.0_f64.ln()).abs() < 1e-6);
        assert_eq!((sums.tokens, sums.same), (1.0, 0.0));
    }
}
