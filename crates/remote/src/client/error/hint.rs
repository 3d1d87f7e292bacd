//! What to do about an error.

use std::io;
use std::net::SocketAddr;

use truenorth_protocol::frame::FrameError;

use super::ClientError;
use crate::client::runner::GREETING;

const AGAIN: &str = "run the same command again: a job that was sent is picked up, not sent again";

impl ClientError {
    /// A remedy in one line, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Url { .. } => "give a URL such as http://127.0.0.1:8000, the key apart from it".into(),
            Self::Key => "copy the key again, without quotes".into(),
            Self::Setup { .. } => "check the system's certificates and limits".into(),
            Self::Unreachable { host, doing, .. } if *doing == GREETING => format!(
                "is it running? `truenorth serve --model M --listen {}` starts a server; else check the address of --on \
                 and the network",
                listen(host)
            ),
            Self::Unreachable { doing, .. } => {
                format!("check the address and the network, then {}", again(doing))
            }
            Self::Broken { doing, .. } | Self::Slow { doing, .. } => again(doing).into(),
            Self::Half { .. } => AGAIN.into(),
            Self::Unauthorized { with_key: false, .. } => "give a key: for NDIF in NDIF_API_KEY or with `ndif login`, \
                 for a truenorth server in TRUENORTH_API_KEY, for either with --api-key-file F"
                .into(),
            Self::Unauthorized { with_key: true, .. } => "check that it is a key of this very service: `ndif whoami` \
                 asks NDIF, and whoever runs a truenorth server has the keys of that"
                .into(),
            Self::KeyFormat { origin } => {
                let form = "keys are 8-4-4-4-12 characters from 0-9 and a-f; get one at https://login.ndif.us";
                format!("{form}, then {}", key_remedy(origin.as_deref()))
            }
            Self::KeyUnknown { origin, .. } => {
                format!("get a key at https://login.ndif.us, then {}", key_remedy(origin.as_deref()))
            }
            Self::OldService { .. } => "this program needs ndif 0.1.0 or later (nnsight 0.8): give the address of such \
                 a service with --host, or run the model here with --on local"
                .into(),
            Self::Gathering { .. } => "ask again in a minute: the answer is then kept for a while".into(),
            Self::Version { detail } if detail.to_lowercase().contains("python") => "jobs are programs in text, so \
                 the Python of this side does not matter: set TRUENORTH_NDIF_PYTHON_VERSION to a version that the \
                 service takes, such as 3.13.0"
                .into(),
            Self::Version { .. } => "update truenorth; or, where the service's nnsight still speaks the wire of \
                 0.8.1, set TRUENORTH_NDIF_NNSIGHT_VERSION to a version that it takes"
                .into(),
            Self::PayloadTooLarge { .. } => "give fewer or shorter prompts in a file; a truenorth server takes more with \
                 a larger --max-body"
                .into(),
            Self::Busy { after: Some(after), .. } => {
                format!("nothing was taken; run the same command again in {} s", after.as_secs().max(1))
            }
            Self::Busy { after: None, .. } => "nothing was taken; run the same command again later".into(),
            Self::Refused { status: 404, .. } => {
                "check the address given with --host or --on; `ndif status` lists the models of NDIF".into()
            }
            // The same request would be refused in the same way.
            Self::Refused { status: 400..=407 | 409..=499, .. } => "the service's words say what it does not take; if \
                 the two sides differ in age, update the older one"
                .into(),
            Self::Refused { doing, .. } => again(doing).into(),
            Self::Redirect { .. } => {
                "give the address that it leads to, if you trust it with your key".into()
            }
            Self::ModelDown { .. } => {
                "`ndif status` lists all models; wait until it is up, take another, or leave --no-deploy out".into()
            }
            Self::OtherConfig { model, .. } => format!(
                "give --config the folder with the config.json and tokenizer of {model}, or leave --config out, \
                 which takes them from the hub"
            ),
            Self::NotDeployed { near, .. } if near.is_empty() => {
                "`ndif status` lists the models; wait until it is up, or take another".into()
            }
            Self::NotDeployed { .. } => {
                "take one of those that are up, or run the command again later, which sends the job anew".into()
            }
            Self::OtherService { .. } => "give the service and the model that the job names (`jobs show`)".into(),
            Self::Job { traceback, .. } if traceback.contains("execution timeout") => {
                "ask for fewer prompts or new tokens at a time; running the command again sends the job anew".into()
            }
            Self::Job { .. } => "the traceback says why; running the command again sends the job anew".into(),
            Self::Lost { .. } => {
                "services keep jobs for a while only; running the command again sends it anew".into()
            }
            Self::Stalled { key, .. } => format!(
                "run the same command again to wait on; if the service was started anew its queue is gone: then \
                 `jobs forget {}` and run the command again, which sends the job anew",
                key.get(..12).unwrap_or(key)
            ),
            Self::SocketLost { .. } => "running the command again sends it anew; with a journal (without --no-cache) \
                 jobs are polled and can be picked up"
                .into(),
            Self::Expired { .. } => "services keep results for an hour or so after a job is done; running the command \
                 again sends it anew"
                .into(),
            Self::Uncertain { key, .. } => format!(
                "look for it on the service; once it is certain that it does not run there, `jobs forget {}` \
                 and run the same command again",
                key.get(..12).unwrap_or(key)
            ),
            Self::Journal(_) => "free or mend the cache folder, or name another with --cache".into(),
            Self::Message { .. } => "check that the address is a service's and not a web page's".into(),
            Self::TooMuch { .. } => "ask for fewer prompts, positions or sites at a time".into(),
            Self::Frame(FrameError::TooLarge { .. }) => {
                "ask for fewer prompts, positions or sites at a time".into()
            }
            Self::Frame(FrameError::Damaged(_)) | Self::Codec(_) => AGAIN.into(),
            Self::Reply(error) => return error.hint().map(str::to_owned),
            Self::Value { .. } => "the service may hold another model than it says; see its status".into(),
            Self::Lower(error) => return error.hint(),
            Self::Disk { source, .. } if full(source) => {
                format!("free some space or set another folder for temporary files (TMPDIR); {AGAIN}")
            }
            Self::Disk { .. } => "set another folder for temporary files (TMPDIR)".into(),
            Self::Run(error) => return error.hint().map(str::to_owned),
            Self::Interrupted => return None,
        })
    }
}

/// What running the command again does: a job is spoken of where one was asked for alone.
fn again(doing: &str) -> &'static str {
    let of_job = doing.ends_with("a job") || doing.ends_with("a result");
    if of_job { AGAIN } else { "run the same command again" }
}

/// What `--listen` of a server would be, where it can be told from an address of this machine.
fn listen(host: &str) -> &str {
    match host.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => host,
        _ => "ADDRESS",
    }
}

/// Where a new key has to go so that it is used.
fn key_remedy(origin: Option<&str>) -> String {
    match origin {
        None => "set it in NDIF_API_KEY or keep it with `ndif login`".into(),
        Some("NDIF_API_KEY") => {
            "set NDIF_API_KEY to it, or unset NDIF_API_KEY and keep the key with `ndif login`".into()
        }
        Some(nnsight) if nnsight.starts_with("nnsight") => "keep it with `ndif login`".into(),
        Some(file) => format!("put it into {file}"),
    }
}

fn full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
