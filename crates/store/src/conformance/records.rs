//! What hangs on tasks: earlier attempts, outputs, claims.

use mainspring_core::row::{AttemptRow, Changes, ClaimKind, ClaimName, ClaimRow, OutputRow, ReadSet};
use mainspring_core::task::{Outcome, Place, TaskState, TaskStatus};

use super::make::{at, claim, claim_name, ended, failed_attempt, key, name, running, state, task, task_in};
use super::{Factory, Shard, wait};

fn holding(open: Factory<'_>) -> Shard {
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_tasks: vec![task(1), task(2)], ..Changes::default() });
    shard
}

fn earlier(task: u64, number: u32) -> AttemptRow {
    AttemptRow { task: key(task), attempt: failed_attempt(number) }
}

pub fn attempts_come_in_order_with_the_last_one(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    shard.commit(Changes { insert_tasks: vec![task_in(1, running(3)), task(2)], ..Changes::default() });
    shard.commit(Changes { insert_attempts: vec![earlier(1, 2), earlier(1, 1)], ..Changes::default() });
    let last = running(3).last.expect("it runs");
    let attempts = shard.ask(|reader| reader.attempts(key(1)));
    assert_eq!(attempts, [failed_attempt(1), failed_attempt(2), last]);
    assert_eq!(shard.ask(|reader| reader.attempts(key(2))), []);
    assert_eq!(shard.ask(|reader| reader.attempts(key(3))), []);
}

pub fn an_attempt_with_an_error_reads_back(open: Factory<'_>) {
    let mut shard = holding(open);
    let mut row = earlier(1, 1);
    row.attempt.outcome = Some(Outcome::Timeout);
    row.attempt.generation = 7;
    row.attempt.lease = (1 << 62) + 1;
    let error = row.attempt.error.as_mut().expect("it failed");
    (error.message, error.trace) = (name("zu spät\n\u{1F980}"), Some(name("at line 1")));
    shard.commit(Changes { insert_attempts: vec![row.clone()], ..Changes::default() });
    assert_eq!(shard.ask(|reader| reader.attempts(key(1))), [row.attempt]);
}

pub fn an_attempt_of_a_deleted_task_is_gone(open: Factory<'_>) {
    let mut shard = holding(open);
    shard.commit(Changes { insert_attempts: vec![earlier(1, 1), earlier(2, 1)], ..Changes::default() });
    shard.commit(Changes { delete_tasks: vec![key(1)], ..Changes::default() });
    assert_eq!(shard.ask(|reader| reader.attempts(key(1))), []);
    assert_eq!(shard.ask(|reader| reader.attempts(key(2))), [failed_attempt(1)]);
}

fn put_output(shard: &mut Shard, task: u64, text: &str) {
    let put_outputs = vec![OutputRow { task: key(task), output: text.into() }];
    shard.commit(Changes { put_outputs, ..Changes::default() });
}

fn output_of(shard: &Shard, task: u64) -> Option<String> {
    shard.ask(|reader| reader.output(key(task))).map(|text| text.to_string())
}

pub fn an_output_reads_back(open: Factory<'_>) {
    let mut shard = holding(open);
    let text = format!("{{\"größe\":\"{}\"}}", "\u{1F980}".repeat(64 << 10));
    put_output(&mut shard, 1, &text);
    assert_eq!(output_of(&shard, 1), Some(text.clone()));
    let (one, other) = (key(1), key(2));
    let outputs = shard.ask(|reader| reader.outputs(vec![other, one]));
    assert_eq!(outputs.as_slice(), [(one, text.into())]);
}

pub fn the_last_output_wins(open: Factory<'_>) {
    let mut shard = holding(open);
    put_output(&mut shard, 1, "1");
    put_output(&mut shard, 1, "null");
    assert_eq!(output_of(&shard, 1).as_deref(), Some("null"));
}

