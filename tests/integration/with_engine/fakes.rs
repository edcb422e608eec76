//! Stand-ins for `llama-server`, each a program of a few lines.

#![cfg(target_os = "linux")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use intercascade::backend::llama_server::{Engine, EngineError, EngineSettings};

use super::{is_gone, port, serving};
use crate::support::holds;

/// A server of the size of a test: `KEY`, `CONTEXT` and `READY` are put in.
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

/// A folder with a stand-in and weights that pass every look.
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

    /// One that serves, with these values put in.
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
        super::settings(self.path("tiny.gguf"), self.0.path())
    }

    async fn refusal(&self) -> String {
        self.engine().start(&self.settings(), &|_| {}).await.expect_err("no server").to_string()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_what_was_set_and_nothing_else() {
    let stage = Stage::serving("None", "1024", "200");
    let server = stage.engine().start(&stage.settings(), &|_| {}).await.expect("started");
    assert_eq!(server.build(), "llama.cpp b9999-0a1b2c3");
    let port = port(&server.base_url());
    let weights = stage.path("tiny.gguf");
    let wanted = format!(
        "--model {} --port {port} --ctx-size 2048 --parallel 2 --threads 2 --host 127.0.0.1 --no-cache-prompt \
         --cache-ram 0 with ['LLAMA_API_KEY']\n",
        weights.display()
    );
    assert_eq!(stage.log(), wanted);
    drop(server);
    is_gone(&port);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ends_at_once_is_told_with_its_last_words() {
    let stage = Stage::new(
        "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'version: 9999 (a)'; exit; }\necho 'no device was found'; exit 3\n",
    );
    let error = stage.refusal().await;
    holds(&error, &["ended while it loaded the weights (exit status: 3)", "server.log:\nno device was found"]);
    assert_eq!(error.lines().count(), 2, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_the_one_or_does_not_hold_what_is_asked() {
    let stranger = Stage::serving("'another'", "1024", "200");
    holds(&stranger.refusal().await, &["cannot be asked", "401"]);
    let narrow = Stage::serving("None", "512", "200");
    holds(&narrow.refusal().await, &["gives each slot 512 tokens instead of 1024"]);
    for stage in [stranger, narrow] {
        is_gone(stage.log().split_whitespace().nth(3).expect("a port"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_given_up_while_it_loads_is_gone() {
    let stage = Stage::serving("None", "1024", "503");
    let (engine, settings) = (stage.engine(), stage.settings());
    let given_up = tokio::time::timeout(Duration::from_secs(2), engine.start(&settings, &|_| {})).await;
    assert!(given_up.is_err(), "it never gets ready");
    is_gone(stage.log().split_whitespace().nth(3).expect("it had begun"));
}

#[test]
fn a_panic_takes_the_server_with_it() {
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
async fn weights_are_looked_at_before_anything_is_started() {
    let stage = Stage::serving("None", "1024", "200");
    std::fs::write(stage.path("tiny.gguf"), b"GGUF\x03\0\0\0").expect("written");
    match stage.engine().start(&stage.settings(), &|_| {}).await {
        Err(EngineError::Weights { file, what }) => assert!(file.ends_with("tiny.gguf") && what.contains("cut off")),
        other => panic!("{other:?}"),
    }
    let missing = EngineSettings { weights: Path::new("no/such.gguf").to_owned(), ..stage.settings() };
    let error = stage.engine().start(&missing, &|_| {}).await.expect_err("not there").to_string();
    holds(&error, &["no/such.gguf: No such file"]);
    assert_eq!(stage.log(), "");
}
