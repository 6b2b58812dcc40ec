//! The policies where a clock is put forward or back: the worked examples of the guide.

use mainspring_calendar::{Calendar, Cron, DstPolicy, Exclusions, Note, Plan, Timestamp, Zone};

/// The runs of a day on the clock of a zone, with a mark for what the clock's change has to do with them.
fn runs(expression: &str, zone: &str, policy: &str, from: &str, until: &str) -> Vec<String> {
    let zone = Zone::get(zone).unwrap();
    let plan = Plan::cron(&Cron::parse(expression).unwrap(), zone.clone(), policy.parse().unwrap());
    let [from, until]: [Timestamp; 2] = [from, until].map(|at| at.parse().unwrap());
    let shown = plan.preview(from).take_while(|found| found.at <= until).map(|found| {
        let at = zone.show(found.at)[15..].replace(":00 ", " ");
        match found.note {
            Note::Plain => at,
            Note::Gap(wanted) => format!("{at} for {}", wanted.time().strftime("%H:%M")),
            Note::FoldFirst => format!("{at} first"),
            Note::FoldSecond => format!("{at} second"),
        }
    });
    shown.collect()
}

fn spring(expression: &str, policy: &str) -> Vec<String> {
    runs(expression, "Europe/Berlin", policy, "2026-03-28T23:30:00Z", "2026-03-29T02:15:00Z")
}

fn autumn(expression: &str, policy: &str) -> Vec<String> {
    runs(expression, "Europe/Berlin", policy, "2026-10-24T23:30:00Z", "2026-10-25T02:15:00Z")
}

#[test]
fn a_time_of_day_in_a_gap_runs_at_once_after_it_unless_it_is_skipped() {
    for policy in ["vixie", "once", "twice"] {
        assert_eq!(spring("30 2 * * *", policy), ["03:00 CEST for 02:30"], "{policy}");
    }
    assert_eq!(spring("30 2 * * *", "skip"), [""; 0]);
    // Several times in one gap are one run, and a run that is there anyway is not doubled.
    assert_eq!(spring("10,20 2 * * *", "once"), ["03:00 CEST for 02:10"]);
    assert_eq!(spring("0 2,3 * * *", "vixie"), ["03:00 CEST"]);
}

#[test]
fn a_time_of_day_in_a_fold_runs_once_unless_it_is_to_run_twice() {
    for policy in ["vixie", "once", "skip"] {
        assert_eq!(autumn("30 2 * * *", policy), ["02:30 CEST first"], "{policy}");
    }
    assert_eq!(autumn("30 2 * * *", "twice"), ["02:30 CEST first", "02:30 CET second"]);
}

#[test]
fn a_rhythm_follows_the_clock_under_vixie() {
    assert_eq!(spring("*/30 * * * *", "vixie"), ["01:00 CET", "01:30 CET", "03:00 CEST", "03:30 CEST", "04:00 CEST"]);
    assert_eq!(autumn("30 * * * *", "vixie"), ["02:30 CEST first", "02:30 CET second"]);
    assert_eq!(autumn("30 * * * *", "once"), ["02:30 CEST first"]);
    assert_eq!(spring("45 * * * *", "once"), ["00:45 CET", "01:45 CET", "03:00 CEST for 02:45", "03:45 CEST"]);
}

#[test]
fn a_midnight_that_does_not_exist_and_a_day_that_does_not_exist_run_late() {
    let sao_paulo = runs("@daily", "America/Sao_Paulo", "vixie", "2018-11-04T00:00:00Z", "2018-11-04T12:00:00Z");
    assert_eq!(sao_paulo, ["01:00 -02 for 00:00"]);
    // Samoa left out 2011-12-30.
    let apia = runs("0 10 30 * *", "Pacific/Apia", "vixie", "2011-12-29T00:00:00Z", "2011-12-31T00:00:00Z");
    assert_eq!(apia, ["00:00 +14 for 10:00"]);
    // Lord Howe moves by half an hour.
    let lord_howe = runs("15 2 * * *", "Australia/Lord_Howe", "vixie", "2026-10-03T12:00:00Z", "2026-10-03T20:00:00Z");
    assert_eq!(lord_howe, ["02:30 +11 for 02:15"]);
}

#[test]
fn what_a_gap_swallows_is_named() {
    let berlin = Zone::get("Europe/Berlin").unwrap();
    let [from, until]: [Timestamp; 2] = ["2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z"].map(|at| at.parse().unwrap());
    let lost = |policy| {
        let plan = Plan::cron(&Cron::parse("30 2 * * *").unwrap(), berlin.clone(), policy);
        let lost = plan.lost_in_gaps(from, until, 10);
        lost.iter().map(|(at, wanted)| format!("{at} {wanted}")).collect::<Vec<_>>()
    };
    assert_eq!(
        lost(DstPolicy::Skip),
        ["2026-03-29T01:00:00Z 2026-03-29T02:30:00", "2027-03-28T01:00:00Z 2027-03-28T02:30:00"]
    );
    assert!(lost(DstPolicy::Vixie).is_empty());
}

#[test]
fn a_holiday_is_a_date_of_the_expression_not_of_the_clock_after_a_gap() {
    let closed = Calendar::parse("closed", ["2011-12-30", "*-01-01"]).unwrap();
    let plan = Plan::cron(&Cron::parse("0 10 * * *").unwrap(), Zone::get("Pacific/Apia").unwrap(), DstPolicy::Vixie)
        .excluding(Exclusions::of(&[&closed]).unwrap());
    let found: Vec<_> = plan.range("2011-12-29T00:00:00Z".parse().unwrap(), Timestamp::MAX).take(3).collect();
    let shown: Vec<_> = found.iter().map(|at| plan.zone().show(*at)).collect();
    // The 29th; the 30th does not exist and is closed besides; the 31st; the 2nd.
    assert_eq!(shown, ["Thu 2011-12-29 10:00:00 -10", "Sat 2011-12-31 10:00:00 +14", "Mon 2012-01-02 10:00:00 +14"]);
}
