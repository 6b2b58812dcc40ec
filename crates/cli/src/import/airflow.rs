//! Airflow: the DAGs of a Python file, with classic operators, `>>`, `chain` and the TaskFlow decorators.
//!
//! The file is parsed by Python and never run ([`SCRIPT`]). Bash commands become commands; Python callables and other operators become tasks of
//! a type that a worker must have a handler for.

use mainspring_calendar::{Cron, Zone};
use mainspring_protocol::submit::trigger_from_word;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Imported, Job, Task, Work, python};

/// Prints the DAGs of the file on its standard input.
pub(crate) const SCRIPT: &str = concat!(include_str!("source.py"), "\n\n", include_str!("airflow.py"));

#[derive(Debug, Deserialize)]
struct Dags {
    dags: Vec<Dag>,
    lost: Vec<Lost>,
}

#[derive(Debug, Deserialize)]
struct Lost {
    line: usize,
    text: String,
}

#[derive(Debug, Deserialize)]
struct Dag {
    line: usize,
    id: Value,
    kwargs: Map<String, Value>,
    tasks: Vec<Node>,
    edges: Vec<[String; 2]>,
}

#[derive(Debug, Deserialize)]
struct Node {
    line: usize,
    id: String,
    operator: String,
    kwargs: Map<String, Value>,
}

/// Turns what the script printed into jobs.
pub(crate) fn import(printed: &str, origin: &str) -> Result<Imported, serde_json::Error> {
    let dags: Dags = serde_json::from_str(printed)?;
    let mut found = Imported::default();
    for lost in dags.lost {
        found.lost(lost.line, lost.text);
    }
    for dag in dags.dags {
        job(dag, origin, &mut found);
    }
    Ok(found)
}

fn job(dag: Dag, origin: &str, found: &mut Imported) {
    let Some(name) = dag.id.as_str() else { return found.lost(dag.line, "a DAG whose id is computed by the program") };
    if dag.tasks.is_empty() {
        return found.lost(dag.line, format!("`{name}` has no task that could be read"));
    }
    let schedule = match schedule(&dag.kwargs) {
        Ok(schedule) => schedule,
        Err(why) => {
            found.lost(dag.line, format!("the schedule of `{name}`: {why}"));
            Vec::new()
        }
    };
    if !schedule.is_empty() {
        found.review(
            dag.line,
            format!("Airflow runs `{name}` for the interval that has ended; here a run belongs to its instant"),
        );
    }
    let default_args = dag.kwargs.get("default_args").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut tasks: Vec<Task> = dag.tasks.into_iter().map(|node| task(node, &default_args, found)).collect();
    for [before, after] in dag.edges {
        let known = tasks.iter().any(|task| task.name == before);
        if let Some(task) = tasks.iter_mut().find(|task| task.name == after && known && !task.needs.contains(&before)) {
            task.needs.push(before);
        }
    }
    found.add(
        dag.line,
        Job { name: name.to_owned(), comments: vec![format!("{origin}:{}", dag.line)], schedule, tasks },
    );
}

fn schedule(kwargs: &Map<String, Value>) -> Result<Vec<(&'static str, String)>, String> {
    let given = ["schedule", "schedule_interval", "timetable"].iter().find_map(|name| kwargs.get(*name));
    let zone = kwargs.get("start_date").and_then(|date| date["kwargs"]["tz"].as_str()).unwrap_or("UTC");
    let mut fields = match given {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(text)) if text == "@once" || text == "@continuous" => {
            return Err(format!("`{text}` has no equal here; submit the job"));
        }
        Some(Value::String(text)) => {
            Cron::parse(text).map_err(|error| format!("`{text}`: {error}"))?;
            let zone = Zone::get(zone).map_err(|error| error.to_string())?;
            vec![("cron", text.clone()), ("timezone", zone.name().to_owned())]
        }
        Some(value) if value["$call"] == "timedelta" => vec![("every", python::interval(python::seconds(value)?)?)],
        Some(_) => return Err("it is no cron expression and no timedelta".to_owned()),
    };
    let misfire = if kwargs.get("catchup") == Some(&Value::Bool(true)) { "all" } else { "latest" };
    let overlap = if kwargs.get("max_active_runs").and_then(Value::as_u64) == Some(1) { "buffer_one" } else { "allow" };
    fields.extend([("misfire", misfire.to_owned()), ("overlap", overlap.to_owned())]);
    Ok(fields)
}

