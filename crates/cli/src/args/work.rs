//! Commands about work: definitions, submissions, output, events.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{One, Output, Remote, parse_duration, parse_param};

#[derive(Args, Debug)]
pub(crate) struct Validate {
    /// Work definitions, YAML or JSON; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Plan {
    /// The job file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How to print the plan.
    #[arg(short, long, value_enum, default_value_t = PlanFormat::Text)]
    pub output: PlanFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// Waves and critical path for people
    #[value(alias = "table")]
    Text,
    /// One JSON document
    Json,
    /// Graphviz
    Dot,
    /// Mermaid flowchart
    Mermaid,
}

#[derive(Args, Debug)]
pub(crate) struct Submit {
    /// A job or task file (`-` reads standard input), or the type of one task.
    #[arg(value_name = "FILE|TYPE")]
    pub what: String,
    /// The task's payload as JSON, or @FILE.
    #[arg(long, value_name = "JSON|@FILE")]
    pub payload: Option<String>,
    /// The command to run, split like a shell would.
    #[arg(long)]
    pub command: Option<String>,
    /// Start the task after this time.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub delay: Option<Duration>,
    /// How often to try again after a failure.
    #[arg(long)]
    pub retries: Option<u32>,
    /// How long one attempt may run.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub timeout: Option<Duration>,
    /// The queue to wait in.
    #[arg(long)]
    pub queue: Option<String>,
    /// 0 to 9, 9 first.
    #[arg(long)]
    pub priority: Option<u8>,
    /// The id of the task or job; otherwise the server makes one.
    #[arg(long)]
    pub id: Option<String>,
    /// A value for a parameter of the job; several times for several.
    #[arg(long = "param", value_parser = parse_param, value_name = "NAME=VALUE")]
    pub params: Vec<(String, String)>,
    /// A tag.
    #[arg(long = "tag")]
    pub tags: Vec<String>,
    /// Makes it safe to repeat this command.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Wait for the end, at most this long if a time is given; exit 4 if the work failed.
    #[arg(long, num_args = 0..=1, require_equals = true, value_parser = parse_duration, value_name = "DURATION")]
    pub wait: Option<Option<Duration>>,
    /// Print what would be submitted, and do not submit it.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Logs {
    /// ID, JOB/TASK, or JOB for all its tasks.
    pub id: String,
    /// Stay, and print what comes until the task ends.
    #[arg(short, long)]
    pub follow: bool,
    /// Of this attempt; otherwise the last.
    #[arg(long)]
    pub attempt: Option<u32>,
    #[command(flatten)]
    pub remote: Remote,
}

#[derive(Args, Debug)]
pub(crate) struct Why {
    #[command(flatten)]
    pub one: One,
}

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Events {
    /// Stay, and print events as they come.
    #[arg(short, long)]
    pub follow: bool,
    /// Start after this event.
    #[arg(long, value_name = "EVENT_ID")]
    pub after: Option<String>,
    /// Only of this job.
    #[arg(long)]
    pub job: Option<String>,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}
