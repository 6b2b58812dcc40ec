//! What travels on the simulated network.

use std::sync::Arc;

use mainspring_core::effect::{Answer, Grant, Refusal};
use mainspring_core::event::{AttemptEnded, LogLine, NewTask, Offer, Order, Progress, SubmitJob};
use mainspring_core::id::{Name, SessionId, Token};
use mainspring_core::row::Directive;

/// Something on its way to a node.
#[derive(Clone, Debug)]
pub enum Request {
    /// From a client.
    Call(Call),
    /// From a worker.
    Exchange(ExchangeCall),
}

/// Something on its way from a node.
#[derive(Clone, Debug)]
pub enum Reply {
    /// To a client.
    Answer {
        /// Which call.
        call: u64,
        /// What.
        answer: Result<Answer, Refusal>,
    },
    /// To a worker.
    Exchange(usize, ExchangeReply),
}

/// A client's call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its number; a repeat keeps it.
    pub number: u64,
    /// What is asked.
    pub ask: Ask,
}

/// What a client asks.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A batch of standalone tasks.
    Tasks(Vec<NewTask>),
    /// A job; `to` and `bucket` are set by the node.
    Job(Box<SubmitJob>),
    /// An operator's order.
    Order(Order),
}

/// A worker's call.
#[derive(Clone, Debug)]
pub struct ExchangeCall {
    /// Which simulated worker.
    pub index: usize,
    /// Its `workerId`.
    pub worker: Name,
    /// Its session.
    pub session: SessionId,
    /// Number of the call in the session, from 1.
    pub seq: u64,
    /// The newest reply it has seen.
    pub ack: u64,
    /// Free places.
    pub capacity: u32,
    /// How long to wait for work.
    pub wait_ms: u64,
    /// The lease time it wants.
    pub lease_ms: u64,
    /// What it can run.
    pub offer: Arc<Offer>,
    /// Attempts that ended and were not yet acknowledged.
    pub outcomes: Vec<AttemptEnded>,
    /// Attempts that still run.
    pub running: Vec<Token>,
    /// Output.
    pub logs: Vec<LogLine>,
    /// Progress.
    pub progress: Vec<Progress>,
    /// It says good-bye.
    pub leaving: bool,
}

/// The answer to a worker's call.
#[derive(Clone, Debug)]
pub struct ExchangeReply {
    /// The session it is for.
    pub session: SessionId,
    /// The call it answers.
    pub seq: u64,
    /// New, or not yet acknowledged, grants.
    pub grants: Vec<Grant>,
    /// Outcomes taken.
    pub accepted: Vec<Token>,
    /// Tokens that are no longer good.
    pub stale: Vec<Token>,
    /// Attempts to stop.
    pub cancel: Vec<Token>,
    /// What to do.
    pub directive: Directive,
}
