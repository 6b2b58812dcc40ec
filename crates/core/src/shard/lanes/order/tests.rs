//! The ready order against a naive model that looks at every task, and against its own promises.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::rank;
use super::*;
use crate::id::Bucket;
use crate::row::LaneName;

const CLASSES: [&str; 3] = ["noop", "mail", "http"];
const TENANTS: [&str; 4] = ["a", "b", "c", "d"];

fn name(tenant: &str, executor: &str) -> LaneName {
    crate::spec::TaskSpec { queue: "q".into(), ..crate::spec::TaskSpec::new(executor.into(), "{}".into()) }
        .lane(&tenant.into(), None)
}

fn key(n: u64) -> Key {
    Key::new(n, Bucket::new(0))
}

/// A task of the model.
#[derive(Clone, Debug)]
struct Waiting {
    priority: u8,
    tenant: usize,
    class: usize,
    key: Key,
}

/// The rules, over a plain list.
#[derive(Debug, Default)]
struct Model {
    waiting: Vec<Waiting>,
    served: BTreeMap<usize, u64>,
    passed: [u64; CLASSES.len()],
    takes: u64,
    /// Lanes in the order in which they came to be: ties between tenants that were never served.
    lanes: Vec<(usize, usize)>,
}

impl Model {
    fn push(&mut self, task: Waiting) {
        if !self.lanes.contains(&(task.tenant, task.class)) {
            self.lanes.push((task.tenant, task.class));
        }
        self.waiting.push(task);
    }

    fn take(&mut self, classes: &[usize]) -> Option<Waiting> {
        let fitting: Vec<Waiting> = self.waiting.iter().filter(|task| classes.contains(&task.class)).cloned().collect();
        for class in classes.iter().filter(|class| fitting.iter().any(|task| task.class == **class)) {
            self.passed[*class] += 1;
        }
        let taken = if classes.iter().any(|class| self.passed[*class] >= 16) {
            let taken = fitting.iter().min_by_key(|task| task.key).cloned();
            if taken.is_some() {
                classes.iter().for_each(|class| self.passed[*class] = 0);
            }
            taken
        } else {
            self.best(&fitting)
        }?;
        self.takes += 1;
        self.served.insert(taken.tenant, self.takes);
        self.waiting.retain(|task| task.key != taken.key);
        Some(taken)
    }

    fn best(&self, fitting: &[Waiting]) -> Option<Waiting> {
        let priority = fitting.iter().map(|task| task.priority).max()?;
        let best: Vec<&Waiting> = fitting.iter().filter(|task| task.priority == priority).collect();
        let turn = |task: &Waiting| self.served.get(&task.tenant).copied().unwrap_or(0);
        let age = |task: &Waiting| self.lanes.iter().position(|lane| *lane == (task.tenant, task.class));
        // Of each class the tenant whose turn it is, of those the one served least recently, of equals the older task.
        let fronts = (0..CLASSES.len()).filter_map(|class| {
            let of_class = best.iter().filter(|task| task.class == class);
            of_class.min_by_key(|task| (turn(task), age(task), task.key)).copied()
        });
        fronts.min_by_key(|task| (turn(task), task.key)).cloned()
    }
}

struct Both {
    lanes: Lanes,
    model: Model,
    minted: u64,
}

impl Both {
    fn new() -> Self {
        let mut lanes = Lanes::default();
        for executor in CLASSES {
            // A lane of nobody's: the groups are numbered as the classes are.
            lanes.create(name("nobody", executor));
        }
        Self { lanes, model: Model::default(), minted: 0 }
    }

    fn push(&mut self, priority: u8, tenant: usize, of: usize) -> Key {
        self.minted += 1;
        let name = name(TENANTS[tenant], CLASSES[of]);
        let lane = self.lanes.find(&name).unwrap_or_else(|| self.lanes.create(name).0);
        let key = key(self.minted);
        self.lanes.push(lane, rank(priority), key);
        self.model.push(Waiting { priority, tenant, class: of, key });
        key
    }
}

