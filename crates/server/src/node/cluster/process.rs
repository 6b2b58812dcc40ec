//! Names this process so that another one on the same machine can tell whether it is gone. A restart after a crash then
//! need not wait until a beat is seen to stand still. Elsewhere, and where `/proc` is not there, it must.

use std::fs;

/// Where this process is, for people.
pub(super) fn about() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "unknown host" } else { host.trim() };
    format!("host {host}, process {}", std::process::id())
}

/// The machine since its start, and the space of process ids: only inside both does an id mean the same.
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), space.display()))
}

/// When a process was started, in ticks since the machine was; `None` if it is not there or has ended.
fn started(process: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the name in parentheses, which may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18).map(str::to_owned) }
}

/// The name of this process: its place, its id and its start, or nothing where that cannot be known.
pub(super) fn name() -> String {
    let id = std::process::id().to_string();
    let known = place().zip(started(&id));
    known.map_or_else(String::new, |(place, start)| format!("{place} {id} {start}"))
}

/// Whether the process of this name has surely ended.
pub(super) fn is_gone(name: &str) -> bool {
    let Some((rest, start)) = name.rsplit_once(' ') else { return false };
    let Some((there, id)) = rest.rsplit_once(' ') else { return false };
    // Where the system hides the processes of others, the first one is not seen either.
    let sees_others = fs::metadata("/proc/1").is_ok();
    sees_others && place().is_some_and(|here| here == there) && started(id).is_none_or(|now| now != start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_lives_is_not_gone_and_one_that_ended_is() {
        let mine = name();
        assert!(!is_gone(&mine), "{mine}");
        let (rest, start) = mine.rsplit_once(' ').expect("this system has /proc");
        assert!(is_gone(&format!("{rest} 1{start}")), "the id was given to another process");
        let mut child = std::process::Command::new("true").spawn().expect("it can be started");
        child.wait().expect("it ends");
        let ended = format!("{} {} 1", place().expect("this system has /proc"), child.id());
        assert!(is_gone(&ended));
    }

    #[test]
    fn nothing_is_said_of_a_process_elsewhere() {
        for name in ["", "x", "x y", "another-boot pid:[1] 1 1", "1 1"] {
            assert!(!is_gone(name), "{name}");
        }
    }
}
