//! A running server: started, awaited until it answers, verified by its key, and ended together with its owner.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

use super::log::Log;
use super::{Engine, EngineError, OnWait, Wait, check, launch, wheel};
use crate::fetch::tls::Trusted;
use crate::fetch::{http, machine};

/// Pause between two readiness checks.
const POLL: Duration = Duration::from_millis(100);
/// Longest time for loading the weights. A slow disk needs minutes for large weights.
const LOADING_TIMEOUT: Duration = Duration::from_mins(20);
/// Longest duration of one readiness check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// Number of ports that are tried if other programs occupy them.
const PORTS: usize = 3;
/// Longest wait for the end of a process after its stdin is closed.
const EXIT_TIMEOUT: Duration = Duration::from_secs(3);

/// Settings of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// Path of the GGUF file.
    pub weights: PathBuf,
    /// Context of each slot in tokens, prompt and answer together.
    pub context: u32,
    /// Number of parallel sequences.
    pub slots: u32,
    /// Number of compute threads.
    pub threads: usize,
    /// True if chat requests are sent, which need a chat template.
    pub chat: bool,
    /// Path of the log file, to which the output is appended.
    pub log: PathBuf,
}

/// A server that answers. It ends when this value is dropped, and when the program ends.
#[derive(Debug)]
pub struct RunningServer {
    child: Child,
    port: u16,
    api_key: SecretString,
    build: String,
    log: Log,
}

impl Engine {
    /// Starts a server and waits until it answers. Installs the engine first if necessary.
    ///
    /// # Errors
    /// [`EngineError`] if the weights cannot be served, the memory is too small, the engine cannot be installed or
    /// started, or the engine ends. The error of an ended engine has the last lines of its log.
    pub async fn start(&self, settings: &EngineSettings, on_wait: OnWait<'_>) -> Result<RunningServer, EngineError> {
        check::before_loading(settings, machine::free_memory())?;
        if let Self::Wheel { python, folder } = self {
            wheel::install(python, folder, on_wait).await?;
        }
        for _ in 1..PORTS {
            let port = free_port()?;
            match self.start_at(port, settings, on_wait).await {
                // Another program occupied the port between the check and the start.
                Err(EngineError::Ended { .. }) if is_listening(port) => {}
                started => return started,
            }
        }
        self.start_at(free_port()?, settings, on_wait).await
    }

    async fn start_at(
        &self,
        port: u16,
        settings: &EngineSettings,
        on_wait: OnWait<'_>,
    ) -> Result<RunningServer, EngineError> {
        let log = Log::open(&settings.log)?;
        let api_key = random_key()?;
        let child = launch::spawn(self, settings, port, &api_key, &log.file)?;
        let mut server = RunningServer { child, port, api_key, build: self.build(), log };
        match server.wait_until_ready(settings, on_wait).await {
            Ok(()) => Ok(server),
            Err(error) => {
                Err(check::error_from_log(&server.last_lines(), &settings.weights, server.build()).unwrap_or(error))
            }
        }
    }
}

impl RunningServer {
    /// Address of the server, without `/chat/completions`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.origin())
    }

    /// Key that the server requires.
    #[must_use]
    pub fn api_key(&self) -> &SecretString {
        &self.api_key
    }

    /// Build of llama.cpp, or version of the wheel.
    #[must_use]
    pub fn build(&self) -> &str {
        &self.build
    }

    /// Id of the process, for tests and messages.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns true if the process has ended or does not listen any more.
    pub(super) fn has_died(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) || !is_listening(self.port)
    }

    /// Returns the last lines of the server's output.
    pub(super) fn last_lines(&self) -> String {
        self.log.last()
    }

    /// Returns the error of a server that has ended or must be ended.
    pub(super) fn ended(&self, reason: impl Into<String>) -> EngineError {
        EngineError::Ended { reason: reason.into(), log: self.log.path.clone(), last: self.log.last() }
    }

    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until the server answers, and checks its identity and its context.
    async fn wait_until_ready(&mut self, settings: &EngineSettings, on_wait: OnWait<'_>) -> Result<(), EngineError> {
        let client = client(&self.origin())?;
        let start = Instant::now();
        while !self.is_ready(&client).await {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.ended(format!("ended while it loaded the weights ({status})")));
            }
            if start.elapsed() > LOADING_TIMEOUT {
                return Err(self.ended(format!("is not ready after {} minutes", LOADING_TIMEOUT.as_secs() / 60)));
            }
            on_wait(Wait::Loading(start.elapsed()));
            tokio::time::sleep(POLL).await;
        }
        self.check_properties(&client, settings).await
    }

    async fn is_ready(&self, client: &Client) -> bool {
        let response = client.get(format!("{}/health", self.origin())).send().await;
        response.is_ok_and(|response| response.status() == StatusCode::OK)
    }

    /// Reads the server's properties and checks its context. Another server would refuse the key.
    async fn check_properties(&mut self, client: &Client, settings: &EngineSettings) -> Result<(), EngineError> {
        let request = client.get(format!("{}/props", self.origin())).bearer_auth(self.api_key.expose_secret());
        let failed =
            |error: reqwest::Error| self.ended(format!("does not report its properties ({})", http::chain(&error)));
        let response = request.send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
        let properties: serde_json::Value = response.json().await.map_err(failed)?;
        let context = properties["default_generation_settings"]["n_ctx"].as_u64();
        if let Some(context) = context.filter(|context| *context < u64::from(settings.context)) {
            return Err(self.ended(format!("gives each slot {context} tokens instead of {}", settings.context)));
        }
        // The wheel's server does not report its build.
        if let Some(build) = properties["build_info"].as_str().filter(|build| !build.starts_with("b0-")) {
            self.build = format!("llama.cpp {build}");
        }
        Ok(())
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // The guard or the launcher ends the server when its stdin is closed.
        drop(self.child.stdin.take());
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < EXIT_TIMEOUT {
            std::thread::sleep(Duration::from_millis(2));
        }
        // Both calls fail if the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Creates a client for a local server.
fn client(origin: &str) -> Result<Client, EngineError> {
    let start_error = |error: String| EngineError::Start(std::io::Error::other(error));
    let url = Url::parse(origin).map_err(|error| start_error(error.to_string()))?;
    let builder = http::client_builder(&url, &Trusted::default()).map_err(|error| start_error(error.to_string()))?;
    builder.timeout(CHECK_TIMEOUT).build().map_err(|error| start_error(http::chain(&error)))
}

/// Returns a local port on which no program listens.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Returns true if a program listens on the local port.
fn is_listening(port: u16) -> bool {
    std::net::TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), CHECK_TIMEOUT).is_ok()
}

/// Creates a random key of 256 bits.
fn random_key() -> std::io::Result<SecretString> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(SecretString::from(hex::encode(bytes)))
}
