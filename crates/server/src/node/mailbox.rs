//! The shard's mailbox: two lanes, each bounded in bytes. What workers and operators say goes before submissions, so that
//! a flood of new work cannot starve the work in hand of its renewals and cancels.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mainspring_core::effect::Answer;
use mainspring_core::event::{Evaluated, Event, NewTask, Order, RequestId, SubmitJob, Verdict};
use mainspring_core::id::Name;
use mainspring_node::gateway::{self, Call};
use tokio::sync::oneshot;

use super::CallError;

/// Where an answer goes.
pub(super) type Answers = oneshot::Sender<Result<Answer, CallError>>;
/// Where the answer of an exchange goes.
pub(super) type ExchangeAnswers = oneshot::Sender<Result<gateway::Answer, CallError>>;

/// One call.
#[derive(Debug)]
pub(super) enum Message {
    /// Standalone tasks.
    Tasks { tasks: Vec<NewTask>, answer: Answers },
    /// Tasks that were enqueued in the store, each with its row's number.
    Inbox { tasks: Vec<(i64, NewTask)>, answer: Answers },
    /// A job.
    Job { job: Box<SubmitJob>, answer: Answers },
    /// An operator's order.
    Order { actor: Name, order: Order, answer: Answers },
    /// A worker session's call.
    Exchange { request: RequestId, call: Box<Call>, answer: ExchangeAnswers },
    /// The caller of that exchange is gone.
    Hangup { request: RequestId },
    /// News of the cluster, for the core.
    News(Event),
    /// The verdict on a task's expressions.
    Evaluated(Box<Evaluated>),
}

/// Bytes that a message itself is taken to occupy.
const MESSAGE_BYTES: usize = 256;
/// Bytes that a task is taken to occupy beside its body.
const TASK_BYTES: usize = 320;

impl Message {
    /// Whether it waits with the submissions.
    fn is_submission(&self) -> bool {
        matches!(self, Self::Tasks { .. } | Self::Inbox { .. } | Self::Job { .. })
    }

    /// How many events' worth of work it is.
    fn events(&self) -> usize {
        match self {
            Self::Tasks { tasks, .. } => tasks.len(),
            Self::Inbox { tasks, .. } => tasks.len(),
            Self::Job { job, .. } => 1 + job.graph.tasks().len(),
            Self::Exchange { call, .. } => 1 + call.outcomes.len(),
            Self::Evaluated(evaluated) => match &evaluated.verdict {
                Verdict::Child(child) => 1 + child.graph.tasks().len(),
                _ => 1,
            },
            Self::Order { .. } | Self::Hangup { .. } | Self::News(_) => 1,
        }
    }

    /// About how many bytes it holds.
    fn bytes(&self) -> usize {
        MESSAGE_BYTES
            + match self {
                Self::Tasks { tasks, .. } => tasks.iter().map(|task| TASK_BYTES + task.spec.body.len()).sum(),
                Self::Inbox { tasks, .. } => tasks.iter().map(|(_, task)| TASK_BYTES + task.spec.body.len()).sum(),
                Self::Job { job, .. } => {
                    let tasks = job.graph.tasks().iter();
                    job.body.len() + tasks.map(|task| TASK_BYTES + task.spec.body.len()).sum::<usize>()
                }
                Self::Evaluated(evaluated) => match &evaluated.verdict {
                    Verdict::Child(child) => {
                        child.graph.tasks().iter().map(|task| TASK_BYTES + task.spec.body.len()).sum()
                    }
                    Verdict::Run { body } => body.as_ref().map_or(0, |body| body.len()),
                    _ => 0,
                },
                Self::Exchange { call, .. } => call.bytes(),
                Self::Order { order, .. } => order_bytes(order),
                Self::Hangup { .. } | Self::News(_) => 0,
            }
    }
}

