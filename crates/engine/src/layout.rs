//! Which row of a packed tensor is which token of which sequence.
//!
//! A batch of sequences of unequal lengths is one tensor `[rows, width]` of all new tokens, one
//! sequence after the other. There is no padding, so nothing has to be masked out of it.

use std::collections::BTreeSet;
use std::ops::Range;

use truenorth_protocol::Site;
use truenorth_protocol::prompt::PromptProblem;

use super::error::EngineError;

/// New tokens of several sequences.
///
/// A sequence goes by a number: its slot in the [`KvCache`](super::cache::KvCache) where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenBatch {
    tokens: Vec<u32>,
    parts: Vec<(usize, Range<usize>)>,
    /// For each part the part that comes before it in its context.
    parents: Vec<Option<usize>>,
    seen: BTreeSet<usize>,
    branched: bool,
    shared: Option<Box<SharedPrefixes>>,
}

/// What the first blocks compute in place of a batch: its tokens with equal ones before them once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SharedPrefixes {
    pub(super) tree: TokenBatch,
    /// How many blocks the tree goes through.
    pub(super) blocks: usize,
    /// For each row of the batch that of the tree.
    pub(super) from: Vec<usize>,
    /// For each part of the batch the part of the tree it ends with.
    pub(super) ends: Vec<usize>,
}

impl TokenBatch {
    /// A batch without sequences.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch of whole prompts, numbered from 0.
    ///
    /// # Errors
    /// A prompt without tokens.
    pub fn of<T: AsRef<[u32]>>(prompts: &[T]) -> Result<Self, EngineError> {
        let mut batch = Self::new();
        for (seq, tokens) in prompts.iter().enumerate() {
            batch.push(seq, tokens.as_ref())?;
        }
        Ok(batch)
    }

    /// Appends the next tokens of a sequence.
    ///
    /// # Errors
    /// No tokens, or a sequence that is in the batch already.
    pub fn push(&mut self, seq: usize, tokens: &[u32]) -> Result<(), EngineError> {
        self.push_after(None, seq, tokens)
    }

    /// Appends tokens that go on from all of another part of this batch, which several parts may
    /// share: parts are numbered from 0 in the order in which they were pushed.
    ///
    /// # Errors
    /// As [`TokenBatch::push`], or a part that is not there yet.
    pub fn push_after(
        &mut self,
        parent: Option<usize>,
        seq: usize,
        tokens: &[u32],
    ) -> Result<(), EngineError> {
        if let Some(part) = parent.filter(|p| *p >= self.parts.len()) {
            return Err(EngineError::UnknownPart { part, parts: self.parts.len() });
        }
        if tokens.is_empty() {
            return Err(EngineError::Prompt { seq, problem: PromptProblem::Empty });
        }
        if !self.seen.insert(seq) {
            return Err(EngineError::DuplicateSequence { seq });
        }
        let start = self.tokens.len();
        self.tokens.extend_from_slice(tokens);
        self.parts.push((seq, start..self.tokens.len()));
        self.parents.push(parent);
        Ok(())
    }

    /// Whether parts go on from others.
    #[must_use]
    pub fn is_tree(&self) -> bool {
        self.parents.iter().any(Option::is_some)
    }

    /// Says that sequences are branches of prompts, which may share them.
    pub(super) fn of_branches(self) -> Self {
        Self { branched: true, ..self }
    }

    /// Computes a tree in place of this batch for its first blocks.
    pub(super) fn share(&mut self, shared: SharedPrefixes) {
        self.shared = Some(Box::new(shared));
    }

    /// What the first blocks compute in place of this batch.
    pub(super) fn shared(&self) -> Option<&SharedPrefixes> {
        self.shared.as_deref()
    }

    /// Where each part starts in its context, without a cache.
    pub(super) fn starts(&self) -> Vec<usize> {
        let mut starts: Vec<usize> = Vec::with_capacity(self.parts.len());
        for parent in &self.parents {
            let start = parent.map_or(0, |p| starts[p] + self.parts[p].1.len());
            starts.push(start);
        }
        starts
    }

    /// Token ids of all sequences, a row each, packed.
    #[must_use]
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Each sequence of the batch, by number, with its rows.
    pub fn parts(&self) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        self.parts.iter().cloned()
    }

    /// Rows of the batch: tokens of all sequences.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.tokens.len()
    }
}

/// A row of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivationRow {
    /// Number of the sequence.
    pub seq: usize,
    /// The position in the sequence, cached tokens included.
    pub position: usize,
    /// Index of the row in the batch.
    pub token: usize,
    /// How long the sequence is with the tokens of this pass; of a tree, the part alone.
    pub reach: usize,
}

/// The rows of an activation, in the order of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivationRows {
    rows: Vec<ActivationRow>,
    parts: Vec<(usize, Range<usize>)>,
    parents: Vec<Option<usize>>,
    branched: bool,
}

