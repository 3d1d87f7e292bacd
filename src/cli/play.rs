//! `play`: a page on which you try a direction by hand.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use truenorth::analyses::steer::How;
use truenorth::data::NearCopies;
use truenorth::play::{
    Hosts, Offered, OfferedVector, PlayLimits, Playground, Setup, Start, free_name, router,
};
use truenorth::server::{self, BoundedListener, ServerError};
use truenorth_protocol::ModelInfo;

use super::args::{ModelArgs, duration};
use super::desk::ours;
use super::direction::{chosen, load_all, load_all_for};
use super::output::{self, wrong_hint};
use super::progress::Bar;
use super::pushes::{PushContext, UnitArg};
use super::serve::{at_least_one, started, stopped};
use super::session::Session;
use super::{dry, texts};

/// Threads that may wait for a run.
const BLOCKING: usize = 16;
/// How long a connection may be without a byte beyond the time of a run, whose page comes when it is done.
pub const BEYOND: Duration = Duration::from_secs(60);

/// Serves a page on which you try a direction by hand.
///
/// A prompt is continued with a dose of directions and without, side by side: token by token where the model runs in this
/// process, whole where it runs elsewhere. Texts are those of `steer` with the same settings, the colours of tokens the
/// projections of `monitor`, and each marked dose says what it breaks. Beside them stand the tokens that each direction
/// promotes and suppresses, and a link that asks the same again.
///
/// Prints the URL as one line on stdout once it listens. Ctrl-C or SIGTERM ends it.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth play --model smollm2-135m --direction values.safetensors\n  \
    truenorth play --model org/name --on ndif --direction kind.safetensors --direction formal.safetensors \
    --listen 127.0.0.1:8000")]
pub struct Play {
    #[command(flatten)]
    model: ModelArgs,
    /// A direction; repeatable. A file with several sites is steered at all of them at once; one site of it is
    /// F.safetensors@SITE.
    #[arg(long, value_name = "F.safetensors", required = true)]
    direction: Vec<PathBuf>,
    /// Doses that the slider marks, comma-separated; it goes from the least to the greatest. Default
    /// -0.2,-0.1,-0.05,0,0.05,0.1,0.2 in the unit norm, shared by the sites where there are several.
    #[arg(long, value_name = "A,..", value_delimiter = ',', allow_hyphen_values = true)]
    alpha: Vec<f64>,
    /// What α is measured in: mean residual norms of the site, units of the residual stream, or for imported directions
    /// the vector as its file had it.
    #[arg(long, value_enum, default_value_t = UnitArg::Norm)]
    alpha_unit: UnitArg,
    /// Prompts that the unit `norm` is measured on; default what the direction's file says.
    #[arg(long, value_name = "F")]
    neutral: Option<PathBuf>,
    /// The prompt that the page begins with.
    #[arg(long, value_name = "TEXT", default_value_t = Start::default().prompt)]
    prompt: String,
    /// How many tokens the page begins with.
    #[arg(long, value_name = "N", default_value_t = Start::default().max_new_tokens)]
    max_new_tokens: u32,
    /// The temperature that the page begins with; 0 is greedy.
    #[arg(long, value_name = "T", default_value_t = Start::default().temperature)]
    temperature: f64,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7998")]
    listen: SocketAddr,
    /// Lets everybody in, also from other machines.
    #[arg(long)]
    open: bool,
    /// A name by which the page may be reached, beside localhost and addresses in numbers; repeatable.
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
    /// Tokens that a run may generate.
    #[arg(long, value_name = "N", default_value_t = PlayLimits::default().new_tokens as usize, value_parser = at_least_one)]
    max_tokens: usize,
    /// Tokens that a prompt may have.
    #[arg(long, value_name = "N", default_value_t = PlayLimits::default().prompt_tokens, value_parser = at_least_one)]
    max_prompt_tokens: usize,
    /// How long one run may have the model.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    max_run_time: Duration,
    /// Runs of all visitors that may wait or run; of one, a quarter of them.
    #[arg(long, value_name = "N", default_value_t = PlayLimits::default().waiting, value_parser = at_least_one)]
    max_waiting: usize,
    /// Connections at a time.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    max_connections: usize,
}

