//! Quartz: the jobs and triggers of an XML file (`job_scheduling_data`, version 2.0).
//!
//! Each trigger with its job becomes one job of one task, whose type is the Java class; a durable job without a trigger becomes one without a schedule.
//! The file is read within limits: no document type, so no entities, and at most [`NODES_MAX`] nodes.

mod cron;
mod trigger;

use mainspring_calendar::Zone;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value, json};

use super::{Imported, Job, Task, Work, name};

/// Elements, attributes and texts of a file.
const NODES_MAX: u32 = 1_000_000;
/// Bytes of a file.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// The group of what names none.
const DEFAULT_GROUP: &str = "DEFAULT";
/// The priority of a trigger that names none, in Quartz.
const DEFAULT_PRIORITY: &str = "5";

/// A job or a trigger by its group and name.
type Id<'a> = (&'a str, &'a str);

/// Reads a file. `zone`: the one of the machine that Quartz ran on.
pub(crate) fn import(source: &str, zone: &Zone, origin: &str) -> Result<Imported, String> {
    if source.len() > BYTES_MAX {
        return Err(format!("it has {} bytes; at most {BYTES_MAX} are read", source.len()));
    }
    let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = Document::parse_with_options(source, options).map_err(|error| match error {
        roxmltree::Error::DtdDetected => {
            "it has a document type, which is not read; take `<!DOCTYPE …>` out".to_owned()
        }
        error => error.to_string(),
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "job-scheduling-data" {
        let is = root.tag_name().name();
        return Err(format!("its root is `{is}`, not `job-scheduling-data` of Quartz 2"));
    }
    let mut found = Imported::default();
    let (mut jobs, mut triggers) = (Vec::new(), Vec::new());
    for part in elements(root) {
        match part.tag_name().name() {
            "schedule" => {
                for item in elements(part) {
                    match item.tag_name().name() {
                        "job" => jobs.push(item),
                        "trigger" => triggers.extend(elements(item)),
                        other => found.lost(line(item), format!("`{other}` is not known here")),
                    }
                }
            }
            other => {
                found.lost(line(part), format!("`{other}` says how Quartz loads the file; apply does it its own way"))
            }
        }
    }
    for job in &jobs {
        let id = id_of(*job, "name", "group");
        let own = triggers.iter().filter(|kind| id_of(**kind, "job-name", "job-group") == id).copied().collect();
        add(*job, id, own, zone, origin, &mut found);
    }
    for kind in triggers {
        let (group, name) = id_of(kind, "job-name", "job-group");
        if !jobs.iter().any(|job| id_of(*job, "name", "group") == (group, name)) {
            found.lost(line(kind), format!("a trigger of the job `{group}.{name}`, which is not in the file"));
        }
    }
    Ok(found)
}

/// The job of each trigger, or the one without.
fn add(job: Node<'_, '_>, id: Id<'_>, triggers: Vec<Node<'_, '_>>, zone: &Zone, origin: &str, found: &mut Imported) {
    let at = line(job);
    let title = title(id);
    let Some(class) = text(job, "job-class") else { return found.lost(at, format!("`{title}` has no job-class")) };
    for other in elements(job).filter(|element| !KNOWN_OF_JOB.contains(&element.tag_name().name())) {
        found.lost(line(other), format!("`{}` of `{title}` has no equal here", other.tag_name().name()));
    }
    let place = |element: Node<'_, '_>| format!("{origin}:{} {title}", line(element));
    let described = |element| text(element, "description").map(str::to_owned);
    if triggers.is_empty() {
        if text(job, "durability") != Some("true") {
            return found.lost(at, format!("`{title}` is not durable and has no trigger: Quartz drops it too"));
        }
        let task = task(job, None, class, &title, found);
        let comments = std::iter::once(place(job)).chain(described(job)).collect();
        return found.add(at, job_of(slug(id), comments, Vec::new(), task));
    }
    if triggers.len() > 1 {
        found.review(at, format!("`{title}` has {} triggers: each became a job of its own", triggers.len()));
    }
    for kind in &triggers {
        let schedule = match kind.tag_name().name() {
            "simple" | "cron" | "calendar-interval" => trigger::schedule(*kind, zone, found),
            other => Err(format!("triggers of the kind `{other}` have no equal here")),
        };
        let schedule = match schedule {
            Ok(schedule) => schedule,
            Err(why) => {
                found.lost(line(*kind), format!("a trigger of `{title}`: {why}"));
                continue;
            }
        };
        let own = id_of(*kind, "name", "group");
        let name = if triggers.len() == 1 { slug(id) } else { format!("{}-{}", slug(id), slug(own)) };
        let task = task(job, Some(*kind), class, &title, found);
        let comments = std::iter::once(place(*kind)).chain(described(job)).chain(described(*kind)).collect();
        found.add(line(*kind), job_of(name, comments, schedule, task));
    }
}

fn job_of(name: String, comments: Vec<String>, schedule: Vec<(&'static str, String)>, task: Task) -> Job {
    Job { tasks: vec![Task { name: name.clone(), ..task }], name, comments, schedule }
}

/// Elements of a job that are taken over, or mean nothing here.
const KNOWN_OF_JOB: [&str; 7] = ["name", "group", "description", "job-class", "durability", "recover", "job-data-map"];

fn task(job: Node<'_, '_>, trigger: Option<Node<'_, '_>>, class: &str, title: &str, found: &mut Imported) -> Task {
    let mut data = Map::new();
    for owner in std::iter::once(job).chain(trigger) {
        read_data(owner, &mut data);
    }
    let mut fields = Vec::new();
    if text(job, "recover") != Some("true") {
        // Quartz runs again what a crash cut off only where it is told to.
        fields.push(("onWorkerLost", "fail".to_owned()));
    }
    let priority = trigger.and_then(|kind| text(kind, "priority")).filter(|given| *given != DEFAULT_PRIORITY);
    if let (Some(kind), Some(given)) = (trigger, priority) {
        match given.parse::<i64>() {
            Ok(number @ 0..=9) => fields.push(("priority", number.to_string())),
            Ok(number) => {
                fields.push(("priority", number.clamp(0, 9).to_string()));
                found.review(line(kind), format!("the priority {number} was brought into the range 0 to 9"));
            }
            Err(_) => found.lost(line(kind), format!("`{given}` is no priority")),
        }
    }
    if data.values().chain([&json!(class)]).any(|value| value.as_str().is_some_and(|text| text.contains("${{"))) {
        found.lost(
            line(job),
            format!("`${{{{` in the data of `{title}` would be taken for an expression; it has none now"),
        );
        data.clear();
    }
    let work = match class.rsplit('.').next() {
        Some("NativeJob") if data.contains_key("command") => native(&data, line(job), title, found),
        Some("NoOpJob") => Work::Handler { kind: "noop".to_owned(), payload: json!({}) },
        _ => {
            let note = "needs a worker with a handler of that type; if it is `@DisallowConcurrentExecution`, write `overlap: buffer_one`";
            found.review(line(job), format!("`{class}` {note}"));
            Work::Handler { kind: class.to_owned(), payload: Value::Object(data) }
        }
    };
    Task { work, fields, ..Task::default() }
}

/// `org.quartz.jobs.NativeJob`: a command line for the shell.
fn native(data: &Map<String, Value>, line: usize, title: &str, found: &mut Imported) -> Work {
    let get = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    if get("waitForProcess") == "false" {
        found.review(line, format!("`{title}` did not wait for its program; here a task ends with it"));
    }
    Work::Run(format!("{} {}", get("command"), get("parameters")).trim().to_owned())
}

/// Adds the entries of a data map; those of the trigger replace those of the job.
fn read_data(owner: Node<'_, '_>, data: &mut Map<String, Value>) {
    for map in elements(owner).filter(|element| element.tag_name().name() == "job-data-map") {
        for entry in elements(map) {
            if let Some(key) = text(entry, "key") {
                data.insert(key.to_owned(), text(entry, "value").map_or(Value::Null, Into::into));
            }
        }
    }
}

fn elements<'a, 'input>(of: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    of.children().filter(Node::is_element)
}

/// The text of a child element, trimmed; nothing if it is empty.
fn text<'a>(of: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = elements(of).find(|element| element.tag_name().name() == name)?;
    child.text().map(str::trim).filter(|text| !text.is_empty())
}

fn line(of: Node<'_, '_>) -> usize {
    of.document().text_pos_at(of.range().start).row as usize
}

fn id_of<'a>(of: Node<'a, '_>, name: &str, group: &str) -> Id<'a> {
    (text(of, group).unwrap_or(DEFAULT_GROUP), text(of, name).unwrap_or_default())
}

fn title((group, name): Id<'_>) -> String {
    if group == DEFAULT_GROUP { name.to_owned() } else { format!("{group}.{name}") }
}

/// A name for a job: the group in front, unless it is the one of everything without.
fn slug((group, name): Id<'_>) -> String {
    let parts = [group, name].map(name::slug);
    let parts = parts.iter().skip(usize::from(group == DEFAULT_GROUP)).filter(|part| !part.is_empty());
    let slug = parts.cloned().collect::<Vec<_>>().join(".");
    if slug.is_empty() { "job".to_owned() } else { slug }
}

#[cfg(test)]
#[path = "quartz_tests.rs"]
mod tests;
