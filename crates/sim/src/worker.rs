//! A simulated worker process: runs attempts, reports, renews, dies, sleeps through its leases and wakes up.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainspring_core::effect::Grant;
use mainspring_core::event::{AttemptEnded, LogLine, Offer, Progress};
use mainspring_core::id::{Name, SessionId, Token};
use mainspring_core::row::{Directive, LogStream};
use mainspring_core::task::Outcome;

use crate::config::WorldConfig;
use crate::rng::Rng;
use crate::wire::{ExchangeCall, ExchangeReply};

/// How the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It runs.
    Up,
    /// It is frozen: its attempts do not proceed, its leases run out, and it does not know.
    Frozen,
    /// It is gone, with all it knew.
    Down,
}

/// An attempt that this process runs.
#[derive(Clone, Debug)]
struct Run {
    ends_ms: Option<i64>,
    ended: AttemptEnded,
    beats: bool,
    next_beat_ms: i64,
    beat_every_ms: i64,
    chunks: u64,
}

/// How long a worker of a cluster waits for the verdict on outcomes before it calls with what else there is to say. The
/// real one says it only with the next call; without any patience it would overtake its own calls for ever where verdicts
/// take longer than it has something new to say.
const PATIENCE_MS: i64 = 2_500;

/// One worker process.
#[derive(Debug)]
pub struct Worker {
    /// Its place in the world.
    pub index: usize,
    /// How it is.
    pub mode: Mode,
    /// Bumped whenever older wake-ups must not count.
    pub life: u64,
    name: Name,
    session: SessionId,
    sessions: u64,
    seq: u64,
    ack: u64,
    slots: u32,
    lease_ms: u64,
    wait_ms: u64,
    offer: Arc<Offer>,
    rng: Rng,
    running: BTreeMap<Token, Run>,
    done: Vec<AttemptEnded>,
    seen: BTreeSet<Token>,
    logs: Vec<LogLine>,
    progress: Vec<Progress>,
    outstanding: Option<(u64, i64)>,
    /// Until when a call that carries outcomes is not overtaken by what else there is to say.
    patient_until: i64,
    patience_ms: i64,
    sent_ms: i64,
    fresh: bool,
    draining: bool,
    directive: Directive,
    goodbyes: u32,
    /// What the world wants to count.
    pub noticed: Vec<&'static str>,
}

impl Worker {
    /// A process that starts now. Worker 0 can run everything.
    pub fn new(index: usize, config: &WorldConfig, mut rng: Rng) -> Self {
        let picky = index > 0 && rng.percent(40);
        let queues = if picky { vec![(*rng.pick(&crate::workload::QUEUES)).into()] } else { Vec::new() };
        let executors: Vec<Name> =
            if picky && rng.percent(50) { vec!["ok".into(), "flaky".into()] } else { vec!["*".into(), "shell".into()] };
        let labels: Vec<Name> = if index == 0 || rng.percent(30) { vec!["zone=a".into()] } else { Vec::new() };
        let mut worker = Self {
            index,
            mode: Mode::Up,
            life: 0,
            name: format!("w{index}").into(),
            session: "".into(),
            sessions: 0,
            seq: 0,
            ack: 0,
            slots: config.slots,
            lease_ms: config.lease_ms,
            wait_ms: config.wait_ms,
            offer: Arc::new(Offer { queues, executors, labels }),
            rng,
            running: BTreeMap::new(),
            done: Vec::new(),
            seen: BTreeSet::new(),
            logs: Vec::new(),
            progress: Vec::new(),
            outstanding: None,
            patient_until: 0,
            patience_ms: if config.cluster.is_some() { PATIENCE_MS } else { 0 },
            sent_ms: 0,
            fresh: true,
            draining: false,
            directive: Directive::Run,
            goodbyes: 0,
            noticed: Vec::new(),
        };
        worker.start();
        worker
    }

