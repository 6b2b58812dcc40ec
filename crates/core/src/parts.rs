//! Splits bulk requests that are larger than one step into parts, and joins their answers again.

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::{Answer, Effect};
use crate::event::{Command, Event, Order, RequestId, SubmitTasks};

/// Bytes of bodies in one part.
const PART_BYTES_MAX: usize = 2 << 20;
/// Requests of parts are numbered from here; the runtime's own stay below.
const FIRST_PART: RequestId = 1 << 63;

/// The parts that are under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    numbered: u64,
    parts: BTreeMap<RequestId, Part>,
    wholes: BTreeMap<RequestId, Whole>,
}

#[derive(Clone, Debug)]
struct Part {
    whole: RequestId,
    index: usize,
    offset: u64,
}

#[derive(Clone, Debug)]
struct Whole {
    missing: usize,
    answers: Vec<Option<Answer>>,
}

impl Parts {
    /// Hands the event on, in parts if it is large.
    pub(crate) fn split(&mut self, event: Event, tasks_max: usize, mut push: impl FnMut(Event)) {
        match event {
            Event::SubmitTasks(submission) if is_large(&submission, tasks_max) => {
                let SubmitTasks { to, bucket, tasks } = submission;
                let mut lists = Vec::new();
                let (mut list, mut bytes) = (Vec::new(), 0);
                for task in tasks {
                    bytes += task.spec.body.len();
                    list.push(task);
                    if list.len() >= tasks_max || bytes >= PART_BYTES_MAX {
                        lists.push(std::mem::take(&mut list));
                        bytes = 0;
                    }
                }
                if !list.is_empty() {
                    lists.push(list);
                }
                self.open(to, lists, |to, tasks| push(Event::SubmitTasks(SubmitTasks { to, bucket, tasks })));
            }
            Event::Command(Command { to, actor, order: Order::Redrive { tasks, spacing_ms } })
                if tasks.len() > tasks_max =>
            {
                let lists = tasks.chunks(tasks_max).map(<[_]>::to_vec).collect();
                self.open(to, lists, |to, tasks| {
                    let order = Order::Redrive { tasks, spacing_ms };
                    push(Event::Command(Command { to, actor: actor.clone(), order }));
                });
            }
            Event::Command(Command { to, actor, order: Order::Discard(tasks) }) if tasks.len() > tasks_max => {
                let lists = tasks.chunks(tasks_max).map(<[_]>::to_vec).collect();
                self.open(to, lists, |to, tasks| {
                    push(Event::Command(Command { to, actor: actor.clone(), order: Order::Discard(tasks) }));
                });
            }
            event => push(event),
        }
    }

    fn open<T>(&mut self, whole: RequestId, lists: Vec<Vec<T>>, mut push: impl FnMut(RequestId, Vec<T>)) {
        self.wholes.insert(
            whole,
            Whole { missing: lists.len(), answers: std::iter::repeat_with(|| None).take(lists.len()).collect() },
        );
        let mut offset = 0;
        for (index, list) in lists.into_iter().enumerate() {
            self.numbered += 1;
            let to = FIRST_PART + self.numbered;
            self.parts.insert(to, Part { whole, index, offset });
            offset += list.len() as u64;
            push(to, list);
        }
    }

    /// Where the part that this event is starts in its whole; 0 for a whole.
    pub(crate) fn offset_of(&self, event: &Event) -> u64 {
        match event {
            Event::Command(command) if command.to >= FIRST_PART => {
                self.parts.get(&command.to).map_or(0, |part| part.offset)
            }
            _ => 0,
        }
    }

    /// Replaces answers of parts by the answer of the whole, once its last part is there.
    pub(crate) fn join(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        if self.parts.is_empty() {
            return effects;
        }
        effects.into_iter().filter_map(|effect| self.join_one(effect)).collect()
    }

    fn join_one(&mut self, effect: Effect) -> Option<Effect> {
        let Effect::Reply { to, answer } = effect else { return Some(effect) };
        let Some(part) = self.parts.remove(&to) else { return Some(Effect::Reply { to, answer }) };
        let whole = self.wholes.get_mut(&part.whole).expect("a part has a whole");
        let answer = answer.expect("bulk orders judge each element alone and are never refused whole");
        whole.answers[part.index] = Some(answer);
        whole.missing -= 1;
        if whole.missing > 0 {
            return None;
        }
        let answers = self.wholes.remove(&part.whole).expect("it is there").answers;
        let joined = answers.into_iter().flatten().reduce(append).expect("a whole has parts");
        Some(Effect::Reply { to: part.whole, answer: Ok(joined) })
    }

    /// The wholes behind these requests, each once.
    pub(crate) fn parents_of(&mut self, requests: Vec<RequestId>) -> Vec<RequestId> {
        let own = requests.into_iter().filter(|request| *request < FIRST_PART);
        let wholes: BTreeSet<RequestId> = own.chain(self.wholes.keys().copied()).collect();
        wholes.into_iter().collect()
    }
}

fn is_large(submission: &SubmitTasks, tasks_max: usize) -> bool {
    submission.tasks.len() > tasks_max
        || submission.tasks.iter().map(|task| task.spec.body.len()).sum::<usize>() > PART_BYTES_MAX
}

fn append(left: Answer, right: Answer) -> Answer {
    match (left, right) {
        (Answer::Tasks(mut left), Answer::Tasks(right)) => {
            left.extend(right);
            Answer::Tasks(left)
        }
        (Answer::Took(mut left), Answer::Took(right)) => {
            left.extend(right);
            Answer::Took(left)
        }
        (left, _) => left,
    }
}
