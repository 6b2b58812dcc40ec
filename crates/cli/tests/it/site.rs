//! A folder with a server of its own, and commands that talk to it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The same, if it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// A word that it printed, counted from 0.
    pub(crate) fn word(&self, index: usize) -> &str {
        self.out.split_whitespace().nth(index).expect("the command prints that many words")
    }
}

/// The binary, cut off from the environment of whoever runs the tests.
pub(crate) fn mainspring() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainspring"));
    command.stdin(Stdio::null());
    for name in ["MAINSPRING_URL", "MAINSPRING_TOKEN", "MAINSPRING_STORE", "MAINSPRING_LISTEN", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command in a folder to its end.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Ended {
    let output = mainspring().current_dir(folder).args(arguments).output().expect("the binary starts");
    Ended {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A fresh folder holding one file.
pub(crate) fn folder_with(name: &str, text: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder can be made");
    std::fs::write(folder.path().join(name), text).expect("the file can be written");
    folder
}

/// `mainspring dev` on a free port; killed at the end.
pub(crate) struct Site {
    folder: TempDir,
    server: Child,
    url: String,
}

impl Site {
    /// Starts it; its first line says where it listens.
    pub(crate) fn dev() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let mut server = mainspring()
            .current_dir(folder.path())
            .args(["dev", "--listen", "127.0.0.1:0", "--store", "sqlite:t.db"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let out = server.stdout.take().expect("its output is piped");
        BufReader::new(out).read_line(&mut line).expect("it says where it listens");
        let url = line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
        Self { folder, server, url: url.unwrap_or_else(|| panic!("no address in `{line}`")) }
    }

    /// Runs a command that talks to the server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--server", &self.url]);
        run_in(self.folder.path(), &arguments)
    }

    /// Runs a command in the folder that talks to no server.
    pub(crate) fn run_alone(&self, arguments: &[&str]) -> Ended {
        run_in(self.folder.path(), arguments)
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("the file can be written");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
