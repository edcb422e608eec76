//! Files over HTTP. What has come of a file is kept beside its place until all of it is there and its checksum is right:
//! a download that was cut goes on where it was, in this process or in a later one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode, Url};
use sha2::{Digest, Sha256};

use super::error::FetchError;
use super::http;
use super::tls::Trusted;

/// A machine without a network falls through to the next source after this.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_mins(1);

/// What is known of a file before it is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DownloadTarget<'a> {
    /// Its name in its folder.
    pub(crate) name: &'a str,
    /// Its size in bytes.
    pub(crate) bytes: Option<u64>,
    /// Its SHA-256 in hexadecimal. Without it nothing says that two pieces are of one file, so none is gone on with.
    pub(crate) sha256: Option<&'a str>,
}

/// Is told the bytes so far, and those in all where that is known.
pub(crate) type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// A client for the server of `address`; redirects are followed.
pub(crate) fn client(address: &str) -> Result<Client, FetchError> {
    let url = Url::parse(address).map_err(|error| FetchError::Address(error.to_string()))?;
    let builder = http::client_builder(&url, &Trusted::default())?;
    Ok(builder.connect_timeout(CONNECT).read_timeout(SILENCE).build()?)
}

/// Puts the file behind `url` into `folder` under its name and gives its SHA-256.
pub(crate) async fn download(
    client: &Client,
    url: &str,
    wanted: DownloadTarget<'_>,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<String, FetchError> {
    let mut partial = Partial::open(wanted, folder)?;
    let mut resumed = partial.bytes > 0;
    loop {
        let before = partial.bytes;
        match receive(client, url, wanted, &mut partial, progress).await {
            Ok(()) => {
                let found = hex::encode(partial.hash.clone().finalize());
                match wanted.sha256.filter(|sha256| *sha256 != found) {
                    None => return partial.keep(&folder.join(wanted.name)).map(|()| found),
                    // What was there already may be of another file: once more, from the start.
                    Some(_) if resumed => partial.restart()?,
                    Some(sha256) => {
                        partial.drop_file();
                        let (name, wanted) = (wanted.name.to_owned(), sha256.to_owned());
                        return Err(FetchError::Checksum { name, found, wanted });
                    }
                }
                resumed = false;
            }
            Err(Fault::Cut(_)) if wanted.sha256.is_some() && partial.bytes > before => resumed = true,
            Err(Fault::Cut(reason)) if wanted.sha256.is_some() && partial.bytes > 0 => {
                return Err(FetchError::Cut { error: Box::new(reason), bytes: partial.bytes });
            }
            Err(Fault::Cut(reason) | Fault::Refused(reason)) => {
                partial.drop_file();
                return Err(reason);
            }
        }
    }
}

/// Why a download did not come to its end.
enum Fault {
    /// The connection failed: what has come stays.
    Cut(FetchError),
    /// There is nothing to be had here.
    Refused(FetchError),
}

/// Receives what is still lacking.
async fn receive(
    client: &Client,
    url: &str,
    wanted: DownloadTarget<'_>,
    partial: &mut Partial,
    progress: Progress<'_>,
) -> Result<(), Fault> {
    if wanted.bytes.is_some_and(|bytes| bytes == partial.bytes) {
        return Ok(());
    }
    let cut = |error: reqwest::Error| Fault::Cut(error.without_url().into());
    let mut request = client.get(url);
    if partial.bytes > 0 {
        request = request.header(RANGE, format!("bytes={}-", partial.bytes));
    }
    let mut response = request.send().await.map_err(cut)?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT if start(&response) == Some(partial.bytes) => {}
        // Nothing is left to be sent; the checksum tells whether that is right.
        StatusCode::RANGE_NOT_SATISFIABLE if partial.bytes > 0 => return Ok(()),
        StatusCode::OK => partial.restart().map_err(Fault::Refused)?,
        StatusCode::PARTIAL_CONTENT => {
            return Err(Fault::Refused(FetchError::OtherPart));
        }
        status => return Err(Fault::Refused(FetchError::Status(status))),
    }
    let total = wanted.bytes.or_else(|| Some(partial.bytes + response.content_length()?));
    while let Some(chunk) = response.chunk().await.map_err(cut)? {
        partial.write(&chunk).map_err(Fault::Refused)?;
        // Nothing longer can be right; a wrong address may be endless.
        if let Some(bytes) = wanted.bytes.filter(|bytes| partial.bytes > *bytes) {
            return Err(Fault::Refused(FetchError::TooLong(bytes)));
        }
        progress(partial.bytes, total);
    }
    Ok(())
}

/// The first byte that a partial answer holds.
fn start(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// What has come of a file so far, locked against a second process.
struct Partial {
    path: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Partial {
    /// The piece that an earlier download has left, or an empty one. The checksum is in its name, so that it is never
    /// taken for a piece of another file.
    fn open(wanted: DownloadTarget<'_>, folder: &Path) -> Result<Self, FetchError> {
        let mark = wanted.sha256.map_or("unverified", |sha256| &sha256[..sha256.len().min(12)]);
        let path = folder.join(format!(".{}.{mark}.part", wanted.name));
        let told = |error: io::Error| FetchError::File { file: path.clone(), error };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(told)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy),
            Err(TryLockError::Error(error)) => return Err(told(error)),
        }
        let mut partial = Self { path: path.clone(), file, hash: Sha256::new(), bytes: 0 };
        if wanted.sha256.is_none() {
            partial.restart()?;
        }
        partial.bytes = digest(&mut partial.file, &mut partial.hash).map_err(told)?;
        Ok(partial)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(self.file.write_all(bytes)?)
    }

    fn restart(&mut self) -> Result<(), FetchError> {
        (self.hash, self.bytes) = (Sha256::new(), 0);
        Ok(self.file.set_len(0).and_then(|()| self.file.rewind())?)
    }

    /// Gives the file its name.
    fn keep(self, place: &Path) -> Result<(), FetchError> {
        self.file.sync_all()?;
        Ok(std::fs::rename(&self.path, place)?)
    }

    fn drop_file(&self) {
        // Where it stays it is found wrong once more, and no worse.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A file's SHA-256 in hexadecimal.
///
/// # Errors
/// Where the file cannot be read.
pub fn checksum(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    digest(&mut File::open(file)?, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}

/// Puts all that can be read into a hash and counts it.
fn digest(reader: &mut impl Read, hash: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(read) => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
