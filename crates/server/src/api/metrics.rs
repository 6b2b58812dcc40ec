//! Figures in Prometheus' text format. Labels are bounded: no tenant, no id, at most [`TYPES_MAX`] task types.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use axum::http::StatusCode;
use mainspring_core::effect::{Answer as Answered, DURATION_BOUNDS_MS, Figures, START_LATENCY_BOUNDS_MS};
use mainspring_core::event::Order;
use mainspring_core::id::Name;
use mainspring_core::schedule::{PassReason, ScheduleFigures};
use mainspring_core::task::TaskStatus;
use mainspring_protocol::view::CountView;

use super::call::{Answer, Call, Refused};
use super::reply::{not_called, not_read, with_type};
use super::state::Api;
use crate::folder::Standing;
use crate::node::NodeFigures;

/// Task types that get a label of their own; the rest is counted together as `other`.
const TYPES_MAX: usize = 200;
/// Queues that get a label of their own.
const QUEUES_MAX: usize = 200;
/// Counts of a store stop here: they are for a glance, not for accounts.
const COUNT_BOUND: u64 = 10_000;
/// What is asked of a store: one more, to know whether there are more.
pub(crate) const COUNTED_MAX: u64 = COUNT_BOUND + 1;
const OTHER: &str = "other";

/// `GET /metrics` and `/actuator/prometheus`
pub(crate) async fn get(call: Call) -> Answer {
    let figures = figures(&call.api).await?;
    let counts = call.api.reader.task_counts(None, COUNTED_MAX).await.map_err(not_read)?;
    let mut page = Exposition::default();
    let mut tasks: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
    let queues = bounded(
        figures.tasks.iter().map(|(queue, ..)| queue).chain(counts.iter().map(|(queue, ..)| queue)),
        QUEUES_MAX,
    );
    for (queue, status, count) in figures.tasks.iter().filter(|(_, status, _)| is_of_shard(*status)) {
        *tasks.entry((label(&queues, queue), status.word())).or_default() += count;
    }
    for (queue, status, count) in counts.iter().filter(|(_, status, _)| !is_of_shard(*status)) {
        *tasks.entry((label(&queues, queue), status.word())).or_default() += bounded_count(*count).count;
    }
    page.head(
        "mainspring_tasks",
        "gauge",
        "Tasks by queue and status; beside ready and running they are counted up to 10000.",
    );
    for ((queue, status), count) in tasks {
        page.sample("mainspring_tasks", &[("queue", &queue), ("status", status)], count);
    }
    attempts(&mut page, &figures, &queues);
    shard(&mut page, &figures, &queues);
    schedules(&mut page, &figures.schedules);
    node(&mut page, &call.api.node.figures());
    folder(&mut page, &call.api.folder.standing());
    Ok(with_type(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page.text))
}

/// Whether the shard's own count is taken: exact, and of this moment. It keeps what is ready or running in memory, or
/// counts it; of the rest, which may be far away, only the store knows how much there is.
pub(crate) fn is_of_shard(status: TaskStatus) -> bool {
    matches!(status, TaskStatus::Ready | TaskStatus::Running)
}

/// A count of at most [`COUNTED_MAX`] as it is shown.
pub(crate) fn bounded_count(count: u64) -> CountView {
    CountView { count: count.min(COUNT_BOUND), more: count > COUNT_BOUND }
}

/// The figures of the shard.
pub(crate) async fn figures(api: &Api) -> Result<Figures, Refused> {
    match api.node.order(Name::from("metrics"), Order::Figures).await.map_err(not_called)? {
        Answered::Figures(figures) => Ok(*figures),
        other => Err(super::reply::internal(&format!("figures were answered by {other:?}"))),
    }
}