#[derive(Clone, Debug)]
enum Act {
    Push(u8, usize, usize),
    Take(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let push = (prop_oneof![Just(9), Just(5), 0..10_u8], 0..TENANTS.len(), 0..CLASSES.len())
        .prop_map(|(priority, tenant, class)| Act::Push(priority, tenant, class));
    // Which classes the session serves, a bit each.
    let take = (1..8_usize).prop_map(Act::Take);
    proptest::collection::vec(prop_oneof![push, take], 1..400)
}

fn served_by(bits: usize) -> Vec<usize> {
    (0..CLASSES.len()).filter(|class| bits & (1 << class) != 0).collect()
}

proptest! {
    #[test]
    fn the_order_is_that_of_a_list_searched_by_the_rules(acts in acts()) {
        let mut both = Both::new();
        for act in acts {
            match act {
                Act::Push(priority, tenant, class) => {
                    both.push(priority, tenant, class);
                }
                Act::Take(bits) => {
                    let taken = both.lanes.take(&served_by(bits)).map(|(_, rank, key)| (rank, key));
                    let expected = both.model.take(&served_by(bits)).map(|task| (rank(task.priority), task.key));
                    prop_assert_eq!(taken, expected);
                }
            }
        }
    }

    /// However two sessions with different offers take in step, and however many better tasks come.
    #[test]
    fn nothing_starves(sessions in proptest::collection::vec(1..8_usize, 1..5), flood in 1..4_u8, class in 0..CLASSES.len()) {
        let mut both = Both::new();
        let serving = sessions.iter().position(|bits| bits & (1 << class) != 0);
        prop_assume!(serving.is_some());
        let old = both.push(0, 0, class);
        let mut takes = 0;
        for turn in 0..sessions.len() * 40 {
            for _ in 0..flood {
                (0..CLASSES.len()).for_each(|class| { both.push(9, 1, class); });
            }
            let bits = sessions[turn % sessions.len()];
            let taken = both.lanes.take(&served_by(bits)).expect("there is a flood").2;
            takes += usize::from(bits & (1 << class) != 0);
            if taken == old {
                prop_assert!(takes <= OLDEST_EVERY as usize, "after {takes} takes that could have had it");
                return Ok(());
            }
        }
        prop_assert!(false, "it starved");
    }
}

#[test]
fn higher_priority_goes_first_and_age_breaks_ties() {
    let mut both = Both::new();
    for priority in [0, 3, 9, 9] {
        both.push(priority, 0, 0);
    }
    let order: Vec<u64> = std::iter::from_fn(|| both.lanes.take(&[0])).map(|(_, _, key)| key.sequence()).collect();
    assert_eq!(order, [3, 4, 2, 1]);
}

#[test]
fn tenants_take_turns_whatever_their_backlog_and_their_classes() {
    let mut both = Both::new();
    for n in 0..300 {
        both.push(9, 0, n % CLASSES.len());
    }
    let small: Vec<Key> = (0..10).map(|_| both.push(9, 1, 2)).collect();
    let taken: Vec<Key> = (0..24).filter_map(|_| both.lanes.take(&[0, 1, 2])).map(|(_, _, key)| key).collect();
    assert_eq!(taken.iter().filter(|key| small.contains(key)).count(), 10);
}

/// L6, over any weights and any arrival: whoever always has work gets 0.8 of its share of a thousand takes at the least.
#[test]
fn a_tenant_gets_its_share_by_weight() {
    for weights in [[1, 1, 1, 1], [3, 1, 1, 1], [10, 5, 2, 1], [100, 1, 1, 1], [1, 99, 100, 50]] {
        let mut both = Both::new();
        both.lanes.weigh(TENANTS.iter().map(|tenant| Name::from(*tenant)).zip(weights).collect());
        for n in 0..4_400 {
            both.push(5, n % 4, n % CLASSES.len());
        }
        let mut taken = [0_u32; 4];
        for _ in 0..1_000 {
            let (slot, ..) = both.lanes.take(&[0, 1, 2]).expect("there is a flood");
            let tenant = both.lanes.get(slot).name.tenant.clone();
            taken[TENANTS.iter().position(|name| **name == *tenant).expect("one of them")] += 1;
        }
        for (weight, taken) in weights.into_iter().zip(taken) {
            let share = 1_000.0 * f64::from(weight) / f64::from(weights.iter().sum::<u32>());
            // The oldest of all has a take in sixteen, whoever's it is; a share of less than one turn is a matter of luck.
            assert!(f64::from(taken) >= (0.8 * share).floor() - 1.0, "{weights:?}: {taken} of {share}");
        }
    }
}

/// R35: the flood of one delays the next task of another by one turn.
#[test]
fn a_tenant_with_a_thousand_times_the_work_delays_another_by_one_turn() {
    let mut both = Both::new();
    both.lanes.weigh([(Name::from(TENANTS[0]), 3)].into());
    for _ in 0..10_000 {
        both.push(5, 0, 0);
    }
    for _ in 0..10 {
        (0..7).for_each(|_| _ = both.lanes.take(&[0]));
        let next = both.push(5, 1, 0);
        let waited = (0..).find(|_| both.lanes.take(&[0]).is_some_and(|(_, _, key)| key == next)).expect("it comes");
        assert!(waited <= 4, "after {waited} others");
    }
}
