//! What is written down of a job.

use serde::{Deserialize, Serialize};
pub(super) use truenorth_protocol::clock::millis as now;
use uuid::Uuid;

use super::auth::ClientId;
use truenorth_files::sha256_hex;

/// The version of the record; others are left alone, but for the one before.
pub(super) const VERSION: u32 = 2;
/// The version that had no hash.
const UNSEALED: u32 = 1;

/// How a job stands on disk. Waiting and running are the same there: both start anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordedState {
    /// Its payload is there, its answer is not.
    Pending,
    Completed,
    /// It failed or was cancelled.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerFile {
    pub bytes: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// A job as `job.json` holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobRecord {
    pub version: u32,
    #[serde(with = "as_text")]
    pub id: Uuid,
    pub client: ClientId,
    pub idempotency_key: Option<String>,
    /// SHA-256 in hex of what was asked.
    pub asked: String,
    /// Name, revision and numeric path of the model it was checked against.
    pub model: [String; 3],
    pub payload: String,
    /// Whether the answer is to be compressed.
    pub compress: bool,
    /// When it came, in milliseconds since 1970.
    pub received: u64,
    /// When it ended, in milliseconds since 1970.
    pub finished: Option<u64>,
    pub state: RecordedState,
    pub description: String,
    pub answer: Option<AnswerFile>,
}

/// A record with its hash, so that a flipped bit is not taken for what a job was told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedRecord<R> {
    /// SHA-256 in hex of the record as [`serde_json::to_vec`] writes it.
    sha256: String,
    record: R,
}

impl JobRecord {
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec_pretty(&SealedRecord {
            sha256: sha256_hex(&serde_json::to_vec(self)?),
            record: self,
        })
    }

    /// Reads a `job.json`; says, too, whether it is of the version without a hash, and to be written anew.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(text: &[u8]) -> Result<(Self, bool), String> {
        let other = |version| format!("job.json has version {version}, expected {VERSION}");
        let wrong = match serde_json::from_slice::<SealedRecord<Self>>(text) {
            Ok(SealedRecord { sha256: expected, record }) => {
                let found = sha256_hex(&serde_json::to_vec(&record).map_err(|e| e.to_string())?);
                return if found != expected {
                    Err(format!(
                        "job.json is damaged: its SHA-256 is {found}, that of what was written {expected}"
                    ))
                } else if record.version == VERSION {
                    Ok((record, false))
                } else {
                    Err(other(record.version))
                };
            }
            Err(e) => format!("job.json is not a job: {e}"),
        };
        let mut record: Self = serde_json::from_slice(text).map_err(|_| wrong)?;
        if record.version != UNSEALED {
            return Err(other(record.version));
        }
        record.version = VERSION;
        Ok((record, true))
    }
}

/// An id as people and URLs write it.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use uuid::Uuid;

    pub fn serialize<S: Serializer>(id: &Uuid, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(id)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Uuid, D::Error> {
        Uuid::try_parse(&String::deserialize(d)?).map_err(de::Error::custom)
    }
}
