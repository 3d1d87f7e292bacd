//! Prompts as a tree: what several of them begin with is computed once.

use std::collections::HashMap;

use super::error::EngineError;
use super::layout::{SharedPrefixes, TokenBatch};

/// A tree of prompts under construction, a node a token.
#[derive(Debug, Default)]
pub struct PromptTree {
    nodes: Vec<TokenNode>,
    /// By parent and token.
    children: HashMap<(Option<usize>, u32), usize>,
    ends: Vec<usize>,
}

#[derive(Debug)]
struct TokenNode {
    parent: Option<usize>,
    token: u32,
    children: usize,
    /// Whether a prompt ends here.
    end: bool,
}

/// A finished tree, cut into runs of tokens at every fork and at every prompt's end.
#[derive(Debug)]
pub struct Branches {
    runs: Vec<TokenRun>,
    /// The run that each prompt ends with.
    ends: Vec<usize>,
}

#[derive(Debug)]
struct TokenRun {
    parent: Option<usize>,
    /// Position of its first token.
    start: usize,
    tokens: Vec<u32>,
}

impl PromptTree {
    /// How many different tokens in context there are: the rows that have to be computed.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.nodes.len()
    }

    /// Adds a prompt.
    pub fn add(&mut self, tokens: &[u32]) {
        let mut at = None;
        for token in tokens {
            at = Some(match self.children.get(&(at, *token)) {
                Some(node) => *node,
                None => {
                    let node = self.nodes.len();
                    self.nodes.push(TokenNode { parent: at, token: *token, children: 0, end: false });
                    self.children.insert((at, *token), node);
                    if let Some(parent) = at.and_then(|p| self.nodes.get_mut(p)) {
                        parent.children += 1;
                    }
                    node
                }
            });
        }
        if let Some(node) = at.and_then(|n| self.nodes.get_mut(n)) {
            node.end = true;
        }
        self.ends.extend(at);
    }

    /// Cuts the tree into runs, parents before children.
    #[must_use]
    pub fn branches(&self) -> Branches {
        // A node is newer than its parent, so one pass in order sees parents first.
        let mut runs: Vec<TokenRun> = Vec::new();
        let mut run_of: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let above = node.parent.map(|p| (run_of[p], &self.nodes[p]));
            let run = match above {
                Some((run, parent)) if parent.children == 1 && !parent.end => {
                    runs[run].tokens.push(node.token);
                    run
                }
                _ => {
                    let parent = above.map(|(run, _)| run);
                    let start = parent.map_or(0, |p| runs[p].start + runs[p].tokens.len());
                    runs.push(TokenRun { parent, start, tokens: vec![node.token] });
                    runs.len() - 1
                }
            };
            run_of.push(run);
        }
        Branches { runs, ends: self.ends.iter().map(|n| run_of[*n]).collect() }
    }
}

impl Branches {
    /// The runs as the sequences of a batch, numbered from 0.
    ///
    /// # Errors
    /// A tree without tokens.
    pub fn batch(&self) -> Result<TokenBatch, EngineError> {
        let mut batch = TokenBatch::new();
        for (seq, run) in self.runs.iter().enumerate() {
            batch.push_after(run.parent, seq, &run.tokens)?;
        }
        Ok(batch.of_branches())
    }

    /// The prompts as a batch, numbered from 0, of which the first `blocks` blocks compute the tree;
    /// after them each prompt has rows of its own, for edits that differ.
    ///
    /// # Errors
    /// A tree without tokens.
    pub fn batch_sharing(&self, blocks: usize) -> Result<TokenBatch, EngineError> {
        let tree = self.batch()?;
        let first: Vec<usize> = tree.parts().map(|(_, rows)| rows.start).collect();
        let mut batch = TokenBatch::new();
        let mut from = Vec::new();
        for (prompt, end) in self.ends.iter().enumerate() {
            let mut chain: Vec<usize> =
                std::iter::successors(Some(*end), |run| self.runs[*run].parent).collect();
            chain.reverse();
            let tokens: Vec<u32> = chain.iter().flat_map(|run| self.runs[*run].tokens.clone()).collect();
            batch.push(prompt, &tokens)?;
            from.extend(chain.iter().flat_map(|run| first[*run]..first[*run] + self.runs[*run].tokens.len()));
        }
        if blocks > 0 && tree.rows() < batch.rows() {
            batch.share(SharedPrefixes { tree, blocks, from, ends: self.ends.clone() });
        }
        Ok(batch)
    }

    /// The rows of the batch that prompts end with, ascending, each once.
    #[must_use]
    pub fn last_rows(&self) -> Vec<usize> {
        let mut end = 0;
        let ends: Vec<usize> = self
            .runs
            .iter()
            .map(|run| {
                end += run.tokens.len();
                end - 1
            })
            .collect();
        let mut rows: Vec<usize> = self.ends.iter().map(|run| ends[*run]).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// Index of the run that a prompt ends with.
    #[must_use]
    pub fn end(&self, prompt: usize) -> usize {
        self.ends[prompt]
    }

    /// The run that holds a position of a prompt.
    #[must_use]
    pub fn at(&self, prompt: usize, position: usize) -> usize {
        let mut run = self.ends[prompt];
        while let (true, Some(parent)) = (position < self.runs[run].start, self.runs[run].parent) {
            run = parent;
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(prompts: &[&[u32]]) -> PromptTree {
        let mut tree = PromptTree::default();
        prompts.iter().for_each(|p| tree.add(p));
        tree
    }

    #[test]
    fn shared_beginnings_are_there_once() {
        let t = tree(&[&[1, 2, 3, 4], &[1, 2, 5], &[1, 2], &[9], &[1, 2, 5]]);
        assert_eq!(t.rows(), 6);
        let b = t.branches();
        let runs: Vec<_> = b.runs.iter().map(|r| (r.parent, r.start, r.tokens.clone())).collect();
        assert_eq!(
            runs,
            [(None, 0, vec![1, 2]), (Some(0), 2, vec![3, 4]), (Some(0), 2, vec![5]), (None, 0, vec![9])]
        );
        assert_eq!((0..5).map(|p| b.end(p)).collect::<Vec<_>>(), [1, 2, 0, 3, 2]);
        assert_eq!([b.at(0, 0), b.at(0, 1), b.at(0, 2), b.at(0, 3), b.at(4, 2)], [0, 0, 1, 1, 2]);
        assert_eq!(b.last_rows(), [1, 3, 4, 5]);
    }

    #[test]
    fn prompts_part_after_the_blocks_they_share() {
        let b = tree(&[&[1, 2, 3], &[1, 2, 4], &[1, 2]]).branches();
        let batch = b.batch_sharing(2).unwrap();
        assert_eq!(batch.tokens(), [1, 2, 3, 1, 2, 4, 1, 2]);
        let shared = batch.shared().unwrap();
        assert_eq!(shared.tree.tokens(), [1, 2, 3, 4]);
        assert_eq!(shared.from, [0, 1, 2, 0, 1, 3, 0, 1]);
        assert_eq!(shared.ends, [1, 2, 0]);
        assert_eq!(b.batch_sharing(0).unwrap().shared(), None);
        assert_eq!(tree(&[&[1], &[2]]).branches().batch_sharing(2).unwrap().shared(), None);
    }

    #[test]
    fn a_prompt_that_another_goes_on_from_ends_a_run() {
        let b = tree(&[&[1, 2, 3], &[1, 2]]).branches();
        assert_eq!(b.runs.len(), 2);
        assert_eq!((b.end(0), b.end(1)), (1, 0));
    }
}
