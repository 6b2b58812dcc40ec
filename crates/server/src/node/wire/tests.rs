//! What is read is what was written, and nothing else gets through.

mod make;

use std::sync::Arc;

use mainspring_core::effect::{Answer, Refusal};
use mainspring_core::event::{NewTask, Order, Start, SubmitJob};
use mainspring_core::graph::Graph;
use mainspring_core::id::{Bucket, Key};
use mainspring_core::job::{GraphChunk, GraphTask};
use mainspring_core::limits::{PRIORITY_MAX, RESIDENT_BODY_BYTES_MAX};
use mainspring_core::spec::{Policy, TaskSpec, Trigger};
use proptest::prelude::*;

use super::fault::{OTHER_STATUS, OTHER_VERB, VERBS};
use super::*;

fn passed_on(ask: &Ask) -> Ask {
    read_ask(&write_ask(ask)).expect("what was written is read")
}

fn answered(answer: &Result<Answer, CallError>) -> Result<Answer, CallError> {
    read_answer(&write_answer(answer)).expect("what was written is read")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tasks_are_read_as_they_were_written(tasks in make::tasks()) {
        let ask = Ask::Tasks(tasks);
        prop_assert_eq!(format!("{:?}", passed_on(&ask)), format!("{ask:?}"));
    }

    #[test]
    fn a_job_is_read_as_it_was_written(job in make::job()) {
        let ask = Ask::Job(Box::new(job));
        prop_assert_eq!(format!("{:?}", passed_on(&ask)), format!("{ask:?}"));
    }

    #[test]
    fn every_order_is_read_as_it_was_written(actor in make::name(), orders in make::orders()) {
        for order in orders {
            let ask = Ask::Order { actor: actor.clone(), order };
            prop_assert_eq!(format!("{:?}", passed_on(&ask)), format!("{ask:?}"));
        }
    }

    #[test]
    fn every_answer_is_read_as_it_was_written(answers in make::answers()) {
        for answer in answers.into_iter().map(Ok) {
            prop_assert_eq!(format!("{:?}", answered(&answer)), format!("{answer:?}"));
        }
    }

    #[test]
    fn every_error_is_read_as_it_was_written(errors in make::errors()) {
        for error in errors {
            prop_assert_eq!(answered(&Err(error.clone())).expect_err("an error"), error);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (read_ask(&bytes), read_answer(&bytes));
    }

    #[test]
    fn damaged_messages_are_read_without_a_panic(
        job in make::job(),
        tasks in make::tasks(),
        answers in make::answers(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let asks = [write_ask(&Ask::Job(Box::new(job))), write_ask(&Ask::Tasks(tasks))];
        for mut bytes in asks.into_iter().chain(answers.into_iter().map(|answer| write_answer(&Ok(answer)))) {
            let whole = bytes.len();
            prop_assert!(read_ask(&bytes[..cut.index(whole)]).is_err());
            prop_assert!(read_answer(&bytes[..cut.index(whole)]).is_err());
            for (at, byte) in &damage {
                bytes[at.index(whole)] = *byte;
            }
            let _ = (read_ask(&bytes), read_answer(&bytes));
        }
    }
}

fn spec(body: &str) -> TaskSpec {
    TaskSpec::new("noop".into(), body.into())
}

fn task(spec: TaskSpec) -> NewTask {
    NewTask {
        tenant: "default".into(),
        given_id: None,
        idempotency_key: None,
        body_hash: 0,
        spec: Arc::new(spec),
        start: Start::Now,
        unique: None,
    }
}

fn job(graph: Graph) -> Ask {
    Ask::Job(Box::new(SubmitJob::new(0, Bucket::new(0), graph)))
}

/// A graph as nobody validated it, of the parents and children of each task.
fn graph_of(edges: &[(&[u32], &[u32])]) -> Graph {
    let tasks = edges.iter().zip(0..).map(|((parents, children), number)| GraphTask {
        name: format!("task_{number}").into(),
        spec: Arc::new(spec("{}")),
        trigger: Trigger::AllSuccess,
        delay_ms: 0,
        parents: parents.to_vec(),
        children: children.to_vec(),
        flow: None,
    });
    Graph::of_chunks(vec![GraphChunk { job: Key::from_raw(0), number: 0, tasks: tasks.collect() }])
}

#[test]
fn a_graph_that_was_not_validated_is_refused() {
    let sound = [(&[][..], &[1, 2][..]), (&[0], &[2]), (&[0, 1], &[])];
    read_ask(&write_ask(&job(graph_of(&sound)))).expect("a sound graph is read");
    let unsound: [&[(&[u32], &[u32])]; 8] = [
        &[],
        &[(&[], &[1])],
        &[(&[], &[]), (&[0], &[])],
        &[(&[0], &[0])],
        &[(&[1], &[1]), (&[0], &[0])],
        &[(&[], &[1, 1]), (&[0, 0], &[])],
        &[(&[], &[2]), (&[0], &[])],
        &[(&[], &[1]), (&[9], &[])],
    ];
    for edges in unsound {
        let error = read_ask(&write_ask(&job(graph_of(edges)))).expect_err("an unsound graph");
        assert!(error.to_string().contains("graph of a job"), "{error}");
    }
}

#[test]
fn a_body_above_the_resident_limit_survives_in_a_job() {
    let mut specs = [spec(&"a\"".repeat(RESIDENT_BODY_BYTES_MAX)), spec("{}"), spec(" {\n}\t")];
    specs[0].priority = PRIORITY_MAX;
    let tasks = specs.iter().map(|spec| GraphTask {
        name: "a".into(),
        spec: Arc::new(spec.clone()),
        trigger: Trigger::AllSuccess,
        delay_ms: 0,
        parents: Vec::new(),
        children: Vec::new(),
        flow: None,
    });
    let graph = Graph::of_chunks(vec![GraphChunk { job: Key::from_raw(0), number: 0, tasks: tasks.collect() }]);
    let Ask::Job(job) = passed_on(&job(graph)) else { panic!("a job is read as a job") };
    for (read, written) in job.graph.tasks().iter().zip(&specs) {
        assert_eq!(*read.spec, *written);
    }
}

#[test]
fn what_the_core_never_meets_is_refused_by_its_place() {
    let above = TaskSpec { priority: PRIORITY_MAX + 1, ..spec("{}") };
    let error = read_ask(&write_ask(&Ask::Tasks(vec![task(spec("{}")), task(above)]))).expect_err("a priority above 9");
    assert!(error.to_string().contains("task 1"), "{error}");
    let order = Ask::Order { actor: "a".into(), order: Order::CancelTask(Key::from_raw(1 << 63)) };
    let error = read_ask(&write_ask(&order)).expect_err("a key above 2^63");
    assert!(error.to_string().contains("is no key") && error.to_string().contains("column"), "{error}");
    let written = String::from_utf8(write_ask(&Ask::Tasks(vec![task(spec("{}"))]))).expect("JSON is text");
    let error = read_ask(written.replace("\"policy\":0", "\"policy\":1").as_bytes()).expect_err("a policy too many");
    assert!(error.to_string().contains("task 0"), "{error}");
}

#[test]
fn tasks_of_one_batch_share_policies_and_names() {
    let policy = Arc::new(Policy { retries: 3, ..Policy::default() });
    let other = Arc::new(Policy { retries: 4, ..Policy::default() });
    let with = |policy: &Arc<Policy>| task(TaskSpec { policy: Arc::clone(policy), ..spec("{}") });
    let bytes = write_ask(&Ask::Tasks(vec![with(&policy), with(&other), with(&policy)]));
    let Ask::Tasks(tasks) = read_ask(&bytes).expect("what was written is read") else { panic!("tasks") };
    let [first, second, third] = [0, 1, 2].map(|index| &tasks[index].spec);
    assert!(Arc::ptr_eq(&first.policy, &third.policy) && !Arc::ptr_eq(&first.policy, &second.policy));
    assert!(Arc::ptr_eq(&first.queue, &second.queue) && Arc::ptr_eq(&first.kind, &first.class.executor));
    assert_eq!(String::from_utf8_lossy(&bytes).matches("retries").count(), 2, "a policy is written once");
}

#[test]
fn a_refusal_keeps_the_words_of_the_core_and_no_others() {
    for order in VERBS {
        let error = CallError::Refused(Refusal::WrongState { order, status: "paused" });
        assert_eq!(answered(&Err(error.clone())).expect_err("an error"), error);
    }
    let strange = CallError::Refused(Refusal::WrongState { order: "teleport", status: "elated" });
    let neutral = CallError::Refused(Refusal::WrongState { order: OTHER_VERB, status: OTHER_STATUS });
    assert_eq!(answered(&Err(strange)).expect_err("an error"), neutral);
}

#[test]
fn a_node_that_has_stopped_sends_the_asker_elsewhere() {
    assert_eq!(write_answer(&Err(CallError::Stopped)), br#"{"Err":"elsewhere"}"#);
}
