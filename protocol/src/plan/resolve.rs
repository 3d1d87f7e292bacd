//! The prompts of a graph as token ids, refused where they do not fit before anything runs.

use crate::CheckedGraph;
use crate::graph::{Decides, Op, Prompt, ReadAt, WriteAt};
use crate::prompt::{PromptFault, has_part, has_position};

/// Why there are no token ids of a graph's prompts.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError<E> {
    /// The tokenizer refused a text.
    #[error(transparent)]
    Encode(E),
    /// A prompt does not fit.
    #[error(transparent)]
    Prompt(PromptFault),
}

/// Token ids by group and prompt, of all groups, each checked. `encode` makes those of a text, with the
/// special tokens the model wants at its start if its second argument says so.
///
/// # Errors
/// What `encode` reports, or the first prompt that does not fit.
pub fn resolve<E>(
    checked: &CheckedGraph,
    mut encode: impl FnMut(&str, bool) -> Result<Vec<u32>, E>,
) -> Result<Vec<Vec<Vec<u32>>>, ResolveError<E>> {
    let mut tokens = Vec::with_capacity(checked.graph().groups.len());
    for group in &checked.graph().groups {
        let ids = group.prompts.iter().map(|prompt| match prompt {
            Prompt::Tokens(tokens) => Ok(tokens.clone()),
            Prompt::Text(text) => encode(text, group.special_tokens),
        });
        tokens.push(ids.collect::<Result<Vec<_>, E>>().map_err(ResolveError::Encode)?);
    }
    check_prompts(checked, &tokens).map_err(ResolveError::Prompt)?;
    Ok(tokens)
}

/// Refuses prompts, as token ids by group and prompt, that have none, too many or unknown ones, or that
/// lack a position which a read or an edit asks for.
///
/// # Errors
/// The first prompt that does not fit.
///
/// # Panics
/// Where `tokens` has other groups or prompts than the graph.
pub fn check_prompts(checked: &CheckedGraph, tokens: &[Vec<Vec<u32>>]) -> Result<(), PromptFault> {
    let graph = checked.graph();
    assert_eq!(graph.groups.len(), tokens.len(), "token ids are given for every group");
    let room = checked.room();
    for ((g, group), tokens) in (0_u32..).zip(&graph.groups).zip(tokens) {
        assert_eq!(group.prompts.len(), tokens.len(), "token ids are given for every prompt");
        let new = graph.generation(g).map_or(0, |params| params.max_new_tokens);
        for (prompt, (given, ids)) in group.prompts.iter().zip(tokens).enumerate() {
            room.tokens(ids, new).map_err(|problem| {
                let text = matches!(given, Prompt::Text(_));
                let problem = if text { problem.of_text() } else { problem };
                PromptFault { group: g as usize, prompt, problem }
            })?;
        }
    }
    // A position that the shortest prompt has, all have.
    let shortest = |prompts: &Vec<Vec<u32>>| {
        let lengths = prompts.iter().map(Vec::len).enumerate();
        lengths.min_by_key(|(_, n)| *n).expect("the check refuses groups without prompts")
    };
    let shortest: Vec<(usize, usize)> = tokens.iter().map(shortest).collect();
    for op in &graph.nodes {
        if let Op::Read { group, positions: ReadAt::Index(index), .. }
        | Op::When { group, of: Decides::Prompt(ReadAt::Index(index)), .. }
        | Op::Write { group, positions: WriteAt::Index(index), .. } = op
        {
            let group = *group as usize;
            let (prompt, length) = shortest[group];
            has_position(*index, length).map_err(|problem| PromptFault { group, prompt, problem })?;
        }
        let (group, part) = match op {
            Op::Read { group, positions, .. } => (*group, positions.part()),
            Op::Write { group, positions, .. } => (*group, positions.part()),
            Op::When { group, of: Decides::Prompt(positions), .. } => (*group, positions.part()),
            _ => continue,
        };
        let Some((part, take)) = part else { continue };
        for (prompt, ids) in tokens[group as usize].iter().enumerate() {
            has_part(part, take, graph.turns_of(group, prompt), ids.len())
                .map_err(|problem| PromptFault { group: group as usize, prompt, problem })?;
        }
    }
    Ok(())
}
