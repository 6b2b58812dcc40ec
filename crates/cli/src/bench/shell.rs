//! The chains of W3 whose tasks are processes: run by the real worker, with Windmill's published programs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use mainspring_client::Client;
use mainspring_worker::{HttpSource, ShellConfig, Shutdown, Urgency, WorkerConfig};
use serde_json::json;

use super::Site;
use super::connection::Target;
use super::figures::ms;
use super::graphs::chain;
use crate::clock;

/// How long a chain of processes may take.
const CHAIN_MAX: Duration = Duration::from_secs(300);

/// A chain of `fibo(10)` and ten of `fibo(33)`, each task a Python process.
pub(super) async fn chains(site: &mut Site<'_>, target: &Target, tasks: u64) -> anyhow::Result<()> {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        site.note("shell", json!("skipped: there is no python3"));
        return Ok(());
    }
    let client = Client::new(&format!("http://{}", target.address), site.args.token.clone())?;
    let mut config = WorkerConfig::default();
    config.worker_id = format!("bench-shell-{}", std::process::id());
    config.concurrency = 4;
    config.shell = Some(ShellConfig::default());
    let (stopper, shutdown) = Shutdown::new();
    let source = Arc::new(HttpSource::new(client.clone()));
    let worker = tokio::spawn(mainspring_worker::run(config, source, shutdown));
    for (name, count, n) in [("chain_shell_ms", tasks, 10), ("chain_fibo33_ms", 10, 33)] {
        let program = format!("fibo = lambda n: n if n <= 1 else fibo(n - 1) + fibo(n - 2); print(fibo({n}))");
        let job = chain(count, &json!({"command": ["python3", "-c", program]}));
        let started = clock::instant();
        let submitted = client.submit_job_json(serde_json::to_vec(&job)?, None).await?;
        let ended = client.job_when_ended(&submitted.job_id, CHAIN_MAX).await?;
        let took = started.elapsed();
        ensure!(ended.status == "completed", "the chain of processes is {}", ended.status);
        site.figure(name, ms(took));
    }
    site.note("shell", json!("python3 -c, one process per task, run by the worker of `mainspring worker`"));
    stopper.raise(Urgency::Stop);
    worker.await?.context("the worker ended badly")?;
    Ok(())
}
