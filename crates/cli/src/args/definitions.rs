//! Commands about definitions and profiles.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Output, Remote};

/// What definitions are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Templates of jobs
    Jobs,
    /// Templates of tasks
    Tasks,
    /// Named defaults of tasks
    Profiles,
}

impl Kind {
    /// As addresses have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Jobs => "jobs",
            Kind::Tasks => "tasks",
            Kind::Profiles => "profiles",
        }
    }
}

/// A definition, by its name.
#[derive(Args, Debug)]
pub(crate) struct Definition {
    /// Its name; that of a task or profile as `tasks/NAME`, `profiles/NAME`.
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Apply {
    /// Files of jobs, tasks and profiles, YAML or JSON; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Only say what would change.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Definitions {
    /// Every definition in its newest version
    #[command(visible_alias = "ls")]
    List {
        /// Only of this kind.
        #[arg(value_enum)]
        kind: Option<Kind>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        output: Output,
    },
    /// One definition
    #[command(disable_version_flag = true)]
    Get {
        #[command(flatten)]
        of: Definition,
        /// This version instead of the newest.
        #[arg(long, value_name = "NUMBER")]
        version: Option<u32>,
    },
    /// Every version of a definition, newest first: who applied it, and when
    Versions(Definition),
    /// What differs between two versions
    Diff {
        #[command(flatten)]
        of: Definition,
        /// The earlier version. Default: the one before the later.
        #[arg(long, value_name = "NUMBER")]
        from: Option<u32>,
        /// The later version. Default: the newest.
        #[arg(long, value_name = "NUMBER")]
        to: Option<u32>,
    },
    /// Apply an earlier version again, as a new one
    Rollback {
        #[command(flatten)]
        of: Definition,
        /// The version to go back to.
        #[arg(long, value_name = "NUMBER")]
        to: u32,
    },
    /// Delete a definition; its versions are kept, and jobs that were made from it go on
    Delete(Definition),
    /// Submit a job made from its definition
    Run {
        #[command(flatten)]
        of: Definition,
        /// A parameter that replaces the definition's own; the value is JSON, or a text.
        #[arg(long = "param", value_name = "NAME=VALUE")]
        params: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Profiles {
    /// Every profile
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        output: Output,
    },
    /// One profile
    Get {
        /// Its name.
        name: String,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        output: Output,
    },
    /// Set fields of a profile, which is made if there is none; its other fields stay
    Set {
        /// Its name.
        name: String,
        /// A field, as in `retries=5` or `backoff={"type":"fixed","initial":"30s"}`; without a value it is removed.
        #[arg(required = true, value_name = "FIELD=VALUE")]
        fields: Vec<String>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        output: Output,
    },
    /// Delete a profile; work that was accepted with it stays as it is
    Delete {
        /// Its name.
        name: String,
        #[command(flatten)]
        remote: Remote,
    },
}
