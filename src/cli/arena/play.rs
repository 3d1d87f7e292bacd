//! The playground of an arena: the season's directions, beside its board.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use truenorth::arena::live::{Live, Yields};
use truenorth::arena::season;
use truenorth::arena::web::{ArenaOptions, Nested};
use truenorth::play::{ClientName, Hosts, Offered, PlayLimits, Playground, Setup, Start, Within, router};
use truenorth_protocol::ModelInfo;

use super::done;
use super::model::{Asks, Behind};
use crate::cli::args::duration;
use crate::cli::desk::ours;
use crate::cli::direction::load_all_for;
use crate::cli::play::{BEYOND, each, made, offered};
use crate::cli::progress::Bar;
use crate::cli::pushes::{PushContext, UnitArg};
use crate::cli::serve::at_least_one;

/// What a public page takes of one visitor, where nothing else is said: a good deal less than `play` by itself.
const SMALL: PlayLimits = PlayLimits {
    body_bytes: 16 << 10,
    body_time: Duration::from_secs(10),
    prompt_bytes: 2 << 10,
    prompt_tokens: 256,
    new_tokens: 64,
    run_time: Duration::from_secs(60),
    waiting: 8,
    waiting_each: 2,
};

#[derive(Args, Debug)]
pub struct PlayArgs {
    /// Offers a playground at /play: the season's directions with α on a slider. Its runs wait while submissions do.
    #[arg(long)]
    play: bool,
    /// Tokens that a run of the playground may generate.
    #[arg(long, value_name = "N", default_value_t = SMALL.new_tokens as usize, value_parser = at_least_one, requires = "play")]
    play_max_tokens: usize,
    /// How long one run may have the model.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration, requires = "play")]
    play_max_run_time: Duration,
    /// Runs of all visitors that may wait or run; of one, a quarter of them.
    #[arg(long, value_name = "N", default_value_t = SMALL.waiting, value_parser = at_least_one, requires = "play")]
    play_max_waiting: usize,
    /// Runs, and measurements of doses, that one visitor may ask for a minute.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = at_least_one, requires = "play")]
    play_per_minute: usize,
}

impl PlayArgs {
    /// Puts the playground into how the arena is served, if it is wanted; it is told of what is to be computed ahead.
    pub fn nest(
        &self,
        live: &Arc<Live>,
        (asks, behind): (&Asks, &Behind),
        options: &mut ArenaOptions,
    ) -> anyhow::Result<Option<Arc<Playground>>> {
        if !self.play {
            return Ok(None);
        }
        let file = &live.season.sealed.file;
        // What visitors type is on no disk of this machine, not even as jobs of a service.
        let runner = asks.unwritten(file, behind)?;
        let limits = PlayLimits {
            new_tokens: u32::try_from(self.play_max_tokens).unwrap_or(u32::MAX),
            run_time: self.play_max_run_time,
            waiting: self.play_max_waiting,
            waiting_each: each(self.play_max_waiting),
            ..SMALL
        };
        let setup = Setup {
            runner: Arc::new(Yields::new(live.clone(), runner)),
            directions: directions(live, (asks, behind))?,
            unit: UnitArg::Norm.name(),
            marks: vec![],
            speech: file.model.speech(),
            start: Start::default(),
            limits,
            base: Nested::BASE.to_owned(),
            within: Some(Within { title: file.title.clone(), href: "/".to_owned() }),
            hosts: Hosts(options.public.iter().map(|url| host(url).to_owned()).collect()),
        };
        let play = made(setup)?;
        let per_minute = u32::try_from(self.play_per_minute).unwrap_or(u32::MAX);
        options.play = Some(Nested::new(router(play.clone()), ClientName, per_minute));
        options.limits.pause = options.limits.pause.max(limits.run_time + BEYOND);
        Ok(Some(play))
    }
}

/// The directions of the season. Where a file does not say what α is a multiple of, it is measured on the probes.
fn directions(live: &Live, (asks, behind): (&Asks, &Behind)) -> anyhow::Result<Vec<Offered>> {
    let season = &live.season;
    let marks = done(season::marks(season, behind))?;
    let files: Vec<PathBuf> =
        season.sealed.file.scoring.directions.iter().map(|name| season.folder().join(name)).collect();
    let load = |file: &Path, info: &ModelInfo| load_all_for(file, info).map_err(ours);
    let mut all: Vec<Offered> = Vec::new();
    for file in &files {
        let said = load_all_for(file, live.backend().runner().info())?;
        let told = said.members().iter().all(|d| d.metadata().residual_norm.is_some());
        let bar = Bar::new("measuring norms", 0, "tokens", asks.quiet());
        let opened = PushContext {
            reader: live.backend().reader(),
            neutral: (!told).then_some(&marks.probes[..]),
            watch: &bar,
            unit: UnitArg::Norm.into(),
            load: &load,
        };
        all.push(offered(&opened, file, &all)?);
    }
    Ok(all)
}

/// The name in an address such as `https://arena.example.org:8443/`.
fn host(url: &str) -> &str {
    let at = url.split_once("://").map_or(url, |(_, at)| at);
    let at = at.split('/').next().unwrap_or(at);
    match at.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_name_by_which_the_playground_is_reached() {
        for (url, name) in [
            ("https://arena.example.org", "arena.example.org"),
            ("https://arena.example.org:8443/", "arena.example.org"),
            ("arena.example.org", "arena.example.org"),
        ] {
            assert_eq!(host(url), name);
        }
    }

    #[test]
    fn the_limits_are_tighter_than_those_of_play_by_itself() {
        let (own, alone) = (SMALL, PlayLimits::default());
        assert!(own.new_tokens < alone.new_tokens && own.prompt_tokens < alone.prompt_tokens);
        assert!(own.run_time < alone.run_time && own.waiting < alone.waiting);
        assert!(own.prompt_bytes < alone.prompt_bytes && own.body_bytes < alone.body_bytes);
        assert_eq!((own.waiting_each, own.waiting_each < alone.waiting_each), (each(own.waiting), true));
    }
}
