//! Commands about schedules.

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Schedules {
    /// When a cron expression is due, across changes of the clock; needs no server
    Next(Next),
}

#[derive(Args, Debug)]
pub(crate) struct Next {
    /// Minute, hour, day, month and weekday; with seconds in front and a year behind if wanted; or a word such as @daily.
    #[arg(value_name = "CRON", allow_hyphen_values = true)]
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
    pub output: Output,
}
