//! `direction import` and `direction export`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use truenorth::artifact::{DirectionError, DirectionFormat, Directions, ImportAs};
use truenorth_protocol::Site;

use super::super::output::{self, RequestContext as _, wrong_hint};
use super::super::target;
use super::load_all;

/// The format of a file whose name does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    Safetensors,
    Npz,
    Npy,
    Gguf,
    Pt,
}

impl From<FormatArg> for DirectionFormat {
    fn from(named: FormatArg) -> Self {
        match named {
            FormatArg::Safetensors => Self::Safetensors,
            FormatArg::Npz => Self::Npz,
            FormatArg::Npy => Self::Npy,
            FormatArg::Gguf => Self::Gguf,
            FormatArg::Pt => Self::Pt,
        }
    }
}

/// What a folder of SAELens holds, the one kind of folder that is read.
const SAE_WEIGHTS: &str = "sae_weights.safetensors";

/// Tells a format by a file's name.
type FormatOf = fn(&Path) -> Result<DirectionFormat, DirectionError>;

/// The format that is named, else the one that the file's name ends in. `what` can't be done without
/// one; `formats` are those that can.
fn format_of(
    named: Option<FormatArg>,
    path: &Path,
    what: &str,
    (of, formats): (FormatOf, &str),
) -> anyhow::Result<DirectionFormat> {
    match (named, of(path)) {
        (Some(named), _) => Ok(named.into()),
        (None, Ok(format)) => Ok(format),
        // An ending that is there says more about what to do.
        (None, error @ Err(_)) if path.extension().is_some() => error.request(what),
        (None, Err(_)) => Err(wrong_hint(
            format!("{what}: can't tell the format of `{}`", path.display()),
            format!("name it with --format ({formats}), or give the file a name with such an ending"),
        )),
    }
}

/// Reads a direction of another program: npz, npy, pt, pkl, bin, safetensors, GGUF control vector, SAE.
///
/// Most files of other programs say neither where their vector lives nor what its sign means; what the file
/// does not say has to be stated. Read are vectors, stacks [layers, hidden] and [positions, layers, hidden], control
/// vectors with many layers (repeng, llama.cpp), objects of steering-vectors and repeng, and decoder rows of
/// SAELens, whose cfg.json lies beside them. Of a file with one vector per layer all layers are read, unless --layer or --site
/// chooses one. Nothing in a pickle is ever executed.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth direction import refusal.pt --site resid_post.12 \
    --sign 'refusal over compliance' --out refusal.safetensors\n  truenorth direction import control.gguf --layer 14 \
    --sign 'honest over dishonest' --out honest.safetensors\n  truenorth direction import control.gguf \
    --sign 'honest over dishonest' --out every-layer.safetensors\n  truenorth direction import sae/ --row 4321 \
    --sign 'feature 4321 is active' --out feature.safetensors")]
pub struct Import {
    /// An .npz, .npy, .pt, .bin or .pkl (torch.save or pickle), .gguf or .safetensors file, or a folder of SAELens.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The format of the file; default what its name ends in.
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatArg>,
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
    /// Which row of a stack of directions, from 0, such as a feature of an SAE; of a stack [positions, layers, hidden] that of
    /// --position.
    #[arg(long, value_name = "N")]
    row: Option<usize>,
    /// Which layer: of a file with one vector per layer, as it numbers them; or of a stack [layers, hidden] or [positions, layers,
    /// hidden], where negative ones count from the end.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    layer: Option<i64>,
    /// Which position of a stack [positions, layers, hidden]; negative ones count from the end.
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    position: Option<i64>,
    /// The file to write.
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
}

/// Writes a direction for another program: npz, npy, GGUF control vector.
///
/// A control vector has no strength beside its layers: what was imported goes out with the norm that it came with, what
/// was found here with norm 1.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth direction export values.safetensors --out values.gguf")]
pub struct Export {
    /// The file of the direction.
    #[arg(value_name = "F.safetensors")]
    direction: PathBuf,
    /// The file to write: .npz, .npy, .gguf (a llama.cpp control vector) or .safetensors; - for stdout.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The format to write; default what the file's name ends in.
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatArg>,
}

impl Import {
    pub fn run(self) -> anyhow::Result<()> {
        target::writes(&self.out)?;
        let what = format!("can't import {}", self.file.display());
        target::reads(&self.file)?;
        let formats =
            (DirectionFormat::of as FormatOf, "safetensors, npz, npy, gguf or pt, which pickles are too");
        if self.file.is_dir() && !self.file.join(SAE_WEIGHTS).is_file() {
            return Err(wrong_hint(
                format!("{what}: it is a folder, and no {SAE_WEIGHTS} is in it"),
                "name the file of the direction itself; of folders, those of SAELens are read",
            ));
        }
        let format = format_of(self.format, &self.file, &what, formats)?;
        let stated = ImportAs {
            site: self.site,
            sign: self.sign,
            model: self.model,
            revision: self.revision,
            array: self.array,
            row: self.row,
            layer: self.layer,
            position: self.position,
        };
        let directions = Directions::import(&self.file, format, &stated).request(what)?;
        directions.save(&self.out)?;
        if let Some(first) = directions.members().first() {
            let sites: Vec<String> = directions.sites().iter().map(Site::to_string).collect();
            eprintln!(
                "{} wide, at {}, positive: {} -> {}",
                first.width(),
                sites.join(", "),
                first.metadata().sign,
                self.out.display()
            );
        }
        answer(&self.out, &directions)
    }
}

impl Export {
    pub fn run(self) -> anyhow::Result<()> {
        target::writes(&self.out)?;
        let cant = format!("can't export to {}", self.out.display());
        let formats = (DirectionFormat::to_write as FormatOf, "safetensors, npz, npy or gguf");
        let format = format_of(self.format, &self.out, &cant, formats)?;
        let direction = load_all(&self.direction)?;
        let bytes = direction.export_bytes(format).request(format!("can't export as {}", format.name()))?;
        truenorth::files::write_atomic(&self.out, |w| w.write_all(&bytes))
            .with_context(|| format!("can't write {}", self.out.display()))?;
        eprintln!("{} -> {}", self.direction.display(), self.out.display());
        if format == DirectionFormat::Gguf {
            say_norms(&direction);
        }
        answer(&self.out, &direction)
    }
}

/// Says with what norm each layer of a control vector went out, which has no strength beside it.
fn say_norms(directions: &Directions) {
    let norms = directions.members().iter().filter_map(|d| {
        let metadata = d.metadata();
        let norm =
            metadata.extra.get("imported_norm")?.parse::<f64>().ok().filter(|n| n.is_finite() && *n > 0.0)?;
        Some(format!("{} {norm:.4}", metadata.site))
    });
    let norms: Vec<String> = norms.collect();
    if norms.is_empty() {
        eprintln!(
            "note: written with norm 1, as directions found here have; what loads the file gives the strength"
        );
    } else {
        eprintln!("note: written with the norms that they were imported with: {}", norms.join(", "));
    }
}

/// With `--json` says what was written: the file, and each direction's metadata.
pub(super) fn answer(out: &Path, directions: &Directions) -> anyhow::Result<()> {
    if !output::wants_json() || out == Path::new("-") {
        return Ok(());
    }
    let metadata: Vec<_> = directions.members().iter().map(|d| d.metadata().to_map()).collect();
    output::json(&serde_json::json!({ "out": out, "directions": metadata }))
}
