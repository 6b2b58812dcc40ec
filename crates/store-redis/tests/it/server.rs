//! A Redis server of a test's own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use tempfile::TempDir;

use crate::clock::until;

/// A running server; killed with the value.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    words: Vec<String>,
    folder: TempDir,
    child: Child,
}

impl RedisServer {
    /// Starts one that keeps an append-only file.
    pub(crate) fn start() -> Self {
        Self::with(&["--appendonly", "yes", "--appendfsync", "everysec"])
    }

    /// Starts one that may be a part of a cluster.
    pub(crate) fn of_cluster() -> Self {
        // The usual place of the second port, 10,000 higher, may not exist.
        let bus = free_port().to_string();
        Self::with(&["--appendonly", "yes", "--cluster-enabled", "yes", "--cluster-port", &bus])
    }

    /// Starts one with these words on its command line.
    pub(crate) fn with(words: &[&str]) -> Self {
        Self::over(tempfile::tempdir().expect("a temporary folder can be made"), words)
    }

    /// Starts one over the files of this folder.
    pub(crate) fn over(folder: TempDir, words: &[&str]) -> Self {
        let port = free_port();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let child = spawn(port, folder.path(), &words);
        let server = Self { port, words, folder, child };
        server.wait();
        server
    }

    /// Waits until it answers.
    fn wait(&self) {
        until("Redis starts", || {
            let answer = self.cli(&["ping"]);
            ["PONG", "NOAUTH", "MASTERDOWN"].iter().any(|word| answer.contains(word)).then_some(())
        });
    }

    /// Kills it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Starts it again on its port and files.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, self.folder.path(), &self.words);
        self.wait();
    }

    /// What `redis-cli` answers, trimmed.
    pub(crate) fn cli(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(words).output();
        let output = output.expect("redis-cli is installed");
        let answer = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        answer.trim().to_owned()
    }

    /// The URL of a fresh database of one shard.
    pub(crate) fn url(&self) -> String {
        self.url_of(1)
    }

    /// The URL of a fresh database of so many shards.
    pub(crate) fn url_of(&self, shards: u16) -> String {
        format!("redis://127.0.0.1:{}/0?shards={shards}&prefix={}", self.port, fresh_prefix())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A port that nobody listens on. It lies below those that the system gives to connections, and is given once: a server that
/// is killed and started again finds it free.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 20) as u16 * 1_000;
    loop {
        let port = 10_000 + (first + TAKEN.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A prefix that no other test has.
pub(crate) fn fresh_prefix() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Starts a server under a shell that kills it once its own input ends: with [`end`], or with this process.
fn spawn(port: u16, folder: &Path, words: &[String]) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", r#"redis-server "$@" & read _; kill -9 $!; wait"#, "sh"]);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]).arg("--dir").arg(folder);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("a shell is installed")
}

/// Kills the server of a shell.
fn end(shell: &mut Child) {
    drop(shell.stdin.take());
    _ = shell.wait();
}

/// The server that tests share which do not harm it.
pub(crate) fn shared() -> &'static RedisServer {
    static SHARED: OnceLock<RedisServer> = OnceLock::new();
    SHARED.get_or_init(RedisServer::start)
}
