//! A PostgreSQL of a test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::process::free_address;
use crate::wait;

/// Ends the server whose folder it is given once its own input ends: with the value, or with the test's process. A number that
/// another process has by now is left alone.
const GUARD: &str = r#"
read -r _
pid=$(head -n 1 "$1/postmaster.pid")
lives() { [ "$(readlink "/proc/$pid/cwd")" = "$1" ]; }
lives "$1" && kill -QUIT "$pid"
while lives "$1"; do sleep 0.05; done
"#;

/// Ended with the value, or with the test's process.
pub(crate) struct Postgres {
    guard: Child,
    pub(crate) port: u16,
    settings: Vec<String>,
    folder: TempDir,
}

impl Postgres {
    /// Starts one that does not wait for its disk.
    pub(crate) fn start() -> Self {
        Self::with(&["fsync=off"])
    }

    /// Starts one with these settings.
    pub(crate) fn with(settings: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let data = folder.path().join("data");
        if geteuid().is_root() {
            let owned = Command::new("chown").arg("postgres").arg(folder.path()).status();
            assert!(owned.is_ok_and(|status| status.success()), "the system has a user `postgres`");
        }
        let made =
            server_command("initdb").args(["--no-sync", "-A", "trust", "-U", "postgres", "-D"]).arg(&data).output();
        let made = made.expect("initdb is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "sh"]).arg(&data).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let guard = guard.spawn().expect("a shell is installed");
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let postgres = Self { guard, port: free_address().port(), settings, folder };
        postgres.restart();
        postgres
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What it wrote down of itself.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Kills the server's first process, as a crash would; the others see that it is gone, and end.
    pub(crate) fn kill(&self) {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        let pid = file.lines().next().and_then(|line| line.parse().ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("the file begins with its number"), Signal::KILL).expect("it is ours");
    }

    /// Kills the process of the server behind one of Mainspring's connections; it then ends all others, and recovers.
    pub(crate) fn kill_backend(&self, choose: impl FnOnce(usize) -> usize) {
        let found = self.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'mainspring' ORDER BY 1");
        let found: Vec<&str> = found.lines().collect();
        if found.is_empty() {
            return;
        }
        let pid = found[choose(found.len())].parse().ok().and_then(Pid::from_raw).expect("it is a number");
        // It may have ended by itself.
        _ = kill_process(pid, Signal::KILL);
    }

    /// Starts it again over what was written. Refused until the last process of before is gone.
    pub(crate) fn restart(&self) {
        let mut options = format!("-p {} -h 127.0.0.1 -k ''", self.port);
        self.settings.iter().for_each(|setting| options.push_str(&format!(" -c {setting}")));
        wait::until(60, "PostgreSQL that starts", || {
            let mut command = server_command("pg_ctl");
            command.args(["start", "-w", "-s", "-D"]).arg(self.data()).arg("-l").arg(self.folder.path().join("log"));
            command.args(["-o", &options]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success()).then_some(())
        });
    }

    /// Runs SQL in one session; what it answered, nothing where the server is away.
    pub(crate) fn sql(&self, script: &str) -> String {
        let output = Command::new("psql").args(["-q", "-t", "-A", "-d", &self.url(), "-c", script]).output();
        String::from_utf8_lossy(&output.expect("psql is installed").stdout).trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        _ = self.guard.wait();
    }
}

/// A program of the server, which root must not run.
pub(crate) fn server_command(name: &str) -> Command {
    let program = program(name);
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// Debian keeps it outside the path.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.is_file());
    found.sort();
    found.pop().unwrap_or_else(|| Path::new(name).to_owned())
}
