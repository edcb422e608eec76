//! A server that plays the server of a preset: its address, its key, its error format, and a single fault.

use intercascade::backend::preset::Preset;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::{CommandOutput, Project};

/// Stand-in for every key. No output may contain it.
pub(super) const KEY: &str = "sk-trial-0123456789abcdef";
/// Variable that holds the key for presets that name none.
pub(super) const VARIABLE: &str = "TRIAL_KEY";
/// Name of the served model.
pub(super) const MODEL: &str = "served-model";
/// Names of all served models.
const MODELS: [&str; 3] = [MODEL, "gpt-4.1-mini", "gpt-6-sol"];

/// Faults of a server, relative to the entry in the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Refuses the name of the token limit that the preset sends.
    TokenLimit,
    /// Refuses every name of the token limit and applies no limit.
    IgnoredLimit,
    /// Ignores the name of the token limit that the preset sends.
    UnknownLimit,
    /// Refuses a temperature.
    Temperature,
    /// Refuses stop texts.
    Stop,
    /// Accepts stop texts and ignores them.
    IgnoredStop,
    /// Refuses the system role.
    System,
    /// Refuses log-probabilities.
    Logprobs,
    /// Accepts the request for log-probabilities and returns none.
    NoLogprobs,
    /// Returns 0 for each log-probability.
    ZeroLogprobs,
    /// Returns log-probabilities above 0 for some tokens.
    PositiveLogprobs,
    /// Refuses more than one alternative token.
    Alternatives,
    /// Reports no token counts.
    Uncounted,
    /// Expects another key than the one that is sent, or a key if none is sent.
    Key,
    /// Listens at the preset's address, while the entry has another address.
    Address,
    /// Serves another model.
    Model,
    /// Has no quota left.
    Busy,
}

/// Server with its faults.
#[derive(Debug, Clone)]
pub(super) struct StandIn {
    pub(super) preset: Preset,
    pub(super) faults: Vec<Fault>,
    /// True if errors do not name the refused field.
    pub(super) is_silent: bool,
}

impl StandIn {
    pub(super) fn new(preset: Preset, faults: &[Fault]) -> Self {
        Self { preset, faults: faults.to_vec(), is_silent: false }
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// Returns the path of the preset's address.
    pub(super) fn path(&self) -> String {
        let dialect = self.preset.dialect();
        let address = dialect.entry.get("base_url").and_then(toml::Value::as_str).or(dialect.address.as_deref());
        let (_, rest) = address.expect("an address").split_once("://").expect("a scheme");
        rest.find('/').map_or_else(String::new, |slash| rest[slash..].to_owned())
    }

    /// Returns the name of the token limit that the preset sends.
    fn limit_key(&self) -> &'static str {
        let key = self.preset.dialect().entry.get("token_limit_key").and_then(toml::Value::as_str);
        if key == Some("max_completion_tokens") { "max_completion_tokens" } else { "max_tokens" }
    }

