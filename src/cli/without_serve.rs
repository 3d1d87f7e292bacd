//! In place of `serve` where the server is not built in.

use clap::Args;

use super::output::wrong_hint;

/// Serves a model to other commands with `--on URL`; not in this build, which was made without `serve`.
#[derive(Args, Debug)]
pub struct Serve {
    /// Whatever `serve` takes where it is built in.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _given: Vec<String>,
}

impl Serve {
    pub fn run(self) -> anyhow::Result<()> {
        Err(wrong_hint(
            "this truenorth was built without `serve`, which serves models",
            "build with it, `cargo install --path . --features serve` in the source folder",
        ))
    }
}
