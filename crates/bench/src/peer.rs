//! A peer: a script in a Python of the user's, which answers lines of JSON.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::BenchError;

/// A script out of its parts, in order.
macro_rules! script {
    ($($part:literal),+) => { concat!($(include_str!(concat!("../../../bench/", $part, ".py"))),+) };
}

const TRANSFORMERS: &str = script!("serve", "torch_peer", "transformers_peer");
const LLAMA: &str = script!("serve", "llama_peer");
const NNSIGHT: &str = script!("serve", "torch_peer", "nnsight_peer");

/// How long a peer may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// What weights are held and multiplied as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerPrecision {
    /// 32-bit IEEE floats.
    F32,
    /// The blocks of a GGUF file as they are, products in 32-bit.
    Kept,
    /// 16-bit, range of f32.
    Bf16,
    /// 16-bit IEEE floats.
    F16,
}

/// Interpreters with the packages of peers; one that is missing is not raced.
#[derive(Clone, Copy, Debug, Default)]
pub struct Python<'a> {
    /// Has torch, transformers and gguf.
    pub transformers: Option<&'a Path>,
    /// Has cyllama and gguf: llama.cpp.
    pub llama: Option<&'a Path>,
    /// Has nnsight, which runs in its own process on this machine.
    pub nnsight: Option<&'a Path>,
}

/// The peers whose interpreters start, each in a process of its own.
pub struct Peers {
    pub(crate) all: Vec<Peer>,
    pub(crate) transformers: Option<usize>,
    pub(crate) llama: Option<usize>,
    pub(crate) nnsight: Option<usize>,
}

impl Peers {
    /// Starts those that have a Python on these weights; threads are rayon's where none are given.
    pub fn start(
        python: Python<'_>,
        weights: &Path,
        numbers: PeerPrecision,
        threads: Option<usize>,
    ) -> Result<Self, BenchError> {
        let threads = threads.unwrap_or_else(rayon::current_num_threads);
        let mut all = Vec::new();
        let mut start = |python: Option<&Path>, script| {
            let Some(python) = python else { return Ok(None) };
            all.push(Peer::start(python, script, weights, numbers, threads)?);
            Ok::<_, BenchError>(Some(all.len() - 1))
        };
        let transformers = start(python.transformers, TRANSFORMERS)?;
        let llama = start(python.llama, LLAMA)?;
        let nnsight = start(python.nnsight, NNSIGHT)?;
        Ok(Self { all, transformers, llama, nnsight })
    }

    /// Name and version of each peer.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.all.iter().map(|p| p.name.clone()).collect()
    }
}

/// A peer in a process of its own.
pub struct Peer {
    child: Child,
    /// None once it is told to end.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    pub name: String,
}

#[derive(Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum PeerRequest<'a> {
    Read { prompts: &'a [Vec<u32>], layer: u32, batch: usize, tuned: bool },
    Decode { prompts: &'a [Vec<u32>], steps: u32, layer: u32, alpha: f64 },
}

#[derive(Deserialize)]
struct PeerReady {
    ready: String,
}

#[derive(Deserialize)]
struct PeerTime {
    seconds: f64,
}

impl Peer {
    /// Starts a script on these weights, with our precision and number of threads.
    fn start(
        python: &Path,
        script: &str,
        weights: &Path,
        numbers: PeerPrecision,
        threads: usize,
    ) -> Result<Self, BenchError> {
        let dtype = match numbers {
            // Only llama.cpp has kernels for the blocks of a GGUF file.
            PeerPrecision::Kept if script == LLAMA => "kept",
            PeerPrecision::F32 | PeerPrecision::Kept => "float32",
            PeerPrecision::Bf16 => "bfloat16",
            PeerPrecision::F16 => "float16",
        };
        let mut child = Command::new(python)
            .args(["-c", script])
            .arg(weights)
            .args([dtype, &threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| BenchError::Start { python: python.to_path_buf(), source })?;
        let stdin = child.stdin.take().expect("the child was started with a pipe to its input");
        let stdout = child.stdout.take().expect("the child was started with a pipe from its output");
        let mut peer =
            Self { child, stdin: Some(stdin), stdout: BufReader::new(stdout), name: String::new() };
        peer.name = peer.line::<PeerReady>()?.ready;
        Ok(peer)
    }

    /// Seconds that the work took it.
    pub fn ask(&mut self, request: &PeerRequest<'_>) -> Result<f64, BenchError> {
        let stdin = self.stdin.as_mut().expect("only a peer that is dropped is told to end");
        serde_json::to_writer(&mut *stdin, request)?;
        stdin.write_all(b"\n")?;
        stdin.flush()?;
        Ok(self.line::<PeerTime>()?.seconds)
    }

    fn line<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, BenchError> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
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
