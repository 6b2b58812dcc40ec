//! Commands that run work themselves: `run` and `dev FILE`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::site::{folder_with, mainspring, run_in};

#[test]
fn a_failing_job_shows_the_last_lines_of_what_failed() {
    let folder = folder_with("bad.yaml", "job: bad\ntasks:\n  good: echo fine\n  bad: 'echo the reason; exit 3'\n");
    let ended = run_in(folder.path(), &["run", "bad.yaml"]).expect(4);
    assert!(ended.err.contains("✖ bad failed") && ended.err.contains("│ the reason"), "{}", ended.err);
    assert!(ended.err.contains("✔ good  completed"), "{}", ended.err);
}

#[test]
fn commands_start_in_the_folder_of_their_file() {
    let folder = folder_with("here.yaml", "job: here\ntasks:\n  look: test -f here.yaml\n");
    let elsewhere = folder_with("x", "");
    let file = folder.path().join("here.yaml");
    run_in(elsewhere.path(), &["run", file.to_str().expect("the path is UTF-8")]).expect(0);
}

#[test]
fn a_job_beyond_its_time_is_cancelled() {
    let folder = folder_with("slow.yaml", "job: slow\ntasks:\n  wait: sleep 60\n");
    run_in(folder.path(), &["run", "slow.yaml", "--timeout", "200ms"]).expect(124);
}

#[test]
fn an_interrupt_cancels_the_job_and_leaves_no_process_behind() {
    let folder = folder_with("slow.yaml", "job: slow\ntasks:\n  wait: 'echo $$ > pid; exec sleep 60'\n");
    let mut process = mainspring()
        .current_dir(folder.path())
        .args(["run", "slow.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut said = BufReader::new(process.stderr.take().expect("it is piped")).lines();
    let running = said.any(|line| line.expect("it speaks UTF-8").contains("running"));
    assert!(running, "the task never ran");
    // It is said to run before its program has started; the program writes its id first of all.
    let pid = loop {
        let text = std::fs::read_to_string(folder.path().join("pid")).unwrap_or_default();
        if let Ok(pid) = text.trim().parse() {
            break Pid::from_raw(pid).expect("a process id is not 0");
        }
        std::thread::yield_now();
    };
    kill_process(Pid::from_child(&process), Signal::INT).expect("the process is ours");
    let rest: Vec<String> = said.map_while(Result::ok).collect();
    let status = process.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "{rest:?}");
    assert!(test_kill_process(pid).is_err(), "the program outlived its job");
}

#[test]
fn dev_runs_a_file_says_how_it_ended_and_stays() {
    let folder = folder_with("hello.yaml", "job: hello\ntasks:\n  hello: echo hi\n");
    let mut process = mainspring()
        .current_dir(folder.path())
        .args(["dev", "hello.yaml", "--listen", "127.0.0.1:0", "--store", "sqlite:t.db"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    let mut next = || lines.next().expect("it goes on").expect("it speaks UTF-8");
    let address = next().split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
    let end = next();
    assert!(end.starts_with("job j") && end.ends_with(" completed"), "{end}");
    let listed = run_in(folder.path(), &["jobs", "list", "-o", "name", "--server", &address.expect("it listens")]);
    assert_eq!(listed.expect(0).out.trim(), end.split(' ').nth(1).expect("the line names the job"));
    kill_process(Pid::from_child(&process), Signal::TERM).expect("the process is ours");
    assert_eq!(process.wait().expect("it ends").code(), Some(0));
}
