//! Ends what a supervisor left behind that was killed before it could keep its promise: the processes of its session,
//! those that carry the attempt's token in the environment they were started with, and all below them.

use std::collections::HashSet;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::clock;
use crate::processes::{self, Process};

/// How long it is tried. What a kill does not end by then waits for a device.
const PATIENCE: Duration = Duration::from_secs(5);

/// Kills again and again until nothing is found. Reads `/proc` in its caller's thread: where programs have used up what
/// the system has, there may be no thread to be had for it.
pub(super) async fn sweep(session: Option<u32>, mark: &str) {
    let session = session.and_then(|session| i32::try_from(session).ok()).filter(|session| *session > 0);
    let until = clock::now() + PATIENCE;
    loop {
        let found = remains(session, mark);
        if found.is_empty() || clock::now() >= until {
            return;
        }
        let parents: HashSet<i32> = found.iter().map(|pid| pid.as_raw_nonzero().get()).collect();
        for pid in found {
            processes::signal_if(pid, Signal::KILL, |process| {
                belongs(process, session, mark) || parents.contains(&process.parent)
            });
        }
        // A killed process takes a moment to go.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn belongs(process: &Process, session: Option<i32>, mark: &str) -> bool {
    let number = process.pid.as_raw_nonzero().get();
    Some(number) != session && (Some(process.session) == session || carries(number, mark))
}

fn remains(session: Option<i32>, mark: &str) -> Vec<Pid> {
    let all = processes::all();
    let roots: Vec<Pid> =
        all.iter().filter(|process| belongs(process, session, mark)).map(|process| process.pid).collect();
    let mut found: Vec<Pid> =
        roots.iter().flat_map(|root| processes::below(*root, &all)).chain(roots.clone()).collect();
    found.sort_by_key(|pid| pid.as_raw_nonzero());
    found.dedup();
    let is_zombie = |pid: &Pid| all.iter().any(|process| process.pid == *pid && process.is_zombie);
    found.retain(|pid| !is_zombie(pid));
    found
}

/// Whether a process was started with this variable. The environment of a zombie reads as empty.
fn carries(pid: i32, mark: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()))
}
