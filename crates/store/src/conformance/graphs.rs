//! The graphs of jobs, and the tasks of jobs.

use std::sync::Arc;

use mainspring_core::id::Key;
use mainspring_core::job::JobRow;
use mainspring_core::limits::{GRAPH_CHUNK_TASKS, RESIDENT_BODY_BYTES_MAX};
use mainspring_core::row::{Changes, ReadSet, TaskRow};
use mainspring_core::spec::{Policy, TaskSpec, Trigger};
use mainspring_core::task::{Place, TaskState, TaskStatus};

use super::make::{Chain, at, chain, chain_with, ended, key, name, running, state};
use super::{Factory, Shard};
use crate::reader::TaskMark;

pub(super) fn inserting(chain: &Chain) -> Changes {
    Changes {
        insert_tasks: chain.tasks.clone(),
        insert_jobs: vec![chain.job.clone()],
        insert_chunks: chain.chunks.clone(),
        ..Changes::default()
    }
}

pub(super) fn jobs_of(shard: &Shard, jobs: Vec<Key>) -> Vec<JobRow> {
    shard.read(ReadSet { jobs, ..ReadSet::default() }).jobs
}

/// Checks that a chain's graph reads back, for the core and for the read side.
fn graph_reads_back(open: Factory<'_>, chain: &Chain) {
    let mut shard = Shard::new(open);
    shard.commit(inserting(chain));
    let chunks = chain.chunks.iter().map(|chunk| (chunk.job, chunk.number)).collect();
    assert_eq!(shard.read(ReadSet { chunks, ..ReadSet::default() }).chunks, chain.chunks);
    assert_eq!(shard.ask(|reader| reader.chunks(chain.job.key)), chain.chunks);
}

pub fn a_graph_reads_back(open: Factory<'_>) {
    graph_reads_back(open, &chain(10, 5));
}

pub fn a_graph_of_several_chunks_reads_back(open: Factory<'_>) {
    let chain = chain(10, 2 * GRAPH_CHUNK_TASKS + 3);
    assert_eq!(chain.chunks.len(), 3);
    graph_reads_back(open, &chain);
}

pub fn a_graph_with_rich_specs_reads_back(open: Factory<'_>) {
    let mut chain = chain_with(10, 40, |index, spec| {
        spec.kind = name(&format!("kind-{}", index % 3));
        spec.class.executor = name("shell");
        spec.class.labels = if index % 2 == 0 { Arc::from([name("gpu=a100")]) } else { Arc::from([]) };
        spec.title = (index % 4 == 0).then(|| name("größe"));
        spec.priority = (index % 10) as u8;
        spec.expires_at_ms = (index % 5 == 0).then_some(-i64::from(index));
        spec.policy = Arc::new(Policy { retries: index % 3, timeout_ms: Some(index.into()), ..Policy::default() });
        spec.body = format!("{{\"payload\":{index}}}").into();
        spec.tags = (0..index % 4).map(|tag| name(&format!("tag-{tag}"))).collect();
    });
    let triggers = [Trigger::AllDone, Trigger::OneFailed, Trigger::Always, Trigger::NoneFailedMinOneSuccess];
    for (node, index) in chain.chunks[0].tasks.iter_mut().zip(0_u32..) {
        node.trigger = triggers[index as usize % 4];
        node.delay_ms = u64::from(index) << 40;
        node.parents = (0..index).step_by(3).collect();
        node.children = vec![index + 1, 99_999];
    }
    graph_reads_back(open, &chain);
}

pub fn a_chunk_is_read_alone(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain(10, 2 * GRAPH_CHUNK_TASKS);
    shard.commit(inserting(&chain));
    let set = ReadSet { chunks: vec![(chain.job.key, 1)], ..ReadSet::default() };
    assert_eq!(shard.read(set).chunks, [chain.chunks[1].clone()]);
}

pub fn an_absent_chunk_is_left_out(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain(10, 3);
    shard.commit(inserting(&chain));
    let chunks = vec![(chain.job.key, 1), (key(900), 0), (chain.job.key, 0)];
    assert_eq!(shard.read(ReadSet { chunks, ..ReadSet::default() }).chunks, chain.chunks);
}

fn large_body() -> Arc<str> {
    format!("\"{}\"", "x".repeat(RESIDENT_BODY_BYTES_MAX)).into()
}

