//! Several shards that lend limits to each other, over messages that are late, lost or repeated, with crashes in between:
//! I12 is read from their rows after every step, and once the faults stop, all work is done.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainspring_core::effect::{Answer, Effect};
use mainspring_core::event::{Command, Event, NewTask, Order, Settings, Start, SubmitTasks};
use mainspring_core::id::{Bucket, Name, Token};
use mainspring_core::loan::{LoanKind, LoanMessage, LoanName};
use mainspring_core::permit::{LimitRow, LimitScope, Limits, LimitsPatch, Rate};
use mainspring_core::shard::ShardConfig;
use mainspring_core::spec::TaskSpec;
use mainspring_core::task::TaskStatus;

use crate::batches::exchange;
use crate::graphs::spec;
use crate::world::{Seen, World};

/// A fault of the protocol or of whoever carries it out, which the rules must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plant {
    None,
    /// A message says more was given than is stored.
    Inflated,
    /// A home forgets what it has lent when it is loaded.
    ForgottenLoans,
    /// What was returned is used on.
    KeptOnUsing,
    /// A lent place is taken for lost after a while.
    TimedOut,
}

struct Net {
    worlds: Vec<World>,
    bag: Vec<LoanMessage>,
    tokens: Vec<Vec<Token>>,
    limits: Vec<LimitRow>,
    /// The concurrency that each shard has heard of.
    heard: Vec<u64>,
    dice: u64,
    plant: Plant,
    /// Σ lent and what runs at home, as last seen.
    bound: u64,
    answers: Vec<Answer>,
    /// Messages so far.
    said: u64,
    faults: bool,
}

const QUEUE: &str = "q";

fn places(scope: LimitScope, name: &str) -> LoanName {
    LoanName { scope, name: name.into(), kind: LoanKind::Places }
}

impl Net {
    fn new(shards: u16, seed: u64, plant: Plant) -> Self {
        let config = |shard| ShardConfig { shard, shards, control: shard == 0, seed: 1, ..ShardConfig::default() };
        let mut net = Self {
            worlds: (0..shards).map(|shard| World::new(config(shard))).collect(),
            bag: Vec::new(),
            tokens: vec![Vec::new(); usize::from(shards)],
            limits: Vec::new(),
            heard: vec![0; usize::from(shards)],
            dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            plant,
            bound: 0,
            answers: Vec::new(),
            said: 0,
            faults: true,
        };
        (1..net.worlds.len()).for_each(|shard| net.follow(shard));
        net
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % bound
    }

    fn home(&self, name: &str) -> usize {
        usize::from(Bucket::of_text(name).number()) * self.worlds.len() / 4_096
    }

    fn set(&mut self, scope: LimitScope, name: &str, patch: LimitsPatch) {
        let (name, actor): (Name, Name) = (name.into(), "ops".into());
        let before = self.limits.iter().position(|row| row.scope == scope && row.name == name);
        let old = before.map(|at| self.limits.remove(at).limits).unwrap_or_default();
        self.limits.push(LimitRow { scope, name: name.clone(), limits: patch.apply(old) });
        self.limits.retain(|row| row.limits != Limits::default());
        let order = Order::SetLimits { scope, name, patch };
        self.note(0);
        self.push(0, Event::Command(Command { to: 9, actor, order }));
    }

    fn follow(&mut self, shard: usize) {
        self.note(shard);
        let settings = Settings { limits: self.limits.clone(), ..Settings::default() };
        self.push(shard, Event::Settings(settings));
    }

    fn note(&mut self, shard: usize) {
        let of_queue = self.limits.iter().find(|row| row.scope == LimitScope::Queue);
        self.heard[shard] = of_queue.and_then(|row| row.limits.concurrency).map_or(0, u64::from);
    }

    fn push(&mut self, shard: usize, event: Event) {
        let world = &mut self.worlds[shard];
        world.driver.push(event);
        world.settle();
        self.collect(shard);
    }

    /// What came out of a shard goes where it belongs.
    fn collect(&mut self, shard: usize) {
        for seen in std::mem::take(&mut self.worlds[shard].seen) {
            match seen {
                Seen::Effect(Effect::Loan(mut message)) => {
                    if self.plant == Plant::Inflated && self.below(20) == 0 {
                        message.given += 1;
                    }
                    self.bag.push(*message);
                    self.said += 1;
                }
                Seen::Effect(Effect::Grant(grant)) => self.tokens[shard].push(grant.token),
                Seen::Effect(Effect::Reply { answer: Ok(answer), .. }) => self.answers.push(answer),
                _ => {}
            }
        }
    }

