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
pub use check::{CheckLimits, Checked};
pub use codec::CodecError;
pub use part::{Part, Role, Take, Turn, Turns};
pub use passes::position;
pub use positions::UnknownPositions;
pub use problem::{CheckError, Problem};
pub use sampling::Sampling;
pub use shape::{Dim, Shape, ValueKind};
pub use size::Size;

use crate::counted;
use crate::dtype::DType;
use crate::site::Site;
use crate::tensor::Tensor;

/// A graph as data. Build one with [`Builder`], make it runnable with [`Graph::check`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// The batches, run in order.
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

/// One prompt.
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
        /// Which batch.
        group: u32,
        /// Where.
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
        /// Which operation.
        f: Binary,
        /// Left operand.
        a: NodeId,
        /// Right operand.
        b: NodeId,
    },
    /// `f(a)` element by element, or row by row for [`Unary::Unit`] and [`Unary::Softmax`].
    Unary {
        /// Which operation.
        f: Unary,
        /// Operand.
        a: NodeId,
    },
    /// Dot product over the last axis; `b` has the shape of `a` or is one row.
    Dot {
        /// Left operand.
        a: NodeId,
        /// Right operand.
        b: NodeId,
    },
    /// Cosine over the last axis; `b` has the shape of `a` or is one row.
    Cosine {
        /// Left operand.
        a: NodeId,
        /// Right operand.
        b: NodeId,
    },
    /// Euclidean norm over the last axis.
    Norm {
        /// Operand.
        a: NodeId,
    },
    /// Mean or sum over one axis.
    Reduce {
        /// Which reduction.
        f: Reduce,
        /// Operand.
        a: NodeId,
        /// Axis, from 0.
        axis: u32,
    },
    /// The half-open range `start..end` of one axis.
    Slice {
        /// Operand.
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
        /// Operand.
        a: NodeId,
        /// The new type.
        dtype: DType,
    },
    /// Natural log-probability of given tokens: `[.., vocab]` to `[.., tokens]`.
    LogProb {
        /// Logits, the last axis over the vocabulary.
        logits: NodeId,
        /// Token ids.
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
        /// Operand.
        a: NodeId,
        /// How many.
        k: u32,
    },
    /// The `k` largest over the last axis, in falling order: their indices, i64.
    TopKIndices {
        /// Operand.
        a: NodeId,
        /// How many.
        k: u32,
    },
    /// An edit at a site.
    Write {
        /// Which batch.
        group: u32,
        /// Where.
        site: Site,
        /// Which tokens.
        positions: WriteAt,
        /// Which forward passes.
        steps: Steps,
        /// What happens there.
        edit: Edit,
    },
    /// Generates from a batch: token ids `[prompts, max_new_tokens]`, i64, -1 after a stop.
    Generate {
        /// Which batch.
        group: u32,
        /// How.
        params: Sampling,
    },
    /// Log-probability of each generated token under the unscaled (edited) distribution, f32,
    /// `[prompts, max_new_tokens]`, 0 where there is no token.
    GeneratedLogProb {
        /// The generation.
        generate: NodeId,
    },
    /// The text of generated tokens, one string a prompt, special tokens left out.
    Decode {
        /// The generation.
        generate: NodeId,
    },
    /// Returns a value under a name.
    Save {
        /// The name, unique in the graph.
        #[serde(deserialize_with = "counted::text")]
        name: String,
        /// What is returned.
        value: NodeId,
    },
    /// Says where the turns of a conversation lie, which [`Part`] goes by. It has no value.
    Turns {
        /// Which batch.
        group: u32,
        /// Those of each prompt, which must be given as token ids.
        #[serde(deserialize_with = "counted::seq")]
        turns: Vec<Turns>,
    },
    /// Lets edits happen only where the projection `x·d̂` at an earlier site is above a threshold. It has no
    /// value. An edit under several of these happens where all of them hold. At the site of an edit itself the
    /// stream counts as it comes there.
    When {
        /// Which batch.
        group: u32,
        /// Where the projection is taken: before each of the edits in a pass, or of the prompt and before
        /// edits of later passes alone. Not the logits.
        site: Site,
        /// d, `[width]`; `d̂ = d/‖d‖`.
        direction: NodeId,
        /// The threshold, in units of the residual stream.
        above: f64,
        /// Whose projection decides.
        of: Decides,
        /// The edits, of this batch.
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
    /// `-a`
    Neg,
    /// `e^a`
    Exp,
    /// Natural logarithm.
    Log,
}

/// Reductions over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// Arithmetic mean.
    Mean,
    /// Sum.
    Sum,
}

/// Which tokens of a prompt a read takes. New kinds come last: the binary form counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadAt {
    /// The last token.
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
    In(Part, Take),
}

/// How many times the median of a prompt's norms a token's norm is at most, to count in
/// [`ReadAt::Mean`].
///
/// Chosen by the norms of SmolLM2 and Gemma 3 at all blocks, which `fixtures/README.md` has.
pub const SINK_MULTIPLE: f64 = 4.0;

/// Which tokens an edit touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteAt {
    /// Every token, of the prompt and generated.
    All,
    /// Every token of the prompt.
    Prompt,
    /// Every generated token.
    Generated,
    /// The last token of the prompt.
    Last,
    /// The prompt token at an index; negative counts from the end.
    Index(i32),
    /// All tokens of a part of the prompt, or its first or last one.
    In(Part, Take),
}

/// A range of forward passes; 0 runs the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Steps {
    /// The first pass.
    pub start: u32,
    /// The first pass left out; none means to the end.
    pub end: Option<u32>,
}

impl Steps {
    /// Every pass.
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
        /// One α, or one a prompt.
        #[serde(deserialize_with = "counted::seq")]
        alpha: Vec<f64>,
        /// What α is measured in.
        unit: AlphaUnit,
    },
    /// `x - (x·d̂) d̂`, with `d̂ = d/‖d‖`.
    Ablate {
        /// `[width]`.
        direction: NodeId,
    },
    /// `x` becomes the value.
    Set {
        /// `[width]`, or a row a prompt `[prompts, width]`.
        value: NodeId,
    },
    /// `c·x`.
    Scale {
        /// The factor c.
        factor: f64,
    },
    /// Moves `x` along `d̂` so that `x·d̂` lies in `[min, max]`.
    Clamp {
        /// `[width]`.
        direction: NodeId,
        /// Least projection.
        min: f64,
        /// Greatest projection.
        max: f64,
    },
}

/// What α is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlphaUnit {
    /// Units of the residual stream.
    Absolute,
    /// Multiples of a scalar node: the mean residual norm at the site.
    Norm(NodeId),
}
