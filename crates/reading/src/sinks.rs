//! Texts that are read at their first token: the attention sink of many models, whose norm is far beyond all others.

use truenorth_protocol::graph::{SINK_MULTIPLE, Take};
use truenorth_protocol::run::Watch;
use truenorth_protocol::{Prompt, ReadAt, Site};

use super::sentence::named;
use super::{AnalysisError, NamedPrompt, Reader, Reading, ReadingTally};

impl Reader<'_> {
    /// What was warned of so far, where that is kept.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.tally.map_or_else(Vec::new, ReadingTally::warnings)
    }

    /// Says what makes numbers other than they look, once where that is counted.
    pub(super) fn warn(&self, text: &str, watch: &dyn Watch) {
        if self.tally.is_none_or(|tally| tally.warn(text)) {
            watch.warn(&format!("warning: {text}"));
        }
    }

    /// The mean norm of a site at the last token of prompts. Left out, and said, are prompts whose norm is more than
    /// [`SINK_MULTIPLE`] times the lower median of those of two tokens or more: a prompt of one token is read at the
    /// attention sink. Where all have one token all are kept, and that is said.
    ///
    /// # Errors
    /// When the reading fails or there are no prompts.
    pub fn mean_norm(
        &self,
        site: Site,
        prompts: &[NamedPrompt],
        watch: &dyn Watch,
    ) -> Result<f64, AnalysisError> {
        let (encoded, readings) = self.read_said(prompts, &[site], ReadAt::Last, watch)?;
        let norms: Vec<f64> = readings.iter().flat_map(norms).collect();
        if norms.is_empty() {
            return Err(AnalysisError::Input("the unit `norm` needs neutral prompts: there are none".into()));
        }
        let single = single(&encoded);
        let found = beyond(&norms, &single);
        let what = "the unit `norm`, the mean norm at the last token of prompts";
        if single.iter().all(|one| *one) {
            self.warn(
                &format!(
                    "{site}: all {} prompts behind {what}, have one token, which is the attention sink in many models and \
                     makes doses far too strong there; use prompts of two tokens or more",
                    norms.len()
                ),
                watch,
            );
        } else if found.contains(&true) {
            self.warn(
                &format!(
                    "{site}: {what}, leaves out {} of {} prompts, of norms more than {SINK_MULTIPLE} times the median, as a \
                     prompt of one token has that is read at the attention sink: {}",
                    found.iter().filter(|out| **out).count(),
                    norms.len(),
                    ids(prompts, &found)
                ),
                watch,
            );
        }
        let kept: Vec<f64> = norms.iter().zip(&found).filter(|(_, out)| !**out).map(|(n, _)| *n).collect();
        Ok(kept.iter().sum::<f64>() / kept.len() as f64)
    }

    /// Says which neutral texts perplexity leaves out because they have one token, and nothing that could be predicted.
    pub fn say_unpredicted(&self, prompts: &[NamedPrompt], tokens: &[Vec<u32>], watch: &dyn Watch) {
        let short: Vec<bool> = tokens.iter().map(|t| t.len() < 2).collect();
        let count = short.iter().filter(|s| **s).count();
        if count > 0 {
            let which = ids(prompts, &short);
            self.warn(
                &format!(
                    "perplexity leaves out {count} of {} neutral prompts, which have one token and nothing that could be \
                     predicted: {which}; give prompts of two tokens or more",
                    short.len()
                ),
                watch,
            );
        }
    }

    /// Says which texts are read at the attention sink because they have one token.
    pub(super) fn say_sinks(
        &self,
        prompts: &[NamedPrompt],
        encoded: &[Prompt],
        reading: &Reading,
        at: ReadAt,
        watch: &dyn Watch,
    ) {
        let whole = matches!(at, ReadAt::Last | ReadAt::Mean | ReadAt::In(_, Take::Last | Take::Mean));
        let single = single(encoded);
        let count = single.iter().filter(|one| **one).count();
        if !whole || count == 0 || reading.values.nrows() != prompts.len() || !is_residual(reading.site) {
            return;
        }
        let found = beyond(&norms(reading).collect::<Vec<_>>(), &single);
        let sinks: Vec<bool> = single.iter().zip(found).map(|(one, out)| *one && out).collect();
        let (said, which) = match count == single.len() && count > 1 {
            true => (single, "which is the attention sink in many models"),
            false => (sinks, "which is the attention sink, of a norm far beyond the others"),
        };
        let count = said.iter().filter(|one| **one).count();
        if count > 0 {
            self.warn(
                &format!(
                    "{}: {count} of {} texts have one token, {which}: {}; use texts of two tokens or more",
                    reading.site,
                    said.len(),
                    ids(prompts, &said)
                ),
                watch,
            );
        }
    }
}

