//! Programs that do not want to end, want to hide, or want to hurt. Whatever they do, the worker tells how the attempt
//! ended, and afterwards nothing of it is left: no process, no zombie, no file.

use std::time::Duration;

use mainspring_protocol::exchange::{OutcomeReport, OutcomeStatus, StreamName};
use mainspring_worker::{Limits, ShellConfig, WorkerConfig};

use crate::bench::{Bench, command, error_kind, script, shell_config, within};
use crate::processes::{Zombies, carrying};

/// Runs a script under a timeout, and looks for what it left.
async fn endure(evil: &str, timeout_ms: u64) -> (OutcomeReport, String) {
    endure_under(evil, timeout_ms, shell_config()).await
}

pub(crate) async fn endure_under(evil: &str, timeout_ms: u64, mut config: WorkerConfig) -> (OutcomeReport, String) {
    let zombies = Zombies::before();
    let scratch = tempfile::tempdir().expect("a folder");
    config.shell.as_mut().expect("it runs commands").scratch = scratch.path().to_owned();
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
    let left: Vec<_> = std::fs::read_dir(scratch.path()).expect("it is still there").flatten().collect();
    assert!(left.is_empty(), "{left:?} is left of: {evil}");
    (outcome, log)
}

/// Scripts that hang until their timeout.
async fn times_out(evil: &str) {
    let (outcome, _) = endure(evil, 300).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Timeout, "timeout"), "{evil}");
}

/// Scripts that end by themselves, whatever they leave.
async fn succeeds(evil: &str) -> String {
    let (outcome, log) = endure(evil, 20_000).await;
    assert_eq!(outcome.status, OutcomeStatus::Success, "{evil}: {:?}", outcome.error);
    log
}

