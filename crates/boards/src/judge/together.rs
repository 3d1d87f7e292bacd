//! Which things are no observations of their own, by the one definition that pairs have.

use std::collections::HashMap;

use truenorth_data::{CopiesError, Distinct, Extra, Loaded, NearCopies, Pair, Template};
use truenorth_stats::math::numbered;
use truenorth_stats::words::folded;

/// What is resampled and turned where two texts each make clusters.
pub(crate) const OF_TEXTS: &str =
    "clusters, all that share a prompt or a response or are near copies together";

/// Things in clusters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Together {
    /// The cluster of each thing, from 0 without gaps in order of first appearance.
    pub clusters: Vec<usize>,
    /// The prompt that all things have; it tells none from another and joins nothing.
    pub common_prompt: Option<String>,
}

/// Things of `[prompt, first, second]` in the clusters that pairs make: near copies, shared prompts and shared responses
/// are joined, but for a prompt that all have. A thing without a prompt, where others have one, shares it with none.
///
/// # Errors
/// As [`Distinct::pairs`].
pub(crate) fn texts(rows: &[[&str; 3]], near: NearCopies) -> Result<Together, CopiesError> {
    let known = rows.iter().any(|[prompt, ..]| !prompt.trim().is_empty());
    // Pairs with the same content are one row of a set, whichever side their texts are on.
    let mut place: HashMap<[String; 3], usize> = HashMap::new();
    let mut pairs = Vec::new();
    let of: Vec<usize> = rows
        .iter()
        .enumerate()
        .map(|(i, [prompt, first, second])| {
            let prompt = match prompt.trim() {
                "" if known => signs(i),
                _ => (*prompt).to_owned(),
            };
            let [a, b] = [folded(first), folded(second)];
            let content = if a < b { [folded(&prompt), a, b] } else { [folded(&prompt), b, a] };
            let next = pairs.len();
            let at = *place.entry(content).or_insert(next);
            if at == next {
                pairs.push(Pair {
                    id: i.to_string(),
                    axis: String::new(),
                    prompt,
                    chosen: (*first).to_owned(),
                    rejected: (*second).to_owned(),
                    turns: vec![],
                    rejected_turns: vec![],
                    extra: Extra::new(),
                });
            }
            at
        })
        .collect();
    let found = Distinct::<Pair>::pairs(Loaded::new(pairs, ""), &Template::default(), near)?;
    Ok(Together {
        clusters: numbered(of.iter().map(|at| found.cluster[*at])),
        common_prompt: found.copies.common_prompt.filter(|p| !p.trim().is_empty()),
    })
}

/// Things by their prompts alone, such as the doses of one; a prompt that all have joins nothing, and one without a
/// prompt is of its own.
pub(crate) fn prompts(rows: &[&str]) -> Together {
    let same = rows.len() > 1 && rows.iter().all(|p| folded(p) == folded(rows[0]));
    let name = |(i, prompt): (usize, &&str)| match prompt.trim() {
        prompt if same || prompt.is_empty() => Err(i),
        _ => Ok((*prompt).to_owned()),
    };
    Together {
        clusters: numbered(rows.iter().enumerate().map(name)),
        common_prompt: rows.first().filter(|p| same && !p.trim().is_empty()).map(|p| (*p).to_owned()),
    }
}

/// A prompt of signs without a word, another for each number: it is shared with none, and makes no two texts alike.
fn signs(number: usize) -> String {
    format!("{number:b}").chars().map(|bit| if bit == '0' { '·' } else { '—' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_or_a_text_that_some_share_joins_and_one_that_all_share_does_not() {
        let long = |i: usize| {
            (0..9)
                .map(|k| format!("{}{}", ["ab", "cd", "ef"][i % 3], i * 9 + k))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let all: Vec<[String; 3]> = (0..6).map(|i| [format!("p{i}"), long(i), long(i + 10)]).collect();
        let of = |rows: &[[String; 3]]| {
            let rows: Vec<[&str; 3]> = rows.iter().map(|r| [r[0].as_str(), &r[1], &r[2]]).collect();
            texts(&rows, NearCopies::default()).unwrap()
        };
        assert_eq!(of(&all), Together { clusters: (0..6).collect(), common_prompt: None });
        // The same two texts behind a longer prompt are the same observation.
        let again: Vec<[String; 3]> =
            all.iter().map(|[p, a, b]| [format!("{p} x"), a.clone(), b.clone()]).collect();
        let both = of(&[all.clone(), again].concat());
        assert_eq!(both.clusters, (0..6).chain(0..6).collect::<Vec<_>>());
        let mut shared = all.clone();
        shared[3][0] = "P1 ".into();
        assert_eq!(of(&shared).clusters, [0, 1, 2, 1, 3, 4]);
        for prompt in ["one", ""] {
            let mut common = all.clone();
            common.iter_mut().for_each(|r| r[0] = prompt.into());
            let common = of(&common);
            assert_eq!(common.clusters, (0..6).collect::<Vec<_>>());
            assert_eq!(common.common_prompt.as_deref(), (!prompt.is_empty()).then_some(prompt));
        }
        // Prompts that are not known are not one prompt.
        let mut some = all.clone();
        some[0][0].clear();
        some[1][0].clear();
        assert_eq!(of(&some).clusters, (0..6).collect::<Vec<_>>());
        let exchanged = [all[0].clone(), [all[0][0].clone(), all[0][2].clone(), all[0][1].clone()]];
        assert_eq!(of(&exchanged).clusters, [0, 0]);
        assert_eq!(prompts(&["a", "b", "a", "", ""]).clusters, [0, 1, 0, 2, 3]);
        assert_eq!(prompts(&["a", "a"]), Together { clusters: vec![0, 1], common_prompt: Some("a".into()) });
    }
}
