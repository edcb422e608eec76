//! A chat-completions server in a separate process, which answers every question after a fixed time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

/// Number of weak answers per thousand that are below the threshold 0.5.
const UNSURE_PER_MILLE: u64 = 500;
/// Number of tokens of every answer.
const PIECES: [&str; 7] = ["It", " works", " out", ".", " ####", " ", "7"];

/// A running server, stopped when the value is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts a server whose models `weak` and `strong` answer after the given milliseconds.
    pub(crate) fn start(weak: u64, strong: u64) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", &weak.to_string(), &strong.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("a pipe")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Timer with a resolution of 0.1 ms. Tokio's timers have a resolution of 1 ms, which is 2 % of 50 ms.
#[derive(Default)]
struct Clock {
    waiting: Mutex<BinaryHeap<Reverse<(Instant, u64)>>>,
    bells: Mutex<HashMap<u64, oneshot::Sender<()>>>,
    earlier: Condvar,
    numbers: AtomicU64,
}

impl Clock {
    fn start() -> Arc<Self> {
        let clock = Arc::new(Self::default());
        let own = Arc::clone(&clock);
        std::thread::spawn(move || own.run());
        clock
    }

    async fn sleep_until(&self, time: Instant) {
        let (bell, rung) = oneshot::channel();
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.bells.lock().expect("no panic").insert(number, bell);
        if self.is_first(time, number) {
            self.earlier.notify_one();
        }
        rung.await.unwrap_or_default();
    }

    /// Adds a deadline. Returns true if it is the earliest.
    fn is_first(&self, time: Instant, number: u64) -> bool {
        let mut waiting = self.waiting.lock().expect("no panic");
        waiting.push(Reverse((time, number)));
        waiting.peek().is_some_and(|Reverse((_, first))| *first == number)
    }

    fn run(&self) {
        let mut waiting = self.waiting.lock().expect("no panic");
        loop {
            let now = Instant::now();
            match waiting.peek().copied() {
                Some(Reverse((time, number))) if time <= now => {
                    waiting.pop();
                    if let Some(bell) = self.bells.lock().expect("no panic").remove(&number) {
                        // A closed connection needs no answer.
                        let _ = bell.send(());
                    }
                }
                Some(Reverse((time, _))) => {
                    waiting = self.earlier.wait_timeout(waiting, time - now).expect("no panic").0;
                }
                None => waiting = self.earlier.wait(waiting).expect("no panic"),
            }
        }
    }
}

/// Serves until the process is terminated.
pub(crate) fn serve(latencies: [Duration; 2]) -> Result<()> {
    let clock = Clock::start();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}/v1", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let clock = Arc::clone(&clock);
            tokio::spawn(async move {
                let answer = service_fn(move |request| answer(request, latencies, Arc::clone(&clock)));
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await
            });
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    latencies: [Duration; 2],
    clock: Arc<Clock>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let arrived = Instant::now();
    let asked = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let asked = String::from_utf8_lossy(&asked);
    let is_strong = asked.contains("\"model\":\"strong\"");
    let latency = latencies[usize::from(is_strong)];
    if !latency.is_zero() {
        clock.sleep_until(arrived + latency).await;
    }
    let response = Response::builder().header("content-type", "application/json");
    Ok(response.body(Full::new(Bytes::from(completion(&asked)))).unwrap_or_default())
}

/// Constant answer to a request. The JSON is formatted directly because the server shares the cores with the measured
/// program.
fn completion(asked: &str) -> String {
    let mut hasher = DefaultHasher::new();
    asked.hash(&mut hasher);
    let hash = hasher.finish();
    let logprob = if hash % 1000 < UNSURE_PER_MILLE { "-0.92" } else { "-0.51" };
    let token = |piece: &&str| format!("{{\"token\":\"{piece}\",\"logprob\":{logprob}}}");
    let tokens = PIECES.iter().map(token).collect::<Vec<_>>().join(",");
    let logprobs =
        if asked.contains("\"logprobs\":true") { format!("{{\"content\":[{tokens}]}}") } else { "null".to_owned() };
    let strategy =
        if asked.contains("STRATEGY:") { format!("\\nSTRATEGY:\\nAdd note {}.", hash % 997) } else { String::new() };
    let (read, written) = (asked.len() / 4, PIECES.len());
    format!(
        "{{\"model\":\"{}\",\"choices\":[{{\"message\":{{\"role\":\"assistant\",\"content\":\"{}{strategy}\"}},\
         \"logprobs\":{logprobs},\"finish_reason\":\"stop\"}}],\
         \"usage\":{{\"prompt_tokens\":{read},\"completion_tokens\":{written},\"total_tokens\":{}}}}}",
        if asked.contains("\"model\":\"strong\"") { "strong" } else { "weak" },
        PIECES.concat(),
        read + written
    )
}
