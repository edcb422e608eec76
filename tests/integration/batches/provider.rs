//! Stand-in for a provider with a batch API: files up, batches, files down, and chat completions. Its answers depend only
//! on the request.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::completion;

/// What becomes of one request of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// An answer in the output file.
    Answered,
    /// This status and an error in the output file.
    Status(u16),
    /// A line with an error code in the error file.
    ErrorFile(&'static str),
    /// No line.
    Missing,
    /// Two lines with different answers.
    Duplicate,
    /// A line that is not JSON.
    Malformed,
    /// A line with an id that no request has.
    Unknown,
    /// A line with an answer without choices.
    NoChoices,
}

/// Fate of a request, by the number of its batch (from 0) and its number in the batch.
type FateOf = Box<dyn Fn(usize, usize) -> Fate + Send>;

/// Behaviour of the stand-in.
pub(super) struct Plan {
    /// Fate of each request.
    pub(super) fate: FateOf,
    /// Final status of each batch.
    pub(super) status: fn(usize) -> &'static str,
    /// True if no batch ends.
    pub(super) holds: bool,
    /// True if the answer to the creation of a batch does not arrive.
    pub(super) mute: bool,
}

impl Plan {
    pub(super) fn regular() -> Self {
        Self { fate: Box::new(|_, _| Fate::Answered), status: |_| "completed", holds: false, mute: false }
    }

    pub(super) fn with_fates(fate: impl Fn(usize, usize) -> Fate + Send + 'static) -> Self {
        Self { fate: Box::new(fate), ..Self::regular() }
    }
}

/// A batch at the provider.
#[derive(Clone)]
pub(super) struct Batch {
    pub(super) metadata: Value,
    /// Requests of its file.
    pub(super) lines: Vec<Value>,
    polls: usize,
}

/// What the stand-in has received.
pub(super) struct State {
    pub(super) plan: Plan,
    /// Files of requests.
    pub(super) files: Vec<String>,
    pub(super) batches: Vec<Batch>,
    /// Bodies of the calls that were made directly.
    pub(super) direct: Vec<Value>,
}

/// A running stand-in.
pub(super) struct Provider {
    server: MockServer,
    state: Arc<Mutex<State>>,
}

