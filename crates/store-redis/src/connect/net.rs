//! The servers of one URL, with a connection to each that is needed: one, but for a cluster.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo};
use tokio::sync::Mutex as AsyncMutex;

use super::checks::{Found, check};
use crate::failure::Failure;
use crate::url::StoreUrl;

/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Longest wait for an answer; after it nobody knows what became of a write.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Net {
    url: StoreUrl,
    /// By address.
    servers: Mutex<HashMap<String, Arc<Server>>>,
    found: Mutex<Option<Found>>,
}

/// A server, and the way to it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) info: ConnectionInfo,
    connection: AsyncMutex<(Option<Known>, u64)>,
}

/// A connection, and the run of the server that it was made to.
type Known = (MultiplexedConnection, Arc<str>);

/// A connection that works, as far as anybody knows.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) connection: MultiplexedConnection,
    pub(super) server: Arc<Server>,
    /// See [`Found::run`].
    pub(crate) run: Arc<str>,
    /// Which of the connections that were made to it.
    number: u64,
}

impl Open {
    /// Whether both lead to the same server.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.server, &other.server)
    }

    /// Gives the connection up; the next who needs one to its server makes it.
    pub(super) async fn close(&self) {
        let mut known = self.server.connection.lock().await;
        // Others, who met the same failure, may have made another one meanwhile.
        if known.1 == self.number {
            known.0 = None;
        }
    }
}

impl Net {
    pub(crate) fn new(url: StoreUrl) -> Self {
        Self { url, servers: Mutex::default(), found: Mutex::default() }
    }

    pub(crate) fn place(&self) -> String {
        self.url.place()
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.url.prefix
    }

    /// The server that the URL names.
    pub(super) fn first(&self) -> Arc<Server> {
        self.server(self.url.connection.clone())
    }

    /// What a server said of itself when a connection was made last.
    pub(crate) fn found(&self) -> Option<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn server(&self, info: ConnectionInfo) -> Arc<Server> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let made = |info| Arc::new(Server { info, connection: AsyncMutex::default() });
        servers.entry(info.addr().to_string()).or_insert_with(|| made(info)).clone()
    }

    /// The connection to a server, made if there is none.
    pub(super) async fn open(&self, server: &Arc<Server>) -> Result<Open, Failure> {
        let mut known = server.connection.lock().await;
        let (connection, run) = match &known.0 {
            Some(open) => open.clone(),
            None => {
                let mut made = connect(&server.info).await?;
                let found = check(&mut made, &self.url).await?;
                let open = (made, Arc::clone(&found.run));
                *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
                *known = (Some(open.clone()), known.1 + 1);
                open
            }
        };
        Ok(Open { connection, server: server.clone(), run, number: known.1 })
    }
}

async fn connect(info: &ConnectionInfo) -> Result<MultiplexedConnection, Failure> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN));
    let client = Client::open(info.clone())?;
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}
