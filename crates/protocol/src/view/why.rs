//! What keeps a task from running.

use mainspring_core::effect::Gate;
use mainspring_core::id::{IdKind, Key};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{self, Rfc3339};

/// The gates that a task stands before; a running or ended one shows that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhyView {
    /// Each gate.
    pub gates: Vec<GateView>,
}

/// One thing that keeps a task from running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateView {
    /// A stable word: `parents scheduled backoff held evaluating approval group job_paused job_busy job_queued queue_paused
    /// queue_limit type_limit key_limit rate_limit no_worker workers_paused workers_busy behind running ended`.
    pub gate: String,
    /// The same in a sentence.
    pub detail: String,
    /// Who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<HolderView>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Rfc3339>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Rfc3339>,
}

/// Who holds a gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HolderView {
    /// A job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// A task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// A worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
}

impl WhyView {
    /// Shows gates. `task_name` turns the key of a parent into its id.
    pub fn from_gates(gates: &[Gate], task_name: &dyn Fn(Key) -> String) -> Self {
        Self { gates: gates.iter().map(|gate| GateView::from_gate(gate, task_name)).collect() }
    }
}

impl GateView {
    fn new(gate: &str, detail: String) -> Self {
        Self { gate: gate.to_owned(), detail, ..Self::default() }
    }

    /// Shows one gate.
    pub fn from_gate(gate: &Gate, task_name: &dyn Fn(Key) -> String) -> Self {
        match gate {
            Gate::Ended(status) => Self::new("ended", format!("it has ended: {}", status.word())),
            Gate::Running { worker, since } => Self {
                holder: Some(HolderView { worker_id: Some(worker.to_string()), ..HolderView::default() }),
                since: Some(Rfc3339(*since)),
                ..Self::new("running", format!("it runs on worker `{worker}`"))
            },
            Gate::Parents { waiting_for, left } => Self::parents(waiting_for, *left, task_name),
            Gate::Scheduled { until, backoff } => {
                let at = time::format(*until);
                let (word, detail) = if *backoff {
                    ("backoff", format!("the next retry is due at {at}"))
                } else {
                    ("scheduled", format!("it is due at {at}"))
                };
                Self { until: Some(Rfc3339(*until)), ..Self::new(word, detail) }
            }
            Gate::Held => Self::new("held", "its worker was lost; it is held until somebody retries it".to_owned()),
            Gate::Approval { until } => {
                Self { until: until.map(Rfc3339), ..Self::new("approval", "it waits for an approval".to_owned()) }
            }
            Gate::Evaluating => Self::new("evaluating", "its expressions are being evaluated".to_owned()),
            Gate::Group { child } => {
                let text = format!("its tasks have not ended; the job `{}` carries it out", child.id(IdKind::Job));
                Self::new("group", text)
            }
            Gate::JobQueued { definition, limit } => {
                let text = format!("its job waits until fewer than {limit} jobs of `{definition}` are live");
                Self::new("job_queued", text)
            }
            Gate::JobPaused => Self::new("job_paused", "its job is paused".to_owned()),
            Gate::JobBusy => Self::new("job_busy", "its job is being published, cancelled or rerun".to_owned()),
            Gate::QueuePaused { queue } => Self::new("queue_paused", format!("the queue `{queue}` is paused")),
            Gate::QueueLimit { queue, max, holders, elsewhere } => {
                Self::held("queue_limit", &format!("queue `{queue}`"), *max, (holders, *elsewhere), task_name)
            }
            Gate::TypeLimit { kind, max, holders, elsewhere } => {
                Self::held("type_limit", &format!("type `{kind}`"), *max, (holders, *elsewhere), task_name)
            }
            Gate::KeyLimit { key, max, holders } => {
                Self::held("key_limit", &format!("concurrencyKey `{key}`"), *max, (holders, 0), task_name)
            }
            Gate::RateLimit { of, name, rate, until } => {
                let next = match until {
                    Some(at) => format!("the next may start at {}", time::format(*at)),
                    None => "other shards that share the rate have their turn".to_owned(),
                };
                let (of, rate) = (of.word(), crate::rate::text(rate));
                let detail = format!("the {of} `{name}` starts tasks at its rate of {rate}; {next}");
                Self { until: until.map(Rfc3339), ..Self::new("rate_limit", detail) }
            }
            Gate::NoWorker { queue, executor, labels } => {
                let labels = if labels.is_empty() { String::new() } else { format!(" with {}", labels.join(", ")) };
                let detail = format!("no connected worker serves queue `{queue}` and type `{executor}`{labels}");
                Self::new("no_worker", detail)
            }
            Gate::WorkersPaused { workers } => {
                Self::new("workers_paused", format!("workers that could run it are paused or draining: {workers}"))
            }
            Gate::WorkersBusy { workers } => {
                Self::new("workers_busy", format!("workers that could run it are busy: {workers}"))
            }
            Gate::Behind { higher_priority, older } => Self::new(
                "behind",
                format!("behind {higher_priority} tasks of higher priority and {older} older ones of the same"),
            ),
        }
    }

    /// A limit whose places are taken: by whom here, and how many elsewhere.
    fn held(
        gate: &str,
        what: &str,
        max: u32,
        (holders, elsewhere): (&[Key], u32),
        task_name: &dyn Fn(Key) -> String,
    ) -> Self {
        let limit = format!("the {what} may run {max} tasks");
        let names: Vec<String> = holders.iter().map(|key| format!("`{}`", task_name(*key))).collect();
        let others = match elsewhere {
            0 => None,
            1 => Some("other shards have 1 of its places".to_owned()),
            many => Some(format!("other shards have {many} of its places")),
        };
        let here = (!names.is_empty()).then(|| format!("{} run", names.join(", ")));
        let detail: Vec<String> = [Some(limit), here, others].into_iter().flatten().collect();
        let detail = detail.join("; ");
        let holder = holders.first().map(|key| HolderView { task_id: Some(task_name(*key)), ..HolderView::default() });
        Self { holder, ..Self::new(gate, detail) }
    }

    fn parents(waiting_for: &[Key], left: u32, task_name: &dyn Fn(Key) -> String) -> Self {
        let names: Vec<String> = waiting_for.iter().map(|key| format!("`{}`", task_name(*key))).collect();
        let more = (left as usize).saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let holder =
            waiting_for.first().map(|key| HolderView { task_id: Some(task_name(*key)), ..HolderView::default() });
        Self { holder, ..Self::new("parents", format!("waits for {}{more}", names.join(", "))) }
    }
}
