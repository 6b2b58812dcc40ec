//! The way to Redis: one connection that is made again once it is lost, to a server that was looked at first.

mod checks;

use std::sync::Mutex;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, Value};
use tokio::sync::Mutex as AsyncMutex;

pub(crate) use checks::{Found, check};

use crate::failure::Failure;
use crate::keys::Keys;
use crate::url::StoreUrl;

/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Longest wait for an answer; after it nobody knows what became of a write.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Servers of a cluster that may send us on before we give up.
const REDIRECTS_MAX: usize = 5;

/// See the module. Shared by whoever uses this connection.
#[derive(Debug)]
pub(crate) struct Link {
    url: StoreUrl,
    keys: Keys,
    connection: AsyncMutex<Option<MultiplexedConnection>>,
    found: Mutex<Option<Found>>,
}

impl Link {
    pub(crate) fn new(url: StoreUrl) -> Self {
        let keys = Keys::new(&url.prefix);
        Self { url, keys, connection: AsyncMutex::default(), found: Mutex::default() }
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The connection, made if there is none.
    ///
    /// # Errors
    /// Where there is none to be had, or the server will not do.
    pub(crate) async fn connection(&self) -> Result<MultiplexedConnection, Failure> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let (made, found) = self.connect().await?;
        *self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(found);
        *connection = Some(made.clone());
        Ok(made)
    }

    /// What the server said of itself when the connection was made.
    pub(crate) fn found(&self) -> Option<Found> {
        self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Gives the connection up; the next call makes another one.
    pub(crate) async fn disconnect(&self) {
        *self.connection.lock().await = None;
    }

    async fn connect(&self) -> Result<(MultiplexedConnection, Found), Failure> {
        let mut info = self.url.connection.clone();
        for _ in 0..REDIRECTS_MAX {
            let mut connection = open(&info).await?;
            let found = check(&mut connection, &self.url).await?;
            let shard = self.keys.one("shard");
            let asked: Result<Value, _> = redis::cmd("EXISTS").arg(shard).query_async(&mut connection).await;
            match asked {
                Ok(_) => return Ok((connection, found)),
                // A cluster: another of its servers has our keys, all of them.
                Err(error) if error.redirect_node().is_some() => {
                    let (address, _) = error.redirect_node().expect("it was just asked");
                    let Some((host, port)) = address.rsplit_once(':') else { return Err(error.into()) };
                    let host = if host.is_empty() { host_of(&info) } else { host.to_owned() };
                    let port = port.parse().map_err(|_| {
                        redis::RedisError::from((redis::ErrorKind::Client, "the cluster names a server without a port"))
                    })?;
                    info = info.set_addr(ConnectionAddr::Tcp(host, port));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let text = "the servers of the cluster send us round in a circle".to_owned();
        Err(mainspring_store::Error::Unavailable(text).into())
    }

    /// Runs a command once.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<Value, Failure> {
        let mut connection = self.connection().await?;
        let answer = connection.send_packed_command(command).await.and_then(Value::extract_error);
        self.judge(answer.map_err(Failure::from)).await
    }

    /// Runs commands that may be repeated, one behind the other; once more where the connection was lost.
    pub(crate) async fn read(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Failure> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        match self.read_once(pipeline).await {
            Err(failure) if failure.ends_the_connection() => self.read_once(pipeline).await,
            answer => answer,
        }
    }

    async fn read_once(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Failure> {
        let mut connection = self.connection().await?;
        let answer = pipeline.query_async(&mut connection).await;
        self.judge(answer.map_err(Failure::from)).await
    }

    async fn judge<T>(&self, answer: Result<T, Failure>) -> Result<T, Failure> {
        if answer.as_ref().is_err_and(Failure::ends_the_connection) {
            self.disconnect().await;
        }
        answer
    }
}

async fn open(info: &ConnectionInfo) -> Result<MultiplexedConnection, Failure> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN));
    let client = Client::open(info.clone())?;
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}

fn host_of(info: &ConnectionInfo) -> String {
    match info.addr() {
        ConnectionAddr::Tcp(host, _) => host.clone(),
        other => other.to_string(),
    }
}
