//! `arena serve`: the board, served.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use truenorth::arena::Folder;
use truenorth::arena::live::{Live, Worker};
use truenorth::arena::web::{App, ArenaOptions, ArenaServer, Captcha};

use super::model::Asks;
use super::{Dir, done};
use crate::cli::output;
use crate::cli::serve::{started, stopped};

/// Threads that may wait for a disk or the tokenizer.
const BLOCKING: usize = 32;

/// Serves the open season, or the one that was closed last, until Ctrl-C or SIGTERM.
///
/// Prints the URL as one line on stdout once it listens. What was accepted is on disk before it is answered, and is scored
/// once, whatever happens in between. No address is stored, and no text is logged. --play offers a playground beside the
/// board, with limits of its own; what is typed there is never stored.
#[derive(Args, Debug)]
pub struct Serve {
    /// The folder of the arena, as --dir names it too.
    #[arg(value_name = "DIR", conflicts_with = "dir")]
    at: Option<PathBuf>,
    #[command(flatten)]
    dir: Dir,
    #[command(flatten)]
    asks: Asks,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7998")]
    listen: SocketAddr,
    /// Lets other machines come; put a server with TLS in front.
    #[arg(long)]
    open: bool,
    /// An address under which people reach it, such as https://arena.example.org; repeatable. Requests for other hosts are
    /// refused, loopback aside.
    #[arg(long, value_name = "URL")]
    public: Vec<String>,
    /// Proxies in front that are trusted, each of which adds an address to X-Forwarded-For.
    #[arg(long, value_name = "N", default_value_t = 0)]
    hops: usize,
    /// A file with the operator's keys, a line each; without it there is no operator's page.
    #[arg(long, value_name = "F")]
    operator_key_file: Option<PathBuf>,
    /// Where a captcha's token is verified (Turnstile's protocol).
    #[arg(long, value_name = "URL", requires_all = ["captcha_secret_file", "captcha_site_key"])]
    captcha_verify: Option<String>,
    /// A file with the captcha's secret.
    #[arg(long, value_name = "F", requires = "captcha_verify")]
    captcha_secret_file: Option<PathBuf>,
    /// The key of the captcha's site, which pages show.
    #[arg(long, value_name = "KEY", requires = "captcha_verify")]
    captcha_site_key: Option<String>,
    /// The script of the captcha's widget.
    #[arg(long, value_name = "URL", default_value = "https://challenges.cloudflare.com/turnstile/v0/api.js")]
    captcha_script: String,
    /// Connections at a time.
    #[arg(long, value_name = "N", default_value_t = 2048)]
    max_connections: usize,
    #[cfg(feature = "play")]
    #[command(flatten)]
    play: super::play::PlayArgs,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<()> {
        let folder = self.at.as_ref().map_or_else(|| self.dir.folder(), Folder::at);
        let name = done(folder.current())?;
        let season = done(folder.season(&name))?;
        #[cfg_attr(not(feature = "play"), allow(unused_mut, reason = "the playground is put into it"))]
        let mut options = self.options()?;
        let backend = self.asks.open(&season.sealed.file)?;
        // What the season can't be scored by is said before anybody submits.
        done(truenorth::arena::season::open_scorer(&season, &*backend))?;
        let live = done(Live::new(season, backend.clone()))?;
        #[cfg(feature = "play")]
        let play = self.play.nest(&live, (&self.asks, &backend), &mut options)?;
        let notice = options.notice.clone();
        let app = App::new(folder, live.clone(), options);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING)
            .build()
            .context("can't start the server's threads")?;
        let worker = Worker::start(live, move |text| notice(text));
        let served = runtime.block_on(async {
            let stop = stopped();
            let server = started(ArenaServer::bind(app).await)?;
            output::listens(&server.url())?;
            #[cfg(feature = "play")]
            if let Some(play) = play {
                tokio::spawn(crate::cli::play::ahead(play));
            }
            started(server.serve(stop).await)
        });
        worker.end();
        runtime.shutdown_background();
        served
    }

    fn options(&self) -> anyhow::Result<ArenaOptions> {
        let mut options = ArenaOptions::new(self.listen);
        options.open = self.open;
        options.public.clone_from(&self.public);
        options.hops = self.hops;
        options.limits.connections = self.max_connections;
        if let Some(file) = &self.operator_key_file {
            done(options.operator_key_file(file))?;
        }
        if let (Some(verify), Some(file), Some(key)) =
            (&self.captcha_verify, &self.captcha_secret_file, &self.captcha_site_key)
        {
            options.captcha = Some(done(Captcha::new(verify, file, key, &self.captcha_script))?);
        }
        let quiet = self.asks.quiet();
        options.notice = Arc::new(move |text| {
            if !quiet {
                eprintln!("{text}");
            }
        });
        Ok(options)
    }
}
