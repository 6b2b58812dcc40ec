//! What the supervisor does first, so that nothing that the worker was started with reaches the program or the
//! supervisor itself.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

/// Signals that end a process unless it says otherwise. A service manager that stops a worker may send them to every
/// process of it; the worker decides what they mean for the attempt. SIGCHLD ends nothing, but where it was ignored
/// the kernel would reap the program unseen.
const HEARD: [i32; 9] = [SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];
/// Descriptors looked at where the system does not list them.
const DESCRIPTORS_MAX: i32 = 1_024;

/// Takes the signals and drops them. `exec` gives the program their defaults back, which it would not do if they were
/// ignored.
pub(super) fn outlive_signals() -> io::Result<()> {
    for signal in HEARD {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// Closes every descriptor but standard input, output and error: somebody may have started the worker with others, and
/// a program that holds a lock, a socket or a pipe of theirs holds them up.
pub(super) fn close_inherited() {
    let listed = std::fs::read_dir("/proc/self/fd").map(|entries| {
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect::<Vec<i32>>()
    });
    let all = listed.unwrap_or_else(|_| (3..DESCRIPTORS_MAX).collect());
    for descriptor in all.into_iter().filter(|descriptor| *descriptor > 2) {
        // The one that listed them is closed by now; the rest is nobody's in a program that has just begun.
        let _ = nix::unistd::close(descriptor);
    }
}
