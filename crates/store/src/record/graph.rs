//! A chunk of a job's graph: its texts, policies and bodies are written once, however many tasks share them.

use std::sync::Arc;

use mainspring_core::id::{Key, Name};
use mainspring_core::job::{Flow, GraphChunk, GraphTask, Step};
use mainspring_core::limits::RESIDENT_BODY_BYTES_MAX;
use mainspring_core::spec::{Class, Policy, TaskSpec};

use super::Unreadable;
use super::bytes::{Reader, Writer};
use super::limits::{decode_key_limits, encode_key_limits};
use super::spec::{policy_from_text, policy_to_text, trigger_from_number, trigger_number};

/// Version 1 of the record, of chunks without any flow or limit, which older programs can read.
const PLAIN: u64 = 1;
/// Version 2: each task may have a flow.
const WITH_FLOWS: u64 = 2;
/// Version 3: each task may have a flow, and limits after it.
const WITH_LIMITS: u64 = 3;

/// Writes a chunk. Bodies that are too large to be resident are left out: the task's own row has them. That of an
/// evaluated task is a template, which its row loses; it stays here whole.
pub fn encode_graph(chunk: &GraphChunk) -> Vec<u8> {
    let policies: Vec<String> = chunk.tasks.iter().map(|task| policy_to_text(&task.spec.policy)).collect();
    let limits: Vec<Option<String>> = chunk.tasks.iter().map(|task| encode_key_limits(&task.spec.limits)).collect();
    let limited = limits.iter().any(Option::is_some);
    let mut out = Writer::default();
    let flows = limited || chunk.tasks.iter().any(|task| task.flow.is_some());
    out.number(if limited {
        WITH_LIMITS
    } else if flows {
        WITH_FLOWS
    } else {
        PLAIN
    });
    out.number(chunk.tasks.len() as u64);
    for ((task, policy), limits) in chunk.tasks.iter().zip(&policies).zip(&limits) {
        encode_task(&mut out, task, policy);
        if flows {
            encode_flow(&mut out, task.flow.as_deref());
        }
        if limited {
            out.text(limits.as_deref().unwrap_or_default());
        }
    }
    out.bytes
}

fn encode_task<'a>(out: &mut Writer<'a>, task: &'a GraphTask, policy: &'a str) {
    let spec = &*task.spec;
    out.text(&task.name);
    out.text(&spec.kind);
    out.text(&spec.queue);
    out.text(&spec.class.executor);
    texts(out, &spec.class.labels);
    texts(out, &spec.tags);
    out.number(u64::from(spec.title.is_some()));
    if let Some(title) = &spec.title {
        out.text(title);
    }
    out.number(u64::from(spec.priority));
    out.number(u64::from(spec.expires_at_ms.is_some()));
    out.signed(spec.expires_at_ms.unwrap_or_default());
    out.text(policy);
    let is_template = task.flow.as_ref().is_some_and(|flow| flow.evaluated);
    out.text(if spec.body.len() > RESIDENT_BODY_BYTES_MAX && !is_template { "" } else { &spec.body });
    out.number(trigger_number(task.trigger));
    out.number(task.delay_ms);
    indices(out, &task.parents);
    indices(out, &task.children);
}

/// 0 where there is none, else 1 more than the step and, from bit 2 on, whether it is evaluated.
fn encode_flow<'a>(out: &mut Writer<'a>, flow: Option<&'a Flow>) {
    let Some(flow) = flow else { return out.number(0) };
    let (step, timeout) = match flow.step {
        Step::Attempt => (1, None),
        Step::Approval { timeout_ms } => (2, timeout_ms),
        Step::Group => (3, None),
    };
    out.number(step | u64::from(flow.evaluated) << 2);
    if step == 2 {
        out.number(timeout.map_or(0, |ms| ms.saturating_add(1)));
    }
    out.text(&flow.logic);
}

