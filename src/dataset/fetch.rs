//! Fetching of data sets from their publishers. Each file is stored unchanged, verified, and never overwritten.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::catalogue::{Catalogue, Entry, Split, checksum_file, recorded_checksum};
use crate::fetch::download::{DownloadTarget, checksum, client, download};

/// Event of a fetch, for a progress bar or lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A file is requested at this address, or generated with this Python package.
    Trying(String),
    /// Number of bytes so far, and the total if known.
    Received(u64, Option<u64>),
}

/// Callback that receives the events of a fetch.
pub type Progress<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// A stored file with a verified checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Path of the file.
    pub path: PathBuf,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// True if the catalogue pins the file's checksum.
    pub pinned: bool,
}

impl Catalogue {
    /// Fetches the files of a data set, or of one split, into the cache folder, and verifies files that already
    /// exist. A file that the catalogue does not pin is fetched only if `unverified`.
    ///
    /// # Errors
    /// Names the file, and its fault or the fault of its source.
    pub async fn fetch(
        &self,
        entry: &Entry,
        split: Option<&str>,
        unverified: bool,
        progress: Progress<'_>,
    ) -> Result<Vec<Fetched>> {
        if entry.source.is_none() {
            bail!("`{}` ships with this program, so it need not be fetched", entry.name);
        }
        let splits = match split {
            Some(name) => std::slice::from_ref(entry.choose_split(Some(name))?),
            None => entry.split.as_slice(),
        };
        let mut fetched: Vec<Fetched> = Vec::new();
        for split in splits {
            let path = self.path(entry, split)?;
            // Splits may be parts of one archive.
            if fetched.iter().all(|file| file.path != path) {
                fetched.push(one(entry, split, path, unverified, progress).await?);
            }
        }
        Ok(fetched)
    }
}

async fn one(entry: &Entry, split: &Split, path: PathBuf, unverified: bool, progress: Progress<'_>) -> Result<Fetched> {
    let pinned = split.sha256.is_some();
    if path.exists() {
        let sha256 = checksum(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let expected = split.sha256.clone().map_or_else(|| recorded_checksum(&path), |sha256| Ok(Some(sha256)))?;
        if let Some(expected) = expected.filter(|expected| *expected != sha256) {
            bail!(
                "{} has changed: sha256 {sha256} instead of {expected}. Existing files are not overwritten; remove the file to fetch it again",
                path.display()
            );
        }
        return Ok(Fetched { path, sha256, pinned });
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    if split.url.is_none() && entry.package.is_none() {
        bail!(
            "the catalogue has no address for the {} split of `{}`; put the file at {}, or name it with dataset.path",
            split.name,
            entry.name,
            path.display()
        );
    }
    if !pinned && !unverified {
        bail!(
            "the catalogue has no checksum for the {} split of `{}`, so the received file cannot be verified. \
             Use --unverified to fetch it anyway and record its checksum",
            split.name,
            entry.name
        );
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let sha256 = match (&split.url, &entry.package) {
        (None, Some(package)) => {
            let package_name = format!("Python package {} {}", package.name, package.version);
            progress(Event::Trying(package_name.clone()));
            let received = |bytes| progress(Event::Received(bytes, None));
            let generated = package.generate(&path, split.sha256.as_deref(), &received).await;
            generated.map_err(|reason| anyhow!("{package_name}: {reason}"))?
        }
        (url, _) => from_web(url.as_deref().unwrap_or_default(), split, &path, progress).await?,
    };
    if !pinned {
        let checksum_file = checksum_file(&path);
        std::fs::write(&checksum_file, format!("{sha256}\n"))
            .with_context(|| format!("cannot write {}", checksum_file.display()))?;
    }
    Ok(Fetched { path, sha256, pinned })
}

/// Downloads the file at `url` to `path`, and returns its SHA-256.
async fn from_web(url: &str, split: &Split, path: &Path, progress: Progress<'_>) -> Result<String> {
    progress(Event::Trying(url.to_owned()));
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let target = DownloadTarget { name: &name, bytes: split.bytes, sha256: split.sha256.as_deref() };
    let received = |bytes, total| progress(Event::Received(bytes, total));
    let client = client(url).map_err(|reason| anyhow!("{url}: {reason}"))?;
    download(&client, url, target, folder, &received).await.map_err(|reason| anyhow!("{url}: {reason}"))
}
