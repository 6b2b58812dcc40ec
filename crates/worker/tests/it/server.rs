//! A task source in this process that keeps the rules of the exchange, and breaks down when it is told to.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mainspring_protocol::exchange::{
    DirectiveName, ExchangeReply, ExchangeRequest, GrantMessage, OutcomeReport, StreamName,
};
use mainspring_worker::{SourceError, TaskSource};
use tokio::sync::watch;

/// What a test may break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Nothing arrives.
    Unreachable,
    /// Everything arrives, no answer comes back.
    LosesAnswers,
    /// Calls of more than 64 KiB are refused.
    TakesLittle,
    /// Every call is refused for good.
    Refuses,
}

#[derive(Default)]
struct State {
    fault: Fault,
    /// Faulty calls until the fault goes away; `None`: it stays.
    faulty_calls: Option<u32>,
    queue: VecDeque<GrantMessage>,
    /// Granted, not yet acknowledged: with the call that granted.
    unseen: Vec<(u64, GrantMessage)>,
    leased: HashSet<String>,
    cancel: HashSet<String>,
    revoked: HashSet<String>,
    outcomes: BTreeMap<String, Vec<OutcomeReport>>,
    logs: BTreeMap<String, BTreeMap<u64, (StreamName, String)>>,
    progress: Vec<(String, f64)>,
    directive: DirectiveName,
    newest: u64,
    left: bool,
    requests: Vec<ExchangeRequest>,
}

/// The source, and a test's view of it.
pub(crate) struct Server {
    state: Mutex<State>,
    version: watch::Sender<u64>,
}

impl Server {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), version: watch::channel(0).0 })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics under this lock")
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state());
        self.version.send_modify(|version| *version += 1);
        result
    }

    pub(crate) fn submit(&self, grant: GrantMessage) {
        self.change(|state| state.queue.push_back(grant));
    }

    pub(crate) fn break_down(&self, fault: Fault, calls: Option<u32>) {
        self.change(|state| (state.fault, state.faulty_calls) = (fault, calls));
    }

    pub(crate) fn cancel(&self, token: &str) {
        self.change(|state| state.cancel.insert(token.to_owned()));
    }

    /// The lease is over; nobody tells the worker but the next answer.
    pub(crate) fn revoke(&self, token: &str) {
        self.change(|state| {
            state.leased.remove(token);
            state.revoked.insert(token.to_owned());
        });
    }

    pub(crate) fn direct(&self, directive: DirectiveName) {
        self.change(|state| state.directive = directive);
    }

    pub(crate) fn has_left(&self) -> bool {
        self.state().left
    }

    pub(crate) fn requests(&self) -> Vec<ExchangeRequest> {
        self.state().requests.clone()
    }

    /// All outcomes that were taken for this token: one, if nothing is doubled.
    pub(crate) fn taken(&self, token: &str) -> Vec<OutcomeReport> {
        self.state().outcomes.get(token).cloned().unwrap_or_default()
    }

    pub(crate) fn log(&self, token: &str, stream: StreamName) -> String {
        let state = self.state();
        let chunks = state.logs.get(token).into_iter().flat_map(BTreeMap::values);
        chunks.filter(|(from, _)| *from == stream).map(|(_, data)| data.as_str()).collect()
    }

    /// Whether chunks arrived without a gap from 0.
    pub(crate) fn log_is_gapless(&self, token: &str) -> bool {
        let state = self.state();
        state.logs.get(token).is_none_or(|chunks| chunks.keys().copied().eq(0..chunks.len() as u64))
    }

    pub(crate) fn progress(&self) -> Vec<(String, f64)> {
        self.state().progress.clone()
    }

    /// Resolves once the question has an answer; a minute is too long.
    pub(crate) async fn until<R>(&self, mut question: impl FnMut(&Self) -> Option<R>) -> R {
        let mut version = self.version.subscribe();
        let answer = async {
            loop {
                version.borrow_and_update();
                if let Some(answer) = question(self) {
                    return answer;
                }
                version.changed().await.expect("the server lives");
            }
        };
        tokio::time::timeout(Duration::from_secs(60), answer).await.expect("it happens within a minute")
    }

    pub(crate) async fn outcome(&self, token: &str) -> OutcomeReport {
        self.until(|server| server.taken(token).into_iter().next()).await
    }

    /// Once the attempt has printed this.
    pub(crate) async fn printed(&self, token: &str, text: &str) -> String {
        self.until(|server| Some(server.log(token, StreamName::Stdout)).filter(|log| log.contains(text))).await
    }

    fn fault(&self) -> Fault {
        let mut state = self.state();
        match &mut state.faulty_calls {
            Some(0) => {
                (state.fault, state.faulty_calls) = (Fault::None, None);
                Fault::None
            }
            Some(left) => {
                *left -= 1;
                state.fault
            }
            None => state.fault,
        }
    }

    fn take(state: &mut State, request: &ExchangeRequest) -> ExchangeReply {
        let mut reply = ExchangeReply { seq: request.seq, ..ExchangeReply::default() };
        state.newest = state.newest.max(request.seq);
        state.unseen.retain(|(seq, _)| *seq > request.ack);
        for chunk in &request.logs {
            if state.leased.contains(&chunk.token) {
                let chunks = state.logs.entry(chunk.token.clone()).or_default();
                chunks.entry(chunk.seq).or_insert_with(|| (chunk.stream, chunk.data.clone()));
            }
        }
        for step in &request.progress {
            state.progress.push((step.token.clone(), step.percent.unwrap_or_default()));
        }
        for outcome in &request.outcomes {
            if state.leased.remove(&outcome.token) {
                state.outcomes.entry(outcome.token.clone()).or_default().push(outcome.clone());
                reply.accepted.push(outcome.token.clone());
            } else if state.outcomes.contains_key(&outcome.token) {
                reply.accepted.push(outcome.token.clone());
            } else {
                reply.stale.push(outcome.token.clone());
            }
        }
        reply.stale.extend(request.running.iter().filter(|token| state.revoked.contains(*token)).cloned());
        state.left |= request.leaving;
        state.requests.push(request.clone());
        reply
    }

    /// Adds what a call is answered for; true if there is anything.
    fn answer(state: &mut State, request: &ExchangeRequest, reply: &mut ExchangeReply) -> bool {
        reply.directive = state.directive;
        reply.cancel = request.running.iter().filter(|token| state.cancel.contains(*token)).cloned().collect();
        let mut free = request.capacity as usize;
        reply.grants = state.unseen.iter().map(|(_, grant)| grant.clone()).collect();
        while free > 0
            && let Some(grant) = state.queue.pop_front()
        {
            free -= 1;
            state.leased.insert(grant.token.clone());
            state.unseen.push((request.seq, grant.clone()));
            reply.grants.push(grant);
        }
        !(reply.grants.is_empty() && reply.cancel.is_empty() && reply.accepted.is_empty() && reply.stale.is_empty())
            || request.leaving
            || state.newest > request.seq
    }
}

