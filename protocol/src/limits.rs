//! Caps on everything that a peer or a file could make large.

/// The most bytes an encoded graph may have (constants included).
pub const GRAPH_BYTES: usize = 256 << 20;
/// The most bytes of memory that a decoded graph may take, unless told otherwise.
pub const GRAPH_MEMORY: usize = 2 << 30;
/// The most bytes an encoded answer may have.
pub const ANSWER_BYTES: usize = 4 << 30;
/// The most prompts in one graph, over all groups.
pub const PROMPTS: usize = 1 << 20;
/// The most nodes in one graph.
pub const NODES: usize = 1 << 16;
/// The most groups in one graph.
pub const GROUPS: usize = 1024;
/// The most bytes of one text for each token of the model's context: more than any text has that fits.
pub const TEXT_BYTES_PER_TOKEN: usize = 32;
/// The most bytes of one text, whatever the context.
pub const TEXT_BYTES: usize = 4 << 20;
/// The most bytes of one text for a model with a context of so many tokens.
#[must_use]
pub fn text_bytes(context: u32) -> usize {
    TEXT_BYTES_PER_TOKEN.saturating_mul(context as usize).clamp(NAME_BYTES, TEXT_BYTES)
}

/// The most bytes of memory that the values of one run may take, unless told otherwise.
pub const RUN_BYTES: u64 = 64 << 30;
/// The most numbers that the operations of one graph may take in between them.
pub const OPERANDS: u64 = 1 << 36;
/// The most bytes in the name of a saved value.
pub const NAME_BYTES: usize = 256;
/// The most steps of one generation.
pub const GENERATION_STEPS: u32 = 1 << 16;
/// The most dimensions of a tensor.
pub const DIMENSIONS: usize = 8;
/// The most bytes of one status message.
pub const STATUS_BYTES: usize = 1 << 20;
