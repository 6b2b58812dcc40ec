//! Starts the program of a shell attempt, and says in words why it could not.

use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};

use super::order::{Limits, Order, SpawnError};

/// Starts it in a process group of its own, under the limits, with nothing on standard input.
pub(super) fn launch(order: &Order) -> Result<Pid, SpawnError> {
    if !order.cwd.is_dir() {
        let what = if order.cwd.exists() { "is not a folder" } else { "does not exist" };
        return Err(permanent(format!("working directory `{}` {what}", order.cwd.display())));
    }
    limit(&order.limits)?;
    let (program, arguments) = order.argv.split_first().ok_or_else(|| permanent("the command is empty".to_owned()))?;
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&order.cwd)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| explain(&error, order, program))?;
    // The child is waited for together with its orphans, by number.
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| permanent("no process number".to_owned()))
}

/// The supervisor lives under the limits too: that is how its child gets them without a moment in between.
fn limit(limits: &Limits) -> Result<(), SpawnError> {
    let all = [
        (Resource::Core, limits.core_bytes, "core_bytes"),
        (Resource::Cpu, limits.cpu_seconds, "cpu_seconds"),
        (Resource::Fsize, limits.file_bytes, "file_bytes"),
        (Resource::As, limits.memory_bytes, "memory_bytes"),
        (Resource::Nofile, limits.open_files, "open_files"),
        (Resource::Nproc, limits.user_processes, "user_processes"),
    ];
    for (resource, value, name) in all {
        let Some(value) = value else { continue };
        // Lowering only: a limit above what the worker itself has means the worker's.
        let value = getrlimit(resource).maximum.map_or(value, |own| own.min(value));
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
            .map_err(|error| permanent(format!("cannot set the limit `{name}` to {value}: {error}")))?;
    }
    Ok(())
}

fn explain(error: &io::Error, order: &Order, program: &str) -> SpawnError {
    let path = Path::new(program);
    let there = if path.is_absolute() { path.to_owned() } else { order.cwd.join(path) };
    let message = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) if program.contains('/') && there.exists() => {
            format!("cannot run `{program}`: the interpreter named in its first line does not exist")
        }
        Some(Errno::NOENT) if program.contains('/') => format!("command not found: `{program}` does not exist"),
        Some(Errno::NOENT) => {
            let path = order.env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, path)| path);
            format!("command not found: `{program}` is in no folder of PATH ({path})")
        }
        Some(Errno::ACCESS) if there.is_dir() => format!("cannot run `{program}`: it is a folder"),
        Some(Errno::ACCESS) => format!("cannot run `{program}`: it is not executable by this user"),
        Some(Errno::NOEXEC) => {
            format!("cannot run `{program}`: neither a program nor a script with a first line `#!…`")
        }
        Some(Errno::TOOBIG) => {
            let bytes: usize = order.argv.iter().map(|argument| argument.len() + 1).sum();
            format!("cannot run `{program}`: its arguments ({bytes} bytes) and environment are too long for the system")
        }
        Some(Errno::AGAIN) => format!("cannot run `{program}`: no more processes are allowed to this user"),
        _ => format!("cannot run `{program}`: {error}"),
    };
    let transient =
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::OutOfMemory | ErrorKind::ExecutableFileBusy);
    SpawnError { message, transient }
}

fn permanent(message: String) -> SpawnError {
    SpawnError { message, transient: false }
}
