//! What becomes of what the script prints. The script itself is tested with the whole program.

use expect_test::expect;

use super::import;
use crate::import::yaml;

#[test]
fn entries_become_jobs_and_what_is_computed_is_named() {
    let printed = r#"{"timezone": "Europe/Berlin", "entries": [
        {"line": 3, "name": "Add every 30 s", "entry": {"task": "tasks.add", "schedule": 30.0, "args": [16, 16], "options": {"queue": "math", "expires": 10}}},
        {"line": 4, "name": "nightly", "entry": {"task": "tasks.report", "schedule": {"$call": "crontab", "args": [], "kwargs": {"minute": 0, "hour": "2, 14", "day_of_week": "mon-fri"}}, "kwargs": {"full": true}}},
        {"line": 5, "name": "delta", "entry": {"task": "tasks.ping", "schedule": {"$call": "timedelta", "args": [1], "kwargs": {"hours": 2}}}},
        {"line": 6, "name": "sun", "entry": {"task": "tasks.ping", "schedule": {"$call": "solar", "args": ["sunset", 1, 2], "kwargs": {}}}},
        {"line": 7, "name": "both", "entry": {"task": "tasks.ping", "schedule": {"$call": "crontab", "args": [0, 0], "kwargs": {"day_of_month": "1-7", "day_of_week": 1}}}},
        {"line": 8, "name": "computed", "entry": {"task": "tasks.ping", "schedule": 60, "args": [{"$source": "now()"}]}},
        {"line": 9, "name": "fast", "entry": {"task": "tasks.ping", "schedule": 0.5}},
        {"line": 10, "name": null, "entry": {"$call": "add_periodic_task", "of": "sender", "args": [10.0, {"$call": "s", "of": "hello", "args": ["world"], "kwargs": {}}], "kwargs": {}}}
    ]}"#;
    let found = import(printed, "celeryconfig.py").expect("it is what the script prints");
    let mut said = yaml(&found.jobs, "");
    for finding in &found.findings {
        said += &format!("> {finding}\n");
    }
    expect![[r#"
        ---
        # celeryconfig.py:3 Add every 30 s
        job: add-every-30-s
        schedule: {every: "30s", misfire: latest, overlap: allow}
        tasks:
          add-every-30-s:
            type: tasks.add
            payload: {"args":[16,16],"kwargs":{}}
            queue: "math"
        ---
        # celeryconfig.py:4 nightly
        job: nightly
        schedule: {cron: "0 2,14 * * mon-fri", timezone: Europe/Berlin, misfire: latest, overlap: allow}
        tasks:
          nightly:
            type: tasks.report
            payload: {"args":[],"kwargs":{"full":true}}
        ---
        # celeryconfig.py:5 delta
        job: delta
        schedule: {every: "93600s", misfire: latest, overlap: allow}
        tasks:
          delta:
            type: tasks.ping
            payload: {"args":[],"kwargs":{}}
        ---
        # celeryconfig.py:10 hello
        job: hello
        schedule: {every: "10s", misfire: latest, overlap: allow}
        tasks:
          hello:
            type: hello
            payload: {"args":["world"],"kwargs":{}}
        > line 3: review: the option `expires` of `Add every 30 s` was left out
        > line 3: review: `tasks.add` needs a worker with a handler of that type; its payload is {args, kwargs}
        > line 4: review: `tasks.report` needs a worker with a handler of that type; its payload is {args, kwargs}
        > line 5: review: `tasks.ping` needs a worker with a handler of that type; its payload is {args, kwargs}
        > line 6: left out: a schedule by `solar` has no equal here
        > line 7: left out: its crontab wants day of month and day of week at once; here either would be enough
        > line 8: left out: the arguments of `tasks.ping` are computed by the program
        > line 9: left out: an interval of 0.5 s has no equal here: whole seconds from 1
        > line 10: review: `hello` needs a worker with a handler of that type; its payload is {args, kwargs}
    "#]]
    .assert_eq(&said);
}
