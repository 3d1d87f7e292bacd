//! The intervention graph: prompts, reads, writes, operations between them, what to save.
//!
//! Groups of prompts run in order, each as one batch. Nodes are listed so that inputs come
//! first. At one site a read listed before a write sees the stream before the edit, a read listed
//! after it sees the edit. A forward pass is a *step*: step 0 runs the prompts, step `k` runs the
//! `k`-th generated token; its edits stay in the KV cache for all later steps.

mod answer;
#[cfg(test)]
mod bounds;
mod build;
mod check;
mod codec;
mod live;
mod op;
mod part;
mod passes;
mod positions;
mod problem;
mod sampling;
mod shape;
mod size;
#[cfg(test)]
mod tests;
mod when;

use serde::{Deserialize, Serialize};

pub use answer::{answer_from_bytes, answer_read, answer_to_bytes, answer_write};
pub use build::{Builder, GroupId};
pub use check::{CheckLimits, CheckedGraph};
pub use codec::CodecError;
pub use part::{PromptPart, Role, Take, Turn, Turns};
pub use passes::position;
pub use positions::UnknownPositions;
pub use problem::{CheckError, GraphProblem};
pub use sampling::Sampling;
pub use shape::{Dim, Shape, ValueKind};
pub use size::GraphCost;

use crate::counted;
use crate::dtype::DType;
use crate::site::Site;
use crate::tensor::Tensor;

/// A graph as data. Build one with [`Builder`], make it runnable with [`Graph::check`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// The batches, run in order; nodes name them by index.
    #[serde(deserialize_with = "counted::seq")]
    pub groups: Vec<Group>,
    /// The nodes; each refers only to earlier ones.
    #[serde(deserialize_with = "counted::seq")]
    pub nodes: Vec<Op>,
}

/// Prompts that run as one batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The prompts, in the order of the answer's rows.
    #[serde(deserialize_with = "counted::seq")]
    pub prompts: Vec<Prompt>,
    /// Whether texts get the special tokens their tokenizer adds by itself (such as BOS).
    pub special_tokens: bool,
}

