//! What becomes of an XML file of Quartz; its expressions are tested beside their translation.

use expect_test::{Expect, expect};
use mainspring_calendar::Zone;

use super::import;
use crate::import::yaml;

fn berlin() -> Zone {
    Zone::get("Europe/Berlin").expect("it is in the database")
}

/// What becomes of the content of `<schedule>`.
#[track_caller]
fn check(schedule: &str, expected: Expect) {
    let source = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<job-scheduling-data version=\"2.0\" \
         xmlns=\"http://www.quartz-scheduler.org/xml/JobSchedulingData\">\n<schedule>\n{schedule}\n</schedule>\n</job-scheduling-data>"
    );
    let found = import(&source, &berlin(), "jobs.xml").expect("it is XML");
    let mut said = yaml(&found.jobs, "");
    for finding in &found.findings {
        said += &format!("> {finding}\n");
    }
    expected.assert_eq(&said);
}

/// A job and one trigger of it.
fn one(trigger: &str) -> String {
    format!(
        "<job><name>J</name><job-class>org.quartz.jobs.NoOpJob</job-class><recover>true</recover></job>\n\
         <trigger>{}</trigger>",
        trigger.replacen("<name>", "<job-name>J</job-name><name>", 1)
    )
}

#[test]
fn jobs_take_their_class_data_and_groups_with_them() {
    check(
        "<job><name>Nightly Report</name><group>billing</group><description>For the books</description>
           <job-class>com.example.ReportJob</job-class><durability>true</durability><recover>true</recover>
           <job-data-map><entry><key>format</key><value>pdf &amp; html</value></entry><entry><key>empty</key><value/></entry></job-data-map></job>
         <trigger><cron><name>t</name><job-name>Nightly Report</job-name><job-group>billing</job-group><priority>12</priority>
           <job-data-map><entry><key>format</key><value>html</value></entry></job-data-map>
           <misfire-instruction>MISFIRE_INSTRUCTION_DO_NOTHING</misfire-instruction>
           <cron-expression>0 30 2 ? * 2-6</cron-expression><time-zone>Asia/Tokyo</time-zone></cron></trigger>
         <job><name>vacuum</name><job-class>org.quartz.jobs.NativeJob</job-class>
           <job-data-map><entry><key>command</key><value>vacuumdb</value></entry><entry><key>parameters</key><value>--all</value></entry></job-data-map></job>
         <trigger><simple><name>a</name><job-name>vacuum</job-name><start-time>2026-01-01T00:00:00</start-time><repeat-count>-1</repeat-count><repeat-interval>60000</repeat-interval></simple></trigger>
         <trigger><simple><name>b</name><job-name>vacuum</job-name><start-time>2026-01-01T00:00:00.0Z</start-time></simple></trigger>
         <job><name>kept</name><job-class>com.example.Kept</job-class><durability>true</durability></job>",
        expect![[r#"
            ---
            # jobs.xml:7 billing.Nightly Report
            # For the books
            job: billing.nightly-report
            schedule: {cron: "0 30 2 ? * MON-FRI", timezone: Asia/Tokyo, misfire: skip, overlap: allow}
            tasks:
              billing.nightly-report:
                type: com.example.ReportJob
                payload: {"empty":null,"format":"html"}
                priority: 9
            ---
            # jobs.xml:13 vacuum
            job: vacuum-a
            schedule: {every: "60s", start: "2025-12-31T23:00:00Z", misfire: skip, overlap: allow}
            tasks:
              vacuum-a:
                run: |-
                  vacuumdb --all
                onWorkerLost: fail
            ---
            # jobs.xml:14 vacuum
            job: vacuum-b
            schedule: {at: "2026-01-01T00:00:00Z", misfire: latest, overlap: allow}
            tasks:
              vacuum-b:
                run: |-
                  vacuumdb --all
                onWorkerLost: fail
            ---
            # jobs.xml:15 kept
            job: kept
            tasks:
              kept:
                type: com.example.Kept
                payload: {}
                onWorkerLost: fail
            > line 7: review: the priority 12 was brought into the range 0 to 9
            > line 4: review: `com.example.ReportJob` needs a worker with a handler of that type; if it is `@DisallowConcurrentExecution`, write `overlap: buffer_one`
            > line 11: review: `vacuum` has 2 triggers: each became a job of its own
            > line 15: review: `com.example.Kept` needs a worker with a handler of that type; if it is `@DisallowConcurrentExecution`, write `overlap: buffer_one`
        "#]],
    );
}

/// Triggers of every unit, a line each.
fn calendar_triggers() -> String {
    let mut all = String::new();
    for (unit, count, start) in [
        ("DAY", 1, "2026-03-01T06:30:00"),
        ("DAY", 2, "2026-03-01T06:30:00"),
        ("WEEK", 1, "2026-03-01T06:30:00"),
        ("MONTH", 3, "2026-02-15T00:00:00"),
        ("MONTH", 1, "2026-01-31T00:00:00"),
        ("MONTH", 1, "2026-01-30T00:00:00"),
        ("MONTH", 5, "2026-01-01T00:00:00"),
        ("YEAR", 2, "2026-12-24T18:00:00"),
        ("HOUR", 6, "2026-01-01T00:00:00"),
        ("EON", 1, "2026-01-01T00:00:00"),
    ] {
        all += &format!(
            "<trigger><calendar-interval><name>{unit}{count}</name><job-name>J</job-name><start-time>{start}</start-time>\
             <repeat-interval>{count}</repeat-interval><repeat-interval-unit>{unit}</repeat-interval-unit></calendar-interval></trigger>\n"
        );
    }
    all
}

#[test]
fn triggers_keep_when_they_are_due() {
    let all = calendar_triggers();
    let job = "<job><name>J</name><job-class>org.quartz.jobs.NoOpJob</job-class><recover>true</recover></job>";
    check(
        &format!("{job}\n{all}"),
        expect![[r#"
            ---
            # jobs.xml:5 J
            job: j-day1
            schedule: {cron: "0 30 6 * * ?", timezone: Europe/Berlin, start: "2026-03-01T05:30:00Z", misfire: latest, overlap: allow}
            tasks:
              j-day1:
                type: noop
                payload: {}
            ---
            # jobs.xml:6 J
            job: j-day2
            schedule: {every: "172800s", start: "2026-03-01T05:30:00Z", misfire: latest, overlap: allow}
            tasks:
              j-day2:
                type: noop
                payload: {}
            ---
            # jobs.xml:7 J
            job: j-week1
            schedule: {cron: "0 30 6 ? * SUN", timezone: Europe/Berlin, start: "2026-03-01T05:30:00Z", misfire: latest, overlap: allow}
            tasks:
              j-week1:
                type: noop
                payload: {}
            ---
            # jobs.xml:8 J
            job: j-month3
            schedule: {cron: "0 0 0 15 2,5,8,11 ?", timezone: Europe/Berlin, start: "2026-02-14T23:00:00Z", misfire: latest, overlap: allow}
            tasks:
              j-month3:
                type: noop
                payload: {}
            ---
            # jobs.xml:9 J
            job: j-month1
            schedule: {cron: "0 0 0 L * ?", timezone: Europe/Berlin, start: "2026-01-30T23:00:00Z", misfire: latest, overlap: allow}
            tasks:
              j-month1:
                type: noop
                payload: {}
            ---
            # jobs.xml:12 J
            job: j-year2
            schedule: {cron: "0 0 18 24 12 ? 2026/2", timezone: Europe/Berlin, start: "2026-12-24T17:00:00Z", misfire: latest, overlap: allow}
            tasks:
              j-year2:
                type: noop
                payload: {}
            ---
            # jobs.xml:13 J
            job: j-hour6
            schedule: {every: "21600s", start: "2025-12-31T23:00:00Z", misfire: latest, overlap: allow}
            tasks:
              j-hour6:
                type: noop
                payload: {}
            > line 4: review: `J` has 10 triggers: each became a job of its own
            > line 6: review: every 2 DAYS is a length of time here: an hour off when clocks change
            > line 10: left out: a trigger of `J`: the 30th of each month, or its last day: no expression says so
            > line 11: left out: a trigger of `J`: every 5 MONTHS has no equal here
            > line 14: left out: a trigger of `J`: `EON` is no unit of time
        "#]],
    );
}

#[test]
fn a_number_of_repetitions_becomes_an_end() {
    let simple = "<simple><name>n</name><start-time>2026-01-01T00:00:00Z</start-time><repeat-count>3</repeat-count><repeat-interval>90000</repeat-interval></simple>";
    check(
        &one(simple),
        expect![[r#"
        ---
        # jobs.xml:5 J
        job: j
        schedule: {every: "90s", start: "2026-01-01T00:00:00Z", end: "2026-01-01T00:04:30Z", misfire: latest, overlap: allow}
        tasks:
          j:
            type: noop
            payload: {}
    "#]],
    );
}

#[test]
fn what_has_no_equal_is_named_with_its_line() {
    check(
        "<job><name>J</name><job-class>org.quartz.jobs.NoOpJob</job-class><recover>true</recover><job-listener-ref>x</job-listener-ref></job>
<trigger><simple><name>often</name><job-name>J</job-name><repeat-count>-1</repeat-count><repeat-interval>250</repeat-interval></simple></trigger>
<trigger><simple><name>once</name><job-name>J</job-name></simple></trigger>
<trigger><cron><name>bad</name><job-name>J</job-name><cron-expression>0 0 12 * * *</cron-expression></cron></trigger>
<trigger><cron><name>zone</name><job-name>J</job-name><cron-expression>0 0 12 * * ?</cron-expression><time-zone>Europe/Berlim</time-zone></cron></trigger>
<trigger><cron><name>odd</name><job-name>J</job-name><cron-expression>0 0 12 * * ?</cron-expression><misfire-instruction>HOPE</misfire-instruction></cron></trigger>
<trigger><cron><name>cal</name><job-name>J</job-name><calendar-name>holidays</calendar-name><start-time-seconds-in-future>10</start-time-seconds-in-future><misfire-instruction>MISFIRE_INSTRUCTION_IGNORE_MISFIRE_POLICY</misfire-instruction><cron-expression>0 0 12 * * ?</cron-expression></cron></trigger>
<trigger><daily-time-interval><name>d</name><job-name>J</job-name></daily-time-interval></trigger>
<trigger><cron><name>lost</name><job-name>Gone</job-name><cron-expression>0 0 12 * * ?</cron-expression></cron></trigger>
<job><name>drop</name><job-class>X</job-class></job>
<job><name>noclass</name></job>
<job><name>template</name><job-class>com.example.T</job-class><durability>true</durability><job-data-map><entry><key>a</key><value>${{ x }}</value></entry></job-data-map></job>",
        expect![[r#"
            ---
            # jobs.xml:10 J
            job: j-cal
            schedule: {cron: "0 0 12 * * ?", timezone: Europe/Berlin, misfire: all, burst: 1000, overlap: allow}
            tasks:
              j-cal:
                type: noop
                payload: {}
            ---
            # jobs.xml:15 template
            job: template
            tasks:
              template:
                type: com.example.T
                payload: {}
                onWorkerLost: fail
            > line 4: left out: `job-listener-ref` of `J` has no equal here
            > line 4: review: `J` has 7 triggers: each became a job of its own
            > line 5: left out: a trigger of `J`: an interval of 250 ms has no equal here: whole seconds from 1
            > line 6: left out: a trigger of `J`: it fires once, when Quartz reads it; submit the job instead
            > line 7: left out: a trigger of `J`: `0 0 12 * * *`: Quartz wants `?` in one of the two fields of days, and has no meaning for others
            > line 8: left out: a trigger of `J`: no time zone is named `Europe/Berlim`; did you mean `Europe/Berlin`?
            > line 9: left out: a trigger of `J`: `HOPE` is no misfire-instruction
            > line 10: left out: its start counts from the start of Quartz, which has no equal here
            > line 10: left out: the calendar `holidays`: programs make calendars, files do not hold them; write its dates as `exclude`
            > line 11: left out: a trigger of `J`: triggers of the kind `daily-time-interval` have no equal here
            > line 13: left out: `drop` is not durable and has no trigger: Quartz drops it too
            > line 14: left out: `noclass` has no job-class
            > line 15: left out: `${{` in the data of `template` would be taken for an expression; it has none now
            > line 15: review: `com.example.T` needs a worker with a handler of that type; if it is `@DisallowConcurrentExecution`, write `overlap: buffer_one`
            > line 12: left out: a trigger of the job `DEFAULT.Gone`, which is not in the file
        "#]],
    );
}

#[test]
fn a_file_that_is_too_much_is_refused_before_it_costs_anything() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><job-scheduling-data>&b;</job-scheduling-data>";
    assert!(import(bomb, &berlin(), "x").expect_err("entities are not read").contains("document type"));
    let deep = "<a>".repeat(600_000);
    import(&deep, &berlin(), "x").expect_err("it never ends");
    let many = format!("<job-scheduling-data>{}</job-scheduling-data>", "<a/>".repeat(1_000_001));
    assert!(import(&many, &berlin(), "x").expect_err("it is too much").contains("limit"));
    let other = import("<quartz/>", &berlin(), "x").expect_err("it is version 1");
    assert!(other.contains("`quartz`"), "{other}");
}
