//! Prompts that pairs share.

use std::collections::HashMap;

use super::TextsToCheck;
use super::found::PairPrompts;
use truenorth_data::{NearCopies, PromptInput, PromptRow, first_prompts};
use truenorth_stats::words::folded;

/// Shared prompts and near twins; none for classes, and where the template shows no prompt.
pub(super) fn prompts(of: TextsToCheck<'_>, near: NearCopies) -> Option<PairPrompts> {
    let TextsToCheck::Pairs(pairs, template) = of else { return None };
    if !template.shows_prompt() {
        return None;
    }
    let mut with: HashMap<String, usize> = HashMap::new();
    let mut first = Vec::new();
    for pair in &pairs.rows {
        let count = with.entry(folded(&pair.prompt)).or_default();
        *count += 1;
        if *count == 1 {
            let input = PromptInput::Text(pair.prompt.clone());
            first.push(PromptRow { id: pair.id.clone(), input, extra: Default::default() });
        }
    }
    let twins = first_prompts(&first, near).copies;
    let shared = || with.values().filter(|n| **n > 1);
    Some(PairPrompts {
        different: with.len(),
        shared: shared().count(),
        pairs: shared().sum(),
        near: twins.near,
        near_ids: twins.near_ids,
        common: pairs.copies.common_prompt.is_some(),
    })
}
