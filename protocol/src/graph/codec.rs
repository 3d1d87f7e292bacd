//! Canonical bytes, JSON and the content hash of a graph.

use std::io;

use bincode::config::{Configuration, Limit, LittleEndian, Varint, standard};
use bincode::error::EncodeError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Edit, Graph, Op};
use crate::{counted, limits};

/// The version of the encoding of graphs whose generations all begin at row 0.
const VERSION: u16 = 1;
/// That of others, so that a reader which knows of no rows refuses them and draws nothing wrong.
const ROWS: u16 = 2;
const GRAPH_MAGIC: [u8; 4] = *b"TNgr";
pub(super) const HEADER: usize = 6;
pub(super) const TRAILING: &str = "bytes follow the value";

/// Bytes that are not a graph or an answer.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The bytes start with something else.
    #[error("not {what}: the first bytes are {found:02x?}")]
    Magic {
        /// What the bytes should hold: a graph or an answer.
        what: &'static str,
        /// The bytes at the start.
        found: Vec<u8>,
    },
    /// Written by another version.
    #[error("encoding version {found}; this program reads version {expected}")]
    Version {
        /// The version in the bytes.
        found: u16,
        /// The only version that this program reads.
        expected: u16,
    },
    /// Larger than the cap.
    #[error("{found} bytes, the limit is {limit}; send fewer prompts or smaller constants at a time")]
    TooLarge {
        /// Bytes that the encoding has.
        found: usize,
        /// The most bytes it may have.
        limit: usize,
    },
    /// What the bytes stand for takes more memory than is allowed.
    #[error("decoded, it takes more than {limit} bytes of memory; send fewer prompts or nodes at a time")]
    Memory {
        /// The most bytes of memory that a decoded value may take.
        limit: usize,
    },
    /// The bytes end early or hold an impossible value.
    #[error("the encoding is damaged")]
    Decode(#[source] bincode::error::DecodeError),
    /// `bincode` refuses to write the value.
    #[error("can't encode")]
    Encode(#[source] EncodeError),
    /// Reading or writing the stream fails, or it ends early.
    #[error("the encoding is cut off or can't be read or written")]
    Stream(#[source] io::Error),
    /// There is more than one value, or the same value could be written shorter.
    #[error("the encoding is not canonical: {0}")]
    NotCanonical(&'static str),
    /// The text is not JSON, or not that of a graph.
    #[error("not a graph in JSON")]
    Json(#[from] serde_json::Error),
}

fn config<const LIMIT: usize>() -> Configuration<LittleEndian, Varint, Limit<LIMIT>> {
    standard().with_limit::<LIMIT>()
}

/// Writes into bytes that are there already, and notices the first that differs.
struct Same<'a>(&'a [u8]);

impl io::Write for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.strip_prefix(bytes) {
            Some(rest) => {
                self.0 = rest;
                Ok(bytes.len())
            }
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes what is written.
struct Hashed(Sha256);

impl io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn header(magic: [u8; 4], version: u16) -> [u8; HEADER] {
    let ([a, b, c, d], [low, high]) = (magic, version.to_le_bytes());
    [a, b, c, d, low, high]
}

pub(super) fn check_header(
    magic: [u8; 4],
    expected: u16,
    what: &'static str,
    [a, b, c, d, low, high]: [u8; HEADER],
) -> Result<(), CodecError> {
    if [a, b, c, d] != magic {
        return Err(CodecError::Magic { what, found: vec![a, b, c, d] });
    }
    match u16::from_le_bytes([low, high]) {
        found if found == expected => Ok(()),
        found => Err(CodecError::Version { found, expected }),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphDocument {
    version: u16,
    graph: Graph,
}

impl Graph {
    /// The version that this graph is written in.
    fn version(&self) -> u16 {
        if self.first_rows().any(|row| row != 0) { ROWS } else { VERSION }
    }

    /// Writes what follows the header.
    fn write_body(&self, version: u16, to: &mut impl io::Write) -> Result<(), EncodeError> {
        let config = config::<{ limits::GRAPH_BYTES }>();
        bincode::serde::encode_into_std_write(self, to, config)?;
        let rows = self.first_rows().filter(|_| version == ROWS);
        for row in rows {
            bincode::serde::encode_into_std_write(row, to, config)?;
        }
        Ok(())
    }

    /// The canonical bytes: equal graphs have equal bytes.
    ///
    /// # Errors
    /// When the graph is larger than [`limits::GRAPH_BYTES`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        const LIMIT: usize = limits::GRAPH_BYTES;
        let version = self.version();
        let mut bytes = header(GRAPH_MAGIC, version).to_vec();
        self.write_body(version, &mut bytes).map_err(CodecError::Encode)?;
        if bytes.len() > LIMIT {
            return Err(CodecError::TooLarge { found: bytes.len(), limit: LIMIT });
        }
        Ok(bytes)
    }

    /// Reads canonical bytes. The graph still has to be checked.
    ///
    /// # Errors
    /// When the bytes are not the canonical encoding of a graph of a version that is known.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        Self::from_bytes_within(bytes, limits::GRAPH_MEMORY)
    }

    /// [`Graph::from_bytes`] of a graph that may take so many bytes of memory, counted as it is decoded.
    ///
    /// # Errors
    /// As [`Graph::from_bytes`].
    pub fn from_bytes_within(bytes: &[u8], memory: usize) -> Result<Self, CodecError> {
        const LIMIT: usize = limits::GRAPH_BYTES;
        if bytes.len() > LIMIT {
            return Err(CodecError::TooLarge { found: bytes.len(), limit: LIMIT });
        }
        let Some((head, body)) = bytes.split_first_chunk::<HEADER>() else {
            let found = bytes.iter().copied().take(4).collect();
            return Err(CodecError::Magic { what: "a graph", found });
        };
        let [.., low, high] = *head;
        let version = if [low, high] == VERSION.to_le_bytes() { VERSION } else { ROWS };
        check_header(GRAPH_MAGIC, version, "a graph", *head)?;
        let decode = || bincode::serde::borrow_decode_from_slice(body, config::<LIMIT>());
        let decoded = counted::within(memory, decode).map_err(|_| CodecError::Memory { limit: memory })?;
        let (mut graph, used): (Self, usize) = decoded.map_err(CodecError::Decode)?;
        let mut rest = body.get(used..).unwrap_or_default();
        for row in graph.first_rows_mut().filter(|_| version == ROWS) {
            let (value, used) = bincode::serde::borrow_decode_from_slice(rest, config::<LIMIT>())
                .map_err(CodecError::Decode)?;
            *row = value;
            rest = rest.get(used..).unwrap_or_default();
        }
        if !rest.is_empty() {
            return Err(CodecError::NotCanonical(TRAILING));
        }
        if graph.version() != version {
            return Err(CodecError::NotCanonical("every generation begins at row 0, which version 1 says"));
        }
        let mut same = Same(body);
        if graph.write_body(version, &mut same).is_err() || !same.0.is_empty() {
            return Err(CodecError::NotCanonical("a number is written longer than needed"));
        }
        Ok(graph)
    }

    /// The JSON form, for people and other languages; constants are base64.
    ///
    /// # Errors
    /// When a number is not finite, which JSON can't say.
    pub fn to_json(&self) -> Result<String, CodecError> {
        let document = GraphDocument { version: self.version(), graph: self.clone() };
        Ok(serde_json::to_string(&document)?)
    }

    /// Reads the JSON form. The graph still has to be checked.
    ///
    /// # Errors
    /// When the text is not a graph of a version that is known.
    pub fn from_json(text: &str) -> Result<Self, CodecError> {
        if text.len() > 2 * limits::GRAPH_BYTES {
            return Err(CodecError::TooLarge { found: text.len(), limit: 2 * limits::GRAPH_BYTES });
        }
        let document: GraphDocument = serde_json::from_str(text)?;
        let (found, expected) = (document.version, document.graph.version());
        if found != expected {
            return Err(CodecError::Version { found, expected });
        }
        Ok(document.graph)
    }

    /// SHA-256 of what is asked whatever the prompts and doses are: the nodes without α, and how each
    /// group treats its texts. Equal for graphs that may run as one. Takes no memory of the graph's size.
    ///
    /// # Errors
    /// When a node can't be encoded.
    pub fn question_hash(&self) -> Result<[u8; 32], CodecError> {
        let mut hash = Hashed(Sha256::new());
        let config = config::<{ limits::GRAPH_BYTES }>();
        let special: Vec<bool> = self.groups.iter().map(|g| g.special_tokens).collect();
        bincode::serde::encode_into_std_write(&special, &mut hash, config).map_err(CodecError::Encode)?;
        for op in &self.nodes {
            let bare = match op {
                Op::Write { group, site, positions, steps, edit: Edit::Add { direction, unit, .. } } => {
                    let edit = Edit::Add { direction: *direction, alpha: Vec::new(), unit: *unit };
                    let (group, site, positions, steps) = (*group, *site, *positions, *steps);
                    Some(Op::Write { group, site, positions, steps, edit })
                }
                _ => None,
            };
            bincode::serde::encode_into_std_write(bare.as_ref().unwrap_or(op), &mut hash, config)
                .map_err(CodecError::Encode)?;
        }
        Ok(hash.0.finalize().into())
    }

    /// SHA-256 of the canonical bytes.
    ///
    /// # Errors
    /// When the graph is larger than [`limits::GRAPH_BYTES`].
    pub fn content_hash(&self) -> Result<[u8; 32], CodecError> {
        Ok(Sha256::digest(self.to_bytes()?).into())
    }
}
