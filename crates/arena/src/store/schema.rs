//! The tables, and connections to them.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// "TNAR": tells our files from those of other programs.
const APPLICATION_ID: i64 = 0x544e_4152;
/// The newest schema that is read and written.
const VERSION: i64 = 1;
/// How long another process is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// `at` and `scored_at` are in seconds since 1970; `client` is a keyed hash of an address, never the address; `low` is the
/// score by which an entry is at the low end; `along` are 32-bit shifts, a probe each; `origin` is where an entry of another
/// season or board comes from.
const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    handle TEXT NOT NULL,
    text TEXT NOT NULL,
    kind TEXT,
    tokens INTEGER,
    consent TEXT,
    at INTEGER NOT NULL,
    client TEXT,
    origin TEXT UNIQUE,
    state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'scored', 'failed')),
    batch INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    score REAL, low REAL, score_alt REAL, z REAL, coherence REAL, shift_norm REAL, p_random REAL,
    along BLOB,
    scored_at INTEGER,
    hidden INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX by_score ON entries (score DESC, id) WHERE state = 'scored' AND hidden = 0;
CREATE INDEX by_low ON entries (low, id) WHERE state = 'scored' AND hidden = 0;
CREATE INDEX waiting ON entries (id) WHERE state = 'queued';
CREATE INDEX by_client ON entries (client, at);
CREATE INDEX by_time ON entries (at, client);
CREATE INDEX by_batch ON entries (batch);
CREATE TABLE actions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL, what TEXT NOT NULL, entry INTEGER, why TEXT NOT NULL
) STRICT;
";

/// Makes a database with its tables.
pub(super) fn create(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

/// Opens a database to write.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(PATIENCE)?;
    known(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What was accepted is on disk before it is said, also if the machine loses power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens a database to read.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(PATIENCE)?;
    known(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Refuses a file of another program, or of a newer version.
fn known(connection: &Connection) -> rusqlite::Result<()> {
    let said = |name: &str| connection.pragma_query_value(None, name, |r| r.get::<_, i64>(0));
    let (id, version) = (said("application_id")?, said("user_version")?);
    if (id, version) == (APPLICATION_ID, VERSION) {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB),
        Some(format!(
            "it is no season of this version: application {id:#x}, schema {version}, expected {APPLICATION_ID:#x} and {VERSION}"
        )),
    ))
}
