//! News of long work, for whoever draws it.

use std::sync::Arc;

/// The kind of work that is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressStage {
    /// Another process is fetching the same model.
    Waiting,
    /// Bytes come over the network.
    Downloading,
    /// A file is taken out of its archive.
    Unpacking,
    /// Parts are put together.
    Assembling,
    /// A file is read for its checksum.
    Hashing,
}

/// How far one download, copy or check has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The kind of work.
    pub stage: ProgressStage,
    /// To which file, package or model.
    pub item: String,
    /// Bytes that are done.
    pub done: u64,
    /// Bytes there are; 0 when unknown.
    pub total: u64,
}

/// Called with every piece of news, possibly from another thread. Must not block.
pub type ProgressFn = Arc<dyn Fn(&Progress) + Send + Sync>;
