//! Client of `OpenAI`'s batch API: a file of requests goes up, a batch is created from it and watched until it ends, and
//! the files with its answers come down. Each method makes one attempt.

pub mod row;
pub mod state;

use std::time::Duration;

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde_json::{Value, json};
use time::OffsetDateTime;

use self::state::BatchStatus;
use super::fault::Fault;
use super::server_error::ServerError;
use super::{OpenAi, Received, body, wait};
use crate::task::prompt::Style;
use crate::types::chat::Request;
use crate::types::model::ModelError;

/// Maximum number of requests in a batch.
pub const MAX_REQUESTS: usize = 50_000;
/// Maximum length of a file of requests, in bytes.
pub const MAX_BYTES: usize = 200_000_000;
/// Maximum length of one line of a file of answers, in bytes.
const MAX_LINE_BYTES: usize = body::MAX_BYTES;
/// Field of a batch's metadata that holds its label.
pub const LABEL: &str = "intercascade";
/// Longest transfer of a file.
const LONGEST_TRANSFER: Duration = Duration::from_hours(1);
/// Maximum number of pages of a list of batches that are read, the newest batches first.
const MAX_PAGES: usize = 100;

impl OpenAi {
    /// Returns the line of a request in a file, with its line break. `id` distinguishes it in the answers.
    ///
    /// # Errors
    /// [`ModelError::Refused`] if a server cannot answer such a request.
    pub fn batch_line(&self, id: &str, request: &Request) -> Result<String, ModelError> {
        let body = self.body(request)?;
        let line = json!({ "custom_id": id, "method": "POST", "url": self.batch_endpoint(), "body": body });
        Ok(format!("{line}\n"))
    }

