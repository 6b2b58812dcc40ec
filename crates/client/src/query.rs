//! How calls name what they are about: one task, or a filtered page of a list.

use std::fmt;

/// Names a task: a standalone one by its id, a task of a job as `job/task`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRef {
    /// The job it belongs to.
    pub job: Option<String>,
    /// Its id, or its name inside the job.
    pub task: String,
}

impl TaskRef {
    /// The task of a job.
    pub fn of_job(job: impl Into<String>, task: impl Into<String>) -> Self {
        Self { job: Some(job.into()), task: task.into() }
    }

    /// The path of the task, followed by `rest`.
    pub(crate) fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let mut path = match &self.job {
            Some(job) => vec!["jobs", job, "tasks", &self.task],
            None => vec!["tasks", &self.task],
        };
        path.extend(rest);
        path
    }
}

impl From<&str> for TaskRef {
    fn from(text: &str) -> Self {
        match text.split_once('/') {
            Some((job, task)) => Self::of_job(job, task),
            None => Self { job: None, task: text.to_owned() },
        }
    }
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.job {
            Some(job) => write!(f, "{job}/{}", self.task),
            None => f.write_str(&self.task),
        }
    }
}

/// Filters of a list and the page to read. What is `None` does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// The query language: `status:failed queue:email …`.
    pub q: Option<String>,
    /// A status word, or several with commas between them.
    pub status: Option<String>,
    /// A queue.
    pub queue: Option<String>,
    /// A task type.
    pub kind: Option<String>,
    /// Tasks of this job.
    pub job_id: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// At most this many items, 1 to 1,000.
    pub limit: Option<u32>,
    /// Where the page starts: `nextCursor` of the one before.
    pub cursor: Option<String>,
}

impl ListQuery {
    /// The query parameters.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let texts = [
            ("q", &self.q),
            ("status", &self.status),
            ("queue", &self.queue),
            ("type", &self.kind),
            ("jobId", &self.job_id),
            ("tag", &self.tag),
            ("cursor", &self.cursor),
        ];
        let mut pairs: Vec<_> =
            texts.into_iter().filter_map(|(name, value)| value.clone().map(|value| (name, value))).collect();
        pairs.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        pairs
    }
}