impl Provider {
    pub(super) async fn start(plan: Plan) -> Self {
        let server = MockServer::start().await;
        let state = State { plan, files: Vec::new(), batches: Vec::new(), direct: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        Mock::given(any()).respond_with(Answers(Arc::clone(&state))).mount(&server).await;
        Self { server, state }
    }

    pub(super) fn address(&self) -> String {
        format!("{}/v1", self.server.uri())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("unbroken")
    }

    /// Returns the number of requests in each batch.
    pub(super) fn sizes(&self) -> Vec<usize> {
        self.state().batches.iter().map(|batch| batch.lines.len()).collect()
    }

    /// Returns the bodies of all requests, in batches and direct.
    pub(super) fn bodies(&self) -> Vec<String> {
        let state = self.state();
        let lines = state.batches.iter().flat_map(|batch| &batch.lines).map(|line| line["body"].to_string());
        lines.chain(state.direct.iter().map(Value::to_string)).collect()
    }

    /// Waits until the stand-in has this many batches.
    pub(super) async fn until_batches(&self, count: usize) {
        for _ in 0..2000 {
            if self.state().batches.len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no batch {count}");
    }
}

struct Answers(Arc<Mutex<State>>);

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.0.lock().expect("unbroken");
        let path = request.url.path().strip_prefix("/v1/").expect("below /v1").to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["files"]) => state.upload(request),
            ("POST", ["batches"]) => state.create(&request.body_json().expect("JSON")),
            ("GET", ["batches"]) => state.list(),
            ("GET", ["batches", id]) => state.status(number(id)),
            ("GET", ["files", id, "content"]) => state.content(id),
            ("POST", ["chat", "completions"]) => {
                let body: Value = request.body_json().expect("JSON");
                let answer = completion(&body);
                state.direct.push(body);
                ResponseTemplate::new(200).set_body_json(answer)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn number(id: &str) -> usize {
    id.rsplit('-').next().and_then(|number| number.parse().ok()).expect("a number")
}

impl State {
    fn upload(&mut self, request: &Request) -> ResponseTemplate {
        let kind = request.headers["content-type"].to_str().expect("a text");
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a form");
        let body = String::from_utf8(request.body.clone()).expect("UTF-8");
        let mut parts = body.split(&format!("--{boundary}")).map(str::to_owned).collect::<Vec<_>>().into_iter();
        assert_eq!(parts.next().as_deref(), Some(""));
        let purpose = parts.next().expect("a part");
        assert_eq!(purpose, "\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n");
        let file = parts.next().expect("a part");
        let (head, lines) = file.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains("name=\"file\"; filename=\"") && head.contains(".jsonl\""), "{head}");
        assert_eq!(parts.next().as_deref(), Some("--\r\n"));
        self.files.push(lines.trim_end().to_owned());
        let id = format!("file-{}", self.files.len() - 1);
        ResponseTemplate::new(200).set_body_json(json!({ "id": id, "object": "file", "purpose": "batch" }))
    }

    fn create(&mut self, body: &Value) -> ResponseTemplate {
        assert_eq!((&body["endpoint"], &body["completion_window"]), (&json!("/v1/chat/completions"), &json!("24h")));
        let file = &self.files[number(body["input_file_id"].as_str().expect("a file"))];
        let lines: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        for line in &lines {
            assert_eq!((&line["method"], &line["url"]), (&json!("POST"), &json!("/v1/chat/completions")));
        }
        self.batches.push(Batch { metadata: body["metadata"].clone(), lines, polls: 0 });
        let delay = if self.plan.mute { Duration::from_mins(2) } else { Duration::ZERO };
        ResponseTemplate::new(200).set_body_json(self.object(self.batches.len() - 1)).set_delay(delay)
    }

    fn list(&self) -> ResponseTemplate {
        let data: Vec<Value> = (0..self.batches.len()).rev().map(|index| self.object(index)).collect();
        ResponseTemplate::new(200).set_body_json(json!({ "object": "list", "data": data, "has_more": false }))
    }

    fn status(&mut self, index: usize) -> ResponseTemplate {
        self.batches[index].polls += 1;
        ResponseTemplate::new(200).set_body_json(self.object(index))
    }

    /// Returns the batch in the form of the API. It ends at the third question for its state.
    fn object(&self, index: usize) -> Value {
        let Batch { metadata, lines, polls } = &self.batches[index];
        let ended = *polls >= 3 && !self.plan.holds;
        let status = match (polls, (self.plan.status)(index)) {
            (_, status) if ended => status,
            (0 | 1, _) => "validating",
            _ => "in_progress",
        };
        let files = ended && status != "failed";
        let errors = (status == "failed").then(|| {
            json!({ "object": "list", "data": [{
                "code": "invalid_request", "line": 2, "message": "This model is not available in the Batch API.",
            }] })
        });
        json!({
            "id": format!("batch-{index}"), "object": "batch", "endpoint": "/v1/chat/completions", "errors": errors,
            "completion_window": "24h", "status": status, "metadata": metadata,
            "output_file_id": files.then(|| format!("output-{index}")),
            "error_file_id": files.then(|| format!("errors-{index}")),
            "request_counts": { "total": lines.len(), "completed": if ended { lines.len() } else { 0 }, "failed": 0 },
        })
    }

    fn content(&self, id: &str) -> ResponseTemplate {
        let index = number(id);
        let rows = self.batches[index].lines.iter().enumerate();
        let rows = rows.map(|(line, request)| (request, (self.plan.fate)(index, line)));
        let rows: Vec<String> = if id.starts_with("output") {
            // A provider returns the lines in any order.
            rows.rev().flat_map(|(request, fate)| output(request, fate)).collect()
        } else {
            rows.filter_map(|(request, fate)| error(request, fate)).collect()
        };
        ResponseTemplate::new(200).set_body_string(rows.join("\n"))
    }
}

/// Returns the lines of the output file for a request.
fn output(request: &Value, fate: Fate) -> Vec<String> {
    let line = |id: &Value, status: u16, body: Value| {
        let response = json!({ "status_code": status, "request_id": "r", "body": body });
        json!({ "id": "row", "custom_id": id, "response": response, "error": null }).to_string()
    };
    let (id, body) = (&request["custom_id"], &request["body"]);
    match fate {
        Fate::Answered => vec![line(id, 200, completion(body))],
        Fate::Status(status) => {
            vec![line(id, status, json!({ "error": { "message": "an odd moment", "type": "server_error" } }))]
        }
        Fate::ErrorFile(_) | Fate::Missing => Vec::new(),
        Fate::Duplicate => {
            let second = json!({ "model": "other", "choices": [{ "message": { "content": "#### 777" },
                "logprobs": { "content": [{ "token": "#### 777", "logprob": -0.5 }] } }],
                "usage": { "prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12 } });
            vec![line(id, 200, completion(body)), line(id, 200, second)]
        }
        Fate::Malformed => vec![line(id, 200, completion(body))[..40].to_owned()],
        Fate::Unknown => vec![line(&json!("somebody-else"), 200, completion(body))],
        Fate::NoChoices => vec![line(id, 200, json!({ "model": "m", "choices": [] }))],
    }
}

/// Returns the line of the error file for a request.
fn error(request: &Value, fate: Fate) -> Option<String> {
    let Fate::ErrorFile(code) = fate else { return None };
    let error =
        json!({ "code": code, "message": "This request could not be executed before the completion window expired." });
    Some(json!({ "id": "row", "custom_id": request["custom_id"], "response": null, "error": error }).to_string())
}
