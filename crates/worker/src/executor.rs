//! The kinds of work a worker can do, and the choice between them.

pub(crate) mod capture;
pub(crate) mod environment;
pub(crate) mod guard;
pub(crate) mod http;
pub(crate) mod noop;
pub(crate) mod shell;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mainspring_protocol::duration::WireDuration;
use mainspring_protocol::exchange::{GrantMessage, OutcomeStatus};
use mainspring_protocol::flow::{EXPRESSION_FAILED, until_holds};
use serde_json::Value;
use tokio::sync::watch;

use crate::attempt::{AttemptEnd, Control, stopped};
use crate::clock;
use crate::config::WorkerConfig;
use crate::feed::Feed;
use crate::handler::{Context, Handler, HandlerError};

/// Bytes of one output.
pub(crate) const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// How an attempt is run.
pub(crate) enum Choice {
    /// Needs no running: this is its end.
    Done(AttemptEnd),
    /// A small future, for a lane.
    Small(Box<dyn FnOnce(Seat) -> BoxFuture<'static, AttemptEnd> + Send>),
    /// Blocks now and then (it starts a process): a tokio task of its own.
    Large(Box<dyn FnOnce(Seat) -> BoxFuture<'static, AttemptEnd> + Send>),
}

/// What a running attempt gets.
pub(crate) struct Seat {
    pub(crate) grant: Arc<GrantMessage>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) control: watch::Receiver<Control>,
}

/// The executors of one worker.
pub(crate) struct Executors {
    config: Arc<WorkerConfig>,
    http: Option<Arc<http::Caller>>,
}

impl Executors {
    pub(crate) fn new(config: Arc<WorkerConfig>) -> Result<Self, String> {
        let http = config.http.as_ref().map(http::Caller::new).transpose()?.map(Arc::new);
        Ok(Self { config, http })
    }

