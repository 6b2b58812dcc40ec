//! Intervals, bounds, jitter, and what is done after an outage.

use std::time::Duration;

use mainspring_calendar::{Calendar, CatchUp, Cron, DstPolicy, Due, Exclusions, MisfirePolicy, Plan, Timestamp, Zone};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn each_second() -> Plan {
    Plan::cron(&Cron::parse("* * * * * *").unwrap(), Zone::utc(), DstPolicy::Vixie)
}

fn hourly() -> Plan {
    Plan::cron(&Cron::parse("@hourly").unwrap(), Zone::utc(), DstPolicy::Vixie)
}

fn said(due: &Due) -> String {
    let fired: Vec<_> = due.fire.iter().map(|at| at.to_string()).collect();
    let passed: Vec<_> =
        due.passed.iter().map(|range| format!("{:?} {}..{}", range.reason, range.from, range.to)).collect();
    format!("{} | {}", fired.join(" "), passed.join(" ")).replace("2026-11-", "")
}

fn after_outage(plan: &Plan, last: &str, now: &str, policy: MisfirePolicy, burst: usize) -> String {
    said(&plan.due(at(last), at(now), &CatchUp { policy, burst, ..CatchUp::default() }))
}

#[test]
fn each_policy_says_what_runs_and_records_the_rest() {
    let down = |policy, burst| after_outage(&hourly(), "2026-11-24T10:00:00Z", "2026-11-24T15:00:10Z", policy, burst);
    assert_eq!(down(MisfirePolicy::Skip, 9), "24T15:00:00Z | Missed 24T11:00:00Z..24T14:00:00Z");
    assert_eq!(down(MisfirePolicy::Latest, 9), "24T15:00:00Z | Coalesced 24T11:00:00Z..24T14:00:00Z");
    assert_eq!(down(MisfirePolicy::All, 2), "24T14:00:00Z 24T15:00:00Z | BurstCap 24T11:00:00Z..24T13:00:00Z");
    assert_eq!(down(MisfirePolicy::All, 9), "24T11:00:00Z 24T12:00:00Z 24T13:00:00Z 24T14:00:00Z 24T15:00:00Z | ");
}

#[test]
fn an_occurrence_that_is_only_late_is_not_missed() {
    for policy in [MisfirePolicy::Skip, MisfirePolicy::Latest, MisfirePolicy::All] {
        let late = after_outage(&hourly(), "2026-11-24T10:00:00Z", "2026-11-24T11:01:00Z", policy, 9);
        assert_eq!(late, "24T11:00:00Z | ", "{policy:?}");
        let early = after_outage(&hourly(), "2026-11-24T11:00:00Z", "2026-11-24T11:59:59Z", policy, 9);
        assert_eq!(early, " | ", "{policy:?}");
        let backwards = after_outage(&hourly(), "2026-11-24T11:00:00Z", "2026-11-24T10:30:00Z", policy, 9);
        assert_eq!(backwards, " | ", "{policy:?}");
    }
    let missed = after_outage(&hourly(), "2026-11-24T10:00:00Z", "2026-11-24T11:01:01Z", MisfirePolicy::Skip, 9);
    assert_eq!(missed, " | Missed 24T11:00:00Z..24T11:00:00Z");
}

#[test]
fn ninety_days_of_missed_seconds_cost_no_more_than_what_is_fired() {
    let (last, now) = (at("2026-08-26T00:00:00Z"), at("2026-11-24T00:00:00Z"));
    for policy in [MisfirePolicy::Skip, MisfirePolicy::Latest, MisfirePolicy::All] {
        let due = each_second().due(last, now, &CatchUp { policy, burst: 10, ..CatchUp::default() });
        assert_eq!(due.fire.len(), if policy == MisfirePolicy::Latest { 1 } else { 10 });
        assert_eq!(due.fire.last(), Some(&now));
        // Ranges and runs together are all of it, without an overlap.
        let mut reached = last;
        for range in &due.passed {
            assert_eq!(each_second().next_after(reached), Some(range.from));
            reached = range.to;
        }
        assert_eq!(each_second().next_after(reached), due.fire.first().copied());
    }
}

