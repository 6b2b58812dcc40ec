//! Live progress of a job on standard error: a tree that redraws itself on a terminal, one line per change elsewhere.

use std::collections::HashMap;
use std::fmt::Write as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mainspring_core::job::JobStatus;
use mainspring_core::task::TaskStatus;
use mainspring_core::time::Timestamp;

use crate::clock;
use crate::output::say;
use crate::output::{icon, paint, span};

/// Tasks that a terminal shows at once; of larger jobs those that are running or went wrong.
const LINES_MAX: usize = 24;

/// A job at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// Its name, or its id.
    pub title: String,
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub status: JobStatus,
    /// When it was accepted.
    pub since: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How many tasks it has.
    pub total: usize,
    /// How many of them have ended.
    pub ended: usize,
    /// Its tasks in topological order; left out if there are too many to show.
    pub tasks: Vec<Line>,
}

/// A task of a job at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Its id in the job.
    pub name: String,
    /// How many tasks stand between it and a root, at most.
    pub depth: usize,
    /// Where it stands.
    pub status: TaskStatus,
    /// Its last attempt; 0 before the first.
    pub attempt: u32,
    /// When that started.
    pub started_at: Option<Timestamp>,
    /// When that ended.
    pub ended_at: Option<Timestamp>,
    /// When it becomes ready, while it is scheduled.
    pub run_at: Option<Timestamp>,
    /// What went wrong last.
    pub error: Option<String>,
}

/// Shows pictures of one job as they come.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    seen: HashMap<String, (TaskStatus, u32)>,
    quiet: bool,
}

impl Progress {
    /// Progress on standard error; none at all if `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        let target = ProgressDrawTarget::stderr();
        let bar = (!quiet && !target.is_hidden()).then(|| {
            let bar = ProgressBar::with_draw_target(None, target);
            bar.with_style(ProgressStyle::with_template("{msg}").expect("the template is constant"))
        });
        Self { bar, seen: HashMap::new(), quiet }
    }

    /// Shows how the job stands now.
    pub(crate) fn show(&mut self, picture: &Picture) {
        match &self.bar {
            Some(bar) => bar.set_message(draw(picture, LINES_MAX)),
            None if self.quiet => {}
            None => self.tell_changes(picture),
        }
    }

    /// Shows the end, to stay.
    pub(crate) fn end(&mut self, picture: &Picture) {
        match self.bar.take() {
            Some(bar) => {
                bar.finish_and_clear();
                say(format_args!("{}", draw(picture, usize::MAX)));
            }
            None if self.quiet => {}
            None => {
                self.tell_changes(picture);
                say(format_args!("{}", headline(picture, false)));
            }
        }
    }

    fn tell_changes(&mut self, picture: &Picture) {
        for task in &picture.tasks {
            let now = (task.status, task.attempt);
            let before = self.seen.insert(task.name.clone(), now);
            let waits = matches!(task.status, TaskStatus::Pending | TaskStatus::Ready);
            if before != Some(now) && !waits {
                say(format_args!("{}", describe(task)));
            }
        }
    }
}

fn draw(picture: &Picture, lines_max: usize) -> String {
    let mut text = headline(picture, true);
    let all = picture.tasks.len() <= lines_max;
    let wanted = |task: &&Line| all || matches!(task.status, TaskStatus::Running | TaskStatus::Failed);
    let mut left = picture.total;
    for task in picture.tasks.iter().filter(wanted).take(lines_max) {
        let _ = write!(text, "\n{}{}", "  ".repeat(task.depth.min(12) + 1), describe(task));
        left -= 1;
    }
    if left > 0 {
        let _ = write!(text, "\n  … and {left} more tasks");
    }
    text
}

/// Name, status, time and progress; the bar is for a terminal.
fn headline(picture: &Picture, with_bar: bool) -> String {
    let (total, ended) = (picture.total, picture.ended);
    let took = picture.ended_at.unwrap_or_else(clock::now).since(picture.since);
    let full = (ended * 20).checked_div(total).unwrap_or(0);
    let bar = if with_bar { format!("{}{} ", "█".repeat(full), "░".repeat(20 - full)) } else { String::new() };
    let name =
        if picture.title == picture.id { picture.id.clone() } else { format!("{} ({})", picture.title, picture.id) };
    let status = match picture.status {
        JobStatus::Completed => paint(TaskStatus::Completed, "completed"),
        JobStatus::Failed => paint(TaskStatus::Failed, "failed"),
        other => other.word().to_owned(),
    };
    format!("{name}  {status}  {}  {bar}{ended}/{total}", span(took))
}

fn describe(task: &Line) -> String {
    let mut text = format!("{} {}  {}", icon(task.status), task.name, task.status.word());
    let end = task.ended_at.unwrap_or_else(clock::now);
    if let (Some(start), false) = (task.started_at, matches!(task.status, TaskStatus::Pending | TaskStatus::Ready)) {
        let _ = write!(text, "  {}", span(end.since(start)));
    }
    if task.attempt > 1 {
        let _ = write!(text, "  attempt {}", task.attempt);
    }
    if let (TaskStatus::Scheduled, Some(at)) = (task.status, task.run_at) {
        let _ = write!(text, "  in {}", span(at.since(clock::now())));
    }
    if let Some(error) = task.error.as_ref().filter(|_| task.status != TaskStatus::Completed) {
        let _ = write!(text, "  {}", error.lines().next().unwrap_or_default());
    }
    paint(task.status, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(status: TaskStatus) -> Picture {
        let at = Timestamp::from_millis;
        let line = Line {
            name: "extract".to_owned(),
            depth: 0,
            status,
            attempt: 2,
            started_at: Some(at(1_000)),
            ended_at: Some(at(3_500)),
            run_at: None,
            error: Some("exit code 75\nmore".to_owned()),
        };
        Picture {
            title: "daily".to_owned(),
            id: "j1".to_owned(),
            status: JobStatus::Failed,
            since: at(0),
            ended_at: Some(at(4_000)),
            total: 1,
            ended: 1,
            tasks: vec![line],
        }
    }

    #[test]
    fn a_failed_task_shows_its_attempt_duration_and_error() {
        assert_eq!(
            draw(&picture(TaskStatus::Failed), 24),
            "daily (j1)  failed  4.0s  ████████████████████ 1/1\n  ✖ extract  failed  2.5s  attempt 2  exit code 75"
        );
    }

    #[test]
    fn a_large_job_shows_what_runs_and_counts_the_rest() {
        let mut large = picture(TaskStatus::Completed);
        large.tasks = vec![large.tasks[0].clone(); 30];
        large.total = 30;
        large.tasks[7].status = TaskStatus::Running;
        let text = draw(&large, 24);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.ends_with("… and 29 more tasks"), "{text}");
    }
}
