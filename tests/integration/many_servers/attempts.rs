//! The gateway with a model behind several servers: attempts, lost answers, and requests that fail everywhere.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use intercascade::gateway::concurrency::{ConcurrencyLimiter, Priority, QueueSettings};
use intercascade::gateway::journal::Journal;
use intercascade::gateway::{AnswerSource, Gateway, ModelService, Retries};
use intercascade::types::chat::{Generation, Message, Mode, Request, RequestKind, Response, Role};
use intercascade::types::model::{Identity, Model, ModelError};
use intercascade::types::queue::ServerSettings;
use serde_json::json;

/// Decides whether a server fails on a text, and whether the attempt may be charged.
type Fails = fn(usize, &str) -> Option<bool>;

/// Model behind three servers that fail by a rule.
struct Faulty {
    fails: Fails,
    /// Server and text of each attempt.
    attempts: Mutex<Vec<(usize, String)>>,
}

#[async_trait]
impl Model for Faulty {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        self.call_at(0, request).await
    }

    fn servers(&self) -> usize {
        3
    }

    async fn call_at(&self, server: usize, request: &Request) -> Result<Response, ModelError> {
        let text = request.messages[0].content.clone();
        self.attempts.lock().expect("not poisoned").push((server, text.clone()));
        tokio::time::sleep(Duration::from_millis(1)).await;
        match (self.fails)(server, &text) {
            Some(charged) => {
                Err(ModelError::Passing { reason: "cut off".to_owned(), wait: None, charged, notice: None })
            }
            None => Ok(Response { text, server: Some(server.to_string()), ..Response::default() }),
        }
    }
}

struct Stage {
    _folder: tempfile::TempDir,
    model: Arc<Faulty>,
    journal: Arc<Journal>,
    gateway: Gateway,
}

impl Stage {
    fn new(fails: Fails, retries: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = Arc::new(Journal::open(&folder.path().join("journal.sqlite")).expect("a journal"));
        let model = Arc::new(Faulty { fails, attempts: Mutex::default() });
        let limiter = ConcurrencyLimiter::new(8);
        let settings = QueueSettings { cap: 2, local: false, probed: true };
        let queue = limiter.add_queue_of(settings, ServerSettings { count: 3, ..ServerSettings::default() });
        let service = ModelService {
            name: "m".to_owned(),
            identity: Identity { fixed: json!({}), per_item: false },
            source: AnswerSource::Model(Arc::<Faulty>::clone(&model)),
        };
        let (first_wait, longest_wait) = (Duration::from_millis(1), Duration::from_millis(4));
        let retries = Retries { most: retries, first_wait, longest_wait };
        let gateway = Gateway::new(service, Arc::clone(&journal), (limiter, queue), retries);
        Self { _folder: folder, model, journal, gateway }
    }

    async fn ask(&self, text: &str) -> Result<Response, ModelError> {
        let request = Request {
            item: "1".into(),
            messages: vec![Message { role: Role::User, content: text.to_owned() }],
            mode: Mode::Generate(Generation { max_tokens: 9, ..Generation::default() }),
            wanted: RequestKind::Answer,
            draw: 0,
            strategies: Vec::new(),
        };
        let (_, response) = self.gateway.call(&request, Priority::default()).await?;
        Ok(Response::clone(&response))
    }

    /// Servers of the attempts with this text, in order.
    fn servers(&self, text: &str) -> Vec<usize> {
        let attempts = self.model.attempts.lock().expect("not poisoned");
        attempts.iter().filter(|(_, asked)| asked == text).map(|(server, _)| *server).collect()
    }
}

#[tokio::test]
async fn another_server_answers_at_once_and_the_lost_answer_is_recorded() {
    let stage = Stage::new(|server, _| (server < 2).then_some(server == 0), 0);
    let answer = stage.ask("a").await.expect("the third server answers, without a retry");
    assert_eq!((answer.server.as_deref(), stage.servers("a")), (Some("2"), vec![0, 1, 2]));
    assert_eq!(stage.journal.lost().expect("readable")["m"].calls, 1, "only the first attempt may have been charged");
    assert_eq!(stage.journal.spent().expect("readable")["m"].calls, 1);
    // The journal repeats the answer with its server.
    assert_eq!(stage.ask("a").await.expect("journaled"), answer);
    assert_eq!(stage.servers("a").len(), 3);
}

#[tokio::test]
async fn retries_begin_when_every_server_has_failed() {
    let stage = Stage::new(|_, _| Some(false), 2);
    let error = stage.ask("a").await.expect_err("no server answers").to_string();
    assert_eq!(error, "cut off (no answer in 5 attempts at 3 servers)");
    assert_eq!(stage.servers("a")[..3], [0, 1, 2]);
}

#[tokio::test]
async fn a_request_that_fails_everywhere_ends_although_the_servers_answer_others() {
    let stage = Arc::new(Stage::new(|_, text| (text == "poison").then_some(false), 2));
    let others = (0..60).map(|n| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { stage.ask(&n.to_string()).await.map(drop) })
    });
    let others: Vec<_> = others.collect();
    let error = stage.ask("poison").await.expect_err("no server answers").to_string();
    let attempts = stage.servers("poison").len();
    assert!((3..=9).contains(&attempts), "at most each server for each of three tries: {attempts}");
    assert_eq!(error, format!("cut off (no answer in {attempts} attempts at 3 servers)"));
    for other in others {
        // The error has stopped the run: calls that had not begun did not begin.
        let ended = other.await.expect("no panic");
        assert!(matches!(ended, Ok(()) | Err(ModelError::Stopped)), "{ended:?}");
    }
}
