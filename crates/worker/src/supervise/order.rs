//! What worker and supervisor say to each other. Both are the same program, so this is no stable format.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The first frame: what to run. Its length (four bytes, big-endian) precedes its JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: PathBuf,
    /// A folder to remove if the worker vanishes.
    pub(crate) scratch: Option<PathBuf>,
    pub(crate) limits: Limits,
    /// Until when the attempt may run unless told otherwise, in milliseconds of the monotonic clock.
    pub(crate) lease_until_ms: u64,
    /// Processes in the tree above which all of it is killed.
    pub(crate) processes_max: usize,
}

/// Resource limits (`setrlimit(2)`) of each process of a shell attempt. `None` leaves the worker's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of a core dump. Default 0: none.
    pub core_bytes: Option<u64>,
    /// Seconds of processor time of one process.
    pub cpu_seconds: Option<u64>,
    /// Bytes of one file.
    pub file_bytes: Option<u64>,
    /// Bytes of address space of one process.
    pub memory_bytes: Option<u64>,
    /// Open files of one process.
    pub open_files: Option<u64>,
    /// Processes of the user the worker runs as, counted over the whole machine; the superuser is exempt.
    pub user_processes: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            core_bytes: Some(0),
            cpu_seconds: None,
            file_bytes: None,
            memory_bytes: None,
            open_files: None,
            user_processes: None,
        }
    }
}

/// What the supervisor tells the worker: one JSON object a line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The program runs.
    Started { pid: i32 },
    /// It could not be started. Nothing follows.
    Refused(SpawnError),
    /// Nothing of the tree is left. Nothing follows.
    Ended { code: Option<i32>, signal: Option<i32>, cause: Cause, killed: u32 },
}

/// Why a program could not be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpawnError {
    pub(crate) message: String,
    /// Whether it may go better another time (no memory, no process left).
    pub(crate) transient: bool,
}

/// Why the tree ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// The program ended by itself (or by a signal that was not ours).
    Exited,
    /// The worker said so.
    Told,
    /// The lease ran out.
    LeaseExpired,
    /// The tree had more processes than allowed.
    TooManyProcesses,
    /// The worker vanished.
    Abandoned,
}
