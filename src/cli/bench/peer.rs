//! A peer: a script in a Python of the user's, which answers lines of JSON.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::cli::args::{Numerics, Precision};

/// A script out of its parts, in order.
macro_rules! script {
    ($($part:literal),+) => { concat!($(include_str!(concat!("../../../bench/", $part, ".py"))),+) };
}

/// Hugging Face transformers.
pub const TRANSFORMERS: &str = script!("serve", "torch_peer", "transformers_peer");
/// llama.cpp.
pub const LLAMA: &str = script!("serve", "llama_peer");
/// nnsight, in its own process on the same machine.
pub const NNSIGHT: &str = script!("serve", "torch_peer", "nnsight_peer");

/// How long a peer may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A peer in a process of its own.
pub struct Peer {
    child: Child,
    /// None once it is told to end.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// What it says it is.
    pub name: String,
}

/// What is asked of a peer.
#[derive(Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request<'a> {
    Read { prompts: &'a [Vec<u32>], layer: u32, batch: usize, tuned: bool },
    Decode { prompts: &'a [Vec<u32>], steps: u32, layer: u32, alpha: f64 },
}

#[derive(Deserialize)]
struct Ready {
    ready: String,
}

#[derive(Deserialize)]
struct Took {
    seconds: f64,
}

impl Peer {
    /// Starts a script on these weights, with our precision and number of threads.
    pub fn start(python: &Path, script: &str, weights: &Path, numerics: &Numerics) -> anyhow::Result<Self> {
        let dtype = match numerics.dtype.unwrap_or_default() {
            // Only llama.cpp has kernels for the blocks of a GGUF file.
            Precision::F32 if numerics.keep_quantized && script == LLAMA => "kept",
            Precision::F32 => "float32",
            Precision::Bf16 => "bfloat16",
            Precision::F16 => "float16",
        };
        let threads = numerics.threads.unwrap_or_else(rayon::current_num_threads);
        let mut child = Command::new(python)
            .args(["-c", script])
            .arg(weights)
            .args([dtype, &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't start {}", python.display()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the peer has no pipes");
        };
        let mut peer =
            Self { child, stdin: Some(stdin), stdout: BufReader::new(stdout), name: String::new() };
        peer.name = peer.line::<Ready>()?.ready;
        Ok(peer)
    }

    /// Seconds that the work took it.
    pub fn ask(&mut self, request: &Request<'_>) -> anyhow::Result<f64> {
        let stdin = self.stdin.as_mut().context("the peer was told to end")?;
        serde_json::to_writer(&mut *stdin, request)?;
        stdin.write_all(b"\n")?;
        stdin.flush()?;
        Ok(self.line::<Took>()?.seconds)
    }

    fn line<T: for<'de> Deserialize<'de>>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        serde_json::from_str(&line).context("the peer stopped; its own words are above")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends when its input does, and takes its copy of the weights with it; one that hangs is killed.
        self.stdin = None;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
