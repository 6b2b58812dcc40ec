//! Reads bodies: within a limit of their own and one over all of them, never slower than a trickle; what is refused is
//! drained, so that its sender gets to read why.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use mainspring_protocol::problem::{Code, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::call::{Refused, refuse};
use crate::serve::HttpLimits;

/// Bytes of a refused body that are read and thrown away before its connection is given up.
const DRAINED_BYTES_MAX: usize = 256 << 20;
/// How long that may take.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);
/// Below this size a body is not counted among the bytes in flight: connections bound them.
const UNCOUNTED_BYTES: usize = 64 << 10;

/// A body that was read; gives back its share of the bytes in flight when dropped.
#[derive(Debug)]
pub(crate) struct Bytes {
    bytes: bytes::Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a body of at most `max` bytes.
pub(crate) async fn read(
    mut body: Body,
    headers: &HeaderMap,
    max: usize,
    limits: &HttpLimits,
    in_flight: &Arc<Semaphore>,
) -> Result<Bytes, Refused> {
    let declared = declared_length(headers);
    if declared.is_some_and(|length| length > max) {
        return Err(too_large(body, headers, declared, max).await);
    }
    let mut share = None;
    if declared.is_none_or(|length| length > UNCOUNTED_BYTES) {
        let wanted = declared.unwrap_or(max).clamp(1, limits.bytes_in_flight_max);
        match Arc::clone(in_flight).try_acquire_many_owned(u32::try_from(wanted).unwrap_or(u32::MAX)) {
            Ok(permit) => share = Some(permit),
            Err(_) => {
                drain(body, headers).await;
                let detail = format!("{} bytes of requests are in flight, the limit", limits.bytes_in_flight_max);
                return Err(Box::new(Problem::new(Code::Overloaded, detail).retry_after_ms(1_000)));
            }
        }
    }
    let mut first = bytes::Bytes::new();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = next(&mut body, limits.body_timeout).await? {
        if first.is_empty() && rest.is_empty() {
            first = frame;
        } else {
            if rest.is_empty() {
                rest.reserve(declared.unwrap_or(first.len() + frame.len()));
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&frame);
        }
        if first.len().max(rest.len()) > max {
            return Err(too_large(body, headers, None, max).await);
        }
    }
    let bytes = if rest.is_empty() { first } else { rest.into() };
    Ok(Bytes { bytes, _share: share })
}

async fn next(body: &mut Body, within: Duration) -> Result<Option<bytes::Bytes>, Refused> {
    loop {
        match tokio::time::timeout(within, body.frame()).await {
            Err(_) => {
                let detail = format!("no byte of the body came for {} s", within.as_secs());
                return Err(refuse(Code::InvalidJson, detail));
            }
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => {
                return Err(refuse(Code::InvalidJson, "the body ended before the length that was announced"));
            }
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

async fn too_large(body: Body, headers: &HeaderMap, declared: Option<usize>, max: usize) -> Refused {
    drain(body, headers).await;
    let size = declared.map_or_else(|| format!("more than {max}"), |length| length.to_string());
    Box::new(
        Problem::new(Code::BodyTooLarge, format!("the body has {size} bytes, the limit is {max}"))
            .with_hint("send it in several requests"),
    )
}

/// Reads and drops the rest of a body that was refused. A client that waits for `100 Continue` sends none.
async fn drain(mut body: Body, headers: &HeaderMap) {
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let drained = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, bytes::Bytes::len);
            if bytes > DRAINED_BYTES_MAX {
                break;
            }
        }
    };
    // A body that takes longer is cut off with its connection.
    let _ = tokio::time::timeout(DRAIN_WITHIN, drained).await;
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
