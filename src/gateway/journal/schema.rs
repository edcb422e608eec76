//! The journal's tables, which the `sqlite3` tool can read too, and the opening of a journal's file.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OpenFlags};

/// Schema version of the tables below.
const VERSION: i64 = 4;
/// Oldest schema version that can be read without being migrated.
const OLDEST_READ: i64 = 2;
/// Longest wait for another process that holds the file.
const BUSY: Duration = Duration::from_secs(30);

/// Tables of the current version. Rows are in the order in which they were written. Keys are hexadecimal; `request`
/// and `response` are JSON; `vector` is little-endian 32-bit floats; `made` is in seconds since 1970, UTC;
/// `imported` calls were copied from another journal; `processor` is the processor of the machine that made the
/// call. `requests` of a batch is a JSON list of the keys of its calls without an answer from it, `input_tokens` and
/// `output_tokens` are upper bounds, `file` and `batch` are the provider's names; `state` is `open` or `ended`.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS calls (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, model TEXT NOT NULL, item TEXT NOT NULL,
        request TEXT NOT NULL, response TEXT NOT NULL,
        input_tokens INTEGER NOT NULL, cached_input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
        imported INTEGER NOT NULL, made INTEGER NOT NULL, processor TEXT
    );
    CREATE TABLE IF NOT EXISTS embeddings (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, embedder TEXT NOT NULL, tokens INTEGER NOT NULL,
        vector BLOB NOT NULL, made INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS lost (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, model TEXT NOT NULL, reason TEXT NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, made INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS batches (
        id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE, model TEXT NOT NULL, requests TEXT NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, file TEXT, batch TEXT, state TEXT NOT NULL,
        made INTEGER NOT NULL
    );";

/// The time at which a call was made. Null for an imported call, whose `made` is only the time of the import.
pub(super) const MADE: &str = "CASE WHEN imported THEN NULL ELSE made END";

/// Migration of the first version into these tables.
const FROM_VERSION_1: &str = "
    ALTER TABLE calls RENAME TO calls_1;";
const COPY_VERSION_1: &str = "
    INSERT INTO calls (key, model, item, request, response, input_tokens, cached_input_tokens, output_tokens, imported, made)
        SELECT key, model, '', request, response, response ->> '$.usage.input', response ->> '$.usage.cached_input',
            response ->> '$.usage.output', 0, made FROM calls_1 ORDER BY made, key;
    DROP TABLE calls_1;
    UPDATE schema SET version = 4;";
/// Migration of the second version: it has no column `processor`.
const FROM_VERSION_2: &str = "
    ALTER TABLE calls ADD COLUMN processor TEXT;";
/// Migration of the third version: it has no table `batches`.
const FROM_VERSION_3: &str = "
    UPDATE schema SET version = 4;";

/// Opens a journal for reading and writing, or creates one.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let opened = || format!("cannot open the journal {}", path.display());
    let connection = Connection::open(path).and_then(|c| prepare(&c).map(|()| c)).with_context(opened)?;
    check(&connection, path, VERSION)?;
    Ok(connection)
}

/// Opens another run's journal for reading only.
pub(super) fn open_further(path: &Path) -> Result<Connection> {
    let opened = || format!("cannot read the journal {}", path.display());
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).with_context(opened)?;
    connection.busy_timeout(BUSY)?;
    check(&connection, path, OLDEST_READ)?;
    Ok(connection)
}

/// Opens a journal for reading, in a mode that may write: on closing, such a connection removes the files that `SQLite`
/// keeps beside an open database. Falls back to reading only, if this user may not write the file.
pub(super) fn open_query_only(path: &Path) -> Result<Connection> {
    let Ok(connection) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE) else {
        return open_further(path);
    };
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    check(&connection, path, OLDEST_READ)?;
    Ok(connection)
}

/// Opens the journal of a neighbouring run for reading only. Its integrity is not checked, because there may be
/// many.
pub(super) fn open_neighbour(path: &Path) -> Result<Connection> {
    let opened = || format!("cannot read the journal {}", path.display());
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).with_context(opened)?;
    connection.busy_timeout(BUSY)?;
    check_version(&connection, path, OLDEST_READ)?;
    Ok(connection)
}

/// Returns the column of a call's processor as an SQL expression: `NULL` for journals of versions without that
/// column.
pub(super) fn processor(connection: &Connection) -> rusqlite::Result<&'static str> {
    let query = "SELECT count(*) FROM pragma_table_info('calls') WHERE name = 'processor'";
    let has: bool = connection.query_row(query, [], |row| row.get(0))?;
    Ok(if has { "processor" } else { "NULL" })
}

/// Creates an empty journal in memory.
pub(super) fn in_memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    prepare(&connection)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A paid answer must survive a power cut from the moment it is used.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let begun = "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL);";
    connection.execute_batch(begun)?;
    let version: Option<i64> = connection.query_row("SELECT max(version) FROM schema", [], |row| row.get(0))?;
    match version {
        Some(1) => connection.execute_batch(&format!("{FROM_VERSION_1}{TABLES}{COPY_VERSION_1}COMMIT;")),
        Some(2) => connection.execute_batch(&format!("{FROM_VERSION_2}{TABLES}{FROM_VERSION_3}COMMIT;")),
        Some(3) => connection.execute_batch(&format!("{TABLES}{FROM_VERSION_3}COMMIT;")),
        Some(_) => connection.execute_batch("COMMIT;"),
        None => connection.execute_batch(&format!("{TABLES} INSERT INTO schema VALUES ({VERSION}); COMMIT;")),
    }
}

/// Rejects a journal that is damaged or has another version. A write-ahead log that a crash has cut short is not
/// damage: `SQLite` drops what was not committed, and no answer was used before its commit.
fn check(connection: &Connection, path: &Path, oldest: i64) -> Result<()> {
    let health: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .with_context(|| format!("cannot read the journal {}", path.display()))?;
    if health != "ok" {
        bail!(
            "the journal {} is damaged: {health}. Recover it with the sqlite3 tool, or name another folder with --out",
            path.display()
        );
    }
    check_version(connection, path, oldest)
}

fn check_version(connection: &Connection, path: &Path, oldest: i64) -> Result<()> {
    let version: i64 = connection
        .query_row("SELECT version FROM schema", [], |row| row.get(0))
        .with_context(|| format!("{} is not a journal", path.display()))?;
    if !(oldest..=VERSION).contains(&version) {
        bail!(
            "the journal {} has schema version {version}, but this version of intercascade reads version {VERSION}",
            path.display()
        );
    }
    Ok(())
}
