//! Commands that run something: servers, workers, one job, the benchmark.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use mainspring_server::config::Layers;

use super::{Output, Remote, default_concurrency, parse_duration, parse_label, parse_param};

/// The configuration's file and overlay.
#[derive(Args, Clone, Debug)]
pub(crate) struct Configured {
    /// The configuration file [env: MAINSPRING_CONFIG]. Default: `mainspring.toml` in this folder, if it is there.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The overlay that holds, `[env.NAME]` of the file [env: MAINSPRING_ENV].
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
}

/// Where a server listens and keeps its rows. What is not given comes from the environment or the configuration file.
#[derive(Args, Clone, Debug)]
pub(crate) struct Serving {
    #[command(flatten)]
    pub configured: Configured,
    /// Address to listen on; port 0 takes a free one [env: MAINSPRING_LISTEN] [default: 127.0.0.1:7070].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<std::net::SocketAddr>,
    /// Where everything is kept: `sqlite:PATH`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`,
    /// `redis://HOST:PORT` or `memory:` [env: MAINSPRING_STORE] [default: sqlite:mainspring.db]. Servers that name the same
    /// PostgreSQL or Redis are nodes of one cluster.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Where other nodes of the cluster reach this one: `http://HOST:PORT` [env: MAINSPRING_ADVERTISE]. Default: the address it
    /// listens on.
    #[arg(long, value_name = "URL")]
    pub advertise: Option<String>,
    /// Another address to listen on, for other nodes alone [env: MAINSPRING_CLUSTER_LISTEN]. It may lie beyond loopback: every
    /// call there is sealed with the key of the cluster.
    #[arg(long, value_name = "ADDR")]
    pub cluster_listen: Option<std::net::SocketAddr>,
    /// A watched folder of job, task and profile files [env: MAINSPRING_DEFINITIONS_DIR].
    #[arg(long, value_name = "DIR")]
    pub definitions_dir: Option<PathBuf>,
}

impl Serving {
    /// Where settings are looked for.
    pub(crate) fn layers(&self) -> Layers {
        let text = |address: &std::net::SocketAddr| address.to_string();
        let path = |path: &PathBuf| path.display().to_string();
        let flags = [
            ("listen", self.listen.as_ref().map(text)),
            ("store", self.store.clone()),
            ("advertise", self.advertise.clone()),
            ("cluster_listen", self.cluster_listen.as_ref().map(text)),
            ("definitions_dir", self.definitions_dir.as_ref().map(path)),
        ];
        let flags = flags.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let Configured { config, env } = self.configured.clone();
        Layers::of_this_process(config, env, flags)
    }
}

#[derive(Args, Debug)]
pub(crate) struct Dev {
    /// Job or task files to run at once, with live progress.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub serving: Serving,
    /// How many attempts run at once.
    #[arg(long, default_value_t = default_concurrency())]
    pub concurrency: u32,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub serving: Serving,
}

/// Which store a command is about.
#[derive(Args, Debug)]
pub(crate) struct Stored {
    /// The store: `sqlite:PATH`. PostgreSQL and Redis have tools of their own, see the guide.
    #[arg(long, env = "MAINSPRING_STORE", default_value = "sqlite:mainspring.db", value_name = "URL")]
    pub store: String,
}

#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// The new file.
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
    #[command(flatten)]
    pub of: Stored,
}

