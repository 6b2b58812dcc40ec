//! The shell-facing half of the core, still without I/O: drains events, pages in what they need, steps them, seals
//! one commit per batch, and releases effects once that commit has returned.
//!
//! The runtime calls [`Driver::push`] for every event, then [`Driver::poll`] until it returns `None`, carries out each
//! [`Io`], and reports with [`Driver::committed`] and [`Driver::loaded`], in the order in which the store answered. It
//! wakes the driver at [`Driver::wake_at`]. A commit that was rejected or whose fate is unknown ends the driver:
//! [`Driver::abandon`], then a fresh load.
//!
//! ```text
//!  push ─▶ mailbox ─▶ rows missing? ── yes ─▶ parked ─▶ Io::Read ─▶ loaded ─┐
//!                         │ no      ◀───────────────────────────────────────┘
//!                         ▼
//!                     step, work, dispatch ─▶ seal ─▶ Io::Commit ─▶ committed ─▶ effects
//! ```
//! One commit and one read are in flight at the most; stepping goes on meanwhile, up to one more batch.

use std::collections::VecDeque;

use crate::effect::Effect;
use crate::event::{Event, RequestId};
use crate::parts::Parts;
use crate::row::{Changes, ReadSet, Rows, Snapshot};
use crate::shard::{Shard, ShardConfig, Work};
use crate::time::Timestamp;

/// Names one [`Io`] until it is reported back.
pub type Ticket = u64;

/// What the runtime shall do now.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one exists at a time, and it is moved straight to the store")]
pub enum Io {
    /// Commit these changes. At most one commit is in flight.
    Commit {
        /// Report it with [`Driver::committed`].
        ticket: Ticket,
        /// The changes.
        changes: Changes,
    },
    /// Read these rows; the store serves it after all commits that were ordered before.
    Read {
        /// Report it with [`Driver::loaded`].
        ticket: Ticket,
        /// What.
        set: ReadSet,
    },
    /// Release these effects at once: nothing they depend on is still uncommitted.
    Release(Vec<Effect>),
}

/// A commit on its way.
#[derive(Clone, Debug)]
struct InFlight {
    ticket: Ticket,
    number: u64,
    effects: Vec<Effect>,
}

/// See the module. A clone goes its own way: that is for a model checker, which follows every way.
#[derive(Clone, Debug)]
pub struct Driver {
    shard: Shard,
    mailbox: VecDeque<Event>,
    /// How many events of the mailbox, from its front, were looked through for signs of life.
    heard: usize,
    /// Events whose rows were just read, in front of the mailbox.
    returned: VecDeque<Event>,
    /// Events that wait for the next read.
    parked: Vec<Event>,
    /// How many of `parked` have been through a read before: what it said of claims must be kept for them.
    parked_again: usize,
    /// Work that waits for the next read.
    blocked: Vec<Work>,
    wanted: ReadSet,
    /// Events and work that wait for the read in flight.
    reading: Option<(Ticket, ReadSet, Vec<Event>, Vec<Work>)>,
    commit: Option<InFlight>,
    committed: u64,
    tickets: Ticket,
    parts: Parts,
}

impl Driver {
    /// A driver over what a store loaded. Its time starts at `now` or at the persisted high water, whichever is later.
    pub fn new(config: ShardConfig, snapshot: Snapshot, now: Timestamp) -> Self {
        let committed = snapshot.high_water.commit;
        Self {
            shard: Shard::restore(config, snapshot, now),
            mailbox: VecDeque::new(),
            heard: 0,
            returned: VecDeque::new(),
            parked: Vec::new(),
            parked_again: 0,
            blocked: Vec::new(),
            wanted: ReadSet::default(),
            reading: None,
            commit: None,
            committed,
            tickets: 0,
            parts: Parts::default(),
        }
    }

    /// Takes an event in. Nothing happens before the next [`Driver::poll`]. Bulk events larger than a step are split here;
    /// their answers are put together again.
    pub fn push(&mut self, event: Event) {
        let tasks_max = (self.shard.step_rows_max() / 4).max(1);
        self.parts.split(event, tasks_max, |part| self.mailbox.push_back(part));
    }

