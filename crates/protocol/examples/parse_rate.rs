//! How long a batch of 10,000 small tasks takes to be read, per task: `cargo run --release --example parse_rate`.

#![expect(clippy::disallowed_methods, reason = "this program measures time")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use mainspring_protocol::submit::{Defaults, parse_tasks};

const TASKS: u32 = 10_000;
const ROUNDS: usize = 60;

fn main() {
    let payload = format!(r#"{{"to":"somebody@example.com","subject":"report","n":17,"text":"{}"}}"#, "x".repeat(34));
    let kinds = [
        ("type and payload", format!(r#"{{"type":"email","payload":{payload}}}"#)),
        (
            "with a policy",
            format!(r#"{{"type":"email","payload":{payload},"queue":"mail","retries":3,"timeout":"30s"}}"#),
        ),
        ("with an own id", format!(r#"{{"type":"email","payload":{payload},"idempotencyKey":"some-key"}}"#)),
    ];
    println!("payload of {} bytes", payload.len());
    for (kind, task) in kinds {
        let batch = format!("[{}]", vec![task; TASKS as usize].join(","));
        let mut rounds: Vec<Duration> = (0..ROUNDS).map(|_| round(&batch)).collect();
        rounds.sort_unstable();
        let [best, median] = [0, ROUNDS / 2].map(|at| (rounds[at] / TASKS).as_nanos());
        println!("{kind}: {best} ns a task at best, {median} ns in the median");
    }
}

fn round(batch: &str) -> Duration {
    let start = Instant::now();
    let tasks = parse_tasks(black_box(batch.as_bytes()), &Defaults::default()).expect("is a batch");
    let took = start.elapsed();
    assert!(black_box(tasks).iter().all(Result::is_ok));
    took
}
