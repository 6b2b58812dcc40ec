//! Long random histories: a store answers every question as the in-memory model does.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainspring_core::id::Key;
use mainspring_core::job::{JobStatus, Sweep, SweepKind};
use mainspring_core::loan::{LoanKind, LoanName, LoanRow};
use mainspring_core::permit::{LimitRow, LimitScope, Limits};
use mainspring_core::row::{
    AttemptRow, Changes, ClaimKind, ClaimRow, DefinitionKind, DefinitionRow, Directive, FeedPosition, HighWater,
    LanePage, OutputRow, QueueRow, ReadSet, TaskRow, TimerPage, TransitionKind, WorkerRow,
};
use mainspring_core::task::{LaneId, Place, TaskState, TaskStatus};

use super::make::{
    at, chain, claim, claim_name, ended, event, failed_attempt, job_state, key, log, name, running, state,
};
use super::make::{task, task_with};
use super::{Factory, Shard, wait};
use crate::reader::{DefinitionFilter, JobFilter, TaskFilter};
use crate::{MemoryStore, ShardId, Store};

/// Sequences of commits that one run makes.
const SEQUENCES: u64 = 12;
/// Commits in each.
const COMMITS: u64 = 40;

/// SplitMix64: the history of a number is always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A history that is being made.
struct History {
    dice: Dice,
    commit: u64,
    next: u64,
    tasks: BTreeSet<u64>,
    jobs: BTreeSet<u64>,
}

impl History {
    fn changes(&mut self) -> Changes {
        self.commit += 1;
        let mut changes = Changes::default();
        changes.high_water = HighWater {
            time: at(self.commit as i64 * 100),
            sequence: self.next,
            lease: self.dice.below(9),
            commit: self.commit,
        };
        self.insert(&mut changes);
        self.change(&mut changes);
        self.record(&mut changes);
        changes
    }

    fn any_task(&mut self) -> Option<u64> {
        let place = self.dice.below(self.tasks.len().max(1) as u64) as usize;
        self.tasks.iter().nth(place).copied()
    }

    fn state(&mut self) -> TaskState {
        match self.dice.below(7) {
            0 => state(TaskStatus::Ready, Place::Hot),
            1 | 2 => state(TaskStatus::Ready, Place::ColdReady { lane: LaneId(self.dice.below(3) as u32) }),
            3 => {
                let due = Some(at(self.dice.below(900) as i64));
                TaskState { due, ..state(TaskStatus::Scheduled, Place::ColdTimer) }
            }
            4 => running(1 + self.dice.below(3) as u32),
            5 if self.dice.one_in(2) => {
                let (due, child) = (Some(at(self.dice.below(900) as i64)), Some(key(self.dice.below(9))));
                TaskState { due, child, ..state(TaskStatus::Waiting, Place::ColdTimer) }
            }
            5 => TaskState { dead: true, ..ended(TaskStatus::Failed, self.dice.below(4_000) as i64) },
            _ => ended(TaskStatus::Completed, self.dice.below(4_000) as i64),
        }
    }

    fn insert(&mut self, changes: &mut Changes) {
        for _ in 0..self.dice.below(6) {
            self.next += 1;
            let (priority, queue) = (self.dice.below(10) as u8, self.dice.below(3));
            let row = task_with(self.next, |spec| (spec.priority, spec.queue) = (priority, name(&format!("q{queue}"))));
            let tenant = if self.dice.one_in(4) { name("acme") } else { name("default") };
            changes.insert_tasks.push(TaskRow { tenant, state: self.state(), ..row });
            self.tasks.insert(self.next);
        }
        if self.dice.one_in(5) {
            self.next += 1;
            let tasks = 1 + self.dice.below(4) as u32;
            let mut new = chain(self.next, tasks);
            new.job.state.status = JobStatus::ALL[self.dice.below(6) as usize];
            new.job.parent = self.dice.one_in(4).then(|| key(self.dice.below(9)));
            new.job.deadline_ms = self.dice.one_in(4).then(|| self.dice.below(9));
            new.job.state.sweep = self.dice.one_in(3).then_some(Sweep { kind: SweepKind::Starting, next: 1 });
            self.jobs.insert(self.next);
            self.next += u64::from(tasks);
            changes.insert_tasks.extend(new.tasks);
            changes.insert_jobs.push(new.job);
            changes.insert_chunks.extend(new.chunks);
        }
    }

