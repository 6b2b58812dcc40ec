//! Calls as events, and events and commits in one line of the trace.

use mainspring_core::event::{Command, Event, Order, RequestId, SubmitTasks};
use mainspring_core::id::Bucket;
use mainspring_core::row::Changes;

use crate::wire::{Ask, Call};

pub(super) fn event_of(call: &Call, to: RequestId, bucket: Bucket) -> Event {
    match &call.ask {
        Ask::Tasks(tasks) => Event::SubmitTasks(SubmitTasks { to, bucket, tasks: tasks.clone() }),
        Ask::Job(job) => {
            let mut job = job.clone();
            (job.to, job.bucket) = (to, bucket);
            Event::SubmitJob(job)
        }
        Ask::Order(order) => Event::Command(Command { to, actor: "operator".into(), order: order.clone() }),
    }
}

pub(super) fn short(event: &Event) -> String {
    match event {
        Event::SubmitTasks(submission) => format!("{} tasks", submission.tasks.len()),
        Event::SubmitJob(job) => format!("a job of {} tasks, id {:?}", job.graph.tasks().len(), job.given_id),
        Event::Exchange(exchange) => format!(
            "{} #{}: credits {} outcomes {:?} running {:?} resume {}",
            exchange.session,
            exchange.to,
            exchange.credits,
            exchange.outcomes.iter().map(|ended| (ended.token.lease, ended.outcome)).collect::<Vec<_>>(),
            exchange.running.iter().map(|token| token.lease).collect::<Vec<_>>(),
            exchange.resume
        ),
        Event::EndSession(end) => format!("the end of {}: {:?}", end.session, end.reason),
        Event::EndNode(node) => format!("the end of the node {node}"),
        Event::Settings(settings) => format!("{settings:?}"),
        Event::Evaluated(evaluated) => format!("{evaluated:?}"),
        Event::Planned(planned) => format!("{planned:?}"),
        Event::Hooked(hooked) => format!("{} jobs of hooks of {:?}", hooked.jobs.len(), hooked.job),
        Event::Announced(through) => format!("announced through {through}"),
        Event::Loan(message) => format!("{message:?}"),
        Event::Command(command) => match &command.order {
            Order::EditBody { task, .. } => format!("EditBody({task:?})"),
            order => format!("{order:?}"),
        },
    }
}

pub(super) fn told(changes: &Changes) -> String {
    let mut text = String::new();
    for told in &changes.feed {
        text.push_str(&format!(" {:?}({:?})", told.kind, told.task.or(told.job)));
    }
    text
}
