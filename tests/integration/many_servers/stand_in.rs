//! A model server of this test process that can be killed and started again at the same address.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::support::completion;

/// Time between two looks at a condition.
const GLANCE: Duration = Duration::from_millis(1);

/// Number of glances after which a condition counts as never fulfilled.
const PATIENCE: usize = 60_000;

/// A server whose answers depend only on the prompt.
pub(super) struct StandIn {
    address: SocketAddr,
    state: Arc<State>,
    /// Runtime of the server's connections. `None` if the server is down.
    runtime: Option<Runtime>,
}

struct State {
    /// Number of answers after which requests are held until `released` is true.
    held_from: AtomicUsize,
    released: watch::Sender<bool>,
    /// Status and `Retry-After` of every response after the first `held_from` ones, instead of holding it.
    failure: Mutex<Option<(u16, &'static str)>>,
    received: AtomicUsize,
    answered: AtomicUsize,
    /// Number of answers by model and messages.
    answers: Mutex<BTreeMap<String, usize>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl StandIn {
    /// Starts a server at a free port.
    pub(super) fn start() -> Self {
        let state = State {
            held_from: AtomicUsize::new(usize::MAX),
            released: watch::Sender::new(false),
            failure: Mutex::new(None),
            received: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            answers: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
        };
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { address: free, state: Arc::new(state), runtime: None };
        server.restart();
        server
    }

    /// Starts the server again at its address.
    pub(super) fn restart(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(self.address)).expect("the port is free");
        self.address = listener.local_addr().expect("bound");
        runtime.spawn(serve(listener, Arc::clone(&self.state)));
        self.runtime = Some(runtime);
    }

    /// Ends the server and cuts its connections.
    pub(super) fn kill(&mut self) {
        self.runtime.take().expect("it runs").shutdown_timeout(Duration::from_secs(5));
    }

    /// Holds every request after `answers` answers until [`StandIn::release`].
    pub(super) fn hold_after(&self, answers: usize) {
        self.state.held_from.store(answers, Ordering::SeqCst);
    }

    /// Responds with this status and `Retry-After` to every request after `answers` answers.
    pub(super) fn fail_after(&self, answers: usize, status: u16, retry_after: &'static str) {
        *self.state.failure.lock().expect("not poisoned") = Some((status, retry_after));
        self.hold_after(answers);
    }

    /// Answers the held requests and all later ones.
    pub(super) fn release(&self) {
        self.state.released.send_replace(true);
    }

    /// Host and port.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Address for a config.
    pub(super) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Number of requests so far.
    pub(super) fn received(&self) -> usize {
        self.state.received.load(Ordering::SeqCst)
    }

    /// Number of answers so far.
    pub(super) fn answered(&self) -> usize {
        self.state.answered.load(Ordering::SeqCst)
    }

    /// Greatest number of requests at the same time.
    pub(super) fn most_in_flight(&self) -> usize {
        self.state.most_in_flight.load(Ordering::SeqCst)
    }

    /// Number of answers by model and messages.
    pub(super) fn answers(&self) -> BTreeMap<String, usize> {
        self.state.answers.lock().expect("not poisoned").clone()
    }
}

/// Waits until a condition is fulfilled.
pub(super) fn wait_until(what: &str, is_fulfilled: impl Fn() -> bool) {
    let waited = (0..PATIENCE).take_while(|_| !is_fulfilled()).inspect(|_| std::thread::sleep(GLANCE)).count();
    assert!(waited < PATIENCE, "{what}");
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request| respond(Arc::clone(&state), request));
        tokio::spawn(async move {
            // A client that goes away ends its connection with an error.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Ok(body) = request.into_body().collect().await else { return Ok(response(400, "", &Value::Null)) };
    let body: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
    state.received.fetch_add(1, Ordering::SeqCst);
    let in_flight = state.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    state.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
    let _counted = InFlight(&state.in_flight);
    // Other requests arrive in the meantime.
    tokio::time::sleep(Duration::from_millis(3)).await;
    if state.answered.load(Ordering::SeqCst) >= state.held_from.load(Ordering::SeqCst) {
        let failure = *state.failure.lock().expect("not poisoned");
        if let Some((status, retry_after)) = failure.filter(|_| !*state.released.borrow()) {
            return Ok(response(status, retry_after, &json!({"error": {"message": "not now"}})));
        }
        let _ = state.released.subscribe().wait_for(|released| *released).await;
    }
    state.answered.fetch_add(1, Ordering::SeqCst);
    let prompt = format!("{} {}", body["model"].as_str().unwrap_or_default(), body["messages"]);
    *state.answers.lock().expect("not poisoned").entry(prompt).or_default() += 1;
    Ok(response(200, "", &completion(&body)))
}

/// A request in flight, counted until it is dropped: answered, or cut off.
struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn response(status: u16, retry_after: &str, body: &Value) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("retry-after", retry_after);
    response.body(Full::from(body.to_string())).expect("a response")
}