fn read_flow(from: &mut Reader<'_>) -> Option<Option<Arc<Flow>>> {
    let head = from.number()?;
    let step = match head & 3 {
        0 => return (head == 0).then_some(None),
        1 => Step::Attempt,
        2 => Step::Approval { timeout_ms: from.number()?.checked_sub(1) },
        _ => Step::Group,
    };
    let evaluated = match head >> 2 {
        0 => false,
        1 => true,
        _ => return None,
    };
    Some(Some(Arc::new(Flow { evaluated, step, logic: from.text()? })))
}

fn texts<'a>(out: &mut Writer<'a>, texts: &'a [Name]) {
    out.number(texts.len() as u64);
    texts.iter().for_each(|text| out.text(text));
}

/// Ascending indices, as differences.
fn indices(out: &mut Writer<'_>, indices: &[u32]) {
    out.number(indices.len() as u64);
    let mut last = 0;
    for index in indices {
        out.signed(i64::from(*index) - last);
        last = i64::from(*index);
    }
}

/// Reads what [`encode_graph`] wrote.
///
/// # Errors
/// If these bytes are something else.
pub fn decode_graph(job: Key, number: u32, bytes: &[u8]) -> Result<GraphChunk, Unreadable> {
    decode(job, number, bytes).ok_or(Unreadable("chunk of a graph"))
}

fn decode(job: Key, number: u32, bytes: &[u8]) -> Option<GraphChunk> {
    let mut from = Reader::new(bytes);
    let (flows, limited) = match from.number()? {
        PLAIN => (false, false),
        WITH_FLOWS => (true, false),
        WITH_LIMITS => (true, true),
        _ => return None,
    };
    let length = from.number()?;
    let mut tasks: Vec<GraphTask> = Vec::new();
    let mut policy: Option<(Name, Arc<Policy>)> = None;
    for _ in 0..length {
        let name = from.text()?;
        let kind = from.text()?;
        let queue = from.text()?;
        let class = Class { executor: from.text()?, labels: read_texts(&mut from)? };
        let tags = read_texts(&mut from)?;
        let title = if from.number()? == 1 { Some(from.text()?) } else { None };
        let priority = u8::try_from(from.number()?).ok()?;
        let expires = from.number()? == 1;
        let expires_at_ms = Some(from.signed()?).filter(|_| expires);
        let text = from.text()?;
        let shared = match &policy {
            Some((known, shared)) if Arc::ptr_eq(known, &text) => shared.clone(),
            _ => Arc::new(policy_from_text(&text)?),
        };
        policy = Some((text, shared.clone()));
        let body = from.text()?;
        let trigger = trigger_from_number(from.number()?)?;
        let delay_ms = from.number()?;
        let (parents, children) = (read_indices(&mut from)?, read_indices(&mut from)?);
        let flow = if flows { read_flow(&mut from)? } else { None };
        let limits = if limited { Some(from.text()?).filter(|text| !text.is_empty()) } else { None };
        let limits = decode_key_limits(limits.as_deref()).ok()?;
        let spec = TaskSpec { kind, title, queue, class, priority, expires_at_ms, policy: shared, limits, body, tags };
        tasks.push(GraphTask { name, spec: Arc::new(spec), trigger, delay_ms, parents, children, flow });
    }
    from.is_empty().then_some(GraphChunk { job, number, tasks })
}

fn read_texts(from: &mut Reader<'_>) -> Option<Arc<[Name]>> {
    let length = from.number()?;
    (0..length).map(|_| from.text()).collect::<Option<Vec<_>>>().map(Arc::from)
}

fn read_indices(from: &mut Reader<'_>) -> Option<Vec<u32>> {
    let length = from.number()?;
    let mut last = 0_i64;
    let mut index = || {
        last = last.checked_add(from.signed()?)?;
        u32::try_from(last).ok()
    };
    (0..length).map(|_| index()).collect()
}
