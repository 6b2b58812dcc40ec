//! What was imported is applied to a server and runs there. The commands of these files write a word into a file, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mainspring_client::Client;
use mainspring_worker::{Context, HandlerError, HttpSource, ShellConfig, Shutdown, Urgency, WorkerConfig};
use serde_json::{Value, json};

use crate::site::Site;

/// How long a job may take on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// What runs beside the server: a worker that has the users and the handlers that imported work asks for.
fn worker(folder: &Path) -> WorkerConfig {
    let mut config = WorkerConfig::default();
    config.labels = BTreeMap::from([("user".to_owned(), "nobody".to_owned())]);
    config.shell = Some(ShellConfig { supervisor: env!("CARGO_BIN_EXE_mainspring").into(), ..ShellConfig::default() });
    for kind in ["proj.tasks.report", "com.example.ReportJob", "clean", "fetch"] {
        let log = folder.join("log");
        config.handle(kind, move |context: Context| {
            let log = log.clone();
            async move {
                let payload: Value = context.payload()?;
                let line = format!("{kind} {payload}\n");
                let mut file = std::fs::File::options().append(true).create(true).open(log);
                let written = file
                    .as_mut()
                    .map_err(|error| error.to_string())
                    .map(|file| std::io::Write::write_all(file, line.as_bytes()).map_err(|error| error.to_string()));
                match written {
                    Ok(Ok(())) => Ok(json!(1)),
                    Ok(Err(error)) | Err(error) => Err(HandlerError::new("io", error)),
                }
            }
        });
    }
    config
}

/// Imports a file, applies what came of it, triggers each of these schedules or runs the job if it has none, and waits for the ends.
/// Gives the statuses, and the lines that were written.
fn import_and_run(site: &Site, import: &[&str], names: &[&str]) -> (Vec<String>, Vec<String>) {
    let folder = site.folder();
    site.run_alone(&[&["import"], import, &["-o", "jobs.yaml"]].concat()).expect(0);
    site.run(&["apply", "jobs.yaml"]).expect(0);
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let statuses = runtime.block_on(async {
        let client = Client::new(site.url(), None).expect("the address is one");
        let (stopper, shutdown) = Shutdown::new();
        let source = Arc::new(HttpSource::new(client.clone()));
        let working = tokio::spawn(mainspring_worker::run(worker(folder), source, shutdown));
        let mut statuses = Vec::new();
        for name in names {
            let fired = site.run(&["schedules", "trigger", name, "-o", "name"]);
            let id = match fired.code {
                Some(0) => fired.word(0).rsplit('/').next().expect("it names the job").to_owned(),
                _ => client.run_definition(name, serde_json::Map::new()).await.expect("it was applied").job_id,
            };
            let ended = client.job_when_ended(&id, LONG).await.expect("the job ends");
            statuses.push(ended.status.clone());
        }
        stopper.raise(Urgency::Stop);
        working.await.expect("the worker ends").expect("the worker ends well");
        statuses
    });
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    (statuses, log.lines().map(str::to_owned).collect())
}

#[test]
fn a_debian_crontab_and_a_file_of_cron_d_run() {
    let site = Site::dev();
    let log = site.folder().join("log").display().to_string();
    let crontab = format!(
        "# /etc/crontab: system-wide crontab\nSHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin\n\
         # m h dom mon dow user\tcommand\n17 *\t* * *\tnobody\tcd / && echo hourly >> {log}\n\
         25 6\t* * *\tnobody\ttest -x /nonexistent || {{ cd / && echo daily >> {log}; }}\n\
         */5 * * * *\tnobody\tcat >> {log}%first%second\n"
    );
    site.write("crontab", &crontab);
    let (statuses, lines) = import_and_run(
        &site,
        &["crontab", "crontab", "--form", "system", "--tz", "Europe/Berlin"],
        &["echo", "echo-2", "cat"],
    );
    assert_eq!(
        (statuses, lines),
        (vec!["completed".to_owned(); 3], ["hourly", "daily", "first", "second"].map(str::to_owned).to_vec())
    );

    std::fs::create_dir(site.folder().join("cron.d")).expect("a folder can be made");
    site.write(
        "cron.d/sysstat",
        &format!("# every second minute\nMAILTO=\"\"\n*/2 * * * * nobody echo \"from cron.d\" >> {log}\n"),
    );
    let (statuses, lines) = import_and_run(&site, &["crontab", "cron.d/sysstat"], &["echo"]);
    assert_eq!((statuses[0].as_str(), lines[4].as_str()), ("completed", "from cron.d"));
}

