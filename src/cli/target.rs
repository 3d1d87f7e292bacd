//! What a verb reads and where it writes: known before the work, and never the same.

use std::any::TypeId;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::ArgMatches;
use truenorth::files::{WriteTarget, writable};
use truenorth::models;

use super::output::wrong_hint;
use super::settings;

/// The files of this command so far.
static FILES: Mutex<FilesInUse> = Mutex::new(FilesInUse { read: vec![], written: vec![], folders: vec![] });

struct FilesInUse {
    read: Vec<(FileId, PathBuf)>,
    written: Vec<(FileId, PathBuf)>,
    /// Folders that are made if they are not there.
    folders: Vec<PathBuf>,
}

/// What a file is whatever it is called: device and inode, or its one true path.
#[cfg(unix)]
type FileId = (u64, u64);
#[cfg(not(unix))]
type FileId = PathBuf;

/// The identity of a regular file; devices and pipes may be read and written at once.
#[cfg(unix)]
fn id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    let about = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((about.dev(), about.ino()))
}

#[cfg(not(unix))]
fn id(path: &Path) -> Option<FileId> {
    path.is_file().then(|| path.canonicalize().ok()).flatten()
}

/// The cache that `--cache` names, where models lie as well.
static CACHE: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The caches whose models are kept from what is written: that of the flag, and that of every other command.
fn caches() -> Vec<PathBuf> {
    let named = CACHE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    named.into_iter().chain(settings::cache_dir(None).ok()).collect()
}

/// Flags whose file is written.
const WRITTEN: [&str; 4] = ["out", "summary", "report", "tables"];

/// Notes every file that the command line names to be read, whether or not this command gets to it: a key
/// for a service is kept also where nothing is asked of one.
pub fn named(command: &clap::Command, typed: &ArgMatches) -> anyhow::Result<()> {
    let is_path = |arg: &&clap::Arg| arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
    for arg in command.get_arguments().filter(is_path) {
        let id = arg.get_id().as_str();
        if WRITTEN.contains(&id) || !typed.try_contains_id(id).unwrap_or(false) {
            continue;
        }
        for path in typed.get_many::<PathBuf>(id).into_iter().flatten() {
            if id == "cache" {
                *CACHE.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.clone());
            }
            match path == Path::new("-") {
                true => once(&STDIN_NAMED)?,
                false => reads(path)?,
            }
        }
    }
    match typed.subcommand() {
        Some((name, typed)) => command.find_subcommand(name).map_or(Ok(()), |c| named(c, typed)),
        None => Ok(()),
    }
}

/// Whether a flag names standard input.
static STDIN_NAMED: AtomicBool = AtomicBool::new(false);
/// Whether it was opened.
static STDIN: AtomicBool = AtomicBool::new(false);

/// Notes that standard input is read, and refuses it a second time, when nothing would be left of it.
pub fn reads_stdin() -> anyhow::Result<()> {
    once(&STDIN)
}

fn once(before: &AtomicBool) -> anyhow::Result<()> {
    match before.swap(true, Ordering::Relaxed) {
        // A shell may have put a file there, which is an input like any other.
        false => reads_as(Path::new(STANDARD_INPUT), Path::new("-")),
        true => Err(wrong_hint(
            "`-` is given for two files, and standard input can be read once",
            "write one of the two to a file and name that",
        )),
    }
}

/// What stands for standard input among the files, where the system has it there.
const STANDARD_INPUT: &str = "/dev/stdin";

/// Notes that a file is read, and refuses it where it is also to be written.
pub fn reads(path: &Path) -> anyhow::Result<()> {
    reads_as(path, path)
}

/// The same of a file that the user knows by another name.
fn reads_as(file: &Path, path: &Path) -> anyhow::Result<()> {
    let Some(id) = id(file) else { return Ok(()) };
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, out)) = files.written.iter().find(|(w, _)| *w == id) {
        return Err(both(path, out));
    }
    files.read.push((id, path.to_owned()));
    Ok(())
}

