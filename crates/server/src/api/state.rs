//! What every request shares.

use std::sync::{Arc, PoisonError, RwLock};

use mainspring_core::time::Timestamp;
use mainspring_store::{Description, Reader};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::graph_shape::Shapes;
use super::history::History;
use crate::clock::Clock;
use crate::config::{Reloader, Reloading};
use crate::folder::Folder;
use crate::node::Node;
use crate::serve::HttpLimits;

/// What every request shares.
pub(crate) struct Api {
    pub node: Arc<Node>,
    pub reader: Arc<dyn Reader>,
    pub store: Description,
    pub clock: Arc<dyn Clock>,
    limits: RwLock<Arc<HttpLimits>>,
    /// The folder of definitions.
    pub folder: Folder,
    /// Reads the configuration again, where there is one.
    pub reloader: Option<Reloader>,
    /// Cancelled when the server is told to stop: streams and waits end.
    pub stop: CancellationToken,
    /// One permit for each byte of a body.
    pub bytes_in_flight: Arc<Semaphore>,
    /// One permit for each open stream.
    pub streams: Arc<Semaphore>,
    /// What fills open streams; waited for at the end, since each of them holds the store.
    pub producers: TaskTracker,
    /// Graphs that were drawn.
    pub shapes: Shapes,
    /// The last hour in figures.
    pub history: History,
    /// When the server started.
    pub started_at: Timestamp,
}

impl Api {
    pub(crate) fn new(
        node: Arc<Node>,
        store: Description,
        clock: Arc<dyn Clock>,
        limits: HttpLimits,
        reloading: Option<Reloading>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let bytes = limits.bytes_in_flight_max.min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            reader: node.reader(),
            node,
            store,
            started_at: Timestamp::from_millis(clock.wall_ms()),
            clock,
            bytes_in_flight: Arc::new(Semaphore::new(bytes)),
            streams: Arc::new(Semaphore::new(limits.streams_max)),
            producers: TaskTracker::new(),
            shapes: Shapes::default(),
            history: History::default(),
            limits: RwLock::new(Arc::new(limits)),
            folder: Folder::default(),
            reloader: reloading.map(Reloader::new),
            stop,
        })
    }

    /// The bounds that hold now.
    pub(crate) fn limits(&self) -> Arc<HttpLimits> {
        Arc::clone(&self.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the bounds. What was built for as many connections, streams and bytes as there were stays as it is.
    pub(crate) fn set_limits(&self, limits: HttpLimits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.wall_ms())
    }
}
