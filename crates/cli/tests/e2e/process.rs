//! The binary's processes under test: a server and its workers, started, killed, stopped and continued.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{self, Reply};
use crate::postgres::Postgres;
use crate::redis::Redis;
use crate::wait;

/// The binary.
pub(crate) fn mainspring() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainspring"));
    command.stdin(Stdio::null()).env_remove("MAINSPRING_URL").env_remove("MAINSPRING_STORE");
    command
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the crate lies in the workspace")
}

/// A running process of ours, killed when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command whose output is added to the file `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let open = || File::options().create(true).append(true).open(log).expect("the log can be opened");
        let child = command.stdout(open()).stderr(open()).process_group(0).spawn().expect("the binary starts");
        Self { child, log: log.to_path_buf() }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the process is ours and was not waited for");
    }

    /// Kills it at once, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("a killed process ends");
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process is ours")
    }

    /// Everything that it and its predecessors printed.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.signal(Signal::CONT);
            self.kill();
        }
        if std::thread::panicking() {
            let printed = self.printed();
            let tail: Vec<&str> = printed.lines().rev().take(40).collect();
            eprintln!("--- the end of {} ---", self.log.display());
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}

/// Where a server keeps its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    Redis,
}

/// Makes a test of each function, once per store.
macro_rules! on_every_store {
    ($($name:ident)*) => {$(
        mod $name {
            use crate::process::Kind;

            #[test]
            fn sqlite() {
                super::$name(Kind::Sqlite);
            }

            #[test]
            fn postgres() {
                super::$name(Kind::Postgres);
            }

            #[test]
            fn redis() {
                super::$name(Kind::Redis);
            }
        }
    )*};
}
pub(crate) use on_every_store;

/// A place for a server: a folder, a port that stays the same over restarts, and whatever runs there.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) store: String,
    /// The database of the place's own, if it has one; ended before its folder goes.
    _database: Option<Database>,
    pub(crate) folder: TempDir,
}

#[expect(dead_code, reason = "they live as long as their place")]
enum Database {
    Postgres(Postgres),
    Redis(Redis),
}

impl Place {
    /// A fresh folder and a free port, for a server on a file.
    pub(crate) fn new() -> Self {
        Self::on(Kind::Sqlite)
    }

    /// A fresh folder, a free port, and a database of the test's own.
    pub(crate) fn on(kind: Kind) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let (store, database) = match kind {
            Kind::Sqlite => (format!("sqlite:{}", folder.path().join("store.db").display()), None),
            Kind::Postgres => {
                let database = Postgres::start();
                (database.url(), Some(Database::Postgres(database)))
            }
            Kind::Redis => {
                let database = Redis::start(folder.path());
                (database.url(), Some(Database::Redis(database)))
            }
        };
        Self { address: free_address(), store, _database: database, folder }
    }

    /// A place for another server on the same store.
    pub(crate) fn beside(other: &Self) -> Self {
        Self::at(other.store.clone())
    }

    /// A place for a server on a store that somebody else keeps.
    pub(crate) fn at(store: String) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        Self { address: free_address(), store, _database: None, folder }
    }

    /// A path inside the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The store's URL.
    pub(crate) fn store(&self) -> String {
        self.store.clone()
    }

    /// `mainspring serve` or `dev` here, not yet started.
    pub(crate) fn command(&self, mode: &str) -> Command {
        let mut command = mainspring();
        command.current_dir(self.folder.path()).arg(mode);
        command.args(["--listen", &self.address.to_string(), "--store", &self.store()]);
        command
    }

    /// Starts `mainspring serve` or `dev` and waits until it is ready.
    pub(crate) fn start(&self, mode: &str) -> Process {
        self.start_with(self.command(mode))
    }

    /// Starts a server command and waits until it is ready.
    pub(crate) fn start_with(&self, mut command: Command) -> Process {
        let mut server = Process::start(&mut command, &self.path("server.log"));
        self.wait_until_ready(&mut server);
        server
    }

    /// Waits until the server answers that it can take work.
    pub(crate) fn wait_until_ready(&self, server: &mut Process) {
        wait::until(30, "ready server", || {
            if let Some(status) = server.ended() {
                panic!("the server ended with {status}: {}", server.printed());
            }
            self.try_call("GET", "/readyz", None).ok().filter(|reply| reply.status == 200)
        });
    }

    /// Starts a worker process of the server here that runs commands.
    pub(crate) fn worker(&self, name: &str, arguments: &[&str]) -> Process {
        self.worker_at(self.address, name, arguments)
    }

    /// The same, by way of another address.
    pub(crate) fn worker_at(&self, server: SocketAddr, name: &str, arguments: &[&str]) -> Process {
        let mut command = mainspring();
        command.current_dir(self.folder.path());
        command.args(["worker", "--shell", "--worker-id", name, "--server", &format!("http://{server}")]);
        command.args(arguments);
        Process::start(&mut command, &self.path(&format!("{name}.log")))
    }

    /// A request that may meet a dead server.
    pub(crate) fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Reply> {
        http::call(self.address, method, path, body)
    }

    /// A request that must be answered with a status below 300; its body.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let reply = self.try_call(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!(reply.status < 300, "{method} {path}: {} {}", reply.status, reply.body);
        reply.body
    }

    /// Waits until the task or job at this path has ended; its JSON.
    pub(crate) fn wait_for_end(&self, path: &str, seconds: u64) -> Value {
        wait::until(seconds, &format!("end of {path}"), || {
            let reply = self.try_call("GET", &format!("{path}?wait=5s"), None).ok()?;
            let status = reply.body["status"].as_str()?;
            matches!(status, "completed" | "failed" | "cancelled" | "skipped").then_some(reply.body)
        })
    }

    /// The attempts at this path, in order.
    pub(crate) fn attempts(&self, path: &str) -> Vec<Value> {
        let body = self.call("GET", &format!("{path}/attempts"), None);
        body["items"].as_array().expect("attempts come as items").clone()
    }
}

pub(crate) fn free_address() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    free.local_addr().expect("a bound socket has an address")
}

/// Says that a test did not run; the closing tally counts it. Goes past the harness' capture.
pub(crate) fn skip(name: &str, reason: &str) {
    use std::io::Write as _;
    writeln!(io::stderr(), "skipped: {name}: {reason}").expect("standard error is open");
}