    fn submit(&mut self, shard: usize, count: usize, tenant: &str) {
        let spec = Arc::new(TaskSpec { queue: QUEUE.into(), ..TaskSpec::clone(&spec(0)) });
        let bucket = (shard * 4_096).div_ceil(self.worlds.len()) as u16 + 1;
        let task = NewTask {
            tenant: tenant.into(),
            given_id: None,
            idempotency_key: None,
            body_hash: 0,
            spec,
            start: Start::Now,
            unique: None,
        };
        let submission = SubmitTasks { to: 1, bucket: Bucket::new(bucket), tasks: vec![task; count] };
        self.push(shard, Event::SubmitTasks(submission));
    }

    /// The worker of a shard speaks: it has room, and one of its attempts may have ended.
    fn work(&mut self, shard: usize, ends: bool) {
        let ended = if ends { self.tokens[shard].pop() } else { None };
        self.push(shard, exchange(4, ended, None));
    }

    fn deliver(&mut self) {
        if self.bag.is_empty() {
            return;
        }
        let at = self.below(self.bag.len() as u64) as usize;
        let repeated = self.faults && self.below(5) == 0;
        let message = if repeated { self.bag[at].clone() } else { self.bag.swap_remove(at) };
        if !self.faults || self.below(5) > 0 {
            self.push(usize::from(message.to), Event::Loan(Box::new(message)));
        }
    }

    fn crash(&mut self, shard: usize) {
        if self.plant == Plant::ForgottenLoans {
            self.worlds[shard].store.loans.clear();
        }
        self.worlds[shard].crash();
        self.tokens[shard] = self.leases(shard);
        if shard > 0 {
            self.follow(shard);
        }
        self.worlds[shard].settle();
        self.collect(shard);
    }

    fn leases(&self, shard: usize) -> Vec<Token> {
        let rows = self.worlds[shard].store.tasks.values();
        let held = rows.filter_map(|row| Some((row.key, row.state.lease.as_ref()?.number)));
        held.map(|(task, lease)| Token { incarnation: 1, task, lease }).collect()
    }

    fn advance(&mut self, ms: u64) {
        let end = self.worlds[0].now.plus_ms(ms);
        for shard in 0..self.worlds.len() {
            let behind = end.since(self.worlds[shard].now);
            self.worlds[shard].advance(behind);
            self.collect(shard);
        }
    }

    fn running(&self, shard: usize) -> u64 {
        self.worlds[shard].store.tasks.values().filter(|row| row.state.status == TaskStatus::Running).count() as u64
    }

    fn unfinished(&self, shard: usize, tenant: &str) -> u64 {
        let rows = self.worlds[shard].store.tasks.values();
        rows.filter(|row| *row.tenant == *tenant && !row.state.status.is_terminal()).count() as u64
    }

    /// Wears a planted fault that lies in the rows.
    fn wear(&mut self) {
        let of = places(LimitScope::Queue, QUEUE);
        let home = self.home(QUEUE);
        match self.plant {
            Plant::KeptOnUsing => {
                let shard = (home + 1) % self.worlds.len();
                if let Some(row) = self.worlds[shard].store.loans.get_mut(&(of, home as u16)) {
                    row.returned = row.returned.saturating_sub(1);
                }
            }
            Plant::TimedOut => {
                let rows = self.worlds[home].store.loans.values_mut();
                rows.for_each(|row| row.returned = row.given);
            }
            _ => {}
        }
    }

