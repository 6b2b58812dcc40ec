//! Which places a turn offers while it is not known what shards hold for the session.

use std::collections::HashSet;

use mainspring_core::id::Key;

use super::super::seat::{Begun, Held, Standing};
use super::*;

const SHARDS: u16 = 3;
const WAIT: Duration = Duration::from_secs(10);

/// A session whose call of this number is carried out by a node that it has not spoken with before, for two places; all
/// shards have work.
struct Call {
    seat: Seat,
    turn: Turn,
}

impl Call {
    fn new(seq: u64) -> Self {
        let mut seat = Seat::new("w".into(), Duration::ZERO);
        let turn = Self::turn(&mut seat, seq, Some(0));
        Self { seat, turn }
    }

    fn turn(seat: &mut Seat, seq: u64, pulse: Option<u64>) -> Turn {
        let nothing = HashSet::new();
        let standing = Standing { seq, ack: seq - 1, digest: seq, spoken: &nothing, pulse };
        let Begun::Go { fresh } = seat.begin(&standing, Duration::ZERO) else { panic!("it is a new call") };
        Turn::new(seat, (fresh, false), (2, WAIT), BTreeMap::new(), Vec::new())
    }

    /// The worker is answered with so many grants under this pulse, and calls again.
    fn again(self, seq: u64, pulse: Option<u64>) -> (usize, Self) {
        let Self { mut seat, turn } = self;
        seat.withhold_unless(pulse);
        let grants = turn.end(&mut seat, false, false).grants.len();
        let turn = Self::turn(&mut seat, seq, pulse);
        (grants, Self { seat, turn })
    }

    fn orders(&mut self, decide: impl FnOnce(&mut Turn, &mut Seat, &Around<'_>) -> Vec<Order>) -> Vec<Order> {
        let demand: Vec<(ShardId, u64)> = (0..SHARDS).map(|shard| (ShardId(shard), 5)).collect();
        let around =
            Around { now: Duration::ZERO, shards: SHARDS, demand: &demand, stand_by: Some(ShardId(0)), paused: false };
        decide(&mut self.turn, &mut self.seat, &around)
    }

    fn begin(&mut self) -> Vec<Order> {
        self.orders(Turn::begin)
    }

    /// How many places are offered now.
    fn offered(&mut self) -> u32 {
        let orders = self.orders(|turn, seat, around| turn.offer(seat, around, Duration::ZERO));
        orders.iter().map(|order| order.capacity).sum()
    }

    fn answer(&mut self, order: &Order, part: Result<Part, Away>) {
        let taken = self.turn.take(&mut self.seat, order.shard, order.seq, part);
        taken.expect("nothing was said that is said once only");
    }
}

fn granting(lease: u64) -> Part {
    let token = Token { incarnation: 1, task: Key::from_raw(lease), lease };
    Part { grants: vec![Held { token, json: [].into() }], ..Part::default() }
}

#[test]
fn a_session_that_has_spoken_elsewhere_is_offered_nothing_before_every_shard_has_said_what_it_holds() {
    let mut call = Call::new(7);
    let orders = call.begin();
    assert_eq!(orders.len(), usize::from(SHARDS));
    assert!(orders.iter().all(|order| order.capacity == 0 && order.fresh && order.settle), "{orders:?}");
    call.answer(&orders[0], Ok(Part::default()));
    call.answer(&orders[1], Ok(Part::default()));
    assert_eq!(call.offered(), 0, "the third may hold grants");
    call.answer(&orders[2], Ok(Part::default()));
    assert_eq!(call.offered(), 2);
}

#[test]
fn what_a_shard_holds_for_a_session_takes_its_places_also_in_later_calls() {
    let mut call = Call::new(7);
    let orders = call.begin();
    call.answer(&orders[0], Ok(granting(1)));
    let (grants, mut call) = call.again(8, Some(0));
    assert_eq!(grants, 1);
    // Two shards have not answered yet.
    let orders = call.begin();
    let of: Vec<(u16, u32, bool)> = orders.iter().map(|order| (order.shard.0, order.capacity, order.fresh)).collect();
    assert_eq!(of, [(1, 0, true), (2, 0, true)]);
    call.answer(&orders[0], Ok(Part::default()));
    call.answer(&orders[1], Ok(granting(2)));
    assert_eq!(call.seat.held.len(), 1);
    assert!(!call.seat.is_unread());
}

#[test]
fn a_new_session_is_offered_places_at_once_and_nobody_waits_for_a_shard_that_is_away() {
    let mut call = Call::new(1);
    let places: u32 = call.begin().iter().map(|order| order.capacity).sum();
    assert_eq!(places, 2, "nobody can hold anything for it");
    let mut call = Call::new(7);
    let orders = call.begin();
    call.answer(&orders[0], Ok(Part::default()));
    call.answer(&orders[1], Err(Away));
    call.answer(&orders[2], Ok(Part::default()));
    assert_eq!(call.offered(), 2);
}

#[test]
fn a_grant_that_is_withheld_for_a_late_beat_takes_its_place_until_it_is_handed_out() {
    let mut call = Call::new(1);
    let orders = call.begin();
    call.answer(&orders[0], Ok(granting(1)));
    for seq in 2..4 {
        let (grants, next) = call.again(seq, None);
        assert_eq!(grants, 0, "the beat is late");
        call = next;
        let orders = call.begin();
        assert!(orders.iter().all(|order| order.capacity == 0 && order.fresh), "{seq}: it is asked for: {orders:?}");
        call.answer(&orders[0], Ok(granting(1)));
        call.answer(&orders[1], Ok(Part::default()));
        call.answer(&orders[2], Ok(Part::default()));
    }
    // The node beats again: what it holds by now is not handed out either, but asked for once more.
    let (grants, mut call) = call.again(4, Some(1));
    assert_eq!(grants, 0);
    let orders = call.begin();
    call.answer(&orders[0], Ok(granting(1)));
    assert_eq!(call.again(5, Some(1)).0, 1);
}

#[test]
fn what_an_older_call_brings_after_a_late_beat_is_void() {
    let mut call = Call::new(1);
    let orders = call.begin();
    let _newer = Call::turn(&mut call.seat, 2, Some(1));
    call.answer(&orders[0], Ok(granting(1)));
    assert!(!call.seat.holds_grants(), "the newer call asks for it");
}

#[test]
fn a_claim_that_is_not_sure_is_not_offered_again_beside_another_one() {
    let mut call = Call::new(1);
    let orders = call.begin();
    assert_eq!(orders.iter().map(|order| order.capacity).collect::<Vec<_>>(), [1, 1, 0]);
    // Both shards claim a place, and neither has answered. The worker has filled one itself meanwhile.
    let (_, mut call) = call.again(2, Some(0));
    call.turn.capacity = 1;
    assert_eq!(call.begin().iter().map(|order| order.capacity).sum::<u32>(), 0);
}
