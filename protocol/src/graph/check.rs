//! The static check: everything that can be known to fail is refused before it is sent.

use std::collections::HashSet;

use super::problem::{CheckError, GraphProblem};
use super::shape::{Dim, KnownKinds, Shape, ValueKind};
use super::size::{Facts, GraphCost, Sizes, facts};
use super::{
    AlphaUnit, Edit, Graph, NodeId, Op, Prompt, PromptPart, ReadAt, Sampling, Take, Turn, Turns, WriteAt,
};
use crate::limits;
use crate::model::ModelInfo;
use crate::prompt::{PromptFault, PromptRoom, has_part, has_position};
use crate::site::Site;

/// The most that a checked graph may send back, hold and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckLimits {
    /// The most bytes of saved values; text prompts count a token a byte, the worst case.
    pub answer_bytes: u64,
    /// The most bytes of memory that a run may take, as [`GraphCost::memory`] counts them.
    pub run_bytes: u64,
    /// The most tokens that may go through the model, as [`GraphCost::tokens`] counts them.
    pub tokens: u64,
}

impl Default for CheckLimits {
    fn default() -> Self {
        Self { answer_bytes: limits::ANSWER_BYTES as u64, run_bytes: limits::RUN_BYTES, tokens: u64::MAX }
    }
}

/// A graph that fits a model. Only these can be run.
#[derive(Clone, Debug)]
pub struct CheckedGraph {
    graph: Graph,
    kinds: Vec<ValueKind>,
    live: Vec<bool>,
    size: GraphCost,
    room: PromptRoom,
}

impl CheckedGraph {
    /// The graph that was checked.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What kind of value each node has, in the order of the nodes.
    #[must_use]
    pub fn kinds(&self) -> &[ValueKind] {
        &self.kinds
    }

    /// Upper bounds on tokens, memory and bytes of the answer.
    #[must_use]
    pub fn size(&self) -> GraphCost {
        self.size
    }

    /// Context and vocabulary of the model it was checked against.
    #[must_use]
    pub fn room(&self) -> PromptRoom {
        self.room
    }

    /// Whether a node's value is needed for something saved, or is an edit that is.
    /// Nodes that are not needn't be computed.
    #[must_use]
    pub fn live(&self, node: u32) -> bool {
        self.live.get(node as usize).copied().unwrap_or(false)
    }
}

/// When a value is there: group, step, and the place in the pass.
type ValueMoment = (u32, u32, u128);
const AT_ONCE: ValueMoment = (0, 0, 0);

/// The place in a pass at which conditions look at a site: before anything else that happens there.
fn looked_at(site: Site) -> u128 {
    2 * u128::from(site.order()) + 1
}

/// That of reads and edits.
fn visited(site: Site) -> u128 {
    looked_at(site) + 1
}

impl Graph {
    /// Checks the graph against a model.
    ///
    /// # Errors
    /// The first problem, with the node it is at.
    pub fn check(self, info: &ModelInfo, limits: &CheckLimits) -> Result<CheckedGraph, CheckError> {
        let whole = |problem| CheckError { node: None, label: String::new(), problem };
        self.check_counts().map_err(whole)?;
        let facts = facts(&self, info);
        self.check_groups(info, &facts).map_err(whole)?;
        let mut kinds: Vec<ValueKind> = Vec::with_capacity(self.nodes.len());
        let mut moments: Vec<ValueMoment> = Vec::with_capacity(self.nodes.len());
        let mut seen = SeenNames::default();
        let mut bytes = 0_u64;
        for (i, op) in self.nodes.iter().enumerate() {
            let known = KnownKinds { kinds: &kinds, graph: &self, facts: &facts, info };
            let kind = known
                .check_inputs(op)
                .and_then(|()| known.infer(op))
                .and_then(|kind| known.check_op(op, &moments, &mut seen).map(|moment| (kind, moment)))
                .and_then(|(kind, moment)| {
                    if let Op::Save { value, .. } = op {
                        let sizes = Sizes { graph: &self, kinds: &kinds, facts: &facts, info };
                        bytes = bytes.saturating_add(sizes.answer(value.0));
                        if bytes > limits.answer_bytes {
                            return Err(GraphProblem::AnswerSize { bytes, limit: limits.answer_bytes });
                        }
                    }
                    Ok((kind, moment))
                });
            #[allow(clippy::cast_possible_truncation, reason = "check_groups caps the node count")]
            let (kind, moment) =
                kind.map_err(|problem| CheckError { node: Some(i as u32), label: op.label(), problem })?;
            kinds.push(kind);
            moments.push(moment);
        }
        if seen.names.is_empty() {
            return Err(whole(GraphProblem::NothingSaved));
        }
        let live = self.live();
        let sizes = Sizes { graph: &self, kinds: &kinds, facts: &facts, info };
        let size = sizes.of_all(&live, limits.run_bytes)?;
        if size.tokens > limits.tokens {
            return Err(whole(GraphProblem::Tokens { found: size.tokens, limit: limits.tokens }));
        }
        Ok(CheckedGraph { graph: self, kinds, live, size, room: PromptRoom::of(info) })
    }

