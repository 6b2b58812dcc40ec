//! The way to Redis: connections that are made again once they are lost, to servers that were looked at first.

mod checks;
mod net;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mainspring_store::ShardId;
use redis::{Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, RedisError, Value};

pub(crate) use checks::Found;
use net::Server;
pub(crate) use net::{Net, Open};

use crate::failure::Failure;
use crate::keys::Keys;

/// Servers of a cluster that may send us on before we give up.
const REDIRECTS_MAX: usize = 5;

/// The way to the keys of one shard. All ways of a [`Net`] to one server share its connection, so that what they send is
/// pipelined.
#[derive(Debug)]
pub(crate) struct Link {
    net: Arc<Net>,
    keys: Keys,
    /// The server that has the keys, once it is known.
    at: Mutex<Option<Arc<Server>>>,
}

impl Link {
    pub(crate) fn new(net: Arc<Net>, shard: ShardId) -> Self {
        let keys = Keys::new(net.prefix(), shard);
        Self { net, keys, at: Mutex::default() }
    }

    /// Where the URL leads, without user and password.
    pub(crate) fn place(&self) -> String {
        self.net.place()
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    fn at(&self) -> MutexGuard<'_, Option<Arc<Server>>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, made if there is none.
    ///
    /// # Errors
    /// Where there is none to be had, or the server will not do.
    pub(crate) async fn open(&self) -> Result<Open, Failure> {
        let known = self.at().clone();
        let Some(server) = known else { return self.find().await };
        let opened = self.net.open(&server).await;
        if opened.is_err() {
            *self.at() = None;
        }
        opened
    }

    /// Asks the server of the URL, and those that it names, for the one that has the keys.
    async fn find(&self) -> Result<Open, Failure> {
        let mut server = self.net.first();
        for _ in 0..REDIRECTS_MAX {
            let mut open = self.net.open(&server).await?;
            let mut asked = redis::cmd("EXISTS");
            asked.arg(self.keys.one("shard"));
            let asked = open.connection.send_packed_command(&asked).await.and_then(Value::extract_error);
            match asked {
                Ok(_) => {
                    *self.at() = Some(server);
                    return Ok(open);
                }
                // A cluster: another of its servers has our keys, all of them.
                Err(error) if error.redirect_node().is_some() => {
                    server = self.net.server(redirected(&server.info, error)?);
                }
                Err(error) => return self.judge(&open, Err(error.into())).await,
            }
        }
        let text = "the servers of the cluster send us round in a circle".to_owned();
        Err(mainspring_store::Error::Unavailable(text).into())
    }

    /// Runs a command once.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<Value, Failure> {
        let mut open = self.open().await?;
        let answer = open.connection.send_packed_command(command).await.and_then(Value::extract_error);
        self.judge(&open, answer.map_err(Failure::from)).await
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
        let mut open = self.open().await?;
        let answer = pipeline.query_async(&mut open.connection).await;
        self.judge(&open, answer.map_err(Failure::from)).await
    }

    async fn judge<T>(&self, open: &Open, answer: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(failure) = &answer {
            self.give_up(open, failure).await;
        }
        answer
    }

    /// Gives up what a failure shows to be of no further use.
    pub(crate) async fn give_up(&self, open: &Open, failure: &Failure) {
        if failure.ends_the_connection() {
            *self.at() = None;
            // A server that only gave our keys away goes on serving others.
            if !failure.is_moved() {
                open.close().await;
            }
        }
    }
}

fn redirected(from: &ConnectionInfo, error: RedisError) -> Result<ConnectionInfo, Failure> {
    let Some((address, _)) = error.redirect_node() else { return Err(error.into()) };
    let Some((host, port)) = address.rsplit_once(':') else { return Err(error.into()) };
    let host = if host.is_empty() { host_of(from) } else { host.to_owned() };
    let port =
        port.parse().map_err(|_| RedisError::from((ErrorKind::Client, "the cluster names a server without a port")))?;
    let address = match from.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    Ok(from.clone().set_addr(address))
}

fn host_of(info: &ConnectionInfo) -> String {
    match info.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
        other => other.to_string(),
    }
}