    /// I12: Σ lent ≤ limit, what is borrowed was lent, and what is used was borrowed. A limit that was lowered is come back
    /// to: until then nothing is added.
    fn check(&mut self, of: &LoanName, uses: impl Fn(&Self, usize) -> u64) -> Result<(), String> {
        let home = self.home(&of.name);
        let limit = self.heard[home];
        let mut bound = uses(self, home);
        for shard in (0..self.worlds.len()).filter(|shard| *shard != home) {
            let lent = self.worlds[home].store.loans.get(&(of.clone(), shard as u16));
            let has = self.worlds[shard].store.loans.get(&(of.clone(), home as u16));
            let (given, heard) = lent.map_or((0, 0), |row| (row.given, row.returned));
            let (received, returned) = has.map_or((0, 0), |row| (row.given, row.returned));
            if received > given || heard > returned {
                return Err(format!(
                    "shard {shard} has received {received} of {given} and returned {returned}, {heard} is heard of"
                ));
            }
            let (used, borrowed) = (uses(self, shard), received - returned);
            if used > borrowed {
                return Err(format!("shard {shard} uses {used} and has borrowed {borrowed}"));
            }
            bound += given - heard;
        }
        if bound > limit.max(self.bound) {
            return Err(format!(
                "{bound} is lent and used at home, the limit is {limit}, before it was {}",
                self.bound
            ));
        }
        self.bound = bound;
        Ok(())
    }
}

fn concurrency(max: u32) -> LimitsPatch {
    LimitsPatch { concurrency: Some(Some(max)), ..LimitsPatch::default() }
}

/// A random history under a limit of a queue that is raised and lowered; whether the rules held, and whether the limit was
/// ever used up.
fn history(seed: u64, shards: u16, plant: Plant) -> Result<bool, String> {
    let mut net = Net::new(shards, seed, plant);
    let mut limit = 1 + net.below(4);
    net.set(LimitScope::Queue, QUEUE, concurrency(limit as u32));
    (1..net.worlds.len()).for_each(|shard| net.follow(shard));
    let of = places(LimitScope::Queue, QUEUE);
    let mut full = false;
    for _ in 0..250 {
        let shard = net.below(u64::from(shards)) as usize;
        match net.below(20) {
            0..=2 => net.submit(shard, 2, "default"),
            3..=6 => net.work(shard, false),
            7..=9 => net.work(shard, true),
            10..=14 => net.deliver(),
            15 | 16 => {
                let ms = net.below(700);
                net.advance(ms);
            }
            17 => net.crash(shard),
            18 if net.below(4) == 0 => {
                limit = net.below(5);
                net.set(LimitScope::Queue, QUEUE, concurrency(limit as u32));
            }
            _ if shard > 0 => net.follow(shard),
            _ => net.wear(),
        }
        net.check(&of, Net::running)?;
        full |= limit > 0 && (0..net.worlds.len()).map(|shard| net.running(shard)).sum::<u64>() == limit;
    }
    net.faults = false;
    net.set(LimitScope::Queue, QUEUE, concurrency(2));
    (1..net.worlds.len()).for_each(|shard| net.follow(shard));
    let left = |net: &Net| (0..net.worlds.len()).map(|shard| net.unfinished(shard, "default")).sum::<u64>();
    for _ in 0..3_000 {
        if left(&net) == 0 {
            return Ok(full);
        }
        for shard in 0..net.worlds.len() {
            net.work(shard, true);
        }
        (0..net.bag.len()).for_each(|_| net.deliver());
        net.advance(50);
        net.check(&of, Net::running)?;
    }
    Err(format!("{} tasks are never done", left(&net)))
}

#[test]
fn lent_places_are_never_more_than_the_limit_whatever_happens_to_messages_and_shards() {
    let full = (1..=40).filter(|seed| {
        let shards = [2, 3, 5, 16][*seed as usize % 4];
        history(*seed, shards, Plant::None).unwrap_or_else(|why| panic!("seed {seed}, {shards} shards: {why}"))
    });
    assert!(full.count() > 10, "the limit is seldom used up");
}

#[test]
fn faults_in_lending_are_found() {
    for plant in [Plant::Inflated, Plant::ForgottenLoans, Plant::KeptOnUsing, Plant::TimedOut] {
        let found = (1..=40).any(|seed| history(seed, 3, plant).is_err());
        assert!(found, "{plant:?} is not found");
    }
}

/// Time passes, messages arrive, workers have room and end what they run.
fn live(net: &mut Net, ms: u64, mut each: impl FnMut(&mut Net)) {
    net.faults = false;
    for _ in 0..ms / 25 {
        for shard in 0..net.worlds.len() {
            net.work(shard, false);
        }
        (0..net.bag.len()).for_each(|_| net.deliver());
        net.advance(25);
        each(net);
    }
}

