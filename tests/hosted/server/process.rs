//! `truenorth serve` as a process, for what has to be done to a whole one.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::support::*;

/// A process that does not outlive its test.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Bytes of memory that it has now.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) << 10
    }
}

/// The binary; `TRUENORTH_BIN` names another, such as one that was built for speed.
pub fn binary() -> String {
    std::env::var("TRUENORTH_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_truenorth").into())
}

pub fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    arguments(&mut command, dir, args);
    command
}

/// A server under a limit of `ulimit`, such as `-v 2097152`.
#[cfg(unix)]
pub fn confined(dir: &Path, limit: &str, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\""), &binary()]);
    arguments(&mut command, dir, args);
    command
}

fn arguments(command: &mut Command, dir: &Path, args: &[&str]) {
    let model = gguf();
    command.args(["serve", "--model", model.to_str().unwrap()]).args(args);
    command.env("TRUENORTH_CACHE", dir).stdin(Stdio::null());
}

/// Starts a server and waits for the line with its URL.
pub fn served(mut command: Command) -> (Process, String) {
    let mut child = command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let process = Process(child);
    assert!(line.starts_with("http://127.0.0.1:") && line.ends_with('\n'), "{line:?}");
    (process, line.trim().to_owned())
}

/// The name of the model as a server has it.
pub async fn name(client: &Client) -> String {
    client.json("/model").await["info"]["name"].as_str().unwrap().to_owned()
}
