//! `direction import` and `direction export`.

use std::path::PathBuf;

use clap::Args;
use truenorth::estimate::{Direction, Format, ImportAs};
use truenorth_protocol::Site;

use super::super::output::Request as _;
use super::super::target;
use super::load;

/// Reads a direction of another program.
///
/// Files of other programs say neither where their vector lives nor what its sign means, so both
/// have to be stated. Nothing in a .pt file is ever executed.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth direction import refusal.pt --site resid_post.12 \
    --sign 'refusal over compliance' --out refusal.safetensors")]
pub struct Import {
    /// An .npz, .npy, .pt (as torch.save writes since PyTorch 1.6), .gguf or .safetensors file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the direction lives; for a control vector this chooses its layer.
    #[arg(long, value_name = "S")]
    site: Option<Site>,
    /// What a positive projection means.
    #[arg(long, value_name = "TEXT")]
    sign: Option<String>,
    /// The model it was found on.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The model's revision.
    #[arg(long, value_name = "REV")]
    revision: Option<String>,
    /// Which array, where the file holds several; nested keys are joined by dots.
    #[arg(long, value_name = "NAME")]
    array: Option<String>,
    /// Which row of a stack of directions, from 0.
    #[arg(long, value_name = "N")]
    row: Option<usize>,
    /// The file to write.
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
}

/// Writes a direction for another program.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth direction export values.safetensors --out values.gguf")]
pub struct Export {
    /// The direction.
    #[arg(value_name = "F.safetensors")]
    direction: PathBuf,
    /// The file to write: .npz, .npy, .gguf (a llama.cpp control vector) or .safetensors.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Import {
    pub fn run(self) -> anyhow::Result<()> {
        target::writes(&self.out)?;
        let what = format!("can't import {}", self.file.display());
        target::reads(&self.file)?;
        let format = Format::of(&self.file).request(what.clone())?;
        let stated = ImportAs {
            site: self.site,
            sign: self.sign,
            model: self.model,
            revision: self.revision,
            array: self.array,
            row: self.row,
        };
        let direction = Direction::import(&self.file, format, &stated).request(what)?;
        direction.save(&self.out)?;
        eprintln!(
            "{} wide, at {}, positive: {} -> {}",
            direction.width(),
            direction.metadata().site,
            direction.metadata().sign,
            self.out.display()
        );
        Ok(())
    }
}

impl Export {
    pub fn run(self) -> anyhow::Result<()> {
        target::writes(&self.out)?;
        let format =
            Format::to_write(&self.out).request(format!("can't export to {}", self.out.display()))?;
        let direction = load(&self.direction)?;
        let bytes = direction.export_bytes(format).request(format!("can't export as {}", format.name()))?;
        truenorth::data::write_atomic(&self.out, |w| w.write_all(&bytes))?;
        eprintln!("{} -> {}", self.direction.display(), self.out.display());
        Ok(())
    }
}
