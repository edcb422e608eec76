//! Fetching data sets from where they are published: each file as it is, verified, and never written over.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use super::catalogue::{Catalogue, Entry, Split, note, noted};
use crate::fetch::download::{DownloadTarget, checksum, client, download};

/// What happens during a fetch, for a progress bar or lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A file is asked for at this address, or drawn with this Python package.
    Trying(String),
    /// Bytes of it so far, and in all where known.
    Received(u64, Option<u64>),
}

/// Is told what happens during a fetch.
pub type Progress<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// A file that is there, with its checksum found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it is.
    pub path: PathBuf,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Whether the catalogue says which file it must be.
    pub pinned: bool,
}

impl Catalogue {
    /// Puts the files of a data set into the cache folder, or of one split, and makes sure that those that are there
    /// already are the right ones. A file that the catalogue does not pin is fetched only if `unverified`.
    ///
    /// # Errors
    /// Names the file, and what is wrong with it or with its source.
    pub async fn fetch(
        &self,
        entry: &Entry,
        split: Option<&str>,
        unverified: bool,
        progress: Progress<'_>,
    ) -> Result<Vec<Fetched>> {
        if entry.source.is_none() {
            bail!("`{}` ships with this program: there is nothing to fetch", entry.name);
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
        let wanted = split.sha256.clone().map_or_else(|| noted(&path), |sha256| Ok(Some(sha256)))?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != sha256) {
            bail!(
                "{} has changed: sha256 {sha256} instead of {wanted}; nothing is written over: take it away to fetch it again",
                path.display()
            );
        }
        return Ok(Fetched { path, sha256, pinned });
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    if split.url.is_none() && entry.package.is_none() {
        bail!(
            "the catalogue knows no address for the {} split of `{}`; put the file at {}, or name it with dataset.path",
            split.name,
            entry.name,
            path.display()
        );
    }
    if !pinned && !unverified {
        bail!(
            "the catalogue has no checksum for the {} split of `{}`, so nothing can tell whether what comes is the right file: \
             --unverified fetches it all the same, and notes its checksum",
            split.name,
            entry.name
        );
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let sha256 = match (&split.url, &entry.package) {
        (None, Some(package)) => {
            let told = format!("Python package {} {}", package.name, package.version);
            progress(Event::Trying(told.clone()));
            let received = |bytes| progress(Event::Received(bytes, None));
            let drawn = package.draw(&path, split.sha256.as_deref(), &received).await;
            drawn.map_err(|reason| anyhow!("{told}: {reason}"))?
        }
        (url, _) => from_web(url.as_deref().unwrap_or_default(), split, &path, progress).await?,
    };
    if !pinned {
        let note = note(&path);
        std::fs::write(&note, format!("{sha256}\n")).with_context(|| format!("cannot write {}", note.display()))?;
    }
    Ok(Fetched { path, sha256, pinned })
}

/// Puts the file behind `url` at `path`, and gives its SHA-256.
async fn from_web(url: &str, split: &Split, path: &Path, progress: Progress<'_>) -> Result<String> {
    progress(Event::Trying(url.to_owned()));
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let wanted = DownloadTarget { name: &name, bytes: split.bytes, sha256: split.sha256.as_deref() };
    let received = |bytes, total| progress(Event::Received(bytes, total));
    let client = client(url).map_err(|reason| anyhow!("{url}: {reason}"))?;
    download(&client, url, wanted, folder, &received).await.map_err(|reason| anyhow!("{url}: {reason}"))
}
