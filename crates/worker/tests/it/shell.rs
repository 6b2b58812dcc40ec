//! Commands: what they see, what becomes of what they print and write, and how their ends are told.

use std::collections::BTreeMap;
use std::time::Duration;

use mainspring_protocol::duration::WireDuration;
use mainspring_protocol::exchange::{GrantMessage, OutcomeStatus, StreamName};
use mainspring_worker::{ShellConfig, Urgency, WorkerConfig};

use crate::bench::{Bench, command, error_kind, error_message, grant, json, script, shell_config, within};
use crate::processes::{carrying, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_shell_neither_offers_nor_runs_commands() {
    let bench = Bench::start(WorkerConfig::default());
    let outcome = bench.run(command(&["true"])).await;
    assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Failure, "no_executor"));
    assert!(bench.server.requests().iter().all(|request| !request.types.contains(&"shell".to_owned())));
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_argv_is_handed_over_as_it_is() {
    let bench = Bench::start(shell_config());
    let task = command(&["printf", "%s|", "a b", "$HOME", "*", "", "é"]);
    let token = task.token.clone();
    assert_eq!(bench.run(task).await.status, OutcomeStatus::Success);
    assert_eq!(bench.server.log(&token, StreamName::Stdout), "a b|$HOME|*||é|");
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sees_a_clean_environment() {
    let bench = Bench::start(shell_config());
    let task = GrantMessage {
        job_id: Some("job-7".to_owned()),
        attempt: 3,
        generation: 2,
        fence: 99,
        payload: Some(json(r#"{"n":1}"#)),
        traceparent: Some("00-11111111111111111111111111111111-2222222222222222-01".to_owned()),
        env: BTreeMap::from([
            ("COLOUR".to_owned(), "blue".to_owned()),
            ("MAINSPRING_ATTEMPT".to_owned(), "forged".to_owned()),
        ]),
        ..script("env | sort; cat \"$MAINSPRING_PAYLOAD\"")
    };
    let (token, id) = (task.token.clone(), task.task_id.clone());
    assert_eq!(bench.run(task).await.status, OutcomeStatus::Success);
    let log = bench.server.log(&token, StreamName::Stdout);
    for line in [
        "COLOUR=blue",
        &format!("MAINSPRING_TASK_ID={id}"),
        &format!("MAINSPRING_TOKEN={token}"),
        "MAINSPRING_JOB_ID=job-7",
        "MAINSPRING_ATTEMPT=3",
        "MAINSPRING_GENERATION=2",
        "MAINSPRING_FENCE=99",
        "TRACEPARENT=00-11111111111111111111111111111111-2222222222222222-01",
        r#"{"n":1}"#,
    ] {
        assert!(log.lines().any(|found| found == line), "{line} is not in\n{log}");
    }
    let allowed = ["COLOUR", "HOME", "LANG", "PATH", "TZ", "TRACEPARENT", "PWD", "OLDPWD", "SHLVL", "_"];
    for name in log.lines().filter_map(|line| Some(line.split_once('=')?.0)) {
        assert!(allowed.contains(&name) || name.starts_with("MAINSPRING_"), "{name} leaked");
    }
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_context_is_made_where_none_is_given() {
    let bench = Bench::start(shell_config());
    let task = script("echo $TRACEPARENT");
    let token = task.token.clone();
    bench.run(task).await;
    let log = bench.server.log(&token, StreamName::Stdout);
    assert!(log.len() == 56 && log.starts_with("00-") && log.ends_with("-01\n"), "{log}");
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_has_a_fresh_folder_that_is_removed() {
    let bench = Bench::start(shell_config());
    let task = script("ls -A; touch here; mkdir -p deep/er; pwd");
    let token = task.token.clone();
    bench.run(task).await;
    let folder = bench.server.log(&token, StreamName::Stdout);
    assert_eq!(folder.lines().count(), 1, "{folder}");
    assert!(!std::path::Path::new(folder.trim()).exists());
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_starts_where_its_task_says() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("tool"), "#!/bin/sh\necho I am here\n").expect("writable");
    std::fs::set_permissions(folder.path().join("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("mine");
    let bench = Bench::start(shell_config());
    let here = Some(folder.path().to_string_lossy().into_owned());
    let task = GrantMessage { working_dir: here, ..command(&["./tool"]) };
    let token = task.token.clone();
    assert_eq!(bench.run(task).await.status, OutcomeStatus::Success);
    assert_eq!(bench.server.log(&token, StreamName::Stdout), "I am here\n");
    assert!(folder.path().exists());
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_output_is_the_json_in_the_file() {
    let bench = Bench::start(shell_config());
    let outcome = bench.run(script(r#"echo ' {"rows": [1, 2]} ' > "$MAINSPRING_OUTPUT""#)).await;
    assert_eq!(outcome.output.expect("an output").get(), r#"{"rows": [1, 2]}"#);
    assert!(bench.run(script(": > \"$MAINSPRING_OUTPUT\"")).await.output.is_none());
    for (what, kind) in [
        ("echo not json > $MAINSPRING_OUTPUT", "bad_output"),
        ("printf '\\377' > $MAINSPRING_OUTPUT", "bad_output"),
        ("mkdir $MAINSPRING_OUTPUT", "bad_output"),
        ("ln -s /etc/passwd $MAINSPRING_OUTPUT", "bad_output"),
        ("mkfifo $MAINSPRING_OUTPUT", "bad_output"),
        ("head -c 300000 /dev/zero | tr '\\0' 1 > $MAINSPRING_OUTPUT", "output_too_large"),
    ] {
        let outcome = bench.run(script(what)).await;
        assert_eq!(
            (outcome.status, error_kind(&outcome), outcome.retryable),
            (OutcomeStatus::Failure, kind, Some(false)),
            "{what}"
        );
    }
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exits_are_told_apart() {
    let bench = Bench::start(shell_config());
    let failed = bench.run(script("echo first >&2; echo the reason >&2; exit 3")).await;
    assert_eq!((failed.status, error_kind(&failed)), (OutcomeStatus::Failure, "exit_code"));
    assert_eq!(error_message(&failed), "exit code 3: the reason");
    let missing = bench.run(script("no-such-program-anywhere")).await;
    assert!(error_message(&missing).starts_with("exit code 127 (the shell did not find the command)"));
    for signal in ["TERM", "KILL", "SEGV", "HUP"] {
        let killed = bench.run(script(&format!("kill -{signal} $$"))).await;
        assert_eq!((killed.status, error_kind(&killed)), (OutcomeStatus::Failure, "signal"), "{signal}");
        assert!(error_message(&killed).contains(&format!("SIG{signal}")), "{}", error_message(&killed));
    }
    let fine = GrantMessage { success_exit_codes: vec![3, 4], ..script("exit 4") };
    assert_eq!(bench.run(fine).await.status, OutcomeStatus::Success);
    let not_fine = GrantMessage { success_exit_codes: vec![3, 4], ..script("exit 0") };
    assert_eq!(bench.run(not_fine).await.status, OutcomeStatus::Failure);
    let skipped = GrantMessage { skip_exit_codes: vec![99], ..script("exit 99") };
    assert_eq!(bench.run(skipped).await.status, OutcomeStatus::Success);
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("data"), "text").expect("writable");
    std::fs::write(path("lost"), "#!/no/such/interpreter\n").expect("writable");
    std::fs::set_permissions(path("lost"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mine");
    let long = "x".repeat(200_000);
    let many: Vec<String> = std::iter::once("true".to_owned()).chain((0..40).map(|_| "y".repeat(100_000))).collect();
    let huge = GrantMessage { command: Some(many), ..grant("shell") };
    let env = |name: &str, value: &str| GrantMessage {
        env: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..command(&["true"])
    };
    let bench = Bench::start(shell_config());
    for (task, words) in [
        (command(&["no-such-program"]), "is in no folder of PATH"),
        (command(&["/no/such/program"]), "does not exist"),
        (command(&[&path("data")]), "not executable"),
        (command(&[&path("")]), "it is a folder"),
        (command(&[&path("lost")]), "interpreter"),
        (command(&[""]), "the command is empty"),
        (GrantMessage { command: Some(vec![]), ..grant("shell") }, "the command is empty"),
        (command(&["echo", "a\0b"]), "argument 1 of the command contains a NUL byte"),
        (env("A=B", "c"), "is not the name of an environment variable"),
        (env("A", "c\0d"), "`A` contains a NUL byte"),
        (command(&["echo", &long]), "too long for the system"),
        (huge, "too long for the system"),
        (GrantMessage { working_dir: Some(path("nowhere")), ..command(&["true"]) }, "does not exist"),
        (GrantMessage { working_dir: Some(path("data")), ..command(&["true"]) }, "is not a folder"),
    ] {
        let outcome = bench.run(task).await;
        assert_eq!((outcome.status, error_kind(&outcome)), (OutcomeStatus::Failure, "spawn_failed"), "{words}");
        assert!(error_message(&outcome).contains(words), "{words} is not in: {}", error_message(&outcome));
        assert_eq!(outcome.retryable, Some(false), "{words}");
    }
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_supervisor_is_explained_and_may_be_tried_again() {
    let shell = ShellConfig { supervisor: "/no/such/supervisor".into(), ..ShellConfig::default() };
    let bench = Bench::start(WorkerConfig { shell: Some(shell), ..WorkerConfig::default() });
    let outcome = bench.run(command(&["true"])).await;
    assert_eq!((error_kind(&outcome), outcome.retryable), ("spawn_failed", Some(true)));
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_streams_while_the_command_runs() {
    let bench = Bench::start(shell_config());
    let task = script("echo one; echo two >&2; while [ ! -e go ]; do sleep 0.02; done; echo three; pwd");
    let token = task.token.clone();
    bench.server.submit(within(task, 20_000));
    bench.server.printed(&token, "one\n").await;
    bench.server.until(|server| server.log(&token, StreamName::Stderr).contains("two\n").then_some(())).await;
    assert!(bench.server.taken(&token).is_empty(), "it still runs");
    let pid = carrying(&token).first().copied().expect("it runs");
    std::fs::write(format!("/proc/{pid}/cwd/go"), "").expect("its folder is writable");
    assert_eq!(bench.server.outcome(&token).await.status, OutcomeStatus::Success);
    assert!(bench.server.log(&token, StreamName::Stdout).contains("three\n"));
    assert!(bench.server.log_is_gapless(&token));
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_words_arrive_before_the_outcome() {
    let bench = Bench::start(shell_config());
    for _ in 0..5 {
        let task = script("seq 1 40000; echo the end");
        let token = task.token.clone();
        assert_eq!(bench.run(task).await.status, OutcomeStatus::Success);
        assert!(bench.server.log(&token, StreamName::Stdout).ends_with("40000\nthe end\n"));
        assert!(bench.server.log_is_gapless(&token));
    }
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_command_misses_its_heartbeat_and_a_talking_one_does_not() {
    let bench = Bench::start(shell_config());
    let heartbeat = Some(WireDuration::from_ms(300));
    let silent = bench.run(GrantMessage { heartbeat_timeout: heartbeat, ..script("sleep 60") }).await;
    assert_eq!((silent.status, error_kind(&silent)), (OutcomeStatus::Timeout, "heartbeat_timeout"));
    let talking = script("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done");
    assert_eq!(
        bench.run(GrantMessage { heartbeat_timeout: heartbeat, ..talking }).await.status,
        OutcomeStatus::Success
    );
    bench.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_hands_back_a_command_that_outlasts_the_grace() {
    let config = WorkerConfig { drain_grace: Duration::from_millis(100), ..shell_config() };
    let bench = Bench::start(config);
    let task = script("trap 'echo told; exit 0' TERM; echo up; while :; do sleep 0.01; done");
    let token = task.token.clone();
    bench.server.submit(task);
    bench.server.printed(&token, "up").await;
    let server = std::sync::Arc::clone(&bench.server);
    bench.drain().await;
    assert_eq!(server.taken(&token)[0].status, OutcomeStatus::Interrupted);
    assert!(server.log(&token, StreamName::Stdout).contains("told"));
    assert!(carrying(&token).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_kills_commands_without_grace() {
    let bench = Bench::start(shell_config());
    let task = script("trap '' TERM; echo up; while :; do sleep 1; done");
    let token = task.token.clone();
    bench.server.submit(task);
    bench.server.printed(&token, "up").await;
    bench.stopper.raise(Urgency::Stop);
    let server = std::sync::Arc::clone(&bench.server);
    bench.ended().await.expect("ends well");
    assert_eq!(server.taken(&token)[0].status, OutcomeStatus::Interrupted);
    assert!(carrying(&token).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_worker_ends_its_commands() {
    let server = crate::server::Server::new();
    let (_stopper, shutdown) = mainspring_worker::Shutdown::new();
    let worker = tokio::spawn(mainspring_worker::run(shell_config(), server.clone() as _, shutdown));
    let task = script("echo up; sleep 1000");
    let token = task.token.clone();
    server.submit(task);
    server.printed(&token, "up").await;
    worker.abort();
    eventually("nothing is left", || carrying(&token).is_empty()).await;
}
