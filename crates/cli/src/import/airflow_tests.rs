//! What becomes of what the script prints. The script itself is tested with the whole program.

use expect_test::expect;

use super::import;
use crate::import::yaml;

const PRINTED: &str = r#"{"lost": [{"line": 9, "text": "tasks that a loop makes"}], "dags": [
        {"line": 2, "id": "etl", "edges": [["a", "b"], ["a", "b"], ["gone", "b"]],
         "kwargs": {"schedule": "0 2 * * *", "catchup": true, "max_active_runs": 1,
            "start_date": {"$call": "datetime", "args": [2026, 1, 1], "kwargs": {"tz": "Europe/Berlin"}},
            "default_args": {"retries": 2, "retry_delay": {"$call": "timedelta", "args": [], "kwargs": {"minutes": 5}}}},
         "tasks": [
            {"line": 3, "id": "a", "operator": "BashOperator", "kwargs": {"bash_command": "echo {{ ds }}", "env": {"A": "1"}, "retries": 0}},
            {"line": 4, "id": "b", "operator": "PythonOperator", "kwargs": {"python_callable": {"$source": "load"}, "op_kwargs": {"full": true}, "trigger_rule": {"$source": "TriggerRule.ALL_DONE"}}},
            {"line": 5, "id": "c", "operator": "S3KeySensor", "kwargs": {"bucket_key": "k", "trigger_rule": "odd_rule", "queue": "slow"}},
            {"line": 6, "id": "d", "operator": "PythonOperator", "kwargs": {"python_callable": {"$source": "load"}, "op_args": [{"$source": "now()"}]}},
            {"line": 7, "id": "e", "operator": "EmptyOperator", "kwargs": {}}]},
        {"line": 20, "id": "odd", "edges": [], "kwargs": {"schedule": {"$source": "[Asset('x')]"}}, "tasks": [
            {"line": 21, "id": "x", "operator": "EmptyOperator", "kwargs": {}}]},
        {"line": 30, "id": {"$source": "f'{x}'"}, "edges": [], "kwargs": {}, "tasks": []}
    ]}"#;

#[test]
fn operators_become_tasks_and_what_has_no_equal_is_named() {
    let found = import(PRINTED, "dag.py").expect("it is what the script prints");
    let mut said = yaml(&found.jobs, "");
    for finding in &found.findings {
        said += &format!("> {finding}\n");
    }
    expect![[r#"
        ---
        # dag.py:2
        job: etl
        schedule: {cron: "0 2 * * *", timezone: Europe/Berlin, misfire: all, overlap: buffer_one}
        tasks:
          a:
            command: ["bash", "-c", "echo {{ ds }}"]
            retries: 0
            backoff: {type: fixed, initial: 300s}
            env:
              A: "1"
          b:
            type: load
            payload: {"args":[],"kwargs":{"full":true}}
            needs: [a]
            retries: 2
            backoff: {type: fixed, initial: 300s}
            trigger: all_done
          c:
            type: S3KeySensor
            payload: {"bucket_key":"k"}
            retries: 2
            backoff: {type: fixed, initial: 300s}
            queue: "slow"
          d:
            type: load
            payload: {}
            retries: 2
            backoff: {type: fixed, initial: 300s}
          e:
            type: noop
            payload: {}
            retries: 2
            backoff: {type: fixed, initial: 300s}
        ---
        # dag.py:20
        job: odd
        tasks:
          x:
            type: noop
            payload: {}
        > line 9: left out: tasks that a loop makes
        > line 2: review: Airflow runs `etl` for the interval that has ended; here a run belongs to its instant
        > line 3: review: the command of `a` is a template, which is not rendered here
        > line 4: review: `b` needs a worker with a handler of the type `load`
        > line 5: review: `c`: `S3KeySensor` has no equal; it needs a worker with a handler of that type
        > line 5: left out: the trigger rule `odd_rule` of `c` has no equal here
        > line 6: review: `d` needs a worker with a handler of the type `load`
        > line 6: left out: arguments of `d` that the program computes; its payload is empty
        > line 20: left out: the schedule of `odd`: it is no cron expression and no timedelta
        > line 30: left out: a DAG whose id is computed by the program
    "#]]
    .assert_eq(&said);
}
