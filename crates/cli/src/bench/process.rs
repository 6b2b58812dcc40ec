//! The server under test as a process of its own, and what the operating system says about it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::connection::{Connection, Target, request};
use crate::clock;

/// How long a server may take until it is ready.
const READY_MAX: Duration = Duration::from_secs(30);

/// A server that ends with this value.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Where it listens.
    pub target: Target,
    folder: PathBuf,
}

impl Process {
    /// Starts `mainspring MODE` on a store, or on a fresh SQLite file in `folder`, and waits until it is ready.
    pub(super) async fn start(mode: &str, folder: &Path, store: Option<&str>) -> anyhow::Result<Self> {
        let address = free_address()?;
        let log = fs::File::create(folder.join("server.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .args([mode, "--listen", &address.to_string(), "--store"])
            .arg(store.map_or_else(|| format!("sqlite:{}", folder.join("bench.db").display()), str::to_owned))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the server")?;
        let target = Target { address, authorization: String::new() };
        let mut process = Self { child, target, folder: folder.to_owned() };
        process.ready().await?;
        Ok(process)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let probe = request(&self.target, "GET", "/readyz", b"");
        let started = clock::instant();
        loop {
            if let Ok(mut connection) = Connection::open(&self.target).await
                && let Ok((200, _)) = connection.call(&probe).await
            {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || started.elapsed() > READY_MAX {
                let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
                bail!("the server did not become ready: {}", log.lines().last().unwrap_or("it said nothing"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory, in MiB.
    pub(super) fn rss_mb(&self) -> anyhow::Result<f64> {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.id())).context("memory can be read on Linux only")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in its status")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1024.0)
    }

    /// Processor time that it and its ended children have used.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).context("use can be read on Linux only")?;
        // The second field is the name in parentheses, which may hold anything.
        let (_, fields) = stat.rsplit_once(')').context("no name in its stat")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let ticks: u64 = fields[11..15].iter().filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// Processes: itself and its living children.
    pub(super) fn processes(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{0}/task/{0}/children", self.id());
        let children = fs::read_to_string(path).unwrap_or_default();
        Ok(1 + children.split_ascii_whitespace().count() as u64)
    }

    /// Bytes of its store on disk.
    pub(super) fn disk_bytes(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("bench.db") {
                bytes += entry.metadata()?.len();
            }
        }
        Ok(bytes)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