    /// A task with a command or a script is run by the shell executor, whatever its type; any other by the handler
    /// registered for its type, or the built-in executor of that name.
    pub(crate) fn choose(&self, grant: &GrantMessage) -> Choice {
        if grant.command.is_some() || grant.run.is_some() {
            let Some(shell) = self.config.shell.clone() else { return missing("shell") };
            return Choice::Large(Box::new(move |seat| sensed(seat, |seat| shell::run(shell, seat)).boxed()));
        }
        if let Some(handler) = self.config.handlers.get(&grant.kind) {
            let handler = Arc::clone(handler);
            return Choice::Small(Box::new(move |seat| handle(handler, seat).boxed()));
        }
        match grant.kind.as_str() {
            "noop" if self.config.noop => noop::run(grant),
            "shell" => Choice::Done(
                AttemptEnd::failure("bad_task", "a `shell` task needs `command` or `run`").retryable(false),
            ),
            _ if grant.kind == "http" || grant.http.is_some() => match &self.http {
                Some(caller) => {
                    let caller = Arc::clone(caller);
                    let run = move |seat| guarded(seat, |seat| http::run(caller, seat));
                    Choice::Small(Box::new(move |seat| sensed(seat, run).boxed()))
                }
                None => missing("http"),
            },
            kind => missing(kind),
        }
    }
}

/// The pause of a sensor that does not say one.
const EVERY_DEFAULT: Duration = Duration::from_secs(60);

/// Runs a sensor's attempt: while its condition does not hold over what it returned, it is to run again.
async fn sensed<R: Future<Output = AttemptEnd>>(seat: Seat, run: impl FnOnce(Seat) -> R) -> AttemptEnd {
    let Some(until) = seat.grant.until.clone() else { return run(seat).await };
    let every = duration(seat.grant.every).unwrap_or(EVERY_DEFAULT);
    let end = run(seat).await;
    if end.status != OutcomeStatus::Success {
        return end;
    }
    match until_holds(&until, end.output.as_ref().map(|output| output.get())) {
        Ok(true) => end,
        Ok(false) => AttemptEnd {
            status: OutcomeStatus::Snoozed,
            output: None,
            retry_after: Some(every),
            ..AttemptEnd::success(None)
        },
        Err(message) => AttemptEnd::failure(EXPRESSION_FAILED, message).retryable(false),
    }
}

fn missing(kind: &str) -> Choice {
    let message = format!("this worker has no executor for `{kind}`");
    Choice::Done(AttemptEnd::failure("no_executor", message))
}

async fn handle(handler: Handler, seat: Seat) -> AttemptEnd {
    guarded(seat, |seat| {
        let context = Context::new(Arc::clone(&seat.grant), Arc::clone(&seat.feed));
        async move {
            match handler(context).await {
                Ok(value) => output_of(value),
                Err(error) => end_of(error),
            }
        }
    })
    .await
}

fn output_of(value: Value) -> AttemptEnd {
    if value.is_null() {
        return AttemptEnd::success(None);
    }
    match serde_json::value::to_raw_value(&value) {
        Ok(raw) if raw.get().len() <= OUTPUT_BYTES_MAX => AttemptEnd::success(Some(raw)),
        Ok(raw) => output_too_large(raw.get().len()),
        Err(error) => AttemptEnd::failure("bad_output", error.to_string()).retryable(false),
    }
}

/// The failure of an attempt whose output is over the limit.
pub(crate) fn output_too_large(bytes: usize) -> AttemptEnd {
    let message = format!("the output has {bytes} bytes, more than the {OUTPUT_BYTES_MAX} allowed");
    AttemptEnd::failure("output_too_large", message).retryable(false)
}

fn end_of(error: HandlerError) -> AttemptEnd {
    let status = if error.snooze { OutcomeStatus::Snoozed } else { OutcomeStatus::Failure };
    let mut end = AttemptEnd::with_error(status, &error.kind, error.message);
    (end.retryable, end.retry_after) = (error.retryable, error.retry_after);
    if error.snooze {
        end.error = None;
    }
    end
}

/// Runs a future under the attempt's timeouts and the loop's orders. Ending it drops it. A panic is a failure.
async fn guarded<F, R>(seat: Seat, work: F) -> AttemptEnd
where
    F: FnOnce(Seat) -> R,
    R: Future<Output = AttemptEnd>,
{
    let (timeout, heartbeat) = (duration(seat.grant.timeout), duration(seat.grant.heartbeat_timeout));
    let (mut control, feed) = (seat.control.clone(), Arc::clone(&seat.feed));
    let work = AssertUnwindSafe(async move { work(seat).await }).catch_unwind();
    let end = tokio::select! {
        biased;
        stop = stopped(&mut control) => stop.end(),
        end = work => end.unwrap_or_else(|panic| AttemptEnd::failure("panic", format!("the handler panicked: {}", panic_text(&*panic)))),
        after = elapsed(timeout) => AttemptEnd::timeout(after),
        after = silence(&feed, heartbeat) => AttemptEnd::silence(after),
    };
    feed.end();
    end
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message")
}

/// A duration of the wire; zero means none.
pub(crate) fn duration(wire: Option<WireDuration>) -> Option<Duration> {
    wire.map(|wire| Duration::from_millis(wire.ms())).filter(|duration| !duration.is_zero())
}

/// Resolves after the timeout; never without one.
pub(crate) async fn elapsed(timeout: Option<Duration>) -> Duration {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
    timeout.unwrap_or_default()
}

/// Resolves once the attempt has been silent for this long; never without a limit.
pub(crate) async fn silence(feed: &Feed, limit: Option<Duration>) -> Duration {
    let Some(limit) = limit else { return std::future::pending().await };
    let started = clock::now();
    loop {
        let due: Instant = feed.last_sign().unwrap_or(started) + limit;
        if due <= clock::now() {
            return limit;
        }
        tokio::time::sleep_until(due.into()).await;
    }
}
