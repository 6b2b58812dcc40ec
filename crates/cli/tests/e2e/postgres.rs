//! A PostgreSQL of a test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::process::free_address;
use crate::wait;

/// Killed with the value, or with the test's process.
pub(crate) struct Postgres {
    shell: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Postgres {
    pub(crate) fn start() -> Self {
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
        let port = free_address().port();
        let server = server_command("postgres");
        // The shell kills it once its own input ends.
        let mut command = Command::new("sh");
        command.args(["-c", r#""$@" >/dev/null 2>&1 & read _; kill -QUIT $!; wait"#, "sh"]);
        command.arg(server.get_program()).args(server.get_args()).arg("-D").arg(&data);
        command.args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k", "", "-c", "fsync=off"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = command.spawn().expect("a shell is installed");
        let is_up = || server_command("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status();
        wait::until(30, "PostgreSQL that answers", || is_up().is_ok_and(|status| status.success()).then_some(()));
        Self { shell, port, _folder: folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        _ = self.shell.wait();
    }
}

/// A program of the server, which root must not run.
fn server_command(name: &str) -> Command {
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
