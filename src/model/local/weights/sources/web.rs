//! Files of a web server: the model hub, or what stands in for it.

use std::path::Path;
use std::time::Duration;

use super::super::{Event, Progress, WeightsFile};
use super::Arriving;
use crate::model::http;

/// A machine without a network falls through to the next source after this.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may say nothing.
const SILENCE: Duration = Duration::from_mins(1);

/// Downloads each file into `folder`.
pub(super) async fn fetch(
    address: &str,
    files: &[&WeightsFile],
    folder: &Path,
    progress: Progress<'_>,
) -> Result<(), String> {
    let client = reqwest::Url::parse(address)
        .map_err(|error| error.to_string())
        .and_then(|url| http::client_builder(&url).map_err(|error| error.to_string()))?
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .build()
        .map_err(|error| http::chain(&error))?;
    for file in files {
        let url = format!("{address}/{}", file.name);
        download(&client, &url, file, folder, progress).await.map_err(|reason| format!("{}: {reason}", file.name))?;
    }
    Ok(())
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
