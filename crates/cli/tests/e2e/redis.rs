//! A Redis of a test's own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::wait;

/// A Redis of the test's own; killed with the value.
pub(crate) struct Redis {
    shell: Child,
    port: u16,
}

impl Redis {
    pub(crate) fn start(folder: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("a bound socket has an address").port();
        drop(free);
        // The shell kills it once its own input ends: with this value, or with this process.
        let mut command = Command::new("sh");
        command.args(["-c", r#"redis-server "$@" & read _; kill -9 $!; wait"#, "sh", "--port", &port.to_string()]);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir"]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let redis = Self { shell: command.spawn().expect("a shell is installed"), port };
        wait::until(30, "Redis that answers", || Some(()).filter(|()| redis.cli(&["ping"]) == "PONG"));
        redis
    }

    pub(crate) fn cli(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(words).output();
        String::from_utf8_lossy(&output.expect("redis-cli is installed").stdout).trim().to_owned()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        _ = self.shell.wait();
    }
}
