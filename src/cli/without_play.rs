//! In place of `play` where the playground is not built in.

use clap::Args;

use super::output::wrong_hint;

/// Serves a page on which you try a direction by hand; not in this build, which was made without `play`.
#[derive(Args, Debug)]
pub struct Play {
    /// Whatever `play` takes where it is built in.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _given: Vec<String>,
}

impl Play {
    pub fn run(self) -> anyhow::Result<()> {
        Err(wrong_hint(
            "this truenorth was built without `play`, the playground",
            "build with it, `cargo install --path . --features play` in the source folder",
        ))
    }
}
