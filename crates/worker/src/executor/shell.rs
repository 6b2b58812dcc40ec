//! Runs a command under its supervisor: starts it, carries its output, watches its time, and says how it ended.

mod handle;
mod progress;
mod sweep;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use mainspring_protocol::exchange::StreamName;
use tokio::sync::{oneshot, watch};

use super::capture::capture;
use super::environment::{Scratch, argv, environment};
use super::{Seat, duration, elapsed, silence};
use crate::attempt::{AttemptEnd, Control, Stop};
use crate::clock;
use crate::config::ShellConfig;
use crate::supervise::{Order, Report};
use handle::{Orders, Reports, Supervised};
use progress::Watcher;
use verdict::{End, Verdict};

/// How long the output may stay open once the tree is gone.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(2);
/// How long a supervisor may take beyond the grace to end the tree.
const END_PATIENCE: Duration = Duration::from_secs(8);
/// How often a supervisor that was told to end the tree is reminded.
const REMINDER: Duration = Duration::from_millis(100);

/// Runs the attempt to its end. When this returns nothing of it is left: no process, no folder.
pub(super) async fn run(config: ShellConfig, seat: Seat) -> AttemptEnd {
    let feed = Arc::clone(&seat.feed);
    let end = attempt(&config, seat).await.unwrap_or_else(|end| end);
    feed.end();
    end
}

async fn attempt(config: &ShellConfig, mut seat: Seat) -> Result<AttemptEnd, AttemptEnd> {
    let argv = argv(&seat.grant)?;
    let (scratch_config, grant) = (config.clone(), Arc::clone(&seat.grant));
    let scratch = tokio::task::spawn_blocking(move || Scratch::new(&scratch_config, &grant))
        .await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(|error| unstarted(format!("cannot make a folder in `{}`: {error}", config.scratch.display())))?;
    let lease_until = seat.control.borrow_and_update().lease_until;
    let order = Order {
        argv,
        env: environment(&seat.grant, &scratch),
        cwd: scratch.cwd.clone(),
        scratch: Some(scratch.path().to_owned()),
        limits: config.limits.clone(),
        lease_until_ms: clock::to_monotonic_ms(lease_until),
        processes_max: config.processes_max,
    };
    let supervised = Supervised::start(config, &order).await.map_err(|error| {
        unstarted(format!("cannot start the supervisor `{}`: {error}", config.supervisor.display()))
    })?;
    let mut watcher = Watcher::new(&scratch.progress, &seat.feed);
    let (end, stop, last_line) = tokio::select! {
        ended = follow(config, &mut seat, supervised) => ended,
        () = watcher.watch() => unreachable!("it looks until it is dropped"),
    };
    watcher.look();
    let verdict = Verdict { grant: &seat.grant, feed: &seat.feed, end, stop, last_line };
    let end = verdict.pronounce(&scratch.output);
    let removed = tokio::task::spawn_blocking(move || drop(scratch)).await;
    removed.map_err(|error| AttemptEnd::failure("worker_error", error.to_string()))?;
    Ok(end)
}

/// Watches the supervisor and carries the output, until both have ended.
async fn follow(config: &ShellConfig, seat: &mut Seat, supervised: Supervised) -> (End, Option<Reason>, String) {
    let Supervised { mut process, mut reports, orders } = supervised;
    let (stdout, stderr) = process.take_output();
    let (feed, token) = (Arc::clone(&seat.feed), seat.grant.token.clone());
    let out = capture(stdout, StreamName::Stdout, Arc::clone(&feed));
    let err = capture(stderr, StreamName::Stderr, feed);
    let (over, ended) = oneshot::channel::<()>();
    let watching = async move {
        let (end, reason) = watch(config, seat, &mut reports, &orders).await;
        match end {
            End::SupervisorGone => process.break_off(&token).await,
            End::Refused(_) | End::Ended { .. } => process.finish().await,
        }
        drop(over);
        (end, reason)
    };
    // The output ends when nothing is left that could write to it. What got hold of it and is not of the tree, or was
    // not found, holds up nobody.
    let output = async {
        tokio::select! {
            (_, last_line) = async { tokio::join!(out, err) } => last_line,
            () = async { let _ = ended.await; tokio::time::sleep(OUTPUT_PATIENCE).await } => String::new(),
        }
    };
    let ((end, reason), last_line) = tokio::join!(watching, output);
    (end, reason, last_line)
}

