//! Expressions: what is read, what is refused and where, and what can never happen.

use expect_test::{Expect, expect};
use mainspring_calendar::{Cron, DstPolicy, Plan, Timestamp, Zone};

fn next(expression: &str, after: &str, count: usize) -> Vec<String> {
    let plan = Plan::cron(&Cron::parse(expression).unwrap(), Zone::utc(), DstPolicy::Vixie);
    let after: Timestamp = after.parse().unwrap();
    plan.range(after, Timestamp::MAX).take(count).map(|at| at.to_string()).collect()
}

#[test]
fn every_form_of_a_field_names_what_the_guide_says() {
    let dates = |expression| {
        let found = next(expression, "2026-11-24T12:00:00Z", 3);
        found.iter().map(|at| at.trim_end_matches("T00:00:00Z").to_owned()).collect::<Vec<_>>().join(" ")
    };
    for (expression, expected) in [
        ("@daily", "2026-11-25 2026-11-26 2026-11-27"),
        ("@Weekly", "2026-11-29 2026-12-06 2026-12-13"),
        ("@yearly", "2027-01-01 2028-01-01 2029-01-01"),
        ("0 0 L * *", "2026-11-30 2026-12-31 2027-01-31"),
        ("0 0 L-1 feb *", "2027-02-27 2028-02-28 2029-02-27"),
        ("0 0 15W * ?", "2026-12-15 2027-01-15 2027-02-15"),
        ("0 0 LW * *", "2026-11-30 2026-12-31 2027-01-29"),
        ("0 0 1W * *", "2026-12-01 2027-01-01 2027-02-01"),
        ("0 0 * * FRI#2", "2026-12-11 2027-01-08 2027-02-12"),
        ("0 0 ? * monL", "2026-11-30 2026-12-28 2027-01-25"),
        ("0 0 * * 1#L", "2026-11-30 2026-12-28 2027-01-25"),
        ("0 0 * * FRI-MON/3", "2026-11-27 2026-11-30 2026-12-04"),
        ("0 0 * * 7", "2026-11-29 2026-12-06 2026-12-13"),
        // Both days restricted: one or the other. With a star in front: both.
        ("0 0 13 * FRI", "2026-11-27 2026-12-04 2026-12-11"),
        ("0 0 */13 * FRI", "2026-11-27 2027-01-01 2027-05-14"),
        ("0 0 29 2 MON", "2027-02-01 2027-02-08 2027-02-15"),
        ("0 0 0 25 12 ? 2030-2040/5", "2030-12-25 2035-12-25 2040-12-25"),
        ("0 0 0 25 12 ? 2030,2027", "2027-12-25 2030-12-25"),
    ] {
        assert_eq!(dates(expression), expected, "{expression}");
    }
    assert_eq!(next("*/20 5 1-2 * * *", "2026-11-24T01:05:30Z", 2), ["2026-11-24T01:05:40Z", "2026-11-24T02:05:00Z"]);
    assert_eq!(next("5/20 22 * * *", "2026-11-24T22:30:00Z", 2), ["2026-11-24T22:45:00Z", "2026-11-25T22:05:00Z"]);
}

#[test]
fn an_impossible_date_is_never_and_a_rare_one_is_found() {
    for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31W 4 ?", "0 0 L-29 2 *", "0 0 0 29 2 ? 2026,2027"] {
        assert!(Cron::parse(never).unwrap().is_never(), "{never}");
        assert!(next(never, "2026-01-01T00:00:00Z", 1).is_empty(), "{never}");
    }
    assert_eq!(next("0 0 * 2 MON#5", "2026-01-01T00:00:00Z", 1), ["2044-02-29T00:00:00Z"]);
    assert_eq!(next("0 0 29 2 */7", "2096-03-01T00:00:00Z", 1), ["2128-02-29T00:00:00Z"]);
    assert_eq!(next("0 0 0 1 1 ? 2025", "2026-01-01T00:00:00Z", 1), Vec::<String>::new());
}

