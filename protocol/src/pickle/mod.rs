//! Pickles as plain values. Nothing is ever imported or called.
//!
//! [`read`] runs the pickle's stack machine over a tree of [`PickleValue`]s. A reference to a Python
//! global is looked up in an allow-list and otherwise refused by name; a call of one stays a
//! [`PickleValue::Call`] for the caller to interpret. Sizes are bounded by [`PickleLimits`], so a small input
//! can't grow without end: shared parts are copied where they are used, and every copy counts.
//!
//! [`write()`] is the way back, for what a service is to read.

mod machine;
mod opcode;
mod tree;
mod write;

pub use machine::read_first;
pub use write::write;

/// A value out of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub enum PickleValue {
    /// Python's `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A 64-bit float.
    Float(f64),
    /// Text, as UTF-8.
    Str(String),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// A list, in its order.
    List(Vec<PickleValue>),
    /// A tuple, in its order.
    Tuple(Vec<PickleValue>),
    /// A set or frozen set, in the order written.
    Set(Vec<PickleValue>),
    /// A dictionary, in the order written; keys may repeat, the last counts.
    Dict(Vec<(PickleValue, PickleValue)>),
    /// A global of the allow-list.
    Global(Global),
    /// A persistent identifier, whose meaning the container defines.
    Persistent(Box<PickleValue>),
    /// A call of an allowed global that was not made.
    Call(Box<Call>),
}

/// A class or function of Python that a pickle names; it is never imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// Module, such as `collections`.
    pub module: String,
    /// Name within the module, such as `OrderedDict`.
    pub name: String,
}

/// A call that was not made.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The class or function that would be called.
    pub global: Global,
    /// Whether a new object would be made without its initialiser (`NEWOBJ`), not by a plain call.
    pub bare: bool,
    /// The positional arguments, in order.
    pub args: Vec<PickleValue>,
    /// Entries set on the result afterwards.
    pub items: Vec<(PickleValue, PickleValue)>,
    /// Elements appended to the result afterwards.
    pub appended: Vec<PickleValue>,
    /// State given to the result afterwards.
    pub state: Option<PickleValue>,
}

/// Bounds on what a pickle may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PickleLimits {
    /// Bytes of the pickle.
    pub bytes: usize,
    /// Values in the result, with copies of shared ones counted.
    pub values: usize,
    /// Bytes of text and byte strings in the result, copies counted.
    pub text: usize,
    /// Nesting of the result.
    pub depth: usize,
}

impl Default for PickleLimits {
    /// 64 MiB of pickle, 4 million values, 256 MiB of text, 64 deep.
    fn default() -> Self {
        Self { bytes: 64 << 20, values: 4 << 20, text: 256 << 20, depth: 64 }
    }
}

/// A pickle that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// A global that is not on the allow-list.
    #[error("the pickle names `{module}.{name}`, which is not on the list of what may be read")]
    Global {
        /// Module that the pickle names.
        module: String,
        /// Name in that module.
        name: String,
    },
    /// An opcode that is not known or not needed by any supported writer.
    #[error("unsupported pickle opcode 0x{code:02x} at byte {at}")]
    Opcode {
        /// The byte that stands where an instruction should.
        code: u8,
        /// Offset from 0.
        at: usize,
    },
    /// The input ends in the middle of an instruction.
    #[error("the pickle ends at byte {at}, in the middle of an instruction")]
    Truncated {
        /// Offset from 0.
        at: usize,
    },
    /// An instruction that does not fit what came before it.
    #[error("malformed pickle at byte {at}: {what}")]
    Malformed {
        /// Offset from 0.
        at: usize,
        /// What does not fit, for people.
        what: &'static str,
    },
    /// A bound exceeded.
    #[error("the pickle has more than {limit} {what}")]
    TooLarge {
        /// What there is too much of, such as values or levels of nesting.
        what: &'static str,
        /// The most that are taken.
        limit: usize,
    },
    /// More than this machine has memory for.
    #[error("out of memory while the pickle is read")]
    Memory,
    /// A value that contains itself.
    #[error("the pickle holds a value that contains itself")]
    Cycle,
}

/// Reads one pickle. `allowed` says of a module and a name whether they may appear.
///
/// # Errors
/// A [`PickleError`]; nothing is ever executed, whatever the input.
pub fn read(
    bytes: &[u8],
    limits: &PickleLimits,
    allowed: &dyn Fn(&str, &str) -> bool,
) -> Result<PickleValue, PickleError> {
    if bytes.len() > limits.bytes {
        return Err(PickleError::TooLarge { what: "bytes", limit: limits.bytes });
    }
    Ok(read_first(bytes, limits, allowed)?.0)
}

impl From<std::collections::TryReserveError> for PickleError {
    fn from(_: std::collections::TryReserveError) -> Self {
        Self::Memory
    }
}

#[cfg(test)]
mod tests;