fn unstarted(message: String) -> AttemptEnd {
    AttemptEnd::failure("spawn_failed", message).retryable(true)
}

/// Why the worker ended it.
#[derive(Clone, Copy, Debug)]
enum Reason {
    Stop(Stop),
    Timeout(Duration),
    Silence(Duration),
}

impl Reason {
    fn end(self) -> AttemptEnd {
        match self {
            Self::Stop(stop) => stop.end(),
            Self::Timeout(after) => AttemptEnd::timeout(after),
            Self::Silence(after) => AttemptEnd::silence(after),
        }
    }
}

/// Steers the supervisor until it has said its last word.
async fn watch(config: &ShellConfig, seat: &mut Seat, reports: &mut Reports, orders: &Orders) -> (End, Option<Reason>) {
    let (timeout, heartbeat) = (duration(seat.grant.timeout), duration(seat.grant.heartbeat_timeout));
    let (timeout, silence) = (elapsed(timeout), silence(&seat.feed, heartbeat));
    tokio::pin!(timeout, silence);
    let (mut reason, mut obeyed, mut overdue_at) = (None, None, None);
    loop {
        let (why, grace) = tokio::select! {
            biased;
            report = reports.next() => match report {
                Some(Report::Started { pid }) => {
                    tracing::debug!(task = %seat.grant.task_id, pid, "started");
                    continue;
                }
                Some(Report::Refused(error)) => return (End::Refused(error), reason),
                Some(Report::Ended { code, signal, cause, killed }) => {
                    return (End::Ended { code, signal, cause, killed }, reason);
                }
                None => return (End::SupervisorGone, reason),
            },
            stop = ordered(&mut seat.control, &mut obeyed, orders) => {
                (Reason::Stop(stop), stop.is_gentle().then_some(config.kill_grace))
            }
            after = &mut timeout, if reason.is_none() => (Reason::Timeout(after), Some(config.kill_grace)),
            after = &mut silence, if reason.is_none() => (Reason::Silence(after), Some(config.kill_grace)),
            () = tokio::time::sleep(REMINDER), if reason.is_some() => {
                if overdue_at.is_some_and(|at| at <= clock::now()) {
                    return (End::SupervisorGone, reason);
                }
                orders.wake();
                continue;
            }
        };
        overdue_at = Some(clock::now() + grace.unwrap_or_default() + END_PATIENCE);
        let how = if grace.is_some() { "SIGTERM, then SIGKILL" } else { "SIGKILL" };
        let message = why.end().error.map_or_else(String::new, |error| error.message);
        seat.feed.push(StreamName::System, &format!("ending the process tree ({how}): {message}\n"));
        orders.end(grace).await;
        // The first reason stands; a later one can only make it faster.
        reason = Some(reason.unwrap_or(why));
    }
}

/// Hands renewals over to the supervisor; resolves when the loop wants the attempt to end, each time anew.
async fn ordered(control: &mut watch::Receiver<Control>, obeyed: &mut Option<Stop>, orders: &Orders) -> Stop {
    loop {
        let now = *control.borrow_and_update();
        if let Some(stop) = now.stop
            && now.stop != *obeyed
        {
            *obeyed = now.stop;
            return stop;
        }
        orders.renew(clock::to_monotonic_ms(now.lease_until)).await;
        if control.changed().await.is_err() {
            // The loop is gone.
            if obeyed.replace(Stop::Now) == Some(Stop::Now) {
                std::future::pending::<()>().await;
            }
            return Stop::Now;
        }
    }
}
