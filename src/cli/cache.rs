//! `cache`: what is kept, whether it is sound, and making room.

use std::time::Duration;

use clap::{Args, Subcommand};
use truenorth::store::{GcOptions, Store};

use super::args::{Common, DryRun, duration};
use super::output::{self, wrong_hint};
use super::progress::Bar;
use super::{dry, session};

/// Shows, checks and trims the activation cache.
#[derive(Subcommand, Debug)]
#[command(after_help = "Example:\n  truenorth cache gc --max-size 2GB")]
pub enum Cache {
    /// Says what is kept, by model and site.
    #[command(after_help = "Example:\n  truenorth cache stats --json")]
    Stats(Stats),
    /// Checks every entry's checksum.
    #[command(after_help = "Example:\n  truenorth cache verify --delete")]
    Verify(Verify),
    /// Removes what was used longest ago; --dry-run says what that would be.
    #[command(after_help = "Example:\n  truenorth cache gc --older-than 30d")]
    Gc(Gc),
}

#[derive(Args, Debug)]
pub struct Stats {
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
pub struct Verify {
    #[command(flatten)]
    common: Common,
    /// Removes entries that do not verify.
    #[arg(long)]
    delete: bool,
}

#[derive(Args, Debug)]
pub struct Gc {
    #[command(flatten)]
    common: Common,
    /// Keeps at most this much of entries, such as 500MB or 2GB; 0B keeps none.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<u64>,
    /// Keeps nothing last used longer ago than this, such as 12h or 30d.
    #[arg(long, value_name = "AGE", value_parser = duration)]
    older_than: Option<Duration>,
}

impl Cache {
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Stats(v) => v.run(),
            Self::Verify(v) => v.run(),
            Self::Gc(v) => v.run(),
        }
    }
}

fn open(common: &Common) -> anyhow::Result<Store> {
    session::open_store(common)?
        .ok_or_else(|| wrong_hint("--no-cache leaves no cache to look at", "leave --no-cache out"))
}

impl Stats {
    fn run(self) -> anyhow::Result<()> {
        let stats = open(&self.common)?.stats()?;
        if output::wants_json() {
            return output::json(&stats);
        }
        let mut rows = vec![["kind", "model", "site", "path", "entries", "size"].map(String::from).to_vec()];
        for c in &stats.by_context {
            let kind = format!("{:?}", c.kind).to_lowercase();
            let fields = [kind, c.model.clone(), c.site.clone(), c.path.clone(), c.entries.to_string()];
            rows.push(fields.into_iter().chain([human(c.bytes)]).collect());
        }
        output::table(&rows);
        let file = stats.file.map_or_else(String::new, |f| f.display().to_string());
        output::say(format!(
            "{} entries, {} in {file} ({} on disk); computed {}, in vain {}, corrupt {}, collected {}",
            stats.entries,
            human(stats.bytes),
            human(stats.file_bytes),
            stats.computed,
            stats.rewritten,
            stats.corrupt,
            stats.collected
        ));
        Ok(())
    }
}

impl Verify {
    fn run(self) -> anyhow::Result<()> {
        if self.delete {
            dry::refuse("`cache verify --delete`")?;
        }
        let bar = Bar::new("verifying", 0, "entries", self.common.quiet);
        let report = open(&self.common)?.verify(self.delete, |c| {
            bar.set_total(c.total);
            bar.set(c.done);
        })?;
        drop(bar);
        if output::wants_json() {
            output::json(&report)?;
        }
        let bad = report.corrupt.len() as u64;
        output::say(format!(
            "{} entries checked ({}), {bad} corrupt, {} removed",
            report.checked,
            human(report.bytes),
            report.deleted
        ));
        if bad > report.deleted {
            anyhow::bail!("{bad} entries do not verify; remove them with `truenorth cache verify --delete`");
        }
        Ok(())
    }
}

impl Gc {
    fn run(self) -> anyhow::Result<()> {
        if self.max_size.is_none() && self.older_than.is_none() {
            return Err(wrong_hint("nothing says what to remove", "give --max-size, --older-than or both"));
        }
        let options = GcOptions { max_bytes: self.max_size, older_than: self.older_than };
        let store = open(&self.common)?;
        let dry = self.common.dry_run;
        let report = if dry.is_some() { store.gc_would(options)? } else { store.gc(options)? };
        if output::wants_json() || dry == Some(DryRun::Json) {
            output::json(&report)?;
        }
        let file = match dry {
            Some(_) => format!("file {} stays", human(report.file_before)),
            None => format!("file {} -> {}", human(report.file_before), human(report.file_after)),
        };
        output::say(format!(
            "{} {} {} ({}), {} kept ({}); {file}",
            report.removed,
            if report.removed == 1 { "entry" } else { "entries" },
            if dry.is_some() { "would be removed" } else { "removed" },
            human(report.bytes),
            report.kept,
            human(report.kept_bytes),
        ));
        if dry.is_none() && report.kept == 0 {
            output::say("what the file still takes is its own tables, and the jobs of `jobs list`");
        }
        Ok(())
    }
}

/// Bytes as people write them.
pub fn human(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a size; expected a number with B, kB, MB or GB, such as 500MB");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    digits.trim().parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_written_and_nothing_else_does() {
        assert_eq!(parse_size("2GB"), Ok(2_000_000_000));
        assert_eq!(parse_size("12"), Ok(12));
        for bad in ["", "GB", "-1", "1.5GB", "2 parsecs", "99999999999999999999GB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
