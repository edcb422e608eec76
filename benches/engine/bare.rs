//! Lower bound for the engine: the same requests at the same concurrency, each answer durable before the next request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use intercascade::gateway::journal::{Journal, JournaledCall};
use intercascade::types::chat::{CallKey, Response, Usage};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Sends these bodies, `flying` at once, and returns the elapsed time.
pub(crate) async fn run(address: &str, bodies: Vec<Value>, flying: usize) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    let journal = Arc::new(Journal::open(&folder.path().join("journal.sqlite"))?);
    // A client needs a TLS provider even without TLS. A second installation fails harmlessly.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().build()?;
    let (bodies, next) = (Arc::new(bodies), Arc::new(AtomicUsize::new(0)));
    let address = format!("{address}/chat/completions");
    let started = Instant::now();
    let workers = (0..flying).map(|_| {
        let (bodies, next) = (Arc::clone(&bodies), Arc::clone(&next));
        let (client, address, journal) = (client.clone(), address.clone(), Arc::clone(&journal));
        tokio::spawn(async move {
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer: Value = client.post(&address).json(body).send().await?.json().await?;
                let request = body.to_string();
                let text = answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned();
                let usage = Usage { input: 1, cached_input: 0, output: 1 };
                let made = JournaledCall {
                    key: CallKey(Sha256::digest(&request).into()),
                    model: "weak".to_owned(),
                    item: "0".into(),
                    request,
                    response: Response { text, usage, ..Response::default() },
                };
                journal.put(made).await?;
            }
            anyhow::Ok(())
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await??;
    }
    Ok(started.elapsed())
}
