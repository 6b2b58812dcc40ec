//! The hidden process between the worker and the program of a shell attempt.
//!
//! ```text
//!  worker ──socket (stdin)──▶ supervisor ──fork, exec──▶ program ──▶ its children, daemons, orphans …
//!     ▲  ◀──── reports ─────      │  subreaper: every orphan of the tree becomes its child
//!     └────── stdout, stderr ─────┴── inherited by the program
//! ```
//! It keeps one promise: when it ends, nothing of the tree is left, neither running nor as a zombie. It ends the
//! tree when the program ends, when the worker says so, when the worker vanishes (end-of-file on the socket), and
//! when the lease that the worker last told it has run out, which also covers a worker that is stopped or hangs.
//! It is done only when the kernel says that it has no child left (`ECHILD`): every orphan below it was handed to it.

mod control;
mod launch;
mod order;
mod shelter;
mod tree;

use std::io;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, kill_process_group, pidfd_open, wait};

use rustix::system::sysinfo;

use crate::clock;
use control::{Control, Message};
pub use order::Limits;
pub(crate) use order::{Cause, Order, Report, SpawnError};

/// How long processes that outlive their program may finish by themselves, in milliseconds: the `tee` behind a
/// pipeline gets its end-of-file, a daemon is killed.
const STRAGGLERS_MS: u64 = 250;
/// How often the tree is counted while the program runs, in milliseconds.
const TICK_MS: u64 = 200;
/// How often the processes of the machine are, which costs next to nothing: where a tree doubles every few
/// milliseconds, a tick is long enough to use up every process number there is.
const GLANCE_MS: u64 = 20;

/// Entry point of the hidden `__supervise` process; `arguments` are those after that word and are not used yet.
/// Must run in a process of its own that has started no thread and no child.
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    drop(arguments);
    match supervise() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mainspring supervisor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn supervise() -> io::Result<()> {
    shelter::close_inherited();
    shelter::outlive_signals()?;
    // A session of its own: no terminal, and no signal meant for the worker's group. Fails only if it leads one already.
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // A program can stop its supervisor, but not keep it from seeing the end of its worker.
    rustix::process::set_parent_process_death_signal(Some(Signal::CONT))?;
    let mut control = Control::on_stdin()?;
    let Some(order) = control.read_order()? else { return Ok(()) };
    let scratch = order.scratch.clone();
    let program = match launch::launch(&order) {
        Ok(pid) => pid,
        Err(refusal) => {
            control.report(&Report::Refused(refusal));
            return Ok(());
        }
    };
    control.report(&Report::Started { pid: program.as_raw_nonzero().get() });
    let mut tree = Tree::new(program, &order)?;
    tree.watch(&mut control);
    let heard = control.report(&tree.report());
    // A worker that let the lease run out may never come back to do it, and has no use for the output.
    let is_alone = !heard || matches!(tree.cause, Cause::Abandoned | Cause::LeaseExpired);
    if let Some(scratch) = scratch.filter(|_| is_alone) {
        crate::scratch::remove(&scratch);
    }
    Ok(())
}

/// What is being done to the tree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The program runs.
    Running,
    /// The program ended; what it left behind may finish until then (monotonic milliseconds).
    Settling(u64),
    /// Told to end; killed then (monotonic milliseconds).
    Terminating(u64),
    /// Killed until none is left.
    Killing,
}

struct Tree {
    program: Pid,
    /// Readable once the program ended; `None` after it was reaped.
    ended: Option<OwnedFd>,
    status: Option<WaitStatus>,
    phase: Phase,
    cause: Cause,
    killed: u32,
    lease_until_ms: u64,
    processes_max: usize,
    ticked_ms: u64,
    /// Processes of the machine when the tree was counted.
    machine_then: usize,
}

impl Tree {
    fn new(program: Pid, order: &Order) -> io::Result<Self> {
        Ok(Self {
            program,
            ended: Some(pidfd_open(program, PidfdFlags::empty())?),
            status: None,
            phase: Phase::Running,
            cause: Cause::Exited,
            killed: 0,
            lease_until_ms: order.lease_until_ms,
            processes_max: order.processes_max,
            ticked_ms: 0,
            machine_then: usize::from(sysinfo().procs),
        })
    }

