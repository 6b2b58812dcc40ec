//! Verdicts, and the flow of a job's tasks, as commands of transcripts.

use std::sync::Arc;

use mainspring_core::event::{ChildJob, Evaluated, Event, Verdict};
use mainspring_core::graph::{DraftTask, Graph};
use mainspring_core::job::{FailurePolicy, Flow, Step};
use mainspring_core::task::Failure;

use super::Script;
use crate::words::Words;

/// `flow=evaluated`, `flow=approval`, `flow=approval:MS`, `flow=evaluated:approval`, `flow=group`.
pub(super) fn flow(words: &Words<'_>) -> Option<Arc<Flow>> {
    let text = words.get("flow")?;
    let (evaluated, step) = match text.strip_prefix("evaluated") {
        Some(rest) => (true, rest.trim_start_matches(':')),
        None => (text == "group", text),
    };
    let step = match step.split_once(':') {
        Some(("approval", ms)) => Step::Approval { timeout_ms: Some(ms.parse().expect("milliseconds")) },
        _ if step == "approval" => Step::Approval { timeout_ms: None },
        _ if step == "group" => Step::Group,
        _ => Step::Attempt,
    };
    Some(Arc::new(Flow { evaluated, step, logic: "{}".into() }))
}

pub(super) fn policy(words: &Words<'_>) -> FailurePolicy {
    match words.get("policy") {
        Some("fail_fast") => FailurePolicy::FailFast,
        _ => FailurePolicy::Continue,
    }
}

/// One task, or several, per line.
pub(super) fn graph(nested: &[&str]) -> Graph {
    let drafts = nested.iter().flat_map(|line| {
        let words = Words::read(line);
        let draft = |name: String| DraftTask {
            name: name.into(),
            spec: words.spec(),
            trigger: words.trigger(),
            delay_ms: words.number("delay").unwrap_or(0),
            needs: super::command::needs(&words),
            flow: flow(&words),
        };
        super::command::numbered(&words).into_iter().map(draft).collect::<Vec<_>>()
    });
    Graph::build(drafts.collect()).expect("the graph of a transcript is valid")
}

impl Script {
    /// `verdict TASK run|skip|fail|complete|child …`
    pub(super) fn verdict(&self, words: &Words<'_>, nested: &[&str]) -> Event {
        let verdict = match words.names[1] {
            "run" => Verdict::Run { body: words.get("body").map(Into::into) },
            "skip" => Verdict::Skip,
            "fail" => Verdict::Fail(Failure { kind: "expression".into(), message: "no such name".into(), trace: None }),
            "complete" => Verdict::Complete { output: words.get("output").map(Into::into) },
            "child" => Verdict::Child(Box::new(ChildJob {
                graph: graph(nested),
                title: None,
                body: "{}".into(),
                tags: Arc::new([]),
                failure_policy: policy(words),
                instances: words.get("instances").is_some(),
            })),
            other => panic!("no verdict `{other}`"),
        };
        let generation = words.number("generation").unwrap_or(1) as u32;
        Event::Evaluated(Evaluated { task: self.names.key(words.names[0]), generation, verdict })
    }
}
