//! `doctor`: what is here, what can be reached, and what to do about the rest.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde::Serialize;
use truenorth::available_disk;
use truenorth::client::Client;
use truenorth::files::{WriteTarget, writable};
use truenorth::models;
use truenorth::run::Runner as _;
use truenorth::store::Store;

use super::about::About;
use super::args::{Common, On, ServiceArgs};
use super::cache::human;
use super::checks::{CheckStatus, Checks};
use super::{dry, hosted, output, settings};

/// Looks at what this program needs: its build, this CPU, models, disk, keys, services and Python.
///
/// Each line has what was found and, where something is missing, what to do about it. Nothing is fetched and no job is sent.
/// NDIF is asked whether it is there if its key or address is set here or `--on ndif` is given, a truenorth server if `--on URL`
/// is; either for a few seconds at most, and not with `--offline`. `ndif doctor` tries a job. The exit code is 1 if a
/// check failed.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth doctor --offline\n  truenorth doctor --offline --json")]
pub struct Doctor {
    /// What to reach: `ndif`, or the URL of a truenorth server; may be given several times.
    #[arg(long, value_name = "W")]
    on: Vec<On>,
    /// The Python that `bench --peer` is to use; default python3.
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    #[command(flatten)]
    service: ServiceArgs,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct DoctorReport {
    program: About,
    #[serde(flatten)]
    checks: Checks,
}

/// Room that a model and its activations want.
const ROOM: u64 = 2 << 30;

impl Doctor {
    pub fn run(self) -> anyhow::Result<()> {
        dry::refuse("doctor, which asks nothing,")?;
        let mut addresses =
            self.on.iter().filter_map(|on| if let On::Url(url) = on { Some(url) } else { None });
        addresses.try_for_each(|url| hosted::address(url))?;
        let mut report = DoctorReport { program: About::this(), checks: Checks::default() };
        let DoctorReport { program, checks } = &mut report;
        checks.note(
            "program",
            CheckStatus::Ok,
            format!("truenorth {} ({})", program.version, program.build()),
            None,
        );
        cpu(checks, program.cpu_path);
        let cache = settings::cache_dir(self.common.cache.as_ref());
        if let Some(cache) = checks.got("cache", cache) {
            self.disk(checks, &cache);
            models_here(checks, &cache);
        }
        self.key(checks);
        self.services(checks);
        self.python(checks);
        if output::wants_json() {
            output::json(&report)?;
        } else {
            report.checks.show();
        }
        if report.checks.ok { Ok(()) } else { Err(anyhow::anyhow!("not all is well here")) }
    }

    /// The folder for models and activations: whether it can be written, what room it has, and what is in it.
    fn disk(&self, checks: &mut Checks, cache: &Path) {
        let there = cache.ancestors().find(|a| a.is_dir()).unwrap_or(Path::new("."));
        let room = available_disk(there);
        let found = match room {
            Some(bytes) => format!("{}, {} free", cache.display(), human(bytes)),
            None => format!("{}, the system does not say how much is free", cache.display()),
        };
        let elsewhere =
            "name another folder with --cache DIR or TRUENORTH_CACHE, or change who may write there";
        let fuller =
            "make room (`truenorth cache gc --max-size 2GB`), or name another folder with --cache DIR";
        if cache.exists() && !cache.is_dir() {
            let found = format!("{} is a file, and no folder can be there", cache.display());
            return checks.note("cache", CheckStatus::Fail, found, Some(elsewhere));
        }
        match writable(&WriteTarget::File(there.join(".truenorth"))) {
            Err(e) => checks.note(
                "cache",
                CheckStatus::Fail,
                format!("{found}; it can't be written: {e}"),
                Some(elsewhere),
            ),
            Ok(()) if room.is_some_and(|bytes| bytes < ROOM) => {
                checks.note("cache", CheckStatus::Warn, found, Some(fuller))
            }
            Ok(()) => checks.note("cache", CheckStatus::Ok, found, None),
        }
        let folder = cache.join("activations");
        if !folder.is_dir() {
            checks.note("store", CheckStatus::Ok, "empty; the first reading makes it", None);
            return;
        }
        let stats = Store::open(&folder).and_then(|store| Ok((store.stats()?, store.jobs()?.len())));
        match stats {
            Ok((stats, jobs)) => {
                let jobs = if jobs == 1 { "1 job".to_owned() } else { format!("{jobs} jobs") };
                let found = format!("{} entries, {} on disk, {jobs}", stats.entries, human(stats.file_bytes));
                let bad = (stats.corrupt > 0)
                    .then_some("`truenorth cache verify --delete` takes damaged entries out");
                checks.note(
                    "store",
                    if bad.is_some() { CheckStatus::Warn } else { CheckStatus::Ok },
                    found,
                    bad,
                );
            }
            Err(error) => checks.failed("store", &error.into()),
        }
    }

    /// NDIF's key: where it comes from, and never what it is.
    fn key(&self, checks: &mut Checks) {
        let Some(key) = checks.got("key", settings::ndif_key(self.service.api_key_file.as_deref())) else {
            return;
        };
        match key {
            Some(key) => checks.note("key", CheckStatus::Ok, format!("of NDIF, from {}", key.origin), None),
            None => {
                let remedy = "only hosted models need one: get it at https://login.ndif.us and keep it with `truenorth ndif login`";
                checks.note("key", CheckStatus::Skipped, "none for NDIF", Some(remedy));
            }
        }
    }

