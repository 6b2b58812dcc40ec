//! Reads work definitions from files, and shows what is wrong with them where it is wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use mainspring_core::graph::{DraftTask, Graph};
use mainspring_core::id::Name;
use mainspring_core::job::GraphTask;
use mainspring_core::row::DefinitionKind;
use mainspring_core::spec::TaskSpec;
use mainspring_protocol::problem::{Code, Problem, ProblemItem};
use mainspring_protocol::submit::{
    Defaults, Format, Found, NoDefinitions, ParsedDefinition, ParsedJob, Values, parse_definition_file, parse_job,
    sub_jobs, with_params,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure, Outcome};

/// A file of work definitions.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path as it was given.
    pub name: String,
    /// The folder it stands in: where its commands start.
    pub folder: PathBuf,
    text: String,
}

/// A job of a file.
#[derive(Clone, Debug)]
pub(crate) struct FileJob {
    /// Its name.
    pub name: String,
    /// Its graph.
    pub graph: Arc<Graph>,
    /// All of it.
    pub job: ParsedJob,
}

impl Source {
    /// Reads a file; `-` is standard input.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        if path == Path::new("-") {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            let folder = std::env::current_dir().context("the current folder is gone")?;
            return Ok(Self { name: "<stdin>".to_owned(), folder, text });
        }
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| {
            let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failure };
            Failure::new(exit, format!("cannot read `{name}`: {error}"))
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Failure::new(Exit::Invalid, format!("`{name}` is not UTF-8 text: byte {at} is none"))
        })?;
        let absolute = std::path::absolute(path).with_context(|| format!("`{name}` has no absolute path"))?;
        let folder = absolute.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { name, folder, text })
    }

    /// Its documents. What is wrong with one stands in it.
    pub(crate) fn documents(&self) -> Result<Vec<ParsedDefinition>, Box<Problem>> {
        Ok(parse_definition_file(&self.text, &NoDefinitions)?)
    }

    /// Its documents, if all are valid; otherwise says what is wrong and where.
    pub(crate) fn valid_documents(&self, tolerated: &[Code]) -> Outcome<Vec<ParsedDefinition>> {
        let documents = self.documents().map_err(|problem| self.refuse(&problem, 1))?;
        for document in &documents {
            if let Err(problem) = &document.job
                && !is_only(problem, tolerated)
            {
                return Err(self.refuse(problem, document.line));
            }
        }
        Ok(documents)
    }

    fn refuse(&self, problem: &Problem, line: u64) -> Failure {
        eprint!("{}", self.explain(problem, line));
        Failure::said(Exit::Invalid)
    }

    /// Each problem with its place and its line; `line` is where the document starts.
    pub(crate) fn explain(&self, problem: &Problem, line: u64) -> String {
        if problem.errors.is_empty() {
            let item =
                ProblemItem { hint: problem.hint.clone(), ..ProblemItem::new(problem.code, "", &problem.detail) };
            return self.explain_item(&item, problem.code, line);
        }
        problem.errors.iter().map(|item| self.explain_item(item, problem.code, line)).collect()
    }

    fn explain_item(&self, item: &ProblemItem, code: Code, document_line: u64) -> String {
        let mut text = format!("error[{}]: {}\n", item.code.unwrap_or(code).word(), item.detail);
        let line = item.line.unwrap_or(document_line).max(1);
        let column = item.column.unwrap_or(1).max(1);
        let width = line.to_string().len();
        let pad = " ".repeat(width);
        let _ = write!(text, "{pad}--> {}:{line}:{column}", self.name);
        if !item.pointer.is_empty() {
            let _ = write!(text, " at {}", item.pointer);
        }
        text.push('\n');
        if let Some(source) = self.text.lines().nth(line as usize - 1)
            && item.line.is_some()
        {
            let (shown, column) = around(source, column);
            let (before, marked) = split_at_column(&shown, column);
            let _ = writeln!(text, "{pad} |\n{line} | {shown}\n{pad} | {before}{}", "^".repeat(marked));
        }
        if let Some(hint) = &item.hint {
            let _ = writeln!(text, "{pad} = hint: {hint}");
        }
        text
    }
}

/// Characters of a source line that are shown at the most, and of those before the column.
const SHOWN_MAX: usize = 160;
const SHOWN_BEFORE: usize = 60;

