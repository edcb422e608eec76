//! Journals as files and on servers: exports from which other runs can answer, and copies.

use std::path::Path;

use anyhow::{Result, bail};

use crate::fetch::machine::megabytes;
use crate::gateway::journal::address::{JournalPlace, ServerAddress};
use crate::gateway::journal::copies::{self, Copied};
use crate::gateway::journal::portable::{self, ExportSelection};
use crate::report::files::write_file;
use crate::report::folder::JOURNAL;

/// Writes a journal, of the run in a folder or on a server, to the new parquet file `out`, and returns a line on its
/// contents.
///
/// # Errors
/// If the folder holds no run, `out` exists, there is nothing to export, or a file cannot be read or written.
pub fn export(from: &JournalPlace, out: &Path, selection: &ExportSelection) -> Result<String> {
    let journal = match from {
        JournalPlace::File(run) => JournalPlace::File(run.join(JOURNAL)),
        JournalPlace::Server(_) => from.clone(),
    };
    if let JournalPlace::File(file) = &journal
        && !file.is_file()
    {
        bail!("{from} holds no run: {JOURNAL} is missing");
    }
    if out.exists() {
        bail!("{} exists already. Name another file with --out", out.display());
    }
    let (bytes, exported) = portable::export(&journal, selection)?;
    if (exported.calls, exported.embeddings) == (0, 0) {
        bail!("nothing to export: {from} holds no call and no embedding that the files of --except lack");
    }
    write_file(out, &bytes)?;
    let size = megabytes(u64::try_from(bytes.len())?);
    Ok(format!("{}: {} calls and {} embeddings, {size}", out.display(), exported.calls, exported.embeddings))
}

/// Copies journals into another one, and returns a line on what was new.
///
/// # Errors
/// Names a journal that cannot be read or written.
pub fn import(from: &[JournalPlace], into: &JournalPlace) -> Result<String> {
    let Copied { calls, embeddings } = copies::import(from, into)?;
    Ok(format!("{into}: {calls} calls and {embeddings} embeddings are new"))
}

/// Creates or migrates the tables of a journal on a server, and returns a line on what was done.
///
/// # Errors
/// If the server cannot be reached, or the role of the address may not create tables.
pub fn prepare(address: &ServerAddress, worker: Option<&str>) -> Result<String> {
    let before = copies::prepare(address, worker)?;
    let done = match before {
        None => "the tables were created".to_owned(),
        Some(version) => format!("the tables exist (they had version {version})"),
    };
    let rights = worker.map(|role| format!("; role {role} has the rights of a worker")).unwrap_or_default();
    Ok(format!("{address}: {done}{rights}"))
}