/// A sequence to run, as text or as token ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Text, tokenized where the graph runs.
    Text(#[serde(deserialize_with = "counted::text")] String),
    /// Token ids, taken as they are.
    Tokens(#[serde(deserialize_with = "counted::seq")] Vec<u32>),
}

/// A node by its place in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

/// A node. Floats are computed in f32; only [`Op::Cast`] narrows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// The values at a site: `[prompts, width]`, or `[tokens, width]` for all positions.
    Read {
        /// Index into [`Graph::groups`].
        group: u32,
        /// The site whose values are taken.
        site: Site,
        /// Which tokens; after step 0 there is one, so `Last`.
        positions: ReadAt,
        /// Which forward pass; 0 is the prompt.
        step: u32,
    },
    /// A value that the graph brings along.
    Const(Tensor),
    /// `f(a, b)` element by element; equal shapes, or `b` a scalar or the trailing axes of `a`.
    Binary {
        /// Which of `+ - * /`.
        f: Binary,
        /// The operand whose shape the result has.
        a: NodeId,
        /// The operand that is repeated over leading axes where it has fewer.
        b: NodeId,
    },
    /// `f(a)` element by element, or row by row for [`Unary::Unit`] and [`Unary::Softmax`].
    Unary {
        /// Which function of one value.
        f: Unary,
        /// A float value of any shape.
        a: NodeId,
    },
    /// Dot product over the last axis; `b` has the shape of `a` or is one row.
    Dot {
        /// Rows, the last axis of width `d`.
        a: NodeId,
        /// As many rows, or one of width `d`.
        b: NodeId,
    },
    /// Cosine over the last axis; `b` has the shape of `a` or is one row.
    Cosine {
        /// Rows, the last axis of width `d`.
        a: NodeId,
        /// As many rows, or one of width `d`.
        b: NodeId,
    },
    /// Euclidean norm over the last axis.
    Norm {
        /// A float value; its last axis goes.
        a: NodeId,
    },
    /// Mean or sum over one axis.
    Reduce {
        /// Mean or sum.
        f: Reduce,
        /// A float value; the axis reduced over goes.
        a: NodeId,
        /// Axis, from 0.
        axis: u32,
    },
    /// The half-open range `start..end` of one axis.
    Slice {
        /// The value that is cut.
        a: NodeId,
        /// Axis, from 0.
        axis: u32,
        /// First index kept.
        start: u32,
        /// First index left out.
        end: u32,
    },
    /// Values of one shape along a new first axis.
    Stack(#[serde(deserialize_with = "counted::seq")] Vec<NodeId>),
    /// Another float type, rounded to nearest.
    Cast {
        /// A float value.
        a: NodeId,
        /// The float type it becomes.
        dtype: DType,
    },
    /// Natural log-probability of given tokens: `[.., vocab]` to `[.., tokens]`.
    LogProb {
        /// Logits, the last axis over the vocabulary.
        logits: NodeId,
        /// Ids of the tokens that are asked about, in the order of the result's last axis.
        #[serde(deserialize_with = "counted::seq")]
        tokens: Vec<u32>,
    },
    /// Natural log-probability of each prompt token given those before it, `[tokens]`.
    /// The first token of a prompt has nothing before it and gets 0, which adds nothing to a sum.
    PromptLogProb {
        /// A read of `logits` at all positions of step 0.
        logits: NodeId,
    },
    /// The `k` largest over the last axis, in falling order: the values.
    TopKValues {
        /// A float value.
        a: NodeId,
        /// How many to keep, at most the size of the last axis.
        k: u32,
    },
    /// The `k` largest over the last axis, in falling order: their indices, i64.
    TopKIndices {
        /// A float value.
        a: NodeId,
        /// How many to keep, at most the size of the last axis.
        k: u32,
    },
    /// An edit at a site.
    Write {
        /// Index into [`Graph::groups`].
        group: u32,
        /// The site whose values are changed.
        site: Site,
        /// Which tokens are changed.
        positions: WriteAt,
        /// The forward passes in which it happens.
        steps: Steps,
        /// What each touched row becomes.
        edit: Edit,
    },
    /// Generates from a batch: token ids `[prompts, max_new_tokens]`, i64, -1 after a stop.
    Generate {
        /// Index into [`Graph::groups`].
        group: u32,
        /// Length, temperature, seed and stops.
        params: Sampling,
    },
    /// Log-probability of each generated token under the unscaled (edited) distribution, f32,
    /// `[prompts, max_new_tokens]`, 0 where there is no token.
    GeneratedLogProb {
        /// An [`Op::Generate`].
        generate: NodeId,
    },
    /// The text of generated tokens, one string a prompt, special tokens left out.
    Decode {
        /// An [`Op::Generate`].
        generate: NodeId,
    },
    /// Returns a value under a name.
    Save {
        /// Key of the value in [`Answer::values`](crate::Answer::values), unique in the graph.
        #[serde(deserialize_with = "counted::text")]
        name: String,
        /// The node that is returned; not an effect.
        value: NodeId,
    },
    /// Says where the turns of a conversation lie, which [`PromptPart`] goes by. It has no value.
    Turns {
        /// Index into [`Graph::groups`].
        group: u32,
        /// Those of each prompt, which must be given as token ids.
        #[serde(deserialize_with = "counted::seq")]
        turns: Vec<Turns>,
    },
    /// Lets edits happen only where the projection `x·d̂` at an earlier site is above a threshold. It has no
    /// value. An edit under several of these happens where all of them hold. At the site of an edit itself the
    /// stream counts as it comes there.
    When {
        /// Index into [`Graph::groups`].
        group: u32,
        /// Where the projection is taken: before each of the edits in a pass, or of the prompt and before
        /// edits of later passes alone. Not the logits.
        site: Site,
        /// d, `[width]`; `d̂ = d/‖d‖`.
        direction: NodeId,
        /// The threshold, in units of the residual stream.
        above: f64,
        /// Whether each token decides for itself, or one for its prompt.
        of: Decides,
        /// The [`Op::Write`] nodes it holds for, all of this batch.
        #[serde(deserialize_with = "counted::seq")]
        writes: Vec<NodeId>,
    },
}

/// Whose projection decides whether an edit happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decides {
    /// Each token's own, in the pass that runs it.
    Token,
    /// One of the prompt, for all its tokens and for all that is generated from it.
    Prompt(ReadAt),
}

