//! State of a batch at the provider.

use std::time::Duration;

use serde_json::Value;

/// State of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// In progress, or in a state that this program does not know.
    Running,
    /// Ended; every request has an answer or an error.
    Completed,
    /// The file was not accepted. No request was processed.
    Failed,
    /// Ended at the end of the completion window. Some requests may have no answer.
    Expired,
    /// Ended because somebody cancelled it. Some requests may have no answer.
    Cancelled,
}

/// State of a batch, with the files of its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchStatus {
    /// State.
    pub state: BatchState,
    /// Files with answers and with errors, as far as they exist.
    pub files: Vec<String>,
    /// Messages about a file that was not accepted, joined. Empty if there is none.
    pub message: String,
    /// Number of requests with an outcome, and of all requests. `None` if unknown.
    pub counts: Option<(u64, u64)>,
    /// Wait before the next question, as the server requests it. `None` if it requests none.
    pub wait: Option<Duration>,
}

impl BatchStatus {
    /// Reads the JSON of a batch.
    pub(super) fn read(value: &Value, wait: Option<Duration>) -> Self {
        let state = match value["status"].as_str().unwrap_or_default() {
            "completed" => BatchState::Completed,
            "failed" => BatchState::Failed,
            "expired" => BatchState::Expired,
            "cancelled" | "canceled" => BatchState::Cancelled,
            _ => BatchState::Running,
        };
        let file = |key: &str| Some(value[key].as_str().filter(|name| !name.is_empty())?.to_owned());
        let count = |key: &str| value["request_counts"][key].as_u64();
        let done = count("completed").unwrap_or_default() + count("failed").unwrap_or_default();
        Self {
            state,
            files: ["output_file_id", "error_file_id"].into_iter().filter_map(file).collect(),
            message: messages(&value["errors"]),
            counts: count("total").filter(|total| *total > 0).map(|total| (done, total)),
            wait,
        }
    }
}

/// Joins the messages of a list of errors, at most three.
fn messages(errors: &Value) -> String {
    let listed = errors["data"].as_array().or(errors.as_array()).map(Vec::as_slice).unwrap_or_default();
    let message = |error: &Value| {
        let text = error["message"].as_str().or(error["code"].as_str())?;
        Some(error["line"].as_u64().map_or_else(|| text.to_owned(), |line| format!("line {line}: {text}")))
    };
    listed.iter().filter_map(message).take(3).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_files_counts_and_messages_are_read() {
        let ended = json!({
            "status": "expired", "output_file_id": "a", "error_file_id": "b", "errors": null,
            "request_counts": { "total": 9, "completed": 5, "failed": 1 },
        });
        let ended = BatchStatus::read(&ended, None);
        assert_eq!((ended.state, ended.counts), (BatchState::Expired, Some((6, 9))));
        assert_eq!((ended.files.as_slice(), ended.message.as_str()), (&["a".to_owned(), "b".to_owned()][..], ""));
        let refused = json!({
            "status": "failed", "output_file_id": null,
            "errors": { "object": "list", "data": [
                { "code": "invalid_json_line", "message": "not JSON", "line": 2, "param": null },
                { "code": "token_limit_exceeded", "message": null },
            ] },
        });
        let refused = BatchStatus::read(&refused, Some(Duration::from_secs(3)));
        assert_eq!(refused.message, "line 2: not JSON; token_limit_exceeded");
        assert_eq!((refused.state, refused.files.len(), refused.counts), (BatchState::Failed, 0, None));
        for running in ["validating", "in_progress", "finalizing", "cancelling", "sleeping", ""] {
            assert_eq!(BatchStatus::read(&json!({ "status": running }), None).state, BatchState::Running, "{running}");
        }
    }
}
