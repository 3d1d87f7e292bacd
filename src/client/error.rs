//! What can go wrong between here and a service, and what to do about it.

use std::io;
use std::time::Duration;

use truenorth_protocol::frame::FrameError;
use truenorth_protocol::graph::CodecError;
use truenorth_protocol::nnsight::{LowerError, ReplyError};
use truenorth_protocol::torch_file::TorchFileError;

use crate::jobs::JournalError;
use crate::run::RunError;

/// Why a service gave no answer. [`ClientError::hint`] says how to get past it. No variant holds the
/// API key or the query of a URL, which may be a signature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is none that can be asked.
    #[error("`{url}` is no address of a service: {why}")]
    Url {
        /// The address, without user and password.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The key can't be sent.
    #[error("the API key is empty or holds characters that no key has")]
    Key,
    /// The client can't be set up.
    #[error("can't set up {what}")]
    Setup {
        /// What was being set up.
        what: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No connection; nothing was sent.
    #[error("can't reach {host}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the system said.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// A connection that ended early.
    #[error("the connection to {host} broke while {doing}")]
    Broken {
        /// Host and port.
        host: String,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// A peer that says nothing, or a byte now and then.
    #[error("{host} sent {bytes} bytes in {} s while {doing}, too few to wait for", waited.as_secs_f32())]
    Slow {
        /// Host and port.
        host: String,
        /// What was being done.
        doing: &'static str,
        /// Bytes that came.
        bytes: u64,
        /// In which time.
        waited: Duration,
    },
    /// The key is missing, wrong, or not allowed to do this.
    #[error("the service refuses {}: {detail}", if *with_key { "this API key" } else { "to work without an API key" })]
    Unauthorized {
        /// Whether a key was sent.
        with_key: bool,
        /// What the service said.
        detail: String,
    },
    /// The service wants another version of its client.
    #[error("the service refuses this version: {detail}")]
    Version {
        /// What the service said.
        detail: String,
    },
    /// More than the service takes at once.
    #[error("the service finds the job of {bytes} bytes too large: {detail}")]
    PayloadTooLarge {
        /// Bytes sent.
        bytes: u64,
        /// What the service said.
        detail: String,
    },
    /// The service has no room, and did not take the job.
    #[error("the service is busy ({status}): {detail}")]
    Busy {
        /// 429 or 503.
        status: u16,
        /// What the service said.
        detail: String,
        /// When it wants to be asked again, where it said so.
        after: Option<Duration>,
    },
    /// Another refusal.
    #[error("the service answered {status} while {doing}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What was being done.
        doing: &'static str,
        /// What the service said.
        detail: String,
    },
    /// An address that leads elsewhere, where the key must not go.
    #[error("{from} leads to {to}, which is not followed while {doing}")]
    Redirect {
        /// Host that was asked.
        from: String,
        /// Scheme and host that it leads to.
        to: String,
        /// What was being done.
        doing: &'static str,
    },
    /// The wanted model can't be asked.
    #[error("{model} is {state} on the service{}", near_text(near))]
    ModelDown {
        /// The wanted model.
        model: String,
        /// What the service says of it.
        state: String,
        /// Models that are up, the nearest names first.
        near: Vec<String>,
    },
    /// Another model than the one that was expected.
    #[error("the job was made for {wanted}, and this client speaks to {found}")]
    OtherService {
        /// What the job says.
        wanted: String,
        /// What is here.
        found: String,
    },
    /// The job failed on the service.
    #[error("job {id} failed on the service: {traceback}")]
    Job {
        /// The service's id of the job.
        id: String,
        /// What the service said, the traceback as a rule.
        traceback: String,
    },
    /// The service does not know the job any more.
    #[error("the service has not known job {id} for {} s; it is lost", waited.as_secs())]
    Lost {
        /// The service's id of the job.
        id: String,
        /// How long it was asked.
        waited: Duration,
    },
    /// A job that may or may not be on the service.
    #[error("whether the service has the job {key} is not known; it is not sent a second time")]
    Uncertain {
        /// The job's key in the journal.
        key: String,
        /// What happened while it was sent, unless that was another process.
        #[source]
        source: Option<Box<ClientError>>,
    },
    /// The journal does not take the job, so it was not sent.
    #[error("can't use the journal of jobs; nothing was sent")]
    Journal(#[source] JournalError),
    /// A message that is none of those expected.
    #[error("the service's answer while {doing} is not understood")]
    Message {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// More than is allowed.
    #[error("{what} has more than {limit} bytes, the most that is allowed")]
    TooMuch {
        /// What is too large.
        what: &'static str,
        /// The cap.
        limit: u64,
    },
    /// Part of a result.
    #[error("the result ended after {got} of {} bytes", expected.map_or_else(|| "an unknown number of".to_owned(), |n| n.to_string()))]
    Half {
        /// Bytes that came.
        got: u64,
        /// Bytes that were announced.
        expected: Option<u64>,
    },
    /// A result that can't be unpacked.
    #[error("the result is damaged")]
    Frame(#[from] FrameError),
    /// A result that is no answer.
    #[error("the result is no answer")]
    Codec(#[from] CodecError),
    /// A reply that is no answer.
    #[error("the result is no answer")]
    Reply(#[from] ReplyError),
    /// An answer to something else.
    #[error("value `{name}` of the answer is {found}; expected {expected}")]
    Value {
        /// Its name.
        name: String,
        /// What the graph says it is.
        expected: String,
        /// What came.
        found: String,
    },
    /// A graph that the service can't run.
    #[error("the graph can't be sent")]
    Lower(#[from] LowerError),
    /// Tokens that the model has no room for, or that can't be made.
    #[error("{0}")]
    Prompt(String),
    /// A result that can't be kept while it comes in.
    #[error("can't keep the result in a file in {folder}")]
    Disk {
        /// Folder of the temporary file.
        folder: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something else of a run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Ended by the user. The job runs on, and is in the journal.
    #[error("interrupted")]
    Interrupted,
}

fn near_text(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; up are {}", near.join(", ")) }
}

const AGAIN: &str = "run the same command again: a job that was sent is picked up, not sent again";

impl ClientError {
    /// The remedy, in one line.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Url { .. } => "give a URL such as http://127.0.0.1:8000, the key apart from it".into(),
            Self::Key => "copy the key again, without quotes".into(),
            Self::Setup { .. } => "check the system's certificates and limits".into(),
            Self::Unreachable { .. } => format!("check the address and the network, then {AGAIN}"),
            Self::Broken { .. } | Self::Slow { .. } | Self::Half { .. } => AGAIN.into(),
            Self::Unauthorized { with_key: false, .. } => "set a key (NDIF_API_KEY, or `ndif login`)".into(),
            Self::Unauthorized { with_key: true, .. } => {
                "check the key with `ndif whoami`, or set another with `ndif login`".into()
            }
            Self::Version { .. } => "update truenorth, or ask whoever runs the service".into(),
            Self::PayloadTooLarge { .. } => "send fewer prompts or smaller constants at a time".into(),
            Self::Busy { after: Some(after), .. } => {
                format!("nothing was taken; run the same command again in {} s", after.as_secs().max(1))
            }
            Self::Busy { after: None, .. } => "nothing was taken; run the same command again later".into(),
            Self::Refused { status: 404, .. } => "check the address; `ndif status` lists the models".into(),
            Self::Refused { .. } => AGAIN.into(),
            Self::Redirect { .. } => {
                "give the address that it leads to, if you trust it with your key".into()
            }
            Self::ModelDown { .. } => {
                "`ndif status` lists all models; wait until it is up, or take another".into()
            }
            Self::OtherService { .. } => "open the service and the model that the job names".into(),
            Self::Job { .. } => "the traceback says why; running the command again sends the job anew".into(),
            Self::Lost { .. } => {
                "services keep jobs for a while only; running the command again sends it anew".into()
            }
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
            Self::Lower(error) => return error.hint().map(str::to_owned),
            Self::Disk { source, .. } if full(source) => {
                format!("free some space or set another folder for temporary files (TMPDIR); {AGAIN}")
            }
            Self::Disk { .. } => "set another folder for temporary files (TMPDIR)".into(),
            Self::Run(error) => return error.hint().map(str::to_owned),
            Self::Prompt(_) | Self::Interrupted => return None,
        })
    }

    /// Whether the request was at fault, so that nothing was run.
    #[must_use]
    pub fn is_request(&self) -> bool {
        match self {
            Self::Url { .. }
            | Self::Key
            | Self::Unauthorized { .. }
            | Self::Version { .. }
            | Self::PayloadTooLarge { .. }
            | Self::ModelDown { .. }
            | Self::OtherService { .. }
            | Self::Lower(_)
            | Self::Prompt(_)
            | Self::Refused { status: 400 | 422, .. } => true,
            Self::Run(error) => error.is_request(),
            _ => false,
        }
    }

    /// Whether the same question may be answered a moment later.
    pub(super) fn passes(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Broken { .. }
                | Self::Slow { .. }
                | Self::Half { .. }
                | Self::Busy { .. }
        ) || matches!(self, Self::Refused { status: 408 | 500 | 502 | 504, .. })
    }

    /// Whether the bytes of a result were damaged on their way, so that fetching them again helps.
    pub(super) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Frame(FrameError::Damaged(_))
                | Self::Codec(CodecError::Decode(_) | CodecError::Magic { .. } | CodecError::Stream(_))
                | Self::Half { .. }
                | Self::Reply(ReplyError::File(TorchFileError::NotZip(_) | TorchFileError::Member { .. }))
        )
    }
}

fn full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

impl From<ClientError> for RunError {
    fn from(error: ClientError) -> Self {
        let hint = error.hint();
        match error {
            ClientError::Interrupted => Self::Interrupted,
            ClientError::Run(inner) => inner,
            error if error.is_request() => {
                let mut what = error.to_string();
                let mut cause = std::error::Error::source(&error);
                while let Some(inner) = cause {
                    what = format!("{what}: {inner}");
                    cause = inner.source();
                }
                Self::Request { what, hint }
            }
            error => Self::Failed {
                what: "the service gave no answer".into(),
                source: Some(Box::new(error)),
                hint,
            },
        }
    }
}
