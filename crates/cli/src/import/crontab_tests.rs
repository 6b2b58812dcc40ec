//! Crontabs as they are found on machines.

use expect_test::{Expect, expect};

use super::{Form, form, import};
use crate::import::yaml;

fn check(text: &str, expected_form: Form, expected: Expect) {
    assert_eq!(form(text), expected_form);
    let found = import(text, expected_form, "Europe/Berlin", "crontab");
    let mut said = yaml(&found.jobs, "");
    for finding in &found.findings {
        said += &format!("> {finding}\n");
    }
    expected.assert_eq(&said);
}

#[test]
fn the_crontab_of_a_debian_system_is_read_with_its_users() {
    let text = "\
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin

# m h dom mon dow user  command
17 *    * * *   root    cd / && run-parts --report /etc/cron.hourly
25 6    * * *   root    test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
";
    check(
        text,
        Form::System,
        expect![[r#"
            ---
            # crontab:5
            job: cron-hourly
            schedule: {cron: "17 * * * *", timezone: Europe/Berlin, misfire: skip, overlap: allow, dst: vixie}
            tasks:
              cron-hourly:
                run: |-
                  cd / && run-parts --report /etc/cron.hourly
                env:
                  PATH: "/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin"
                labels:
                  user: "root"
            ---
            # crontab:6
            job: cron-daily
            schedule: {cron: "25 6 * * *", timezone: Europe/Berlin, misfire: skip, overlap: allow, dst: vixie}
            tasks:
              cron-daily:
                run: |-
                  test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
                env:
                  PATH: "/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin"
                labels:
                  user: "root"
            > line 5: review: runs as `root`: start a worker as that user with `--shell --label user=root`
            > line 6: review: runs as `root`: start a worker as that user with `--shell --label user=root`
            > review: cron starts programs in the user's home, here it is an empty folder; write `workingDir` where it matters
        "#]],
    );
}

#[test]
fn a_users_crontab_keeps_its_environment_its_zone_and_its_input() {
    let text = "\
# m h  dom mon dow   command
MAILTO=ops@example.com
SHELL = /bin/bash
HOME=\"/srv/app\"
A='two words'
# Mail the report.
@daily /srv/app/report.py --date \"$(date +\\%F)\"
CRON_TZ=asia/tokyo
MAILTO=
SHELL=/bin/sh
30 8 1,15 * mon-fri mail -s \"It is 08:30\" joe%Joe,%%How are you?%
@reboot sleep 5; /srv/app/start
";
    check(
        text,
        Form::User,
        expect![[r#"
            ---
            # crontab:7
            # Mail the report.
            # notify: [{when: [failed], email: [ops@example.com]}]
            job: report
            schedule: {cron: "@daily", timezone: Europe/Berlin, misfire: skip, overlap: allow, dst: vixie}
            tasks:
              report:
                command: ["/bin/bash", "-c", "/srv/app/report.py --date \"$(date +%F)\""]
                workingDir: "/srv/app"
                env:
                  A: "two words"
            ---
            # crontab:11
            job: mail
            schedule: {cron: "30 8 1,15 * mon-fri", timezone: Asia/Tokyo, misfire: skip, overlap: allow, dst: vixie}
            tasks:
              mail:
                run: |-
                  {
                  mail -s "It is 08:30" joe
                  } <<'INPUT'
                  Joe,

                  How are you?
                  INPUT
                workingDir: "/srv/app"
                env:
                  A: "two words"
            ---
            # crontab:12
            # @reboot: no schedule
            job: start
            tasks:
              start:
                run: |-
                  sleep 5; /srv/app/start
                workingDir: "/srv/app"
                env:
                  A: "two words"
            > line 2: review: cron mails all output; a rule can mail on failure, see the comments
            > line 12: review: `@reboot` has no equal: the job has no schedule; submit it from a unit of the system
        "#]],
    );
}

#[test]
fn what_cannot_be_taken_over_is_named_with_its_line() {
    let text = "\
CRON_TZ=Europe/Berlim
RANDOM_DELAY=5
0 25 * * * late
0~30 * * * * /usr/bin/openbsd
*/5 * * * *
hello
0 0 30 2 * never-happens
-*/10 * * * * quiet; echo ${{ x }}
";
    check(
        text,
        Form::User,
        expect![[r#"
            ---
            # crontab:7
            # 0 0 30 2 *: never due, no schedule
            job: never-happens
            tasks:
              never-happens:
                run: |-
                  never-happens
            > line 1: left out: no time zone is named `Europe/Berlim`; did you mean `Europe/Berlin`?
            > line 2: left out: `RANDOM_DELAY` has no equal here
            > line 3: left out: `0 25 * * *`: at byte 2: `25` is no hour; expected 0-23
            > line 4: left out: `0~30 * * * *`: at byte 0: `0~30` is no minute; expected 0-59
            > line 5: left out: it is neither an entry nor a variable
            > line 6: left out: it is neither an entry nor a variable
            > line 7: review: `0 0 30 2 *` names no date that exists: the job has no schedule
            > line 8: left out: `${{` would be taken for an expression; move the command into a script
            > review: cron starts programs in the user's home, here it is an empty folder; write `workingDir` where it matters
        "#]],
    );
}

#[test]
fn the_column_of_the_user_is_recognised_where_nothing_names_it() {
    assert_eq!(form("*/5 * * * * root /usr/bin/a\n@daily www-data php /srv/cron.php\n"), Form::System);
    assert_eq!(form("*/5 * * * * root /usr/bin/a\n0 3 * * * /usr/bin/b --all\n"), Form::User);
    assert_eq!(form("0 8 * * * mail -s hello joe\n"), Form::User);
    assert_eq!(form("# nothing\n"), Form::User);
}
