//! One connection with its prepared statements, and the worker that uses it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::connection;
use super::waiting::Waiting;
use crate::gateway::journal::address::ServerAddress;
use crate::gateway::journal::shared::Scope;

/// Registers a worker, or renews its sign of life.
const SIGN_OF_LIFE: &str = "INSERT INTO intercascade.workers (id, run, place, lease)
    VALUES ($1, $2, $3, make_interval(secs => $4))
    ON CONFLICT (id) DO UPDATE SET seen = now()";

/// Error of a statement, or of the data that it returned.
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
    #[error("{0:#}")]
    Data(#[from] anyhow::Error),
}

/// A worker of a run.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    /// Random identifier.
    pub(super) id: i64,
    /// Run and limits.
    pub(super) scope: Scope,
    /// Place of the worker, for people: the machine's name and the process.
    pub(super) place: String,
    /// Time without a sign of life, in seconds, after which it loses its claims.
    pub(super) lease_s: f64,
}

/// A connection.
pub(super) struct Session {
    client: Client,
    statements: RefCell<BTreeMap<&'static str, Statement>>,
    /// The worker; `None` if the journal is only read.
    pub(super) worker: Option<Arc<Worker>>,
}

impl Session {
    /// Connects, listens for notifications, and gives a sign of life.
    pub(super) async fn open(
        address: &ServerAddress,
        worker: Option<Arc<Worker>>,
        waiting: &Arc<Waiting>,
    ) -> anyhow::Result<Self> {
        let client = connection::connect(address, waiting).await?;
        super::tables::check(&client, &address.to_string()).await?;
        let session = Self { client, statements: RefCell::default(), worker };
        if session.worker.is_some() {
            session
                .client
                .batch_execute("LISTEN intercascade")
                .await
                .map_err(|error| connection::without_secrets(&error))?;
            session.give_sign_of_life().await.map_err(|error| connection::without_secrets(&error))?;
        }
        waiting.wake_all();
        Ok(session)
    }

    /// Renews the worker's lease on all of its claims.
    pub(super) async fn give_sign_of_life(&self) -> Result<(), tokio_postgres::Error> {
        let Some(worker) = &self.worker else { return Ok(()) };
        let Worker { id, scope, place, lease_s } = &**worker;
        self.query(SIGN_OF_LIFE, &[id, &scope.run, place, lease_s]).await.map(|_| ())
    }

    /// Runs a statement.
    pub(super) async fn query(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let known = self.statements.borrow().get(sql).cloned();
        let statement = if let Some(statement) = known {
            statement
        } else {
            let prepared = self.client.prepare(sql).await?;
            self.statements.borrow_mut().insert(sql, prepared.clone());
            prepared
        };
        self.client.query(&statement, parameters).await
    }

    /// Runs `work` in a transaction, which is durable when this returns.
    pub(super) async fn in_transaction<T>(
        &self,
        work: impl Future<Output = Result<T, StageError>>,
    ) -> Result<T, StageError> {
        self.client.batch_execute("BEGIN").await?;
        match work.await {
            Ok(value) => {
                self.client.batch_execute("COMMIT").await?;
                Ok(value)
            }
            Err(error) => {
                // The server ends the transaction itself if the connection is gone.
                let _ = self.client.batch_execute("ROLLBACK").await;
                Err(error)
            }
        }
    }

    /// Returns true if the connection has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.client.is_closed()
    }
}