/// What is shown of a line, and the column there.
fn around(source: &str, column: u64) -> (String, u64) {
    if source.chars().nth(SHOWN_MAX).is_none() {
        return (source.to_owned(), column);
    }
    let from = (column as usize).saturating_sub(SHOWN_BEFORE + 1);
    let mut shown: String = source.chars().skip(from).take(SHOWN_MAX).collect();
    if source.chars().nth(from + SHOWN_MAX).is_some() {
        shown.push('…');
    }
    if from > 0 { (format!("…{shown}"), column - from as u64 + 1) } else { (shown, column) }
}

/// Blanks as wide as what stands before the column, and how many characters of the word there to mark.
fn split_at_column(source: &str, column: u64) -> (String, usize) {
    let skip = column as usize - 1;
    let before = source.chars().take(skip).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let word = source.chars().skip(skip).take_while(|c| c.is_alphanumeric() || "_.-".contains(*c)).count();
    (before, word.max(1))
}

fn is_only(problem: &Problem, codes: &[Code]) -> bool {
    codes.contains(&problem.code)
        && problem.errors.iter().all(|item| item.code.is_none_or(|code| codes.contains(&code)))
}

/// The jobs of a file. A file of tasks alone is one job of these tasks.
pub(crate) fn jobs(path: &Path) -> Outcome<Vec<FileJob>> {
    Source::read(path)?.jobs()
}

impl Source {
    /// See [`jobs`].
    pub(crate) fn jobs(&self) -> Outcome<Vec<FileJob>> {
        let documents = self.valid_documents(&[])?;
        let mut jobs: Vec<FileJob> = Vec::new();
        for document in &documents {
            if let Ok(Some(job)) = &document.job {
                jobs.push(named(&document.name, job.clone()));
            }
        }
        if jobs.is_empty() && documents.iter().any(|document| document.kind == DefinitionKind::Task) {
            jobs.push(self.of_tasks(&documents)?);
        }
        if jobs.is_empty() {
            return Err(Failure::new(Exit::Invalid, format!("`{}` holds no work", self.name)));
        }
        Ok(jobs)
    }

    /// One job of the tasks of a file that holds nothing else.
    fn of_tasks(&self, documents: &[ParsedDefinition]) -> Outcome<FileJob> {
        let of_tasks = documents.iter().filter(|document| document.kind == DefinitionKind::Task);
        let tasks: Vec<&RawValue> = of_tasks.filter_map(|document| serde_json::from_str(&document.json).ok()).collect();
        let text = serde_json::to_vec(&json!({"tasks": tasks})).context("cannot write the tasks as a job")?;
        let job = parse_job(&text, Format::Json, &Defaults::default(), &NoDefinitions)?;
        Ok(named(Path::new(&self.name).file_stem().and_then(|stem| stem.to_str()).unwrap_or("tasks"), job))
    }

    /// What to run of a file, and what it needs: see [`Runnable`]. Parameters are for the job that is run, and all of its
    /// required ones must have a value.
    pub(crate) fn runnable(&self, params: &[(String, String)]) -> Outcome<Runnable> {
        let documents = self.valid_documents(&[])?;
        let mut runnable = Runnable { jobs: Vec::new(), definitions: Vec::new() };
        if documents.iter().all(|document| document.kind != DefinitionKind::Job) {
            runnable.jobs.push(self.jobs()?.remove(0));
        }
        let of_jobs = || documents.iter().filter(|document| document.kind == DefinitionKind::Job);
        let is_sub_job = |name: &str| of_jobs().any(|other| sub_jobs(&other.json).iter().any(|sub| sub == name));
        let find = |kind: DefinitionKind, name: &str| {
            let found = documents.iter().find(|document| document.kind == kind && *document.name == *name);
            found.map(|document| Found { text: document.json.clone(), version: None })
        };
        for document in of_jobs() {
            if is_sub_job(&document.name) {
                runnable.definitions.push((document.name.clone(), json_in(&document.json, &self.folder)?));
                continue;
            }
            let job = with_params(&document.json, Values::Texts(params.to_vec()))
                .and_then(|text| parse_job(text.as_bytes(), Format::Json, &Defaults::default(), &find))
                .map_err(|problem| self.refuse(&problem, document.line))?;
            runnable.jobs.push(named(&document.name, job));
        }
        for file_job in &mut runnable.jobs {
            let graph = start_in(&file_job.graph, &self.folder)?;
            file_job.graph.clone_from(&graph);
            file_job.job.graph = graph;
        }
        Ok(runnable)
    }
}

/// What a file holds for somebody who runs it here.
#[derive(Debug)]
pub(crate) struct Runnable {
    /// Jobs that are no part of another one of the file, their commands starting in its folder unless they say otherwise.
    pub jobs: Vec<FileJob>,
    /// The others: name and JSON text. They must be applied before.
    pub definitions: Vec<(Name, Arc<str>)>,
}