    fn change(&mut self, changes: &mut Changes) {
        let mut touched = BTreeSet::new();
        for _ in 0..self.dice.below(5) {
            if let Some(number) = self.any_task().filter(|number| touched.insert(*number)) {
                changes.update_tasks.push((key(number), self.state()));
            }
        }
        if let Some(number) = self.any_task().filter(|_| self.dice.one_in(4)) {
            changes.rewrite_bodies.push((key(number), format!("[{}]", self.commit).into()));
        }
        if let Some(number) = self.any_task().filter(|_| self.dice.one_in(3)) {
            changes.delete_tasks.push(key(number));
            self.tasks.remove(&number);
        }
        // The core takes no job in and deletes it in one commit.
        let known = |number: &u64| changes.insert_jobs.iter().all(|row| row.key != key(*number));
        if let Some(number) = self.jobs.first().copied().filter(known).filter(|_| self.dice.one_in(4)) {
            let mut state = job_state(JobStatus::Completed);
            state.ended_at = Some(at(self.commit as i64));
            changes.update_jobs.push((key(number), state));
            if self.dice.one_in(3) {
                changes.delete_tasks.extend((0..4).map(|index| key(number).task_of_job(index)));
                changes.delete_jobs.push(key(number));
                self.jobs.remove(&number);
            }
        }
    }

    fn record(&mut self, changes: &mut Changes) {
        let commit = self.commit;
        if let Some(number) = self.any_task() {
            let attempt = failed_attempt(100 + commit as u32);
            changes.insert_attempts.push(AttemptRow { task: key(number), attempt });
            changes.put_outputs.push(OutputRow { task: key(number), output: format!("{commit}").into() });
            changes.insert_logs.push(log(key(number), 1, self.dice.below(6), "line é\n"));
            let kind = [ClaimKind::TaskId, ClaimKind::IdempotencyKey][self.dice.below(2) as usize];
            let row = claim(kind, &format!("c{}", self.dice.below(9)), key(number));
            let expires_at = self.dice.one_in(2).then(|| at(self.dice.below(5_000) as i64));
            changes.put_claims.push(ClaimRow { expires_at, ..row });
            changes.feed.push(event(TransitionKind::ALL[commit as usize % 20], number, commit as i64 * 100));
        }
        if self.dice.one_in(5) {
            changes.delete_claims.push(claim_name(ClaimKind::TaskId, &format!("c{}", self.dice.below(9))));
        }
        if self.dice.one_in(4) {
            let paused = self.dice.one_in(2);
            changes.put_queues.push(QueueRow { name: name(&format!("q{}", self.dice.below(3))), paused });
            let limits = Limits { concurrency: Some(self.dice.below(3) as u32), ..Limits::default() };
            let scope = LimitScope::ALL[self.dice.below(3) as usize];
            changes.put_limits.push(LimitRow { scope, name: name("l"), limits });
            let of = LoanName { scope, name: name("l"), kind: LoanKind::ALL[self.dice.below(2) as usize] };
            let (peer, given) = (self.dice.below(3) as u16, self.dice.below(100));
            changes.put_loans.push(LoanRow { of, peer, given, returned: self.dice.below(given + 1) });
            changes.put_workers.push(WorkerRow { worker: name("w"), directive: Directive::Pause });
            let (kind, body) = (DefinitionKind::Job, self.dice.one_in(2).then(|| Arc::from("{}")));
            let (tenant, at) = (name("default"), at(0));
            let (version, actor) = (commit as u32, name("ops"));
            let row = DefinitionRow { kind, tenant, name: name("d"), version, body, at, actor };
            changes.insert_definitions.push(row);
        }
    }
}

/// The same shard in the store that is tried and in the model.
struct Pair {
    store: Shard,
    model: Shard,
}

impl Pair {
    fn compare<T: PartialEq + std::fmt::Debug>(&self, what: &str, ask: impl Fn(&Shard) -> T) {
        let (store, model) = (ask(&self.store), ask(&self.model));
        assert!(store == model, "{what}: the store says {store:?}, the model {model:?}");
    }