/// Element-wise operations on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
}

/// Operations on one value that keep its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unary {
    /// Each row divided by its Euclidean norm.
    Unit,
    /// Softmax over the last axis.
    Softmax,
    /// `-a`.
    Neg,
    /// `e^a`.
    Exp,
    /// Natural logarithm of each element.
    Log,
}

/// Reductions over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// Arithmetic mean; the axis goes.
    Mean,
    /// Sum; the axis goes.
    Sum,
}

/// Which tokens of a prompt a read takes. New kinds come last: the binary form counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadAt {
    /// The last token of the prompt, or at a later step the one token that is run.
    Last,
    /// The token at an index; negative counts from the end, -1 being the last.
    Index(i32),
    /// The mean over all tokens of the prompt, attention sinks included.
    #[serde(rename = "mean+sink")]
    MeanSink,
    /// All tokens, packed prompt after prompt.
    All,
    /// The mean over the tokens of the prompt, attention sinks left out: those whose norm at the site
    /// is more than [`SINK_MULTIPLE`] times the median of the prompt's norms there.
    ///
    /// The median is over all tokens of the prompt, of an even number the lower of the two middle
    /// ones, as `torch.median` has it: of a prompt of two tokens the smaller norm counts, so that a
    /// sink does not hide itself. A token of the median is never left out, so a mean always has
    /// tokens; a prompt of one token keeps it.
    Mean,
    /// How many tokens of the prompt [`ReadAt::Mean`] leaves out, `[prompts, 1]`.
    Sinks,
    /// A part of the prompt, such as the turns of the user.
    In(PromptPart, Take),
}

/// How many times the median of a prompt's norms a token's norm is at most, to count in
/// [`ReadAt::Mean`].
///
/// Chosen by the norms of SmolLM2 and Gemma 3 at all blocks, which `fixtures/README.md` has.
pub const SINK_MULTIPLE: f64 = 4.0;

/// Which tokens an edit changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteAt {
    /// Every token, of the prompt and generated.
    All,
    /// Every token of the prompt, in pass 0.
    Prompt,
    /// Every generated token that is run, in passes from 1 on.
    Generated,
    /// The last token of the prompt, in pass 0.
    Last,
    /// The prompt token at an index; negative counts from the end.
    Index(i32),
    /// All tokens of a part of the prompt, or its first or last one.
    In(PromptPart, Take),
}

/// A range of forward passes; 0 runs the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Steps {
    /// The first pass that is in the range.
    pub start: u32,
    /// The first pass left out; none means to the end.
    pub end: Option<u32>,
}

impl Steps {
    /// The pass over the prompt and every later one.
    pub const ALL: Self = Self { start: 0, end: None };
}

/// What a write does to each touched row `x`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// `x + α·u·d`, where `u` is 1 or the norm unit. `d` is taken as given, not normalised.
    Add {
        /// `[width]`, or a row a prompt `[prompts, width]`.
        direction: NodeId,
        /// One α for all prompts, or one a prompt.
        #[serde(deserialize_with = "counted::seq")]
        alpha: Vec<f64>,
        /// The unit that α is a multiple of.
        unit: AlphaUnit,
    },
    /// `x - (x·d̂) d̂`, with `d̂ = d/‖d‖`.
    Ablate {
        /// d, `[width]`, of any length but 0.
        direction: NodeId,
    },
    /// `x` becomes the value.
    Set {
        /// `[width]`, or a row a prompt `[prompts, width]`.
        value: NodeId,
    },
    /// `c·x`, direction kept and length changed.
    Scale {
        /// c; 1 changes nothing, 0 leaves zeros.
        factor: f64,
    },
    /// Moves `x` along `d̂` so that `x·d̂` lies in `[min, max]`.
    Clamp {
        /// d, `[width]`, of any length but 0.
        direction: NodeId,
        /// Least `x·d̂` that is left, in units of the residual stream.
        min: f64,
        /// Greatest `x·d̂` that is left, in units of the residual stream.
        max: f64,
    },
}

/// The unit of α in [`Edit::Add`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlphaUnit {
    /// Units of the residual stream.
    Absolute,
    /// Multiples of a scalar node: the mean residual norm at the site.
    Norm(NodeId),
}
