//! A definition and its schedule, which live in different shards: whatever is killed between the two, the schedule follows.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::process::{Kind, Place, on_every_store};
use crate::wait;

/// Definitions that are applied around each kill.
const DEFINITIONS: usize = 40;

on_every_store! {
    a_schedule_follows_its_definition_whatever_is_killed
}

fn path(number: usize) -> String {
    format!("/api/v1/definitions/jobs/d{number}")
}

/// By name, how often each says to run; `None` before the server answers.
fn rules(place: &Place, path: &str, rule: impl Fn(&Value) -> Option<String>) -> Option<BTreeMap<String, String>> {
    let reply = place.try_call("GET", path, None).ok()?;
    let items = reply.body["items"].as_array()?;
    Some(items.iter().filter_map(|item| Some((item["name"].as_str()?.to_owned(), rule(item)?))).collect())
}

fn agree(place: &Place) -> Option<usize> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let said = rules(place, "/api/v1/definitions/jobs", |item| text(&item["body"]["schedule"]["every"]))?;
    let held = rules(place, "/api/v1/schedules?limit=1000", |item| text(&item["spec"]["every"]))?;
    (said == held).then_some(held.len())
}

fn a_schedule_follows_its_definition_whatever_is_killed(kind: Kind) {
    let place = Place::on(kind);
    let mut server = place.start("serve");
    for round in 0..4 {
        // Changes in the first rounds, deletions in the last: cut off somewhere, most likely inside of one.
        std::thread::scope(|scope| {
            let changes = scope.spawn(|| {
                for number in 0..DEFINITIONS {
                    let body = json!({"schedule": {"every": format!("{}h", round + 1)}, "tasks": {"a": "true"}});
                    let done = match round {
                        3 => place.try_call("DELETE", &path(number), None),
                        _ => place.try_call("PUT", &path(number), Some(&body)),
                    };
                    if done.is_err() {
                        return number;
                    }
                }
                DEFINITIONS
            });
            wait::until(30, "some of them to be applied", || {
                let text = |item: &Value| item["body"]["schedule"]["every"].as_str().map(str::to_owned);
                let said = rules(&place, "/api/v1/definitions/jobs", text)?;
                let wanted = format!("{}h", round + 1);
                let changed = said.values().filter(|every| **every == wanted).count();
                let gone = DEFINITIONS.saturating_sub(said.len());
                (changed > 2 || round == 3 && gone > 2).then_some(())
            });
            server.kill();
            changes.join().expect("the changes end with the server");
        });
        server = place.start("serve");
        let agreed = wait::until(60, "every schedule to follow", || agree(&place));
        assert!(agreed <= DEFINITIONS, "{agreed} schedules");
        if round < 3 {
            // The rest, so that the next round changes all of them.
            for number in 0..DEFINITIONS {
                let body = json!({"schedule": {"every": format!("{}h", round + 1)}, "tasks": {"a": "true"}});
                place.call("PUT", &path(number), Some(&body));
            }
            assert_eq!(agree(&place), Some(DEFINITIONS), "what is applied has its schedule at once");
        }
    }
}
