//! `serve`: a model for others to ask.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use truenorth::run::Runner;
use truenorth::server::{Server, ServerError, ServerKeys, ServerLimits, ServerOptions};

use super::args::{Common, NumericsArgs, duration};
use super::output::{self, RequestContext as _, wrong_hint};
use super::{progress, session, settings};

/// Threads that may wait for a disk or a run.
const BLOCKING: usize = 64;

/// Serves a model to other commands with `--on URL`.
///
/// Prints the URL as one line on stdout once it listens. Jobs and answers are kept in the spool: a
/// server started again on it takes up what was waiting. Ctrl-C or SIGTERM lets the running job end.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth serve --model smollm2-135m --listen 127.0.0.1:7997\n  \
    truenorth read --model smollm2-135m --on http://127.0.0.1:7997 --input prompts.txt \
    --site resid_post.12 --out activations.safetensors")]
pub struct Serve {
    /// The model, as for every verb.
    #[arg(long, value_name = "M")]
    model: String,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: NumericsArgs,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7997")]
    listen: SocketAddr,
    /// Lets in only who sends a key of this file: one key per line, with a name behind it if you like.
    #[arg(long, value_name = "F")]
    api_key_file: Option<PathBuf>,
    /// Lets everybody in, also from other machines.
    #[arg(long, conflicts_with = "api_key_file")]
    open: bool,
    /// Folder for jobs and answers; default one per model, in the cache folder.
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,
    /// How long answers are kept: 90s, 30m, 24h, 7d.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
    keep: Duration,
    /// How long the running job may go on after Ctrl-C.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    grace: Duration,
    /// The largest request in MiB.
    #[arg(long, value_name = "MIB", default_value_t = ServerLimits::default().body_bytes >> 20,
        value_parser = at_least_one)]
    max_body: usize,
    /// Jobs of all clients that may wait or run.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().jobs, value_parser = at_least_one)]
    max_jobs: usize,
    /// Lets in who sends a key of this file as one who sees and cancels every job.
    #[arg(long, value_name = "F")]
    operator_key_file: Option<PathBuf>,
    /// The server's certificate and those that vouch for it, in PEM: serves https.
    #[arg(long, value_name = "F", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM.
    #[arg(long, value_name = "F", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Memory for requests and runs in MiB; default half of what there is once the model is loaded.
    #[arg(long, value_name = "MIB", value_parser = at_least_one)]
    max_memory: Option<usize>,
    /// Disk for jobs and answers in MiB; the oldest answers of who has most give way.
    #[arg(long, value_name = "MIB", default_value_t = (ServerLimits::default().spool_bytes >> 20) as usize,
        value_parser = at_least_one)]
    max_spool: usize,
    /// Connections at a time.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().connections,
        value_parser = at_least_one)]
    max_connections: usize,
    /// Tokens that one job may take through the model.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().job_tokens as usize,
        value_parser = at_least_one)]
    max_job_tokens: usize,
    /// How long one job may have the model.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    max_job_time: Duration,
    /// Jobs of one client that may wait or run.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().jobs_per_client,
        value_parser = at_least_one)]
    max_jobs_per_client: usize,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<()> {
        let keys = match &self.api_key_file {
            Some(path) => started(ServerKeys::load(path))?,
            None => ServerKeys::default(),
        };
        let operators = match &self.operator_key_file {
            Some(path) => started(ServerKeys::load(path))?,
            None => ServerKeys::default(),
        };
        if !self.listen.ip().is_loopback() && keys.is_empty() && !self.open {
            // Said before the model is loaded, which takes a while.
            return started(Err(ServerError::Exposed { listen: self.listen }));
        }
        let (resolved, engine) = session::open_model(&self.model, &self.common, &self.numerics)?;
        // Whoever sends a job does not wait for weights, nor for news that they are damaged.
        engine.load_all().request("can't read the model's weights")?;
        let spool = match &self.spool {
            Some(folder) => folder.clone(),
            None => settings::cache_dir(self.common.cache.as_ref())?
                .join("spool")
                .join(folder_name(&resolved.name, &resolved.identity)),
        };
        let mut options = ServerOptions::new(spool);
        options.listen = self.listen;
        options.keys = keys;
        options.open = self.open;
        options.keep = self.keep;
        options.grace = self.grace;
        options.operators = operators;
        options.tls = self.tls_cert.clone().zip(self.tls_key.clone());
        options.limits.memory = self.max_memory.map(mib);
        options.limits.spool_bytes = mib(self.max_spool);
        options.limits.connections = self.max_connections;
        options.limits.job_tokens = self.max_job_tokens as u64;
        options.limits.job_time = self.max_job_time;
        options.limits.body_bytes = self.max_body.saturating_mul(1 << 20);
        options.limits.jobs = self.max_jobs;
        options.limits.jobs_per_client = self.max_jobs_per_client;
        let quiet = self.common.quiet;
        options.notice = Arc::new(move |text| {
            if !quiet {
                eprintln!("{text}");
            }
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            // Enough for every run, body and file at a time; each has memory of its own.
            .max_blocking_threads(BLOCKING)
            .build()
            .context("can't start the server's threads")?;
        let served = runtime.block_on(serve(Arc::new(engine), options, quiet));
        // A run that did not end in time must not keep the process; its job is in the spool.
        runtime.shutdown_background();
        served
    }
}

async fn serve(runner: Arc<dyn Runner>, options: ServerOptions, quiet: bool) -> anyhow::Result<()> {
    let spool = options.spool.clone();
    let server = started(Server::bind(runner, options).await)?;
    let stop = stopped();
    match output::wants_json() {
        true => output::json(&serde_json::json!({ "url": server.url(), "spool": spool }))?,
        false => output::line(server.url())?,
    }
    if !quiet {
        eprintln!("serving; jobs and answers are kept in {}", spool.display());
    }
    let told = async {
        stop.await;
        if !quiet {
            eprintln!("stopping once the running job has ended; Ctrl-C again to stop at once");
        }
    };
    server.serve(told).await?;
    Ok(())
}

/// Ready when Ctrl-C or SIGTERM came. SIGTERM is caught from the call on, not from the first wait: whoever
/// has read the address may send one at once.
pub fn stopped() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let terminated = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate())
    };
    async move {
        let interrupted = async {
            // The flag is set by the handler that every verb has.
            while !progress::interrupted() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        #[cfg(unix)]
        if let Ok(mut terminated) = terminated {
            tokio::select! {
                () = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
        interrupted.await;
    }
}

/// Marks what was wrong with the request, so that the exit code says so.
pub fn started<T>(result: Result<T, ServerError>) -> anyhow::Result<T> {
    match result {
        Err(e) if e.is_request() => match e.hint() {
            Some(hint) => Err(wrong_hint(e.to_string(), hint)),
            None => Err(e).request("can't serve"),
        },
        other => Ok(other?),
    }
}

/// A folder name that tells models apart.
fn folder_name(name: &str, identity: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
    let name: String = name.chars().map(plain).take(60).collect();
    let hash = truenorth::files::sha256_hex(identity.as_bytes());
    format!("{}-{}", name.trim_start_matches('.'), hash.get(..12).unwrap_or(&hash))
}

fn mib(count: usize) -> u64 {
    (count as u64).saturating_mul(1 << 20)
}

pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("{text:?} is no count; expected a whole number of at least 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_name_is_plain_and_tells_models_apart() {
        let name = folder_name("../a b/c", "x");
        assert!(!name.contains(['/', ' ']) && !name.starts_with('.'), "{name}");
        assert_ne!(folder_name("m", "x"), folder_name("m", "y"));
    }
}
