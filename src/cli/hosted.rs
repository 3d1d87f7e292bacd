//! `--on ndif` and `--on URL`: a model that runs somewhere else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use truenorth::client::{ApiKey, Backoff, Client, Hosted, Patience, Service, ServiceOptions};
use truenorth::engine::{Choices, Outline};
use truenorth::journal::{Job, Journal};
use truenorth::run::{Runner as _, Watch};
use truenorth::store::Store;
use truenorth_protocol::DType;
use truenorth_protocol::nnsight::ModelKey;

use super::args::{Common, ModelArgs, On, PrecisionArg, ReadingArgs, ServiceArgs};
use super::output::{RequestContext as _, wrong_hint};
use super::progress::interrupted;
use super::{fallback, session, settings};

/// Opens a hosted model for a verb.
pub fn open(on: &On, args: &ModelArgs, store: Option<Arc<Store>>) -> anyhow::Result<Client> {
    let numerics = &args.numerics;
    // What falls back may have to run here.
    let here = args.place.service.fallback.is_some();
    if here && *on != On::Ndif {
        return Err(wrong_hint("--fallback is for --on ndif", "leave it out"));
    }
    let refused = [
        ("--keep-quantized", numerics.keep_quantized && !here),
        ("--threads", numerics.threads.is_some() && !here),
        ("--dtype", numerics.dtype.is_some() && *on == On::Ndif && !here),
    ];
    if let Some((flag, _)) = refused.iter().find(|(_, given)| *given) {
        return Err(wrong_hint(
            format!("{flag} is for models in this process; here the service decides"),
            "leave it out; --reply-dtype narrows what NDIF sends",
        ));
    }
    match on {
        On::Ndif => {
            let how = (&args.common, &args.numerics.reading);
            ndif(&args.model, &args.place.service, how, store)
        }
        On::Url(url) => server(url, args, store),
        On::Local => Err(wrong_hint("the model runs in this process", "this is a mistake of the program")),
    }
}

/// A client of an NDIF service for one of its models.
pub fn ndif(
    model: &str,
    service: &ServiceArgs,
    (common, reading): (&Common, &ReadingArgs),
    store: Option<Arc<Store>>,
) -> anyhow::Result<Client> {
    let options = ndif_options(service, store)?;
    needs_key(service, &options)?;
    of_model(model, service, (common, reading), options, true)
}

/// A client that leaves no trace on this machine and hears of its jobs as one with a journal would.
pub fn alone(model: &str, service: &ServiceArgs, how: (&Common, &ReadingArgs)) -> anyhow::Result<Client> {
    let options = ServiceOptions { socket: Some(false), ..ndif_options(service, None)? };
    of_model(model, service, how, options, false)
}

/// Refuses to ask NDIF itself without a key, before the network is asked for anything. Services at other addresses may want
/// none, and what falls back may never get to a job.
fn needs_key(service: &ServiceArgs, options: &ServiceOptions) -> anyhow::Result<()> {
    let public = options.url.trim_end_matches('/') == settings::NDIF;
    if options.key.is_some() || !public || service.fallback.is_some() { Ok(()) } else { Err(no_key()) }
}

/// No key for NDIF is anywhere that one is looked for.
pub fn no_key() -> anyhow::Error {
    wrong_hint(
        "there is no key for NDIF",
        "get one at https://login.ndif.us and keep it with `truenorth ndif login`, set NDIF_API_KEY, or give --api-key-file F",
    )
}

/// A client for a model; `stands_in` says that this very command could run here in its place.
fn of_model(
    model: &str,
    service: &ServiceArgs,
    (common, reading): (&Common, &ReadingArgs),
    mut options: ServiceOptions,
    stands_in: bool,
) -> anyhow::Result<Client> {
    let model = model.strip_prefix("hf:").unwrap_or(model);
    let (repo, key) = key_of(model);
    let spec = outline_of(&On::Ndif, model, service)?;
    let found = session::resolve_outline(&spec, common)?;
    let outline = Outline::open(found.files.path(), repo, &found.identity, &reading.choices())
        .request(format!("can't read the architecture of {model}"))?;
    session::warn(&outline.notes());
    if stands_in {
        options.stand_in = fallback::stand_in(model, outline.parameters, common)?;
    }
    let reply = reply(service.reply_dtype);
    let hosted = Hosted {
        info: outline.info,
        modules: outline.modules,
        config: outline.stated,
        key,
        stop: outline.words.stop().to_vec(),
        vocabulary: Arc::new(outline.words),
        reply,
    };
    Ok(Client::ndif(options, hosted)?)
}

