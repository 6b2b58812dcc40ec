//! The processes below this one.
//!
//! A tree that forks while it is being read is never seen whole, so nobody may rely on one reading: the caller repeats
//! until the kernel says that no child is left. Groups are signalled as groups, because the kernel does that
//! atomically against `fork`.

use std::collections::HashSet;
use std::fs;

use rustix::process::{Pid, Signal, getpgid, getpgrp, getpid, kill_process_group};

use crate::processes;

/// The descendants of this process at this moment, zombies included.
pub(super) fn descendants() -> Vec<Pid> {
    listed(getpid()).unwrap_or_else(|| processes::below(getpid(), &processes::all()))
}

/// Signals every descendant and says how many there were. A kill also goes to their process groups.
pub(super) fn signal(signal: Signal) -> u32 {
    let (own, own_group) = (getpid(), getpgrp());
    let all = descendants();
    // Whose children are of the tree. Orphans of it are this process' own.
    let parents: HashSet<i32> = all.iter().chain([&own]).map(|pid| pid.as_raw_nonzero().get()).collect();
    let mut groups: HashSet<Pid> = HashSet::from([own_group]);
    for pid in &all {
        processes::signal_if(*pid, signal, |process| {
            let is_below = parents.contains(&process.parent);
            if is_below
                && signal == Signal::KILL
                && let Ok(group) = getpgid(Some(*pid))
                && groups.insert(group)
            {
                let _ = kill_process_group(group, signal);
            }
            is_below
        });
    }
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

/// Those below `root` by the kernel's own lists of children; `None` where it keeps none (some containers and sandboxes).
fn listed(root: Pid) -> Option<Vec<Pid>> {
    let mut found = children_of(root)?;
    let mut next = 0;
    while next < found.len() {
        found.extend(children_of(found[next]).unwrap_or_default());
        next += 1;
    }
    Some(found)
}

fn children_of(parent: Pid) -> Option<Vec<Pid>> {
    // Children belong to the thread that forked them.
    let threads = fs::read_dir(format!("/proc/{}/task", parent.as_raw_nonzero())).ok()?;
    let lists: Vec<String> =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok()).collect();
    let numbers = lists.iter().flat_map(|list| list.split_ascii_whitespace());
    (!lists.is_empty()).then(|| numbers.filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::process::kill_process;

    use super::*;

    #[test]
    fn both_ways_to_find_the_tree_find_the_same() {
        let mut shell = Command::new("sh")
            .args(["-c", "(sleep 1000; :) & (sleep 1000; :) & echo up; read _"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let root = Pid::from_child(&shell);
        let (mut listing, mut scan) = (Vec::new(), Vec::new());
        for _ in 0..10_000 {
            listing = listed(root).unwrap_or_default();
            scan = processes::below(root, &processes::all());
            if listing.len() >= 4 && scan.len() >= 4 {
                break;
            }
            std::thread::yield_now();
        }
        listing.sort_by_key(|pid| pid.as_raw_nonzero());
        scan.sort_by_key(|pid| pid.as_raw_nonzero());
        for pid in listing.iter().chain([&root]) {
            let _ = kill_process(*pid, Signal::KILL);
        }
        shell.wait().expect("it is a child");
        assert_eq!(listing.len(), 4);
        assert_eq!(listing, scan);
    }
}