impl TaskSource for Server {
    fn exchange(&self, request: ExchangeRequest) -> BoxFuture<'_, Result<ExchangeReply, SourceError>> {
        async move {
            let fault = self.fault();
            if fault == Fault::Unreachable {
                return Err(SourceError::Unreachable("as told".to_owned()));
            }
            let bytes = serde_json::to_vec(&request).expect("a request is plain data").len();
            if fault == Fault::TakesLittle && bytes > 64 << 10 {
                return Err(SourceError::TooLarge(format!("{bytes} bytes")));
            }
            if fault == Fault::Refuses {
                return Err(SourceError::Refused {
                    code: "worker_id_in_use".to_owned(),
                    message: "as told".to_owned(),
                });
            }
            let mut reply = self.change(|state| Self::take(state, &request));
            let directive = self.state().directive;
            let mut version = self.version.subscribe();
            let wait = async {
                loop {
                    version.borrow_and_update();
                    let answered = Self::answer(&mut self.state(), &request, &mut reply);
                    if answered || self.state().directive != directive || self.state().fault == Fault::Unreachable {
                        return;
                    }
                    version.changed().await.expect("the server lives");
                }
            };
            let _ = tokio::time::timeout(Duration::from_millis(request.wait_ms), wait).await;
            match self.state().fault {
                Fault::Unreachable => Err(SourceError::Unreachable("as told".to_owned())),
                _ if fault == Fault::LosesAnswers => Err(SourceError::Unreachable("the answer was lost".to_owned())),
                _ => Ok(reply),
            }
        }
        .boxed()
    }
}
