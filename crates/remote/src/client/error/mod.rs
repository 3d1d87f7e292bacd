//! What can go wrong between here and a service, and what to do about it.

mod hint;

use std::io;
use std::time::Duration;

use truenorth_protocol::frame::FrameError;
use truenorth_protocol::graph::CodecError;
use truenorth_protocol::nnsight::{LowerError, ReplyError};
use truenorth_protocol::torch_file::TorchFileError;

use truenorth_protocol::journal::JournalError;
use truenorth_protocol::run::RunError;

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
        /// What is wrong with the address.
        why: &'static str,
    },
    /// The key is empty, or holds what no header takes.
    #[error("the API key is empty or holds characters that no key has")]
    Key,
    /// Something that the client needs can't be made.
    #[error("can't set up {what}")]
    Setup {
        /// What can't be made, in words.
        what: &'static str,
        /// The error underneath.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No connection; nothing was sent.
    #[error("can't reach {host}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What was asked at that moment, for people.
        doing: &'static str,
        /// The error of the connection, where there is one.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// A connection that ended early.
    #[error("the connection to {host} broke while {doing}")]
    Broken {
        /// Host and port.
        host: String,
        /// What was asked at that moment, for people.
        doing: &'static str,
        /// The error of the connection, where there is one.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// A peer that says nothing, or a byte now and then.
    #[error("{host} sent {bytes} bytes in {} s while {doing}, too few to wait for", waited.as_secs_f32())]
    Slow {
        /// Host and port.
        host: String,
        /// What was asked at that moment, for people.
        doing: &'static str,
        /// Bytes that came.
        bytes: u64,
        /// How long these took to come.
        waited: Duration,
    },
    /// The key is missing, wrong, or not allowed to do this.
    #[error("the service refuses {}{}: {detail}", if *with_key { "this API key" } else { "to work without an API key" },
        from_text(origin.as_ref()))]
    Unauthorized {
        /// Whether a key was sent.
        with_key: bool,
        /// Where the key came from, where that is known.
        origin: Option<String>,
        /// The service's own words.
        detail: String,
    },
    /// The key has not the form that the service gives its keys.
    #[error("the service can't take the API key{}: it has not the form of one", from_text(origin.as_ref()))]
    KeyFormat {
        /// Where the key came from, where that is known.
        origin: Option<String>,
    },
    /// The key has the right form, and the service has none such.
    #[error("the service does not know the API key{}: {detail}", from_text(origin.as_ref()))]
    KeyUnknown {
        /// Where the key came from, where that is known.
        origin: Option<String>,
        /// The service's own words.
        detail: String,
    },
    /// A service of a time before this wire.
    #[error("the service runs {version}, which speaks an older wire than this program; nothing was sent")]
    OldService {
        /// The version that it names, in words.
        version: String,
    },
    /// The service did not gather what it was asked for in time.
    #[error("the service did not find out in time: {detail}")]
    Gathering {
        /// The service's own words.
        detail: String,
    },
    /// The service wants another version of its client.
    #[error("the service refuses this version: {detail}")]
    Version {
        /// The service's own words.
        detail: String,
    },
    /// More than the service takes at once.
    #[error("the service finds the job of {bytes} bytes too large: {detail}")]
    PayloadTooLarge {
        /// Bytes of the payload that was sent.
        bytes: u64,
        /// The service's own words.
        detail: String,
    },
    /// The service has no room, and did not take the job.
    #[error("the service is busy ({status}): {detail}")]
    Busy {
        /// 429 or 503.
        status: u16,
        /// The service's own words.
        detail: String,
        /// When it wants to be asked again, where it said so.
        after: Option<Duration>,
    },
    /// The service refused for another reason.
    #[error("the service answered {status} while {doing}: {detail}")]
    Refused {
        /// The HTTP status of the answer.
        status: u16,
        /// What was asked, for people.
        doing: &'static str,
        /// The service's own words.
        detail: String,
    },
    /// An address that leads elsewhere, where the key must not go.
    #[error("{from} leads to {to}, which is not followed while {doing}")]
    Redirect {
        /// Host that was asked.
        from: String,
        /// Scheme and host that it leads to.
        to: String,
        /// What was asked, for people.
        doing: &'static str,
    },
    /// The model that was asked for is not up.
    #[error("{model} is {state} on the service{}", near_text(near))]
    ModelDown {
        /// Name of the model that was asked for.
        model: String,
        /// The state that the service names, in words.
        state: String,
        /// Models that are up, the nearest names first.
        near: Vec<String>,
    },
    /// The service's model is not the one whose configuration was read here.
    #[error("{model} on the service is another model than the configuration read here describes: {}", differences.join("; "))]
    OtherConfig {
        /// Name of the model that was asked for.
        model: String,
        /// What the two say otherwise, a part of a sentence each.
        differences: Vec<String>,
    },
    /// The queue could not bring up the model of a job.
    #[error("job {id} was given up by the service: {detail}{}", near_text(near))]
    NotDeployed {
        /// The service's id of the job.
        id: String,
        /// The service's own words.
        detail: String,
        /// Models that are up, the nearest names first.
        near: Vec<String>,
    },
    /// Another model than the one that was expected.
    #[error("the job was made for {wanted}, and this client speaks to {found}")]
    OtherService {
        /// The service and model that the job was made for.
        wanted: String,
        /// The service and model that this client speaks to.
        found: String,
    },
    /// The service ran the job, which failed.
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
        /// How long the service was asked for it.
        waited: Duration,
    },
    /// A job of which nothing new is heard. It may still be there.
    #[error("nothing new was heard of job {id} for {} min; it is {stage}", waited.as_secs() / 60)]
    Stalled {
        /// The job's key in the journal.
        key: String,
        /// The service's id of the job.
        id: String,
        /// The service's last words about the job.
        stage: String,
        /// How long nothing new was heard.
        waited: Duration,
    },
    /// The socket ended on which alone the service tells of the job.
    #[error(
        "the socket of job {id} closed before the answer came; the service tells a job that has a socket nowhere \
         else, so its answer is lost"
    )]
    SocketLost {
        /// The service's id of the job.
        id: String,
    },
    /// The job is done, and its result no longer kept.
    #[error("the result of job {id} is gone from where the service kept it ({detail}); it is lost")]
    Expired {
        /// The service's id of the job.
        id: String,
        /// What the place of the result said.
        detail: String,
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
        /// What was asked, for people.
        doing: &'static str,
        /// The error of the JSON reader, where there is one.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// More than is allowed.
    #[error("{what} has more than {limit} bytes, the most that is allowed")]
    TooMuch {
        /// What is too large, in words.
        what: &'static str,
        /// The most bytes that are taken.
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
        /// Name under which the graph saves the value.
        name: String,
        /// Type and shape that the graph gives it.
        expected: String,
        /// Type and shape that came.
        found: String,
    },
    /// A graph that the service can't run.
    #[error("the graph can't be sent")]
    Lower(#[from] LowerError),
    /// A result that can't be kept while it comes in.
    #[error("can't keep the result in a file in {folder}")]
    Disk {
        /// Folder of the temporary file.
        folder: String,
        /// The error of the system.
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

fn from_text(origin: Option<&String>) -> String {
    origin.map_or_else(String::new, |origin| format!(" from {origin}"))
}

fn near_text(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; up are {}", near.join(", ")) }
}

impl ClientError {
    /// Whether the request was at fault, so that nothing was run.
    #[must_use]
    pub fn is_request(&self) -> bool {
        match self {
            Self::Url { .. }
            | Self::Key
            | Self::Unauthorized { .. }
            | Self::KeyFormat { .. }
            | Self::KeyUnknown { .. }
            | Self::OldService { .. }
            | Self::Version { .. }
            | Self::PayloadTooLarge { .. }
            | Self::ModelDown { .. }
            | Self::OtherConfig { .. }
            | Self::OtherService { .. }
            | Self::Lower(_)
            | Self::Refused { status: 400 | 422, .. } => true,
            Self::Run(error) => error.is_request(),
            _ => false,
        }
    }

    /// Whether the service can't take work for the model now, so that another place could.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::ModelDown { .. }
                | Self::NotDeployed { .. }
                | Self::OldService { .. }
                | Self::Busy { .. }
                | Self::Gathering { .. }
                | Self::Stalled { .. }
                | Self::Lost { .. }
        )
    }

    /// Whether the answer of a job that was sent can never be had any more.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::SocketLost { .. } | Self::Expired { .. })
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