    /// Its `workerId`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What it can run.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// A new process of the same `workerId`.
    pub fn start(&mut self) {
        self.life += 1;
        self.sessions += 1;
        self.session = format!("w{}-{:05}", self.index, self.sessions).into();
        self.mode = Mode::Up;
        (self.seq, self.ack, self.goodbyes) = (0, 0, 0);
        self.running.clear();
        self.done.clear();
        self.seen.clear();
        self.logs.clear();
        self.progress.clear();
        (self.outstanding, self.patient_until) = (None, 0);
        self.fresh = true;
        self.draining = false;
        self.directive = Directive::Run;
    }

    /// A new process inside a node: its sessions are named after that.
    pub fn start_inside(&mut self, node: &SessionId) {
        self.start();
        self.session = format!("{node}.w{}-{:05}", self.index, self.sessions).into();
    }

    /// Its present session.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// How many attempts it runs, and how many it has room for.
    pub fn load(&self) -> (u32, u32) {
        (self.running.len() as u32, self.slots)
    }

    /// Its call of this number was refused; it will call again.
    pub fn was_refused(&mut self, seq: u64) {
        if self.outstanding.is_some_and(|(awaited, _)| awaited == seq) {
            self.was_cut_off();
        }
    }

    /// Its connection broke; it will call again.
    pub fn was_cut_off(&mut self) {
        (self.outstanding, self.patient_until) = (None, 0);
        self.fresh = true;
    }

    /// A new process under somebody else's id.
    pub fn restart_as(&mut self, name: Name) {
        self.name = name;
        self.start();
    }

    /// Whether it runs under its own id.
    pub fn is_itself(&self) -> bool {
        *self.name == *format!("w{}", self.index)
    }

    /// The process dies.
    pub fn crash(&mut self) {
        self.life += 1;
        self.mode = Mode::Down;
    }

    /// The process freezes.
    pub fn freeze(&mut self) {
        self.life += 1;
        self.mode = Mode::Frozen;
    }

    /// The frozen process goes on, and reports at once what it believes.
    pub fn thaw(&mut self) {
        self.life += 1;
        self.mode = Mode::Up;
        (self.outstanding, self.patient_until) = (None, 0);
        self.fresh = true;
    }

    /// The process was told to end: it hands back what it runs.
    pub fn drain(&mut self) {
        self.draining = true;
        self.fresh = true;
        let tokens: Vec<Token> = self.running.keys().copied().collect();
        for token in tokens {
            if self.rng.percent(70) {
                self.running.remove(&token);
                self.done.push(ended(token, Outcome::Interrupted));
            }
        }
    }

    /// Whether it has said good-bye and nothing is left.
    fn wants_to_leave(&self) -> bool {
        self.draining && self.running.is_empty()
    }

    /// Lets time pass; gives the call to send, if any.
    pub fn tick(&mut self, now_ms: i64) -> Option<ExchangeCall> {
        if self.mode != Mode::Up {
            return None;
        }
        self.finish_runs(now_ms);
        self.beat(now_ms);
        let timed_out = self.outstanding.is_some_and(|(_, sent)| now_ms - sent > self.wait_ms as i64 + 3_000);
        let renew = !self.running.is_empty() && now_ms - self.sent_ms >= self.renew_every_ms();
        let news = self.fresh && now_ms >= self.patient_until;
        let due = self.outstanding.is_none() || timed_out || renew || news;
        due.then(|| self.call(now_ms))
    }

    fn renew_every_ms(&self) -> i64 {
        (self.lease_ms / 3).max(50) as i64
    }

    /// When to tick again.
    pub fn next_tick_ms(&self, now_ms: i64) -> i64 {
        let ends = self.running.values().filter_map(|run| run.ends_ms);
        let beats = self.running.values().filter(|run| run.beats).map(|run| run.next_beat_ms);
        let renew = (!self.running.is_empty()).then_some(self.sent_ms + self.renew_every_ms());
        let silence = self.outstanding.map(|(_, sent)| sent + self.wait_ms as i64 + 3_001);
        let patience = (self.fresh && self.patient_until > now_ms).then_some(self.patient_until);
        let next = ends.chain(beats).chain(renew).chain(silence).chain(patience).min();
        next.unwrap_or(now_ms + 1_000).max(now_ms + 1)
    }