/// Scripts that end with a failure of their own.
async fn fails(evil: &str) {
    let (outcome, _) = endure(evil, 20_000).await;
    assert_eq!(outcome.status, OutcomeStatus::Failure, "{evil}");
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
    one_that_stops_itself_on_sigterm_is_killed: times_out("trap 'kill -STOP $$' TERM; while :; do sleep 0.05; done");
    one_that_closes_every_descriptor_is_ended: times_out("exec 0<&- 1>&- 2>&-; sleep 1000");
    a_chain_of_sessions_without_end_is_ended:
        times_out("echo 'trap \"\" TERM; setsid sh ./w & wait; sleep 1000' > w; setsid sh ./w & sleep 1000");
    two_that_revive_each_other_are_ended:
        times_out("echo 'trap \"\" TERM; while :; do setsid sleep 0.01 & wait; done' > w; sh ./w & sh ./w & wait");
    a_maker_of_zombies_that_lives_on_is_ended:
        times_out("python3 -c 'import os, time\nfor i in range(40):\n  os.fork() or os._exit(0)\ntime.sleep(1000)'");
    one_with_hundreds_of_threads_is_ended:
        times_out("python3 -c 'import threading, time\nfor i in range(200):\n  threading.Thread(target=time.sleep, args=(1000,)).start()'");
    one_in_a_process_namespace_of_its_own_is_ended: times_out("unshare --fork --pid sleep 1000; sleep 1000");
    one_that_traces_its_child_is_ended:
        times_out("python3 -c 'import ctypes, os, signal, time\nif os.fork() == 0:\n  ctypes.CDLL(None).ptrace(0, 0, 0, 0)\n  os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(1000)'");
    one_that_forbids_to_look_at_it_is_ended:
        times_out("python3 -c 'import ctypes, time\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\ntime.sleep(1000)'");
    one_that_adopts_orphans_itself_is_ended:
        times_out("python3 -c 'import ctypes, os, time\nctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\nos.system(\"(setsid sleep 1000 &)\")\ntime.sleep(1000)'");
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

    one_with_a_forged_name_is_killed:
        succeeds("n='x) Z 1 1 1 ('; cp \"$(command -v sleep)\" \"$n\"; setsid \"./$n\" 1000 & sleep 0.1");
    one_with_a_huge_environment_is_killed:
        succeeds("x=$(head -c 100000 /dev/zero | tr '\\0' x); for i in $(seq 15); do export \"V$i=$x\"; done; setsid sh -c 'sleep 1000; : MARK' & sleep 0.2");
    one_that_never_waits_because_it_ignores_its_children_is_reaped:
        succeeds("trap '' CHLD; for i in $(seq 30); do (exit 3) & done; sleep 0.1");
    one_that_kills_its_own_group_leaves_nothing: fails("setsid sleep 1000 & sleep 0.1; kill -KILL 0");
    one_that_kills_itself_leaves_nothing: fails("setsid sleep 1000 & sleep 0.1; kill -SEGV $$");

    // It spoils its folder.
    one_that_removes_its_folder_runs_on: succeeds("rm -rf \"$PWD\"; sleep 0.05; cd /; exit 0");
    one_that_removes_all_of_its_folders_runs_on: succeeds("rm -rf \"$PWD/../\"*; rm -rf \"$PWD\"; exit 0");
    thousands_of_files_nobody_may_touch_are_removed:
        succeeds("mkdir -p d/e; cd d/e; for i in $(seq 3000); do : > f$i; done; chmod 0 f? . .. ../..");
    folders_deeper_than_any_path_are_removed:
        succeeds("python3 -c 'import os\nfor i in range(1200):\n  os.mkdir(\"a-long-name\")\n  os.chdir(\"a-long-name\")'");
    names_that_are_no_text_are_removed: succeeds("touch \"$(printf 'a\\nb\\377')\" ' ' -- '*'; mkdir -- -rf; exit 0");
    links_out_of_its_folder_are_removed_not_followed: succeeds("ln -s / root; ln -s /etc/passwd p; ln -s loop loop");
    pipes_and_sockets_in_its_folder_are_removed:
        succeeds("mkfifo a; python3 -c 'import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind(\"b\")'");
    an_output_that_is_a_pipe_holds_up_nothing: fails("rm -f $MAINSPRING_OUTPUT; mkfifo $MAINSPRING_OUTPUT");
    an_output_that_is_a_folder_is_refused: fails("rm -f $MAINSPRING_OUTPUT; mkdir $MAINSPRING_OUTPUT");
    an_output_that_leads_elsewhere_is_refused: fails("ln -sf /etc/passwd $MAINSPRING_OUTPUT");
    an_output_without_end_is_refused: fails("truncate -s 10T $MAINSPRING_OUTPUT");

    // It plays with its output.
    one_line_of_fifty_megabytes_is_taken: succeeds("head -c 50000000 /dev/zero | tr '\\0' x");
    a_flood_of_short_lines_is_taken: succeeds("yes | head -n 1000000; yes | head -n 1000000 >&2");
    a_stopped_writer_behind_it_is_killed: succeeds("yes & kill -STOP $!; exit 0");
    one_that_asks_for_a_terminal_gets_none: succeeds("sh -c 'cat < /dev/tty'; exit 0");
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
    // Five generations of three: enough to burst the limit, and too few to hurt the machine if nobody stops them.
    let bomb = "b() { [ $1 -lt 5 ] && for i in 1 2 3; do b $(($1+1)) & done; sleep 1000; }; b 0";
    let (outcome, _) = endure_under(bomb, 30_000, config).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Failure, "process_limit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hog_of_memory_fails_under_its_limit() {
    let mut config = shell_config();
    let limits = Limits { memory_bytes: Some(256 << 20), ..Limits::default() };
    config.shell = config.shell.map(|shell| ShellConfig { limits, ..shell });
    let (outcome, _) = endure_under("tail -c 1000 /dev/zero & tail /dev/zero", 20_000, config).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Failure, "exit_code"));
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