/// Notes that a model is read: every file of its folder, and what is read beside a GGUF file.
pub fn reads_model(spec: &str) -> anyhow::Result<()> {
    let spec = spec.strip_prefix("random-init:").unwrap_or(spec);
    let whole = Path::new(spec);
    let short = spec.split('#').next().unwrap_or_default();
    // A name stands for a file in the cache, which may lie elsewhere behind a link.
    for model in caches().iter().flat_map(|cache| models::list(cache)) {
        let file = model.path.filter(|_| model.name == spec || model.name == short);
        file.map_or(Ok(()), |file| reads(&file))?;
    }
    let path = if whole.exists() { whole } else { Path::new(short) };
    models::files_with(path).iter().try_for_each(|file| reads(file))?;
    if path.is_dir() {
        let Ok(entries) = std::fs::read_dir(path) else { return Ok(()) };
        return entries.flatten().try_for_each(|entry| reads(&entry.path()));
    }
    // A file may be one part of a model in several, whose names differ in the number.
    let split = |p: &Path| {
        let name = p.file_name()?.to_str()?;
        let (start, end) = name.rsplit_once("-of-")?;
        let (stem, number) = start.rsplit_once('-')?;
        number.bytes().all(|b| b.is_ascii_digit()).then(|| (stem.to_owned(), end.to_owned()))
    };
    let folder = folder_of(path);
    if let (Some(own), Ok(entries)) = (split(path), std::fs::read_dir(folder)) {
        let parts = entries.flatten().map(|e| e.path()).filter(|p| split(p).as_ref() == Some(&own));
        parts.into_iter().try_for_each(|part| reads(&part))?;
    }
    reads(path)
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether this command makes a folder, for the page or the tables that go into it.
fn is_made(folder: &Path) -> bool {
    let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    files.folders.iter().any(|made| made.starts_with(folder))
}

/// Makes the folder of a file that is written before what else goes into it.
pub fn makes_folder_of(file: &Path) -> std::io::Result<()> {
    let folder = folder_of(file);
    if is_made(folder) { std::fs::create_dir_all(folder) } else { Ok(()) }
}

/// Refuses an output that can't be written or that is an input, before any work is done for it.
pub fn writes(path: &Path) -> anyhow::Result<()> {
    let cant = |why: &std::io::Error| format!("can't write {}: {why}", path.display());
    if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(wrong_hint(
            format!("can't write {}: that is a folder, and a file is written", path.display()),
            "name the file, with a folder that is there before it if it is not this one",
        ));
    }
    let target =
        WriteTarget::of(path).map_err(|e| wrong_hint(cant(&e), "name a file, - for stdout, or a pipe"))?;
    if let WriteTarget::File(file) = &target {
        not_among_models(file, path)?;
        let folder = folder_of(file);
        if !folder.is_dir() && is_made(folder) {
            return Ok(());
        }
        if !folder.is_dir() {
            return Err(wrong_hint(
                format!("can't write {}: there is no folder {}", path.display(), folder.display()),
                "make the folder first, or name another one",
            ));
        }
    }
    writable(&target)
        .map_err(|e| wrong_hint(cant(&e), "name another place, or change who may write here"))?;
    match target {
        WriteTarget::File(file) => {
            written(&file, path)?;
            not_of_a_model(&file, path)
        }
        // An open file goes by the name of its number; devices and pipes have no identity and pass.
        WriteTarget::Stream(open) => written(&open, path),
        WriteTarget::Stdout => Ok(()),
    }
}

/// Refuses a file that a model is read from, and one that it would be read from the next time, whichever model this
/// command reads: its numbers would be others without a word.
fn not_of_a_model(file: &Path, path: &Path) -> anyhow::Result<()> {
    let Some(model) = models::read_from(&place(file)) else { return Ok(()) };
    let (out, model) = (path.display(), model.display());
    let what = match file.exists() {
        true => {
            format!("{out} is a file of the model {model}, which is read from it, and would be overwritten")
        }
        false => {
            format!("{out} would be a file of the model {model}, which would be read from it the next time")
        }
    };
    Err(wrong_hint(what, "name another file, or another folder; the model stays as it is"))
}

/// Refuses a place among the models of a cache, of this program or of the hub: nothing else is kept there, and a model
/// that was fetched would be damaged. `path` is what the user calls the place.
fn not_among_models(at: &Path, path: &Path) -> anyhow::Result<()> {
    let mut places = vec![place(at)];
    // As it is written as well, since a model's folder may be a link that leads out of the cache. With `..` in it a
    // path may only seem to lie in a folder.
    if !path.components().any(|part| part == Component::ParentDir) {
        places.extend(std::path::absolute(path));
    }
    let lies = |store: &PathBuf| {
        let stores = [Some(place(store)), std::path::absolute(store).ok()];
        places.iter().any(|place| stores.iter().flatten().any(|store| place.starts_with(store)))
    };
    let ours = caches().iter().map(|cache| models::models_folder(cache)).find(lies);
    let theirs = || places.iter().find_map(|place| models::hub_repository(place)).map(Path::to_owned);
    match ours.or_else(theirs) {
        None => Ok(()),
        Some(store) => Err(wrong_hint(
            format!(
                "{} lies in {}, where models are kept that were fetched; one of them is read from it, or could be the \
                 next time",
                path.display(),
                store.display()
            ),
            "name another file, outside of that folder",
        )),
    }
}

/// Refuses a folder that files of names not known yet go into, where an input lies there: one of them could be it.
pub fn holds_no_input(folder: &Path) -> anyhow::Result<()> {
    let Ok(place) = folder.canonicalize() else { return Ok(()) };
    let lies = |path: &Path| path.canonicalize().is_ok_and(|path| path.parent() == Some(&place));
    let files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    match files.read.iter().find(|(_, path)| lies(path)) {
        None => Ok(()),
        Some((_, input)) => Err(wrong_hint(
            format!(
                "the folder {} holds {}, which is read, and a table could be written over it",
                folder.display(),
                input.display()
            ),
            "name another folder for the tables",
        )),
    }
}

