//! Caps on everything that a peer or a file could make large.

/// The most bytes an encoded graph may have (constants included).
pub const GRAPH_BYTES: usize = 256 << 20;
/// The most bytes an encoded answer may have.
pub const ANSWER_BYTES: usize = 4 << 30;
/// The most prompts in one graph, over all groups.
pub const PROMPTS: usize = 1 << 20;
/// The most nodes in one graph.
pub const NODES: usize = 1 << 16;
/// The most bytes in the name of a saved value.
pub const NAME_BYTES: usize = 256;
/// The most steps of one generation.
pub const GENERATION_STEPS: u32 = 1 << 16;
/// The most dimensions of a tensor.
pub const DIMENSIONS: usize = 8;
/// The most bytes of one status message.
pub const STATUS_BYTES: usize = 1 << 20;
