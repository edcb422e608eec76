//! A server that stands in for a preset's: its address, its key, its way to refuse, and one fault.

use intercascade::backend::preset::Preset;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::{Project, Said};

/// What stands in for every key; no output may hold it.
pub(super) const KEY: &str = "sk-trial-0123456789abcdef";
/// The variable that it is in for presets that name none.
pub(super) const VARIABLE: &str = "TRIAL_KEY";
/// The model that is served.
pub(super) const MODEL: &str = "served-model";
/// All models that are served.
const MODELS: [&str; 3] = [MODEL, "gpt-4.1-mini", "gpt-6-sol"];

/// What is wrong with a server, seen from an entry that says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It refuses the token limit's name that the preset sends.
    TokenLimit,
    /// It knows no name of the token limit, and keeps none.
    IgnoredLimit,
    /// It ignores the token limit's name that the preset sends.
    UnknownLimit,
    /// It refuses a temperature.
    Temperature,
    /// It refuses stop texts.
    Stop,
    /// It takes stop texts and writes on.
    IgnoredStop,
    /// It refuses the system role.
    System,
    /// It refuses log-probabilities.
    Logprobs,
    /// It takes the wish for log-probabilities and gives none.
    NoLogprobs,
    /// Each log-probability is 0.
    ZeroLogprobs,
    /// Some tokens have a log-probability above 0.
    PositiveLogprobs,
    /// It refuses more than one alternative.
    Alternatives,
    /// It counts no tokens.
    Uncounted,
    /// It has another key than the one that is sent, or wants one where none is.
    Key,
    /// It stands at the preset's address, and the entry says another.
    Address,
    /// It has another model.
    Model,
    /// Its limit is used up.
    Busy,
}

/// A server with its faults.
#[derive(Debug, Clone)]
pub(super) struct StandIn {
    pub(super) preset: Preset,
    pub(super) faults: Vec<Fault>,
    /// Whether a refusal says nothing of what it refuses.
    pub(super) is_silent: bool,
}

impl StandIn {
    pub(super) fn new(preset: Preset, faults: &[Fault]) -> Self {
        Self { preset, faults: faults.to_vec(), is_silent: false }
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// The path of the preset's address.
    pub(super) fn path(&self) -> String {
        let dialect = self.preset.dialect();
        let address = dialect.entry.get("base_url").and_then(toml::Value::as_str).or(dialect.address.as_deref());
        let (_, rest) = address.expect("an address").split_once("://").expect("a scheme");
        rest.find('/').map_or_else(String::new, |slash| rest[slash..].to_owned())
    }

    /// The name of the token limit that the preset sends.
    fn limit_key(&self) -> &'static str {
        let key = self.preset.dialect().entry.get("token_limit_key").and_then(toml::Value::as_str);
        if key == Some("max_completion_tokens") { "max_completion_tokens" } else { "max_tokens" }
    }

    fn other_limit_key(&self) -> &'static str {
        if self.limit_key() == "max_tokens" { "max_completion_tokens" } else { "max_tokens" }
    }

    /// The name of the token limit that is right for the server; `None` if none is.
    pub(super) fn right_limit_key(&self) -> Option<&'static str> {
        match () {
            () if self.has(Fault::IgnoredLimit) => None,
            () if self.has(Fault::TokenLimit) || self.has(Fault::UnknownLimit) => Some(self.other_limit_key()),
            () => Some(self.limit_key()),
        }
    }

    /// The variable that the key is read from; `None` if none is sent.
    pub(super) fn variable(&self) -> Option<&'static str> {
        self.preset.dialect().entry.get("api_key_env").and_then(toml::Value::as_str)
    }

    /// Why the server refuses a request.
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

    /// An error in the form of the preset's server.
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

    /// The answer: the words that were asked for, up to a stop text or the limit.
    fn answer(&self, body: &Value) -> Value {
        let asked = body["messages"].as_array().and_then(|turns| turns.last()?["content"].as_str()).unwrap_or_default();
        let whole = match asked.rsplit_once("Repeat these words: ") {
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
                written.iter().enumerate().map(|(place, word)| self.token(place, word, count)).collect();
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

    fn token(&self, place: usize, word: &str, alternatives: u64) -> Value {
        let logprob = match () {
            () if self.has(Fault::ZeroLogprobs) => 0.0,
            () if self.has(Fault::PositiveLogprobs) && place == 2 => 0.5,
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
            let shown = key.unwrap_or_default();
            return self.error(401, &format!("Incorrect API key provided: {shown}"));
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

/// A project whose `trial.toml` holds one entry of a preset, and the server that stands in.
pub(super) struct Stage {
    pub(super) project: Project,
    pub(super) server: MockServer,
}

impl Stage {
    /// `more` is laid into the entry.
    pub(super) async fn new(stand_in: &StandIn, more: &str) -> Self {
        // A server that is dropped waits without giving way: many in a row would use up the turn of their task.
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

    /// `models check m --config trial.toml` with the key in every variable; the output must not hold it.
    pub(super) fn check(&self, arguments: &[&str]) -> Said {
        let mut command = self.project.command();
        for preset in Preset::ALL {
            if let Some(variable) = preset.dialect().entry.get("api_key_env").and_then(toml::Value::as_str) {
                command.env(variable, KEY);
            }
        }
        command.env(VARIABLE, KEY);
        command.args([&["models", "check", "m", "--config", "trial.toml"], arguments].concat());
        let said = Said::of(&mut command);
        assert!(!said.out.contains(KEY) && !said.err.contains(KEY), "{}{}", said.out, said.err);
        said
    }

    /// How many completions were asked for.
    pub(super) async fn asked(&self) -> usize {
        let requests = self.server.received_requests().await.expect("recorded");
        requests.iter().filter(|request| request.method.as_str() == "POST").count()
    }
}
