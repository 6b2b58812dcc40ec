//! A real PostgreSQL for the tests: in a temporary folder, on a free port of the loopback, gone with the test's process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use tokio_postgres::{NoTls, SimpleQueryMessage};

/// Longest wait for a server to do what it was told.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a command again whenever it is told to, and ends it when its own input ends: also when the tests were killed.
const WARDEN: &str = r#"
start() { "$@" </dev/null >>"$LOG" 2>&1 & pid=$!; }
start "$@"
while read -r word; do
    case $word in
        restart) kill -INT $pid; wait $pid; start "$@" ;;
        stop) kill -INT $pid; wait $pid ;;
        start) start "$@" ;;
    esac
    echo "$word"
done
kill -INT $pid; wait $pid; rm -rf "$FOLDER"
"#;

/// A program under a warden.
pub(crate) struct Warded {
    _warden: Child,
    orders: ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
}

impl Warded {
    /// Starts a program that lives in `folder`, which goes with it.
    pub(crate) fn start(folder: &Path, program: &[String]) -> Self {
        let mut warden = Command::new("sh")
            .args(["-c", WARDEN, "warden"])
            .args(program)
            .env("FOLDER", folder)
            .env("LOG", folder.join("log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell can be started");
        let orders = warden.stdin.take().expect("it is piped");
        let answers = BufReader::new(warden.stdout.take().expect("it is piped"));
        Self { _warden: warden, orders, answers }
    }

    /// `restart`, `stop` or `start`.
    pub(crate) fn order(&mut self, word: &str) {
        writeln!(self.orders, "{word}").expect("the warden lives");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the warden answers");
        assert_eq!(answer.trim(), word);
    }
}

/// A server.
pub(crate) struct Server {
    warded: Mutex<Warded>,
    pub(crate) port: u16,
    schemas: AtomicU32,
}

/// The server that the tests share.
pub(crate) static SHARED: LazyLock<Server> = LazyLock::new(Server::start);

impl Server {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Self {
        Self::start_with("host all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n", &[], |_| {})
    }

    /// The same with other rules of access, more settings, and files in the folder of its data.
    pub(crate) fn start_with(rules: &str, settings: &[&str], add: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::Builder::new().prefix("mainspring-postgres-").tempdir().expect("a folder can be made");
        // The warden removes it.
        let folder = folder.keep();
        let data = folder.join("data");
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(&folder).status();
            assert!(owned.is_ok_and(|status| status.success()), "the role `postgres` of the system is needed");
        }
        let text = |path: &Path| path.display().to_string();
        let made =
            unprivileged(&["initdb", "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "-D", &text(&data)]);
        let made = Command::new(&made[0]).args(&made[1..]).output().expect("initdb can be started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        add(&data);
        std::fs::write(data.join("pg_hba.conf"), rules).expect("the folder can be written");
        let port = free_port();
        let port_text = port.to_string();
        let mut arguments = vec!["postgres", "-D"];
        let place = text(&data);
        arguments.extend([place.as_str(), "-p", &port_text, "-h", "127.0.0.1", "-k", ""]);
        let usual = ["fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=200"];
        for setting in usual.iter().chain(settings) {
            arguments.extend(["-c", setting]);
        }
        let warded = Warded::start(&folder, &unprivileged(&arguments));
        let server = Self { warded: Mutex::new(warded), port, schemas: AtomicU32::new(0) };
        server.wait_until_up();
        server
    }

    /// `restart`, `stop` or `start`.
    pub(crate) fn order(&self, word: &str) {
        self.warded.lock().expect("no test panics with it").order(word);
        if word != "stop" {
            self.wait_until_up();
        }
    }

    fn wait_until_up(&self) {
        poll_until("the server is up", || self.try_sql("SELECT 1").is_ok());
    }

    /// The URL of a database.
    pub(crate) fn database(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// The URL of a schema of one shard that nobody has used yet.
    pub(crate) fn fresh(&self) -> String {
        self.fresh_of(1)
    }

    /// The URL of a schema of so many shards that nobody has used yet.
    pub(crate) fn fresh_of(&self, shards: u16) -> String {
        let number = self.schemas.fetch_add(1, Ordering::Relaxed);
        format!("{}?shards={shards}&schema=s{number}", self.database("postgres"))
    }

    /// Runs SQL as the superuser; gives the first column.
    pub(crate) fn sql(&self, sql: &str) -> Vec<String> {
        self.try_sql(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    fn try_sql(&self, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        sql_at(&self.database("postgres"), sql)
    }
}

/// Runs SQL at a URL; gives the first column.
pub(crate) fn sql_at(url: &str, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(sql).await?;
        drop(client);
        _ = connection.await;
        let first = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        };
        Ok(messages.iter().filter_map(first).collect())
    })
}

/// A transaction of somebody else that is open.
pub(crate) struct Held {
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
}

impl Held {
    /// Begins one on the shared server and runs SQL in it.
    pub(crate) fn start(sql: &str) -> Self {
        // The connection needs a thread that drives it, also between the calls.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let client = runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&SHARED.database("postgres"), NoTls).await.expect("it is up");
            tokio::spawn(connection);
            client.batch_execute(&format!("BEGIN; {sql}")).await.expect("it can be run");
            client
        });
        Self { runtime, client }
    }

    /// Runs more SQL: `COMMIT`, `ROLLBACK`.
    pub(crate) fn end(&mut self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).expect("it can be run");
    }
}

/// The schema in a URL of [`Server::fresh`].
pub(crate) fn schema(url: &str) -> &str {
    url.rsplit_once('=').expect("it names a schema").1
}

/// The command with its program looked up, under a user that PostgreSQL accepts.
pub(crate) fn unprivileged(command: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    if is_root() {
        out.extend(["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"].map(str::to_owned));
    }
    out.push(program(command[0]));
    out.extend(command[1..].iter().map(|part| (*part).to_owned()));
    out
}

/// Debian keeps the programs of a server outside the path.
fn program(name: &str) -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.push(Path::new("/usr/sbin").join(name));
    found.retain(|path| path.is_file());
    found.sort();
    let place = found.into_iter().next_back();
    place.map_or_else(|| name.to_owned(), |path| path.display().to_string())
}

pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("`id` can be run");
    id.stdout.starts_with(b"0")
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

pub(crate) fn wait_for_port(port: u16) {
    poll_until("the port is open", || TcpStream::connect(("127.0.0.1", port)).is_ok());
}

/// Asks until it is so.
pub(crate) fn poll_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = now() + PATIENCE;
    while !is_so() {
        assert!(now() < deadline, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[expect(clippy::disallowed_methods, reason = "the one clock of these tests")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
