//! What a playground takes from its visitors.

use std::time::Duration;

/// What a playground takes from its visitors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayLimits {
    /// Bytes of a form.
    pub body_bytes: usize,
    /// How long a form may take to arrive.
    pub body_time: Duration,
    /// Bytes of a prompt with its system text.
    pub prompt_bytes: usize,
    /// Tokens of a prompt as it goes in.
    pub prompt_tokens: usize,
    /// Tokens that are generated at most.
    pub new_tokens: u32,
    /// How long one run may have the model.
    pub run_time: Duration,
    /// Runs that may wait or run, of all visitors.
    pub waiting: usize,
    /// Runs that may wait or run, of one visitor.
    pub waiting_each: usize,
}

impl Default for PlayLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 10,
            body_time: Duration::from_secs(10),
            prompt_bytes: 8 << 10,
            prompt_tokens: 1024,
            new_tokens: 256,
            run_time: Duration::from_secs(300),
            waiting: 32,
            waiting_each: 4,
        }
    }
}