fn refused(expressions: &[&str], expected: Expect) {
    let mut said = String::new();
    for expression in expressions {
        let error = Cron::parse(expression).unwrap_err();
        said += &format!("{expression}\n{}\n{error}\n", error.carets(expression));
    }
    expected.assert_eq(&said);
}

#[test]
fn a_wrong_number_of_fields_or_a_wrong_word_is_refused_with_what_is_right() {
    let shapes = ["", "* * *", "* * * * * * * *", "0 2 * * * 2026", "@dayly", "@reboot", "@every 5m", "@daily 5"];
    refused(
        &shapes,
        expect![[r#"

        ^
        at byte 0: the expression is empty; expected 5 fields (minute hour day month weekday), 6 with seconds first, or 7 with seconds first and a year last
        * * *
        ^^^^^
        at byte 0: 3 fields; expected 5 fields (minute hour day month weekday), 6 with seconds first, or 7 with seconds first and a year last
        * * * * * * * *
        ^^^^^^^^^^^^^^^
        at byte 0: 8 fields; expected 5 fields (minute hour day month weekday), 6 with seconds first, or 7 with seconds first and a year last
        0 2 * * * 2026
                  ^^^^
        at byte 10: `2026` looks like a year, but six fields are read with seconds first; expected seconds in front of it, which makes seven fields
        @dayly
        ^^^^^^
        at byte 0: unknown word `@dayly`; expected one of @yearly @annually @monthly @weekly @daily @midnight @hourly; did you mean `@daily`?
        @reboot
        ^^^^^^^
        at byte 0: unknown word `@reboot`; expected an expression with instants; a start of the machine is none
        @every 5m
        ^^^^^^
        at byte 0: unknown word `@every`; expected an interval instead of a cron expression
        @daily 5
               ^
        at byte 7: something follows `@daily`; expected nothing after a word
    "#]],
    );
}

#[test]
fn a_refusal_names_the_byte_and_what_could_stand_there() {
    let times =
        ["0 25 * * *", "*/0 * * * *", "0 22-2 * * *", "1,,2 * * * *", "0 ? * * *", "€ * * * *", "99999 * * * *"];
    refused(
        &times,
        expect![[r#"
        0 25 * * *
          ^^
        at byte 2: `25` is no hour; expected 0-23
        */0 * * * *
          ^
        at byte 2: `0` is no step; expected a number from 1 to 59
        0 22-2 * * *
          ^^^^
        at byte 2: the range `22-2` runs backwards; expected the smaller hour first; over the end write `22-23,0-2`
        1,,2 * * * *
          ^
        at byte 2: a minute is missing; expected 0-59
        0 ? * * *
          ^
        at byte 2: `?` is no hour; expected 0-23
        € * * * *
        ^
        at byte 0: `€` is no minute; expected 0-59
        99999 * * * *
        ^^^^^
        at byte 0: `99999` is no minute; expected 0-59
    "#]],
    );
    let dates = ["0 2 * * MONDAY", "0 2 * SEPT *", "0 0 L-31 * *", "0 0 3L * *", "0 0 * * L", "0 0 * * FRI#6"];
    refused(
        &dates,
        expect![[r#"
        0 2 * * MONDAY
                ^^^^^^
        at byte 8: `MONDAY` is no weekday; expected 0-7 or SUN-SAT; did you mean `MON`?
        0 2 * SEPT *
              ^^^^
        at byte 6: `SEPT` is no month; expected 1-12 or JAN-DEC; did you mean `SEP`?
        0 0 L-31 * *
            ^^^^
        at byte 4: no month has a day 31 days before its last; expected L-1 to L-30
        0 0 3L * *
            ^^
        at byte 4: `3L` is no day of the month; expected 1-31, L, L-3, 15W or LW
        0 0 * * L
                ^
        at byte 8: `L` leaves open which weekday; expected one, as in FRIL, or SAT for Saturdays
        0 0 * * FRI#6
                    ^
        at byte 12: `6` is no place in a month; expected 1-5, or L for the last
    "#]],
    );
}
