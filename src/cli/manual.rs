//! What a shell and `man` are told of the command line.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;
use truenorth::files::write_atomic;

use super::{dry, output, settings, target};

/// Writes what a shell completes verbs and flags by.
///
/// The script goes to stdout; the shell reads it when it starts, from the place where it looks for such files.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth completions bash > truenorth.bash\n  truenorth completions zsh > _truenorth\n  \
    truenorth completions fish > truenorth.fish"
)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), NAME, &mut script);
        if output::wants_json() {
            let script = String::from_utf8_lossy(&script);
            return output::json(&serde_json::json!({ "shell": self.shell.to_string(), "script": script }));
        }
        Ok(output::stdout().write_all(&script)?)
    }
}

const NAME: &str = "truenorth";

/// Writes the manual, a page per verb, for `man`.
///
/// `man -l DIR/truenorth.1` shows the first page; in a folder such as ~/.local/share/man/man1 they are found by name.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth man --out man1")]
pub struct Man {
    /// The folder to write: truenorth.1, truenorth-read.1 and so on.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Man {
    pub fn run(self) -> anyhow::Result<()> {
        dry::refuse("man, which asks nothing,")?;
        let mut pages = Vec::new();
        let mut command = super::command().disable_help_subcommand(true);
        command.build();
        pages_of(&command, &mut pages)?;
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        target::writes_in(&self.out, &names)?;
        std::fs::create_dir_all(&self.out).with_context(|| format!("can't make {}", self.out.display()))?;
        for (name, text) in &pages {
            let path = self.out.join(name);
            write_atomic(&path, |w| w.write_all(text))
                .with_context(|| format!("can't write {}", path.display()))?;
        }
        if output::wants_json() {
            return output::json(&serde_json::json!({ "out": self.out, "pages": names }));
        }
        eprintln!("{} pages", pages.len());
        output::line(self.out.join("truenorth.1").display().to_string())
    }
}

/// The page of a command and of all below it.
fn pages_of(command: &Command, into: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    if name == NAME {
        writeln!(text, ".SH ENVIRONMENT")?;
        for (variable, meaning) in settings::VARIABLES {
            writeln!(text, ".TP\n\\fB{variable}\\fR\n{meaning}")?;
        }
        writeln!(text, ".SH \"EXIT STATUS\"\n{}", output::STATUS)?;
    }
    into.push((format!("{name}.1"), text));
    command.get_subcommands().try_for_each(|below| pages_of(below, into))
}
