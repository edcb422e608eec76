//! Runs of the engine in this process, from the first call to the last record.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use intercascade::backend::llama_server::Servers;
use intercascade::cascade::experiment::{self, ExperimentOutcome};
use intercascade::config::resolved::ResolvedConfig;
use intercascade::gateway::journal::Journal;
use intercascade::retrieval::embedder;
use intercascade::run::resources::{Embeddings, Models, RunResources, calibration_plan, orders};
use intercascade::types::embedding::Embedded;
use intercascade::types::record::Record;
use serde_json::json;

use crate::bare;
use crate::list_schedule::{Node, Policy, makespan};
use crate::server::Server;

/// λ: about half of the server's answers are below it.
const THRESHOLD: f64 = 0.5;

/// Distinct word problems of many kinds.
pub(crate) fn questions(n: usize) -> String {
    let words = ["apples", "boats", "chairs", "drums", "eggs", "flags", "grapes", "hats", "inks", "jars", "kites"];
    let verbs = ["buys", "sells", "finds", "loses", "paints", "counts", "packs"];
    let line = |i: usize| {
        let (word, verb, other) = (words[i % 11], verbs[i / 11 % 7], words[(i / 77 + i) % 11]);
        let question = format!(
            "Ann {verb} {} {word} and {} {other} on day {i}. How many {word} are there?",
            i % 13 + 2,
            i % 17 + 3
        );
        json!({ "id": i.to_string(), "question": question, "answer": format!("There are {i}.\n#### {i}") }).to_string()
    };
    (0..n).map(line).collect::<Vec<_>>().join("\n")
}

/// A config over `questions.jsonl` with both levels on one server.
pub(crate) fn config(address: &str, arms: &[&str], flying: usize, learning: &str) -> String {
    let model = |name: &str| {
        format!(
            "[[model]]\nname = \"{name}\"\nbackend = \"openai\"\nbase_url = \"{address}\"\nmax_tokens = 64\n\
             price = {{ input = 1.0, output = 2.0, nominal = true }}\n"
        )
    };
    format!(
        "name = \"bench\"\nseed = 1\narms = {arms:?}\nlevels = [\"weak\", \"strong\"]\n[dataset]\npath = \"questions.jsonl\"\n\
         [deferral]\nthreshold = {THRESHOLD}\n[learning]\n{learning}\n[limits]\nconcurrency = {flying}\n{}{}",
        model("weak"),
        model("strong")
    )
}

/// Result and time of a run.
struct Timed {
    outcome: ExperimentOutcome,
    calls: u64,
    time: Duration,
}

async fn timed(folder: &Path) -> Result<Timed> {
    // The config's data path is relative to the working folder.
    std::env::set_current_dir(folder)?;
    let resolved = ResolvedConfig::load(Path::new("bench.toml"), &[])?;
    let journal = Arc::new(Journal::open(&folder.join("journal.sqlite"))?);
    let embeddings = embeddings(&resolved)?;
    let servers = Servers::new(folder.to_owned(), Arc::new(|_: &str, _| ()));
    let means = RunResources {
        journal: Arc::clone(&journal),
        servers,
        offline: false,
        registered: BTreeMap::default(),
        on_notice: Arc::new(|_, _| {}),
    };
    let Models { context, limiter, .. } = Models::new(&resolved, Embeddings { rows: embeddings, lacks: None }, &means)?;
    let config = &resolved.config;
    let cells = calibration_plan(&resolved).cells(&[], &[THRESHOLD], orders(&resolved));
    let started = Instant::now();
    let outcome = experiment::run(&context, &cells, &limiter, config.limits.concurrency, |_| ()).await?;
    Ok(Timed { outcome, calls: journal.calls_made(), time: started.elapsed() })
}

fn embeddings(resolved: &ResolvedConfig) -> Result<Vec<Embedded>> {
    if !resolved.learns() {
        return Ok(Vec::new());
    }
    let name = resolved.config.learning.embedder;
    let weights = name.weights().map(intercascade::fetch::weights::path).transpose()?;
    let queries: Vec<String> = resolved.items.iter().map(|item| item.query.clone()).collect();
    embedder::embed(name, weights.as_deref(), &queries, |_| ())
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}