fn is_residual(site: Site) -> bool {
    matches!(site, Site::Embed | Site::ResidPre(_) | Site::ResidMid(_) | Site::ResidPost(_))
}

fn norms(reading: &Reading) -> impl Iterator<Item = f64> {
    reading.values.outer_iter().map(|row| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt())
}

/// Which prompts have one token, where that is known.
fn single(encoded: &[Prompt]) -> Vec<bool> {
    encoded.iter().map(|prompt| matches!(prompt, Prompt::Tokens(t) if t.len() == 1)).collect()
}

/// Which norms are beyond the multiple of the lower median of those of more than one token, or of all where all have one.
fn beyond(norms: &[f64], single: &[bool]) -> Vec<bool> {
    let mut others: Vec<f64> = norms.iter().zip(single).filter(|(_, one)| !**one).map(|(n, _)| *n).collect();
    if others.is_empty() {
        others = norms.to_vec();
    }
    others.sort_unstable_by(f64::total_cmp);
    let median = others.get(others.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    norms.iter().map(|norm| *norm > SINK_MULTIPLE * median).collect()
}

fn ids(prompts: &[NamedPrompt], which: &[bool]) -> String {
    let ids: Vec<&str> = prompts.iter().zip(which).filter(|(_, w)| **w).map(|(p, _)| p.id.as_str()).collect();
    named(&ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn norms_far_beyond_those_of_longer_texts_are_sinks_however_many_there_are() {
        let norms = [22_000.0, 245.0, 22_000.0, 250.0, 22_000.0, 980.0, 981.0];
        let single = [true, false, true, false, true, false, false];
        // The lower median of the longer ones is 250.
        assert_eq!(beyond(&norms, &single), [true, false, true, false, true, false, false]);
        assert_eq!(beyond(&[1.0, 4.0, 4.1, 1.0], &[false; 4]), [false, false, true, false]);
        assert_eq!(beyond(&[9.0, 9.0], &[true; 2]), [false; 2]);
    }

    #[test]
    fn texts_of_one_token_are_told_by_name_where_they_are_sinks() {
        let (tiny, tally) = (super::super::fixture::Tiny::open(), ReadingTally::default());
        let reader = Reader::new(&tiny, None).with_tally(&tally);
        let prompts: Vec<NamedPrompt> = [vec![1], vec![2], vec![3, 4], vec![5, 6]]
            .into_iter()
            .enumerate()
            .map(|(i, tokens)| NamedPrompt::tokens(format!("t{i}"), tokens))
            .collect();
        let encoded: Vec<Prompt> = prompts.iter().map(|p| p.prompt.clone()).collect();
        let reading = |values: [f32; 4]| Reading {
            site: Site::ResidPost(0),
            values: Array2::from_shape_vec((4, 1), values.to_vec()).unwrap(),
            rows: vec![1; 4],
            left_out: vec![],
        };
        let unwatched = &truenorth_protocol::run::Unwatched;
        for at in [ReadAt::Mean, ReadAt::Last] {
            // Texts of one token like any other are none.
            reader.say_sinks(&prompts, &encoded, &reading([1.0, -2.0, 1.0, 1.0]), at, unwatched);
        }
        reader.say_sinks(&prompts, &encoded, &reading([90.0, 80.0, 1.0, 1.0]), ReadAt::MeanSink, unwatched);
        assert!(tally.warnings().is_empty());
        for _ in 0..2 {
            reader.say_sinks(&prompts, &encoded, &reading([90.0, 2.0, 1.0, 1.0]), ReadAt::Mean, unwatched);
        }
        let [said] = &tally.warnings()[..] else { panic!("{:?}", tally.warnings()) };
        assert!(
            said.contains("resid_post.0: 1 of 4 texts have one token") && said.contains("`t0`;"),
            "{said}"
        );
        // All of one token: nothing tells, and it is said.
        reader.mean_norm(Site::ResidPost(0), &prompts[..2], unwatched).unwrap();
        assert!(tally.warnings()[1].contains("all 2 prompts"), "{:?}", tally.warnings());
    }
}