/// The repository that a model's name says, and what services call the model. Its default branch goes by no
/// name there: a key that names it would be another model's.
pub fn key_of(model: &str) -> (&str, ModelKey) {
    let (repo, revision) = match model.split_once('@') {
        Some((repo, "main")) => (repo, None),
        Some((repo, revision)) => (repo, Some(revision.to_owned())),
        None => (model, None),
    };
    (repo, ModelKey { repo_id: repo.to_owned(), revision })
}

/// Where architecture and tokenizer of a model are read from: what `--config` names; this disk, where a
/// truenorth server may serve what lies there; else the hub.
pub fn outline_of(on: &On, model: &str, service: &ServiceArgs) -> anyhow::Result<String> {
    let name = model.strip_prefix("hf:").unwrap_or(model);
    let here = || Path::new(model).exists() || model.starts_with("random-init:");
    match (on, &service.config) {
        (On::Local, _) => Ok(model.to_owned()),
        (_, Some(config)) => Ok(of_many(config, key_of(name).0)),
        (On::Url(_), None) if here() => Ok(model.to_owned()),
        (On::Ndif, None) if Path::new(model).is_file() => Err(wrong_hint(
            format!("NDIF has models by name, and --model {model} is a file here"),
            "give org/name[@revision] as `ndif status` lists it, with --config for where its architecture is read",
        )),
        // The hub would be asked for a repository that no service can have.
        (On::Ndif, None) if !name.contains('/') => Err(wrong_hint(
            format!("--on ndif takes org/name, as the service has it, and --model {model} is no such name"),
            "give org/name[@revision] as `truenorth ndif status` lists it; names of `models list` are for models here",
        )),
        _ => Ok(format!("hf:{name}")),
    }
}

/// The folder of a model in a folder of several, named `org--name`; the path itself where it is one model's.
pub fn of_many(config: &str, repo: &str) -> String {
    let inner = Path::new(config).join(repo.replace('/', "--"));
    if inner.join("config.json").is_file() { inner.display().to_string() } else { config.to_owned() }
}

/// A client that can ask after a job of the journal and fetch its answer.
pub fn of_job(
    job: &Job,
    service: &ServiceArgs,
    how: (&Common, &ReadingArgs),
    store: Option<Arc<Store>>,
) -> anyhow::Result<Client> {
    let options = options_of_job(job, service, store)?;
    if job.wire != "ndif" {
        return Ok(Client::truenorth_watched(options, &Retries)?);
    }
    of_model(&job.model.name, service, how, options, true)
}

/// How the service that has a job is spoken to.
pub fn options_of_job(
    job: &Job,
    service: &ServiceArgs,
    store: Option<Arc<Store>>,
) -> anyhow::Result<ServiceOptions> {
    if job.wire != "ndif" {
        return server_options(&job.service, service, store);
    }
    ndif_options(&ServiceArgs { host: Some(job.service.clone()), ..service.clone() }, store)
}

/// A service that is asked while somebody sits and waits: one that can't be reached within a few seconds is said to be
/// so.
pub fn at_once(options: ServiceOptions) -> anyhow::Result<Service> {
    Ok(Service::open(&soon(options))?.watched(Box::new(Retries)))
}

/// The same of a client: given up after a few seconds.
pub fn soon(options: ServiceOptions) -> ServiceOptions {
    ServiceOptions { patience: patience(), ..options }
}

fn patience() -> Patience {
    let backoff = Backoff {
        attempts: 3,
        most: Duration::from_secs(2),
        total: Duration::from_secs(5),
        ..Backoff::default()
    };
    Patience { connect: Duration::from_secs(5), backoff, ..Patience::default() }
}

/// Says at once what is asked again.
struct Retries;

impl Watch for Retries {
    fn say(&self, text: &str) {
        eprintln!("{text}");
    }

