//! The processes below this one.
//!
//! A tree that forks while it is being read is never seen whole, so nobody may rely on one reading: the caller repeats
//! until the kernel says that no child is left. Groups are signalled as groups, because the kernel does that
//! atomically against `fork`.

use std::fs;

use rustix::process::{Pid, Signal, getpgid, getpgrp, getpid, kill_process, kill_process_group};

/// The descendants of this process at this moment, zombies included.
pub(super) fn descendants() -> Vec<Pid> {
    let mut found = Vec::new();
    let mut next = 0;
    children_of(getpid(), &mut found);
    while next < found.len() {
        children_of(found[next], &mut found);
        next += 1;
    }
    found
}

/// Signals every descendant and says how many there were. A kill also goes to their process groups.
pub(super) fn signal(signal: Signal) -> u32 {
    let own = getpgrp();
    let all = descendants();
    let mut groups: Vec<Pid> = Vec::new();
    for pid in &all {
        if signal == Signal::KILL
            && let Ok(group) = getpgid(Some(*pid))
            && group != own
            && !groups.contains(&group)
        {
            let _ = kill_process_group(group, signal);
            groups.push(group);
        }
        // It may have gone since; that is what is wanted.
        let _ = kill_process(*pid, signal);
    }
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

fn children_of(parent: Pid, into: &mut Vec<Pid>) {
    // Children belong to the thread that forked them.
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", parent.as_raw_nonzero())) else { return };
    for thread in threads.flatten() {
        let Ok(children) = fs::read_to_string(thread.path().join("children")) else { continue };
        into.extend(children.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)));
    }
}
