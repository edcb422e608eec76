//! Export of a run's calls and embeddings to a file from which other runs can answer.

use std::path::Path;

use anyhow::{Result, bail};

use crate::fetch::machine::megabytes;
use crate::gateway::journal::portable::{self, ExportSelection};
use crate::report::files::write_file;
use crate::report::folder::JOURNAL;

/// Writes the journal of the run in folder `run` to the new parquet file `out`, and returns a line on its contents.
///
/// # Errors
/// If the folder holds no run, `out` exists, there is nothing to export, or a file cannot be read or written.
pub fn export(run: &Path, out: &Path, selection: &ExportSelection) -> Result<String> {
    let journal = run.join(JOURNAL);
    if !journal.is_file() {
        bail!("{} holds no run: {JOURNAL} is missing", run.display());
    }
    if out.exists() {
        bail!("{} exists already. Name another file with --out", out.display());
    }
    let (bytes, exported) = portable::export(&journal, selection)?;
    if (exported.calls, exported.embeddings) == (0, 0) {
        bail!("nothing to export: the files of --except hold every call and embedding of {}", run.display());
    }
    write_file(out, &bytes)?;
    let size = megabytes(u64::try_from(bytes.len())?);
    Ok(format!("{}: {} calls and {} embeddings, {size}", out.display(), exported.calls, exported.embeddings))
}
