//! Loads what expressions read: parameters, statuses and outputs of exactly the tasks that they name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use mainspring_core::effect::Evaluate;
use mainspring_core::id::{Key, Name};
use mainspring_core::job::{GraphTask, JobRow, Step};
use mainspring_core::row::TaskRow;
use mainspring_core::task::TaskStatus;
use mainspring_expression::{Context, ScheduleView, TaskView};
use mainspring_protocol::flow::{Decision, Plan};
use mainspring_store::{Error, Reader};
use serde_json::{Map, Value};

use super::graphs::{Graphs, JobGraph};

/// Bytes of outputs that the expressions of one task may read together.
const INPUT_BYTES_MAX: usize = 4 << 20;
/// Rows of instances read at a time.
const PAGE: usize = 1_000;
/// Jobs inside jobs that are followed to collect outputs.
const DEPTH_MAX: usize = mainspring_core::limits::NESTING_MAX;

/// What one task returned.
#[derive(Default)]
struct Returned {
    status: &'static str,
    output: Option<Value>,
    outputs: Option<Value>,
    bytes: usize,
}

/// What the expressions of some tasks of one job read.
pub(super) struct Loaded {
    pub(super) job: JobRow,
    graph: Arc<JobGraph>,
    params: Value,
    schedule: Option<Schedule>,
    /// By index in the job.
    returned: HashMap<u32, Returned>,
    /// Bodies of the tasks that are evaluated, by index.
    bodies: HashMap<u32, Arc<str>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JobBody {
    params: Map<String, Value>,
    schedule: Option<Schedule>,
}

/// The occurrence that started the job.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Schedule {
    instant: Option<String>,
    previous_instant: Option<String>,
    manual: bool,
}

/// Loads what these tasks of a job read; `None` if the job is gone.
pub(super) async fn load(
    reader: &Arc<dyn Reader>,
    graphs: &Graphs,
    job: Key,
    tasks: &[Evaluate],
) -> Result<Option<Loaded>, Error> {
    let Some(row) = reader.jobs_by_key(vec![job]).await?.pop() else { return Ok(None) };
    let graph = graphs.of(reader, job).await?;
    if tasks.iter().any(|task| task.index as usize >= graph.tasks.len()) {
        return Err(Error::Unavailable("a part of the job's graph cannot be read yet".to_owned()));
    }
    let body: JobBody = serde_json::from_str(&row.body).unwrap_or_default();
    let plans = || tasks.iter().filter_map(|task| Some((task, graph.plan(task.index)?.ok()?)));
    let mut own = Vec::new();
    let mut read: BTreeMap<u32, (bool, bool)> = BTreeMap::new();
    for (task, plan) in plans() {
        if plan.needs_body() {
            own.push(task.task);
        }
        for (name, reads) in &plan.reads().tasks {
            if let Some(index) = graph.index_of(name) {
                let (output, outputs) = read.entry(index).or_default();
                (*output, *outputs) = (*output || reads.output, *outputs || reads.outputs);
            }
        }
    }
    let mut bodies = HashMap::new();
    for row in by_key(reader, own).await? {
        if let Some(spec) = row.spec {
            bodies.insert(job.index_of(row.key), Arc::clone(&spec.body));
        }
    }
    let keys = read.keys().map(|index| job.task_of_job(*index)).collect();
    let mut returned = HashMap::new();
    let collector = Collector { reader, graphs };
    for row in by_key(reader, keys).await? {
        let index = job.index_of(row.key);
        let (output, outputs) = read.get(&index).copied().unwrap_or_default();
        let mut one = Returned { status: row.state.status.word(), ..Returned::default() };
        if output || outputs {
            let value = collector.value(&row, graph.tasks.get(index as usize), &mut one.bytes, 0).await?;
            if outputs { one.outputs = value } else { one.output = value }
        }
        returned.insert(index, one);
    }
    Ok(Some(Loaded { job: row, graph, params: Value::Object(body.params), schedule: body.schedule, returned, bodies }))
}

async fn by_key(reader: &Arc<dyn Reader>, keys: Vec<Key>) -> Result<Vec<TaskRow>, Error> {
    if keys.is_empty() { Ok(Vec::new()) } else { reader.tasks_by_key(keys).await }
}

impl Loaded {
    pub(super) fn name(&self, task: &Evaluate) -> Name {
        self.graph.tasks.get(task.index as usize).map_or_else(|| "".into(), |task| task.name.clone())
    }

    /// Decides about a task.
    ///
    /// # Errors
    /// Why nothing can be decided: it never can.
    pub(super) fn decide(&self, task: &Evaluate) -> Result<Decision, String> {
        let Some(plan) = self.graph.plan(task.index) else { return Ok(Decision::Run(None)) };
        let plan = plan.map_err(|error| format!("what was stored of its expressions cannot be read: {error}"))?;
        let context = self.context(plan)?;
        let graph_task = &self.graph.tasks[task.index as usize];
        let body = self.bodies.get(&task.index).map_or("{}", |body| body);
        plan.decide(graph_task, body, &context).map_err(|error| error.0)
    }

