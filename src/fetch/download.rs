//! Downloads over HTTP. The received part of a file is stored next to its final path until the file is complete and
//! its checksum is right. An interrupted download continues from there, in this process or a later one.

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

/// Timeout of the connection. A machine without a network continues with the next source after this time.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest pause of a server while it sends.
const SILENCE: Duration = Duration::from_mins(1);

/// A file to be downloaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DownloadTarget<'a> {
    /// Name in its folder.
    pub(crate) name: &'a str,
    /// Size in bytes; `None` if unknown.
    pub(crate) bytes: Option<u64>,
    /// SHA-256 in hexadecimal. `None` if unknown: two parts cannot be matched then, so no download is resumed.
    pub(crate) sha256: Option<&'a str>,
}

/// Callback that receives the bytes downloaded so far, and the total if known.
pub(crate) type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// Creates a client for the server of `address` that follows redirects.
pub(crate) fn client(address: &str) -> Result<Client, FetchError> {
    let url = Url::parse(address).map_err(|error| FetchError::Address(error.to_string()))?;
    let builder = http::client_builder(&url, &Trusted::default())?;
    Ok(builder.connect_timeout(CONNECT).read_timeout(SILENCE).build()?)
}

/// Downloads the file at `url` into `folder` under its name and returns its SHA-256.
pub(crate) async fn download(
    client: &Client,
    url: &str,
    target: DownloadTarget<'_>,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<String, FetchError> {
    let mut partial = Partial::open(target, folder)?;
    let mut resumed = partial.bytes > 0;
    loop {
        let before = partial.bytes;
        match receive(client, url, target, &mut partial, progress).await {
            Ok(()) => {
                let found = hex::encode(partial.hash.clone().finalize());
                match target.sha256.filter(|sha256| *sha256 != found) {
                    None => return partial.persist(&folder.join(target.name)).map(|()| found),
                    // The stored part may belong to another file, so the download is repeated once from the start.
                    Some(_) if resumed => partial.restart()?,
                    Some(sha256) => {
                        partial.drop_file();
                        let (name, expected) = (target.name.to_owned(), sha256.to_owned());
                        return Err(FetchError::Checksum { name, found, expected });
                    }
                }
                resumed = false;
            }
            Err(Fault::Interrupted(_)) if target.sha256.is_some() && partial.bytes > before => resumed = true,
            Err(Fault::Interrupted(reason)) if target.sha256.is_some() && partial.bytes > 0 => {
                return Err(FetchError::Interrupted { error: Box::new(reason), bytes: partial.bytes });
            }
            Err(Fault::Interrupted(reason) | Fault::Refused(reason)) => {
                partial.drop_file();
                return Err(reason);
            }
        }
    }
}

/// The reason why a download was not completed.
enum Fault {
    /// The connection failed. The received part is stored.
    Interrupted(FetchError),
    /// The server or the disk refused the file.
    Refused(FetchError),
}

/// Receives the missing part of a file.
async fn receive(
    client: &Client,
    url: &str,
    target: DownloadTarget<'_>,
    partial: &mut Partial,
    progress: Progress<'_>,
) -> Result<(), Fault> {
    if target.bytes.is_some_and(|bytes| bytes == partial.bytes) {
        return Ok(());
    }
    let cut = |error: reqwest::Error| Fault::Interrupted(error.without_url().into());
    let mut request = client.get(url);
    if partial.bytes > 0 {
        request = request.header(RANGE, format!("bytes={}-", partial.bytes));
    }
    let mut response = request.send().await.map_err(cut)?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT if start(&response) == Some(partial.bytes) => {}
        // Nothing is left to send; the checksum decides if the stored file is right.
        StatusCode::RANGE_NOT_SATISFIABLE if partial.bytes > 0 => return Ok(()),
        StatusCode::OK => partial.restart().map_err(Fault::Refused)?,
        StatusCode::PARTIAL_CONTENT => {
            return Err(Fault::Refused(FetchError::WrongRange));
        }
        status => return Err(Fault::Refused(FetchError::Status(status))),
    }
    let total = target.bytes.or_else(|| Some(partial.bytes + response.content_length()?));
    while let Some(chunk) = response.chunk().await.map_err(cut)? {
        partial.write(&chunk).map_err(Fault::Refused)?;
        // A longer file cannot be right, and a wrong address may send data without end.
        if let Some(bytes) = target.bytes.filter(|bytes| partial.bytes > *bytes) {
            return Err(Fault::Refused(FetchError::TooLong(bytes)));
        }
        progress(partial.bytes, total);
    }
    Ok(())
}

/// Returns the offset of the first byte of a partial response.
fn start(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// The received part of a file, locked against other processes.
struct Partial {
    path: PathBuf,
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Partial {
    /// Opens the part that an earlier download stored, or an empty one. The checksum is in its name, so that it is
    /// never confused with a part of another file.
    fn open(target: DownloadTarget<'_>, folder: &Path) -> Result<Self, FetchError> {
        let mark = target.sha256.map_or("unverified", |sha256| &sha256[..sha256.len().min(12)]);
        let path = folder.join(format!(".{}.{mark}.part", target.name));
        let with_file = |error: io::Error| FetchError::File { file: path.clone(), error };
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(with_file)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy),
            Err(TryLockError::Error(error)) => return Err(with_file(error)),
        }
        let mut partial = Self { path: path.clone(), file, hash: Sha256::new(), bytes: 0 };
        if target.sha256.is_none() {
            partial.restart()?;
        }
        partial.bytes = digest(&mut partial.file, &mut partial.hash).map_err(with_file)?;
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

    /// Moves the complete file to its final path.
    fn persist(self, path: &Path) -> Result<(), FetchError> {
        self.file.sync_all()?;
        Ok(std::fs::rename(&self.path, path)?)
    }

    fn drop_file(&self) {
        // If the file remains, the next download finds that it is wrong and replaces it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Returns a file's SHA-256 in hexadecimal.
///
/// # Errors
/// If the file cannot be read.
pub fn checksum(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    digest(&mut File::open(file)?, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}

/// Adds all bytes of a reader to a hash and returns their number.
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
