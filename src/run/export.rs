//! A run's calls and embeddings in one file that others can answer from.

use std::path::Path;

use anyhow::{Result, bail};

use crate::fetch::machine::megabytes;
use crate::gateway::journal::portable::{self, ExportSelection};
use crate::report::files::write_file;
use crate::report::folder::JOURNAL;

/// Writes the journal of the run in `run` into the new parquet file `out`, and gives a line on what it holds.
///
/// # Errors
/// If there is no run, the file is there already, nothing is left to export, or a file cannot be read or written.
pub fn export(run: &Path, out: &Path, selection: &ExportSelection) -> Result<String> {
    let journal = run.join(JOURNAL);
    if !journal.is_file() {
        bail!("{} holds no run: there is no {JOURNAL}", run.display());
    }
    if out.exists() {
        bail!("{} is there; name another file with --out", out.display());
    }
    let (bytes, exported) = portable::export(&journal, selection)?;
    if (exported.calls, exported.embeddings) == (0, 0) {
        bail!("nothing to export: {} holds no call or embedding that the files of --except do not hold", run.display());
    }
    write_file(out, &bytes)?;
    let size = megabytes(u64::try_from(bytes.len())?);
    Ok(format!("{}: {} calls and {} embeddings, {size}", out.display(), exported.calls, exported.embeddings))
}