    /// What to do next; call it until it returns `None`.
    pub fn poll(&mut self, now: Timestamp) -> Option<Io> {
        self.shard.advance(now);
        self.hear();
        if !self.shard.is_full() {
            self.run();
        }
        if self.reading.is_none() && (!self.wanted.is_empty() || self.pages_wanted()) {
            return Some(self.order_read());
        }
        if self.commit.is_none() && self.shard.has_changes() {
            let commit = self.order_commit();
            // Asked for at once: a busy shard has changes again before it comes by here next.
            if self.reading.is_none() {
                self.shard.want_pages(&mut self.wanted);
            }
            return Some(commit);
        }
        if !self.shard.has_changes() {
            let effects = self.shard.take_effects();
            match &mut self.commit {
                // They may tell of what is in flight, and so wait for it.
                Some(commit) => commit.effects.extend(effects),
                None if !effects.is_empty() => return Some(Io::Release(self.parts.join(effects))),
                None => {}
            }
        }
        None
    }

    /// Looks through what arrived for signs of life: deadlines are judged before events are stepped.
    fn hear(&mut self) {
        for event in self.mailbox.iter().skip(self.heard) {
            if let Event::Exchange(exchange) = event {
                self.shard.hear(exchange);
            }
        }
        self.heard = self.mailbox.len();
    }

    /// Steps until the batch is full or nothing is left that can be stepped.
    fn run(&mut self) {
        loop {
            self.shard.collect_due();
            self.returned.extend(self.shard.take_released());
            let mut moved = self.carry_on();
            if self.shard.is_recovering() {
                return;
            }
            // Before the events too: a flood of submissions fills every batch, and nothing would be granted.
            if !self.shard.is_full() {
                self.shard.dispatch();
            }
            moved |= self.step();
            if !self.shard.is_full() {
                self.shard.dispatch();
            }
            if !moved || self.shard.is_full() {
                return;
            }
        }
    }

    /// Does the shard's own work: in half of the batch while events wait, so that a sweep over a large job keeps nobody
    /// else waiting. True if there was any.
    fn carry_on(&mut self) -> bool {
        let mut moved = false;
        let events_wait = !self.mailbox.is_empty() || !self.returned.is_empty();
        while !(self.shard.is_full() || events_wait && self.shard.is_half_full())
            && let Some(work) = self.shard.next_work()
        {
            moved = true;
            if self.is_missing(|shard, set| shard.needs_of_work(work, set)) {
                self.blocked.push(work);
            } else {
                self.shard.carry_on(work);
            }
        }
        moved
    }

    /// Steps events; true if there were any.
    fn step(&mut self) -> bool {
        let mut moved = false;
        while !self.shard.is_full()
            && let Some((event, again)) = self.next_event()
        {
            moved = true;
            if self.is_missing(|shard, set| shard.needs(&event, set)) {
                self.parked_again += usize::from(again);
                self.parked.push(event);
            } else if let Some(event) = self.shard.postpone(event) {
                self.shard.set_part_offset(self.parts.offset_of(&event));
                self.shard.step(event);
            }
        }
        moved
    }

    fn next_event(&mut self) -> Option<(Event, bool)> {
        if let Some(event) = self.returned.pop_front() {
            return Some((event, true));
        }
        let event = self.mailbox.pop_front()?;
        self.heard -= 1;
        Some((event, false))
    }

    fn is_missing(&mut self, needs: impl FnOnce(&Shard, &mut ReadSet)) -> bool {
        let mut set = ReadSet::default();
        needs(&self.shard, &mut set);
        if set.is_empty() {
            return false;
        }
        self.wanted.tasks.append(&mut set.tasks);
        self.wanted.jobs.append(&mut set.jobs);
        self.wanted.chunks.append(&mut set.chunks);
        self.wanted.claims.append(&mut set.claims);
        true
    }

    /// Adds the pages of cold rows that should come in now.
    fn pages_wanted(&mut self) -> bool {
        self.shard.want_pages(&mut self.wanted);
        !self.wanted.is_empty()
    }

    fn order_read(&mut self) -> Io {
        if self.parked_again == 0 {
            self.shard.forget_reads(self.committed);
            // A commit that returns while a read is on its way lets nothing go; under constant reads that is every one.
            self.shard.retire(self.committed);
        }
        self.shard.want_pages(&mut self.wanted);
        let mut set = std::mem::take(&mut self.wanted);
        set.tasks.sort_unstable();
        set.tasks.dedup();
        set.jobs.sort_unstable();
        set.jobs.dedup();
        set.chunks.sort_unstable();
        set.chunks.dedup();
        set.claims.sort_unstable();
        set.claims.dedup();
        self.tickets += 1;
        let (parked, blocked) = (std::mem::take(&mut self.parked), std::mem::take(&mut self.blocked));
        self.parked_again = 0;
        self.reading = Some((self.tickets, set.clone(), parked, blocked));
        Io::Read { ticket: self.tickets, set }
    }