    /// Sends a file of requests. Returns the provider's name of the file.
    ///
    /// # Errors
    /// If the attempt fails, or the server refuses the file.
    pub async fn upload_batch_file(&self, label: &str, lines: &str) -> Result<String, ModelError> {
        let boundary = format!("intercascade-{label}");
        let form = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{label}.jsonl\"\r\n\
             Content-Type: application/jsonl\r\n\r\n{lines}\r\n--{boundary}--\r\n"
        );
        let request = self.client()?.post(self.batch_url(&["files"])?);
        let request = request.header(CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}")).body(form);
        let (file, _) = self.json_of(request, LONGEST_TRANSFER).await?;
        self.name_in(&file, "file")
    }

    /// Creates a batch from a file. Returns the provider's name of the batch.
    ///
    /// # Errors
    /// If the attempt fails, or the server refuses the batch. After [`ModelError::Passing`] the batch may exist.
    pub async fn create_batch(&self, label: &str, file: &str) -> Result<String, ModelError> {
        let body = json!({
            "input_file_id": file,
            "endpoint": self.batch_endpoint(),
            "completion_window": "24h",
            "metadata": { LABEL: label },
        });
        let request = self.client()?.post(self.batch_url(&["batches"])?).json(&body);
        let (batch, _) = self.json_of(request, self.settings.timeout).await?;
        self.name_in(&batch, "batch")
    }

    /// Returns the provider's name of the batch with a label. `None` if no batch has it.
    ///
    /// # Errors
    /// If the attempt fails.
    pub async fn find_batch(&self, label: &str) -> Result<Option<String>, ModelError> {
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut url = self.batch_url(&["batches"])?;
            url.query_pairs_mut().append_pair("limit", "100");
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("after", after);
            }
            let (page, _) = self.json_of(self.client()?.get(url), self.settings.timeout).await?;
            let batches = page["data"].as_array().map(Vec::as_slice).unwrap_or_default();
            if let Some(found) = batches.iter().find(|batch| batch["metadata"][LABEL] == label) {
                return self.name_in(found, "batch").map(Some);
            }
            after = batches.last().and_then(|last| Some(last["id"].as_str()?.to_owned()));
            if after.is_none() || page["has_more"] != true {
                break;
            }
        }
        Ok(None)
    }

    /// Returns the state of a batch.
    ///
    /// # Errors
    /// If the attempt fails, or the server has no such batch.
    pub async fn batch_status(&self, batch: &str) -> Result<BatchStatus, ModelError> {
        let request = self.client()?.get(self.batch_url(&["batches", batch])?);
        let (value, headers) = self.json_of(request, self.settings.timeout).await?;
        Ok(BatchStatus::read(&value, wait::requested_wait(&headers, "", OffsetDateTime::now_utc())))
    }

    /// Reads a file of answers line by line. `take` receives each line without its line break.
    ///
    /// # Errors
    /// If the attempt fails. `take` may then have received some of the lines.
    pub async fn batch_file(&self, file: &str, mut take: impl FnMut(&str) + Send) -> Result<(), ModelError> {
        let transport_error = |error| self.transport_error(error);
        let url = self.batch_url(&["files", file, "content"])?;
        let request = self.client()?.get(url).timeout(LONGEST_TRANSFER);
        let mut answer = request.send().await.map_err(transport_error)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(ModelError::Unusable(self.named("the file with the answers is compressed")));
        }
        let mut rest: Vec<u8> = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(transport_error)? {
            rest.extend_from_slice(&chunk);
            if rest.len() > MAX_LINE_BYTES {
                return Err(ModelError::Unusable(self.named("a line of the file with the answers is too long")));
            }
            let end = rest.iter().rposition(|byte| *byte == b'\n').filter(|_| status.is_success());
            if let Some(end) = end {
                let whole: Vec<u8> = rest.drain(..=end).collect();
                String::from_utf8_lossy(&whole).lines().for_each(&mut take);
            }
        }
        let rest = String::from_utf8_lossy(&rest);
        if !status.is_success() {
            return Err(self.error_of(status, &headers, &rest));
        }
        rest.lines().for_each(&mut take);
        Ok(())
    }

    /// Path of the requests' endpoint, as the provider names it.
    fn batch_endpoint(&self) -> &'static str {
        match self.settings.style {
            Style::Chat => "/v1/chat/completions",
            Style::Plain => "/v1/completions",
        }
    }

    /// Address of a resource beside the endpoint of the calls.
    fn batch_url(&self, path: &[&str]) -> Result<Url, ModelError> {
        let mut url = self.endpoint.clone();
        let own = match self.settings.style {
            Style::Chat => 2,
            Style::Plain => 1,
        };
        let refused = |()| ModelError::Refused(self.named("base_url is not an address"));
        let mut segments = url.path_segments_mut().map_err(refused)?;
        for _ in 0..own {
            segments.pop();
        }
        segments.extend(path);
        drop(segments);
        Ok(url)
    }

    /// Sends a request and returns the JSON of a successful answer, with the headers.
    async fn json_of(&self, request: RequestBuilder, limit: Duration) -> Result<(Value, HeaderMap), ModelError> {
        let received = tokio::time::timeout(limit, self.receive(request)).await;
        let Received { status, headers, text } = received.unwrap_or_else(|_| Err(self.timed_out()))?;
        if !status.is_success() {
            return Err(self.error_of(status, &headers, &text));
        }
        let value = body::json(&text).map_err(|error| self.broken(&format!("{error}: {}", self.excerpt(&text))))?;
        Ok((value, headers))
    }

    /// Returns the error of an answer with an error status.
    fn error_of(&self, status: StatusCode, headers: &HeaderMap, text: &str) -> ModelError {
        match self.fault(status, headers, text, &ServerError::read(text)) {
            Fault::Refused(message) => ModelError::Refused(self.named(&message)),
            Fault::Failed(error) => error,
        }
    }

    /// Returns the provider's name of a file or batch.
    fn name_in(&self, value: &Value, kind: &str) -> Result<String, ModelError> {
        let name = value["id"].as_str().filter(|name| !name.is_empty());
        name.map(str::to_owned).ok_or_else(|| {
            let excerpt = self.excerpt(&value.to_string());
            ModelError::Refused(self.named(&format!(
                "its server has no batch API: it returned no {kind}: {excerpt}. Set batch_api = false, or remove --batch"
            )))
        })
    }
}
