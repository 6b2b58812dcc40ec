//! What a command sees: a clean environment, and a fresh folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use mainspring_protocol::exchange::GrantMessage;

use crate::attempt::AttemptEnd;
use crate::config::ShellConfig;
use crate::{random, scratch};

/// What is taken over from the worker's own environment; nothing else is, least of all its secrets.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];
/// `PATH` where the worker has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The folders of one attempt. Dropping it removes them.
pub(super) struct Scratch {
    folder: PathBuf,
    /// Where the program starts.
    pub(super) cwd: PathBuf,
    /// Where it may write its output.
    pub(super) output: PathBuf,
    /// Where it may say how far it got.
    pub(super) progress: PathBuf,
}

impl Scratch {
    pub(super) fn new(config: &ShellConfig, grant: &GrantMessage) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mainspring-").tempdir_in(&config.scratch)?.keep();
        let (output, progress) = (folder.join("output.json"), folder.join("progress.json"));
        // From here on it is removed, also if the rest fails.
        let mut made = Self { cwd: folder.join("work"), output, progress, folder };
        match &grant.working_dir {
            Some(given) => made.cwd = PathBuf::from(given),
            None => fs::create_dir(&made.cwd)?,
        }
        let files =
            [("payload.json", &grant.payload), ("input.json", &grant.input), ("checkpoint.json", &grant.checkpoint)];
        for (name, text) in files {
            if let Some(text) = text {
                fs::write(made.folder.join(name), text.get())?;
            }
        }
        Ok(made)
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        scratch::remove(&self.folder);
    }
}

/// The environment of a command: the inherited names, the task's own, and the `MAINSPRING_*` ones, which win.
///
/// `MAINSPRING_PAYLOAD`, `MAINSPRING_INPUT` and `MAINSPRING_CHECKPOINT` name files, and are set only where there is
/// something in them; `MAINSPRING_OUTPUT` and `MAINSPRING_PROGRESS` name files that the command may write.
pub(super) fn environment(grant: &GrantMessage, scratch: &Scratch) -> Vec<(String, String)> {
    let mut all: BTreeMap<String, String> = BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
    all.extend(INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))));
    all.extend(grant.env.clone());
    let file = |name: &str| scratch.path().join(name).to_string_lossy().into_owned();
    let own = [
        ("TASK_ID", Some(grant.task_id.clone())),
        ("JOB_ID", grant.job_id.clone()),
        ("ATTEMPT", Some(grant.attempt.to_string())),
        ("GENERATION", Some(grant.generation.to_string())),
        ("TOKEN", Some(grant.token.clone())),
        ("FENCE", Some(grant.fence.to_string())),
        ("OUTPUT", Some(scratch.output.to_string_lossy().into_owned())),
        ("PAYLOAD", grant.payload.is_some().then(|| file("payload.json"))),
        ("INPUT", grant.input.is_some().then(|| file("input.json"))),
        ("CHECKPOINT", grant.checkpoint.is_some().then(|| file("checkpoint.json"))),
        ("PROGRESS", Some(scratch.progress.to_string_lossy().into_owned())),
    ];
    all.extend(own.into_iter().filter_map(|(name, value)| Some((format!("MAINSPRING_{name}"), value?))));
    all.insert("TRACEPARENT".to_owned(), grant.traceparent.clone().unwrap_or_else(random::traceparent));
    all.into_iter().collect()
}

/// What to start: the list as it is, or the script for `sh -c`. A script may have a program's arguments no more than a
/// command may have a NUL: those are refused here, in words.
pub(super) fn argv(grant: &GrantMessage) -> Result<Vec<String>, AttemptEnd> {
    let argv = match (&grant.command, &grant.run) {
        (Some(_), Some(_)) => return Err(bad("a task has `command` or `run`, not both")),
        (Some(command), None) => command.clone(),
        (None, Some(script)) => vec!["sh".to_owned(), "-c".to_owned(), script.clone()],
        (None, None) => Vec::new(),
    };
    if argv.first().is_none_or(String::is_empty) {
        return Err(bad("the command is empty"));
    }
    if let Some(index) = argv.iter().position(|argument| argument.contains('\0')) {
        return Err(bad(format!("argument {index} of the command contains a NUL byte")));
    }
    for (name, value) in &grant.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(bad(format!("`{}` is not the name of an environment variable", name.escape_debug())));
        }
        if value.contains('\0') {
            return Err(bad(format!("the environment variable `{name}` contains a NUL byte")));
        }
    }
    if grant.working_dir.as_ref().is_some_and(|folder| folder.contains('\0')) {
        return Err(bad("`workingDir` contains a NUL byte"));
    }
    Ok(argv)
}

fn bad(message: impl Into<String>) -> AttemptEnd {
    AttemptEnd::failure("spawn_failed", message).retryable(false)
}
