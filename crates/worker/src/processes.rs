//! The processes of this machine as `/proc` shows them at one moment.

use std::collections::HashMap;
use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process that has not been reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    /// 0 for the first process of a namespace.
    pub(crate) parent: i32,
    pub(crate) session: i32,
    pub(crate) is_zombie: bool,
}

/// All that can be seen. Those that start meanwhile may be missing.
pub(crate) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| look(Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?)).collect()
}

/// Signals a process if it is still the one that was meant: its number may have been used again since it was seen, by a
/// process that nobody may touch. False if it is not.
pub(crate) fn signal_if(pid: Pid, signal: Signal, is_meant: impl FnOnce(&Process) -> bool) -> bool {
    // The descriptor names one process for ever, so what holds after it was opened holds for what it names.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    let is_meant = look(pid).is_some_and(|found| is_meant(&found));
    if is_meant {
        // It may have ended since; that is what is wanted.
        let _ = pidfd_send_signal(&process, signal);
    }
    is_meant
}

fn look(pid: Pid) -> Option<Process> {
    parse(pid, &fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?)
}

/// Those below `root`, parents before children; `root` itself is not among them.
pub(crate) fn below(root: Pid, all: &[Process]) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<Pid>> = HashMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process.pid);
    }
    let mut found = children.remove(&root.as_raw_nonzero().get()).unwrap_or_default();
    let mut next = 0;
    while next < found.len() {
        // Removed, so that a number that was used again meanwhile makes no circle.
        found.extend(children.remove(&found[next].as_raw_nonzero().get()).unwrap_or_default());
        next += 1;
    }
    found
}

/// Reads `/proc/PID/stat`. The name in it is the process' own choice: any bytes, parentheses and line ends too.
fn parse(pid: Pid, stat: &[u8]) -> Option<Process> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = std::str::from_utf8(&stat[name_end + 1..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Process { pid, parent, session, is_zombie: matches!(state, "Z" | "X") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).expect("not 0")
    }

    #[test]
    fn a_name_cannot_forge_the_fields_behind_it() {
        let read = parse(pid(7), b"7 (a) Z 1 1 1 (\n\xff) S 3 4 5 0 -1").expect("fields");
        assert_eq!(read, Process { pid: pid(7), parent: 3, session: 5, is_zombie: false });
        assert!(parse(pid(7), b"7 (a) Z 3 4 5 0").expect("fields").is_zombie);
        for rubbish in [&b""[..], b"7", b"7 (a)", b"7 (a) S x 4 5", b"7 (a) S 3 4"] {
            assert_eq!(parse(pid(7), rubbish), None);
        }
    }

    #[test]
    fn a_tree_is_found_whatever_the_order_and_without_strangers() {
        let process = |(number, parent)| Process { pid: pid(number), parent, session: parent, is_zombie: false };
        let all: Vec<Process> = [(9, 5), (5, 2), (2, 1), (6, 2), (3, 1), (1, 0), (4, 3)].map(process).into();
        assert_eq!(below(pid(2), &all), [pid(5), pid(6), pid(9)]);
        assert_eq!(below(pid(9), &all), []);
    }

    #[test]
    fn only_the_process_that_was_meant_is_signalled() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().expect("it starts");
        let number = Pid::from_child(&child);
        assert!(!signal_if(number, Signal::KILL, |found| found.parent == 1));
        assert_eq!(child.try_wait().expect("it is a child"), None);
        let own = rustix::process::getpid().as_raw_nonzero().get();
        assert!(signal_if(number, Signal::KILL, |found| found.parent == own));
        child.wait().expect("it is a child");
        assert!(!signal_if(number, Signal::KILL, |_| true));
    }
}