    fn other_limit_key(&self) -> &'static str {
        if self.limit_key() == "max_tokens" { "max_completion_tokens" } else { "max_tokens" }
    }

    /// Returns the name of the token limit that the server supports. `None` if it supports none.
    pub(super) fn right_limit_key(&self) -> Option<&'static str> {
        match () {
            () if self.has(Fault::IgnoredLimit) => None,
            () if self.has(Fault::TokenLimit) || self.has(Fault::UnknownLimit) => Some(self.other_limit_key()),
            () => Some(self.limit_key()),
        }
    }

    /// Returns the environment variable of the key. `None` if no key is sent.
    pub(super) fn variable(&self) -> Option<&'static str> {
        self.preset.dialect().entry.get("api_key_env").and_then(toml::Value::as_str)
    }

    /// Returns the error for a request that the server refuses.
    fn refusal(&self, body: &Value) -> Option<(u16, String)> {
        let unsupported = |field: &str| Some((400, format!("Unsupported parameter: '{field}' is not supported.")));
        let is_system = |message: &Value| message["role"] == "system";
        let systems = body["messages"].as_array().into_iter().flatten().any(is_system);
        match () {
            () if self.has(Fault::Busy) => Some((429, "Rate limit reached for requests".to_owned())),
            () if !MODELS.iter().any(|model| body["model"] == **model) => {
                Some((404, format!("The model {} does not exist.", body["model"])))
            }
            () if self.has(Fault::TokenLimit) && body.get(self.limit_key()).is_some() => unsupported(self.limit_key()),
            () if self.has(Fault::Temperature) && body.get("temperature").is_some() => unsupported("temperature"),
            () if self.has(Fault::Stop) && body.get("stop").is_some() => unsupported("stop"),
            () if self.has(Fault::System) && systems => Some((400, "System role not supported".to_owned())),
            () if self.has(Fault::Alternatives) && body["top_logprobs"].as_u64() > Some(1) => {
                Some((400, "top_logprobs must be at most 1".to_owned()))
            }
            () if self.has(Fault::Logprobs) && body.get("logprobs").is_some() => unsupported("logprobs"),
            () => None,
        }
    }

    /// Returns an error in the form of the preset's server.
    fn error(&self, status: u16, words: &str) -> ResponseTemplate {
        let words = if self.is_silent { "Bad Request" } else { words };
        let body = match self.preset {
            Preset::Gemini => json!([{"error": {"code": status, "message": words, "status": "INVALID_ARGUMENT"}}]),
            Preset::Mistral => json!({"object": "error", "message": {"detail": [{"loc": ["body"], "msg": words}]}}),
            Preset::Vllm | Preset::Sglang => {
                json!({"object": "error", "message": words, "type": "BadRequestError", "param": null, "code": status})
            }
            Preset::Tgi => json!({"error": words, "error_type": "validation"}),
            Preset::Openrouter => json!({"error": {"message": words, "code": status}, "user_id": "user_1"}),
            _ => json!({"error": {"message": words, "type": "invalid_request_error", "param": null, "code": null}}),
        };
        let status = if status == 400 && self.preset == Preset::Mistral { 422 } else { status };
        ResponseTemplate::new(status).set_body_json(body)
    }

    /// Returns the answer: the words that the prompt asks for, up to a stop text or the limit.
    fn answer(&self, body: &Value) -> Value {
        let prompt =
            body["messages"].as_array().and_then(|turns| turns.last()?["content"].as_str()).unwrap_or_default();
        let whole = match prompt.rsplit_once("Repeat these words: ") {
            Some((_, words)) => words.to_owned(),
            None => "one two three five six seven eight nine ten ".repeat(6),
        };
        let limit = self.right_limit_key().and_then(|key| body[key].as_u64());
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).expect("a small number"));
        let stops: Vec<&str> = match body["stop"].as_array() {
            Some(stops) if !self.has(Fault::IgnoredStop) => stops.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let end = stops.iter().filter_map(|stop| whole.find(stop)).min().unwrap_or(whole.len());
        let words: Vec<&str> = whole[..end].split_inclusive(' ').collect();
        let written = &words[..words.len().min(limit)];
        let finish = if written.len() < words.len() { "length" } else { "stop" };
        let text = written.concat();
        let mut choice =
            json!({"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}});
        if body["logprobs"] == true && !self.has(Fault::NoLogprobs) {
            let count = body["top_logprobs"].as_u64().unwrap_or_default();
            let tokens: Vec<Value> =
                written.iter().enumerate().map(|(index, word)| self.token(index, word, count)).collect();
            choice["logprobs"] = json!({"content": tokens});
        }
        let mut answer =
            json!({"id": "1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice]});
        if !self.has(Fault::Uncounted) {
            answer["usage"] =
                json!({"prompt_tokens": 20, "completion_tokens": written.len(), "total_tokens": 20 + written.len()});
        }
        answer
    }

    fn token(&self, index: usize, word: &str, alternatives: u64) -> Value {
        let logprob = match () {
            () if self.has(Fault::ZeroLogprobs) => 0.0,
            () if self.has(Fault::PositiveLogprobs) && index == 2 => 0.5,
            () => -0.25,
        };
        let top: Vec<Value> = (0..alternatives).map(|n| json!({"token": format!("w{n}"), "logprob": -0.25})).collect();
        json!({"token": word, "logprob": logprob, "bytes": word.as_bytes(), "top_logprobs": top})
    }
}

impl Respond for StandIn {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let path = request.url.path();
        let key = request.headers.get("authorization").map(|key| key.to_str().expect("text").to_owned());
        let right = if self.has(Fault::Key) {
            Some("Bearer another".to_owned())
        } else {
            self.variable().map(|_| format!("Bearer {KEY}"))
        };
        if path == format!("{}/models", self.path()) && self.has(Fault::Model) {
            return ResponseTemplate::new(200).set_body_json(json!({"object": "list", "data": [{"id": MODEL}]}));
        }
        if path != format!("{}/chat/completions", self.path()) {
            return ResponseTemplate::new(404).set_body_string("404 page not found");
        }
        if right.is_some() && key != right {
            let sent_key = key.unwrap_or_default();
            return self.error(401, &format!("Incorrect API key provided: {sent_key}"));
        }
        let body: Value = request.body_json().expect("a JSON body");
        match self.refusal(&body) {
            Some((status, words)) => self.error(status, &words).insert_header("retry-after", "7"),
            None => ResponseTemplate::new(200)
                .insert_header("x-ratelimit-remaining-requests", "41")
                .set_body_json(self.answer(&body)),
        }
    }
}

/// Project whose `trial.toml` has one entry with a preset, and the server that plays the preset's server.
pub(super) struct Stage {
    pub(super) project: Project,
    pub(super) server: MockServer,
}

impl Stage {
    /// Builds the stage; `more` is added to the entry.
    pub(super) async fn new(stand_in: &StandIn, more: &str) -> Self {
        // Dropping a server blocks its thread. Many drops in a row would use up the cooperative budget of the task.
        tokio::task::yield_now().await;
        let server = MockServer::start().await;
        let path = if stand_in.has(Fault::Address) { "/elsewhere".to_owned() } else { stand_in.path() };
        let model = if stand_in.has(Fault::Model) { "another-model" } else { MODEL };
        let entry = format!(
            "# One entry.\n[[model]]\nname = \"m\"     # (edit)\npreset = \"{}\"\nbase_url = \"{}{path}\"\nmodel = \"{model}\"\n{more}\n\
             # Another.\n[[model]]\nname = \"other\"\nbackend = \"reference\"\n",
            stand_in.preset.name(),
            server.uri()
        );
        Mock::given(any()).respond_with(stand_in.clone()).mount(&server).await;
        let project = Project::new();
        project.write("trial.toml", entry);
        Self { project, server }
    }

    /// Runs `models check m --config trial.toml` with the key in every variable. The output must not contain the key.
    pub(super) fn check(&self, arguments: &[&str]) -> CommandOutput {
        let mut command = self.project.command();
        for preset in Preset::ALL {
            if let Some(variable) = preset.dialect().entry.get("api_key_env").and_then(toml::Value::as_str) {
                command.env(variable, KEY);
            }
        }
        command.env(VARIABLE, KEY);
        command.args([&["models", "check", "m", "--config", "trial.toml"], arguments].concat());
        let output = CommandOutput::of(&mut command);
        assert!(!output.out.contains(KEY) && !output.err.contains(KEY), "{}{}", output.out, output.err);
        output
    }

    /// Returns the number of completion requests.
    pub(super) async fn completion_count(&self) -> usize {
        let requests = self.server.received_requests().await.expect("recorded");
        requests.iter().filter(|request| request.method.as_str() == "POST").count()
    }
}