pub fn an_output_of_a_deleted_task_is_gone(open: Factory<'_>) {
    let mut shard = holding(open);
    put_output(&mut shard, 1, "1");
    put_output(&mut shard, 2, "2");
    shard.commit(Changes { delete_tasks: vec![key(1)], ..Changes::default() });
    assert_eq!((output_of(&shard, 1), output_of(&shard, 2).as_deref()), (None, Some("2")));
}

pub fn an_absent_output_is_none(open: Factory<'_>) {
    let shard = holding(open);
    assert_eq!((output_of(&shard, 1), output_of(&shard, 9)), (None, None));
}

fn claiming(claims: Vec<ClaimRow>) -> Changes {
    Changes { put_claims: claims, ..Changes::default() }
}

fn claims_of(shard: &Shard, names: Vec<ClaimName>) -> Vec<ClaimRow> {
    shard.read(ReadSet { claims: names, ..ReadSet::default() }).claims
}

pub fn a_claim_reads_back(open: Factory<'_>) {
    let mut shard = holding(open);
    let lasting = claim(ClaimKind::TaskId, "mine", key(1));
    let passing = ClaimRow { expires_at: Some(at(9)), body_hash: 0, ..claim(ClaimKind::IdempotencyKey, "k", key(2)) };
    shard.commit(claiming(vec![lasting.clone(), passing.clone()]));
    let names = vec![passing.name.clone(), claim_name(ClaimKind::TaskId, "other"), lasting.name.clone()];
    assert_eq!(claims_of(&shard, names), [passing, lasting]);
}

pub fn every_kind_of_claim_is_apart(open: Factory<'_>) {
    let mut shard = holding(open);
    let kinds = [ClaimKind::TaskId, ClaimKind::JobId, ClaimKind::IdempotencyKey, ClaimKind::Unique];
    let claims: Vec<_> = kinds.into_iter().zip(1..).map(|(kind, target)| claim(kind, "x", key(target))).collect();
    shard.commit(claiming(claims.clone()));
    assert_eq!(claims_of(&shard, claims.iter().map(|row| row.name.clone()).collect()), claims);
}

fn of_tenant(tenant: &str, target: u64) -> ClaimRow {
    let row = claim(ClaimKind::TaskId, "x", key(target));
    ClaimRow { name: ClaimName { tenant: name(tenant), ..row.name.clone() }, ..row }
}

pub fn claims_of_tenants_are_apart(open: Factory<'_>) {
    let mut shard = holding(open);
    let claims = vec![of_tenant("acme", 1), of_tenant("Acme", 2)];
    shard.commit(claiming(claims.clone()));
    assert_eq!(claims_of(&shard, claims.iter().map(|row| row.name.clone()).collect()), claims);
    assert_eq!(claims_of(&shard, vec![of_tenant("acm", 1).name]), []);
}

pub fn the_last_claim_of_a_name_wins(open: Factory<'_>) {
    let mut shard = holding(open);
    shard.commit(claiming(vec![claim(ClaimKind::TaskId, "x", key(1))]));
    let later = ClaimRow { body_hash: 1, ..claim(ClaimKind::TaskId, "x", key(2)) };
    shard.commit(claiming(vec![later.clone()]));
    assert_eq!(claims_of(&shard, vec![later.name.clone()]), [later]);
    assert_eq!(shard.ask(|reader| reader.find(ClaimKind::TaskId, name("x"))), [(name("default"), key(2))]);
}

pub fn a_deleted_claim_is_gone(open: Factory<'_>) {
    let mut shard = holding(open);
    let (one, two) = (claim(ClaimKind::TaskId, "one", key(1)), claim(ClaimKind::TaskId, "two", key(2)));
    shard.commit(claiming(vec![one.clone(), two.clone()]));
    let gone = vec![one.name.clone(), claim_name(ClaimKind::JobId, "two")];
    shard.commit(Changes { delete_claims: gone, ..Changes::default() });
    assert_eq!(claims_of(&shard, vec![one.name, two.name.clone()]), [two]);
}

