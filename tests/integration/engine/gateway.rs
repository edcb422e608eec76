//! The gateway between a level and its model.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use intercascade::gateway::budget::Budget;
use intercascade::gateway::concurrency::{ConcurrencyLimiter, Priority, QueueSettings};
use intercascade::gateway::journal::{Journal, JournaledCall};
use intercascade::gateway::{AnswerSource, Gateway, ModelService, Retries};
use intercascade::types::chat::{
    CallKey, Finish, Generation, Message, Mode, Request, RequestKind, Response, Role, Usage,
};
use intercascade::types::model::{Identity, Model, ModelError};
use intercascade::types::price::{Fee, Price};
use serde_json::json;

/// Model that fails a number of times before it answers.
struct Shaky {
    failures: usize,
    error: fn() -> ModelError,
    calls: AtomicUsize,
}

#[async_trait]
impl Model for Shaky {
    async fn call(&self, request: &Request) -> Result<Response, ModelError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        if call < self.failures {
            return Err((self.error)());
        }
        let usage = Usage { input: 10, cached_input: 0, output: 5 };
        Ok(Response { text: request.messages[0].content.clone(), usage, ..Response::default() })
    }
}

fn passing() -> ModelError {
    ModelError::Passing { reason: "busy".to_owned(), wait: None, charged: false, notice: None }
}

fn cut() -> ModelError {
    ModelError::Passing { reason: "cut off".to_owned(), wait: None, charged: true, notice: None }
}

struct Stage {
    folder: tempfile::TempDir,
    model: Arc<Shaky>,
    gate: Arc<ConcurrencyLimiter>,
    journal: Arc<Journal>,
    gateway: Gateway,
}

fn stage(failures: usize, error: fn() -> ModelError) -> Stage {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Arc::new(Journal::open(&folder.path().join("journal.sqlite")).expect("a journal"));
    let model = Arc::new(Shaky { failures, error, calls: AtomicUsize::new(0) });
    let gate = ConcurrencyLimiter::new(8);
    let line = gate.add_queue(QueueSettings { cap: 8, local: false, probed: false });
    let served = ModelService {
        name: "m".to_owned(),
        identity: Identity { fixed: json!({}), per_item: false },
        source: AnswerSource::Model(Arc::<Shaky>::clone(&model)),
    };
    let retries = Retries { most: 2, first_wait: Duration::from_millis(1), longest_wait: Duration::from_millis(9) };
    let gateway = Gateway::new(served, Arc::clone(&journal), (Arc::clone(&gate), line), retries);
    Stage { folder, model, gate, journal, gateway }
}

fn request(text: &str, draw: u32) -> Request {
    Request {
        item: "1".into(),
        messages: vec![Message { role: Role::User, content: text.to_owned() }],
        mode: Mode::Generate(Generation { max_tokens: 9, ..Generation::default() }),
        wanted: RequestKind::Answer,
        draw,
        strategies: Vec::new(),
    }
}

impl Stage {
    async fn ask(&self, text: &str, draw: u32) -> Result<String, ModelError> {
        let (_, response) = self.gateway.call(&request(text, draw), Priority::default()).await?;
        Ok(response.text.clone())
    }

