//! A line of a file of answers: the outcome of one request of a batch.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::super::{OpenAi, Received};
use crate::types::chat::{Request, Response};
use crate::types::model::ModelError;

/// A line of a file of answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AnswerLine {
    /// Id of the request.
    pub custom_id: String,
    response: Option<Answer>,
    error: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    status_code: u16,
    body: Value,
}

/// Outcome of one request of a batch.
#[derive(Debug)]
pub enum Outcome {
    /// The provider answered the request, or refused it because of its content.
    Answered(Box<Response>),
    /// The request has no answer, and a repetition may have one.
    Unanswered {
        /// Reason, as the provider states it.
        reason: String,
        /// True if the provider may charge for the request.
        charged: bool,
    },
    /// The request has no answer, and a repetition cannot have one.
    Failed(ModelError),
}

impl AnswerLine {
    /// Reads a line. `None` if it is not the outcome of a request.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok().filter(|line: &Self| !line.custom_id.is_empty())
    }
}

impl OpenAi {
    /// Reads the outcome of a request, by the rules for the answer to a single call.
    #[must_use]
    pub fn batch_outcome(&self, line: AnswerLine, request: &Request) -> Outcome {
        let Some(answer) = line.response.filter(|answer| answer.status_code > 0 || answer.body.is_object()) else {
            let text = ["message", "code"].into_iter().find_map(|key| line.error[key].as_str());
            return Outcome::Unanswered { reason: text.unwrap_or("no answer").to_owned(), charged: false };
        };
        let status = StatusCode::from_u16(answer.status_code).unwrap_or(StatusCode::OK);
        let received = Received { status, headers: HeaderMap::new(), text: answer.body.to_string() };
        match self.response(&received, request) {
            Ok(response) => Outcome::Answered(Box::new(Response { batched: true, ..response })),
            Err(ModelError::Passing { reason, charged, .. }) => Outcome::Unanswered { reason, charged },
            Err(error) => Outcome::Failed(error),
        }
    }
}
