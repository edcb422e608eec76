//! Files of a web server: the model hub, or its replacement.

use std::path::Path;

use super::super::{Event, Progress, WeightsFile};
use crate::fetch::download::{DownloadTarget, client, download};
use crate::fetch::error::FetchError;

/// Downloads each file into `folder`.
pub(super) async fn fetch(
    address: &str,
    files: &[&WeightsFile],
    folder: &Path,
    progress: Progress<'_>,
) -> Result<(), FetchError> {
    let client = client(address)?;
    for file in files {
        let target = DownloadTarget { name: &file.name, bytes: Some(file.bytes), sha256: Some(&file.sha256) };
        let received = |bytes, total| progress(Event::Received { bytes, total });
        let fetched = download(&client, &format!("{address}/{}", file.name), target, folder, &received).await;
        fetched.map_err(|error| error.of_part(file.name.as_str()))?;
    }
    Ok(())
}
