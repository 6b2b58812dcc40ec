//! One shard's part of a worker's call, wherever the shard is.

use std::pin::Pin;
use std::time::Duration;

use mainspring_node::hub::Part;
use mainspring_protocol::exchange::ExchangeRequest;
use mainspring_store::ShardId;

use super::grants::part_of;
use super::inside;
use crate::node::peer::PeerError;
use crate::node::shared::Shared;
use crate::node::{CallError, convert};

/// How long a shard that could not be reached is left alone.
const AGAIN: Duration = Duration::from_millis(250);

/// A call to one shard: which, under which number, and what came of it.
pub(super) type PartCall = Pin<Box<dyn Future<Output = (ShardId, u64, Result<Part, Failed>)> + Send>>;

/// Why a shard did not answer.
pub(super) enum Failed {
    /// It cannot be reached now.
    Away,
    /// The worker must hear of it.
    Refused(CallError),
}

/// A shard that is away is not asked again at once.
pub(super) fn after_failure(call: PartCall) -> PartCall {
    Box::pin(async move {
        let answer = call.await;
        if matches!(answer.2, Err(Failed::Away)) {
            tokio::time::sleep(AGAIN).await;
        }
        answer
    })
}

pub(super) async fn call_here(
    shared: &Shared,
    reader: &dyn mainspring_store::Reader,
    request: ExchangeRequest,
    wait_ms_max: u64,
    fresh: bool,
    settle: bool,
) -> Result<Part, Failed> {
    let mut call = convert::call(request, wait_ms_max).map_err(Failed::Refused)?;
    (call.fresh, call.settle) = (fresh, settle);
    let answered = shared.exchange_here(call, reader);
    answered.await.map(|answer| part_of(&answer)).map_err(failed)
}

pub(super) fn read_part(answer: Result<bytes::Bytes, PeerError>) -> Result<Part, Failed> {
    let body = answer.map_err(|error| {
        tracing::debug!(?error, "a shard of another node cannot be reached");
        Failed::Away
    })?;
    inside::read_exchanged(&body).map_err(failed)
}

fn failed(error: CallError) -> Failed {
    match error {
        error @ (CallError::Invalid(_) | CallError::WorkerIdInUse(_)) => Failed::Refused(error),
        _ => Failed::Away,
    }
}