    fn interrupted(&self) -> bool {
        interrupted()
    }
}

pub fn ndif_options(service: &ServiceArgs, store: Option<Arc<Store>>) -> anyhow::Result<ServiceOptions> {
    let key = settings::ndif_key(service.api_key_file.as_deref())?;
    let host = settings::ndif_host(service.host.as_deref())?;
    let mut options = options(host, key, service, store)?;
    let [python, nnsight] = settings::ndif_versions()?;
    options.python_version = python.unwrap_or(options.python_version);
    options.nnsight_version = nnsight.unwrap_or(options.nnsight_version);
    options.deploy = !service.no_deploy;
    Ok(options)
}

/// How a truenorth server is spoken to.
pub fn server_options(
    url: &str,
    service: &ServiceArgs,
    store: Option<Arc<Store>>,
) -> anyhow::Result<ServiceOptions> {
    address(url)?;
    let key = settings::server_key(service.api_key_file.as_deref())?;
    options(url.to_owned(), key, service, store)
}

/// Refuses what is no address of a server.
pub fn address(url: &str) -> anyhow::Result<()> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(());
    }
    Err(wrong_hint(
        format!("--on {url} is neither local nor ndif nor a URL"),
        "give local, ndif, or the URL that `truenorth serve` printed",
    ))
}

fn server(url: &str, args: &ModelArgs, store: Option<Arc<Store>>) -> anyhow::Result<Client> {
    let client = Client::truenorth_watched(server_options(url, &args.place.service, store)?, &Retries)?;
    let info = client.info();
    let stem = |f: fn(&Path) -> Option<&std::ffi::OsStr>| {
        f(Path::new(&args.model)).is_some_and(|s| s.to_string_lossy() == info.name.as_str())
    };
    let asked = args.model.strip_prefix("hf:").unwrap_or(&args.model);
    if asked != info.name && !stem(Path::file_name) && !stem(Path::file_stem) {
        return Err(wrong_hint(
            format!("{url} serves {}, not {}", info.name, args.model),
            format!("give --model {}, or serve the other one", info.name),
        ));
    }
    let reading = &args.numerics.reading;
    if reading.choices() != Choices::default() {
        return Err(wrong_hint(
            format!("--transformers and --accept-config-key say how files are read, which {url} does itself"),
            "leave them out, or start the server with them",
        ));
    }
    if let Some(dtype) = args.numerics.dtype {
        let wanted = name(dtype);
        if !info.path.split('/').any(|part| part == wanted) {
            return Err(wrong_hint(
                format!("{url} computes by {}, not in {wanted}", info.path),
                "leave --dtype out, or start the server with it",
            ));
        }
    }
    Ok(client)
}

fn options(
    url: String,
    key: Option<settings::KeyWithOrigin>,
    service: &ServiceArgs,
    store: Option<Arc<Store>>,
) -> anyhow::Result<ServiceOptions> {
    if service.jobs_at_once == 0 {
        return Err(wrong_hint("--jobs-at-once 0", "give at least 1, or leave the flag out"));
    }
    let mut options = ServiceOptions::new(url);
    options.key = key
        .map(|k| {
            let made =
                ApiKey::new(&k.text).with_context(|| format!("can't use the API key from {}", k.origin));
            Ok::<_, anyhow::Error>(made?.with_origin(k.origin))
        })
        .transpose()?;
    options.journal = store.map(|s| s as Arc<dyn Journal>);
    options.at_once = service.jobs_at_once;
    if let Some(warning) = options.warning(settings::proxied()) {
        eprintln!("warning: {warning}");
    }
    Ok(options)
}

/// What floats are narrowed to before they are sent back.
pub fn reply(dtype: PrecisionArg) -> DType {
    match dtype {
        PrecisionArg::F32 => DType::F32,
        PrecisionArg::Bf16 => DType::Bf16,
        PrecisionArg::F16 => DType::F16,
    }
}

fn name(dtype: PrecisionArg) -> &'static str {
    match dtype {
        PrecisionArg::F32 => "f32",
        PrecisionArg::Bf16 => "bf16",
        PrecisionArg::F16 => "f16",
    }
}
