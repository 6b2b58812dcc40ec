//! Commands about schedules.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Named, Output, Remote, parse_duration};

#[derive(Debug, Subcommand)]
pub(crate) enum Schedules {
    /// Every schedule, by name
    #[command(visible_alias = "ls")]
    List(ScheduleList),
    /// One schedule: when it is due, what it submits, what it does now
    Get(OneSchedule),
    /// Make a schedule; its name must be free
    Create(Box<CreateSchedule>),
    /// Make or change the schedules of files (`name`, `cron`, `job`, …); job files are for `mainspring apply`
    Apply {
        /// YAML or JSON, one document per schedule; `-` reads standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Fire nothing until it is resumed
    Pause(Named),
    /// End a pause
    Resume(Named),
    /// Submit its work now
    Trigger {
        /// Its name.
        name: String,
        /// A parameter for this once, `NAME=VALUE`; the value is JSON, or a text.
        #[arg(long = "param", value_name = "NAME=VALUE")]
        params: Vec<String>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        output: Output,
    },
    /// Submit the work of past instants that never fired
    Backfill(Backfill),
    /// What became of each instant, newest first
    #[command(visible_alias = "history")]
    Occurrences(ScheduleLedger),
    /// When a schedule, or a cron expression (which needs no server), is due, across changes of the clock
    Next(Next),
    /// Delete a schedule; the record of its occurrences stays
    Delete(Named),
}

#[derive(Args, Debug)]
pub(crate) struct ScheduleList {
    /// At most this many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Go on where a list stopped.
    #[arg(long)]
    pub cursor: Option<String>,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct OneSchedule {
    /// Its name.
    pub name: String,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct ScheduleLedger {
    /// Its name.
    pub name: String,
    #[command(flatten)]
    pub list: ScheduleList,
}

#[derive(Args, Debug)]
pub(crate) struct CreateSchedule {
    /// Its name.
    pub name: String,
    /// A cron expression.
    #[arg(long, value_name = "CRON", group = "when", required_unless_present_any = ["every", "at", "after"])]
    pub cron: Option<String>,
    /// A length of time between two runs.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", group = "when")]
    pub every: Option<Duration>,
    /// One instant, RFC 3339.
    #[arg(long, value_name = "WHEN", group = "when")]
    pub at: Option<String>,
    /// Whenever a job of this definition has completed; several times: of each of them.
    #[arg(long, value_name = "DEFINITION", group = "when")]
    pub after: Vec<String>,
    /// IANA time zone whose clock is read.
    #[arg(long, visible_alias = "tz", value_name = "ZONE")]
    pub timezone: Option<String>,
    /// vixie, skip, once or twice.
    #[arg(long, value_name = "POLICY")]
    pub dst: Option<String>,
    /// skip, latest or all.
    #[arg(long, value_name = "POLICY")]
    pub misfire: Option<String>,
    /// allow, skip, buffer_one or cancel_running.
    #[arg(long, value_name = "POLICY")]
    pub overlap: Option<String>,
    /// Delay each run by up to this.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub jitter: Option<Duration>,
    /// Nothing before this instant.
    #[arg(long, value_name = "WHEN")]
    pub start: Option<String>,
    /// Nothing after this instant.
    #[arg(long, value_name = "WHEN")]
    pub end: Option<String>,
    /// A date on which nothing happens: 2026-12-25, *-12-25 or 2026-12-24..2027-01-06.
    #[arg(long, value_name = "DATE")]
    pub exclude: Vec<String>,
    /// The job definition to run.
    #[arg(long, value_name = "NAME", group = "what", required_unless_present = "command")]
    pub job: Option<String>,
    /// The command to run, split like a shell would.
    #[arg(long, group = "what")]
    pub command: Option<String>,
    /// A parameter of the job, `NAME=VALUE`; the value is JSON, or a text.
    #[arg(long = "param", value_name = "NAME=VALUE", conflicts_with = "command")]
    pub params: Vec<String>,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Backfill {
    /// Its name.
    pub name: String,
    /// The first instant, RFC 3339.
    #[arg(long, value_name = "WHEN", required_unless_present = "stop")]
    pub from: Option<String>,
    /// The last instant, RFC 3339. Default: now.
    #[arg(long, value_name = "WHEN")]
    pub to: Option<String>,
    /// How many may run side by side.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub concurrency: u32,
    /// Only show what would run.
    #[arg(long)]
    pub dry_run: bool,
    /// End the backfill that goes on.
    #[arg(long, conflicts_with_all = ["from", "to", "dry_run"])]
    pub stop: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Next {
    /// The name of a schedule; or minute, hour, day, month and weekday, with seconds in front and a year behind if wanted; or a
    /// word such as @daily.
    #[arg(value_name = "CRON|NAME", allow_hyphen_values = true)]
    pub expression: String,
    /// IANA time zone whose clock is read.
    #[arg(long, visible_alias = "tz", default_value = "UTC", value_name = "ZONE")]
    pub timezone: String,
    /// What becomes of a local time that the clock passes over or shows twice: vixie, skip, once or twice.
    #[arg(long, default_value = "vixie", value_name = "POLICY")]
    pub dst: String,
    /// How many.
    #[arg(short = 'n', long = "count", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// After this instant (RFC 3339), date or local time. Default: now.
    #[arg(long, value_name = "WHEN")]
    pub from: Option<String>,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}