#[test]
fn an_interval_counts_from_its_anchor_between_start_and_end() {
    let anchor = at("2026-11-24T00:00:07.250Z");
    let plan = Plan::every(Duration::from_secs(90), anchor).unwrap();
    assert_eq!(plan.next_after(at("2026-11-24T00:00:00Z")), Some(anchor));
    assert_eq!(plan.next_after(anchor), Some(at("2026-11-24T00:01:37.250Z")));
    assert_eq!(plan.latest_before(at("2026-11-24T00:00:07.249Z")), Some(at("2026-11-23T23:58:37.250Z")));
    let bounded = plan.starting(anchor).ending(at("2026-11-24T00:03:07.250Z"));
    let all: Vec<_> = bounded.range(Timestamp::MIN, Timestamp::MAX).collect();
    assert_eq!(all, [anchor, at("2026-11-24T00:01:37.250Z"), at("2026-11-24T00:03:07.250Z")]);
    assert_eq!(bounded.latest_before(Timestamp::MAX), all.last().copied());
    assert_eq!(bounded.latest_before(at("2026-11-24T00:00:07Z")), None);
    assert!(Plan::every(Duration::from_millis(999), anchor).is_err());
}

#[test]
fn an_instant_happens_once() {
    let plan = Plan::at(at("2026-12-01T08:00:00Z"));
    assert_eq!(plan.next_after(at("2026-12-01T07:59:59.999Z")), Some(at("2026-12-01T08:00:00Z")));
    assert_eq!(plan.next_after(at("2026-12-01T08:00:00Z")), None);
    assert_eq!(plan.latest_before(at("2026-12-01T08:00:00Z")), Some(at("2026-12-01T08:00:00Z")));
    assert_eq!(plan.latest_before(at("2026-12-01T07:59:59.999Z")), None);
}

#[test]
fn an_interval_passes_over_closed_days_in_both_directions() {
    let closed = Calendar::parse("closed", ["2026-12-24..2027-01-06", "*-05-01"]).unwrap();
    let plan = Plan::every(Duration::from_secs(3600), at("2026-01-01T00:30:00Z"))
        .unwrap()
        .in_zone(Zone::get("Asia/Tokyo").unwrap())
        .excluding(Exclusions::of(&[&closed]).unwrap());
    let [last, first] = [at("2026-12-23T14:30:00Z"), at("2027-01-06T15:30:00Z")];
    assert_eq!(plan.next_after(last), Some(first));
    assert_eq!(plan.latest_before(at("2027-01-06T15:00:00Z")), Some(last));
    let all_year = ["2024-01-01..2024-12-31"];
    let year = Calendar::parse("year", all_year).unwrap();
    let shut = Plan::every(Duration::from_secs(1), at("2024-01-01T00:00:00Z"))
        .unwrap()
        .excluding(Exclusions::of(&[&year]).unwrap());
    assert_eq!(shut.next_after(at("2024-01-01T00:00:00Z")), Some(at("2025-01-01T00:00:00Z")));
    assert_eq!(shut.latest_before(at("2024-12-31T00:00:00Z")), Some(at("2023-12-31T23:59:59Z")));
}

#[test]
fn a_schedule_whose_only_date_is_closed_never_runs() {
    let christmas = Calendar::parse("christmas", ["*-12-25"]).unwrap();
    let plan = Plan::cron(&Cron::parse("0 6 25 12 *").unwrap(), Zone::utc(), DstPolicy::Vixie)
        .excluding(Exclusions::of(&[&christmas]).unwrap());
    assert_eq!(plan.next_after(at("2026-01-01T00:00:00Z")), None);
    assert_eq!(plan.latest_before(at("2026-01-01T00:00:00Z")), None);
}

#[test]
fn jitter_is_the_same_everywhere_and_differs_between_schedules_and_instants() {
    let plan = hourly().jittered(Duration::from_secs(30));
    let delays: Vec<i64> = plan
        .range(at("2026-11-24T00:00:00Z"), at("2026-12-24T00:00:00Z"))
        .map(|instant| plan.fire_at(instant, 7).as_millisecond() - instant.as_millisecond())
        .collect();
    assert!(delays.iter().all(|delay| (0..30_000).contains(delay)));
    let mean = delays.iter().sum::<i64>() / delays.len() as i64;
    assert!((13_000..17_000).contains(&mean), "spread evenly: {mean}");
    let instant = at("2026-11-24T01:00:00Z");
    assert_eq!(plan.fire_at(instant, 7), plan.clone().fire_at(instant, 7));
    assert_ne!(plan.fire_at(instant, 7), plan.fire_at(instant, 8));
    assert_eq!(hourly().fire_at(instant, 7), instant);
}

#[test]
fn no_instant_is_out_of_reach_and_none_is_beyond_the_end_of_time() {
    for plan in [each_second(), hourly(), Plan::every(Duration::from_secs(60), at("2026-11-24T00:00:00Z")).unwrap()] {
        assert!(plan.latest_before(Timestamp::MAX).is_some());
        assert_eq!(plan.next_after(Timestamp::MAX), None);
        assert!(plan.next_after(Timestamp::MIN).is_some());
        let _ = plan.latest_before(Timestamp::MIN);
    }
}
