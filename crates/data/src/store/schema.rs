//! Opening the database file, and the tables in it.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;
use super::error::explain;

/// "TRNO": tells our files from those of other programs.
pub(super) const APPLICATION_ID: i64 = 0x5452_4e4f;

/// The newest schema this program reads and writes.
pub(super) const VERSION: i64 = 2;

/// 16 KiB pages: a hidden state is 2 to 32 KiB, and in the default 4 KiB pages a row just over
/// half a page would waste the other half.
const PAGE_SIZE: i64 = 16_384;

/// Payloads live in a table of their own so that the table of entries stays small enough to scan
/// for statistics and for the least recently used. Of an entry, `kind` is 0 for an activation and
/// 1 for a result; `used` is in seconds since 1970.
const TABLES: &str = "
CREATE TABLE contexts (
    id INTEGER PRIMARY KEY,
    model TEXT NOT NULL, revision TEXT NOT NULL, dtype TEXT NOT NULL,
    path TEXT NOT NULL, site TEXT NOT NULL, positions TEXT NOT NULL,
    UNIQUE (model, revision, dtype, path, site, positions)
) STRICT;
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    context INTEGER NOT NULL,
    rows INTEGER NOT NULL, width INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sum BLOB NOT NULL,
    used INTEGER NOT NULL
) STRICT;
CREATE TABLE payloads (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
";

/// Since version 2. `model` is JSON; times are in seconds since 1970.
const JOBS: &str = "
CREATE TABLE jobs (
    key TEXT PRIMARY KEY,
    id TEXT, service TEXT NOT NULL, wire TEXT NOT NULL, model TEXT NOT NULL,
    graph BLOB NOT NULL, state TEXT NOT NULL, note TEXT NOT NULL,
    created INTEGER NOT NULL, changed INTEGER NOT NULL
) STRICT;
";

/// Opens `file` and brings it to the current schema.
pub(super) fn open(file: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let started = Instant::now();
    // SQLite gives its other files the mode of this one.
    make_private(file);
    loop {
        let attempt = Connection::open(file)
            .map_err(|source| explain(source, Some(file), busy_timeout))
            .and_then(|connection| prepare(connection, Some(file), busy_timeout));
        match attempt {
            // Two processes that switch a new file to the write-ahead log at once are refused
            // without SQLite's own wait for locks, so the wait is here.
            Err(StoreError::Locked { .. }) if started.elapsed() < busy_timeout => {
                sleep(Duration::from_millis(20));
            }
            done => {
                if done.is_ok() {
                    tighten(file);
                }
                return done;
            }
        }
    }
}

/// Makes a file that only its owner can read, where there is none: prompts and their activations are
/// nobody else's business. What can't be made is named when it is opened.
fn make_private(file: &Path) {
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(file);
}

/// Takes from others what earlier versions let them read. A file that can't be changed stays as it is.
fn tighten(file: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if std::fs::metadata(file).is_ok_and(|m| m.permissions().mode() & 0o077 != 0) {
            let _ = std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600));
        }
    }
    #[cfg(not(unix))]
    let _ = file;
}

pub(super) fn in_memory() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory().map_err(|source| explain(source, None, Duration::ZERO))?;
    prepare(connection, None, Duration::ZERO)
}

fn prepare(
    mut connection: Connection,
    file: Option<&Path>,
    busy_timeout: Duration,
) -> Result<Connection, StoreError> {
    let explain = |source| explain(source, file, busy_timeout);
    connection.busy_timeout(busy_timeout).map_err(explain)?;
    // Before anything is written to it: a foreign file must stay as it was.
    // In one transaction: a look at the id before and at the tables after another process has
    // created them would take its cache for somebody else's.
    let glance = connection.transaction().map_err(explain)?;
    let version = check_identity(&glance, file, busy_timeout)?;
    glance.finish().map_err(explain)?;
    // SQLite quietly opens a write-protected file for reading alone.
    if connection.is_readonly("main").map_err(explain)? {
        return Err(StoreError::ReadOnly {
            path: file.map(Path::to_owned).unwrap_or_default(),
            source: None,
        });
    }
    // These two only act on a file without tables.
    connection.pragma_update(None, "page_size", PAGE_SIZE).map_err(explain)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(explain)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(explain)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(explain)?;
    if version == VERSION {
        return Ok(connection);
    }
    let write = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(explain)?;
    // Again, now that no other process can be creating the tables at the same moment.
    let found = check_identity(&write, file, busy_timeout)?;
    if found == 0 {
        write.execute_batch(TABLES).map_err(explain)?;
        write.pragma_update(None, "application_id", APPLICATION_ID).map_err(explain)?;
    }
    if found < VERSION {
        write.execute_batch(JOBS).map_err(explain)?;
        write.pragma_update(None, "user_version", VERSION).map_err(explain)?;
    }
    write.commit().map_err(explain)?;
    Ok(connection)
}

/// The schema version of a database that is ours, 0 for an empty one.
fn check_identity(
    connection: &Connection,
    file: Option<&Path>,
    busy_timeout: Duration,
) -> Result<i64, StoreError> {
    let pragma = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(|source| explain(source, file, busy_timeout))
    };
    let path = || file.map(Path::to_owned).unwrap_or_default();
    let found = pragma("application_id")?;
    let version = pragma("user_version")?;
    if found == APPLICATION_ID {
        if version > VERSION {
            return Err(StoreError::NewerSchema { path: path(), found: version, supported: VERSION });
        }
        return Ok(version);
    }
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|source| explain(source, file, busy_timeout))?;
    if found != 0 || version != 0 || tables != 0 {
        return Err(StoreError::Foreign { path: path(), found, expected: APPLICATION_ID });
    }
    Ok(0)
}