impl Play {
    pub fn run(self) -> anyhow::Result<()> {
        dry::refuse("a page that is served")?;
        self.check()?;
        for file in &self.direction {
            load_all(file)?;
        }
        let neutral = self.neutral.as_ref().map(|f| texts::at(NearCopies::default()).distinct_prompts(f));
        let neutral = neutral.transpose()?;
        // What visitors type is on no disk of this machine, not even as jobs of a service.
        let session = Session::unwritten(&self.model)?;
        let bar = Bar::new("measuring norms", 0, "tokens", self.model.common.quiet);
        let load = |file: &Path, info: &ModelInfo| load_all_for(file, info).map_err(ours);
        let opened = PushContext {
            reader: session.reader(),
            neutral: neutral.as_ref().map(|n| &n.named[..]),
            watch: &bar,
            unit: self.alpha_unit.into(),
            load: &load,
        };
        let mut directions: Vec<Offered> = Vec::new();
        for file in &self.direction {
            directions.push(offered(&opened, file, &directions)?);
        }
        drop(bar);
        let limits = self.limits();
        let setup = Setup {
            runner: session.shared(),
            directions,
            unit: self.alpha_unit.name(),
            marks: self.alpha.clone(),
            speech: self.model.speech.speech(),
            start: Start {
                prompt: self.prompt.clone(),
                max_new_tokens: self.max_new_tokens,
                temperature: self.temperature,
                seed: self.model.seed,
            },
            limits,
            base: String::new(),
            within: None,
            hosts: Hosts(self.host_name.clone()),
        };
        let play = made(setup)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING)
            .build()
            .context("can't start the server's threads")?;
        let served = runtime.block_on(self.serve(play, limits.run_time));
        // A run that did not end must not keep the process.
        runtime.shutdown_background();
        served
    }

    fn limits(&self) -> PlayLimits {
        PlayLimits {
            new_tokens: u32::try_from(self.max_tokens).unwrap_or(u32::MAX),
            prompt_tokens: self.max_prompt_tokens,
            run_time: self.max_run_time,
            waiting: self.max_waiting,
            waiting_each: each(self.max_waiting),
            ..PlayLimits::default()
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        if !self.listen.ip().is_loopback() && !self.open {
            // Said before the model is loaded, which takes a while.
            return started(Err(ServerError::Unasked { listen: self.listen }));
        }
        if let Some(bad) = self.alpha.iter().find(|a| !a.is_finite()) {
            return Err(wrong_hint(
                format!("--alpha {bad} is no finite number"),
                "give doses such as -0.1,0,0.1",
            ));
        }
        if self.alpha_unit != UnitArg::Norm && self.alpha.is_empty() {
            return Err(wrong_hint(
                format!(
                    "--alpha-unit {} has no default doses: what is small depends on the site's norm",
                    self.alpha_unit.name()
                ),
                "name them with --alpha, or leave --alpha-unit out",
            ));
        }
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return Err(wrong_hint(
                format!("--temperature {}", self.temperature),
                "give 0 for greedy, or a number above 0",
            ));
        }
        if self.max_new_tokens == 0 || self.max_new_tokens as usize > self.max_tokens {
            return Err(wrong_hint(
                format!("--max-new-tokens {}", self.max_new_tokens),
                format!("give from 1 to {}, which --max-tokens says", self.max_tokens),
            ));
        }
        Ok(())
    }

    async fn serve(&self, play: Arc<Playground>, run_time: Duration) -> anyhow::Result<()> {
        let mut limits =
            server::ServerLimits { connections: self.max_connections, ..server::ServerLimits::default() };
        limits.connections_per_address = limits.connections_per_address.min(self.max_connections);
        limits.pause = run_time + BEYOND;
        let quiet = self.model.common.quiet;
        let notice = Arc::new(move |text: &str| {
            if !quiet {
                eprintln!("{text}");
            }
        });
        let host = started(BoundedListener::bind(self.listen, self.open, limits, notice).await)?;
        let stop = stopped();
        output::listens(&format!("http://{}", host.address()))?;
        tokio::spawn(ahead(play.clone()));
        Ok(host.serve(router(play), stop).await?)
    }
}

/// A playground, or what is wrong with it.
pub fn made(setup: Setup) -> anyhow::Result<Arc<Playground>> {
    let made = Playground::new(setup).map_err(|refused| match refused.hint {
        Some(hint) => wrong_hint(refused.message, hint),
        None => output::wrong(refused.message),
    });
    made.map(Arc::new)
}

/// Runs of one visitor that may wait, of so many.
pub fn each(waiting: usize) -> usize {
    waiting.div_ceil(4)
}

/// The first visitor does not wait for weights, nor for what directions promote.
pub async fn ahead(play: Arc<Playground>) {
    if let Err(refused) = play.lens().await {
        eprintln!("warning: can't tell what the directions promote: {refused}");
    }
}

/// A file's vectors as the page offers them.
pub fn offered(opened: &PushContext<'_>, file: &Path, taken: &[Offered]) -> anyhow::Result<Offered> {
    let pushes = opened.pushes(&[(file.to_owned(), 1.0)], None, &How::default(), true)?;
    let directions = load_all(file)?;
    let member = |(push, direction): (truenorth::analyses::steer::Push, &truenorth::artifact::Direction)| {
        OfferedVector {
            site: push.site,
            vector: push.direction,
            norm: push.norm,
            residual_norm: direction.metadata().residual_norm,
        }
    };
    let stem = chosen(file).0;
    let stem = stem.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    Ok(Offered {
        name: free_name(&stem, taken),
        sign: directions.members().first().map_or_else(String::new, |d| d.metadata().sign.clone()),
        members: pushes.into_iter().zip(directions.members()).map(member).collect(),
    })
}