#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The copy.
    #[arg(value_name = "FILE")]
    pub from: PathBuf,
    #[command(flatten)]
    pub to: Stored,
    /// Replace the store that is there.
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct MigrateStore {
    /// The store that is there: `sqlite:PATH`, `postgres://…` or `redis://…`. It stays as it is.
    #[arg(value_name = "FROM")]
    pub from: String,
    /// The new one; nothing may ever have been written to it.
    #[arg(value_name = "TO")]
    pub to: String,
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The job or task file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Keep everything in this store; without it nothing is left behind.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// How many attempts run at once.
    #[arg(long, default_value_t = default_concurrency())]
    pub concurrency: u32,
    /// A value for a parameter of the job; several times for several.
    #[arg(long = "param", value_parser = parse_param, value_name = "NAME=VALUE")]
    pub params: Vec<(String, String)>,
    /// Give up, and cancel the job, after this time.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Worker {
    #[command(flatten)]
    pub remote: Remote,
    /// Queues to serve; without it every queue.
    #[arg(long, value_delimiter = ',', value_name = "QUEUE")]
    pub queues: Vec<String>,
    /// How many attempts run at once.
    #[arg(long, default_value_t = default_concurrency())]
    pub concurrency: u32,
    /// Run commands and scripts that come with tasks.
    #[arg(long)]
    pub shell: bool,
    /// A label that tasks can ask for.
    #[arg(long = "label", value_parser = parse_label, value_name = "NAME=VALUE")]
    pub labels: Vec<(String, String)>,
    /// Name of this worker; it must be its own. Default: the host's name and a random part.
    #[arg(long, value_name = "ID")]
    pub worker_id: Option<String>,
    /// How long a lease lasts when this worker falls silent.
    #[arg(long, value_parser = parse_duration, default_value = "15s", value_name = "DURATION")]
    pub lease: Duration,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Bench {
    /// Which scenarios; without any, all of them.
    #[arg(value_enum, value_name = "SCENARIO")]
    pub scenarios: Vec<Scenario>,
    /// How many tasks (w1 100,000; w2 1,000; w3 40; w4 1,000; w5 1,000,000; w7 1,000 10,000 100,000).
    #[arg(long, value_delimiter = ',', value_name = "N")]
    pub tasks: Vec<u64>,
    /// Tasks per request in bulk.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch: u32,
    /// Connections that submit one task per request.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Size of each task's payload.
    #[arg(long, default_value_t = 100, value_name = "BYTES")]
    pub payload_bytes: usize,
    /// Worker sessions in this process.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub workers: u32,
    /// Free places of each worker session.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub capacity: u32,
    /// Measure this server instead of starting one. It should be idle and empty.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Start the server on this store instead of a new SQLite file. It should be empty.
    #[arg(long, value_name = "URL", conflicts_with = "server")]
    pub store: Option<String>,
    /// Token to present to the server.
    #[arg(long, env = "MAINSPRING_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Folder on the filesystem to measure; a new folder inside it is used and removed.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// How to print the figures.
    #[arg(short, long, value_enum, default_value_t = BenchFormat::Table)]
    pub output: BenchFormat,
}

#[derive(Args, Debug)]
pub(crate) struct RedisKey {
    /// The job's id; `-` for a task without a job.
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The task's id, in a job its name there.
    #[arg(value_name = "TASK")]
    pub task: String,
    /// Whose task it is.
    #[arg(long, default_value = "default", value_name = "ID")]
    pub tenant: String,
    /// The `prefix` of the store's URL.
    #[arg(long, default_value = mainspring_store_redis::PREFIX, value_name = "WORD")]
    pub prefix: String,
    /// How many shards the store has.
    #[arg(
        long,
        default_value_t = mainspring_store_redis::SHARDS,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(mainspring_store_redis::SHARDS_MAX)),
        value_name = "NUMBER"
    )]
    pub shards: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchFormat {
    /// For people
    Table,
    /// One JSON document per scenario and line
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Throughput: submit in bulk and one by one, drain, end to end
    W1,
    /// Latency from submission to start, one task at a time
    W2,
    /// A chain of dependent tasks
    W3,
    /// One task, then many, then one
    W4,
    /// A backlog of tasks delayed by a day
    W5,
    /// Footprint: time to the first task, memory, processor, binary
    W6,
    /// Random layered graphs, and a long chain
    W7,
    /// 10,000 schedules: start, idle, instants that coincide, ninety days of downtime; only if it is named
    Schedules,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Each setting of a server started here, and where it comes from; passwords are hidden
    Show {
        #[command(flatten)]
        serving: Serving,
        #[command(flatten)]
        output: Output,
    },
    /// Check the configuration; name every problem with its place
    Validate {
        #[command(flatten)]
        serving: Serving,
    },
    /// Have a running server read its configuration again
    Reload {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        output: Output,
    },
}