    /// Returns when nothing of the tree is left.
    fn watch(&mut self, control: &mut Control) {
        loop {
            if !self.reap() {
                return;
            }
            let now = clock::monotonic_ms();
            self.advance(now);
            let wait_ms = match self.phase {
                Phase::Running => self.lease_until_ms.saturating_sub(now).clamp(1, GLANCE_MS),
                Phase::Settling(_) | Phase::Terminating(_) => 5,
                Phase::Killing => 1,
            };
            self.wait(control, wait_ms);
            while let Some(message) = control.next() {
                self.obey(message);
            }
        }
    }

    /// Reaps whatever has ended; false once no child is left.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.program && !status.stopped() => {
                    self.status = Some(status);
                    self.ended = None;
                }
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    fn advance(&mut self, now: u64) {
        if now >= self.lease_until_ms && self.phase != Phase::Killing {
            self.end(Cause::LeaseExpired, Phase::Killing);
        }
        match self.phase {
            Phase::Running if self.status.is_some() => self.phase = Phase::Settling(now + STRAGGLERS_MS),
            Phase::Running if now >= self.ticked_ms + TICK_MS || self.machine_grew() => {
                self.ticked_ms = now;
                self.machine_then = usize::from(sysinfo().procs);
                if tree::descendants().len() > self.processes_max {
                    self.end(Cause::TooManyProcesses, Phase::Killing);
                }
            }
            Phase::Settling(until) | Phase::Terminating(until) if now >= until => self.phase = Phase::Killing,
            _ => {}
        }
        if self.phase == Phase::Killing {
            if self.status.is_none() {
                // Needs no `/proc`; its number is its own until it was reaped.
                let _ = kill_process_group(self.program, Signal::KILL);
            }
            self.killed = self.killed.saturating_add(tree::signal(Signal::KILL));
        }
    }

    /// Whether there are so many more processes than when the tree was counted that its limit may be near.
    fn machine_grew(&self) -> bool {
        usize::from(sysinfo().procs) > self.machine_then + self.processes_max / 4
    }

    fn obey(&mut self, message: Message) {
        match message {
            Message::Lease(until_ms) => self.lease_until_ms = self.lease_until_ms.max(until_ms),
            Message::Terminate(grace_ms) => {
                if matches!(self.phase, Phase::Running | Phase::Settling(_)) {
                    self.end(Cause::Told, Phase::Terminating(clock::monotonic_ms().saturating_add(grace_ms)));
                    self.killed = self.killed.saturating_add(tree::signal(Signal::TERM));
                    // A stopped process takes the signal only when it goes on.
                    tree::signal(Signal::CONT);
                }
            }
            Message::Kill => self.end(Cause::Told, Phase::Killing),
            Message::Gone => self.end(Cause::Abandoned, Phase::Killing),
        }
    }

    /// Begins the end of the tree. The first cause stands; that the worker has gone outranks it.
    fn end(&mut self, cause: Cause, phase: Phase) {
        if (self.cause == Cause::Exited && self.status.is_none()) || cause == Cause::Abandoned {
            self.cause = cause;
        }
        self.phase = phase;
    }

    fn wait(&self, control: &Control, wait_ms: u64) {
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::try_from(wait_ms.min(999)).unwrap_or(1) * 1_000_000 };
        let mut watched = Vec::with_capacity(2);
        if let Some(control) = control.fd() {
            watched.push(PollFd::from_borrowed_fd(control, PollFlags::IN));
        }
        if let Some(ended) = &self.ended {
            watched.push(PollFd::new(ended, PollFlags::IN));
        }
        // An error here is an interruption; the loop looks at everything anyway.
        let _ = poll(&mut watched, Some(&timeout));
    }

    fn report(&self) -> Report {
        Report::Ended {
            code: self.status.and_then(WaitStatus::exit_status),
            signal: self.status.and_then(WaitStatus::terminating_signal),
            cause: self.cause,
            killed: self.killed,
        }
    }
}
