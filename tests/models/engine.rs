//! The real `llama-server` with the small model, as the library runs it.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use intercascade::backend::llama_server::{Engine, EngineSettings, RunningServer, SupervisedServer, Wait};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::holds;
use crate::support::processes::{is_gone, port, serving};
use crate::weights::fetched;

/// Variable that names the folder for the log and the port; it is set for the test below that acts as parent process.
const PARENT: &str = "INTERCASCADE_TEST_PARENT";

/// Returns settings for these weights, with the log in `folder`.
fn settings(weights: PathBuf, folder: &Path) -> EngineSettings {
    EngineSettings { weights, context: 1024, slots: 2, threads: 2, chat: true, log: folder.join("server.log") }
}

/// Returns settings for the small model, with one thread: on a busy machine several threads are many times slower.
fn small(folder: &Path) -> EngineSettings {
    EngineSettings { threads: 1, ..settings(fetched("smollm2-135m-instruct"), folder) }
}

/// Kills a process without a request to stop.
fn kill(pid: u32) {
    let ended = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill");
    assert!(ended.success());
}

fn engine() -> Engine {
    Engine::choose().expect("an engine").engine
}

/// Requests a greedy answer.
async fn answer(server: &RunningServer) -> Value {
    let body = json!({
        "messages": [{ "role": "user", "content": "What is the capital of France?" }],
        "temperature": 0, "max_tokens": 12, "logprobs": true,
    });
    let url = format!("{}/chat/completions", server.base_url());
    // Every client needs a TLS provider, although no secret leaves this machine. Another test may have installed it
    // already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    assert_eq!(client.post(&url).json(&body).send().await.expect("an answer").status(), 401, "no key, no answer");
    let request = client.post(&url).json(&body).bearer_auth(server.api_key().expose_secret());
    request.send().await.expect("an answer").json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_answers_and_ends_with_its_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let waits = Mutex::new(Vec::new());
    let note = |wait: Wait| waits.lock().expect("unpoisoned").push(wait);
    let server = engine().start(&small(folder.path()), &note).await.expect("started");
    assert!(waits.lock().expect("unpoisoned").iter().any(|wait| matches!(wait, Wait::Loading(_))));
    assert!(server.build().contains("llama"), "{}", server.build());

    let first_answer = answer(&server).await;
    assert!(
        first_answer["choices"][0]["message"]["content"].as_str().is_some_and(|text| !text.is_empty()),
        "{first_answer}"
    );
    assert_eq!(first_answer["choices"][0]["logprobs"]["content"].as_array().map(Vec::len), Some(12));
    let second_answer = answer(&server).await;
    assert_eq!(second_answer["choices"][0]["message"], first_answer["choices"][0]["message"]);
    assert_eq!(
        second_answer["usage"]["prompt_tokens_details"]["cached_tokens"],
        json!(0),
        "{}",
        second_answer["usage"]
    );

    let port = port(&server.base_url());
    for pid in [server.pid(), serving(&port).expect("a process")] {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("its arguments");
        assert!(!line.contains(server.api_key().expose_secret()), "everybody can read the arguments");
    }
    holds(&std::fs::read_to_string(folder.path().join("server.log")).expect("a log"), &["n_slots = 2", "1024"]);
    drop(server);
    is_gone(&port);
}

/// Acts as the process that the next test starts and kills. Does nothing if it is run by itself.
#[tokio::test(flavor = "multi_thread")]
async fn parent_process_that_the_next_test_kills() {
    let Some(folder) = std::env::var_os(PARENT).map(std::path::PathBuf::from) else { return };
    let server = engine().start(&small(&folder), &|_| {}).await.expect("started");
    std::fs::write(folder.join("arriving"), port(&server.base_url())).expect("written");
    std::fs::rename(folder.join("arriving"), folder.join("port")).expect("named");
    std::thread::sleep(std::time::Duration::from_mins(2));
}

#[test]
fn a_server_does_not_outlive_a_killed_parent() {
    let folder = tempfile::tempdir().expect("a folder");
    small(folder.path());
    let mut parent = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "engine::parent_process_that_the_next_test_kills"])
        .env(PARENT, folder.path())
        .spawn()
        .expect("started");
    let port = (0..600).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        std::fs::read_to_string(folder.path().join("port")).ok()
    });
    let port = port.expect("it has started its server");
    assert!(serving(&port).is_some());
    parent.kill().expect("killed");
    parent.wait().expect("reaped");
    is_gone(&port);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_is_restarted_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = SupervisedServer::new(engine(), small(folder.path()));
    assert!(!folder.path().join("server.log").exists(), "nothing is started before it is needed");
    let first = port(&server.ensure_running(&|_| {}).await.expect("started").base_url());
    assert_eq!(port(&server.ensure_running(&|_| {}).await.expect("there").base_url()), first);

    kill(serving(&first).expect("a process"));
    is_gone(&first);
    let died = Mutex::new(None);
    let note = |wait: Wait| {
        if let Wait::Died(last) = wait {
            *died.lock().expect("unpoisoned") = Some(last);
        }
    };
    let second = server.ensure_running(&note).await.expect("started once more");
    holds(&died.into_inner().expect("unpoisoned").expect("told"), &["listening", &first]);
    answer(second).await;
    let second = port(&second.base_url());
    assert_ne!(first, second);

    kill(serving(&second).expect("a process"));
    is_gone(&second);
    for _ in 0..2 {
        let error = server.ensure_running(&|_| {}).await.expect_err("a second death").to_string();
        holds(
            &error,
            &["the llama.cpp server has died twice; the end of its log", "server.log:\n", "listening", &second],
        );
        assert!(!error.contains(&first), "only its own lines: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_of_another_architecture_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = small(folder.path());
    let mut bytes = std::fs::read(&settings.weights).expect("the weights");
    let value = b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0llama";
    let index = bytes.windows(value.len()).position(|part| part == value).expect("the architecture") + value.len();
    bytes[index - 5..index].copy_from_slice(b"lemma");
    settings.weights = folder.path().join("lemma.gguf");
    std::fs::write(&settings.weights, bytes).expect("written");
    let error = engine().start(&settings, &|_| {}).await.expect_err("refused").to_string();
    holds(&error, &["lemma.gguf: ", " does not know its architecture `lemma`"]);
}