fn attempts(page: &mut Exposition, figures: &Figures, queues: &BTreeSet<Name>) {
    let types = bounded(
        figures.attempts.iter().map(|(_, kind, ..)| kind).chain(figures.retries.iter().map(|(_, kind, _)| kind)),
        TYPES_MAX,
    );
    let mut ended: BTreeMap<(String, String, &'static str), u64> = BTreeMap::new();
    for (queue, kind, outcome, count) in &figures.attempts {
        *ended.entry((label(queues, queue), label(&types, kind), outcome.word())).or_default() += count;
    }
    page.head("mainspring_attempts_total", "counter", "Attempts that ended.");
    for ((queue, kind, outcome), count) in ended {
        let labels = [("queue", queue.as_str()), ("type", &kind), ("outcome", outcome)];
        page.sample("mainspring_attempts_total", &labels, count);
    }
    let mut retries: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (queue, kind, count) in &figures.retries {
        *retries.entry((label(queues, queue), label(&types, kind))).or_default() += count;
    }
    page.head("mainspring_retries_total", "counter", "Retries that were planned.");
    for ((queue, kind), count) in retries {
        page.sample("mainspring_retries_total", &[("queue", &queue), ("type", &kind)], count);
    }
    page.histogram(
        "mainspring_attempt_duration_seconds",
        "From grant to outcome.",
        (&DURATION_BOUNDS_MS, 1_000.0),
        &figures.duration,
        figures.duration_sum_ms,
    );
    page.histogram(
        "mainspring_start_latency_seconds",
        "From ready to granted.",
        (&START_LATENCY_BOUNDS_MS, 1_000.0),
        &figures.start_latency,
        figures.start_latency_sum_ms,
    );
}

fn shard(page: &mut Exposition, figures: &Figures, queues: &BTreeSet<Name>) {
    page.head("mainspring_ready_age_seconds", "gauge", "How long the oldest ready task has waited.");
    let mut ages: BTreeMap<String, u64> = BTreeMap::new();
    for (queue, ms) in &figures.ready_age_ms {
        let age = ages.entry(label(queues, queue)).or_default();
        *age = (*age).max(*ms);
    }
    for (queue, ms) in ages {
        page.sample("mainspring_ready_age_seconds", &[("queue", &queue)], ms as f64 / 1_000.0);
    }
    page.head("mainspring_queue_paused", "gauge", "1 for each queue that is paused.");
    for queue in figures.paused_queues.iter().take(QUEUES_MAX) {
        page.sample("mainspring_queue_paused", &[("queue", queue)], 1);
    }
    page.gauge("mainspring_leases", "Live leases.", figures.leases);
    page.head("mainspring_resident_rows", "gauge", "Rows in memory.");
    let (tasks, jobs, chunks) = figures.resident;
    for (kind, count) in [("task", tasks), ("job", jobs), ("graph_chunk", chunks)] {
        page.sample("mainspring_resident_rows", &[("kind", kind)], count);
    }
}

/// The folder of definitions, where there is one.
fn folder(page: &mut Exposition, standing: &Standing) {
    if standing.dir.is_none() {
        return;
    }
    let is_good = u64::from(standing.trouble.is_none());
    page.gauge("mainspring_definitions_dir_ok", "1 while nothing is known to be wrong with the folder.", is_good);
    page.gauge(
        "mainspring_definitions_dir_definitions",
        "Definitions of the folder that hold.",
        standing.definitions as u64,
    );
    page.head("mainspring_definitions_dir_applied_total", "counter", "Times that the folder was applied.");
    page.sample("mainspring_definitions_dir_applied_total", &[], standing.applied);
}

fn schedules(page: &mut Exposition, figures: &ScheduleFigures) {
    page.head("mainspring_schedules", "gauge", "Schedules by state.");
    for (state, count) in [("active", figures.active), ("paused", figures.paused)] {
        page.sample("mainspring_schedules", &[("state", state)], count);
    }
    let name = "mainspring_schedule_occurrences_total";
    page.head(name, "counter", "Occurrences, and ranges of them, by what became of them.");
    page.sample(name, &[("result", "fired")], figures.fired);
    for (reason, count) in PassReason::ALL.iter().zip(figures.passed) {
        page.sample(name, &[("result", reason.word())], count);
    }
    page.histogram(
        "mainspring_schedule_lag_seconds",
        "From the due instant to the submission.",
        (&START_LATENCY_BOUNDS_MS, 1_000.0),
        &figures.lag,
        figures.lag_sum_ms,
    );
}

fn node(page: &mut Exposition, figures: &NodeFigures) {
    let commit = &figures.commit_us;
    page.histogram(
        "mainspring_commit_seconds",
        "From the order of a commit to its answer.",
        (commit.bounds, 1_000_000.0),
        &commit.buckets,
        commit.sum,
    );
    let rows = &figures.commit_rows;
    page.histogram("mainspring_commit_rows", "Rows of a commit.", (rows.bounds, 1.0), &rows.buckets, rows.sum);
    page.head("mainspring_mailbox_bytes", "gauge", "Bytes that wait for the shard.");
    let (outcomes, submissions) = figures.mailbox_bytes;
    page.sample("mainspring_mailbox_bytes", &[("lane", "outcomes")], outcomes);
    page.sample("mainspring_mailbox_bytes", &[("lane", "submissions")], submissions);
    page.head("mainspring_shard_epoch", "gauge", "The epoch under which each shard of this node is owned.");
    for (shard, epoch) in &figures.epochs {
        page.sample("mainspring_shard_epoch", &[("shard", &shard.to_string())], epoch);
    }
    page.head("mainspring_shard_reloads_total", "counter", "Times the shard was loaded again.");
    page.sample("mainspring_shard_reloads_total", &[], figures.reloads);
    page.head(
        "mainspring_commits_total",
        "counter",
        "Durable commits of the shards of this node, since they were made.",
    );
    page.sample("mainspring_commits_total", &[], figures.commit);
    page.gauge("mainspring_worker_sessions", "Worker sessions that this node knows.", figures.sessions);
    page.gauge("mainspring_ready", "1 while the node can do its work.", u64::from(figures.readiness.is_ready()));
    page.head("mainspring_build_info", "gauge", "Always 1.");
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("store", figures.store.name),
        ("durability", figures.store.durability.class()),
    ];
    page.sample("mainspring_build_info", &labels, 1);
}

