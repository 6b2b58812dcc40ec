//! Programs that do not want to end, want to hide, or want to hurt. Whatever they do, the worker tells how the attempt
//! ended, and afterwards nothing of it is left: no process, no zombie.

use std::time::Duration;

use mainspring_protocol::exchange::{OutcomeReport, OutcomeStatus, StreamName};
use mainspring_worker::{Limits, ShellConfig, WorkerConfig};

use crate::bench::{Bench, command, error_kind, script, shell_config, within};
use crate::processes::{Zombies, carrying, eventually};
use crate::server::Fault;

/// Runs a script under a timeout, and looks for what it left.
async fn endure(evil: &str, timeout_ms: u64) -> (OutcomeReport, String) {
    endure_under(evil, timeout_ms, shell_config()).await
}

async fn endure_under(evil: &str, timeout_ms: u64, config: WorkerConfig) -> (OutcomeReport, String) {
    let zombies = Zombies::before();
    let bench = Bench::start(config);
    // The mark is in the environment and, for those who clear it, in command lines.
    let task = within(script(evil), timeout_ms);
    let token = task.token.clone();
    let task = mainspring_protocol::exchange::GrantMessage { run: Some(evil.replace("MARK", &token)), ..task };
    let outcome = bench.run(task).await;
    assert_eq!(carrying(&token), Vec::<u32>::new(), "survivors of: {evil}");
    let log = bench.server.log(&token, StreamName::Stdout);
    assert!(bench.server.log_is_gapless(&token));
    bench.drain().await;
    zombies.none_are_new().await;
    (outcome, log)
}

/// Scripts that hang until their timeout.
async fn times_out(evil: &str) {
    let (outcome, _) = endure(evil, 400).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Timeout, "timeout"), "{evil}");
}

/// Scripts that end by themselves, whatever they leave.
async fn succeeds(evil: &str) -> String {
    let (outcome, log) = endure(evil, 20_000).await;
    assert_eq!(outcome.status, OutcomeStatus::Success, "{evil}: {:?}", outcome.error);
    log
}

macro_rules! evil {
    ($($name:ident: $check:ident($script:expr);)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let _ = $check($script).await;
        })*
    };
}