    fn services(&self, checks: &mut Checks) {
        let set = settings::set();
        let configured = ["NDIF_HOST", "NDIF_API_KEY"].iter().any(|name| set.contains(name))
            || settings::ndif_key(None).is_ok_and(|key| key.is_some());
        let mut asked: Vec<&On> = self.on.iter().filter(|on| **on != On::Local).collect();
        if asked.is_empty() && configured {
            asked.push(&On::Ndif);
        }
        if asked.is_empty() {
            let remedy = "`truenorth doctor --on ndif`, or --on URL, tries one";
            checks.note("services", CheckStatus::Skipped, "none is set here", Some(remedy));
        }
        for on in asked {
            if self.common.offline {
                checks.note("services", CheckStatus::Skipped, "not asked, because of --offline", None);
                return;
            }
            match on {
                On::Url(url) => self.server(checks, url),
                _ => self.ndif(checks),
            }
        }
    }

    fn ndif(&self, checks: &mut Checks) {
        let asked = hosted::ndif_options(&self.service, None).and_then(hosted::at_once);
        let Some(service) = checks.got("ndif", asked) else { return };
        let url = service.url().to_owned();
        match service.ping() {
            Ok((_, true)) => {
                let remedy = "`truenorth ndif doctor` tries a whole job";
                checks.note(
                    "ndif",
                    CheckStatus::Ok,
                    format!("{url} answers and reaches its models"),
                    Some(remedy),
                );
            }
            Ok((_, false)) => {
                let remedy =
                    "wait: whoever runs the service has to mend it; https://status.ndif.us may say more";
                checks.note(
                    "ndif",
                    CheckStatus::Warn,
                    format!("{url} answers, and can't reach its models"),
                    Some(remedy),
                );
            }
            Err(error) => checks.failed("ndif", &error.into()),
        }
    }

    fn server(&self, checks: &mut Checks, url: &str) {
        let asked = hosted::server_options(url, &self.service, None)
            .and_then(|options| Ok(Client::truenorth(hosted::soon(options))?));
        if let Some(client) = checks.got("server", asked) {
            checks.note("server", CheckStatus::Ok, format!("{url} serves {}", client.info().name), None);
        }
    }

    /// Python fetches named models and is what `bench` races against.
    fn python(&self, checks: &mut Checks) {
        let named = self.peer.clone();
        let Some(python) =
            named.or_else(|| ["python3", "python"].iter().find_map(|name| settings::program(name)))
        else {
            let remedy = "install Python 3 with pip: `models pull` fetches with it, and `bench --peer` races against it";
            checks.note("python", CheckStatus::Warn, "none was found", Some(remedy));
            return;
        };
        match modules(&python) {
            Ok(found) => {
                let lacks: Vec<&str> =
                    MODULES.iter().copied().filter(|m| !found.iter().any(|f| f == m)).collect();
                let has = if found.is_empty() { "none of those below".to_owned() } else { found.join(", ") };
                let text = format!("{} has {has}", python.display());
                let remedy = (!lacks.is_empty()).then(|| {
                    format!(
                        "pip install {}: pip is for `models pull`, the others for `bench --peer`",
                        lacks.join(" ")
                    )
                });
                let state =
                    if found.iter().any(|m| m == "pip") { CheckStatus::Ok } else { CheckStatus::Warn };
                checks.note("python", state, text, remedy.as_deref());
            }
            Err(why) => {
                let remedy = "name one that runs with --peer PYTHON, or install Python 3 with pip";
                checks.note(
                    "python",
                    CheckStatus::Warn,
                    format!("{}: {why}", python.display()),
                    Some(remedy),
                );
            }
        }
    }
}

/// What a Python may have that is of use here.
const MODULES: [&str; 4] = ["pip", "torch", "transformers", "gguf"];

/// Which of the modules a Python has. They are looked for and not loaded.
fn modules(python: &Path) -> Result<Vec<String>, String> {
    let script = format!(
        "import importlib.util as u\nfor m in {MODULES:?}:\n    print(m) if u.find_spec(m) else None"
    );
    let out = Command::new(python).args(["-c", &script]).stdin(Stdio::null()).output();
    let out = out.map_err(|e| format!("it does not run: {e}"))?;
    if !out.status.success() {
        return Err(format!("it does not run: {}", out.status));
    }
    Ok(String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect())
}

fn cpu(checks: &mut Checks, path: &str) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = human(truenorth::available_memory());
    let found = format!("{path}, {threads} threads, {memory} of memory to be had");
    let slow =
        "this CPU has neither AVX2 nor AVX-512, so models run several times slower; the numbers are right";
    match path {
        "candle+slices" => checks.note("cpu", CheckStatus::Warn, found, Some(slow)),
        _ => checks.note("cpu", CheckStatus::Ok, found, None),
    }
}

fn models_here(checks: &mut Checks, cache: &Path) {
    let listed = models::list(cache);
    let here: Vec<&str> = listed.iter().filter(|m| m.path.is_some()).map(|m| m.name.as_str()).collect();
    if here.is_empty() {
        let remedy = listed
            .first()
            .map(|m| format!("`truenorth models pull {}` fetches {}", m.name, human(m.download_bytes)));
        checks.note("models", CheckStatus::Warn, "no named model is here", remedy.as_deref());
    } else {
        checks.note("models", CheckStatus::Ok, here.join(", "), None);
    }
}
