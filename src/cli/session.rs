//! A model opened for a verb, with the store beside it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use truenorth::analyses::NamedPrompt;
use truenorth::data::out::{self, DataSetCard, OutRow, TableForm};
use truenorth::data::{Loaded, NearCopies, PromptRow};
use truenorth::engine::{Engine, EngineOptions, Precision};
use truenorth::host::Desk as _;
use truenorth::models::{self, ResolveOptions};
use truenorth::run::Runner;
use truenorth::store::Store;

use super::args::{self, Common, ModelArgs, NumericsArgs, On};
use super::desk::Terminal;
use super::dry;
use super::fallback;
use super::hosted;
use super::output::{self, RequestContext as _, wrong_hint};
use super::progress::{self, Bar};
use super::read_with;
use super::settings;
use super::target;
use super::texts;

/// A model and the store, opened by flags.
pub struct Session(truenorth::session::Session);

impl std::ops::Deref for Session {
    type Target = truenorth::session::Session;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Session {
    /// Opens what the flags name, here or on a service, pulling the model if it is to run here and
    /// is not here yet.
    pub fn open(args: &ModelArgs) -> anyhow::Result<Self> {
        Self::with_journal(args, true)
    }

    /// The same for what others type: a service's jobs are in no journal here, so that no prompt is on a disk.
    #[cfg(feature = "play")]
    pub fn unwritten(args: &ModelArgs) -> anyhow::Result<Self> {
        Self::with_journal(args, false)
    }

    fn with_journal(args: &ModelArgs, journal: bool) -> anyhow::Result<Self> {
        if dry::on() {
            // Made-up numbers never meet the store.
            return Self::of(Box::new(dry::open(args)?), None, args);
        }
        let store = open_store(&args.common)?.map(Arc::new);
        let jobs = store.clone().filter(|_| journal);
        let runner: Box<dyn Runner> = match (&args.place.on, &args.place.service.fallback) {
            (On::Local, _) => Box::new(open_model(&args.model, &args.common, &args.numerics)?.1),
            (On::Ndif, Some(fallback)) => {
                let there = || {
                    let client = hosted::open(&On::Ndif, args, jobs)?;
                    client.ready()?;
                    Ok(client)
                };
                match fallback::open(args, fallback, there)? {
                    Ok(client) => Box::new(client),
                    Err(engine) => Box::new(engine),
                }
            }
            (elsewhere, _) => Box::new(hosted::open(elsewhere, args, jobs)?),
        };
        Self::of(runner, store, args)
    }

    /// A model that is opened already, asked as the flags say.
    pub fn over(runner: Box<dyn Runner>, args: &ModelArgs) -> anyhow::Result<Self> {
        Self::of(runner, None, args)
    }

    fn of(runner: Box<dyn Runner>, store: Option<Arc<Store>>, args: &ModelArgs) -> anyhow::Result<Self> {
        read_with::note(&runner.info().path);
        let session = truenorth::session::Session::new(runner, store);
        if args.speech.of_study {
            return Ok(Self(session));
        }
        let (session, note) = session.speaking(&args.speech.speech())?;
        if let Some(note) = note {
            once(&note);
        }
        Ok(Self(session))
    }

    pub fn into_inner(self) -> truenorth::session::Session {
        self.0
    }
}

/// Finds and loads a model; also says what was found.
pub fn open_model(
    spec: &str,
    common: &Common,
    numerics: &NumericsArgs,
) -> anyhow::Result<(models::Resolved, Engine)> {
    dry::refuse("a model that is opened to compute")?;
    if let Some(n) = numerics.threads {
        if n == 0 {
            return Err(wrong_hint("--threads 0", "give at least 1, or leave the flag out"));
        }
        // The pool may be set once a process, which is all a command needs.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(n).build_global();
    }
    let resolved = resolve(spec, common)?;
    let options = EngineOptions {
        precision: match numerics.dtype {
            None => Precision::usual()?,
            Some(args::PrecisionArg::F32) => Precision::F32,
            Some(args::PrecisionArg::Bf16) => Precision::Bf16,
            Some(args::PrecisionArg::F16) => Precision::F16,
        },
        keep_quantized: numerics.keep_quantized,
        choices: numerics.reading.choices(),
        ..options_of(&resolved)
    };
    let engine =
        Engine::open(resolved.files.path(), &options).request(format!("can't open the model {spec}"))?;
    warn(engine.notes());
    output::detail(|| {
        let (files, info) = (resolved.files.path().display(), engine.info());
        format!("model {} ({}) from {files}, computed by {}", info.name, info.revision, info.path)
    });
    read_with::note(&engine.info().path);
    Ok((resolved, engine))
}

/// Says a note that was not said before in this command.
pub fn once(note: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(note.to_owned()) {
        eprintln!("note: {note}");
    }
}

/// Says what a user should know of how a model's files were read.
pub fn warn(notes: &[String]) {
    for note in notes {
        eprintln!("warning: {note}");
    }
}

/// How to open what was found, by default.
pub fn options_of(resolved: &models::Resolved) -> EngineOptions {
    EngineOptions {
        name: resolved.name.clone(),
        revision: resolved.identity.clone(),
        random_init: resolved.random_init_seed,
        ..EngineOptions::default()
    }
}

/// Finds a model, pulling it if it is not here yet.
pub fn resolve(spec: &str, common: &Common) -> anyhow::Result<models::Resolved> {
    with_options(spec, common, models::resolve)
}

/// Finds a model's architecture and tokenizer, pulling those alone where that is possible.
pub fn resolve_outline(spec: &str, common: &Common) -> anyhow::Result<models::Resolved> {
    with_options(spec, common, models::resolve_outline)
}

fn with_options(
    spec: &str,
    common: &Common,
    resolve: impl FnOnce(&str, &ResolveOptions) -> Result<models::Resolved, models::ModelsError>,
) -> anyhow::Result<models::Resolved> {
    target::reads_model(spec)?;
    let cache = settings::cache_dir(common.cache.as_ref())?;
    let mut options = ResolveOptions::new(&cache);
    if common.once {
        options = models::Fetched::of(spec, &cache).noting(options);
    }
    options.offline = common.offline;
    options.hub = settings::hub();
    options.cancel = Some(progress::interrupt_flag());
    let bar = Bar::new(spec, 0, "bytes", common.quiet);
    options.progress = Some(Arc::new(move |p: &models::Progress| {
        bar.say(format!("{:?} {}", p.stage, p.item).to_lowercase());
        bar.set_total(p.total);
        bar.set(p.done);
    }));
    Ok(resolve(spec, &options)?)
}

/// Deletes the weights of a model that were fetched while they were noted.
pub fn delete_fetched(spec: &str, common: &Common) -> anyhow::Result<()> {
    let bytes = models::Fetched::of(spec, &settings::cache_dir(common.cache.as_ref())?).delete()?;
    if bytes > 0 && !common.quiet {
        eprintln!("note: the weights of {spec} that were fetched for this are deleted, {bytes} bytes");
    }
    Ok(())
}

/// Opens the store, unless it is not wanted.
pub fn open_store(common: &Common) -> anyhow::Result<Option<Store>> {
    if common.no_cache {
        return Ok(None);
    }
    let dir = settings::cache_dir(common.cache.as_ref())?.join("activations");
    output::detail(|| format!("activations are kept in {}", dir.display()));
    Store::open(&dir)
        .map(Some)
        .with_context(|| format!("can't open the activation cache in {}", dir.display()))
}

/// Opens a file to read, or stdin for `-`; gives the name to use in messages.
pub fn open_input(path: &Path) -> anyhow::Result<(Box<dyn std::io::BufRead>, String)> {
    Ok(Terminal::TELLING.open(path)?)
}

/// The whole text of a file that is no rows, such as a template; a file of another kind is named as such.
pub fn text(path: &Path, what: &str) -> anyhow::Result<String> {
    Ok(truenorth::inputs::text(&Terminal::TELLING, path, what)?)
}

/// Words or phrases, one per line, or the texts of any other form that sequences come in.
pub fn words(path: &Path) -> anyhow::Result<(String, String)> {
    Ok(texts::at(NearCopies::default()).words(path)?)
}

/// Says what a reader should know of how files were read.
pub fn say(notes: &[String]) {
    for note in notes {
        eprintln!("note: {note}");
    }
}

/// Reads a file of prompts.
pub fn prompts(path: &Path) -> anyhow::Result<(Vec<NamedPrompt>, Loaded<PromptRow>)> {
    Ok(texts::at(NearCopies::default()).prompts(path)?)
}

/// Writes rows, to a file in the form that its name says or to stdout as JSON lines. `what` they are is said in the card of
/// a data-set folder.
pub fn keep_rows<T: serde::Serialize>(out: Option<&Path>, rows: &[T], what: &str) -> anyhow::Result<()> {
    let form = out.map_or(TableForm::JsonLines, TableForm::of);
    let bytes = match form {
        TableForm::JsonLines => {
            let mut text = Vec::new();
            for row in rows {
                serde_json::to_writer(&mut text, &read_with::marked(fallback::marked(row)?))?;
                text.push(b'\n');
            }
            text
        }
        TableForm::Csv => out::csv_bytes(&ordered(rows)?).request("can't write a table")?,
        TableForm::Parquet => out::parquet_bytes(&ordered(rows)?).request("can't write a table")?,
        TableForm::Folder => {
            let folder = out.expect("only a path names a folder");
            return write_folder(folder, &[("train", ordered(rows)?)], what);
        }
    };
    match out {
        Some(path) => target::makes_folder_of(path)
            .and_then(|()| truenorth::files::write_atomic(path, |w| w.write_all(&bytes)))
            .with_context(|| format!("can't write {}", path.display())),
        None => Ok(std::io::Write::write_all(&mut output::stdout(), &bytes)?),
    }
}

/// The same, which with `--json` says what was written where.
pub fn write_rows<T: serde::Serialize>(out: Option<&Path>, rows: &[T], what: &str) -> anyhow::Result<()> {
    keep_rows(out, rows, what)?;
    out.map_or(Ok(()), |path| written(path, rows.len()))
}

/// With `--json` says what was written where.
fn written(path: &Path, rows: usize) -> anyhow::Result<()> {
    if path == Path::new("-") || !output::wants_json() {
        return Ok(());
    }
    output::json(&serde_json::json!({ "out": path, "rows": rows }))
}

/// Rows with their fields in the order in which they are written.
pub fn ordered<T: serde::Serialize>(rows: &[T]) -> anyhow::Result<Vec<OutRow>> {
    rows.iter()
        .map(|row| {
            let marked = read_with::marked(fallback::marked(row)?);
            Ok(serde_json::from_str(&serde_json::to_string(&marked)?)?)
        })
        .collect()
}

/// Writes a folder that `datasets.load_dataset` takes: Parquet a split, and a card.
pub fn write_folder(folder: &Path, splits: &[(&str, Vec<OutRow>)], what: &str) -> anyhow::Result<()> {
    let data = folder.join("data");
    let files = splits
        .iter()
        .map(|(split, rows)| {
            let bytes = out::parquet_bytes(rows).request("can't write a data-set folder")?;
            Ok((data.join(format!("{split}-00000-of-00001.parquet")), bytes))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let name = folder.file_name().map_or_else(|| what.to_owned(), |n| n.to_string_lossy().into_owned());
    let about = DataSetCard {
        title: name,
        says: vec![
            format!("{what}, by truenorth {}.", env!("CARGO_PKG_VERSION")),
            "Texts keep the licence of the data that they come from.".into(),
        ],
    };
    let parts: Vec<(&str, &[OutRow])> =
        splits.iter().map(|(split, rows)| (*split, rows.as_slice())).collect();
    let card = out::card(&about, &parts);
    std::fs::create_dir_all(&data).with_context(|| format!("can't make {}", data.display()))?;
    let card = (folder.join(CARD), card.into_bytes());
    for (path, bytes) in files.iter().chain([&card]) {
        truenorth::files::write_atomic(path, |w| w.write_all(bytes))
            .with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(())
}

/// The card of a data-set folder.
const CARD: &str = "README.md";

/// Refuses a place where rows can't be written: a file, or a data-set folder. A folder with another card is somebody's.
pub fn writes_rows(path: &Path) -> anyhow::Result<()> {
    if TableForm::of(path) != TableForm::Folder {
        return target::writes(path);
    }
    let card = path.join(CARD);
    let ours = |text: String| text.contains(", by truenorth ");
    if card.is_file() && !std::fs::read_to_string(&card).is_ok_and(ours) {
        return Err(wrong_hint(
            format!("{} is no card of this program, and would be overwritten", card.display()),
            "name another folder",
        ));
    }
    target::writes_in(path, &[CARD])?;
    // What is there of an earlier set may be what is read now.
    let Ok(entries) = std::fs::read_dir(path.join("data")) else { return Ok(()) };
    entries.flatten().map(|e| e.path()).filter(|p| p.is_file()).try_for_each(|p| target::writes(&p))
}
