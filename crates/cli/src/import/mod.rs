//! Importers: each turns another scheduler's file into jobs to be reviewed, and says what has no equal here. They are pure: text in, text out.

pub(crate) mod airflow;
pub(crate) mod celery_beat;
pub(crate) mod crontab;
mod name;
mod python;
pub(crate) mod quartz;
mod write;

use std::fmt;

use mainspring_calendar::Cron;

pub(crate) use write::yaml;

/// What an importer found.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    pub jobs: Vec<Job>,
    pub findings: Vec<Finding>,
}

/// One job.
#[derive(Debug, Default)]
pub(crate) struct Job {
    pub name: String,
    /// Where it comes from, and what else a reviewer should see beside it.
    pub comments: Vec<String>,
    /// Fields of `schedule:` in order; none if it has no instants.
    pub schedule: Vec<(&'static str, String)>,
    pub tasks: Vec<Task>,
}

/// One task of a job.
#[derive(Debug, Default)]
pub(crate) struct Task {
    pub name: String,
    pub work: Work,
    pub queue: Option<String>,
    pub env: Vec<(String, String)>,
    pub labels: Vec<(String, String)>,
    pub working_dir: Option<String>,
    /// Tasks of the same job that come before it.
    pub needs: Vec<String>,
    /// Other fields, their values as YAML.
    pub fields: Vec<(&'static str, String)>,
}

/// What a task does.
#[derive(Debug)]
pub(crate) enum Work {
    /// A script for `sh -c`.
    Run(String),
    /// A program and its arguments.
    Command(Vec<String>),
    /// What a worker has registered under this type.
    Handler { kind: String, payload: serde_json::Value },
}

impl Default for Work {
    fn default() -> Self {
        Work::Run(String::new())
    }
}

/// Something that the file says and that has no equal, or another meaning, here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A line of the file; 0 for all of it.
    pub line: usize,
    pub kind: Kind,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It was left out.
    Lost,
    /// It was taken over with another meaning, or needs something to be done.
    Review,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Lost => "left out",
            Kind::Review => "review",
        };
        match self.line {
            0 => write!(f, "{kind}: {}", self.text),
            line => write!(f, "line {line}: {kind}: {}", self.text),
        }
    }
}

impl Imported {
    fn lost(&mut self, line: usize, text: impl Into<String>) {
        self.findings.push(Finding { line, kind: Kind::Lost, text: text.into() });
    }

    fn review(&mut self, line: usize, text: impl Into<String>) {
        self.findings.push(Finding { line, kind: Kind::Review, text: text.into() });
    }

    /// Adds a job of this line under a name that no other has; its task follows if it has the job's name. Without a schedule
    /// that is never due: a file that has one is refused as a whole.
    fn add(&mut self, line: usize, mut job: Job) {
        let cron = job.schedule.iter().find(|(field, _)| *field == "cron").map(|(_, cron)| cron.clone());
        if let Some(cron) = cron.filter(|cron| Cron::parse(cron).is_ok_and(|cron| cron.is_never())) {
            self.review(line, format!("`{cron}` names no date that exists: the job has no schedule"));
            job.comments.push(format!("{cron}: never due, no schedule"));
            job.schedule.clear();
        }
        let taken = |name: &str| self.jobs.iter().any(|other| other.name == name);
        let before = job.name.clone();
        let numbered = (2..).map(|number| format!("{}-{number}", job.name));
        job.name =
            std::iter::once(job.name.clone()).chain(numbered).find(|name| !taken(name)).expect("numbers do not end");
        if let [task] = job.tasks.as_mut_slice()
            && task.name == before
        {
            task.name.clone_from(&job.name);
        }
        self.jobs.push(job);
    }
}
