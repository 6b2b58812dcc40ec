//! The worker's end of the line to a supervisor.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::Mutex;

use super::sweep::sweep;
use crate::clock;
use crate::config::ShellConfig;
use crate::supervise::{Order, Report};

/// A supervisor that was started, and both ends of the talk with it. Dropping it closes the socket, which ends the tree.
pub(super) struct Supervised {
    pub(super) process: Supervisor,
    pub(super) reports: Reports,
    pub(super) orders: Orders,
}

/// The process itself.
pub(super) struct Supervisor {
    child: Child,
}

/// What the supervisor says.
pub(super) struct Reports {
    socket: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

/// What it is told.
pub(super) struct Orders {
    socket: Mutex<OwnedWriteHalf>,
    /// The supervisor. Its number is its own: nobody reaps it before its reports have ended.
    pid: Option<Pid>,
}

impl Supervised {
    /// Starts a supervisor and hands it the order. What goes wrong with the program itself comes as a report.
    pub(super) async fn start(config: &ShellConfig, order: &Order) -> io::Result<Self> {
        let (ours, theirs) = Socket::pair()?;
        ours.set_nonblocking(true)?;
        let child = Command::new(&config.supervisor)
            .args(&config.supervisor_arguments)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (read, mut write) = UnixStream::from_std(ours)?.into_split();
        let frame = serde_json::to_vec(order).expect("an order is plain data");
        let length = u32::try_from(frame.len()).map_err(|_| io::Error::other("the command is longer than 4 GiB"))?;
        // A supervisor that dies at once is seen where its reports end.
        let _ = write.write_all(&[&length.to_be_bytes()[..], &frame].concat()).await;
        let reports = Reports { socket: BufReader::new(read), line: Vec::new() };
        let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let orders = Orders { socket: Mutex::new(write), pid };
        Ok(Self { process: Supervisor { child }, reports, orders })
    }
}

impl Supervisor {
    pub(super) fn take_output(&mut self) -> (ChildStdout, ChildStderr) {
        let stdout = self.child.stdout.take().expect("it was started with a pipe");
        (stdout, self.child.stderr.take().expect("it was started with a pipe"))
    }

    /// Waits until it is gone, having said its last word and left nothing behind.
    pub(super) async fn finish(&mut self) {
        // It has nothing else to do, and an error means that somebody else reaped it.
        let _ = self.child.wait().await;
    }

    /// Ends one whose promise is void: it was killed, or cannot keep it. What it leaves behind is looked for.
    pub(super) async fn break_off(&mut self, token: &str) {
        let _ = self.child.start_kill();
        // As long as it was not waited for, its number names its session and nothing else.
        let (session, mark) = (self.child.id(), format!("MAINSPRING_TOKEN={token}"));
        sweep(session, &mark).await;
        self.finish().await;
    }
}

impl Reports {
    /// The next report; `None` if it ended without the last one. Safe to drop half-way.
    pub(super) async fn next(&mut self) -> Option<Report> {
        loop {
            match self.socket.read_until(b'\n', &mut self.line).await {
                Ok(0) | Err(_) => return None,
                Ok(_) if self.line.ends_with(b"\n") => {
                    let report = serde_json::from_slice(&self.line).ok();
                    self.line.clear();
                    return report;
                }
                Ok(_) => {}
            }
        }
    }
}

impl Orders {
    /// The lease lasts until then.
    pub(super) async fn renew(&self, until_ms: u64) {
        self.wake();
        self.order(&format!("L{until_ms}\n")).await;
    }

    /// Ends the tree: at once, or after a grace.
    pub(super) async fn end(&self, grace: Option<Duration>) {
        match grace {
            Some(grace) => self.order(&format!("T{}\n", clock::millis(grace))).await,
            None => self.order("K\n").await,
        }
        self.wake();
    }

    /// Has it go on if its program stopped it.
    pub(super) fn wake(&self) {
        if let Some(pid) = self.pid {
            let _ = kill_process(pid, Signal::CONT);
        }
    }

    async fn order(&self, line: &str) {
        // One that is gone needs no orders.
        let _ = self.socket.lock().await.write_all(line.as_bytes()).await;
    }
}
