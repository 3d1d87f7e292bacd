//! In place of `arena` where it is not built in.

use clap::Args;

use super::output::wrong_hint;

/// A board of short texts that anyone may submit to; not in this build, which was made without `arena`.
#[derive(Args, Debug)]
pub struct Arena {
    /// Whatever `arena` takes where it is built in.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _given: Vec<String>,
}

impl Arena {
    pub fn run(self) -> anyhow::Result<()> {
        Err(wrong_hint(
            "this truenorth was built without `arena`, which serves boards",
            "build with it, `cargo install --path . --features arena` in the source folder",
        ))
    }
}