    fn finish_runs(&mut self, now_ms: i64) {
        let over: Vec<Token> = self
            .running
            .iter()
            .filter(|(_, run)| run.ends_ms.is_some_and(|at| at <= now_ms))
            .map(|(token, _)| *token)
            .collect();
        for token in over {
            let run = self.running.remove(&token).expect("it was just listed");
            self.done.push(run.ended);
            self.fresh = true;
        }
    }

    fn beat(&mut self, now_ms: i64) {
        for (token, run) in &mut self.running {
            if run.beats && run.next_beat_ms <= now_ms {
                run.next_beat_ms = now_ms + run.beat_every_ms;
                self.fresh = true;
                let checkpoint = (token.lease % 3 == 0)
                    .then(|| format!(r#"{{"lease":{},"chunk":{}}}"#, token.lease, run.chunks).into());
                self.progress.push(Progress { token: *token, percent: Some(50), message: None, checkpoint });
                let line = LogLine {
                    token: *token,
                    number: run.chunks,
                    stream: LogStream::Stdout,
                    data: format!("chunk {}", run.chunks).into(),
                };
                run.chunks += 1;
                self.logs.push(line);
            }
        }
    }

    fn call(&mut self, now_ms: i64) -> ExchangeCall {
        self.seq += 1;
        self.fresh = false;
        self.sent_ms = now_ms;
        self.outstanding = Some((self.seq, now_ms));
        self.patient_until = if self.done.is_empty() { 0 } else { now_ms + self.patience_ms };
        let leaving = self.wants_to_leave();
        if leaving {
            self.goodbyes += 1;
        }
        let busy = (self.running.len()) as u32;
        let takes = !self.draining && self.directive == Directive::Run;
        ExchangeCall {
            index: self.index,
            worker: self.name.clone(),
            session: self.session.clone(),
            seq: self.seq,
            ack: self.ack,
            capacity: if takes { self.slots.saturating_sub(busy) } else { 0 },
            wait_ms: self.wait_ms,
            lease_ms: self.lease_ms,
            offer: self.offer.clone(),
            outcomes: self.done.clone(),
            running: self.running.keys().copied().collect(),
            logs: std::mem::take(&mut self.logs),
            progress: std::mem::take(&mut self.progress),
            leaving,
        }
    }

    /// Takes a reply in; an answer to an older call is not listened to.
    pub fn hear(&mut self, reply: ExchangeReply, now_ms: i64) {
        let awaited = self.outstanding.is_some_and(|(seq, _)| seq == reply.seq);
        if self.mode != Mode::Up || reply.session != self.session || !awaited {
            return;
        }
        self.ack = reply.seq;
        (self.outstanding, self.patient_until) = (None, 0);
        self.done.retain(|ended| !reply.accepted.contains(&ended.token) && !reply.stale.contains(&ended.token));
        for token in &reply.stale {
            self.running.remove(token);
        }
        for token in &reply.cancel {
            if self.running.remove(token).is_some() {
                self.noticed.push("worker.cancelled_attempt");
                if self.rng.percent(50) {
                    self.done.push(ended(*token, Outcome::Cancelled));
                    self.fresh = true;
                }
            }
        }
        for grant in reply.grants {
            self.take(grant, now_ms);
        }
        self.directive = reply.directive;
        if reply.directive == Directive::Drain && !self.draining {
            self.draining = true;
            self.noticed.push("worker.drain");
        }
        if self.goodbyes > 0 && self.done.is_empty() && self.wants_to_leave() {
            self.crash();
        }
    }

    fn take(&mut self, grant: Grant, now_ms: i64) {
        if !self.seen.insert(grant.token) {
            return;
        }
        let run = self.plan(&grant, now_ms);
        self.running.insert(grant.token, run);
    }
}

fn ended(token: Token, outcome: Outcome) -> AttemptEnded {
    AttemptEnded { token, outcome, output: None, error: None, retryable: None, retry_after_ms: None }
}