#[test]
fn an_airflow_dag_runs_in_the_order_of_its_edges() {
    let site = Site::dev();
    let log = site.folder().join("log").display().to_string();
    let dag = format!(
        "\
from datetime import datetime, timedelta
from airflow import DAG
from airflow.operators.bash import BashOperator
from airflow.operators.empty import EmptyOperator
from airflow.operators.python import PythonOperator
from airflow.utils.trigger_rule import TriggerRule

default_args = {{'owner': 'data', 'retries': 1, 'retry_delay': timedelta(seconds=1), 'execution_timeout': timedelta(minutes=5)}}

def clean(table):
    raise SystemExit('this file must not be run')

with DAG('daily_sales', default_args=default_args, schedule_interval='0 4 * * *', start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1) as dag:
    start = EmptyOperator(task_id='start')
    extract = BashOperator(task_id='extract', bash_command='sleep 0.2; echo extract >> {log}')
    clean_orders = PythonOperator(task_id='clean_orders', python_callable=clean, op_kwargs={{'table': 'orders'}})
    flaky = BashOperator(task_id='flaky', bash_command='echo flaky >> {log}; test $(grep -c flaky {log}) -ge 2', env={{'KIND': 'a b'}}, append_env=True)
    check = BashOperator(task_id='check', bash_command='echo check >> {log}; exit 3', retries=0)
    publish = BashOperator(task_id='publish', bash_command='echo publish >> {log}')
    alert = BashOperator(task_id='alert', bash_command='echo alert >> {log}', trigger_rule='one_failed')
    end = BashOperator(task_id='end', bash_command='echo end >> {log}', trigger_rule=TriggerRule.ALL_DONE)

    start >> extract >> [clean_orders, flaky] >> check
    check >> [publish, alert] >> end
"
    );
    site.write("sales.py", &dag);
    let (statuses, lines) = import_and_run(&site, &["airflow", "sales.py"], &["daily_sales"]);
    // What failed was handled by a task of the rule one_failed.
    assert_eq!(statuses, ["completed"]);
    let at = |word: &str| {
        lines.iter().position(|line| line.starts_with(word)).unwrap_or_else(|| panic!("{word}: {lines:?}"))
    };
    let last = |word: &str| lines.iter().rposition(|line| line.starts_with(word)).expect("it ran");
    assert!(at("extract") < at("clean {\"args\":[],\"kwargs\":{\"table\":\"orders\"}}"), "{lines:?}");
    assert!(at("extract") < at("flaky") && at("flaky") < last("flaky"), "it was tried again: {lines:?}");
    assert!(last("flaky").max(at("clean")) < at("check") && at("check") < at("alert"), "{lines:?}");
    assert_eq!(at("end"), lines.len() - 1, "{lines:?}");
    assert!(!lines.iter().any(|line| line == "publish"), "{lines:?}");
}

#[test]
fn a_celery_beat_schedule_runs() {
    let site = Site::dev();
    let beat = "\
from celery import Celery
from celery.schedules import crontab
app = Celery('proj', broker='redis://localhost')
app.conf.beat_schedule = {
    'every-second': {'task': 'proj.tasks.report', 'schedule': 1.0, 'args': ('often',)},
    'morning': {'task': 'proj.tasks.report', 'schedule': crontab(hour=7, minute=30, day_of_week='mon-fri'), 'kwargs': {'full': True}},
}
";
    site.write("celeryconfig.py", beat);
    let (statuses, lines) = import_and_run(&site, &["celery-beat", "celeryconfig.py"], &["morning"]);
    assert_eq!(statuses, ["completed"]);
    assert!(lines.iter().any(|line| line == "proj.tasks.report {\"args\":[],\"kwargs\":{\"full\":true}}"), "{lines:?}");
    // The other one fires by itself.
    let mut tries = 0;
    while !site.run(&["schedules", "occurrences", "every-second"]).expect(0).out.contains("fired") {
        tries += 1;
        assert!(tries < 600, "a schedule of each second never fired");
    }
}

#[test]
fn a_quartz_file_runs() {
    let site = Site::dev();
    let log = site.folder().join("log").display().to_string();
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<job-scheduling-data xmlns=\"http://www.quartz-scheduler.org/xml/JobSchedulingData\" version=\"2.0\">
  <schedule>
    <job><name>report</name><group>books</group><job-class>com.example.ReportJob</job-class>
      <job-data-map><entry><key>format</key><value>pdf</value></entry></job-data-map></job>
    <trigger><cron><name>weekdays</name><job-name>report</job-name><job-group>books</job-group>
      <misfire-instruction>MISFIRE_INSTRUCTION_IGNORE_MISFIRE_POLICY</misfire-instruction>
      <cron-expression>0 30 7 ? * 2-6</cron-expression><time-zone>Europe/Berlin</time-zone></cron></trigger>
    <job><name>native</name><job-class>org.quartz.jobs.NativeJob</job-class><durability>true</durability>
      <job-data-map><entry><key>command</key><value>echo native</value></entry><entry><key>parameters</key><value>&gt;&gt; {log}</value></entry></job-data-map></job>
  </schedule>
</job-scheduling-data>"
    );
    site.write("jobs.xml", &xml);
    let (statuses, lines) = import_and_run(&site, &["quartz", "jobs.xml", "--tz", "UTC"], &["books.report", "native"]);
    assert_eq!(statuses, ["completed", "completed"]);
    assert_eq!(lines, ["com.example.ReportJob {\"format\":\"pdf\"}", "native"]);
}