pub fn a_claim_is_found_in_every_tenant(open: Factory<'_>) {
    let mut shard = holding(open);
    shard.commit(claiming(vec![of_tenant("globex", 1), of_tenant("acme", 2)]));
    let found = shard.ask(|reader| reader.find(ClaimKind::TaskId, name("x")));
    assert_eq!(found, [(name("acme"), key(2)), (name("globex"), key(1))]);
    assert_eq!(shard.ask(|reader| reader.find(ClaimKind::JobId, name("x"))), []);
}

pub fn an_expired_claim_is_pruned(open: Factory<'_>) {
    let mut shard = holding(open);
    let expiring =
        |text: &str, ms| ClaimRow { expires_at: Some(at(ms)), ..claim(ClaimKind::IdempotencyKey, text, key(1)) };
    let claims =
        vec![expiring("old", 9), expiring("now", 10), expiring("new", 11), claim(ClaimKind::TaskId, "x", key(1))];
    shard.commit(claiming(claims.clone()));
    let pruned = wait(shard.store.prune(shard.fence.clone(), at(0), at(10), 100));
    assert_eq!(pruned.expect("the fence is in force"), 1);
    assert_eq!(claims_of(&shard, claims.iter().map(|row| row.name.clone()).collect()), claims[1..]);
}

pub fn claims_are_listed_by_what_they_lead_to(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let expiring = ClaimRow { expires_at: Some(at(9_000)), ..claim(ClaimKind::IdempotencyKey, "key-1", key(1)) };
    let claims = [
        claim(ClaimKind::TaskId, "one", key(1)),
        claim(ClaimKind::JobId, "two", key(2)),
        expiring,
        claim(ClaimKind::TaskId, "three", key(3)),
    ];
    shard.commit(Changes { put_claims: claims.to_vec(), ..Changes::default() });
    let listed = |keys: &[u64]| {
        let keys = keys.iter().map(|number| key(*number)).collect();
        let mut rows = shard.ask(|reader| reader.claims_to(keys));
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows
    };
    assert_eq!(listed(&[1]), [claims[0].clone(), claims[2].clone()]);
    assert_eq!(listed(&[3, 2, 4]), [claims[3].clone(), claims[1].clone()]);
    assert_eq!(listed(&[]), []);
}

pub fn a_claim_outlives_its_target_until_it_is_deleted(open: Factory<'_>) {
    let mut shard = holding(open);
    let row = claim(ClaimKind::IdempotencyKey, "k", key(1));
    shard.commit(claiming(vec![row.clone()]));
    shard.commit(Changes { delete_tasks: vec![key(1)], ..Changes::default() });
    assert_eq!(claims_of(&shard, vec![row.name.clone()]), [row]);
}

/// A task that ended at this instant.
fn done(number: u64, ms: i64) -> mainspring_core::row::TaskRow {
    task_in(number, ended(TaskStatus::Completed, ms))
}

pub fn ended_tasks_are_found_with_their_claims(open: Factory<'_>) {
    let mut shard = Shard::new(open);
    let live = TaskState { ended_at: None, ..state(TaskStatus::Waiting, Place::Rest) };
    let rows = vec![done(1, 10), done(2, 30), task_in(3, live), done(4, 20)];
    shard.commit(Changes { insert_tasks: rows, ..Changes::default() });
    let claims = vec![claim(ClaimKind::IdempotencyKey, "k", key(4)), claim(ClaimKind::TaskId, "x", key(4))];
    let mut names: Vec<_> = claims.iter().map(|row| row.name.clone()).collect();
    names.sort_unstable();
    shard.commit(claiming(claims));
    let found = shard.ask(|reader| reader.ended_tasks(at(21), 10));
    assert_eq!(found, [(key(1), vec![]), (key(4), names)]);
    assert_eq!(shard.ask(|reader| reader.ended_tasks(at(99), 2)).len(), 2);
    assert_eq!(shard.ask(|reader| reader.ended_tasks(at(10), 9)), []);
}