/// The standard cascade over `items` with `flying` calls at once of `latency` milliseconds, against the bare loop and
/// the ideal.
pub(crate) fn calls(items: usize, latency: u64, flying: usize) -> Result<()> {
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..5 {
        let server = Server::start(latency, latency)?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("questions.jsonl"), questions(items))?;
        std::fs::write(folder.path().join("bench.toml"), config(&server.address, &["cascade"], flying, ""))?;
        let run = block_on(timed(folder.path()))?;
        // The first call of a model runs alone, so it is timed separately.
        let alone = Duration::from_millis(latency);
        rates[0].push(per_second(run.calls - 1, run.time.saturating_sub(alone)));
        let bodies = (0..usize::try_from(run.calls)?).map(|i| body(&run.outcome, i)).collect();
        let bare = block_on(bare::run(&server.address, bodies, flying))?;
        rates[1].push(per_second(run.calls, bare));
    }
    let [engine, bare] = rates.map(median);
    let of_ideal = if latency == 0 {
        String::new()
    } else {
        let ideal = flying as f64 * 1000.0 / latency as f64;
        format!(", ideal {ideal:.0}: {:.1} % of it", 100.0 * engine / ideal)
    };
    println!(
        "{items} items, {latency} ms, {flying} in flight: engine {engine:.0} calls/s, bare loop {bare:.0} ({:.1} % of it){of_ideal}",
        100.0 * engine / bare
    );
    Ok(())
}

/// A request like the requests of the run.
fn body(outcome: &ExperimentOutcome, i: usize) -> serde_json::Value {
    let id = &outcome.records[i % outcome.records.len()].item_id;
    json!({
        "model": "weak", "max_tokens": 64, "temperature": 0.0, "logprobs": true, "top_logprobs": 1,
        "messages": [
            { "role": "system", "content": "You solve grade-school word problems step by step, briefly. End the solution with a line." },
            { "role": "user", "content": format!("Question: Ann finds a number of apples and hats on day {id}, call {i}. How many are there?") },
        ],
    })
}

fn per_second(calls: u64, time: Duration) -> f64 {
    calls as f64 / time.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Inter-Cascade over 1,300 questions against the schedule without overhead. Latencies are 0.1 s and 0.2 s, a tenth of
/// 1 s and 2 s.
pub(crate) fn learning(data: Option<&str>) -> Result<()> {
    const ITEMS: usize = 1300;
    let latencies = [100, 200];
    let text = match data {
        None => questions(ITEMS),
        Some(path) => {
            let whole = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
            whole.lines().take(ITEMS).collect::<Vec<_>>().join("\n")
        }
    };
    let embedder = if data.is_some() { "all-minilm-l6-v2" } else { "hashed-words" };
    for flying in [16, 64] {
        let server = Server::start(latencies[0], latencies[1])?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("questions.jsonl"), &text)?;
        let learning = format!("k = 2\nembedder = \"{embedder}\"");
        std::fs::write(
            folder.path().join("bench.toml"),
            config(&server.address, &["inter-cascade"], flying, &learning),
        )?;
        let run = block_on(timed(folder.path()))?;
        let nodes = graph(&run.outcome.records);
        ensure!(
            run.calls == nodes.iter().map(|node| 1 + u64::from(node.deferred)).sum::<u64>(),
            "no call is speculative"
        );
        let one_after_another: u64 =
            nodes.iter().map(|node| latencies[0] + if node.deferred { latencies[1] } else { 0 }).sum();
        let [order, critical] = [Policy::StreamOrder, Policy::CriticalPath]
            .map(|policy| makespan(&nodes, latencies, flying, policy) as f64 / 1000.0);
        let took = run.time.as_secs_f64();
        println!(
            "{ITEMS} items, {} deferred, {flying} in flight: {took:.2} s, {:.1} times one by one; without overhead {order:.2} s \
             ({:.1} % of its speed); longest chain first {critical:.2} s",
            nodes.iter().filter(|node| node.deferred).count(),
            one_after_another as f64 / 1000.0 / took,
            100.0 * order / took,
        );
    }
    Ok(())
}

/// Items that each item depended on, from the records: every item of its ranking down to the last retrieved strategy.
fn graph(records: &[Record]) -> Vec<Node> {
    let resolved = ResolvedConfig::load(Path::new("bench.toml"), &[]);
    let Ok(resolved) = resolved else { return Vec::new() };
    let Ok(embeddings) = embeddings(&resolved) else { return Vec::new() };
    let index: std::collections::HashMap<&str, usize> =
        resolved.items.iter().enumerate().map(|(i, item)| (&*item.id.0, i)).collect();
    let vector = |record: &Record| &embeddings[index[&*record.item_id.0]].vector;
    let node = |(position, record): (usize, &Record)| {
        let mut earlier: Vec<(usize, f64)> = records[..position]
            .iter()
            .enumerate()
            .map(|(at, other)| (at, intercascade::retrieval::search::cosine(vector(record), vector(other))))
            .collect();
        earlier.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut left = resolved.config.learning.k;
        let mut waits_for = Vec::new();
        for (at, similarity) in earlier {
            if left == 0 || similarity < resolved.config.learning.min_similarity {
                break;
            }
            waits_for.push(at);
            left -= usize::from(records[at].deferred);
        }
        Node { waits_for, deferred: record.deferred }
    };
    records.iter().enumerate().map(node).collect()
}
