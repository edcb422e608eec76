//! A server that runs: started, waited for until it answers, known to be the one that was started, and ended with its
//! owner.

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

/// Between two looks at whether it is ready.
const POLL: Duration = Duration::from_millis(100);
/// How long loading may take; a slow disk needs minutes for what fills the memory.
const LOADING: Duration = Duration::from_mins(20);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(2);
/// How many ports are tried, should others take them meanwhile.
const PORTS: usize = 3;
/// How long a process that is asked to end may take.
const ENDING: Duration = Duration::from_secs(3);

/// What a server is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// The GGUF file.
    pub weights: PathBuf,
    /// Tokens that each slot holds, the prompt's and the answer's.
    pub context: u32,
    /// Sequences at once.
    pub slots: u32,
    /// Threads that compute.
    pub threads: usize,
    /// Whether it will be asked by chat, which takes a chat template.
    pub chat: bool,
    /// The file that takes what it says; it is added to.
    pub log: PathBuf,
}

/// A server that answers. It ends when this goes, and when the program does.
#[derive(Debug)]
pub struct RunningServer {
    child: Child,
    port: u16,
    api_key: SecretString,
    build: String,
    log: Log,
}

impl Engine {
    /// Starts a server and waits until it answers; installs the engine before where that is to be done.
    ///
    /// # Errors
    /// [`EngineError`]: weights that cannot be served, too little memory, an engine that cannot be installed or
    /// started, or one that ends by itself, with the last lines of its log.
    pub async fn start(&self, settings: &EngineSettings, on_wait: OnWait<'_>) -> Result<RunningServer, EngineError> {
        check::before_loading(settings, machine::free_memory())?;
        if let Self::Wheel { python, folder } = self {
            wheel::install(python, folder, on_wait).await?;
        }
        for _ in 1..PORTS {
            let port = free_port()?;
            match self.start_at(port, settings, on_wait).await {
                // Somebody else took the port between the look and the start.
                Err(EngineError::Ended { .. }) if is_taken(port) => {}
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
        match server.get_ready(settings, on_wait).await {
            Ok(()) => Ok(server),
            Err(error) => Err(check::told_by(&server.last_lines(), &settings.weights, server.build()).unwrap_or(error)),
        }
    }
}

impl RunningServer {
    /// The address up to and without `/chat/completions`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.origin())
    }

    /// The key that it wants.
    #[must_use]
    pub fn api_key(&self) -> &SecretString {
        &self.api_key
    }

    /// What computes in it: the build of llama.cpp, or the version of the wheel.
    #[must_use]
    pub fn build(&self) -> &str {
        &self.build
    }

    /// The process that was started, for tests and messages.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is gone: its process has ended, or nobody listens any more.
    pub(super) fn has_died(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) || !is_taken(self.port)
    }

    /// The last lines that it said.
    pub(super) fn last_lines(&self) -> String {
        self.log.last()
    }

    /// The error of a server that has ended, or must be.
    pub(super) fn ended(&self, what: impl Into<String>) -> EngineError {
        EngineError::Ended { what: what.into(), log: self.log.path.clone(), last: self.log.last() }
    }

    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until it answers, and sees that it is the one that was started and holds what is asked.
    async fn get_ready(&mut self, settings: &EngineSettings, on_wait: OnWait<'_>) -> Result<(), EngineError> {
        let client = client(&self.origin())?;
        let begun = Instant::now();
        while !self.is_ready(&client).await {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.ended(format!("ended while it loaded the weights ({status})")));
            }
            if begun.elapsed() > LOADING {
                return Err(self.ended(format!("is not ready after {} minutes", LOADING.as_secs() / 60)));
            }
            on_wait(Wait::Loading(begun.elapsed()));
            tokio::time::sleep(POLL).await;
        }
        self.introduce(&client, settings).await
    }

    async fn is_ready(&self, client: &Client) -> bool {
        let said = client.get(format!("{}/health", self.origin())).send().await;
        said.is_ok_and(|said| said.status() == StatusCode::OK)
    }

    /// Reads what it says of itself. No other server would take the key.
    async fn introduce(&mut self, client: &Client, settings: &EngineSettings) -> Result<(), EngineError> {
        let asked = client.get(format!("{}/props", self.origin())).bearer_auth(self.api_key.expose_secret());
        let told = |error: reqwest::Error| self.ended(format!("cannot be asked ({})", http::chain(&error)));
        let said = asked.send().await.and_then(reqwest::Response::error_for_status).map_err(told)?;
        let said: serde_json::Value = said.json().await.map_err(told)?;
        let context = said["default_generation_settings"]["n_ctx"].as_u64();
        if let Some(context) = context.filter(|context| *context < u64::from(settings.context)) {
            return Err(self.ended(format!("gives each slot {context} tokens instead of {}", settings.context)));
        }
        // The wheel's server does not know its build.
        if let Some(build) = said["build_info"].as_str().filter(|build| !build.starts_with("b0-")) {
            self.build = format!("llama.cpp {build}");
        }
        Ok(())
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // The end of its stdin is what ends it, whoever stands guard.
        drop(self.child.stdin.take());
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < ENDING {
            std::thread::sleep(Duration::from_millis(2));
        }
        // Both fail where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client for a server on this machine.
fn client(origin: &str) -> Result<Client, EngineError> {
    let other = |error: String| EngineError::Start(std::io::Error::other(error));
    let url = Url::parse(origin).map_err(|error| other(error.to_string()))?;
    let builder = http::client_builder(&url, &Trusted::default()).map_err(|error| other(error.to_string()))?;
    builder.timeout(LOOK).build().map_err(|error| other(http::chain(&error)))
}

/// A port of this machine on which nobody listens.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether somebody listens there.
fn is_taken(port: u16) -> bool {
    std::net::TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), LOOK).is_ok()
}

/// A key that nobody can guess.
fn random_key() -> std::io::Result<SecretString> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(SecretString::from(hex::encode(bytes)))
}
