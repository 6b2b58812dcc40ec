//! From an address and a store's URL to a running server, and back down again without losing an answer.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mainspring_store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Api};
use crate::config::Reloading;
use crate::connection;
use crate::folder;
use crate::node::{Node, NodeConfig, StartError};
use crate::open;
use crate::watch;

/// How long requests in flight may take to finish once the server is told to stop.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// How a server is run.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where to listen. Port 0 takes any free one. Without keys for authentication only loopback is allowed.
    pub listen: SocketAddr,
    /// Where other nodes of the cluster reach this one, if not at `listen`: only they are heard there, so it may lie beyond
    /// loopback. Default none.
    pub cluster_listen: Option<SocketAddr>,
    /// `sqlite:PATH`, `postgres://…`, `redis://…` or `memory:`.
    pub store_url: String,
    /// How the node is run.
    pub node: NodeConfig,
    /// Bounds of the HTTP side.
    pub http: HttpLimits,
    /// A watched folder of definitions. Default none.
    pub definitions_dir: Option<PathBuf>,
    /// How the configuration is read again. Default not at all.
    pub reloading: Option<Reloading>,
}

impl ServeConfig {
    /// The defaults on this address and store.
    pub fn new(listen: SocketAddr, store_url: impl Into<String>) -> Self {
        let (node, http) = (NodeConfig::default(), HttpLimits::default());
        let store_url = store_url.into();
        Self { listen, cluster_listen: None, store_url, node, http, definitions_dir: None, reloading: None }
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
    /// Other nodes cannot call this address.
    #[error("`{address}` is no address for other nodes: {reason}")]
    Advertise {
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
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
    let (listener, addr) = bind(listen).await?;
    let inside = match config.cluster_listen {
        Some(inside) => Some(bind(inside).await?),
        None => None,
    };
    let about = store.describe();
    let clock = Arc::clone(&config.node.clock);
    let mut node = config.node;
    node.advertise = Some(advertised(node.advertise, inside.as_ref().map_or(addr, |(_, addr)| *addr))?);
    let node = Node::start(store, node).await?;
    tracing::info!(
        address = %format_args!("http://{addr}"),
        store = about.name,
        durability = about.durability.class(),
        detail = about.detail,
        "listening"
    );
    let stop = CancellationToken::new();
    let api = Api::new(Arc::clone(&node), about, clock, config.http.clone(), config.reloading, stop.clone());
    api.folder.point_to(config.definitions_dir);
    folder::keep(&api);
    watch::keep(&api);
    let producers = api.producers.clone();
    let inside = inside.map(|(listener, _)| (listener, api::internal(&api)));
    let router = api::router(api);
    let served = Arc::clone(&node);
    let finished = tokio::spawn(async move {
        let accept = |listener, router| {
            tokio::spawn(connection::accept(listener, router, config.http.clone(), stop.clone(), FINISH_WITHIN))
        };
        let accepting = accept(listener, router);
        let inside = inside.map(|(listener, router)| accept(listener, router));
        shutdown.await;
        tracing::info!("stopping");
        stop.cancel();
        if let Err(error) = accepting.await {
            tracing::error!(%error, "the accept loop ended badly");
        }
        if let Some(inside) = inside {
            // Nodes that still wait for an answer ask again elsewhere.
            inside.abort();
        }
        producers.close();
        producers.wait().await;
        served.shutdown().await;
        tracing::info!("stopped");
    });
    Ok(Running { addr, node, finished })
}

async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let bound = |source| ServeError::Bind { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(bound)?;
    let addr = listener.local_addr().map_err(bound)?;
    Ok((listener, addr))
}

/// What other nodes are told: the address that was given, or the one that is listened on.
fn advertised(given: Option<String>, listens: SocketAddr) -> Result<String, ServeError> {
    let Some(address) = given else {
        let (address, reason) = (listens.to_string(), "every interface is listened on; name one with --advertise");
        return if listens.ip().is_unspecified() {
            Err(ServeError::Advertise { address, reason })
        } else {
            Ok(format!("http://{address}"))
        };
    };
    let host = address.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(format!("http://{host}")),
        _ => Err(ServeError::Advertise { address, reason: "it must be `http://HOST:PORT`" }),
    }
}

fn refuse_strangers(listen: SocketAddr) -> Result<(), ServeError> {
    if listen.ip().to_canonical().is_loopback() { Ok(()) } else { Err(ServeError::NotLoopback { listen }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_other_nodes_is_one_that_they_can_call() {
        let listens = "127.0.0.1:7".parse().unwrap();
        let given = |given: &str| advertised(Some(given.to_owned()), listens).ok();
        assert_eq!(advertised(None, listens).unwrap(), "http://127.0.0.1:7");
        assert!(advertised(None, "0.0.0.0:7".parse().unwrap()).is_err());
        assert_eq!(given("http://10.0.0.5:7071/").as_deref(), Some("http://10.0.0.5:7071"));
        for bad in ["10.0.0.5:7", "https://a:1", "http://", "http://a/b", "http://u@a:1", "http://a b"] {
            assert_eq!(given(bad), None, "{bad}");
        }
    }

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