/// The first `max` of the names, in their order.
fn bounded<'a>(names: impl Iterator<Item = &'a Name>, max: usize) -> BTreeSet<Name> {
    let all: BTreeSet<Name> = names.cloned().collect();
    all.into_iter().take(max).collect()
}

fn label(known: &BTreeSet<Name>, name: &Name) -> String {
    if known.contains(name) { name.to_string() } else { OTHER.to_owned() }
}

/// A page in the text format.
#[derive(Debug, Default)]
struct Exposition {
    text: String,
}

impl Exposition {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.text.push_str(name);
        for (place, (label, value)) in labels.iter().enumerate() {
            self.text.push(if place == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{label}=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "gauge", help);
        self.sample(name, &[], value);
    }

    /// Buckets are not cumulated and one more than `bounds`; `scale` turns their unit into the metric's.
    fn histogram(&mut self, name: &str, help: &str, (bounds, scale): (&[u64], f64), buckets: &[u64], sum: u64) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let mut total = 0;
        for (place, bound) in bounds.iter().enumerate() {
            total += buckets.get(place).copied().unwrap_or(0);
            self.sample(&bucket, &[("le", &(*bound as f64 / scale).to_string())], total);
        }
        total += buckets.get(bounds.len()).copied().unwrap_or(0);
        self.sample(&bucket, &[("le", "+Inf")], total);
        self.sample(&format!("{name}_sum"), &[], sum as f64 / scale);
        self.sample(&format!("{name}_count"), &[], total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_cumulates_and_ends_in_infinity() {
        let mut page = Exposition::default();
        page.histogram("x_seconds", "Help.", (&[1, 500], 1_000.0), &[2, 3, 4], 9_000);
        let lines: Vec<_> = page.text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "x_seconds_bucket{le=\"0.001\"} 2",
                "x_seconds_bucket{le=\"0.5\"} 5",
                "x_seconds_bucket{le=\"+Inf\"} 9",
                "x_seconds_sum 9",
                "x_seconds_count 9"
            ]
        );
    }

    #[test]
    fn label_values_are_escaped_and_bounded() {
        let mut page = Exposition::default();
        page.sample("m", &[("a", "x\"\\\ny")], 1);
        assert_eq!(page.text, "m{a=\"x\\\"\\\\\\ny\"} 1\n");
        let names: Vec<Name> = (0..300).map(|number| format!("t{number:03}").into()).collect();
        let known = bounded(names.iter(), TYPES_MAX);
        assert_eq!(label(&known, &names[0]), "t000");
        assert_eq!(label(&known, &names[299]), OTHER);
    }
}