fn order_bytes(order: &Order) -> usize {
    match order {
        Order::Redrive { tasks, .. } | Order::Discard(tasks) => tasks.len() * 8,
        Order::EditBody { body, before, .. } => body.len() + before.as_ref().map_or(0, |body| body.len()),
        Order::Delete { tasks, jobs, forget } | Order::DeleteOld { tasks, jobs, forget } => {
            (tasks.len() + jobs.len()) * 8 + forget.len() * 128
        }
        Order::Record { action, target, detail } => action.len() + target.len() + detail.len(),
        Order::Define(all) => all.iter().map(|one| one.body.as_ref().map_or(0, |body| body.len()) + 128).sum(),
        _ => 0,
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Mailbox {
    lanes: Mutex<Lanes>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Lanes {
    urgent: Lane,
    submissions: Lane,
    closed: bool,
}

#[derive(Debug, Default)]
struct Lane {
    messages: VecDeque<(Message, usize)>,
    bytes: usize,
}

impl Lane {
    fn pop(&mut self) -> Option<(Message, usize)> {
        let (message, bytes) = self.messages.pop_front()?;
        self.bytes -= bytes;
        Some((message, bytes))
    }
}

/// How much more may be taken into the batch that is being gathered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

impl Room {
    fn is_full(self) -> bool {
        self.events == 0 || self.bytes == 0
    }

    fn take(&mut self, message: &Message, bytes: usize) {
        self.events = self.events.saturating_sub(message.events());
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Mailbox {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { lanes: Mutex::default(), bytes_max }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        // Nothing that can panic runs under this lock, so what it guards is whole.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message in, unless its lane is full. One message always fits an empty lane.
    pub(super) fn push(&self, message: Message) -> Result<(), CallError> {
        let bytes = message.bytes();
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err(CallError::Stopped);
        }
        let lane = if message.is_submission() { &mut lanes.submissions } else { &mut lanes.urgent };
        if lane.bytes > 0 && lane.bytes + bytes > self.bytes_max {
            return Err(CallError::Overloaded { retry_after_ms: RETRY_AFTER_MS });
        }
        lane.bytes += bytes;
        lane.messages.push_back((message, bytes));
        Ok(())
    }

    /// Moves messages out while there is room, urgent ones first. At least one submission goes with every drain that has
    /// room at its start, so that workers cannot starve submitters either.
    pub(super) fn drain(&self, room: &mut Room, into: &mut Vec<Message>) {
        if room.is_full() {
            return;
        }
        let mut lanes = self.lanes();
        while !room.is_full()
            && let Some((message, bytes)) = lanes.urgent.pop()
        {
            room.take(&message, bytes);
            into.push(message);
        }
        while let Some((message, bytes)) = lanes.submissions.pop() {
            room.take(&message, bytes);
            into.push(message);
            if room.is_full() {
                return;
            }
        }
    }

    /// Refuses whatever comes from now on.
    pub(super) fn close(&self) {
        self.lanes().closed = true;
    }

    /// Whether nothing will come any more.
    pub(super) fn is_closed_and_empty(&self) -> bool {
        let lanes = self.lanes();
        lanes.closed && lanes.urgent.messages.is_empty() && lanes.submissions.messages.is_empty()
    }

    /// Whether it has been closed.
    pub(super) fn is_closed(&self) -> bool {
        self.lanes().closed
    }

    /// Bytes that wait: urgent, submissions.
    pub(super) fn bytes(&self) -> (usize, usize) {
        let lanes = self.lanes();
        (lanes.urgent.bytes, lanes.submissions.bytes)
    }
}

/// A full lane is drained within a few commits, that is, tens of milliseconds; this leaves room for a slow disk.
const RETRY_AFTER_MS: u64 = 500;

#[cfg(test)]
mod tests {
    use mainspring_core::event::Order;
    use mainspring_core::id::Key;

    use super::*;

    fn order(body: &str) -> Message {
        let order = Order::EditBody { task: Key::from_raw(1), body: body.into(), before: None };
        Message::Order { actor: "a".into(), order, answer: oneshot::channel().0 }
    }

    fn tasks() -> Message {
        Message::Tasks { tasks: Vec::new(), answer: oneshot::channel().0 }
    }

    fn words(messages: &[Message]) -> String {
        messages.iter().map(|message| if message.is_submission() { 's' } else { 'o' }).collect()
    }

    #[test]
    fn orders_go_before_submissions_and_starve_none() {
        let mailbox = Mailbox::new(1 << 20);
        for message in [tasks(), tasks(), order(""), order(""), order("")] {
            mailbox.push(message).expect("there is room");
        }
        let mut batch = Vec::new();
        mailbox.drain(&mut Room { events: 2, bytes: 1 << 20 }, &mut batch);
        assert_eq!(words(&batch), "oos");
        batch.clear();
        mailbox.drain(&mut Room { events: 9, bytes: 1 << 20 }, &mut batch);
        assert_eq!(words(&batch), "os");
        assert_eq!(mailbox.bytes(), (0, 0));
    }

    #[test]
    fn a_full_lane_refuses_and_leaves_the_other_alone() {
        let mailbox = Mailbox::new(3 * MESSAGE_BYTES);
        for _ in 0..3 {
            mailbox.push(order("")).expect("there is room");
        }
        assert!(matches!(mailbox.push(order("")), Err(CallError::Overloaded { .. })));
        mailbox.push(tasks()).expect("submissions have a lane of their own");
    }

    #[test]
    fn one_large_message_fits_an_empty_lane() {
        let mailbox = Mailbox::new(10);
        mailbox.push(order(&"x".repeat(1_000))).expect("the lane is empty");
        assert!(matches!(mailbox.push(order("")), Err(CallError::Overloaded { .. })));
    }
}
