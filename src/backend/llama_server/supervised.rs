//! A server that is started at the first call, and restarted once if it dies.

use super::{Engine, EngineError, EngineSettings, OnWait, RunningServer, Wait};

/// A server that is started on demand.
#[derive(Debug)]
pub struct SupervisedServer {
    engine: Engine,
    settings: EngineSettings,
    running: Option<RunningServer>,
    restarted: bool,
}

impl SupervisedServer {
    /// Creates a supervised server. Nothing is started.
    #[must_use]
    pub fn new(engine: Engine, settings: EngineSettings) -> Self {
        Self { engine, settings, running: None, restarted: false }
    }

    /// Returns the running server. Starts it if it is not running, and restarts it once if it has died. After a
    /// failed call, the caller requests the server again and repeats the call.
    ///
    /// # Errors
    /// The errors of [`Engine::start`]. After a second death, every call returns an error with the last lines of the
    /// log.
    pub async fn ensure_running(&mut self, on_wait: OnWait<'_>) -> Result<&RunningServer, EngineError> {
        let running = match self.running.take() {
            None => self.engine.start(&self.settings, on_wait).await?,
            Some(mut server) => match (server.has_died(), self.restarted) {
                (false, _) => server,
                (true, false) => {
                    self.restarted = true;
                    on_wait(Wait::Died(server.last_lines()));
                    // The remaining process is ended first because it may hold memory that the next one needs.
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
