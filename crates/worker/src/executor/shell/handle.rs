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

use crate::clock;
use crate::config::ShellConfig;
use crate::supervise::{Order, Report};

/// A running supervisor. Dropping it closes the socket, which ends the tree.
pub(super) struct Supervised {
    child: Child,
    pub(super) reports: Reports,
    pub(super) orders: Orders,
}

/// What the supervisor says.
pub(super) struct Reports {
    socket: BufReader<OwnedReadHalf>,
    line: Vec<u8>,
}

/// What it is told.
pub(super) struct Orders {
    socket: Mutex<OwnedWriteHalf>,
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
        Ok(Self { child, reports, orders: Orders { socket: Mutex::new(write) } })
    }

    pub(super) fn take_output(&mut self) -> (ChildStdout, ChildStderr) {
        let stdout = self.child.stdout.take().expect("it was started with a pipe");
        (stdout, self.child.stderr.take().expect("it was started with a pipe"))
    }

    /// Waits until the supervisor itself is gone. If it was killed, so that its promise is void, kills what carries
    /// the attempt's token in its environment.
    pub(super) async fn finish(mut self, token: &str) {
        let status = self.child.wait().await;
        if status.is_ok_and(|status| status.success()) {
            return;
        }
        let mark = format!("MAINSPRING_TOKEN={token}");
        let swept = tokio::task::spawn_blocking(move || {
            while carriers(&mark).into_iter().any(|pid| kill_process(pid, Signal::KILL).is_ok()) {
                std::thread::yield_now();
            }
        });
        let _ = swept.await;
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
        self.order(&format!("L{until_ms}\n")).await;
    }

    /// Ends the tree: at once, or after a grace.
    pub(super) async fn end(&self, grace: Option<Duration>) {
        match grace {
            Some(grace) => self.order(&format!("T{}\n", clock::millis(grace))).await,
            None => self.order("K\n").await,
        }
    }

    async fn order(&self, line: &str) {
        // One that is gone needs no orders.
        let _ = self.socket.lock().await.write_all(line.as_bytes()).await;
    }
}

/// The live processes that have this variable in the environment they were started with.
fn carriers(mark: &str) -> Vec<Pid> {
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let numbers = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let carries = |pid: &i32| {
        // The environment of a zombie reads as empty.
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()))
    };
    numbers.filter(carries).filter_map(Pid::from_raw).collect()
}
