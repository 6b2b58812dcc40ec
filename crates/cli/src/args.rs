//! The command line as it is typed: every command and flag, nothing of what they do.

mod definitions;
mod import;
mod objects;
mod processes;
mod schedules;
mod work;

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mainspring_protocol::duration;

pub(crate) use definitions::{Apply, Definition, Definitions, Kind as DefinitionKindArg, Profiles};
pub(crate) use import::{CrontabForm, Files, Import};
pub(crate) use objects::{
    Act, Dlq, Jobs, Listing, Named, One, Queues, Reply, SetLimits, SetTenant, Setting, Tasks, Tenants, Types, Workers,
};
pub(crate) use processes::{
    Backup, Bench, BenchFormat, Config, Dev, MigrateStore, RedisKey, Restore, Run, Scenario, Serve, Serving, Worker,
};
pub(crate) use schedules::{Backfill, CreateSchedule, Next, ScheduleLedger, ScheduleList, Schedules};
pub(crate) use work::{Doctor, Events, Logs, Plan, PlanFormat, Submit, Validate, Why};

/// A durable scheduler for tasks and DAGs of tasks, in one binary.
#[derive(Debug, Parser)]
#[command(name = "mainspring", version, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 ok · 1 failure · 2 usage · 3 not found · 4 the awaited work failed · 5 conflict · \
    6 not authorised · 7 server unreachable · 8 validation failed · 124 timed out · 130 interrupted"
)]
pub(crate) struct Cli {
    /// Never colour the output (also: NO_COLOR).
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Say nothing but results and errors.
    #[arg(long, global = true)]
    pub quiet: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// Commands that list their things when they are told nothing else.
const LISTING: [&str; 8] = ["jobs", "tasks", "definitions", "profiles", "queues", "workers", "dlq", "schedules"];

/// Arguments with the `list` that a bare `mainspring jobs`, or `mainspring jobs --watch`, leaves out.
pub(crate) fn naming_the_list(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_flag = |argument: &OsString| argument.to_string_lossy().starts_with('-');
    let command = arguments.iter().skip(1).position(|argument| !is_flag(argument)).map(|place| place + 1);
    if let Some(place) = command
        && LISTING.iter().any(|word| arguments[place] == *word)
        && arguments.get(place + 1).is_none_or(|next| is_flag(next) && next != "-h" && next != "--help")
    {
        arguments.insert(place + 1, "list".into());
    }
    arguments
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Server and worker in one process, for development; runs the given job files at once
    Dev(Dev),
    /// Run one job or task file to its end in the foreground, without a server
    Run(Run),
    /// The server alone
    Serve(Serve),
    /// A worker of a server
    Worker(Worker),
    /// Check work definitions; name every problem with its place
    Validate(Validate),
    /// Show the graph of a job, its waves and its critical path
    Plan(Plan),
    /// Apply definitions of jobs, tasks and profiles
    Apply(Apply),
    /// List, compare, roll back and run definitions
    #[command(subcommand, visible_alias = "definition")]
    Definitions(Definitions),
    /// List and change profiles: named defaults of tasks
    #[command(subcommand, visible_alias = "profile")]
    Profiles(Profiles),
    /// Submit a job file, a task file, or one task by its type
    Submit(Submit),
    /// List and steer jobs
    #[command(subcommand, visible_alias = "job")]
    Jobs(Jobs),
    /// List and steer tasks
    #[command(subcommand, visible_alias = "task")]
    Tasks(Tasks),
    /// What a task printed: ID, JOB/TASK, or JOB for all its tasks
    Logs(Logs),
    /// What keeps a task from running
    Why(Why),
    /// Whether a server and its cluster are well, and how to mend what is not
    Doctor(Doctor),
    /// List, pause, resume and limit queues
    #[command(subcommand, visible_alias = "queue")]
    Queues(Queues),
    /// List and set the limits of task types
    #[command(subcommand, visible_alias = "type")]
    Types(Types),
    /// List and set the shares of tenants
    #[command(subcommand, visible_alias = "tenant")]
    Tenants(Tenants),
    /// List, make, pause, trigger and backfill schedules
    #[command(subcommand, visible_alias = "schedule")]
    Schedules(Schedules),
    /// List and direct workers
    #[command(subcommand)]
    Workers(Workers),
    /// Dead letters: tasks that failed for good
    #[command(subcommand, visible_alias = "dead-letters")]
    Dlq(Dlq),
    /// What happens, as it happens
    Events(Events),
    /// Show, check and reload the configuration of a server
    #[command(subcommand)]
    Config(Config),
    /// Measure this machine: throughput, latency, chains, fans, backlogs, footprint, graphs
    Bench(Bench),
    /// Turn another scheduler's file into definitions to review
    #[command(subcommand)]
    Import(Import),
    /// Copy a store into a new file, also while a server runs on it
    Backup(Backup),
    /// Put a copy in the place of a store; no server may be running on it
    Restore(Restore),
    /// Copy everything of a store into another, empty one of any kind; no server may be running on either
    MigrateStore(MigrateStore),
    /// Print the key under which Redis has a task's status
    RedisKey(RedisKey),
    /// Print a completion script for a shell
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Runs one shell attempt on behalf of a worker.
    #[command(name = "__supervise", hide = true, disable_help_flag = true)]
    Supervise {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// Where the server is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Remote {
    /// Address of the server.
    #[arg(long, env = "MAINSPRING_URL", default_value = "http://127.0.0.1:7070", value_name = "URL")]
    pub server: String,
    /// Token to present to the server.
    #[arg(long, env = "MAINSPRING_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Only what belongs to this tenant.
    #[arg(long, value_name = "TENANT")]
    pub user_id: Option<String>,
}

/// How results are printed.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Output {
    /// How to print results.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people
    Table,
    /// More columns
    Wide,
    /// JSON as the API gives it
    Json,
    /// The same as YAML
    Yaml,
    /// Only ids, one per line
    Name,
}

fn default_concurrency() -> u32 {
    std::thread::available_parallelism().map_or(4, |cores| cores.get() as u32 * 2)
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    duration::parse(text)
        .map(|parsed| Duration::from_millis(parsed.ms()))
        .map_err(|error| format!("{error}; write {}", duration::FORMS))
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a label is written NAME=VALUE".to_owned()),
    }
}

fn parse_param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a parameter is written NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn a_command_that_is_told_nothing_lists() {
        let named = |words: &str| {
            let given = std::iter::once("mainspring").chain(words.split_whitespace()).map(Into::into).collect();
            let read = super::naming_the_list(given).into_iter().skip(1);
            read.map(|word| word.into_string().expect("is text")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(named("jobs"), "jobs list");
        assert_eq!(named("--quiet tasks -q status:failed"), "--quiet tasks list -q status:failed");
        for as_it_is in ["tasks get jobs", "queues pause dlq", "workers --help", "why jobs", "--version", ""] {
            assert_eq!(named(as_it_is), as_it_is);
        }
    }
}
