//! One forward pass of a chunk of a group: what the graph reads and writes at each site.

use std::collections::HashMap;
use std::ops::Range;

use truenorth_protocol::graph::{Decides, Op, Take, Turn, position};
use truenorth_protocol::plan::{Action, GroupPlan};
use truenorth_protocol::{ReadAt, Site, WriteAt};

use super::super::error::EngineError;
use super::super::hooks::{Flow, Hooks, SiteActivation};
use super::super::layout::ActivationRow;
use super::super::tree::Branches;
use super::edit::ResolvedEdit;
use super::mean;
use super::state::NodeValues;
use super::value::Val;
use super::when::{Conditions, ProjectionTest};

/// Rows read so far of the nodes of a group, chunk after chunk.
#[derive(Default)]
pub(super) struct Gathered(HashMap<usize, (Vec<f32>, Vec<u32>)>);

/// The hooks of one pass: its edits, conditions and reads.
pub(super) struct PassHooks<'a, 'g> {
    pub state: &'a mut NodeValues<'g>,
    pub gathered: &'a mut Gathered,
    /// Where the conditions of the chunk's edits hold.
    pub conditions: &'a mut Conditions,
    pub plan: &'a GroupPlan<'g>,
    pub group: usize,
    /// The prompts of the group that run now; sequences are numbered from its start.
    pub chunk: Range<usize>,
    /// The sequences that run in this pass, ascending.
    pub active: &'a [usize],
    /// Where prompts' tokens are while they share their beginnings.
    pub branches: Option<&'a Branches>,
    pub step: u32,
}

impl Hooks for PassHooks<'_, '_> {
    fn wants(&self, site: Site) -> bool {
        self.plan.due(self.step, site).next().is_some()
    }

    fn at(&mut self, site: Site, x: &mut SiteActivation<'_>) -> Result<Flow, EngineError> {
        let bad = |source| EngineError::Hook { site, source: Box::new(source) };
        for Action { node, op, when, .. } in self.plan.due(self.step, site) {
            match op {
                Op::Read { positions, .. } => self.read(*node, *positions, x)?,
                Op::Write { positions, edit, .. } => {
                    for input in edit.inputs() {
                        self.state.force(input)?;
                    }
                    let ready = ResolvedEdit::new(edit, &|n| self.state.get(n)).map_err(bad)?;
                    self.write(*positions, &ready, when, x)?;
                }
                Op::When { direction, above, of, .. } => {
                    self.state.force(*direction)?;
                    let measure =
                        ProjectionTest::new(*direction, *above, &|n| self.state.get(n)).map_err(bad)?;
                    self.look(*node, *of, &measure, x)?;
                }
                _ => {}
            }
        }
        Ok(Flow::Continue)
    }
}

