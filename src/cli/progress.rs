//! Progress on stderr with an estimate, and Ctrl-C that loses nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use truenorth::run::Watch;

static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Turns the first Ctrl-C into a request to stop at the next safe place; a second one ends the
/// process at once, which the store survives.
pub fn listen_for_interrupts() {
    let handler = || {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        eprintln!("warning: Ctrl-C will end at once and show no message: {error}");
    }
}

/// The flag that Ctrl-C sets, for work that looks at it from another thread.
pub fn interrupt_flag() -> Arc<AtomicBool> {
    INTERRUPTED.clone()
}

/// Whether the user wants to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// A progress bar in units of work, with tokens and rate beside it, and whether to be quiet.
pub struct Bar(ProgressBar, bool);

impl Bar {
    /// A bar named `what` over `total` units; hidden when quiet or when stderr is no terminal.
    pub fn new(what: &str, total: u64, unit: &str, quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let template = format!(
            "{{msg}} {{wide_bar:.cyan/dim}} {{human_pos}}/{{human_len}} {unit}, {{per_sec}}, {{eta}} left"
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar, quiet)
    }

    /// Says what is being done now.
    pub fn say(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
    }

    /// Sets how much there is to do, once that is known.
    pub fn set_total(&self, total: u64) {
        self.0.set_length(total);
    }

    /// Sets how much is done.
    pub fn set(&self, done: u64) {
        // A download may turn out larger than it was said to be.
        if self.0.length().is_some_and(|l| l > 0 && l < done) {
            self.0.set_length(done);
        }
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Watch for Bar {
    fn say(&self, text: &str) {
        if self.0.is_hidden() {
            // No terminal, or quiet: a log wants the lines only in the first case.
            if !self.1 {
                eprintln!("{text}");
            }
        } else {
            self.0.set_message(text.to_owned());
        }
    }

    fn warn(&self, text: &str) {
        if self.0.is_hidden() {
            eprintln!("{text}");
        } else {
            self.0.println(text);
        }
    }

    fn budget(&self, text: &str) {
        super::dry::note(text);
        if self.0.is_hidden() {
            Watch::say(self, text);
        } else {
            self.0.println(text);
        }
    }

    fn expect(&self, more: u64) {
        self.0.inc_length(more);
    }

    fn tokens(&self, more: u64) {
        self.0.inc(more);
    }

    fn interrupted(&self) -> bool {
        interrupted()
    }
}