impl ActivationRows {
    /// Every row of a batch whose sequences start at these positions.
    pub(super) fn of(batch: &TokenBatch, starts: &[usize]) -> Self {
        let rows = batch
            .parts()
            .zip(starts)
            .flat_map(|((seq, range), start)| {
                let reach = start + range.len();
                range.enumerate().map(move |(i, token)| ActivationRow {
                    seq,
                    position: start + i,
                    token,
                    reach,
                })
            })
            .collect();
        Self { rows, parts: batch.parts.clone(), parents: batch.parents.clone(), branched: batch.branched }
    }

    /// Those of the rows with these ascending indices, and what was left of each sequence.
    pub(super) fn keep(&self, kept: &[usize]) -> Self {
        let rows = kept.iter().map(|i| self.rows[*i]).collect();
        let below = |n: usize| kept.partition_point(|i| *i < n);
        let parts = self.parts.iter().map(|(seq, r)| (*seq, below(r.start)..below(r.end))).collect();
        Self { rows, parts, parents: self.parents.clone(), branched: self.branched }
    }

    /// Whether sequences are branches of prompts.
    pub(super) fn branched(&self) -> bool {
        self.branched
    }

    /// Rows that there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What each row stands for, in order.
    #[must_use]
    pub fn all(&self) -> &[ActivationRow] {
        &self.rows
    }

    /// The sequences of the batch and which rows here are theirs; empty where none was kept.
    pub fn parts(&self) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        self.parts.iter().cloned()
    }

    /// For each of the [`ActivationRows::parts`] the part that comes before it in its context.
    pub(super) fn parents(&self) -> &[Option<usize>] {
        &self.parents
    }

    /// Rows of a sequence, by its number; empty where it has none here.
    #[must_use]
    pub fn of_seq(&self, seq: usize) -> Range<usize> {
        self.parts.iter().find(|(s, _)| *s == seq).map_or(0..0, |(_, r)| r.clone())
    }

    /// Last row of a sequence, by its number; none where it has none here.
    #[must_use]
    pub fn last_of(&self, seq: usize) -> Option<usize> {
        self.of_seq(seq).next_back()
    }

    /// The row of a position of a sequence, if it is here.
    #[must_use]
    pub fn find(&self, seq: usize, position: usize) -> Option<usize> {
        let range = self.of_seq(seq);
        let rows = self.rows.get(range.clone())?;
        rows.binary_search_by_key(&position, |r| r.position).ok().map(|i| range.start + i)
    }
}

/// Which rows are needed where not all are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowNeed {
    /// Every row of the batch.
    All,
    /// The last row of each sequence.
    Last,
    /// Rows of the batch.
    Rows(Vec<usize>),
}

/// How far a pass has to go, and for which rows.
///
/// Every block up to the last one needs all rows, for their keys and values. In the last one, and
/// after it, sites later than `full` are computed for the needed rows only: hooks see just these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The last site that is computed.
    pub last: Site,
    /// The last site at which every row is needed; `None` where there is none.
    pub full: Option<Site>,
    /// Which rows are needed after that site.
    pub rows: RowNeed,
}

impl Need {
    /// Every row at every site up to the last.
    #[must_use]
    pub fn all(last: Site) -> Self {
        Self { last, full: Some(last), rows: RowNeed::All }
    }

    /// The logits after each sequence's last token.
    #[must_use]
    pub fn next_token() -> Self {
        Self { last: Site::Logits, full: None, rows: RowNeed::Last }
    }

    /// Each sequence's last row at the last site; what comes before it may be partial too.
    #[must_use]
    pub fn last_rows(last: Site) -> Self {
        Self { last, full: None, rows: RowNeed::Last }
    }

    /// Row indices to keep, ascending; `None` for all.
    pub(super) fn kept(&self, batch: &TokenBatch) -> Result<Option<Vec<usize>>, EngineError> {
        match &self.rows {
            RowNeed::All => Ok(None),
            RowNeed::Last => Ok(Some(batch.parts().filter_map(|(_, mut r)| r.next_back()).collect())),
            RowNeed::Rows(rows) => {
                let sorted: BTreeSet<usize> = rows.iter().copied().collect();
                match sorted.last() {
                    Some(row) if *row >= batch.rows() => {
                        Err(EngineError::UnknownRow { row: *row, rows: batch.rows() })
                    }
                    _ => Ok(Some(sorted.into_iter().collect())),
                }
            }
        }
    }

    /// The last block that is run for this, of a model with `layers` blocks.
    pub(super) fn last_block(&self, layers: usize) -> Option<usize> {
        last_block(self.last, layers)
    }
}

/// The last block that is run up to a site, of a model with `layers` blocks.
pub(super) fn last_block(site: Site, layers: usize) -> Option<usize> {
    match site {
        Site::Embed => None,
        Site::ResidPre(l) => (l as usize).checked_sub(1),
        Site::FinalNorm | Site::Logits => layers.checked_sub(1),
        other => other.layer().map(|l| l as usize),
    }
}
