//! What the worker has to say, until the other side has it: outcomes until they are accepted or stale, logs until the
//! call that carried them was answered. An outcome never leaves before the last word of its attempt.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use mainspring_protocol::exchange::{ExchangeReply, ExchangeRequest, LogChunk, OutcomeReport, ProgressReport};

use crate::feed::{Feed, escaped_len};

/// Bytes of logs in one call, and of outcomes, about; one chunk and one outcome more may follow. Together they stay
/// below 1 MiB, which most of what may stand on the way takes.
const BYTES_MAX: usize = 256 << 10;
/// The same where even that is refused: little more than one outcome or chunk at a time.
const BYTES_MIN: usize = 1 << 10;
/// Outcomes in one call.
const OUTCOMES_MAX: usize = 4_096;

/// What one call carried, so that it can be said again.
#[derive(Default)]
pub(crate) struct Cargo {
    outcomes: Vec<OutcomeReport>,
    logs: Vec<LogChunk>,
}

impl Cargo {
    pub(crate) fn has_outcomes(&self) -> bool {
        !self.outcomes.is_empty()
    }
}

pub(crate) struct Outbox {
    /// Bytes of logs in one call, and of outcomes.
    bytes_max: usize,
    /// Ready to leave.
    pending: VecDeque<OutcomeReport>,
    /// Wait for the last words of their attempts.
    held: Vec<(Arc<Feed>, OutcomeReport)>,
    /// Attempts with something to say.
    speaking: VecDeque<Arc<Feed>>,
    /// Said once, perhaps not heard.
    unheard: VecDeque<LogChunk>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            bytes_max: BYTES_MAX,
            pending: VecDeque::new(),
            held: Vec::new(),
            speaking: VecDeque::new(),
            unheard: VecDeque::new(),
        }
    }
}

impl Outbox {
    /// A call was too large: halves what the next ones carry, and says how much that is now.
    pub(crate) fn shrink(&mut self) -> usize {
        self.bytes_max = (self.bytes_max / 2).max(BYTES_MIN);
        self.bytes_max
    }

    /// An attempt ended.
    pub(crate) fn outcome(&mut self, report: OutcomeReport, feed: Option<Arc<Feed>>) {
        match feed {
            Some(feed) if !feed.is_empty() => self.held.push((feed, report)),
            _ => self.pending.push_back(report),
        }
    }

    /// An attempt has something to say.
    pub(crate) fn speaks(&mut self, feed: Arc<Feed>) {
        self.speaking.push_back(feed);
    }

    /// Whether an outcome waits to leave.
    pub(crate) fn has_outcomes(&self) -> bool {
        !self.pending.is_empty() || !self.held.is_empty()
    }

    /// How many do.
    pub(crate) fn outcome_count(&self) -> usize {
        self.pending.len() + self.held.len()
    }

    /// Whether output or progress waits to leave.
    pub(crate) fn has_logs(&self) -> bool {
        !self.speaking.is_empty() || !self.unheard.is_empty()
    }

    /// Puts as much as fits into a call, and the tokens of outcomes that must wait among the running, so that their
    /// leases last.
    pub(crate) fn load(&mut self, request: &mut ExchangeRequest) -> Cargo {
        self.load_logs(request);
        if self.unheard.is_empty() {
            let (ready, held) = std::mem::take(&mut self.held).into_iter().partition(|(feed, _)| feed.is_empty());
            self.held = held;
            self.pending.extend(Vec::from_iter::<Vec<_>>(ready).into_iter().map(|(_, report)| report));
        }
        let mut bytes = 0;
        while bytes < self.bytes_max
            && request.outcomes.len() < OUTCOMES_MAX
            && let Some(report) = self.pending.pop_front()
        {
            bytes += size(&report);
            request.outcomes.push(report);
        }
        let waiting = self.pending.iter().chain(self.held.iter().map(|(_, report)| report));
        request.running.extend(waiting.map(|report| report.token.clone()));
        Cargo { outcomes: request.outcomes.clone(), logs: request.logs.clone() }
    }

    fn load_logs(&mut self, request: &mut ExchangeRequest) {
        let mut bytes = 0;
        while bytes < self.bytes_max
            && let Some(chunk) = self.unheard.pop_front()
        {
            bytes += escaped_len(&chunk.data);
            request.logs.push(chunk);
        }
        let mut still_speaking = VecDeque::new();
        while let Some(feed) = self.speaking.pop_front() {
            if bytes >= self.bytes_max {
                still_speaking.push_back(feed);
                continue;
            }
            let (pieces, step, left) = feed.take(self.bytes_max - bytes);
            let token = || feed.token.to_string();
            for piece in pieces {
                bytes += escaped_len(&piece.data);
                request.logs.push(LogChunk { token: token(), seq: piece.seq, stream: piece.stream, data: piece.data });
            }
            request.progress.extend(step.map(|step| ProgressReport {
                token: token(),
                percent: step.percent,
                message: step.message,
                checkpoint: step.checkpoint,
            }));
            if left {
                still_speaking.push_back(feed);
            }
        }
        self.speaking = still_speaking;
    }

    /// A call was answered: what it carried and the answer does not name is to be said again. Gives the tokens that
    /// are done with.
    pub(crate) fn heard(&mut self, cargo: Cargo, reply: &ExchangeReply) -> Vec<String> {
        let answered: HashSet<&str> = reply.accepted.iter().chain(&reply.stale).map(String::as_str).collect();
        let mut done = Vec::with_capacity(cargo.outcomes.len());
        for report in cargo.outcomes {
            if answered.contains(report.token.as_str()) {
                done.push(report.token);
            } else {
                self.pending.push_back(report);
            }
        }
        if !reply.stale.is_empty() {
            let stale: HashSet<&str> = reply.stale.iter().map(String::as_str).collect();
            let mut drop_stale = |report: &OutcomeReport| {
                let is_stale = stale.contains(report.token.as_str());
                if is_stale {
                    done.push(report.token.clone());
                }
                !is_stale
            };
            self.pending.retain(&mut drop_stale);
            self.held.retain(|(_, report)| drop_stale(report));
            self.unheard.retain(|chunk| !stale.contains(chunk.token.as_str()));
        }
        done
    }

    /// A call brought no answer: everything it carried is to be said again, before anything newer.
    pub(crate) fn unheard(&mut self, cargo: Cargo) {
        for report in cargo.outcomes.into_iter().rev() {
            self.pending.push_front(report);
        }
        for chunk in cargo.logs.into_iter().rev() {
            self.unheard.push_front(chunk);
        }
    }
}

fn size(report: &OutcomeReport) -> usize {
    let error = report.error.as_ref().map_or(0, |error| {
        escaped_len(&error.message) + error.trace.as_deref().map_or(0, escaped_len) + error.kind.len()
    });
    64 + report.token.len() + report.output.as_ref().map_or(0, |output| output.get().len()) + error
}
