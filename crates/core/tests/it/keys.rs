//! Idempotency keys of what stands in other shards: the key's own shard lets one body use it, in one place, whatever is lost,
//! repeated or loaded anew.

use mainspring_core::effect::{Answer, Effect, Refusal, Submitted};
use mainspring_core::event::{Command, Event, KeyClaim, NewTask, Order, Start, SubmitTasks};
use mainspring_core::id::Bucket;
use mainspring_core::limits::IDEMPOTENCY_MS;
use mainspring_core::shard::ShardConfig;

use crate::graphs::spec;
use crate::world::{Seen, World};

/// The shard of the keys.
struct Keys {
    world: World,
    requests: u64,
}

impl Keys {
    fn new() -> Self {
        Self { world: World::new(ShardConfig::default()), requests: 0 }
    }

    fn answer(&mut self, event: impl FnOnce(u64) -> Event) -> Answer {
        self.requests += 1;
        let to = self.requests;
        self.world.driver.push(event(to));
        self.world.settle();
        let reply = self.world.seen.iter().rev().find_map(|seen| match seen {
            Seen::Effect(Effect::Reply { to: whom, answer }) if *whom == to => Some(answer.clone()),
            _ => None,
        });
        reply.expect("it is answered").expect("it is carried out")
    }

    /// Whether keys may be used for bodies in buckets.
    fn may(&mut self, claims: &[(&str, u128, u16)]) -> Vec<bool> {
        let claim = |(key, body_hash, home): &(&str, u128, u16)| KeyClaim {
            tenant: "default".into(),
            key: (*key).into(),
            body_hash: *body_hash,
            home: Bucket::new(*home),
        };
        let order = Order::ClaimKeys(claims.iter().map(claim).collect());
        match self.answer(|to| Event::Command(Command { to, actor: "system".into(), order })) {
            Answer::Claimed(may) => may,
            other => panic!("{other:?}"),
        }
    }

    /// Submits a task with nothing but a key here.
    fn submit(&mut self, key: &str, body_hash: u128) -> Result<Submitted, Refusal> {
        let task = NewTask {
            tenant: "default".into(),
            given_id: None,
            idempotency_key: Some(key.into()),
            body_hash,
            spec: spec(0),
            start: Start::Now,
            unique: None,
        };
        let bucket = Bucket::new(1);
        match self.answer(|to| Event::SubmitTasks(SubmitTasks { to, bucket, tasks: vec![task] })) {
            Answer::Tasks(mut results) => results.pop().expect("there is one"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_key_may_be_used_for_one_body_in_one_place_until_it_is_forgotten() {
    let mut keys = Keys::new();
    assert_eq!(keys.may(&[("k", 1, 5), ("k", 2, 5), ("other", 2, 5)]), [true, false, true], "also within one order");
    for _ in 0..2 {
        assert_eq!(keys.may(&[("k", 1, 5), ("k", 2, 5), ("k", 1, 6)]), [true, false, false]);
        assert_eq!(keys.submit("k", 1), Err(Refusal::KeyReused("k".into())), "the same body would stand elsewhere");
        assert_eq!(keys.submit("k", 2), Err(Refusal::KeyReused("k".into())));
        keys.world.crash();
    }
    keys.world.advance(IDEMPOTENCY_MS - 1);
    assert_eq!(keys.may(&[("k", 2, 6)]), [false]);
    keys.world.advance(1);
    assert_eq!(keys.may(&[("k", 2, 6), ("k", 1, 5)]), [true, false]);
    assert!(keys.submit("other", 3).is_ok_and(|submitted| !submitted.repeated));
}

#[test]
fn a_key_that_a_task_has_in_its_own_shard_may_be_used_nowhere_else() {
    let mut keys = Keys::new();
    let first = keys.submit("k", 1).expect("it is taken");
    for _ in 0..2 {
        assert_eq!(keys.may(&[("k", 1, 5), ("k", 2, 1)]), [false, false]);
        assert_eq!(keys.submit("k", 1).map(|submitted| submitted.key), Ok(first.key));
        keys.world.crash();
    }
}
