//! `score`: sequences by how they move neutral probes along a direction.

use std::path::PathBuf;

use clap::Args;
use truenorth::analysis::score;
use truenorth::analysis::score::Sequence;

use super::args::ModelArgs;
use super::direction::load_for;
use super::progress::Bar;
use super::session::{self, Session};

/// Scores sequences by how they move neutral probes along a direction.
///
/// With r the normalised residual at the last token, a sequence s moves probe p by
/// r(s + p) - r(p). `score` is the mean move along the direction; `z` and `p_random` say whether
/// a random direction would have done as well.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth score --model smollm2-135m --direction values.safetensors \
    --probes probes.txt --sequences sequences.txt --out board.jsonl")]
pub struct Score {
    #[command(flatten)]
    model: ModelArgs,
    /// The direction; its site is where the residual is read.
    #[arg(long, value_name = "F.safetensors")]
    direction: PathBuf,
    /// Neutral probes, a text a line or JSONL with `id` and `text`.
    #[arg(long, value_name = "F")]
    probes: PathBuf,
    /// Sequences, a text a line or JSONL with `id` and `text`.
    #[arg(long, value_name = "F")]
    sequences: PathBuf,
    /// What stands between sequence and probe.
    #[arg(long, value_name = "STR", default_value = " ")]
    join: String,
    /// The file to write; default stdout.
    #[arg(long, value_name = "F.jsonl")]
    out: Option<PathBuf>,
}

impl Score {
    pub fn run(self) -> anyhow::Result<()> {
        if let Some(out) = &self.out {
            session::check_out(out)?;
        }
        let (probes, _) = session::prompts(&self.probes)?;
        let sequences: Vec<Sequence> = session::sequences(&self.sequences)?
            .rows
            .iter()
            .map(|s| Sequence { id: s.id.clone(), text: s.text.clone() })
            .collect();
        let session = Session::open(&self.model)?;
        let (direction, site) = load_for(&self.direction, session.runner().info())?;
        let bar = Bar::new("scoring", 0, "tokens", self.model.common.quiet);
        let shifts = score::shifts(&session.reader(), site, &probes, &sequences, &self.join, &bar)?;
        drop(bar);
        let vector = direction.vector().mapv(f64::from);
        let mut board = score::board(&shifts, &sequences, vector.view())?;
        board.sort_by_key(|row| row.rank);
        session::write_jsonl(self.out.as_deref(), &board)
    }
}
