//! Programs that fight their supervisor or outlive their worker: nothing is left of them either.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use mainspring_protocol::exchange::{GrantMessage, OutcomeStatus};
use mainspring_worker::{ShellConfig, WorkerConfig};

use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Bench, error_kind, error_message, script, shell_config};
use crate::evil::endure_under;
use crate::processes::{Zombies, carrying, eventually};
use crate::server::Fault;

#[tokio::test(flavor = "multi_thread")]
async fn one_that_kills_its_supervisor_is_killed_too() {
    // One child has the token in its environment, one is only of the same session.
    let evil = "setsid sleep 1000 & env -i sh -c 'sleep 1000; : MARK' & kill -KILL $PPID; sleep 1000";
    let (outcome, _) = endure_under(evil, 20_000, shell_config()).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Failure, "supervisor_lost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_hides_behind_a_killed_supervisor_holds_up_nobody() {
    // What it leaves has no token, no parent and no session to know it by, and keeps the output open.
    let hidden = format!("sleep 1000.{}", std::process::id());
    let evil = format!("env -i setsid {hidden} & sleep 0.2; kill -KILL $PPID");
    let (outcome, _) = endure_under(&evil, 10_000, shell_config()).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Failure, "supervisor_lost"));
    for pid in carrying(&hidden.replace(' ', "\0")) {
        kill_process(Pid::from_raw(i32::try_from(pid).expect("a number")).expect("not 0"), Signal::KILL).expect("mine");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_supervisor_goes_on() {
    for evil in ["kill -STOP $PPID; sleep 1000", "setsid sleep 1000 & while :; do kill -STOP $PPID; done"] {
        let (outcome, _) = endure_under(evil, 300, shell_config()).await;
        assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Timeout, "timeout"), "{evil}");
    }
    // Without a timeout, the next renewal of the lease wakes it.
    let config = WorkerConfig { lease: Duration::from_secs(1), ..shell_config() };
    let (outcome, _) = endure_under("kill -STOP $PPID; exit 0", 60_000, config).await;
    assert_eq!(outcome.status, OutcomeStatus::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_does_nothing_holds_up_nobody() {
    let mut config = shell_config();
    let deaf = |shell| ShellConfig {
        supervisor: "/bin/sh".into(),
        supervisor_arguments: vec!["-c".into(), "exec sleep 1000".into()],
        ..shell
    };
    config.shell = config.shell.map(deaf);
    let (outcome, _) = endure_under("exit 0", 300, config).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Timeout, "timeout"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_outlives_signals_and_its_program_still_gets_their_defaults() {
    let evil = "for s in ALRM CHLD HUP INT PIPE QUIT TERM USR1 USR2; do \
        kill -$s $PPID; sh -c \"kill -$s \\$\\$; exit 99\"; echo $s $?; done; exit 5";
    let (outcome, log) = endure_under(evil, 20_000, shell_config()).await;
    assert_eq!(error_message(&outcome).split(':').next(), Some("exit code 5"), "{outcome:?}");
    let ends = "ALRM 142\nCHLD 99\nHUP 129\nINT 130\nPIPE 141\nQUIT 131\nTERM 143\nUSR1 138\nUSR2 140\n";
    assert_eq!(log, ends);
    let (outcome, _) = endure_under("while :; do kill -CHLD $PPID; done", 300, shell_config()).await;
    assert_eq!(outcome.status, OutcomeStatus::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_does_not_survive_its_lease() {
    let zombies = Zombies::before();
    let bench = Bench::start(WorkerConfig { lease: Duration::from_secs(1), ..shell_config() });
    let task = GrantMessage { lease_ms: 1_000, ..script("trap '' TERM; echo up; while :; do sleep 1; done") };
    let token = task.token.clone();
    bench.server.submit(task);
    bench.server.printed(&token, "up").await;
    bench.server.break_down(Fault::Unreachable, None);
    eventually("nothing is left", || carrying(&token).is_empty()).await;
    bench.server.break_down(Fault::None, None);
    assert_eq!(error_kind(&bench.server.outcome(&token).await), "lease_lost");
    bench.drain().await;
    zombies.none_are_new().await;
}

/// Not a test by itself: a worker that others start, kill, stop and mistreat. It says when its command has printed
/// `up`, and how it ended.
#[tokio::test(flavor = "multi_thread")]
async fn worker_in_a_process_of_its_own() {
    let (Ok(evil), Ok(scratch)) = (std::env::var("WORKER_RUNS"), std::env::var("WORKER_SCRATCH")) else { return };
    let mut config = WorkerConfig { lease: Duration::from_secs(1), ..shell_config() };
    config.shell = config.shell.map(|shell| ShellConfig { scratch: scratch.into(), ..shell });
    let bench = Bench::start(config);
    let task = GrantMessage { lease_ms: 1_000, ..script(&evil) };
    let token = task.token.clone();
    bench.server.submit(task);
    bench.server.printed(&token, "up").await;
    println!("\nup");
    println!("\nended {}", error_message(&bench.server.outcome(&token).await));
}

struct WorkerProcess {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    scratch: tempfile::TempDir,
}

impl WorkerProcess {
    /// Starts such a worker by `sh`, after this preparation.
    fn start(evil: &str, preparation: &str) -> Self {
        let scratch = tempfile::tempdir().expect("a folder");
        let mut child = Command::new("sh")
            .args(["-c", &format!("{preparation} \"$0\" \"$@\"")])
            .arg(std::env::current_exe().expect("this program has a path"))
            .args(["--exact", "siege::worker_in_a_process_of_its_own", "--nocapture"])
            .env("WORKER_RUNS", evil)
            .env("WORKER_SCRATCH", scratch.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, lines, scratch }
    }

    /// Waits until it says this and gives the rest of the line.
    fn says(&mut self, word: &str) -> String {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        let found = lines.find_map(|line| Some(line.strip_prefix(word)?.to_owned()));
        found.unwrap_or_else(|| panic!("it never says `{word}`"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is mine");
    }

    /// Ends it, and waits until nothing is left of its commands.
    async fn leaves_nothing(mut self, mark: &str) {
        self.child.kill().expect("it is mine");
        self.child.wait().expect("it is mine");
        eventually("nothing is left", || carrying(mark).is_empty()).await;
        let is_empty = || std::fs::read_dir(self.scratch.path()).expect("it is still there").count() == 0;
        eventually("its folder is gone", is_empty).await;
    }
}

/// A command that does not want to go; it prints `up`.
fn stubborn(mark: &str) -> String {
    format!(
        "trap '' TERM; setsid sh -c 'sleep 1000; : {mark}' & (setsid sh -c 'sleep 1000; : {mark}' &); \
         echo up; while :; do sleep 1; done"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_does_not_survive_the_death_of_its_worker() {
    let mark = format!("killed-{}", std::process::id());
    let mut worker = WorkerProcess::start(&stubborn(&mark), "exec");
    worker.says("up");
    assert!(carrying(&mark).len() > 2);
    worker.leaves_nothing(&mark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_does_not_survive_the_death_of_its_worker_by_stopping_its_supervisor() {
    let mark = format!("stopper-{}", std::process::id());
    let mut worker = WorkerProcess::start(&format!("kill -STOP $PPID; {}", stubborn(&mark)), "exec");
    worker.says("up");
    worker.leaves_nothing(&mark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_does_not_survive_a_worker_that_is_stopped_for_longer_than_its_lease() {
    let mark = format!("stopped-{}", std::process::id());
    let mut worker = WorkerProcess::start(&stubborn(&mark), "exec");
    worker.says("up");
    worker.signal(Signal::STOP);
    let own = worker.child.id();
    eventually("nothing but the worker is left", || carrying(&mark).iter().all(|pid| *pid == own)).await;
    worker.leaves_nothing(&mark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_was_started_with_changes_nothing_for_its_commands() {
    let evil = "echo up; [ -e /proc/self/fd/9 ] && exit 9; sh -c 'kill -TERM $$; exit 1'; [ $? = 143 ] && exit 7";
    for preparation in [
        "exec",
        "exec 9</etc/passwd; exec",
        "exec <&- 2>&-; exec",
        "exec env --ignore-signal=CHLD",
        "exec env --ignore-signal=TERM",
        "exec env --block-signal=TERM",
        "cd \"$WORKER_SCRATCH\"; mkdir cwd; cd cwd; rmdir ../cwd; exec",
    ] {
        let mut worker = WorkerProcess::start(evil, preparation);
        let end = worker.says("ended ");
        assert!(end.starts_with("exit code 7"), "{preparation}: {end}");
        worker.leaves_nothing("no mark at all").await;
    }
}