evil! {
    // It does not end.
    a_sleeper_is_ended: times_out("sleep 1000");
    one_that_ignores_sigterm_is_killed: times_out("trap '' TERM; while :; do sleep 1; done");
    one_that_ignores_every_signal_is_killed:
        times_out("trap '' HUP INT QUIT TERM USR1 USR2 PIPE ALRM CHLD TSTP TTIN TTOU; while :; do sleep 1; done");
    one_that_stops_itself_is_killed: times_out("kill -STOP $$");
    one_that_stops_its_whole_group_is_killed: times_out("sleep 1000 & kill -STOP 0");
    a_busy_loop_is_ended: times_out("while :; do :; done");
    one_that_ignores_sigterm_in_a_child_is_killed: times_out("sh -c \"trap '' TERM; sleep 1000; sleep 1000\" & wait");
    one_that_starts_another_on_sigterm_is_killed:
        times_out("trap 'setsid sleep 1001 & setsid sleep 1002 &' TERM; while :; do sleep 0.05; done");
    a_chain_of_shells_is_ended: times_out("sh -c 'sh -c \"sh -c \\\"sleep 1000; :\\\"; :\"; :'");
    a_reader_of_a_pipe_without_a_writer_is_ended: times_out("mkfifo p; cat p");
    a_writer_to_nobody_is_ended: times_out("mkfifo p; echo x > p");
    a_tree_of_many_is_ended: times_out("for i in $(seq 60); do (sleep 1000; :) & done; wait");
    one_that_replaces_itself_forever_is_ended: times_out("exec sh -c 'x() { exec sh -c \"sleep 0.01; exec sh -c \\\"sleep 1000\\\"\"; }; x'");

    // It hides.
    a_daemon_in_its_own_session_is_killed: succeeds("setsid sh -c 'sleep 1000; : MARK' & sleep 0.1");
    a_double_fork_is_killed: succeeds("(setsid sh -c '(sleep 1000; : MARK) &' &)");
    a_triple_fork_is_killed: succeeds("setsid sh -c 'setsid sh -c \"setsid sleep 1000 &\" &' &");
    one_that_leaves_its_process_group_is_killed: succeeds("set -m; (sleep 1000; : MARK) & (sleep 1001; : MARK) & :");
    one_that_clears_its_environment_is_killed: succeeds("env -i setsid sh -c 'sleep 1000; : MARK' &");
    one_that_ignores_hangups_is_killed: succeeds("nohup sh -c 'sleep 1000; : MARK' > /dev/null 2>&1 &");
    a_background_child_that_outlives_its_parent_is_killed: succeeds("sleep 1000 & exit 0");
    a_grandchild_that_holds_the_output_open_holds_up_nothing: succeeds("(sleep 1000; echo late) & echo done");
    a_stopped_orphan_is_killed: succeeds("(kill -STOP $(sh -c 'echo $PPID'); sleep 1) & sleep 0.1");
    a_term_proof_orphan_is_killed: succeeds("setsid sh -c 'trap \"\" TERM; sleep 1000; sleep 1000; : MARK' & sleep 0.1");
    orphans_that_end_are_reaped: succeeds("for i in $(seq 50); do (sh -c 'sleep 0.0$1; :' x $((i % 10)) &); done; sleep 0.3");
    zombies_of_a_careless_parent_are_reaped:
        succeeds("python3 -c 'import os, sys\nfor i in range(40):\n  os.fork() or os._exit(0)\nos._exit(0)'");
    a_vfork_storm_of_short_ones_is_reaped: succeeds("for i in $(seq 200); do /bin/true & done");

    // It plays with its output.
    one_that_closes_its_output_runs_on: succeeds("exec >&- 2>&-; sleep 0.1; echo x; exit 0");
    one_that_reads_its_input_gets_nothing: succeeds("cat; read x; [ -z \"$x\" ]");
    a_short_pipeline_is_let_finish: succeeds("yes | head -c 3000000 | tail -c 5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_behind_the_program_may_finish() {
    let log = succeeds("(sleep 0.05; echo behind) & echo before").await;
    assert_eq!(log, "before\nbehind\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_empty_not_closed() {
    assert_eq!(succeeds("readlink /proc/self/fd/0").await, "/dev/null\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_descriptor_of_the_worker_leaks_into_a_command() {
    assert_eq!(succeeds("ls /proc/self/fd | tr '\\n' ' '").await.trim(), "0 1 2 3");
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_output_becomes_text_and_loses_only_what_is_no_text() {
    let log = succeeds("printf 'a\\377\\000b\\303'; sleep 0.05; printf '\\251c\\342\\202'").await;
    assert_eq!(log, "a\u{fffd}\0bécc".replace("cc", "c") + "\u{fffd}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_output_fills_no_memory_and_stalls_no_renewal() {
    let config = WorkerConfig { lease: Duration::from_secs(1), ..shell_config() };
    let zombies = Zombies::before();
    let bench = Bench::start(config);
    let task = within(command(&["dd", "if=/dev/zero", "bs=1M", "count=10000"]), 3_000);
    let token = task.token.clone();
    let outcome = bench.run(task).await;
    let printed = bench.server.log(&token, StreamName::Stdout).len();
    assert!(matches!(outcome.status, OutcomeStatus::Timeout | OutcomeStatus::Success), "{outcome:?}");
    assert!(printed < 8 << 20, "{printed} bytes were sent");
    assert!(bench.server.log(&token, StreamName::System).contains("bytes of output cut"));
    assert!(bench.server.log_is_gapless(&token));
    assert!(carrying(&token).is_empty());
    let resident = std::fs::read_to_string("/proc/self/statm").expect("a Linux system");
    let pages: usize = resident.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    assert!(pages * 4096 < 600 << 20, "{pages} pages");
    bench.drain().await;
    zombies.none_are_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_is_ended_when_its_tree_grows_too_large() {
    let mut config = shell_config();
    config.shell = config.shell.map(|shell| ShellConfig { processes_max: 100, ..shell });
    let bomb = "bomb() { for i in 1 2 3; do bomb & done; sleep 0.01; wait; }; bomb";
    let (outcome, _) = endure_under(bomb, 30_000, config).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Failure, "process_limit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_every_process_of_the_tree() {
    let mut config = shell_config();
    let limits = Limits { open_files: Some(32), file_bytes: Some(4_096), cpu_seconds: Some(9), ..Limits::default() };
    config.shell = config.shell.map(|shell| ShellConfig { limits, ..shell });
    let (_, log) = endure_under("sh -c 'ulimit -n; ulimit -c; ulimit -t; ulimit -H -n'", 20_000, config.clone()).await;
    assert_eq!(log, "32\n0\n9\n32\n");
    let (outcome, _) = endure_under("head -c 100000 /dev/zero > big", 20_000, config).await;
    assert_eq!(outcome.status, OutcomeStatus::Failure);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_tree_is_ended() {
    let zombies = Zombies::before();
    let bench = Bench::start(shell_config());
    let task = script("trap '' TERM; setsid sleep 1000 & echo up; while :; do sleep 1; done");
    let token = task.token.clone();
    bench.server.submit(task);
    bench.server.printed(&token, "up").await;
    bench.server.cancel(&token);
    assert_eq!(bench.server.outcome(&token).await.status, OutcomeStatus::Cancelled);
    // This server repeats a cancel in every answer, at once, until the attempt has ended.
    let calls = bench.server.requests().len();
    assert!(calls < 100, "{calls} calls");
    assert!(carrying(&token).is_empty());
    bench.drain().await;
    zombies.none_are_new().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_kills_its_supervisor_is_killed_too() {
    let bench = Bench::start(shell_config());
    let task = script("setsid sleep 1000 & kill -KILL $PPID; sleep 1000");
    let token = task.token.clone();
    let outcome = bench.run(task).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Failure, "supervisor_lost"));
    eventually("nothing is left", || carrying(&token).is_empty()).await;
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_does_not_survive_its_lease() {
    let zombies = Zombies::before();
    let bench = Bench::start(WorkerConfig { lease: Duration::from_secs(1), ..shell_config() });
    let task = mainspring_protocol::exchange::GrantMessage {
        lease_ms: 1_000,
        ..script("trap '' TERM; echo up; while :; do sleep 1; done")
    };
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

/// Not a test by itself: the worker that `a_tree_does_not_survive_…` kill or stop. It prints what its command prints.
#[tokio::test(flavor = "multi_thread")]
async fn worker_in_a_process_of_its_own() {
    let Ok(evil) = std::env::var("WORKER_RUNS") else { return };
    let bench = Bench::start(WorkerConfig { lease: Duration::from_secs(1), ..shell_config() });
    let task = mainspring_protocol::exchange::GrantMessage { lease_ms: 1_000, ..script(&evil) };
    let token = task.token.clone();
    bench.server.submit(task);
    bench.server.printed(&token, "up").await;
    println!("\nup");
    std::future::pending::<()>().await;
}

/// Starts such a worker and waits until its command is up.
fn worker_process(mark: &str) -> std::process::Child {
    use std::io::BufRead as _;
    let evil = format!(
        "trap '' TERM; setsid sh -c 'sleep 1000; : {mark}' & (setsid sh -c 'sleep 1000; : {mark}' &); echo up; while :; do sleep 1; done"
    );
    let mut child = std::process::Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", "evil::worker_in_a_process_of_its_own", "--nocapture"])
        .env("WORKER_RUNS", evil)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = std::io::BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let up = lines.map_while(Result::ok).any(|line| line.ends_with("up"));
    assert!(up, "its command came up");
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_does_not_survive_the_death_of_its_worker() {
    let mark = format!("killed-{}", std::process::id());
    let mut worker = worker_process(&mark);
    assert!(carrying(&mark).len() > 2);
    worker.kill().expect("it is mine");
    worker.wait().expect("it is mine");
    eventually("nothing is left", || carrying(&mark).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_does_not_survive_a_worker_that_is_stopped_for_longer_than_its_lease() {
    use rustix::process::{Pid, Signal, kill_process};
    let mark = format!("stopped-{}", std::process::id());
    let mut worker = worker_process(&mark);
    let pid = Pid::from_raw(i32::try_from(worker.id()).expect("a number")).expect("not 0");
    kill_process(pid, Signal::STOP).expect("it is mine");
    let own = worker.id();
    eventually("nothing but the worker is left", || carrying(&mark).iter().all(|pid| *pid == own)).await;
    worker.kill().expect("it is mine");
    worker.wait().expect("it is mine");
}
