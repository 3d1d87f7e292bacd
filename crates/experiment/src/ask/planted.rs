//! Pairs whose better text is known, on which a judge shows what it is worth.

use rand::seq::SliceRandom;
use truenorth_boards::judge::Duel;
use truenorth_stats::math::Seeds;

use super::ExperimentData;
use crate::weigh::ExperimentMeasurements;

/// The fewest words of a text that can be shuffled.
const WORDS: usize = 6;
/// Pairs that are made where none are given.
const MADE: usize = 20;

pub(super) fn count(data: &ExperimentData<'_>) -> usize {
    if data.planted.is_empty() { MADE.min(data.prompts.len()) } else { data.planted.len() }
}

/// The pairs that were given, or base's texts beside the same words shuffled; with what should be said of these.
pub(super) fn pairs(
    data: &ExperimentData<'_>,
    sheet: &ExperimentMeasurements,
    seeds: &Seeds,
) -> (Vec<Duel>, Option<String>) {
    if !data.planted.is_empty() {
        return (data.planted.to_vec(), None);
    }
    let mut rng = seeds.stream("planted pairs");
    let mut made = Vec::new();
    for (prompt, written) in data.prompts.iter().zip(&sheet.texts[0]) {
        let Some(written) = written else { continue };
        let mut words: Vec<&str> = written.text.split_whitespace().collect();
        if words.len() < WORDS || made.len() == MADE {
            continue;
        }
        words.shuffle(&mut rng);
        made.push(Duel {
            id: format!("shuffled {}", prompt.id),
            prompt: prompt.text.clone(),
            first: written.text.trim().to_owned(),
            second: words.join(" "),
        });
    }
    let note = "planted pairs are base's texts beside the same words shuffled; a judge who tells these apart may still not \
                tell what the criterion asks: give pairs of its own with `planted`";
    (made, Some(note.into()))
}