    fn compare_rows(&self, dice: &mut Dice, last: u64) {
        self.compare("load", Shard::load);
        let set = ReadSet {
            tasks: (0..5).map(|_| key(dice.below(last + 2))).collect::<BTreeSet<_>>().into_iter().collect(),
            jobs: (0..3).map(|_| key(dice.below(last + 2))).collect::<BTreeSet<_>>().into_iter().collect(),
            chunks: vec![(key(dice.below(last + 2)), 0)],
            claims: (0..9).map(|number| claim_name(ClaimKind::TaskId, &format!("c{number}"))).collect(),
            lanes: (0..3).map(|lane| LanePage { lane: LaneId(lane), limit: dice.below(6) as u32, oldest: 2 }).collect(),
            timers: Some(TimerPage { until: at(dice.below(900) as i64), limit: 1 + dice.below(5) as u32 }),
        };
        self.compare("read", |shard| shard.read(set.clone()));
    }

    fn compare_lists(&self, dice: &mut Dice, last: u64) {
        let number = dice.below(last + 2);
        let statuses = if dice.one_in(2) { vec![TaskStatus::ALL[dice.below(9) as usize]] } else { Vec::new() };
        let tenant = dice.one_in(3).then(|| name("acme"));
        let filter = TaskFilter { statuses, tenant, dead: dice.one_in(4), ..TaskFilter::default() };
        self.compare("tasks", |shard| all_tasks(shard, &filter));
        self.compare("jobs", |shard| shard.ask(|reader| reader.jobs(JobFilter::default(), None, 1_000)).items);
        self.compare("task", |shard| shard.whole(key(number)));
        self.compare("attempts", |shard| shard.ask(|reader| reader.attempts(key(number))));
        self.compare("output", |shard| shard.ask(|reader| reader.output(key(number))));
        self.compare("logs", |shard| shard.ask(|reader| reader.logs(key(number), 1, 0, 9)).items);
        self.compare("chunks", |shard| shard.ask(|reader| reader.chunks(key(number))));
        self.compare("find", |shard| shard.ask(|reader| reader.find(ClaimKind::IdempotencyKey, name("c1"))));
        self.compare("task counts", |shard| shard.ask(|reader| reader.task_counts(None, 5)));
        self.compare("job counts", |shard| shard.ask(|reader| reader.job_counts(None, 100)));
        self.compare("ended tasks", |shard| shard.ask(|reader| reader.ended_tasks(at(2_000), 1_000)));
        self.compare("ended jobs", |shard| shard.ask(|reader| reader.ended_jobs(at(2_000), 1_000)));
        let filter = DefinitionFilter { kind: DefinitionKind::Job, tenant: None, name: Some(name("d")) };
        self.compare("definitions", |shard| shard.ask(|reader| reader.definitions(filter.clone())));
        let after = FeedPosition { commit: dice.below(20), index: 0 };
        self.compare("feed", |shard| {
            let page = shard.ask(|reader| reader.feed(ShardId(0), after, 7));
            (page.items, page.earliest, page.latest)
        });
    }

    fn prune(&self, ms: i64) {
        self.compare("prune", |shard| {
            wait(shard.store.prune(shard.fence.clone(), at(ms), at(ms), 3)).expect("the fence is in force")
        });
    }
}

/// A whole list; a store may give it in short pages.
fn all_tasks(shard: &Shard, filter: &TaskFilter) -> Vec<TaskRow> {
    let (mut after, mut rows): (Option<Key>, Vec<TaskRow>) = (None, Vec::new());
    loop {
        let page = shard.ask(|reader| reader.tasks(filter.clone(), after, 7));
        rows.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return rows,
        }
    }
}

/// Plays random histories to the store and to the model, and asks both the same after each commit.
pub fn random_commits_answer_like_the_model(open: Factory<'_>) {
    for sequence in 0..SEQUENCES {
        let mut history =
            History { dice: Dice(sequence), commit: 0, next: 0, tasks: BTreeSet::new(), jobs: BTreeSet::new() };
        let mut dice = Dice(!sequence);
        let model: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let mut pair = Pair { store: Shard::new(open), model: Shard::of(model) };
        for _ in 0..COMMITS {
            let changes = history.changes();
            pair.store.commit(changes.clone());
            pair.model.commit(changes);
            if dice.one_in(9) {
                pair.store.acquire_again();
                pair.model.acquire_again();
            }
            if dice.one_in(6) {
                pair.prune(dice.below(4_000) as i64);
            }
            pair.compare_rows(&mut dice, history.next);
            pair.compare_lists(&mut dice, history.next);
        }
        let rows = pair.model.ask(|reader| reader.tasks(TaskFilter::default(), None, 1)).items;
        assert!(!rows.is_empty() && rows[0] != task(0), "the history leaves something to compare");
    }
}
