//! A Redis of a test's own.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::wait;

/// A Redis of the test's own; killed with the value.
pub(crate) struct Redis {
    shell: Child,
    port: u16,
    words: Vec<String>,
    folder: PathBuf,
}

impl Redis {
    /// Starts one that writes its append-only file to the disk once a second.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::with(folder, &[])
    }

    /// Starts one with these words on its command line.
    pub(crate) fn with(folder: &Path, words: &[&str]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("a bound socket has an address").port();
        drop(free);
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let redis = Self { shell: spawn(port, folder, &words), port, words, folder: folder.to_owned() };
        redis.wait();
        redis
    }

    fn wait(&self) {
        wait::until(30, "Redis that answers", || Some(()).filter(|()| self.cli(&["ping"]) == "PONG"));
    }

    /// Kills it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        drop(self.shell.stdin.take());
        _ = self.shell.wait();
    }

    /// Starts it again over what was written.
    pub(crate) fn restart(&mut self) {
        self.shell = spawn(self.port, &self.folder, &self.words);
        self.wait();
    }

    /// The append-only file that is written now, and its length.
    pub(crate) fn written(&self) -> (PathBuf, u64) {
        let entries = fs::read_dir(self.folder.join("appendonlydir")).expect("it keeps a file").flatten();
        let files = entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(".incr.aof"));
        let file = files.max().expect("it is written to");
        let length = fs::metadata(&file).expect("it is there").len();
        (file, length)
    }

    /// What a loss of power may leave of it: of the file only so much.
    pub(crate) fn cut(&self, file: &Path, length: u64) {
        let file = File::options().write(true).open(file).expect("it is there");
        file.set_len(length).expect("it can be cut");
    }

    pub(crate) fn cli(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(words).output();
        String::from_utf8_lossy(&output.expect("redis-cli is installed").stdout).trim().to_owned()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// Starts a server under a shell that kills it once its own input ends: with the value, or with this process.
fn spawn(port: u16, folder: &Path, words: &[String]) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", r#"redis-server "$@" & read _; kill -9 $!; wait"#, "sh", "--port", &port.to_string()]);
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir"]).arg(folder).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("a shell is installed")
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