impl<'g> PassHooks<'_, 'g> {
    fn tokens(&self, seq: usize) -> usize {
        self.state.prompts[self.group][self.chunk.start + seq].len()
    }

    fn turns(&self, seq: usize) -> &'g [Turn] {
        #[allow(clippy::cast_possible_truncation, reason = "the check bounds the groups")]
        self.plan.graph().turns_of(self.group as u32, self.chunk.start + seq)
    }

    /// Decides where a condition holds.
    fn look(
        &mut self,
        node: usize,
        of: Decides,
        measure: &ProjectionTest,
        x: &SiteActivation<'_>,
    ) -> Result<(), EngineError> {
        let (values, width) = match of {
            Decides::Token => {
                let rows: Vec<usize> = (0..x.rows().len()).collect();
                (x.read(&rows).map_err(|error| self.in_group(error))?, x.width())
            }
            Decides::Prompt(at) => self.values(at, x).map(|(values, _, width)| (values, width))?,
        };
        let above = |i: usize| values.get(i * width..(i + 1) * width).is_some_and(|row| measure.holds(row));
        match of {
            Decides::Token => self.conditions.tokens(node, x.rows().all(), above),
            Decides::Prompt(_) => self.conditions.prompts(node, self.active, above),
        }
        Ok(())
    }

    fn read(&mut self, node: usize, at: ReadAt, x: &SiteActivation<'_>) -> Result<(), EngineError> {
        let (values, counts, width) = self.values(at, x)?;
        let gathered = self.gathered.0.entry(node).or_default();
        gathered.0.extend(values);
        gathered.1.extend(counts);
        if self.chunk.end < self.state.prompts[self.group].len() {
            return Ok(());
        }
        // The last chunk: the value is whole, and edits further on in this pass may take it.
        let missing = || EngineError::Missing { what: format!("node {node} of the graph") };
        let (values, counts) = self.gathered.0.remove(&node).ok_or_else(missing)?;
        let rows = (at == ReadAt::All).then_some(counts);
        self.state.put(node, Val::f32(vec![values.len() / width.max(1), width], values).with_rows(rows));
        Ok(())
    }

    /// What is read of the sequences that run: values, rows of each sequence, and the width of a row.
    fn values(&self, at: ReadAt, x: &SiteActivation<'_>) -> Result<(Vec<f32>, Vec<u32>, usize), EngineError> {
        let site = x.site;
        let branches = self.branches.filter(|_| x.rows().branched());
        let row = |seq: usize, position: usize| {
            x.rows().find(branches.map_or(seq, |b| b.at(seq, position)), position)
        };
        let mut rows = Vec::new();
        let mut counts = Vec::new();
        for seq in self.active {
            let before = rows.len();
            match at {
                ReadAt::Last => rows.extend(x.rows().last_of(branches.map_or(*seq, |b| b.end(*seq)))),
                ReadAt::Index(i) => rows.extend(position(i, self.tokens(*seq)).and_then(|p| row(*seq, p))),
                ReadAt::In(part, take @ (Take::First | Take::Last)) => {
                    let tokens = part.tokens(take, self.turns(*seq), self.tokens(*seq)).unwrap_or_default();
                    rows.extend(tokens.into_iter().filter_map(|p| row(*seq, p)));
                }
                _ if branches.is_some() => {
                    rows.extend((0..self.tokens(*seq)).filter_map(|p| row(*seq, p)));
                }
                ReadAt::All | ReadAt::Mean | ReadAt::MeanSink | ReadAt::Sinks | ReadAt::In(..) => {
                    rows.extend(x.rows().of_seq(*seq))
                }
            }
            let count = rows.len() - before;
            let expected = match at {
                ReadAt::Last | ReadAt::Index(_) | ReadAt::In(_, Take::First | Take::Last) => 1,
                _ if self.step == 0 => self.tokens(*seq),
                _ => count.max(1),
            };
            if count != expected {
                let prompt = seq + self.chunk.start;
                let what = format!("`{site}` of prompt {prompt}, {expected} rows and not {count},");
                return Err(EngineError::Missing { what });
            }
            #[allow(clippy::cast_possible_truncation, reason = "a sequence fits the context")]
            counts.push(count as u32);
        }
        let read = x.read(&rows).map_err(|error| self.blamed(error, &rows, &counts, x))?;
        let (values, width) = match at {
            ReadAt::Mean => (mean::without_sinks(&read, &counts, x.width()), x.width()),
            ReadAt::MeanSink => (mean::of_all(&read, &counts, x.width()), x.width()),
            ReadAt::Sinks => (mean::sinks(&read, &counts, x.width()), 1),
            ReadAt::In(part, take @ (Take::Mean | Take::MeanSink | Take::Sinks)) => {
                let of =
                    |seq: &usize| part.tokens(take, self.turns(*seq), self.tokens(*seq)).unwrap_or_default();
                let marked: Vec<Vec<usize>> = self.active.iter().map(of).collect();
                let width = if take == Take::Sinks { 1 } else { x.width() };
                (mean::of_parts(&read, &counts, x.width(), &marked, take), width)
            }
            ReadAt::Last | ReadAt::Index(_) | ReadAt::All | ReadAt::In(..) => (read, x.width()),
        };
        Ok((values, counts, width))
    }

    /// The error with the number of the prompt in its group, where sequences are prompts.
    fn in_group(&self, error: EngineError) -> EngineError {
        let EngineError::NotFinite { site, seq, position, value } = error else { return error };
        EngineError::NotFinite { site, seq: self.chunk.start + seq, position, value }
    }

    /// The error with the number of the prompt in its group, where it has that of a sequence: prompts that
    /// share their beginnings are not sequences of their own.
    fn blamed(
        &self,
        error: EngineError,
        rows: &[usize],
        counts: &[u32],
        x: &SiteActivation<'_>,
    ) -> EngineError {
        let EngineError::NotFinite { site, seq, position, value } = error else { return error };
        let is =
            |row: &&usize| x.rows().all().get(**row).is_some_and(|r| (r.seq, r.position) == (seq, position));
        let mut left = rows.iter().take_while(|row| !is(row)).count();
        let of = counts.iter().position(|count| {
            let here = left < *count as usize;
            left = left.saturating_sub(*count as usize);
            here
        });
        let seq = of.and_then(|i| self.active.get(i)).map_or(seq, |seq| self.chunk.start + seq);
        EngineError::NotFinite { site, seq, position, value }
    }

    fn write(
        &self,
        at: WriteAt,
        ready: &ResolvedEdit,
        when: &[usize],
        x: &mut SiteActivation<'_>,
    ) -> Result<(), EngineError> {
        x.edit(|row: ActivationRow, values| {
            let tokens = self.tokens(row.seq);
            let touched =
                at.touches(row.position, tokens, self.turns(row.seq)) && self.conditions.hold(when, row);
            if touched {
                ready.apply(self.chunk.start + row.seq, values);
            }
            touched
        })
    }
}