    /// Forward passes of a group: 1, or `max_new_tokens` where it generates. Pass 0 runs the prompt.
    #[must_use]
    pub fn steps(&self, group: u32) -> u32 {
        self.generation(group).map_or(1, |p| p.max_new_tokens)
    }

    /// The generation of a group, if it has one.
    #[must_use]
    pub fn generation(&self, group: u32) -> Option<&Sampling> {
        self.nodes.iter().find_map(|op| match op {
            Op::Generate { group: g, params } if *g == group => Some(params),
            _ => None,
        })
    }

    /// The turns of a group's prompts; empty where none are told.
    #[must_use]
    pub fn turns(&self, group: u32) -> &[Turns] {
        let of = |op| match op {
            &Op::Turns { group: g, ref turns } if g == group => Some(turns.as_slice()),
            _ => None,
        };
        self.nodes.iter().find_map(of).unwrap_or_default()
    }

    /// The turns of one prompt, both counted from 0; empty where none are told.
    #[must_use]
    pub fn turns_of(&self, group: u32, prompt: usize) -> &[Turn] {
        self.turns(group).get(prompt).map_or(&[], |turns| &turns.0)
    }

    /// Refuses what is too much to look at.
    fn check_counts(&self) -> Result<(), GraphProblem> {
        let within = |what, found, limit| match found <= limit {
            true => Ok(()),
            false => Err(GraphProblem::TooMany { what, found, limit }),
        };
        within("nodes", self.nodes.len(), limits::NODES)?;
        within("groups", self.groups.len(), limits::GROUPS)?;
        within("prompts", self.groups.iter().map(|g| g.prompts.len()).sum(), limits::PROMPTS)?;
        let stacked = self.nodes.iter().map(|op| if let Op::Stack(all) = op { all.len() } else { 0 });
        within("stacked values", stacked.max().unwrap_or(0), limits::NODES)
    }