fn named(name: &str, job: ParsedJob) -> FileJob {
    let name = if name.is_empty() { job.title.as_deref().unwrap_or("job") } else { name };
    FileJob { name: name.to_owned(), graph: job.graph.clone(), job }
}

/// The same graph, its commands starting in `folder` unless they say otherwise.
fn start_in(graph: &Graph, folder: &Path) -> anyhow::Result<Arc<Graph>> {
    let tasks = graph.tasks();
    let name_of = |index: &u32| tasks[*index as usize].name.clone();
    let draft = |task: &GraphTask| -> anyhow::Result<DraftTask> {
        Ok(DraftTask {
            name: task.name.clone(),
            spec: spec_in(&task.spec, folder)?,
            trigger: task.trigger,
            delay_ms: task.delay_ms,
            needs: task.parents.iter().map(name_of).collect(),
            flow: task.flow.clone(),
        })
    };
    let drafts = tasks.iter().map(draft).collect::<anyhow::Result<Vec<_>>>()?;
    let graph = Graph::build(drafts).map_err(|problems| anyhow::anyhow!("the graph no longer fits: {problems:?}"))?;
    Ok(Arc::new(graph))
}

/// The same job, its commands starting in `folder` unless they, or its `defaults`, say otherwise.
fn json_in(json: &str, folder: &Path) -> anyhow::Result<Arc<str>> {
    let mut job: Value = serde_json::from_str(json)?;
    let folder = folder.to_str().context("the folder's name is not UTF-8")?;
    if job.pointer("/defaults/workingDir").is_none() {
        if !job["defaults"].is_object() {
            job["defaults"] = json!({});
        }
        job["defaults"]["workingDir"] = json!(folder);
    }
    Ok(job.to_string().into())
}

fn spec_in(spec: &Arc<TaskSpec>, folder: &Path) -> anyhow::Result<Arc<TaskSpec>> {
    if &*spec.class.executor != "shell" {
        return Ok(spec.clone());
    }
    let mut body: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&spec.body).context("a task's body")?;
    if body.contains_key("workingDir") {
        return Ok(spec.clone());
    }
    let folder = folder.to_str().context("the folder's name is not UTF-8")?;
    body.insert("workingDir".to_owned(), RawValue::from_string(serde_json::to_string(folder)?)?);
    let body = serde_json::to_string(&body)?.into();
    Ok(Arc::new(TaskSpec { body, ..TaskSpec::clone(spec) }))
}

/// A job document as the API takes it: names of tasks that the same file defines are replaced by their definitions.
pub(crate) fn self_contained(document: &ParsedDefinition, all: &[ParsedDefinition]) -> anyhow::Result<Value> {
    let mut job: Value = serde_json::from_str(&document.json)?;
    if let Some(Value::Array(tasks)) = job.get_mut("tasks") {
        for task in tasks {
            let named = |other: &&ParsedDefinition| {
                other.kind == DefinitionKind::Task && task.as_str().is_some_and(|name| name == &*other.name)
            };
            if let Some(definition) = all.iter().find(named) {
                *task = serde_json::from_str(&definition.json)?;
            }
        }
    }
    Ok(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_line_only_the_part_around_the_column_is_shown() {
        assert_eq!(around("short", 3), ("short".to_owned(), 3));
        let long = format!("{}here{}", "a".repeat(5_000), "b".repeat(5_000));
        let (shown, column) = around(&long, 5_001);
        assert_eq!(shown.chars().count(), SHOWN_MAX + 2);
        assert_eq!(shown.chars().skip(column as usize - 1).take(4).collect::<String>(), "here");
        assert_eq!(around(&long, 1).1, 1);
    }

    #[test]
    fn a_problem_is_shown_with_its_line_and_a_caret_under_the_word() {
        let source = Source {
            name: "job.yaml".to_owned(),
            folder: PathBuf::new(),
            text: "job: x\ntasks:\n  a: {retrys: 3}\n".to_owned(),
        };
        let item = ProblemItem {
            line: Some(3),
            column: Some(7),
            ..ProblemItem::new(Code::UnknownField, "/tasks/a/retrys", "unknown field `retrys`")
        };
        let problem = Problem::of_items(vec![item.with_hint("did you mean `retries`?")]);
        let expected = "error[unknown_field]: unknown field `retrys`\n --> job.yaml:3:7 at /tasks/a/retrys\n  |\n\
            3 |   a: {retrys: 3}\n  |       ^^^^^^\n  = hint: did you mean `retries`?\n";
        assert_eq!(source.explain(&problem, 1), expected);
    }
}