#[test]
fn a_busy_shard_gets_what_others_do_not_use() {
    let mut net = Net::new(16, 1, Plant::None);
    net.set(LimitScope::Queue, QUEUE, concurrency(5));
    (1..16).for_each(|shard| net.follow(shard));
    for (shard, count) in [(12, 1), (13, 3), (3, 9), (8, 9), (3, 9)] {
        net.submit(shard, count, "default");
        live(&mut net, 3_000, |_| {});
        assert_eq!(net.running(shard), count.min(5) as u64, "shard {shard} runs what the limit allows");
        let said = net.said;
        live(&mut net, 10_000, |_| {});
        assert!(net.said < said + 50, "{} messages while nothing happens", net.said - said);
        while (0..16).any(|shard| net.unfinished(shard, "default") > 0) {
            (0..16).for_each(|shard| net.work(shard, true));
            live(&mut net, 50, |_| {});
        }
    }
}

#[test]
fn one_place_goes_round_among_all_shards_that_want_it() {
    let mut net = Net::new(16, 1, Plant::None);
    net.set(LimitScope::Queue, QUEUE, concurrency(1));
    net.set(LimitScope::Type, "noop", concurrency(1));
    (1..16).for_each(|shard| net.follow(shard));
    (0..16).for_each(|shard| net.submit(shard, 400, "default"));
    let mut ran = BTreeSet::new();
    live(&mut net, 60_000, |net| {
        let running: Vec<usize> = (0..16).filter(|shard| net.running(*shard) > 0).collect();
        assert!(running.len() <= 1, "{running:?} run at a time");
        ran.extend(running);
        (0..16).for_each(|shard| net.work(shard, true));
    });
    assert_eq!(ran.len(), 16, "only {ran:?} have run anything in a minute");
    assert!(net.said < 60 * 2 * 16 * 4, "{} messages in a minute", net.said);
}

#[test]
fn a_rate_with_a_small_burst_goes_round_and_is_kept() {
    let mut net = Net::new(16, 1, Plant::None);
    let rate = Some(Some(Rate { limit: 10, per_ms: 1_000, burst: 1 }));
    net.set(LimitScope::Queue, QUEUE, LimitsPatch { rate, ..LimitsPatch::default() });
    (1..16).for_each(|shard| net.follow(shard));
    [2, 7, 11].into_iter().for_each(|shard| net.submit(shard, 400, "default"));
    let mut done = 0;
    live(&mut net, 60_000, |net| {
        for shard in 0..16 {
            done += net.tokens[shard].len();
            while !net.tokens[shard].is_empty() {
                net.work(shard, true);
            }
        }
    });
    let left = [2, 7, 11].map(|shard| net.unfinished(shard, "default"));
    assert!(left.iter().all(|left| *left < 400), "a shard starved: {left:?}");
    assert!((150..=601).contains(&done), "{done} starts in a minute at 10 a second");
}

#[test]
fn a_quota_of_unfinished_tasks_holds_for_all_shards() {
    let mut net = Net::new(16, 1, Plant::None);
    let quota = LimitsPatch { max_backlog: Some(Some(20)), ..LimitsPatch::default() };
    net.set(LimitScope::Tenant, "t", quota);
    (1..16).for_each(|shard| net.follow(shard));
    net.answers.clear();
    let submitted = |net: &mut Net, shard: usize, count| {
        net.answers.clear();
        net.submit(shard, count, "t");
        live(net, 500, |_| {});
        let answers = net.answers.iter().filter_map(|answer| match answer {
            Answer::Tasks(tasks) => Some(tasks.iter().filter(|task| task.is_ok()).count()),
            _ => None,
        });
        answers.sum::<usize>()
    };
    assert_eq!(submitted(&mut net, 5, 15), 15, "all of it is free");
    assert_eq!(submitted(&mut net, 9, 5), 5);
    assert_eq!(submitted(&mut net, 2, 3), 0, "the quota is used up");
    while net.unfinished(5, "t") > 5 {
        net.work(5, true);
    }
    live(&mut net, 1_500, |_| {});
    assert_eq!(submitted(&mut net, 2, 10), 10, "what has ended elsewhere makes room here");
    let all: u64 = (0..16).map(|shard| net.unfinished(shard, "t")).sum();
    assert!(all <= 20, "{all} are unfinished");
}