    fn check_groups(&self, info: &ModelInfo, facts: &[Facts]) -> Result<(), GraphProblem> {
        let room = PromptRoom::of(info);
        for (g, group) in self.groups.iter().enumerate() {
            if group.prompts.is_empty() {
                return Err(GraphProblem::EmptyGroup { group: g });
            }
            let new = if facts[g].generation.is_some() { facts[g].steps } else { 0 };
            for (p, prompt) in group.prompts.iter().enumerate() {
                match prompt {
                    Prompt::Text(text) => room.text(text),
                    Prompt::Tokens(tokens) => room.tokens(tokens, new),
                }
                .map_err(|problem| GraphProblem::Prompt(PromptFault { group: g, prompt: p, problem }))?;
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct SeenNames {
    names: HashSet<String>,
    generated: HashSet<u32>,
    turns: HashSet<u32>,
}

impl KnownKinds<'_> {
    /// Checks what shapes alone do not say, and returns when the node's value is there.
    fn check_op(
        &self,
        op: &Op,
        moments: &[ValueMoment],
        seen: &mut SeenNames,
    ) -> Result<ValueMoment, GraphProblem> {
        let ready = |ids: &[NodeId]| ids.iter().map(|i| moments[i.0 as usize]).max().unwrap_or(AT_ONCE);
        match op {
            Op::Read { group, site, positions, step } => {
                self.check_site(*site)?;
                let steps = self.steps(*group);
                if *step >= steps {
                    return Err(GraphProblem::Step { step: *step, group: *group, steps });
                }
                if *step > 0 && *positions != ReadAt::Last {
                    return Err(GraphProblem::StepPositions { step: *step });
                }
                if *step > 0 && self.stops(*group) {
                    return Err(GraphProblem::StepAfterStop { step: *step });
                }
                if let ReadAt::In(part, Take::All) = positions {
                    return Err(GraphProblem::RowsOfPart { part: *part });
                }
                self.check_reading(*group, *positions)?;
                Ok((*group, *step, visited(*site)))
            }
            Op::Const(t) if t.shape().contains(&0) => {
                Err(GraphProblem::EmptyConst { shape: t.shape().to_vec() })
            }
            Op::Const(t) => {
                let values = if t.dtype().is_float() {
                    t.to_f32().expect("every float is read as f32")
                } else {
                    vec![]
                };
                match values.iter().position(|v| !v.is_finite()) {
                    Some(index) => Err(GraphProblem::NotFiniteConst { index }),
                    None => Ok(AT_ONCE),
                }
            }
            Op::Write { group, site, positions, steps, edit } => {
                self.check_site(*site)?;
                let prompts = self.prompts(*group)?;
                self.check_edit(edit, self.width(*site), prompts)?;
                if let Some(end) = steps.end.filter(|e| *e <= steps.start) {
                    return Err(GraphProblem::EmptySteps { start: steps.start, end });
                }
                let run = self.steps(*group);
                if steps.start >= run {
                    return Err(GraphProblem::Step { step: steps.start, group: *group, steps: run });
                }
                if op.passes(run).is_none() {
                    return Err(GraphProblem::Never { positions: *positions, start: steps.start });
                }
                if let WriteAt::Index(index) = positions {
                    self.check_index(*group, *index)?;
                }
                if let WriteAt::In(part, take) = positions {
                    if !matches!(take, Take::All | Take::First | Take::Last) {
                        return Err(GraphProblem::MeanOfEdit { positions: *positions });
                    }
                    self.check_part(*group, *part, *take)?;
                }
                let now = (*group, steps.start, visited(*site));
                match edit.inputs().iter().find(|i| moments[i.0 as usize] > now) {
                    Some(input) => Err(GraphProblem::Late { input: input.0 }),
                    None => Ok(now),
                }
            }
            Op::Generate { group, params } => {
                check_sampling(params, self.info)?;
                if !seen.generated.insert(*group) {
                    return Err(GraphProblem::TwoGenerations { group: *group });
                }
                Ok((*group, u32::MAX, u128::MAX))
            }
            Op::Save { name, value } => {
                if name.is_empty() || name.len() > limits::NAME_BYTES || name.chars().any(char::is_control) {
                    return Err(GraphProblem::Name);
                }
                if !seen.names.insert(name.clone()) {
                    return Err(GraphProblem::SameName);
                }
                Ok(ready(&[*value]))
            }
            Op::Turns { group, turns } => {
                let prompts = self.prompts(*group)?;
                if turns.len() != prompts || !seen.turns.insert(*group) {
                    return Err(GraphProblem::Turns { found: turns.len(), prompts });
                }
                let room = self.info.context;
                match turns.iter().flat_map(|t| &t.0).find(|t| t.start > t.end || t.end > room) {
                    Some(Turn { start, end, .. }) => {
                        Err(GraphProblem::Range { start: *start, end: *end, size: room as usize })
                    }
                    None => Ok(AT_ONCE),
                }
            }
            Op::When { group, site, direction, above, of, writes } => {
                self.check_site(*site)?;
                self.prompts(*group)?;
                self.check_when((*group, *site), *above, *of, writes)?;
                self.check_oriented(*direction, self.width(*site))?;
                let now = (*group, 0, looked_at(*site));
                if moments[direction.0 as usize] > now {
                    return Err(GraphProblem::Late { input: direction.0 });
                }
                Ok(now)
            }
            other => Ok(ready(&other.inputs())),
        }
    }

    /// Refuses a position or a part that a prompt does not have.
    pub(super) fn check_reading(&self, group: u32, positions: ReadAt) -> Result<(), GraphProblem> {
        match positions {
            ReadAt::Index(index) => self.check_index(group, index),
            ReadAt::In(part, take) => self.check_part(group, part, take),
            _ => Ok(()),
        }
    }

    /// Refuses a part that a prompt of the group does not have; of a text that is known once it is tokenized.
    fn check_part(&self, group: u32, part: PromptPart, take: Take) -> Result<(), GraphProblem> {
        self.prompts(group)?;
        let turns = self.graph.turns(group);
        for (prompt, given) in self.graph.groups[group as usize].prompts.iter().enumerate() {
            let here = turns.get(prompt).map_or(&[][..], |t| &t.0);
            let has = match given {
                Prompt::Tokens(tokens) => has_part(part, take, here, tokens.len()),
                Prompt::Text(_) if part.needs_turns() || !here.is_empty() => has_part(part, take, &[], 0),
                Prompt::Text(_) => Ok(()),
            };
            has.map_err(|problem| {
                GraphProblem::Prompt(PromptFault { group: group as usize, prompt, problem })
            })?;
        }
        Ok(())
    }

    fn check_site(&self, site: Site) -> Result<(), GraphProblem> {
        match site.layer() {
            Some(layer) if layer >= self.info.layers => {
                Err(GraphProblem::Layer { layer, layers: self.info.layers })
            }
            _ => Ok(()),
        }
    }

    fn check_index(&self, group: u32, index: i32) -> Result<(), GraphProblem> {
        self.prompts(group)?;
        let Some((prompt, tokens)) = self.facts[group as usize].shortest else { return Ok(()) };
        has_position(index, tokens)
            .map_err(|problem| GraphProblem::Prompt(PromptFault { group: group as usize, prompt, problem }))
    }

    fn steps(&self, group: u32) -> u32 {
        self.facts[group as usize].steps
    }

    /// Whether a prompt of the group may stop before its last step.
    fn stops(&self, group: u32) -> bool {
        let node = self.facts.get(group as usize).and_then(|f| self.graph.nodes.get(f.generation?));
        matches!(node, Some(Op::Generate { params, .. }) if !params.stop.is_empty())
    }

    fn check_edit(&self, edit: &Edit, width: usize, prompts: usize) -> Result<(), GraphProblem> {
        match edit {
            Edit::Add { direction, alpha, unit } => {
                self.check_direction(*direction, width, Some(prompts))?;
                if alpha.len() != 1 && alpha.len() != prompts {
                    return Err(GraphProblem::Alphas { found: alpha.len(), prompts });
                }
                if let Some(value) = alpha.iter().find(|a| !a.is_finite()) {
                    return Err(GraphProblem::NotFinite { what: "α", value: *value });
                }
                if let AlphaUnit::Norm(n) = unit {
                    let found = self.floats(*n)?;
                    if !found.is_empty() {
                        return Err(GraphProblem::NormUnit { found: Shape(found.to_vec()) });
                    }
                }
                Ok(())
            }
            Edit::Set { value } => self.check_direction(*value, width, Some(prompts)),
            Edit::Ablate { direction } => self.check_oriented(*direction, width),
            Edit::Clamp { direction, min, max } => {
                self.check_oriented(*direction, width)?;
                if let Some(value) = [*min, *max].into_iter().find(|v| v.is_nan()) {
                    return Err(GraphProblem::NotFinite { what: "a bound of the clamp", value });
                }
                if min > max {
                    return Err(GraphProblem::ClampOrder { min: *min, max: *max });
                }
                Ok(())
            }
            Edit::Scale { factor } if !factor.is_finite() => {
                Err(GraphProblem::NotFinite { what: "the factor", value: *factor })
            }
            Edit::Scale { .. } => Ok(()),
        }
    }

    fn check_direction(&self, id: NodeId, width: usize, prompts: Option<usize>) -> Result<(), GraphProblem> {
        let found = self.floats(id)?;
        let fits = match found {
            [Dim::Fixed(w)] => *w == width,
            [Dim::Fixed(p), Dim::Fixed(w)] => Some(*p) == prompts && *w == width,
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(GraphProblem::Direction { found: Shape(found.to_vec()), width, prompts })
        }
    }

    fn check_oriented(&self, id: NodeId, width: usize) -> Result<(), GraphProblem> {
        self.check_direction(id, width, None)?;
        match &self.graph.nodes[id.0 as usize] {
            Op::Const(t) if t.to_f32().is_ok_and(|v| v.iter().all(|x| *x == 0.0)) => {
                Err(GraphProblem::ZeroDirection)
            }
            _ => Ok(()),
        }
    }
}

fn check_sampling(params: &Sampling, info: &ModelInfo) -> Result<(), GraphProblem> {
    let max = limits::GENERATION_STEPS.min(info.context);
    if params.max_new_tokens == 0 || params.max_new_tokens > max {
        return Err(GraphProblem::NewTokens { found: params.max_new_tokens, max });
    }
    if !params.temperature.is_finite() || params.temperature < 0.0 {
        return Err(GraphProblem::Temperature(params.temperature));
    }
    if !(params.top_p > 0.0 && params.top_p <= 1.0) {
        return Err(GraphProblem::TopP(params.top_p));
    }
    match params.stop.iter().find(|t| **t >= info.vocab) {
        Some(token) => Err(GraphProblem::Token { token: *token, vocab: info.vocab }),
        None => Ok(()),
    }
}
