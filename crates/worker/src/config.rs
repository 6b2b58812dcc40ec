//! What a worker offers, and within which bounds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::Value;

use crate::handler::{Context, Handler, HandlerError};
use crate::random;
use crate::supervise::Limits;

/// What a worker is.
#[derive(Clone)]
pub struct WorkerConfig {
    /// The durable name under which it is paused and drained. Default: host name and eight random digits.
    pub worker_id: String,
    /// What the names of its sessions start with. Default nothing.
    pub session_prefix: String,
    /// The queues it serves; empty means every queue. Default empty.
    pub queues: Vec<String>,
    /// Labels that tasks may ask for. Default none.
    pub labels: BTreeMap<String, String>,
    /// How many attempts run at once. Default 64. No-ops without a sleep end as they are granted, so for them it is the
    /// size of a batch.
    pub concurrency: u32,
    /// How long a lease lasts without renewal. Default 15 s, at least 1 s.
    pub lease: Duration,
    /// How long one call may wait for work. Default 20 s.
    pub wait: Duration,
    /// How long running attempts may finish after the first signal. Default 30 s.
    pub drain_grace: Duration,
    /// Whether it runs `noop` tasks. Default yes.
    pub noop: bool,
    /// Whether and how it runs commands. Default `None`: not at all.
    pub shell: Option<ShellConfig>,
    /// Whether and how it runs `http` tasks. Default `None`: not at all.
    pub http: Option<HttpConfig>,
    /// Code of this program that runs tasks, see [`WorkerConfig::handle`].
    pub handlers: Handlers,
}

/// Handlers by task type.
#[derive(Clone, Default)]
pub struct Handlers {
    by_type: BTreeMap<String, Handler>,
}

impl Handlers {
    pub(crate) fn get(&self, kind: &str) -> Option<&Handler> {
        self.by_type.get(kind)
    }
}

/// How commands run.
#[derive(Clone, Debug)]
pub struct ShellConfig {
    /// The program that supervises each attempt, see [`crate::supervise::main`]. Default: this program.
    pub supervisor: PathBuf,
    /// Its arguments. Default `__supervise`.
    pub supervisor_arguments: Vec<OsString>,
    /// How long a tree may take to end after SIGTERM before SIGKILL. Default 5 s.
    pub kill_grace: Duration,
    /// Resource limits of each process. Default: no core dumps.
    pub limits: Limits,
    /// Processes in the tree of one attempt above which all of it is killed. Default 4,096.
    pub processes_max: usize,
    /// Where the fresh folders of attempts are made. Default: the system's temporary folder.
    pub scratch: PathBuf,
}

/// How `http` tasks run.
#[derive(Clone, Debug, Default)]
pub struct HttpConfig {
    /// Inside hosts that may be called: host names, addresses, or networks (`10.1.0.0/16`). Default none: loopback,
    /// private, link-local, multicast and metadata addresses are refused.
    pub allow: Vec<String>,
    /// Opens loopback addresses. Default no; for `dev`.
    pub allow_loopback: bool,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            worker_id: default_worker_id(),
            session_prefix: String::new(),
            queues: Vec::new(),
            labels: BTreeMap::new(),
            concurrency: 64,
            lease: Duration::from_secs(15),
            wait: Duration::from_secs(20),
            drain_grace: Duration::from_secs(30),
            noop: true,
            shell: None,
            http: None,
            handlers: Handlers::default(),
        }
    }
}

impl Default for ShellConfig {
    fn default() -> Self {
        Self {
            // `/proc/self/exe` still names the running program after its file was replaced by an upgrade.
            supervisor: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe")),
            supervisor_arguments: vec![OsString::from("__supervise")],
            kill_grace: Duration::from_secs(5),
            limits: Limits::default(),
            processes_max: 4_096,
            scratch: std::env::temp_dir(),
        }
    }
}

impl WorkerConfig {
    /// Registers the code that runs tasks of this type. It must not block its thread: use `spawn_blocking` inside.
    ///
    /// What it returns is the task's output; an error is a failure.
    pub fn handle<F, R>(&mut self, kind: impl Into<String>, handler: F) -> &mut Self
    where
        F: Fn(Context) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, HandlerError>> + Send + 'static,
    {
        self.handlers.by_type.insert(kind.into(), Arc::new(move |context| handler(context).boxed()));
        self
    }

    /// The executors it offers: task types, and `shell` where it runs commands.
    pub(crate) fn types(&self) -> Vec<String> {
        let built_in = [("noop", self.noop), ("shell", self.shell.is_some()), ("http", self.http.is_some())];
        let built_in = built_in.into_iter().filter(|(_, on)| *on).map(|(kind, _)| kind.to_owned());
        let mut types: Vec<String> = built_in.chain(self.handlers.by_type.keys().cloned()).collect();
        types.sort();
        types.dedup();
        types
    }
}

/// The host's name and eight random digits: two workers of one host never share an id by accident.
fn default_worker_id() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).take(80).collect();
    let host = if host.starts_with(|c: char| c.is_ascii_alphanumeric()) { host } else { "worker".to_owned() };
    format!("{host}-{}", random::hex::<4>())
}
