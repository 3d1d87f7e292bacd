//! `read`: activations at sites, into a safetensors file.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use safetensors::tensor::{Dtype, TensorView};
use truenorth::analyses::{NamedPrompt, Reader, Reading, SiteRange};
use truenorth::data::out::{Elements, NamedArray, npz};
use truenorth::files::{safetensors_bytes, write_atomic};
use truenorth::run::Runner;
use truenorth_protocol::{Prompt, ReadAt};

use super::args::{InputArgs, ModelArgs};
use super::fallback;
use super::output;
use super::progress::Bar;
use super::session::{self, Session};
use super::steer::counted;
use super::target;
use super::tokens::{pieces, tokens_of};

/// Reads activations at sites of a model.
///
/// Writes a safetensors file, or an npz, with one tensor per site, [prompts, hidden] f32 in input order; with
/// `--positions all`, a range or a whole part one tensor SITE/ID per prompt, [tokens, hidden], with the ids of these tokens as
/// token_ids/ID, [tokens] i64, and their texts as JSON under `pieces` of the metadata, by prompt. The metadata holds the
/// ids of the prompts; of an npz they are JSON in its array `meta`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth read --model smollm2-135m --input prompts.txt \
    --site resid_post.4..28:4 --out activations.safetensors")]
pub struct Read {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    input: InputArgs,
    /// A site such as resid_post.12, or a range with both ends in it, resid_post.4..28:4; several with commas.
    #[arg(long, value_name = "S", required = true)]
    site: Vec<SiteRange>,
    /// Which tokens: last, all, mean (attention sinks left out), mean+sink (all tokens), an index such as -3, a range
    /// with both ends in it such as 2..5, or of a conversation prompt, response, user, assistant, system, each also as
    /// first-user, last-user, mean:user or mean+sink:user.
    #[arg(long, value_name = "P", default_value = "last", allow_hyphen_values = true)]
    positions: ReadAt,
    /// The file to write, of which the name ends in .safetensors or .npz; - for stdout, as safetensors.
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
}

impl Read {
    pub fn run(self) -> anyhow::Result<()> {
        target::writes(&self.out)?;
        let (prompts, loaded) = session::prompts(&self.input.input)?;
        ends_as_written(&self.out)?;
        self.site.iter().flat_map(SiteRange::notes).for_each(|note| eprintln!("note: {note}"));
        let sites = SiteRange::all(&self.site);
        let session = Session::open(&self.model)?;
        let reader = session.reader();
        let bar = Bar::new("reading", 0, "tokens", self.model.common.quiet);
        let readings = reader.read(&prompts, &sites, self.positions, &bar)?;
        drop(bar);
        let mut metadata = metadata(session.runner(), &prompts, self.positions, &loaded.sha256)?;
        if self.positions.left_out().is_some() {
            metadata.insert("left_out".into(), left_out(&readings)?);
        }
        if let Some(speech) = session.record().speech {
            metadata.insert("speech".into(), serde_json::to_string(&speech)?);
        }
        let tokens = match self.positions.by_token() {
            true => tokens(&reader, &prompts, self.positions)?,
            false => None,
        };
        if let Some(tokens) = &tokens {
            let pieces: BTreeMap<&str, &[Option<String>]> =
                tokens.iter().map(|t| (t.id.as_str(), t.pieces.as_slice())).collect();
            metadata.insert("pieces".into(), serde_json::to_string(&pieces)?);
        }
        write(&self.out, &readings, &prompts, (self.positions, tokens), metadata)
            .with_context(|| format!("can't write {}", self.out.display()))?;
        eprintln!(
            "{}, {}, positions {} -> {}",
            counted(prompts.len(), "prompt"),
            counted(sites.len(), "site"),
            self.positions,
            self.out.display()
        );
        let left_out = session.record().left_out;
        left_out.iter().for_each(|left_out| eprintln!("{left_out}"));
        if output::wants_json() && self.out != Path::new("-") {
            let ids: Vec<&str> = prompts.iter().map(|p| p.id.as_str()).collect();
            return output::json(&serde_json::json!({
                "out": self.out, "model": session.record(), "ids": ids, "sites": sites, "positions": self.positions,
            }));
        }
        Ok(())
    }
}

/// Endings of formats that activations are not written in: a safetensors file under such a name misleads what opens it.
const OTHER_FORMATS: [&str; 27] = [
    "7z", "arrow", "bin", "csv", "feather", "gguf", "gz", "h5", "hdf5", "html", "json", "jsonl", "mat", "md",
    "ndjson", "npy", "parquet", "pickle", "pkl", "pt", "pth", "tsv", "txt", "xlsx", "yaml", "zip", "zst",
];

/// Refuses a name that ends as a file of another format does.
fn ends_as_written(out: &Path) -> anyhow::Result<()> {
    let end = out.extension().map(|end| end.to_string_lossy().to_lowercase()).unwrap_or_default();
    if !OTHER_FORMATS.contains(&end.as_str()) {
        return Ok(());
    }
    Err(output::wrong_hint(
        format!(
            "can't write {}: activations are written as safetensors or npz, not as .{end}",
            out.display()
        ),
        "let --out end in .safetensors (safetensors.numpy.load_file reads it) or in .npz (numpy.load reads it)",
    ))
}

