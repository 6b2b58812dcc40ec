//! From an address and a store's URL to a running server, and back down again without losing an answer.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mainspring_store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Api};
use crate::connection;
use crate::node::{Node, NodeConfig, StartError};
use crate::open;

/// How long requests in flight may take to finish once the server is told to stop.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// How a server is run.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where to listen. Port 0 takes any free one. Without keys for authentication only loopback is allowed.
    pub listen: SocketAddr,
    /// `sqlite:PATH`, `postgres://…`, `redis://…` or `memory:`.
    pub store_url: String,
    /// How the node is run.
    pub node: NodeConfig,
    /// Bounds of the HTTP side.
    pub http: HttpLimits,
}

impl ServeConfig {
    /// The defaults on this address and store.
    pub fn new(listen: SocketAddr, store_url: impl Into<String>) -> Self {
        Self { listen, store_url: store_url.into(), node: NodeConfig::default(), http: HttpLimits::default() }
    }
}

/// Bounds of the HTTP side.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// Open connections. One more is answered 503 and closed. Default 4,096.
    pub connections_max: usize,
    /// How long a client may take to send a request's head, the wait on an idle connection included. Default 60 s.
    pub head_timeout: Duration,
    /// Longest silence inside a request's body. Default 30 s.
    pub body_timeout: Duration,
    /// Longest time a client may leave what was sent unread. Default 60 s.
    pub write_timeout: Duration,
    /// Bytes of a body that submits tasks or jobs. Default 64 MiB.
    pub submit_bytes_max: usize,
    /// Bytes of any other body. Default 1 MiB.
    pub body_bytes_max: usize,
    /// Bytes of all bodies that are being read or worked on. Default 256 MiB.
    pub bytes_in_flight_max: usize,
    /// Open event and log streams. Default 1,024.
    pub streams_max: usize,
    /// Silence after which a stream sends a comment to show that it lives. Default 15 s.
    pub keep_alive: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            head_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            submit_bytes_max: 64 << 20,
            body_bytes_max: 1 << 20,
            bytes_in_flight_max: 256 << 20,
            streams_max: 1_024,
            keep_alive: Duration::from_secs(15),
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached from other machines, and nothing would keep strangers out.
    #[error(
        "refusing to listen on `{listen}`: without keys for authentication the API listens on loopback only; \
         use 127.0.0.1:{port} and put a proxy that authenticates in front of it",
        port = listen.port()
    )]
    NotLoopback {
        /// The address.
        listen: SocketAddr,
    },
    /// The store's URL cannot be read.
    #[error("`{url}` is not the URL of a store: {reason}")]
    StoreUrl {
        /// The URL, without a password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store cannot be opened.
    #[error("failed to open the store `{url}`: {source}")]
    Store {
        /// The URL, without a password.
        url: String,
        /// Why.
        source: mainspring_store::Error,
    },
    /// The node did not start.
    #[error(transparent)]
    Node(#[from] StartError),
    /// The address cannot be had.
    #[error("failed to listen on `{listen}`: {source}")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A running server.
#[derive(Debug)]
pub struct Running {
    /// Where it listens; with the real port where 0 was asked for.
    pub addr: SocketAddr,
    /// The node behind it.
    pub node: Arc<Node>,
    finished: JoinHandle<()>,
}

impl Running {
    /// Waits until the server was told to stop and has: answers are sent, the node has committed what it took, and,
    /// unless somebody else holds [`Self::node`], the store is closed and can be opened again.
    pub async fn finished(self) {
        if let Err(error) = self.finished.await {
            tracing::error!(%error, "the server's loop ended badly");
        }
    }
}

/// Opens the store, starts a node and serves the API until `shutdown` resolves. Returns once the address is bound.
///
/// # Errors
/// See [`ServeError`]; nothing is left running.
pub async fn serve(
    config: ServeConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, ServeError> {
    refuse_strangers(config.listen)?;
    let store = open::store(&config.store_url).await?;
    serve_store(config, store, shutdown).await
}

/// Like [`serve`], over a store that is already open.
///
/// # Errors
/// See [`ServeError`]; nothing is left running.
pub async fn serve_store(
    config: ServeConfig,
    store: Arc<dyn Store>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, ServeError> {
    let listen = config.listen;
    refuse_strangers(listen)?;
    let bound = |source| ServeError::Bind { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(bound)?;
    let addr = listener.local_addr().map_err(bound)?;
    let about = store.describe();
    let clock = Arc::clone(&config.node.clock);
    let mut node = config.node;
    // On one machine the address itself will do; a node elsewhere could not reach it anyway.
    node.advertise.get_or_insert_with(|| format!("http://{addr}"));
    let node = Node::start(store, node).await?;
    tracing::info!(
        address = %format_args!("http://{addr}"),
        store = about.name,
        durability = about.durability.class(),
        detail = about.detail,
        "listening"
    );
    let stop = CancellationToken::new();
    let api = Api::new(Arc::clone(&node), about, clock, config.http.clone(), stop.clone());
    let producers = api.producers.clone();
    let router = api::router(api);
    let served = Arc::clone(&node);
    let finished = tokio::spawn(async move {
        let accepting = tokio::spawn(connection::accept(listener, router, config.http, stop.clone(), FINISH_WITHIN));
        shutdown.await;
        tracing::info!("stopping");
        stop.cancel();
        if let Err(error) = accepting.await {
            tracing::error!(%error, "the accept loop ended badly");
        }
        producers.close();
        producers.wait().await;
        served.shutdown().await;
        tracing::info!("stopped");
    });
    Ok(Running { addr, node, finished })
}

fn refuse_strangers(listen: SocketAddr) -> Result<(), ServeError> {
    if listen.ip().to_canonical().is_loopback() { Ok(()) } else { Err(ServeError::NotLoopback { listen }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_served_without_keys() {
        for (address, good) in [
            ("127.0.0.1:0", true),
            ("127.8.8.8:1", true),
            ("[::1]:7070", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:7070", false),
            ("[::]:7070", false),
            ("10.0.0.1:1", false),
        ] {
            assert_eq!(refuse_strangers(address.parse().unwrap()).is_ok(), good, "{address}");
        }
    }
}