    fn calls(&self) -> usize {
        self.model.calls.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn equal_calls_in_flight_are_merged_and_draws_are_not() {
    let stage = Arc::new(stage(0, passing));
    let asks = (0..20).map(|_| {
        tokio::spawn({
            let stage = Arc::clone(&stage);
            async move { stage.ask("a", 0).await }
        })
    });
    for ask in asks.collect::<Vec<_>>() {
        assert_eq!(ask.await.expect("no panic").expect("an answer"), "a");
    }
    assert_eq!((stage.calls(), stage.journal.calls_made()), (1, 1));
    stage.ask("a", 0).await.expect("from the journal");
    stage.ask("a", 1).await.expect("an answer");
    assert_eq!(stage.calls(), 2);
}

#[tokio::test]
async fn a_journaled_answer_needs_no_model_after_a_restart() {
    let first = stage(0, passing);
    first.ask("a", 0).await.expect("an answer");
    let path = first.folder.path().join("journal.sqlite");
    let restarted = stage(0, passing);
    let journal = Arc::new(Journal::open(&path).expect("a journal"));
    let line = restarted.gate.add_queue(QueueSettings { cap: 1, local: false, probed: false });
    let served = ModelService {
        name: "m".to_owned(),
        identity: Identity { fixed: json!({}), per_item: false },
        source: AnswerSource::Journal,
    };
    let retries = Retries { most: 0, first_wait: Duration::ZERO, longest_wait: Duration::ZERO };
    let offline = Gateway::new(served, journal, (Arc::clone(&restarted.gate), line), retries);
    let (_, response) = offline.call(&request("a", 0), Priority::default()).await.expect("from the journal");
    assert_eq!(response.text, "a");
    let missing = offline.call(&request("b", 0), Priority::default()).await.expect_err("not in the journal");
    assert!(missing.to_string().contains("--offline"), "{missing}");
}

#[tokio::test]
async fn transient_errors_are_retried_and_finally_end_the_run() {
    let recovering = stage(2, passing);
    assert_eq!(recovering.ask("a", 0).await.expect("the third attempt"), "a");
    assert_eq!(recovering.calls(), 3);
    let failing = stage(9, passing);
    let error = failing.ask("a", 0).await.expect_err("three attempts");
    assert!(matches!(&error, ModelError::Unavailable(text) if text == "busy (no answer in 3 attempts)"), "{error}");
    assert!(matches!(failing.ask("b", 0).await, Err(ModelError::Stopped)), "no call begins after the error");
}

#[tokio::test]
async fn an_unreachable_server_is_reported_once_if_retried() {
    let absent = || ModelError::Passing {
        reason: "refused".to_owned(),
        wait: None,
        charged: false,
        notice: Some("nobody is there".to_owned()),
    };
    let messages = Arc::new(std::sync::Mutex::new(Vec::new()));
    let Stage { gateway, model, .. } = stage(2, absent);
    let sink = Arc::clone(&messages);
    let gateway = gateway.with_notice_handler(Arc::new(move |text: &str, _: &str| {
        sink.lock().expect("no panic").push(text.to_owned());
    }));
    gateway.call(&request("a", 0), Priority::default()).await.expect("the third attempt");
    gateway.call(&request("b", 0), Priority::default()).await.expect("at once");
    assert_eq!(model.calls.load(Ordering::SeqCst), 4);
    assert_eq!(*messages.lock().expect("no panic"), ["nobody is there"]);
}

#[tokio::test]
async fn a_refused_call_is_journaled_and_repeated_on_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.sqlite");
    let refused = Response { finish: Finish::Refused, refusal: Some("filtered".to_owned()), ..Response::default() };
    let made = |key: u8, response: &Response| JournaledCall {
        key: CallKey([key; 32]),
        model: "m".to_owned(),
        item: "1".into(),
        request: "{}".to_owned(),
        response: response.clone(),
    };
    let journal = Journal::open(&path).expect("a journal");
    journal.put(made(1, &refused)).await.expect("stored");
    let withheld = Response { finish: Finish::ContentFilter, ..Response::default() };
    journal.put(made(2, &withheld)).await.expect("stored");
    let answered = Response { text: "4".to_owned(), ..Response::default() };
    journal.put(made(3, &answered)).await.expect("stored");
    let stored = journal.get(&CallKey([1; 32])).await.expect("readable").expect("there");
    assert_eq!((stored.finish, stored.refusal.as_deref()), (Finish::Refused, Some("filtered")));
    let elsewhere = folder.path().join("other.sqlite");
    let mut other = Journal::open(&elsewhere).expect("a journal").with_further(&path).expect("a journal");
    other.ignore_refused();
    assert!(other.get(&CallKey([1; 32])).await.expect("readable").is_none(), "passed over");
    assert_eq!(journal.delete_refused().expect("written"), 2);
    assert!(journal.get(&CallKey([1; 32])).await.expect("readable").is_none());
    assert_eq!(journal.get(&CallKey([3; 32])).await.expect("readable").expect("there").text, "4");
}

#[tokio::test]
async fn an_attempt_that_may_be_charged_counts_for_the_limit() {
    let Stage { gateway, journal, model, .. } = stage(1, cut);
    let price = Price { input: 0.0, cached_input: None, output: 1.0, batch: None, read: None, nominal: false };
    // Each attempt may write up to 9 tokens. The interrupted attempt is charged for all 9.
    let budget = Arc::new(Budget::new(22e-6, Fee::default()));
    let gateway = gateway.with_budget(price, budget);
    gateway.call(&request("a", 0), Priority::default()).await.expect("9 lost, 5 spent");
    let error = gateway.call(&request("b", 0), Priority::default()).await.expect_err("14 and 9 are more than 22");
    assert!(matches!(error, ModelError::FeeLimit(_)), "{error}");
    gateway.call(&request("a", 0), Priority::default()).await.expect("what is in the journal costs nothing");
    assert_eq!(model.calls.load(Ordering::SeqCst), 2);
    let lost = journal.lost().expect("sums")["m"];
    assert_eq!((lost.calls, lost.usage.output), (1, 9));
    assert_eq!(journal.spent().expect("sums")["m"].usage.output, 5);
}
