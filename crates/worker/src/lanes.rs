//! Runs many small asynchronous attempts in a few tokio tasks, so that none costs a task of its own and one that
//! blocks its thread for a moment holds up only its lane, never the loop that renews leases.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use crate::attempt::{AttemptEnd, Event};

/// An attempt to run.
pub(crate) type Work = (Arc<str>, BoxFuture<'static, AttemptEnd>);

/// The lanes; they end when this is dropped.
pub(crate) struct Lanes {
    lanes: Vec<UnboundedSender<Work>>,
    next: usize,
    _tasks: JoinSet<()>,
}

impl Lanes {
    pub(crate) fn start(events: &UnboundedSender<Event>) -> Self {
        let count = std::thread::available_parallelism().map_or(2, |cores| cores.get().min(16));
        let mut tasks = JoinSet::new();
        let lanes = (0..count)
            .map(|_| {
                let (sender, receiver) = mpsc::unbounded_channel();
                tasks.spawn(drive(receiver, events.clone()));
                sender
            })
            .collect();
        Self { lanes, next: 0, _tasks: tasks }
    }

    /// Runs it in the next lane in turn. The number of attempts is bounded by the worker's concurrency.
    pub(crate) fn run(&mut self, work: Work) {
        self.next = (self.next + 1) % self.lanes.len();
        // A lane ends only with the loop.
        let _ = self.lanes[self.next].send(work);
    }
}

async fn drive(mut incoming: UnboundedReceiver<Work>, events: UnboundedSender<Event>) {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            work = incoming.recv() => match work {
                Some((token, future)) => running.push(async move { (token, future.await) }),
                None => return,
            },
            Some((token, end)) = running.next() => {
                if events.send(Event::Ended(token, end)).is_err() {
                    return;
                }
            }
        }
    }
}