/// What is taken over, or means nothing here.
const READ: [&str; 17] = [
    "bash_command",
    "env",
    "append_env",
    "cwd",
    "python_callable",
    "op_args",
    "op_kwargs",
    "retries",
    "retry_delay",
    "execution_timeout",
    "trigger_rule",
    "queue",
    "default_args",
    "owner",
    "doc_md",
    "depends_on_past",
    "start_date",
];

fn task(node: Node, default_args: &Map<String, Value>, found: &mut Imported) -> Task {
    let Node { line, id, operator, kwargs } = node;
    let get = |name: &str| kwargs.get(name).or_else(|| default_args.get(name)).filter(|value| !value.is_null());
    let text = |name: &str| get(name).and_then(Value::as_str).map(str::to_owned);
    let work = match (operator.as_str(), text("bash_command")) {
        ("BashOperator", Some(command)) => {
            if command.contains("{{") || command.contains("{%") {
                found.review(line, format!("the command of `{id}` is a template, which is not rendered here"));
            }
            Work::Command(vec!["bash".to_owned(), "-c".to_owned(), command])
        }
        ("EmptyOperator" | "DummyOperator", _) => Work::Handler { kind: "noop".to_owned(), payload: json!({}) },
        ("PythonOperator" | "@task", _) => {
            let callable =
                get("python_callable").map(|value| value["$source"].as_str().or(value.as_str()).unwrap_or("computed"));
            let kind = callable.unwrap_or(&id).to_owned();
            found.review(line, format!("`{id}` needs a worker with a handler of the type `{kind}`"));
            let [args, kwargs] = [("op_args", json!([])), ("op_kwargs", json!({}))]
                .map(|(name, none)| get(name).cloned().unwrap_or(none));
            Work::Handler { kind, payload: json!({"args": args, "kwargs": kwargs}) }
        }
        _ => {
            let payload: Map<String, Value> = kwargs
                .iter()
                .filter(|(name, _)| !READ.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            found.review(
                line,
                format!("`{id}`: `{operator}` has no equal; it needs a worker with a handler of that type"),
            );
            Work::Handler { kind: operator.clone(), payload: payload.into() }
        }
    };
    let work = match work {
        Work::Handler { kind, payload } if payload.to_string().contains("\"$") => {
            found.lost(line, format!("arguments of `{id}` that the program computes; its payload is empty"));
            Work::Handler { kind, payload: json!({}) }
        }
        work => work,
    };
    let mut fields = Vec::new();
    fields.extend(get("retries").and_then(Value::as_u64).map(|retries| ("retries", retries.to_string())));
    let length = |name: &str| get(name).and_then(|value| python::interval(python::seconds(value).ok()?).ok());
    fields.extend(length("retry_delay").map(|delay| ("backoff", format!("{{type: fixed, initial: {delay}}}"))));
    fields.extend(length("execution_timeout").map(|timeout| ("timeout", timeout)));
    if let Some(rule) = get("trigger_rule") {
        let rule = rule["$source"]
            .as_str()
            .or(rule.as_str())
            .and_then(|rule| rule.rsplit('.').next())
            .unwrap_or_default()
            .to_lowercase();
        match rule.as_str() {
            rule if trigger_from_word(rule).is_some() => fields.push(("trigger", rule.to_owned())),
            _ => found.lost(line, format!("the trigger rule `{rule}` of `{id}` has no equal here")),
        }
    }
    let env = get("env").and_then(Value::as_object).into_iter().flatten();
    let env = env.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    Task { name: id, work, queue: text("queue"), env, working_dir: text("cwd"), fields, ..Task::default() }
}

#[cfg(test)]
#[path = "airflow_tests.rs"]
mod tests;