pub fn a_large_body_is_not_in_the_graph(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain_with(10, 2, |index, spec| spec.body = if index == 1 { large_body() } else { "[0]".into() });
    shard.commit(inserting(&chain));
    let set = ReadSet { chunks: vec![(chain.job.key, 0)], ..ReadSet::default() };
    let bodies: Vec<_> = shard.read(set).chunks[0].tasks.iter().map(|node| node.spec.body.clone()).collect();
    assert_eq!(bodies, ["[0]".into(), "".into()]);
}

pub fn a_jobs_task_is_resident_without_its_spec(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let mut chain = chain_with(10, 2, |index, spec| spec.body = if index == 1 { large_body() } else { "[0]".into() });
    chain.tasks[0].state = state(TaskStatus::Ready, Place::Hot);
    shard.commit(inserting(&chain));
    let keys = chain.tasks.iter().map(|row| row.key).collect();
    let rows: Vec<_> = chain.tasks.iter().map(|row| TaskRow { spec: None, ..row.clone() }).collect();
    assert_eq!(shard.resident(keys), rows);
    assert_eq!(shard.load().tasks, rows[..1]);
}

/// Checks that every task of a chain is whole for the read side.
fn tasks_are_whole(open: Factory<'_>, chain: &Chain) {
    let mut shard = Shard::new(open);
    shard.commit(inserting(chain));
    let keys = chain.tasks.iter().map(|row| row.key).collect();
    assert_eq!(shard.ask(|reader| reader.tasks_by_key(keys)), chain.tasks);
}

pub fn a_jobs_task_is_whole_for_the_reader(open: Factory<'_>) {
    let body = |index: u32, spec: &mut TaskSpec| {
        spec.body = format!("[{index}]").into();
        spec.tags = Arc::from([name("a")]);
        spec.priority = 3;
    };
    tasks_are_whole(open, &chain_with(10, 3, body));
}

pub fn a_jobs_task_with_a_large_body_is_whole_for_the_reader(open: Factory<'_>) {
    tasks_are_whole(open, &chain_with(10, 3, |_, spec| spec.body = large_body()));
}

pub fn a_jobs_task_beyond_the_first_chunk_is_whole_for_the_reader(open: Factory<'_>) {
    let body = |index: u32, spec: &mut TaskSpec| spec.body = format!("[{index}]").into();
    tasks_are_whole(open, &chain_with(10, GRAPH_CHUNK_TASKS + 2, body));
}

/// The body that the read side has of a task.
fn body_of(shard: &Shard, task: Key) -> Arc<str> {
    shard.whole(task).and_then(|row| row.spec).expect("it is whole").body.clone()
}

