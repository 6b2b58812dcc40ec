//! `mainspring bench`: the scenarios of the performance page, against a server of its own or one that is named.
//!
//! The load generator and the workers live in this process and share the machine with the server: they are part of the
//! cost. Every figure is measured in the run that prints it.

mod connection;
mod figures;
mod footprint;
mod graphs;
mod latency;
mod load;
mod process;
mod schedules;
mod session;
mod shell;
mod throughput;

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value, json};

use self::connection::{Connection, Target, request};
use self::figures::Report;
use self::process::Process;
use crate::args::{Bench, BenchFormat, Scenario};
use crate::exit::Outcome;

const ALL: [Scenario; 7] =
    [Scenario::W1, Scenario::W2, Scenario::W3, Scenario::W4, Scenario::W5, Scenario::W6, Scenario::W7];

/// Runs scenarios one after the other, each on a fresh server and store.
pub(crate) async fn bench(args: Bench, quiet: bool) -> Outcome {
    let scenarios = if args.scenarios.is_empty() { ALL.to_vec() } else { args.scenarios.clone() };
    for scenario in scenarios {
        if !quiet && args.output == BenchFormat::Table {
            eprintln!("{}: measuring …", word(scenario));
        }
        let report =
            measure(scenario, &args).await.with_context(|| format!("scenario {} broke off", word(scenario)))?;
        match args.output {
            BenchFormat::Table => println!("{}", report.table()),
            BenchFormat::Json => println!("{}", serde_json::to_string(&report).context("cannot write the report")?),
        }
    }
    Ok(())
}

async fn measure(scenario: Scenario, args: &Bench) -> anyhow::Result<Report> {
    let base = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new().prefix("mainspring-bench-").tempdir_in(&base)?;
    let mut site = Site::new(args, folder.path())?;
    site.note("filesystem", json!(figures::filesystem(folder.path())));
    site.note("fsyncP50Ms", figures::ms(figures::fsync_p50(folder.path())?));
    match scenario {
        Scenario::W1 => throughput::w1(&mut site).await?,
        Scenario::W2 => latency::w2(&mut site).await?,
        Scenario::W3 => graphs::w3(&mut site).await?,
        Scenario::W4 => graphs::w4(&mut site).await?,
        Scenario::W5 => footprint::w5(&mut site).await?,
        Scenario::W6 => footprint::w6(&mut site).await?,
        Scenario::W7 => graphs::w7(&mut site).await?,
        Scenario::Schedules => schedules::schedules(&mut site).await?,
    }
    Ok(site.report(word(scenario)))
}

fn word(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::W1 => "w1",
        Scenario::W2 => "w2",
        Scenario::W3 => "w3",
        Scenario::W4 => "w4",
        Scenario::W5 => "w5",
        Scenario::W6 => "w6",
        Scenario::W7 => "w7",
        Scenario::Schedules => "schedules",
    }
}

/// Where a scenario runs: its folder, its server, and what it has found.
struct Site<'a> {
    args: &'a Bench,
    folder: &'a Path,
    process: Option<Process>,
    store: String,
    durability: String,
    config: Map<String, Value>,
    figures: Map<String, Value>,
}

impl<'a> Site<'a> {
    fn new(args: &'a Bench, folder: &'a Path) -> anyhow::Result<Self> {
        ensure!(
            args.payload_bytes <= mainspring_core::limits::PAYLOAD_BYTES_MAX,
            "the payload is larger than a task's limit"
        );
        let (process, unknown) = (None, "unknown".to_owned());
        let (config, figures) = (Map::new(), Map::new());
        Ok(Self { args, folder, process, store: unknown.clone(), durability: unknown, config, figures })
    }

    /// Starts the server if it is ours; in any case asks it what it is.
    async fn server(&mut self) -> anyhow::Result<Target> {
        let target = match &self.args.server {
            Some(url) => named_server(url, self.args.token.as_deref())?,
            None => match &self.process {
                Some(process) => process.target.clone(),
                None => self
                    .process
                    .insert(Process::start("serve", self.folder, self.args.store.as_deref()).await?)
                    .target
                    .clone(),
            },
        };
        self.describe(&target).await?;
        Ok(target)
    }

    async fn describe(&mut self, target: &Target) -> anyhow::Result<()> {
        let mut connection = Connection::open(target).await?;
        let body = connection.expect(&request(target, "GET", "/actuator/info", b"")).await?;
        let info: Value = serde_json::from_slice(body).context("cannot read what the server says about itself")?;
        let store = info.get("store").unwrap_or(&Value::Null);
        let text = |name: &str| store.get(name).and_then(Value::as_str).map(str::to_owned);
        self.store = text("name").unwrap_or_else(|| "unknown".to_owned());
        self.durability = text("durability").unwrap_or_else(|| "unknown".to_owned());
        if let Some(detail) = text("detail") {
            self.note("storeDetail", json!(detail));
        }
        Ok(())
    }

    /// The server's process; scenarios about memory and disk need one of their own.
    fn process(&self) -> anyhow::Result<&Process> {
        match &self.process {
            Some(process) => Ok(process),
            None => bail!("this scenario looks at the server's process, so it cannot use --server"),
        }
    }

    /// The first of `--tasks`, or the scenario's own number.
    fn tasks(&self, default: u64) -> u64 {
        self.args.tasks.first().copied().unwrap_or(default)
    }

    fn note(&mut self, name: &str, value: Value) {
        self.config.insert(name.to_owned(), value);
    }

    fn figure(&mut self, name: &str, value: Value) {
        self.figures.insert(name.to_owned(), value);
    }

    fn report(self, scenario: &'static str) -> Report {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Report {
            scenario,
            store: self.store,
            durability: self.durability,
            cores,
            config: self.config,
            figures: self.figures,
        }
    }
}

/// The address of a server given as `http://host:port`.
fn named_server(url: &str, token: Option<&str>) -> anyhow::Result<Target> {
    let authority = url.strip_prefix("http://").context("the benchmark speaks plain http:// only")?;
    let authority = authority.trim_end_matches('/');
    let address: SocketAddr = authority
        .to_socket_addrs()
        .with_context(|| format!("`{authority}` is not HOST:PORT"))?
        .next()
        .with_context(|| format!("`{authority}` has no address"))?;
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    Ok(Target { address, authorization })
}
