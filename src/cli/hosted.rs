//! `--on ndif` and `--on URL`: a model that runs somewhere else.

use std::path::Path;
use std::sync::Arc;

use truenorth::client::{ApiKey, Client, Hosted, ServiceOptions};
use truenorth::engine::Outline;
use truenorth::jobs::{Job, Journal};
use truenorth::run::Runner as _;
use truenorth::store::Store;
use truenorth_protocol::DType;
use truenorth_protocol::nnsight::ModelKey;

use super::args::{Common, ModelArgs, On, Precision, Service};
use super::output::{Request as _, wrong_hint};
use super::{session, settings};

/// Opens a hosted model for a verb.
pub fn open(on: &On, args: &ModelArgs, store: Option<Arc<Store>>) -> anyhow::Result<Client> {
    let numerics = &args.numerics;
    let refused = [
        ("--keep-quantized", numerics.keep_quantized),
        ("--threads", numerics.threads.is_some()),
        ("--dtype", numerics.dtype.is_some() && *on == On::Ndif),
    ];
    if let Some((flag, _)) = refused.iter().find(|(_, given)| *given) {
        return Err(wrong_hint(
            format!("{flag} is for models in this process; here the service decides"),
            "leave it out; --reply-dtype narrows what NDIF sends",
        ));
    }
    match on {
        On::Ndif => ndif(&args.model, &args.place.service, &args.common, store),
        On::Url(url) => server(url, args, store),
        On::Local => Err(wrong_hint("the model runs in this process", "this is a mistake of the program")),
    }
}

/// A client of an NDIF service for one of its models.
pub fn ndif(
    model: &str,
    service: &Service,
    common: &Common,
    store: Option<Arc<Store>>,
) -> anyhow::Result<Client> {
    let model = model.strip_prefix("hf:").unwrap_or(model);
    let (repo, revision) = match model.split_once('@') {
        Some((repo, revision)) => (repo, Some(revision.to_owned())),
        None => (model, None),
    };
    let spec = service.config.clone().unwrap_or_else(|| format!("hf:{model}"));
    let found = session::resolve_outline(&spec, common)?;
    let outline = Outline::open(found.files.path(), repo, &found.identity)
        .request(format!("can't read the architecture of {model}"))?;
    let options = ndif_options(service, store)?;
    let reply = reply(service.reply_dtype);
    let hosted = Hosted {
        info: outline.info,
        modules: outline.modules,
        key: ModelKey { repo_id: repo.to_owned(), revision },
        stop: outline.words.stop().to_vec(),
        vocabulary: Arc::new(outline.words),
        reply,
    };
    Ok(Client::ndif(options, hosted)?)
}

/// A client that can ask after a job of the journal and fetch its answer.
pub fn of_job(
    job: &Job,
    service: &Service,
    common: &Common,
    store: Option<Arc<Store>>,
) -> anyhow::Result<Client> {
    if job.wire != "ndif" {
        return Ok(Client::truenorth(server_options(&job.service, service, store)?)?);
    }
    let service = Service { host: Some(job.service.clone()), ..service.clone() };
    ndif(&job.model.name, &service, common, store)
}

/// How NDIF is spoken to.
pub fn ndif_options(service: &Service, store: Option<Arc<Store>>) -> anyhow::Result<ServiceOptions> {
    let key = settings::ndif_key(service.api_key_file.as_deref())?;
    let host = settings::ndif_host(service.host.as_deref())?;
    options(host, key, service, store)
}

/// How a truenorth server is spoken to.
pub fn server_options(
    url: &str,
    service: &Service,
    store: Option<Arc<Store>>,
) -> anyhow::Result<ServiceOptions> {
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return Err(wrong_hint(
            format!("--on {url} is neither local nor ndif nor a URL"),
            "give local, ndif, or the URL that `truenorth serve` printed",
        ));
    }
    let key = settings::server_key(service.api_key_file.as_deref())?;
    options(url.to_owned(), key, service, store)
}

fn server(url: &str, args: &ModelArgs, store: Option<Arc<Store>>) -> anyhow::Result<Client> {
    let client = Client::truenorth(server_options(url, &args.place.service, store)?)?;
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
    key: Option<String>,
    service: &Service,
    store: Option<Arc<Store>>,
) -> anyhow::Result<ServiceOptions> {
    if service.jobs_at_once == 0 {
        return Err(wrong_hint("--jobs-at-once 0", "give at least 1, or leave the flag out"));
    }
    let mut options = ServiceOptions::new(url);
    options.key = key.map(|k| ApiKey::new(&k)).transpose()?;
    options.journal = store.map(|s| s as Arc<dyn Journal>);
    options.at_once = service.jobs_at_once;
    if let Some(warning) = options.warning(settings::proxied()) {
        eprintln!("warning: {warning}");
    }
    Ok(options)
}

fn reply(dtype: Precision) -> DType {
    match dtype {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::Bf16,
        Precision::F16 => DType::F16,
    }
}

fn name(dtype: Precision) -> &'static str {
    match dtype {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
        Precision::F16 => "f16",
    }
}
