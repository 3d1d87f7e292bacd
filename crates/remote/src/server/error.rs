//! Why a server can't start or go on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server can't start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Anybody on the network could use it.
    #[error("{listen} can be reached from other machines and no API key is asked for")]
    Exposed {
        /// The address that was asked for.
        listen: SocketAddr,
    },
    /// Anybody on the network could come.
    #[error("{listen} can be reached from other machines")]
    Unasked {
        /// The address that was asked for.
        listen: SocketAddr,
    },
    /// The address can't be listened on.
    #[error("can't listen on {listen}")]
    Listen {
        /// The address that was asked for.
        listen: SocketAddr,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A file of keys can't be read.
    #[error("can't read API keys from {}", path.display())]
    KeyFile {
        /// The file of keys.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// A line of a file of keys is not a key. The line itself is never shown.
    #[error("line {line} of the API keys{} {problem}", path.as_ref().map_or_else(String::new, |p| format!(" in {}", p.display())))]
    Key {
        /// The file of keys; none where they come from elsewhere.
        path: Option<PathBuf>,
        /// Line, from 1.
        line: usize,
        /// What is wrong, to follow the line's number.
        problem: &'static str,
    },
    /// A file of keys without keys, which would let nobody in.
    #[error("no API key in {}", path.display())]
    NoKeys {
        /// The file of keys.
        path: PathBuf,
    },
    /// A file of secrets that others could change.
    #[error("{} {problem}", path.display())]
    Writable {
        /// The file of secrets.
        path: PathBuf,
        /// Who can change it, to follow the path.
        problem: &'static str,
    },
    /// A certificate or its key can't be used.
    #[error("can't use {} for TLS", path.display())]
    Tls {
        /// The file of the certificate or of its key.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The folder holds other things than jobs.
    #[error("{} is no spool: {problem}", path.display())]
    Foreign {
        /// The folder that was named.
        path: PathBuf,
        /// What lies in it, or whose it is.
        problem: String,
    },
    /// Another server works in the same spool.
    #[error("the spool {} is used by another server", path.display())]
    SpoolInUse {
        /// The folder of the spool.
        path: PathBuf,
    },
    /// A file of the spool can't be read or written.
    #[error("can't {doing} {}", path.display())]
    Spool {
        /// What was tried, such as `write`.
        doing: &'static str,
        /// The file or folder of the spool.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// Accepting connections failed.
    #[error("the server stopped")]
    Serve(#[source] io::Error),
}

impl ServerError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Exposed { .. } => {
                "ask for keys with --api-key-file F, or let everybody in with --open, or listen on 127.0.0.1"
            }
            Self::Unasked { .. } => {
                "listen on 127.0.0.1, or let everybody in with --open, and put a server with TLS in front"
            }
            Self::Listen { .. } => "name another address or port; port 0 takes a free one",
            Self::Key { .. } | Self::NoKeys { .. } => {
                "write one key of visible ASCII characters a line, with a name behind it if you like"
            }
            Self::SpoolInUse { .. } => "stop that server, or name another folder with --spool",
            Self::Spool { .. } => "see that the folder can be written to and the disk has space",
            Self::Writable { .. } => {
                "make it your own and writable by nobody else: chmod 600 for a file, chmod go-w for a folder"
            }
            Self::Tls { .. } => {
                "name PEM files: --tls-cert with the chain, the server's own first, --tls-key with its key"
            }
            Self::Foreign { .. } => "name a new or empty folder with --spool",
            Self::KeyFile { .. } => "name a text file that you may read",
            Self::Serve(_) => return None,
        })
    }

    /// Whether the request was at fault, so that nothing was started.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(
            self,
            Self::Exposed { .. }
                | Self::Unasked { .. }
                | Self::KeyFile { .. }
                | Self::Key { .. }
                | Self::NoKeys { .. }
                | Self::Writable { .. }
                | Self::Tls { .. }
                | Self::Foreign { .. }
        )
    }
}
