//! Plays a transcript: blocks of commands, `----`, and what came out. The commands of one block arrive together.
//! `command` reads every command that there is.

mod command;
mod flow;

use std::fmt::Write;

use mainspring_core::effect::{Answer, Effect};
use mainspring_core::event::RequestId;
use mainspring_core::id::Key;
use mainspring_core::shard::ShardConfig;

use crate::names::Names;
use crate::render;
use crate::words::Words;
use crate::world::{Seen, World};

pub(crate) struct Script {
    world: World,
    names: Names,
    requests: RequestId,
    /// Names to give once a submission is answered.
    submitted: Vec<(RequestId, Vec<String>)>,
}

/// The transcript as it should read.
pub(crate) fn play(text: &str) -> String {
    let mut script = Script::new(ShardConfig::default());
    let mut out = String::new();
    for block in text.split("\n\n").map(str::trim_end).filter(|block| !block.is_empty()) {
        let input = block.split_once("\n----").map_or(block, |(input, _)| input).trim_start_matches('\n');
        let commands: Vec<&str> = input.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(input);
        out.push('\n');
        if commands.is_empty() {
            continue;
        }
        out.push_str("----\n");
        out.push_str(&script.block(&commands));
    }
    out
}

impl Script {
    fn new(config: ShardConfig) -> Self {
        Self { world: World::new(config), names: Names::default(), requests: 0, submitted: Vec::new() }
    }

    /// Carries out the commands of a block; gives back what came out.
    fn block(&mut self, commands: &[&str]) -> String {
        let mut said = String::new();
        if let Some(times) = commands[0].strip_prefix("repeat ") {
            let times: usize = times.parse().expect("a count");
            (0..times).for_each(|_| said = self.block(&commands[1..]));
            return said;
        }
        let (mut quiet, mut settle) = (false, true);
        let mut lines = commands.iter().copied().peekable();
        while let Some(line) = lines.next() {
            let mut nested = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with(' ')) {
                nested.push(line);
            }
            let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
            let words = Words::read(rest);
            match verb {
                "config" => self.world = World::new(config(&words)),
                "advance" => {
                    self.world.settle();
                    self.world.advance(words.names[0].parse().expect("milliseconds"));
                }
                "commits" => {
                    self.world.commits(words.names[0].parse().expect("a count"));
                    settle = false;
                }
                "stall" => self.world.stall(words.names[0].parse().expect("milliseconds")),
                "crash" => self.world.crash(),
                "restore" => self.world.restore(),
                "quietly" => quiet = true,
                "show" => {
                    settle &= commands.len() > 1;
                    if settle {
                        self.world.settle();
                    }
                    self.show(&words, &mut said);
                }
                _ => {
                    let events = self.events(verb, &words, &nested);
                    events.into_iter().for_each(|event| self.world.driver.push(event));
                }
            }
        }
        if settle {
            self.world.settle();
            self.world.check_recovery();
        }
        let seen = self.seen();
        if quiet { said } else { seen + &said }
    }

    /// What came out since the last block. Names are given first: a commit comes before the answer that names its rows.
    fn seen(&mut self) -> String {
        let seen = std::mem::take(&mut self.world.seen);
        for one in &seen {
            match one {
                Seen::Effect(Effect::Reply { to, answer: Ok(answer) }) => self.name_submitted(*to, answer),
                Seen::Commit(changes) => {
                    for row in &changes.insert_jobs {
                        if let Some(group) = row.parent {
                            self.names.give(row.key, &format!("{}!", self.names.of(group)));
                        }
                    }
                    for row in &changes.insert_tasks {
                        let Some(job) = row.job.filter(|job| self.names.of(*job).contains('!')) else { continue };
                        let name = row.given_id.as_deref().expect("a task of a job has a name");
                        self.names.give(row.key, &format!("{}/{name}", self.names.of(job)));
                    }
                }
                Seen::Effect(Effect::Grant(grant)) => self.names.granted(grant.token, grant.attempt),
                _ => {}
            }
        }
        let mut out = String::new();
        for one in &seen {
            match one {
                Seen::Commit(changes) => render::commit(&mut out, changes, &self.names),
                Seen::Effect(effect) => {
                    writeln!(out, "{}", render::effect(effect, &self.names)).expect("a string takes it");
                }
            }
        }
        out
    }

    fn name_submitted(&mut self, to: RequestId, answer: &Answer) {
        let Some(place) = self.submitted.iter().position(|(request, _)| *request == to) else { return };
        let (_, names) = self.submitted.swap_remove(place);
        match answer {
            Answer::Tasks(tasks) => {
                for (task, name) in tasks.iter().zip(&names) {
                    if let Ok(task) = task {
                        self.names.give(task.key, name);
                    }
                }
            }
            Answer::Job { key, .. } => {
                self.names.give(*key, &names[0]);
                let tasks: Vec<(Key, String)> = self
                    .world
                    .store
                    .tasks
                    .values()
                    .filter(|row| row.job == Some(*key))
                    .map(|row| {
                        let name = row.given_id.as_deref().expect("a task of a job has a name");
                        (row.key, format!("{}/{name}", self.names.of(*key)))
                    })
                    .collect();
                tasks.iter().for_each(|(key, name)| self.names.give(*key, name));
            }
            _ => {}
        }
    }

    /// The rows of the store by these names; without names a summary of all.
    fn show(&self, words: &Words<'_>, out: &mut String) {
        let store = &self.world.store;
        for name in &words.names {
            let key = self.names.key(name);
            let text = match (store.tasks.get(&key), store.jobs.get(&key)) {
                (Some(row), _) => render::task_state(&row.state),
                (None, Some(row)) => render::job_state(&row.state),
                (None, None) => "nothing".to_owned(),
            };
            writeln!(out, "{name}: {text}").expect("a string takes it");
        }
        if words.names.is_empty() {
            let mut counts = std::collections::BTreeMap::<(String, &str, &str), usize>::new();
            for row in store.tasks.values() {
                let of = row.job.map_or("-".to_owned(), |job| self.names.of(job));
                let place = match row.state.place {
                    mainspring_core::task::Place::Hot => "hot",
                    mainspring_core::task::Place::Rest => "rest",
                    _ => "cold",
                };
                *counts.entry((of, row.state.status.word(), place)).or_default() += 1;
            }
            for ((of, status, place), count) in counts {
                writeln!(out, "{of}: {count} {status} ({place})").expect("a string takes it");
            }
        }
    }
}

fn config(words: &Words<'_>) -> ShardConfig {
    let default = ShardConfig::default();
    let number = |option: &str, default: usize| words.number(option).map_or(default, |number| number as usize);
    ShardConfig {
        lane_window: number("lane_window", default.lane_window),
        ready_max: number("ready_max", 0),
        horizon_ms: words.number("horizon").unwrap_or(default.horizon_ms),
        timers_max: number("timers_max", default.timers_max),
        resting_max: number("resting_max", default.resting_max),
        chunks_max: number("chunks_max", default.chunks_max),
        step_rows_max: number("step_rows_max", default.step_rows_max),
        session_grace_ms: words.number("session_grace").unwrap_or(default.session_grace_ms),
        seed: 0,
        control: words.number("control").is_none_or(|number| number > 0),
        shard: number("shard", 0) as u16,
        shards: number("shards", 1) as u16,
    }
}
