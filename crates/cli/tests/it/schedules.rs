//! `schedules next`: what a cron expression means, across changes of the clock, without a server.

use expect_test::{Expect, expect};

use crate::site::{Ended, folder_with, run_in};

fn next(arguments: &[&str]) -> Ended {
    let folder = folder_with("x", "");
    let all: Vec<&str> = ["schedules", "next"].iter().chain(arguments).copied().collect();
    run_in(folder.path(), &all)
}

fn check(arguments: &[&str], code: i32, out: Expect, err: Expect) {
    let ended = next(arguments).expect(code);
    out.assert_eq(&ended.out);
    err.assert_eq(&ended.err);
}

#[test]
fn a_run_in_a_gap_and_runs_in_a_fold_are_explained() {
    check(
        &["30 2 * * *", "--timezone", "Europe/Berlin", "-n", "3", "--from", "2026-03-28T00:00:00Z"],
        0,
        expect![[r#"
            AT                    LOCAL                         NOTE
            2026-03-28T01:30:00Z  Sat 2026-03-28 02:30:00 CET
            2026-03-29T01:00:00Z  Sun 2026-03-29 03:00:00 CEST  for 2026-03-29 02:30:00, which the clock passes over
            2026-03-30T00:30:00Z  Mon 2026-03-30 02:30:00 CEST
        "#]],
        expect![[r#"
            at 02:30 every day, in Europe/Berlin (dst: vixie)
        "#]],
    );
    check(
        &["30 2 * * *", "--tz", "Europe/Berlin", "-n", "2", "--from", "2026-10-25", "--dst", "twice"],
        0,
        expect![[r#"
            AT                    LOCAL                         NOTE
            2026-10-25T00:30:00Z  Sun 2026-10-25 02:30:00 CEST  the first of two such times
            2026-10-25T01:30:00Z  Sun 2026-10-25 02:30:00 CET   the second of two such times
        "#]],
        expect![[r#"
            at 02:30 every day, in Europe/Berlin (dst: twice)
        "#]],
    );
    check(
        &["30 2 * * *", "--tz", "Europe/Berlin", "-n", "2", "--from", "2026-03-28", "--dst", "skip"],
        0,
        expect![[r#"
            AT                    LOCAL                         NOTE
            2026-03-28T01:30:00Z  Sat 2026-03-28 02:30:00 CET
            2026-03-30T00:30:00Z  Mon 2026-03-30 02:30:00 CEST
        "#]],
        expect![[r#"
            at 02:30 every day, in Europe/Berlin (dst: skip)
            note: no run for 2026-03-29 02:30:00, which the clock passes over at 2026-03-29T01:00:00Z
        "#]],
    );
}

#[test]
fn programs_read_instants_and_why_they_are_there() {
    check(
        &["0 2 * * *", "--timezone", "Europe/Berlin", "-n", "2", "--from", "2026-03-28T12:00:00Z", "-o", "json"],
        0,
        expect![[r#"
            [
              {
                "at": "2026-03-29T01:00:00Z",
                "local": "2026-03-29T03:00:00+02:00",
                "note": "gap",
                "wanted": "2026-03-29T02:00:00"
              },
              {
                "at": "2026-03-30T00:00:00Z",
                "local": "2026-03-30T02:00:00+02:00"
              }
            ]
        "#]],
        expect![[""]],
    );
    check(
        &["@daily", "-n", "1", "--from", "2026-03-28", "-o", "name"],
        0,
        expect![[r#"
        2026-03-29T00:00:00Z
    "#]],
        expect![[""]],
    );
}

#[test]
fn what_can_never_be_is_said_at_once_and_is_no_error() {
    check(
        &["0 0 30 2 *", "-o", "json"],
        0,
        expect![[r#"
        []
    "#]],
        expect![[""]],
    );
    check(
        &["0 0 30 2 *"],
        0,
        expect![[r#"
        AT  LOCAL  NOTE
    "#]],
        expect![[r#"
        at 00:00, on day 30 of the month in February; no such date exists, so never, in UTC (dst: vixie)
        never again
    "#]],
    );
}

#[test]
fn a_refusal_shows_the_place() {
    check(
        &["0 25 * * *"],
        8,
        expect![[""]],
        expect![[r#"
        error: the cron expression is refused: at byte 2: `25` is no hour; expected 0-23
          0 25 * * *
            ^^
    "#]],
    );
    check(
        &["@daily", "--timezone", "Europe/Berlim"],
        8,
        expect![[""]],
        expect![[r#"
        error: no time zone is named `Europe/Berlim`; did you mean `Europe/Berlin`?
    "#]],
    );
    check(
        &["@daily", "--dst", "never"],
        8,
        expect![[""]],
        expect![[r#"
        error: no DST policy is named `never`; expected vixie, skip, once or twice
    "#]],
    );
    check(
        &["@daily", "--from", "tomorrow"],
        8,
        expect![[""]],
        expect![[r#"
        error: `tomorrow` is no time
        hint: write 2026-03-28T00:00:00Z, or 2026-03-28 or 2026-03-28T00:00 in the zone
    "#]],
    );
}
