//! What is wrong with a graph, and where.

use super::shape::Shape;
use super::{PromptPart, ReadAt, WriteAt};
use crate::dtype::DType;
use crate::limits;
use crate::prompt::PromptFault;
use crate::site::Site;

/// Why a graph can't run, and where.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}{problem}", place(*.node, .label))]
pub struct CheckError {
    /// The node's place in the graph, unless the graph as a whole is at fault.
    pub node: Option<u32>,
    /// What the node does, such as `read resid_post.3`; empty where no node is at fault.
    pub label: String,
    /// What is wrong there, with what was expected.
    pub problem: GraphProblem,
}

fn place(node: Option<u32>, label: &str) -> String {
    node.map_or_else(String::new, |n| format!("node {n} ({label}): "))
}

/// What is wrong with a node or a graph.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what its fields are")]
pub enum GraphProblem {
    #[error("block {layer} is out of range; the model has blocks 0 to {last}", last = .layers.saturating_sub(1))]
    Layer { layer: u32, layers: u32 },
    #[error("there is no group {group}; the graph has {groups}")]
    NoGroup { group: u32, groups: usize },
    #[error("input {input} is not an earlier node; nodes take only nodes listed before them")]
    Forward { input: u32 },
    #[error(
        "input {input} has no value; writes and saves can't be taken as inputs, and text can only be saved"
    )]
    NoValue { input: u32 },
    #[error("input {input} is {found}, a floating-point value is needed")]
    NotFloat { input: u32, found: DType },
    #[error("input {input} has no axis {axis} of known size")]
    NoAxis { input: u32, axis: u32 },
    #[error(
        "shapes {left} and {right} do not fit; they must be equal, or the right one the trailing axes of the left"
    )]
    Shapes { left: Shape, right: Shape },
    #[error("types {left} and {right} differ; cast one of them")]
    Types { left: DType, right: DType },
    #[error("k is {k}; expected 1 to {size}")]
    TopK { k: u32, size: usize },
    #[error("range {start}..{end} does not lie in an axis of size {size}")]
    Range { start: u32, end: u32, size: usize },
    #[error("nothing to stack; give at least one value")]
    EmptyStack,
    #[error("can't cast to {dtype}; expected f64, f32, f16 or bf16")]
    CastTo { dtype: DType },
    #[error("input {input} is not over the vocabulary; read the site `logits`")]
    NotLogits { input: u32 },
    #[error("input {input} is not a read of `logits` at all positions of step 0")]
    NotAllLogits { input: u32 },
    #[error("input {input} is not a generation")]
    NotGenerate { input: u32 },
    #[error("no token is given; give at least one")]
    NoTokens,
    #[error("token {token} is outside the vocabulary of {vocab}")]
    Token { token: u32, vocab: u32 },
    #[error("the value has shape {found}; a direction at this site needs [{width}]{rows}", rows = rows(*.prompts))]
    Direction { found: Shape, width: usize, prompts: Option<usize> },
    #[error("{found} values of α for {prompts} prompts; give one, or one a prompt")]
    Alphas { found: usize, prompts: usize },
    #[error("the norm unit has shape {found}; a scalar is needed")]
    NormUnit { found: Shape },
    #[error("{what} is {value}; expected a finite number")]
    NotFinite { what: &'static str, value: f64 },
    #[error("the constant holds a NaN or an infinity at element {index}")]
    NotFiniteConst { index: usize },
    #[error("the constant of shape {shape:?} holds no element; give every axis a size of at least 1")]
    EmptyConst { shape: Vec<usize> },
    #[error("clamp from {min} to {max}: the least is above the greatest")]
    ClampOrder { min: f64, max: f64 },
    #[error("direction of norm 0; it has no orientation to ablate, clamp or measure along")]
    ZeroDirection,
    #[error(
        "needs node {input}, which the model computes later; read it in an earlier group or move the write to a later site"
    )]
    Late { input: u32 },
    #[error("step {step} is never run; group {group} {how}", how = steps_run(*.steps))]
    Step { step: u32, group: u32, steps: u32 },
    #[error(
        "reads generation step {step}, but a prompt may stop before it; leave out stop tokens or read step 0"
    )]
    StepAfterStop { step: u32 },
    #[error("step {step} has one token a prompt; read it at `last`")]
    StepPositions { step: u32 },
    #[error(
        "positions `{positions:?}` and steps from {start} never meet; the prompt runs in step 0, generated tokens after it"
    )]
    Never { positions: WriteAt, start: u32 },
    #[error("reads every token of `{part}`; read all positions and take its rows, or read a mean of it")]
    RowsOfPart { part: PromptPart },
    #[error("positions `{positions}` are a mean; an edit touches tokens")]
    MeanOfEdit { positions: WriteAt },
    #[error("a condition at `logits`; take the projection at a site of the residual stream")]
    WhenLogits,
    #[error(
        "a condition on `{positions}`, which are no row a prompt; use last, mean, an index, or a token or mean of a part"
    )]
    WhenPositions { positions: ReadAt },
    #[error("input {input} is no edit of group {group}; a condition is for edits of its own group")]
    WhenWrites { input: u32, group: u32 },
    #[error("a condition without edits; name at least one")]
    WhenNothing,
    #[error(
        "looks at `{site}` after the model has come to the edit of node {input}; take the projection at an earlier site"
    )]
    WhenLate { input: u32, site: Site },
    #[error("turns of {found} prompts, told once or twice, for {prompts}; tell those of each prompt once")]
    Turns { found: usize, prompts: usize },
    #[error("step range {start}..{end} is empty")]
    EmptySteps { start: u32, end: u32 },
    #[error("group {group} is generated from twice; one generation a group")]
    TwoGenerations { group: u32 },
    #[error("{found} new tokens; expected 1 to {max}")]
    NewTokens { found: u32, max: u32 },
    #[error("temperature is {0}; expected 0 (greedy) or a positive finite number")]
    Temperature(f64),
    #[error("top-p is {0}; expected more than 0 and at most 1")]
    TopP(f64),
    #[error("group {group} has no prompts; give at least one")]
    EmptyGroup { group: usize },
    #[error("{0}; {hint}", hint = .0.problem.hint())]
    Prompt(PromptFault),
    #[error("the value would have {found} axes, the limit is {max}", max = limits::DIMENSIONS)]
    Dimensions { found: usize },
    #[error(
        "up to here the run may take {bytes} bytes of memory, the limit is {limit}; ask about fewer prompts or positions at a time, or reduce values before combining them"
    )]
    Memory { bytes: u64, limit: u64 },
    #[error(
        "up to here operations take {found} numbers, the limit is {limit}; reduce values before combining them"
    )]
    Operands { found: u64, limit: u64 },
    #[error(
        "{found} tokens may go through the model, the limit is {limit}; ask about fewer prompts or generate fewer tokens at a time"
    )]
    Tokens { found: u64, limit: u64 },
    #[error("nothing is saved; add a save, or there is no answer")]
    NothingSaved,
    #[error("the name is empty, longer than {max} bytes, or holds control characters", max = limits::NAME_BYTES)]
    Name,
    #[error("the name is used twice; names must be unique")]
    SameName,
    #[error("{what}: {found}, the limit is {limit}")]
    TooMany { what: &'static str, found: usize, limit: usize },
    #[error(
        "the answer may take {bytes} bytes, the limit is {limit}; save fewer positions, reduce before saving, or cast to 16 bits"
    )]
    AnswerSize { bytes: u64, limit: u64 },
}

fn rows(prompts: Option<usize>) -> String {
    prompts.map_or_else(String::new, |p| format!(" or a row a prompt, [{p}, same]"))
}

fn steps_run(steps: u32) -> String {
    match steps {
        // A generation of no tokens, which is refused by itself.
        0 | u32::MAX => "generates no tokens".into(),
        1 => "runs step 0 only; add a generation".into(),
        n => format!("runs steps 0 to {}", n - 1),
    }
}
