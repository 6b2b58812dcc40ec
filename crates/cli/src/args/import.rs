//! Bringing work over from other schedulers.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// A user's crontab, /etc/crontab, or a file of /etc/cron.d
    Crontab {
        #[command(flatten)]
        files: Files,
        /// Time zone of the machine the crontab is from. Default: this machine's.
        #[arg(long, visible_alias = "tz", value_name = "ZONE")]
        timezone: Option<String>,
        /// Whether lines have a column for the user.
        #[arg(long, value_enum, default_value_t = CrontabForm::Auto)]
        form: CrontabForm,
    },
    /// The beat schedule in a Python module of Celery; python3 parses the module and does not run it
    CeleryBeat(Files),
    /// The DAGs in a Python file of Airflow; python3 parses the file and does not run it
    Airflow(Files),
    /// The jobs and triggers of an XML file of Quartz 2 (`job_scheduling_data`)
    Quartz {
        #[command(flatten)]
        files: Files,
        /// Time zone of the machine that Quartz ran on. Default: this machine's.
        #[arg(long, visible_alias = "tz", value_name = "ZONE")]
        timezone: Option<String>,
    },
}

/// What is read and written.
#[derive(Args, Debug)]
pub(crate) struct Files {
    /// What to import; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where to write the definitions; without it, standard output.
    #[arg(short, long, value_name = "OUT.yaml")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CrontabForm {
    /// By where the file lies and what it holds
    Auto,
    /// Without a column for the user
    User,
    /// With a column for the user
    System,
}
