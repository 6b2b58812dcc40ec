//! How an attempt ended, from what its supervisor says.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use mainspring_protocol::exchange::{GrantMessage, StreamName};
use serde_json::value::RawValue;

use super::Reason;
use crate::attempt::{AttemptEnd, Stop};
use crate::executor::{OUTPUT_BYTES_MAX, output_too_large};
use crate::feed::Feed;
use crate::supervise::{Cause, SpawnError};

/// The supervisor's last word.
pub(super) enum End {
    Refused(SpawnError),
    Ended {
        code: Option<i32>,
        signal: Option<i32>,
        cause: Cause,
        killed: u32,
    },
    /// None came: somebody killed it.
    SupervisorGone,
}

pub(super) struct Verdict<'a> {
    pub(super) grant: &'a GrantMessage,
    pub(super) feed: &'a Feed,
    pub(super) end: End,
    /// Why the worker ended it, if it did.
    pub(super) stop: Option<Reason>,
    pub(super) last_line: String,
}

impl Verdict<'_> {
    /// A program that ended by itself before it was told to is judged by its exit, any other by why it was ended.
    pub(super) fn pronounce(self, output: &Path) -> AttemptEnd {
        match &self.end {
            End::Refused(error) => {
                AttemptEnd::failure("spawn_failed", error.message.clone()).retryable(error.transient)
            }
            End::SupervisorGone => self.stop.map_or_else(
                || AttemptEnd::failure("supervisor_lost", "the process that supervised the command was killed"),
                Reason::end,
            ),
            End::Ended { code, signal, cause, killed } => match cause {
                Cause::Exited => {
                    if *killed > 0 {
                        let remark = "killed what the command had left running behind it\n";
                        self.feed.push(StreamName::System, remark);
                    }
                    self.exit(*code, *signal, output)
                }
                Cause::TooManyProcesses => {
                    AttemptEnd::failure("process_limit", "its process tree grew beyond the worker's limit")
                }
                Cause::LeaseExpired => Stop::LeaseLost.end(),
                Cause::Told | Cause::Abandoned => self.stop.map_or_else(|| Stop::Now.end(), Reason::end),
            },
        }
    }

    fn exit(&self, code: Option<i32>, signal: Option<i32>, output: &Path) -> AttemptEnd {
        if let Some(signal) = signal {
            let name = signal_name(signal);
            return AttemptEnd::failure("signal", self.with_last_line(format!("killed by signal {signal}{name}")));
        }
        let Some(code) = code else {
            return AttemptEnd::failure("supervisor_lost", "the end of the command was not seen by its supervisor");
        };
        if self.grant.skip_exit_codes.contains(&code) {
            let remark = format!("exit code {code}: there was nothing to do\n");
            self.feed.push(StreamName::System, &remark);
            return AttemptEnd::success(None);
        }
        let fine = &self.grant.success_exit_codes;
        if fine.contains(&code) || (fine.is_empty() && code == 0) {
            return read_output(output);
        }
        let hint = match code {
            126 => " (the shell found the command but could not run it)",
            127 => " (the shell did not find the command)",
            _ => "",
        };
        AttemptEnd::failure("exit_code", self.with_last_line(format!("exit code {code}{hint}")))
    }

    fn with_last_line(&self, what: String) -> String {
        if self.last_line.is_empty() { what } else { format!("{what}: {}", self.last_line) }
    }
}

/// The output is what stands in the file: nothing, or one JSON value of bounded size. The file is the program's, so
/// it may be anything: only a regular file is read, and never more of it than may be.
fn read_output(path: &Path) -> AttemptEnd {
    let bad = |message: String| AttemptEnd::failure("bad_output", message).retryable(false);
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return AttemptEnd::success(None),
        Err(error) => return bad(format!("the output file cannot be read: {error}")),
        Ok(found) if !found.is_file() => return bad("the output is not a regular file".to_owned()),
        Ok(found) if found.len() == 0 => return AttemptEnd::success(None),
        Ok(found) if found.len() > OUTPUT_BYTES_MAX as u64 => {
            return output_too_large(usize::try_from(found.len()).unwrap_or(usize::MAX));
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(OUTPUT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return bad(format!("the output file cannot be read: {error}"));
    }
    let Ok(text) = String::from_utf8(bytes) else { return bad("the output is not UTF-8".to_owned()) };
    match serde_json::from_str::<Box<RawValue>>(text.trim()) {
        Ok(value) => AttemptEnd::success(Some(value)),
        Err(error) => bad(format!("the output is not JSON: {error}")),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL, perhaps out of memory",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU, processor time limit",
        25 => "SIGXFSZ, file size limit",
        31 => "SIGSYS",
        _ => return String::new(),
    };
    format!(" ({name})")
}
