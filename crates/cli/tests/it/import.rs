//! Importers: what they write is what the rest of the program reads.

use crate::site::{folder_with, run_in};

const CRONTAB: &str = "\
MAILTO=ops@example.com
LANG=C.UTF-8
# m h dom mon dow user command
*/10 * * * * root  /usr/bin/true
0 2  * * *   www-data cat > out%one%two \\% three
@reboot      root  echo \"a: 'b' # c\"
0 25 * * *   root  late
";

#[test]
fn an_imported_crontab_is_a_valid_definition_and_the_rest_is_reported() {
    let folder = folder_with("crontab", CRONTAB);
    let ended =
        run_in(folder.path(), &["import", "crontab", "crontab", "--tz", "Asia/Tokyo", "-o", "out.yaml"]).expect(0);
    assert!(ended.out.is_empty(), "{}", ended.out);
    assert!(ended.err.contains("line 7: left out: `0 25 * * *`: at byte 2"), "{}", ended.err);
    assert!(ended.err.ends_with("3 jobs, 7 findings\n"), "{}", ended.err);
    let written = std::fs::read_to_string(folder.path().join("out.yaml")).expect("it was written");
    assert!(written.contains("timezone: Asia/Tokyo"), "{written}");
    // A schedule belongs to a server; the work is what can be checked here.
    let work: Vec<&str> = written.lines().filter(|line| !line.starts_with("schedule:")).collect();
    std::fs::write(folder.path().join("work.yaml"), work.join("\n")).expect("the file can be written");
    let valid = run_in(folder.path(), &["validate", "work.yaml"]).expect(0);
    assert_eq!(valid.out, "work.yaml: valid, 3 jobs and 3 tasks\n");
}

#[test]
fn a_file_with_nothing_to_import_is_refused() {
    let folder = folder_with("crontab", "# nothing\n");
    run_in(folder.path(), &["import", "crontab", "crontab"]).expect(8);
    run_in(folder.path(), &["import", "crontab", "missing"]).expect(3);
}

const CELERY: &str = "\
from celery import Celery
from celery.schedules import crontab
raise SystemExit('this module must not be run')
HOUR = 60 * 60
app = Celery('proj')
app.conf.timezone = 'Europe/London'
app.conf.beat_schedule = {
    'hourly-ping': {'task': 'proj.tasks.ping', 'schedule': HOUR},
    'morning': {'task': 'proj.tasks.report', 'schedule': crontab(hour=7, minute=30), 'args': ('x', -1)},
    'secret': {'task': 'proj.tasks.report', 'schedule': crontab(), 'args': (open('/etc/passwd').read(),)},
}
";

#[test]
fn a_celery_module_is_parsed_and_never_run() {
    let folder = folder_with("celeryconfig.py", CELERY);
    let ended = run_in(folder.path(), &["import", "celery-beat", "celeryconfig.py", "-o", "out.yaml"]).expect(0);
    assert!(
        ended.err.contains("line 10: left out: the arguments of `proj.tasks.report` are computed"),
        "{}",
        ended.err
    );
    let written = std::fs::read_to_string(folder.path().join("out.yaml")).expect("it was written");
    assert!(written.contains("schedule: {every: \"3600s\", misfire: latest, overlap: allow}"), "{written}");
    assert!(written.contains("cron: \"30 7 * * *\", timezone: Europe/London"), "{written}");
    assert!(written.contains(r#"payload: {"args":["x",-1],"kwargs":{}}"#), "{written}");
    let work: Vec<&str> = written.lines().filter(|line| !line.starts_with("schedule:")).collect();
    std::fs::write(folder.path().join("work.yaml"), work.join("\n")).expect("the file can be written");
    let valid = run_in(folder.path(), &["validate", "work.yaml"]).expect(0);
    assert_eq!(valid.out, "work.yaml: valid, 2 jobs and 2 tasks\n");
    std::fs::write(folder.path().join("bad.py"), "def (:\n").expect("the file can be written");
    run_in(folder.path(), &["import", "celery-beat", "bad.py"]).expect(8);
}

const AIRFLOW: &str = "\
import pendulum
from datetime import timedelta
from airflow import DAG
raise SystemExit('this file must not be run')
with DAG('etl', schedule='0 2 * * *', start_date=pendulum.datetime(2026, 1, 1, tz='Europe/Berlin'), catchup=False) as dag:
    extract = BashOperator(task_id='extract', bash_command='echo extract', retries=2)
    left = BashOperator(task_id='left', bash_command='echo left')
    right = PythonOperator(task_id='right', python_callable=fetch, op_kwargs={'page': 1})
    end = EmptyOperator(task_id='end', trigger_rule='all_done')
    extract >> [left, right] >> end
    for table in TABLES:
        BashOperator(task_id=f'load_{table}', bash_command='true')

@dag(schedule=timedelta(hours=6))
def flow():
    @task
    def get():
        return 1
    @task(task_id='store')
    def put(value):
        pass
    value = get()
    put(value)

flow()
";

#[test]
fn an_airflow_file_is_parsed_with_its_edges_and_never_run() {
    let folder = folder_with("dag.py", AIRFLOW);
    let ended = run_in(folder.path(), &["import", "airflow", "dag.py", "-o", "out.yaml"]).expect(0);
    assert!(ended.err.contains("line 11: left out: tasks that a loop makes"), "{}", ended.err);
    let written = std::fs::read_to_string(folder.path().join("out.yaml")).expect("it was written");
    for expected in [
        "schedule: {cron: \"0 2 * * *\", timezone: Europe/Berlin, misfire: latest, overlap: allow}",
        "schedule: {every: \"21600s\", misfire: latest, overlap: allow}",
        "    needs: [left, right]\n    trigger: all_done",
        "    type: fetch\n    payload: {\"args\":[],\"kwargs\":{\"page\":1}}\n    needs: [extract]",
        "  store:\n    type: put\n    payload: {\"args\":[],\"kwargs\":{}}\n    needs: [get]",
    ] {
        assert!(written.contains(expected), "{expected}\n{written}");
    }
    let work: Vec<&str> = written.lines().filter(|line| !line.starts_with("schedule:")).collect();
    std::fs::write(folder.path().join("work.yaml"), work.join("\n")).expect("the file can be written");
    let valid = run_in(folder.path(), &["validate", "work.yaml"]).expect(0);
    assert_eq!(valid.out, "work.yaml: valid, 2 jobs and 6 tasks\n");
}
