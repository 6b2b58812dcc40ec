//! Schedules follow their definitions, whatever was cut off between the two.

use std::sync::Arc;
use std::time::Duration;

use mainspring_core::event::{Define, Order};
use mainspring_core::id::Name;
use mainspring_core::row::DefinitionKind;
use mainspring_core::schedule::{Expect, Overlap, ScheduleName, ScheduleOrder, ScheduleRow};
use mainspring_store::{MemoryStore, ScheduleFilter};

use super::{Node, start, within};

fn id(name: &str) -> ScheduleName {
    ScheduleName { tenant: "default".into(), name: name.into() }
}

/// Applies a definition, and nothing else: as if whoever did it was cut off at once.
async fn define(node: &Node, name: &str, schedule: Option<&str>) {
    let body = schedule.map(|schedule| format!(r#"{{"tasks":{{"a":"true"}},"schedule":{schedule}}}"#).into());
    let (kind, tenant) = (DefinitionKind::Job, Name::from("default"));
    let define = Define { kind, tenant, name: name.into(), body, after: None, seen: Vec::new() };
    within(node.order("somebody".into(), Order::Define(vec![define]))).await.expect("it is applied");
}

async fn stored(node: &Node, name: &str) -> Option<ScheduleRow> {
    let filter = ScheduleFilter { tenant: None, name: Some(name.into()) };
    node.reader().schedules(filter, None, 1).await.expect("the store reads").pop()
}

/// Waits until the schedule is what is wanted.
async fn until(node: &Node, name: &str, wanted: impl Fn(Option<&ScheduleRow>) -> bool) {
    within(async {
        while !wanted(stored(node, name).await.as_ref()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

fn says(row: Option<&ScheduleRow>, text: &str) -> bool {
    row.is_some_and(|row| row.of_definition && row.body.contains(text))
}

async fn again(node: Arc<Node>, store: &MemoryStore) -> Arc<Node> {
    within(node.shutdown()).await;
    drop(node);
    start(store).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_follows_its_definition_by_itself() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    define(&node, "etl", Some(r#"{"every":"1h"}"#)).await;
    until(&node, "etl", |row| says(row, r#""every":"1h""#)).await;
    define(&node, "etl", Some(r#"{"every":"2h"}"#)).await;
    until(&node, "etl", |row| says(row, r#""every":"2h""#)).await;
    // The end comes between the two: the next owner finds what is left to do.
    define(&node, "etl", Some(r#"{"every":"3h"}"#)).await;
    define(&node, "other", Some(r#"{"cron":"0 6 * * *","overlap":"skip"}"#)).await;
    let node = again(node, &store).await;
    until(&node, "etl", |row| says(row, r#""every":"3h""#)).await;
    until(&node, "other", |row| says(row, "0 6") && row.is_some_and(|row| row.overlap == Overlap::Skip)).await;
    define(&node, "etl", None).await;
    define(&node, "other", Some("null")).await;
    let node = again(node, &store).await;
    until(&node, "etl", |row| row.is_none()).await;
    until(&node, "other", |row| row.is_none()).await;
    // What holds already is left alone: no further generation.
    define(&node, "etl", Some(r#"{"every":"1h"}"#)).await;
    until(&node, "etl", |row| says(row, "1h")).await;
    within(node.install("somebody".into(), &id("etl"))).await.expect("it follows already");
    assert_eq!(stored(&node, "etl").await.expect("it is there").state.generation, 1);
    within(node.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_of_its_own_is_left_alone_until_it_is_gone() {
    let store = MemoryStore::new();
    let node = start(&store).await;
    let own = ScheduleOrder::Put {
        expect: Expect::Absent,
        of_definition: false,
        overlap: Overlap::Allow,
        body: r#"{"every":"5h","task":{"command":"true"}}"#.into(),
        after: Vec::new(),
    };
    within(node.order("somebody".into(), Order::Schedule(id("etl"), own))).await.expect("it is made");
    define(&node, "etl", Some(r#"{"every":"1h"}"#)).await;
    within(node.install("somebody".into(), &id("etl"))).await.expect_err("the name is taken");
    let kept = stored(&node, "etl").await.expect("it is there");
    assert!(!kept.of_definition && kept.body.contains("5h"), "{kept:?}");
    let delete = Order::Schedule(id("etl"), ScheduleOrder::Delete { of_definition: false });
    within(node.order("somebody".into(), delete)).await.expect("it is deleted");
    until(&node, "etl", |row| says(row, "1h")).await;
    within(node.shutdown()).await;
}