    fn order_commit(&mut self) -> Io {
        let changes = self.shard.seal();
        self.tickets += 1;
        let (ticket, number) = (self.tickets, changes.high_water.commit);
        self.commit = Some(InFlight { ticket, number, effects: self.shard.take_effects() });
        Io::Commit { ticket, changes }
    }

    /// A commit returned as committed; gives back the effects that it justifies.
    pub fn committed(&mut self, ticket: Ticket) -> Vec<Effect> {
        let commit = self.commit.take().expect("a commit is reported once");
        assert_eq!(commit.ticket, ticket, "commits are reported in order");
        self.committed = commit.number;
        // A read that was ordered before this commit may still bring older rows: nothing leaves until it is here.
        if self.reading.is_none() {
            self.shard.forget(self.committed);
        }
        self.parts.join(commit.effects)
    }

    /// A read returned.
    pub fn loaded(&mut self, ticket: Ticket, rows: Rows) {
        let (expected, set, parked, blocked) = self.reading.take().expect("a read is reported once");
        assert_eq!(expected, ticket, "reads are reported in order");
        self.shard.absorb(&set, rows);
        self.returned.extend(parked);
        self.shard.put_back(blocked);
    }

    /// A read failed for now: what waits for it asks again at the next poll.
    pub fn read_failed(&mut self, ticket: Ticket) {
        let (expected, set, parked, blocked) = self.reading.take().expect("a read is reported once");
        assert_eq!(expected, ticket, "reads are reported in order");
        self.shard.pages_failed(&set);
        self.returned.extend(parked);
        self.shard.put_back(blocked);
    }

    /// When to poll again even if nothing happens.
    pub fn wake_at(&self) -> Option<Timestamp> {
        // A page that is due waits for what is in flight, whose answer polls anyway.
        let may_page = self.reading.is_none() && self.commit.is_none();
        self.shard.wake_at(may_page)
    }

    /// How many ready tasks no session has room for, as far as is known without a look at the store.
    pub fn demand(&self) -> u64 {
        self.shard.demand()
    }

    /// Whether anything is in flight or waits to be stepped.
    pub fn is_idle(&self) -> bool {
        self.commit.is_none()
            && self.reading.is_none()
            && self.mailbox.is_empty()
            && self.returned.is_empty()
            && self.parked.is_empty()
            && self.blocked.is_empty()
            && !self.shard.has_changes()
    }

    /// The recoverable state as text; `None` while anything was stepped that is not committed. A driver loaded from the
    /// store at this moment gives the same text, once [`Driver::is_idle`] holds for it (I4).
    pub fn canonical(&self) -> Option<String> {
        let settled = self.commit.is_none() && !self.shard.has_changes() && !self.shard.is_admitting();
        settled.then(|| self.shard.canonical())
    }

    /// Ends the driver; gives back whom to tell that the outcome is unknown.
    pub fn abandon(self) -> Vec<RequestId> {
        let Self { mut shard, mailbox, returned, parked, reading, commit, mut parts, .. } = self;
        let (waiting, in_flight) = (reading.map_or_else(Vec::new, |reading| reading.2), commit);
        let events = mailbox.iter().chain(&returned).chain(&parked).chain(&waiting);
        let mut requests: Vec<RequestId> = events.filter_map(request_of).collect();
        let effects = in_flight.map_or_else(Vec::new, |commit| commit.effects);
        requests.extend(effects.iter().chain(&shard.take_effects()).filter_map(|effect| match effect {
            Effect::Reply { to, .. } | Effect::Exchanged { to, .. } => Some(*to),
            Effect::Grant(_)
            | Effect::Revoke { .. }
            | Effect::Evaluate(_)
            | Effect::Direct { .. }
            | Effect::Plan(_)
            | Effect::Hook(_)
            | Effect::Announce(_)
            | Effect::Install(_)
            | Effect::Loan(_) => None,
        }));
        requests.extend(shard.staged_requests());
        parts.parents_of(requests)
    }
}

fn request_of(event: &Event) -> Option<RequestId> {
    match event {
        Event::SubmitTasks(submission) => Some(submission.to),
        Event::SubmitJob(submission) => Some(submission.to),
        Event::Exchange(exchange) => Some(exchange.to),
        Event::Command(command) => Some(command.to),
        Event::EndSession(_) | Event::EndNode(_) | Event::Settings(_) | Event::Evaluated(_) => None,
        Event::Planned(_) | Event::Hooked(_) | Event::Announced(_) | Event::Loan(_) => None,
    }
}
