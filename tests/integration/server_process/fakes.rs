//! Stand-ins for `llama-server`, each a short program.

#![cfg(target_os = "linux")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use intercascade::backend::llama_server::{Engine, EngineError, EngineSettings};

use crate::support::holds;
use crate::support::processes::{is_gone, port, serving};

/// Small server for tests; `KEY`, `CONTEXT` and `READY` are placeholders.
const SERVER: &str = r#"#!/usr/bin/env python3
import http.server, json, os, sys
if sys.argv[1:] == ["--version"]:
    sys.exit("version: 9999 (0a1b2c3)")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization") == "Bearer " + (KEY or os.environ["LLAMA_API_KEY"])
        status = READY if self.path == "/health" else 200 if known else 401
        body = {"build_info": "b9999-0a1b2c3", "default_generation_settings": {"n_ctx": CONTEXT}}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())
    def log_message(self, *arguments):
        pass
print(" ".join(sys.argv[1:]), "with", sorted(name for name in os.environ if name.startswith("LLAMA_")), flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"#;

/// Folder with a stand-in and with weights that pass every check.
struct Stage(tempfile::TempDir);

impl Stage {
    fn new(script: &str) -> Self {
        let stage = Self(tempfile::tempdir().expect("a folder"));
        std::fs::write(stage.path("llama-server"), script).expect("written");
        std::fs::set_permissions(stage.path("llama-server"), std::fs::Permissions::from_mode(0o755))
            .expect("executable");
        let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
        let template = [text("tokenizer.chat_template"), 8_u32.to_le_bytes().to_vec(), text("{{ messages }}")].concat();
        let head = [b"GGUF\x03\0\0\0".as_slice(), &0_u64.to_le_bytes(), &1_u64.to_le_bytes(), &template, &[0; 64]];
        std::fs::write(stage.path("tiny.gguf"), head.concat()).expect("written");
        stage
    }

    /// Builds a stand-in that serves, with these values for the placeholders.
    fn serving(key: &str, context: &str, ready: &str) -> Self {
        Self::new(&SERVER.replace("KEY or", &format!("{key} or")).replace("CONTEXT", context).replace("READY", ready))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn engine(&self) -> Engine {
        Engine::program(&self.path("llama-server")).expect("new enough")
    }

    fn settings(&self) -> EngineSettings {
        let log = self.0.path().join("server.log");
        EngineSettings { weights: self.path("tiny.gguf"), context: 1024, slots: 2, threads: 2, chat: true, log }
    }

    async fn refusal(&self) -> String {
        self.engine().start(&self.settings(), &|_| {}).await.expect_err("no server").to_string()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_gets_only_the_configured_arguments() {
    let stage = Stage::serving("None", "1024", "200");
    let server = stage.engine().start(&stage.settings(), &|_| {}).await.expect("started");
    assert_eq!(server.build(), "llama.cpp b9999-0a1b2c3");
    let port = port(&server.base_url());
    let weights = stage.path("tiny.gguf");
    let expected = format!(
        "--model {} --port {port} --ctx-size 2048 --parallel 2 --threads 2 --host 127.0.0.1 --no-cache-prompt \
         --cache-ram 0 with ['LLAMA_API_KEY']\n",
        weights.display()
    );
    assert_eq!(stage.log(), expected);
    drop(server);
    is_gone(&port);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_exits_at_once_is_reported_with_its_output() {
    let stage = Stage::new(
        "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'version: 9999 (a)'; exit; }\necho 'no device was found'; exit 3\n",
    );
    let error = stage.refusal().await;
    holds(&error, &["ended while it loaded the weights (exit status: 3)", "server.log:\nno device was found"]);
    assert_eq!(error.lines().count(), 2, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_server_or_context_size_is_refused() {
    let stranger = Stage::serving("'another'", "1024", "200");
    holds(&stranger.refusal().await, &["does not report its properties", "401"]);
    let narrow = Stage::serving("None", "512", "200");
    holds(&narrow.refusal().await, &["gives each slot 512 tokens instead of 1024"]);
    for stage in [stranger, narrow] {
        is_gone(stage.log().split_whitespace().nth(3).expect("a port"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_abandoned_while_loading_is_ended() {
    let stage = Stage::serving("None", "1024", "503");
    let (engine, settings) = (stage.engine(), stage.settings());
    let given_up = tokio::time::timeout(Duration::from_secs(2), engine.start(&settings, &|_| {})).await;
    assert!(given_up.is_err(), "it never gets ready");
    is_gone(stage.log().split_whitespace().nth(3).expect("it had begun"));
}

#[test]
fn a_panic_ends_the_server() {
    let stage = Stage::serving("None", "1024", "200");
    let (engine, settings) = (stage.engine(), stage.settings());
    let (sender, receiver) = std::sync::mpsc::channel();
    let panicked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let server = runtime.block_on(engine.start(&settings, &|_| {})).expect("started");
        let port = port(&server.base_url());
        assert!(serving(&port).is_some());
        sender.send(port).expect("heard");
        panic!("as wanted");
    });
    assert!(panicked.join().is_err());
    is_gone(&receiver.recv().expect("a port"));
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_checked_before_the_engine_starts() {
    let stage = Stage::serving("None", "1024", "200");
    std::fs::write(stage.path("tiny.gguf"), b"GGUF\x03\0\0\0").expect("written");
    match stage.engine().start(&stage.settings(), &|_| {}).await {
        Err(EngineError::Weights { file, reason }) => {
            assert!(file.ends_with("tiny.gguf") && reason.contains("incomplete"));
        }
        other => panic!("{other:?}"),
    }
    let missing = EngineSettings { weights: Path::new("no/such.gguf").to_owned(), ..stage.settings() };
    let error = stage.engine().start(&missing, &|_| {}).await.expect_err("not there").to_string();
    holds(&error, &["no/such.gguf: No such file"]);
    assert_eq!(stage.log(), "");
}