    fn context(&self, plan: &Plan) -> Result<Context<'_>, String> {
        let mut tasks = BTreeMap::new();
        let mut bytes = 0;
        for name in plan.reads().tasks.keys() {
            let Some(index) = self.graph.index_of(name) else { continue };
            let Some(returned) = self.returned.get(&index) else { continue };
            bytes += returned.bytes;
            let view = TaskView {
                status: returned.status,
                output: returned.output.as_ref(),
                outputs: returned.outputs.as_ref(),
            };
            tasks.insert(&*self.graph.tasks[index as usize].name, view);
        }
        if bytes > INPUT_BYTES_MAX {
            return Err(format!(
                "the outputs that it names have more than {INPUT_BYTES_MAX} bytes (let tasks return where large data is)"
            ));
        }
        let schedule = self.schedule.as_ref().map(|schedule| ScheduleView {
            instant: schedule.instant.as_deref(),
            previous_instant: schedule.previous_instant.as_deref(),
            manual: schedule.manual,
        });
        Ok(Context { tasks, params: Some(&self.params), schedule, ..Context::default() })
    }
}

/// Collects what tasks returned, those of jobs inside of jobs too.
struct Collector<'r> {
    reader: &'r Arc<dyn Reader>,
    graphs: &'r Graphs,
}

impl Collector<'_> {
    /// What a task returned: its output; of a `forEach` the list of its instances' outputs; of a sub-job an object of its
    /// tasks' outputs. Counts bytes and stops beyond the limit.
    async fn value(
        &self,
        row: &TaskRow,
        task: Option<&GraphTask>,
        bytes: &mut usize,
        depth: usize,
    ) -> Result<Option<Value>, Error> {
        let flow = task.and_then(|task| task.flow.as_ref());
        if flow.is_none_or(|flow| flow.step != Step::Group) {
            if row.state.status != TaskStatus::Completed {
                return Ok(None);
            }
            let text = self.reader.output(row.key).await?;
            *bytes += text.as_ref().map_or(0, |text| text.len());
            return Ok(text.and_then(|text| serde_json::from_str(&text).ok()));
        }
        let spread = flow.is_some_and(|flow| flow.logic.contains("\"forEach\""));
        match row.state.child {
            Some(child) if depth < DEPTH_MAX => self.of_job(child, spread, bytes, depth + 1).await.map(Some),
            _ if spread && row.state.status == TaskStatus::Completed => Ok(Some(Value::Array(Vec::new()))),
            _ => Ok(None),
        }
    }

    fn of_job<'a>(
        &'a self,
        job: Key,
        spread: bool,
        bytes: &'a mut usize,
        depth: usize,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Value, Error>> + Send + 'a>> {
        Box::pin(async move {
            let graph = self.graphs.of(self.reader, job).await?;
            let mut list: Vec<Value> = vec![Value::Null; graph.tasks.len()];
            let mut from = 0;
            while (from as usize) < graph.tasks.len() && *bytes <= INPUT_BYTES_MAX {
                let rows = self.reader.job_tasks(job, from, PAGE).await?;
                if rows.is_empty() {
                    break;
                }
                from += rows.len() as u32;
                self.page(job, &graph, &rows, &mut list, bytes, depth).await?;
            }
            // A graph keeps the order of its instances: none waits for another.
            Ok(match spread {
                true => Value::Array(list),
                false => Value::Object(graph.tasks.iter().map(|task| task.name.to_string()).zip(list).collect()),
            })
        })
    }

    async fn page(
        &self,
        job: Key,
        graph: &JobGraph,
        rows: &[TaskRow],
        list: &mut [Value],
        bytes: &mut usize,
        depth: usize,
    ) -> Result<(), Error> {
        let is_group = |index: u32| {
            let flow = graph.tasks.get(index as usize).and_then(|task| task.flow.as_ref());
            flow.is_some_and(|flow| flow.step == Step::Group)
        };
        let plain =
            rows.iter().filter(|row| row.state.status == TaskStatus::Completed && !is_group(job.index_of(row.key)));
        let plain: BTreeSet<Key> = plain.map(|row| row.key).collect();
        for (key, text) in self.reader.outputs(plain.into_iter().collect()).await? {
            *bytes += text.len();
            if *bytes > INPUT_BYTES_MAX {
                return Ok(());
            }
            list[job.index_of(key) as usize] = serde_json::from_str(&text).unwrap_or_default();
        }
        for row in rows {
            let index = job.index_of(row.key);
            if is_group(index) && *bytes <= INPUT_BYTES_MAX {
                let value = self.value(row, graph.tasks.get(index as usize), bytes, depth).await?;
                list[index as usize] = value.unwrap_or_default();
            }
        }
        Ok(())
    }
}