/// The tokens of a prompt whose rows a file has.
struct PromptTokens {
    id: String,
    ids: Vec<u32>,
    /// The text of each; none where it can't be told.
    pieces: Vec<Option<String>>,
}

/// The tokens behind the rows of each prompt; none where the tokenizer is elsewhere.
fn tokens(
    reader: &Reader<'_>,
    prompts: &[NamedPrompt],
    at: ReadAt,
) -> anyhow::Result<Option<Vec<PromptTokens>>> {
    let mut all = Vec::with_capacity(prompts.len());
    for (named, encoded) in prompts.iter().zip(reader.encode_turns(prompts, false)?) {
        let Prompt::Tokens(ids) = &encoded.prompt else { return Ok(None) };
        let read = tokens_of(at, &encoded, ids.len()).unwrap_or_default();
        let ids: Vec<u32> = read.into_iter().filter_map(|i| ids.get(i).copied()).collect();
        let pieces = pieces(reader.runner(), None, &ids, |_| None)?;
        all.push(PromptTokens { id: named.id.clone(), ids, pieces });
    }
    Ok(Some(all))
}

/// How many tokens of each prompt its mean leaves out, by site.
fn left_out(readings: &[Reading]) -> serde_json::Result<String> {
    let by_site: BTreeMap<String, &[u32]> =
        readings.iter().map(|r| (r.site.to_string(), r.left_out.as_slice())).collect();
    serde_json::to_string(&by_site)
}

fn metadata(
    runner: &dyn Runner,
    prompts: &[NamedPrompt],
    positions: ReadAt,
    input: &str,
) -> anyhow::Result<HashMap<String, String>> {
    let info = runner.info();
    let ids: Vec<&str> = prompts.iter().map(|p| p.id.as_str()).collect();
    let mut metadata = HashMap::from([
        ("format".into(), "truenorth-activations-1".into()),
        ("ids".into(), serde_json::to_string(&ids)?),
        ("positions".into(), positions.to_string()),
        ("model".into(), info.name.clone()),
        ("revision".into(), info.revision.clone()),
        ("path".into(), info.path.clone()),
        ("input_sha256".into(), input.into()),
        ("layer_convention".into(), "blocks count from 0; resid_post.L is the output of block L".into()),
        ("truenorth".into(), env!("CARGO_PKG_VERSION").into()),
    ]);
    if let Some(fallen) = fallback::taken() {
        metadata.insert("fallback".into(), serde_json::to_string(&fallen)?);
    }
    Ok(metadata)
}

/// A tensor to be written: its name, shape, elements and little-endian bytes.
type TensorToWrite = (String, Vec<usize>, Elements, Vec<u8>);

fn write(
    path: &Path,
    readings: &[Reading],
    prompts: &[NamedPrompt],
    (positions, tokens): (ReadAt, Option<Vec<PromptTokens>>),
    metadata: HashMap<String, String>,
) -> anyhow::Result<()> {
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let mut parts: Vec<TensorToWrite> = Vec::new();
    for reading in readings {
        let width = reading.values.ncols();
        let values = reading.values.as_slice().context("activations are row-major")?;
        if positions.by_token() {
            let mut rest = values;
            for (prompt, rows) in prompts.iter().zip(&reading.rows) {
                let (head, tail) = rest.split_at(rows * width);
                parts.push((
                    format!("{}/{}", reading.site, prompt.id),
                    vec![*rows, width],
                    Elements::Floats,
                    bytes(head),
                ));
                rest = tail;
            }
        } else {
            let shape = vec![reading.values.nrows(), width];
            parts.push((reading.site.to_string(), shape, Elements::Floats, bytes(values)));
        }
    }
    for prompt in tokens.iter().flatten() {
        let ids = prompt.ids.iter().flat_map(|id| i64::from(*id).to_le_bytes()).collect();
        parts.push((format!("token_ids/{}", prompt.id), vec![prompt.ids.len()], Elements::Integers, ids));
    }
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz")) {
        let arrays: Vec<NamedArray<'_>> = parts
            .iter()
            .map(|(name, shape, elements, data)| NamedArray { name, shape, elements: *elements, data })
            .collect();
        let metadata: BTreeMap<String, String> = metadata.into_iter().collect();
        let file = npz(&arrays, &serde_json::to_string(&metadata)?)?;
        write_atomic(path, |w| w.write_all(&file))?;
        return Ok(());
    }
    let views = parts
        .iter()
        .map(|(name, shape, elements, data)| {
            let dtype = match elements {
                Elements::Floats => Dtype::F32,
                Elements::Integers => Dtype::I64,
            };
            Ok((name.as_str(), TensorView::new(dtype, shape.clone(), data)?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let file = safetensors_bytes(views, metadata)?;
    write_atomic(path, |w| w.write_all(&file))?;
    Ok(())
}
