//! How long a job takes a service, from what it costs.

use serde::{Deserialize, Serialize};
use truenorth_protocol::nnsight::JobCost;

/// What a service's machine does in a second. Waiting in the queue is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineSpeed {
    /// Seconds until a job's program runs: a process of its own, the library imported.
    pub start: f64,
    /// Seconds a call of the model takes by itself.
    pub trace: f64,
    /// Seconds a frame takes by itself.
    pub frame: f64,
    /// Bytes across the socket in a second: packed, sent, and unpacked.
    pub socket: f64,
    /// Multiply-adds in a second over many tokens at once.
    pub multiply_adds: f64,
    /// Bytes of weights read in a second, which is what a step of one token a prompt waits for.
    pub memory: f64,
    /// Seconds a pass takes at least, in Python.
    pub pass: f64,
}

impl MachineSpeed {
    /// An H200 in bf16 as NDIF would run it, by its data sheet and shares of it that are usual: 989
    /// TFLOP/s, of which two fifths, and 4.8 TB/s, of which two thirds. Not measured.
    pub const H200: Self = Self {
        start: 4.0,
        trace: 0.05,
        frame: 5e-4,
        socket: 6e8,
        multiply_adds: 2e14,
        memory: 3.2e12,
        pass: 0.04,
    };

    /// Seconds of a job on a model of this many parameters, each of `element` bytes.
    #[must_use]
    pub fn seconds(&self, cost: &JobCost, parameters: u64, element: u64) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let n = |count: u64| count as f64;
        let tokens = n(cost.prompt_milli_tokens) / 1000.0 + n(cost.decode_tokens);
        let step = (n(parameters) * n(element) / self.memory).max(self.pass);
        n(cost.jobs) * self.start
            + n(cost.traces) * (self.trace + self.pass)
            + n(cost.frames) * self.frame
            + n(cost.bytes()) / self.socket
            + tokens * n(parameters) / self.multiply_adds
            + n(cost.decode_passes) * step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_model_waits_for_its_weights_and_a_small_one_for_python() {
        let one = JobCost { decode_passes: 100, ..JobCost::default() };
        let m = MachineSpeed::H200;
        assert!((m.seconds(&one, 32_000_000_000, 2) - 4.0).abs() < 1e-9, "32 GB take less than the pass");
        assert!((m.seconds(&one, 320_000_000_000, 2) - 20.0).abs() < 1e-9);
        let reading = JobCost { prompt_milli_tokens: 1_000_000, ..JobCost::default() };
        assert!((m.seconds(&reading, 32_000_000_000, 2) - 0.16).abs() < 1e-9);
    }
}
