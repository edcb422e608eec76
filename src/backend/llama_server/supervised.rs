//! A server that is started when a call must be made, and once more where it dies.

use super::{Engine, EngineError, EngineSettings, OnWait, RunningServer, Wait};

/// A server that is there when it is needed.
#[derive(Debug)]
pub struct SupervisedServer {
    engine: Engine,
    settings: EngineSettings,
    running: Option<RunningServer>,
    restarted: bool,
}

impl SupervisedServer {
    /// One that is not started yet.
    #[must_use]
    pub fn new(engine: Engine, settings: EngineSettings) -> Self {
        Self { engine, settings, running: None, restarted: false }
    }

    /// The server, which answers: started where it is not, and started once more where it has died since. Whoever made
    /// a call that failed asks again, and repeats the call.
    ///
    /// # Errors
    /// As [`Engine::start`]; after a second death, that death with the last lines of the log, and so from then on.
    pub async fn alive(&mut self, on_wait: OnWait<'_>) -> Result<&RunningServer, EngineError> {
        let running = match self.running.take() {
            None => self.engine.start(&self.settings, on_wait).await?,
            Some(mut server) => match (server.has_died(), self.restarted) {
                (false, _) => server,
                (true, false) => {
                    self.restarted = true;
                    on_wait(Wait::Died(server.last_lines()));
                    // What is left of it goes first: it may hold memory that the next one needs.
                    drop(server);
                    self.engine.start(&self.settings, on_wait).await?
                }
                (true, true) => {
                    let error = server.ended("has died twice");
                    self.running = Some(server);
                    return Err(error);
                }
            },
        };
        Ok(self.running.insert(running))
    }
}
