//! Connections to the server, and the notifications that they receive.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use secrecy::ExposeSecret;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::waiting::Waiting;
use crate::fetch::tls::{self, Trusted};
use crate::gateway::journal::address::ServerAddress;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Time after which a server that is silently gone is noticed.
const SILENT: Duration = Duration::from_secs(30);

/// Connects to the server. Notifications go to `waiting`, which is also woken if the connection ends.
pub(super) async fn connect(address: &ServerAddress, waiting: &Arc<Waiting>) -> Result<Client> {
    let mut config = Config::new();
    config.host(&address.host).port(address.port).user(&address.user).dbname(&address.database);
    config.application_name("intercascade").connect_timeout(CONNECT);
    config.keepalives_idle(SILENT).tcp_user_timeout(SILENT);
    if let Some(password) = address.password()? {
        config.password(password.expose_secret());
    }
    if !address.tls {
        config.ssl_mode(tokio_postgres::config::SslMode::Disable);
        return connect_by(&config, NoTls, waiting).await.with_context(|| reason(address));
    }
    config.ssl_mode(tokio_postgres::config::SslMode::Require);
    let trusted = address.ca_file.as_deref().map(Trusted::read).transpose()?.unwrap_or_default();
    let tls = MakeRustlsConnect::new(tls::config(&trusted)?);
    connect_by(&config, tls, waiting).await.with_context(|| reason(address))
}

fn reason(address: &ServerAddress) -> String {
    format!("cannot connect to the journal {address}")
}

async fn connect_by<T>(config: &Config, tls: T, waiting: &Arc<Waiting>) -> Result<Client>
where
    T: MakeTlsConnect<Socket, Stream: Send + 'static, TlsConnect: TlsConnect<Socket, Future: Send> + Send>,
{
    let connected = tokio::time::timeout(CONNECT, config.connect(tls)).await;
    let (client, mut connection) = connected.context("no answer in 10 s")?.map_err(|error| without_secrets(&error))?;
    let waiting = Arc::clone(waiting);
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message {
                waiting.wake(notification.payload());
            }
        }
        waiting.wake_all();
    });
    Ok(client)
}

/// An error of the server with its causes in one line. It never holds the password.
pub(super) fn without_secrets(error: &tokio_postgres::Error) -> anyhow::Error {
    match error.as_db_error() {
        Some(error) => {
            let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            anyhow::anyhow!("{}{detail}", error.message())
        }
        None => anyhow::anyhow!("{}", crate::fetch::http::chain(error)),
    }
}