/// Refuses outputs of which two are the same file, so that none is lost, and files where folders are to be.
pub fn distinct<'a>(
    outs: impl IntoIterator<Item = &'a Path>,
    folders: impl IntoIterator<Item = &'a Path>,
) -> anyhow::Result<()> {
    let folders: Vec<(PathBuf, &Path)> = folders.into_iter().map(|folder| (place(folder), folder)).collect();
    let mut seen: Vec<(PathBuf, &Path)> = Vec::new();
    let mut streams: Vec<(WriteTarget, &Path)> = Vec::new();
    for out in outs {
        let file = match WriteTarget::of(out) {
            Ok(WriteTarget::File(file)) => file,
            // Whatever goes to nowhere may go there twice.
            Ok(WriteTarget::Stream(path)) if path == Path::new("/dev/null") => continue,
            Ok(stream) => {
                if let Some((_, other)) = streams.iter().find(|(s, _)| *s == stream) {
                    return Err(wrong_hint(
                        format!(
                            "{} and {} are one stream, and two documents would be mixed on it",
                            other.display(),
                            out.display()
                        ),
                        "write one of the two to a file",
                    ));
                }
                streams.push((stream, out));
                continue;
            }
            Err(_) => continue,
        };
        let place = place(&file);
        if let Some((_, folder)) = folders.iter().find(|(folder, _)| folder.starts_with(&place)) {
            return Err(wrong_hint(
                format!("{} is to be a file, and {} a folder in its place", out.display(), folder.display()),
                "give the file another name than the folder",
            ));
        }
        if let Some((_, other)) = seen.iter().find(|(p, _)| *p == place || same(p, &place)) {
            return Err(wrong_hint(
                format!("{} and {} are one file, and both would be written", other.display(), out.display()),
                "give each a file of its own",
            ));
        }
        seen.push((place, out));
    }
    Ok(())
}

/// Refuses a file among the tables of a folder, whose names are not known yet.
pub fn no_table<'a>(
    mut outs: impl Iterator<Item = &'a PathBuf>,
    tables: Option<&PathBuf>,
) -> anyhow::Result<()> {
    let Some(folder) = tables else { return Ok(()) };
    let ends = |path: &Path| path.extension().is_some_and(|end| end == "csv" || end == "parquet");
    match outs.find(|out| ends(out) && place(out).parent() == Some(&place(folder))) {
        None => Ok(()),
        Some(out) => Err(wrong_hint(
            format!(
                "{} lies among the tables of {}, and one could be written over it",
                out.display(),
                folder.display()
            ),
            "name another folder for the tables",
        )),
    }
}

/// Where a file or a folder lies, which need not be there yet.
fn place(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for there in whole.ancestors() {
        if let (Ok(place), Ok(rest)) = (there.canonicalize(), whole.strip_prefix(there)) {
            // Joined to nothing, a path would end in a slash.
            return if rest.as_os_str().is_empty() { place } else { place.join(rest) };
        }
    }
    whole
}

/// Whether two files that exist are one.
pub fn same(a: &Path, b: &Path) -> bool {
    id(a).is_some_and(|a| id(b) == Some(a))
}

fn written(file: &Path, path: &Path) -> anyhow::Result<()> {
    let Some(id) = id(file) else { return Ok(()) };
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, input)) = files.read.iter().find(|(r, _)| *r == id) {
        return Err(both(input, path));
    }
    files.written.push((id, path.to_owned()));
    Ok(())
}

/// Refuses a folder that `files` can't be written into; it need not be there yet.
pub fn writes_in(folder: &Path, files: &[&str]) -> anyhow::Result<()> {
    let cant = |why: String| {
        let text = format!("can't write into the folder {}: {why}", folder.display());
        wrong_hint(text, "name another folder, or change who may write there")
    };
    not_among_models(folder, folder)?;
    if std::fs::symlink_metadata(folder).is_ok() && !folder.is_dir() {
        return Err(cant("it is no folder".into()));
    }
    let there = folder.ancestors().find(|a| !a.as_os_str().is_empty() && a.exists());
    let there = there.unwrap_or(Path::new("."));
    if !there.is_dir() {
        return Err(cant(format!("{} is no folder", there.display())));
    }
    writable(&WriteTarget::File(there.join(".truenorth"))).map_err(|e| cant(e.to_string()))?;
    FILES.lock().unwrap_or_else(PoisonError::into_inner).folders.push(folder.to_owned());
    files.iter().map(|f| folder.join(f)).filter(|f| f.exists() && !f.is_dir()).try_for_each(|f| writes(&f))
}

fn both(input: &Path, out: &Path) -> anyhow::Error {
    let (input, out) = (input.display().to_string(), out.display().to_string());
    let which = if input == out { input } else { format!("{out} (the same file as {input})") };
    wrong_hint(
        format!("{which} is read and would be overwritten"),
        "name another file for what is written; what is read stays as it is",
    )
}
