//! Commands about things of a server: jobs, tasks, queues, workers, dead letters.

use std::time::Duration;

use clap::{Args, Subcommand};

use mainspring_protocol::rate::WireRate;

use super::{Output, Remote, parse_duration};

/// What a list shows.
#[derive(Args, Debug)]
pub(crate) struct Listing {
    /// Filter, as in `status:failed queue:email tag:nightly duration:>5m "free text"`.
    #[arg(short, long, value_name = "QUERY")]
    pub query: Option<String>,
    /// Only in these states.
    #[arg(long, value_delimiter = ',')]
    pub status: Vec<String>,
    /// At most this many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Go on where a list stopped.
    #[arg(long)]
    pub cursor: Option<String>,
    /// Show it again whenever something changes.
    #[arg(short, long)]
    pub watch: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

/// One thing, by its id.
#[derive(Args, Debug)]
pub(crate) struct One {
    /// Its id, or a unique beginning of it.
    pub id: String,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Jobs {
    /// Newest first
    #[command(visible_alias = "ls")]
    List(Listing),
    /// One job
    Get {
        #[command(flatten)]
        one: One,
        /// Wait for its end, at most this long if a time is given.
        #[arg(long, num_args = 0..=1, require_equals = true, value_parser = parse_duration, value_name = "DURATION")]
        wait: Option<Option<Duration>>,
        /// Show its progress until it ends.
        #[arg(short = 'W', long)]
        watch: bool,
    },
    /// The tasks of a job
    Tasks(One),
    /// The graph of a job with the state of each task
    Graph {
        /// Its id, or a unique beginning of it.
        id: String,
        #[command(flatten)]
        remote: Remote,
        /// How to print it.
        #[arg(short, long, value_enum, default_value_t = super::PlanFormat::Text)]
        output: super::PlanFormat,
    },
    /// The events of a job
    Events {
        #[command(flatten)]
        one: One,
        /// Stay, and print events as they come.
        #[arg(short, long)]
        follow: bool,
    },
    /// Call jobs off
    Cancel(Act),
    /// Start no more tasks of a job
    Pause(Act),
    /// End a pause
    Resume(Act),
    /// Run an ended job again
    Rerun {
        #[command(flatten)]
        act: Act,
        /// `failed`, `start`, or the name of a task.
        #[arg(long, default_value = "failed")]
        from: String,
    },
    /// Delete ended jobs
    Delete(Act),
}

/// An order about named things, or about all that a query finds.
#[derive(Args, Debug)]
pub(crate) struct Act {
    /// Ids, or unique beginnings of ids.
    #[arg(required_unless_present = "query", value_name = "ID")]
    pub ids: Vec<String>,
    /// Everything that this query finds instead.
    #[arg(short, long, conflicts_with = "ids", value_name = "QUERY")]
    pub query: Option<String>,
    /// Only say what would be done.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// Newest first
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        listing: Listing,
        /// Only of this job.
        #[arg(long)]
        job: Option<String>,
        /// Only of this queue.
        #[arg(long)]
        queue: Option<String>,
        /// Only of this type.
        #[arg(long = "type")]
        kind: Option<String>,
    },
    /// One task: ID or JOB/TASK
    Get {
        #[command(flatten)]
        one: One,
        /// Wait for its end, at most this long if a time is given.
        #[arg(long, num_args = 0..=1, require_equals = true, value_parser = parse_duration, value_name = "DURATION")]
        wait: Option<Option<Duration>>,
    },
    /// The attempts of a task
    Attempts(One),
    /// Call tasks off
    Cancel(Act),
    /// Make a waiting task ready now, or run an ended one again
    Retry(Act),
    /// Delete ended tasks
    Delete(Act),
    /// Say yes to tasks that wait for an approval
    Approve(Reply),
    /// Say no to tasks that wait for an approval: they fail
    Refuse(Reply),
    /// Answer tasks that wait for an approval
    Signal {
        #[command(flatten)]
        reply: Reply,
        /// Whether the answer is yes.
        #[arg(long, action = clap::ArgAction::Set, value_name = "true|false")]
        approved: bool,
    },
}

/// An answer to tasks that wait for an approval.
#[derive(Args, Debug)]
pub(crate) struct Reply {
    /// JOB/TASK, or unique beginnings of ids.
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// Why; it is kept with the task.
    #[arg(short, long)]
    pub comment: Option<String>,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Queues {
    /// Every queue with its counts
    #[command(visible_alias = "ls")]
    List(Watching),
    /// Grant nothing from a queue
    Pause(Named),
    /// End a pause
    Resume(Named),
    /// Limit how many of its tasks run, and how fast they start
    Set(SetLimits),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Types {
    /// Every task type that has limits
    #[command(visible_alias = "ls")]
    List(Watching),
    /// Limit how many of its tasks run, and how fast they start, over all queues
    Set(SetLimits),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tenants {
    /// Every tenant that has settings
    #[command(visible_alias = "ls")]
    List(Watching),
    /// Set how much of the work goes to a tenant
    Set(SetTenant),
}

/// Limits of a queue or of a type.
#[derive(Args, Debug)]
pub(crate) struct SetLimits {
    /// Its name.
    pub name: String,
    /// How many may run at a time; `none` takes the limit away.
    #[arg(long, value_name = "N", value_parser = count, required_unless_present = "rate")]
    pub concurrency: Option<Setting<u32>>,
    /// How fast they may start, like `100/1m`; `none` takes the limit away.
    #[arg(long, value_name = "N/TIME", value_parser = rate)]
    pub rate: Option<Setting<WireRate>>,
    /// How many may start at once after a quiet time. Default: as many as the rate's number.
    #[arg(long, value_name = "N", requires = "rate", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub burst: Option<u32>,
    #[command(flatten)]
    pub remote: Remote,
}

/// Settings of a tenant.
#[derive(Args, Debug)]
pub(crate) struct SetTenant {
    /// Its name (`userId`).
    pub name: String,
    /// How many of its tasks are taken in its turn, 1 to 100; `none` for the default of 1.
    #[arg(long, value_name = "N", value_parser = count, required_unless_present_any = ["submit_rate", "max_backlog"])]
    pub weight: Option<Setting<u32>>,
    /// How fast it may submit tasks, like `1000/1m`; `none` takes the limit away.
    #[arg(long, value_name = "N/TIME", value_parser = rate)]
    pub submit_rate: Option<Setting<WireRate>>,
    /// How many unfinished tasks it may have; `none` takes the limit away.
    #[arg(long, value_name = "N", value_parser = large_count)]
    pub max_backlog: Option<Setting<u64>>,
    #[command(flatten)]
    pub remote: Remote,
}

/// A value, or `none`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<T>(pub Option<T>);

fn count(text: &str) -> Result<Setting<u32>, String> {
    number(text)
}

fn large_count(text: &str) -> Result<Setting<u64>, String> {
    number(text)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<Setting<T>, String> {
    if text == "none" {
        return Ok(Setting(None));
    }
    text.parse().map(|count| Setting(Some(count))).map_err(|_| "give a whole number, or `none`".to_owned())
}

fn rate(text: &str) -> Result<Setting<WireRate>, String> {
    if text == "none" {
        return Ok(Setting(None));
    }
    mainspring_protocol::rate::parse_rate(text)
        .map(|rate| Setting(Some(WireRate(rate))))
        .map_err(|error| format!("{error}; give a rate like `100/1m`, or `none`"))
}

/// A list without filters.
#[derive(Args, Debug)]
pub(crate) struct Watching {
    /// Show it again whenever something changes.
    #[arg(short, long)]
    pub watch: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

/// An order about something with a name.
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// Its name.
    pub name: String,
    #[command(flatten)]
    pub remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Workers {
    /// Every connected worker
    #[command(visible_alias = "ls")]
    List(Watching),
    /// Grant nothing to a worker; what it runs goes on
    Pause(Named),
    /// Grant to it again
    Resume(Named),
    /// Let it finish what it runs, then stop it
    Drain(Named),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// Grouped by error
    #[command(visible_alias = "ls")]
    List(Listing),
    /// Run dead letters again
    Redrive {
        #[command(flatten)]
        act: Act,
        /// At most this many.
        #[arg(long)]
        limit: Option<u32>,
        /// Time between the starts of two of them.
        #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
        spacing: Option<Duration>,
    },
    /// Forget dead letters
    Discard {
        #[command(flatten)]
        act: Act,
        /// At most this many.
        #[arg(long)]
        limit: Option<u32>,
    },
    /// Replace the payload of a dead letter
    Edit {
        #[command(flatten)]
        one: One,
        /// The new payload as JSON, or @FILE.
        #[arg(long, value_name = "JSON|@FILE")]
        payload: String,
    },
}