pub fn a_rewritten_body_of_a_jobs_task_wins_over_the_graph(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain_with(10, 2, |index, spec| spec.body = if index == 1 { large_body() } else { "[0]".into() });
    shard.commit(inserting(&chain));
    let bodies = chain.tasks.iter().map(|row| (row.key, r#"{"payload":"new"}"#.into())).collect();
    shard.commit(Changes { rewrite_bodies: bodies, ..Changes::default() });
    for row in &chain.tasks {
        assert_eq!(&*body_of(&shard, row.key), r#"{"payload":"new"}"#);
    }
}

pub fn a_rewritten_body_of_a_jobs_task_is_resident(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain(10, 2);
    shard.commit(inserting(&chain));
    let edited = chain.tasks[0].key;
    shard.commit(Changes { rewrite_bodies: vec![(edited, "[7]".into())], ..Changes::default() });
    let rows = shard.resident(vec![edited, chain.tasks[1].key]);
    let spec = rows[0].spec.as_deref().expect("an edited task carries its spec");
    assert_eq!((&*spec.body, &*spec.kind), ("[7]", "noop"));
    assert_eq!(rows[1].spec, None);
    shard.commit(Changes { rewrite_bodies: vec![(edited, large_body())], ..Changes::default() });
    let rows = shard.resident(vec![edited]);
    assert_eq!(&*rows[0].spec.as_deref().expect("an edited task carries its spec").body, "");
}

pub fn a_large_rewritten_body_of_a_jobs_task_is_whole_for_the_reader(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain(10, 2);
    shard.commit(inserting(&chain));
    let edited = chain.tasks[1].key;
    shard.commit(Changes { rewrite_bodies: vec![(edited, large_body())], ..Changes::default() });
    assert_eq!(body_of(&shard, edited), large_body());
}

fn names_of(rows: &[TaskRow]) -> Vec<&str> {
    rows.iter().map(|row| row.given_id.as_deref().expect("a job's task has a name")).collect()
}

pub fn the_tasks_of_a_job_come_in_order(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain_with(10, 4, |index, spec| spec.body = format!("[{index}]").into());
    shard.commit(inserting(&chain));
    shard.commit(inserting(&super::make::chain(100, 3)));
    let rows = shard.ask(|reader| reader.job_tasks(chain.job.key, 0, 100));
    assert_eq!(names_of(&rows), ["t0", "t1", "t2", "t3"]);
    assert!(rows.iter().all(|row| row.spec.as_ref().is_some_and(|spec| spec.body.is_empty())));
}

pub fn the_tasks_of_a_job_start_from_an_index(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain(10, 6);
    shard.commit(inserting(&chain));
    let rows = |from, limit| shard.ask(|reader| reader.job_tasks(chain.job.key, from, limit));
    assert_eq!(names_of(&rows(2, 3)), ["t2", "t3", "t4"]);
    assert_eq!(names_of(&rows(5, 3)), ["t5"]);
    assert_eq!(rows(6, 3), []);
    assert_eq!(shard.ask(|reader| reader.job_tasks(key(900), 0, 3)), []);
}

pub fn the_marks_of_a_job_say_what_its_rows_say(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let mut chain = chain(10, 6);
    let states = [ended(TaskStatus::Completed, 900), ended(TaskStatus::Failed, 950), running(3)];
    chain.tasks.iter_mut().zip(states).for_each(|(task, state)| task.state = state);
    // Skipped, and never run: it has an end and no start.
    chain.tasks[4].state = TaskState { ended_at: Some(at(960)), ..state(TaskStatus::Skipped, Place::Rest) };
    shard.commit(inserting(&chain));
    shard.commit(inserting(&super::make::chain(100, 3)));
    let marks = |from, limit| shard.ask(|reader| reader.marks(chain.job.key, from, limit));
    let said: Vec<TaskMark> = chain.tasks.iter().map(|task| TaskMark::of(chain.job.key, task)).collect();
    assert_eq!((said[2].attempt, said[2].started_at, said[4].ended_at), (3, Some(at(300)), Some(at(960))));
    assert_eq!(marks(0, 100), said);
    assert_eq!(marks(2, 3), said[2..5]);
    assert_eq!(marks(6, 3), []);
    assert_eq!(shard.ask(|reader| reader.marks(key(900), 0, 3)), []);
}

pub fn a_task_is_found_in_its_job_by_name(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let (one, two) = (chain(10, 3), chain(100, 3));
    shard.commit(inserting(&one));
    shard.commit(inserting(&two));
    let find = |job, text| shard.ask(|reader| reader.find_in_job(job, name(text)));
    assert_eq!(find(two.job.key, "t1"), Some(two.tasks[1].key));
    assert_eq!(find(one.job.key, "t1"), Some(one.tasks[1].key));
    assert_eq!(find(one.job.key, "t3"), None);
    assert_eq!(find(key(900), "t1"), None);
}

fn deleting(chain: &Chain) -> Changes {
    Changes {
        delete_tasks: chain.tasks.iter().map(|row| row.key).collect(),
        delete_jobs: vec![chain.job.key],
        ..Changes::default()
    }
}

pub fn a_deleted_job_is_gone_with_its_graph(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let chain = chain(10, GRAPH_CHUNK_TASKS + 1);
    shard.commit(inserting(&chain));
    shard.commit(deleting(&chain));
    assert_eq!(jobs_of(&shard, vec![chain.job.key]), []);
    assert_eq!(shard.ask(|reader| reader.chunks(chain.job.key)), []);
    assert_eq!(shard.ask(|reader| reader.job_tasks(chain.job.key, 0, 9)), []);
    let chunks = vec![(chain.job.key, 0), (chain.job.key, 1)];
    assert_eq!(shard.read(ReadSet { chunks, ..ReadSet::default() }).chunks, []);
}

pub fn a_deleted_job_leaves_its_neighbours(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let (one, two, three) = (chain(10, 3), chain(14, 3), chain(18, 3));
    for chain in [&one, &two, &three] {
        shard.commit(inserting(chain));
    }
    shard.commit(deleting(&two));
    for chain in [&one, &three] {
        assert_eq!(shard.ask(|reader| reader.chunks(chain.job.key)), chain.chunks);
        assert_eq!(shard.ask(|reader| reader.job_tasks(chain.job.key, 0, 9)).len(), 3);
    }
}
