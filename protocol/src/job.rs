//! The life of a job on a service: what is sent along with a payload, and what comes back about it.
//!
//! NDIF services and truenorth's own server speak the same messages; only the payload differs.

use serde::{Deserialize, Serialize};

/// The stage of a job, by the names that services use.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum JobStatus {
    /// The service has written it down.
    Received,
    /// It waits for its turn.
    Queued,
    /// A machine is being found for its model.
    Provisioning,
    /// The model's weights are being loaded.
    Deploying,
    /// It was handed to its model.
    Dispatched,
    /// The model computes it.
    Running,
    /// It is done; the answer is to be had.
    Completed,
    /// It ended without an answer; the description says why.
    Error,
    /// Not a stage: a line that the job printed.
    Log,
    /// A stage that this version does not know.
    Other(String),
}

impl JobStatus {
    /// Whether nothing more will come.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Error)
    }

    /// The name that services use, such as `RUNNING`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Received => "RECEIVED",
            Self::Queued => "QUEUED",
            Self::Provisioning => "PROVISIONING",
            Self::Deploying => "DEPLOYING",
            Self::Dispatched => "DISPATCHED",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Error => "ERROR",
            Self::Log => "LOG",
            Self::Other(name) => name,
        }
    }
}

impl From<JobStatus> for String {
    fn from(status: JobStatus) -> Self {
        status.as_str().to_owned()
    }
}

impl From<String> for JobStatus {
    fn from(name: String) -> Self {
        let known = [
            Self::Received,
            Self::Queued,
            Self::Provisioning,
            Self::Deploying,
            Self::Dispatched,
            Self::Running,
            Self::Completed,
            Self::Error,
            Self::Log,
        ];
        known.into_iter().find(|s| s.as_str() == name).unwrap_or(Self::Other(name))
    }
}

/// What is known of a job: the answer to submitting it, each text frame of the socket, and the
/// answer to polling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// The id that the service gave the job.
    pub id: String,
    /// The stage it has reached.
    pub status: JobStatus,
    /// For people: place in the queue, traceback, printed line.
    #[serde(default)]
    pub description: String,
    /// With `COMPLETED`, where the answer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
    /// More about the job, not understood here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<serde_json::Value>,
}

/// The form field `data` beside a payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The service's name of the model; for NDIF the text form of a [`ModelKey`](crate::nnsight::ModelKey).
    pub model_key: String,
    /// The socket that wants to hear of the job; empty for none.
    #[serde(default)]
    pub session_id: String,
    /// Whether payload and answer are zstd-compressed.
    #[serde(default)]
    pub compress: bool,
    /// Versions of what made the payload.
    #[serde(default)]
    pub env: serde_json::Value,
}

/// First text frame of a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFrame {
    /// What [`Envelope::session_id`] has to be for this socket to hear of a job.
    pub session_id: String,
}

/// Body of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalBody {
    /// Why the service refuses, for people.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_reads_with_and_without_its_optional_parts() {
        let read = |s: &str| serde_json::from_str::<Update>(s).unwrap();
        let short = read(r#"{"id": "a", "status": "QUEUED"}"#);
        assert_eq!((short.status, short.description.as_str(), short.data), (JobStatus::Queued, "", None));
        let null =
            read(r#"{"id": "a", "status": "LOG", "description": "hi", "data": null, "meta": {"x": 1}}"#);
        assert_eq!((null.status.is_final(), null.data), (false, None));
        assert_eq!(read(r#"{"id": "a", "status": "THAWING"}"#).status, JobStatus::Other("THAWING".into()));
    }

    #[test]
    fn every_status_keeps_its_name() {
        for name in [
            "RECEIVED",
            "QUEUED",
            "PROVISIONING",
            "DEPLOYING",
            "DISPATCHED",
            "RUNNING",
            "COMPLETED",
            "ERROR",
            "LOG",
            "NEW",
        ] {
            assert_eq!(String::from(JobStatus::from(name.to_owned())), name);
        }
    }
}
