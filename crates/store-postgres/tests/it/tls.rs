//! TLS to a real server, with certificates that the test makes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use mainspring_store::conformance::{Shard, wait};
use mainspring_store::{Error, NodeRow};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::{Server, is_root};

/// A folder with certificates of one authority.
struct Authority(tempfile::TempDir);

impl Authority {
    /// `None` where there is no `openssl`.
    fn new(test: &str) -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            use std::io::Write as _;
            // Past the harness' capture.
            writeln!(std::io::stderr(), "skipped: {test}: `openssl` is not installed").expect("standard error is open");
            return None;
        }
        let authority = Self(tempfile::tempdir().expect("a folder can be made"));
        let config = format!(
            "[req]\ndistinguished_name = dn\nx509_extensions = ca\nprompt = no\n[dn]\nCN = {test}\n\
            [ca]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = keyCertSign\n"
        );
        std::fs::write(authority.file("ca.cnf"), config).expect("it can be written");
        authority.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -config ca.cnf -keyout ca.key -out ca.crt");
        Some(authority)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, words: &str) {
        let done =
            Command::new("openssl").args(words.split(' ')).current_dir(self.0.path()).output().expect("it is there");
        assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Makes `name.crt` and `name.key` for a subject and its other names.
    fn issue(&self, name: &str, subject: &str, names: &str) {
        std::fs::write(self.file("names"), format!("subjectAltName = {names}\n")).expect("it can be written");
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={subject} -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out {name}.crt"
        ));
    }

    /// Copies a server's files to where it keeps its data, as it wants them.
    fn install(&self, data: &Path) {
        for name in ["server.crt", "server.key", "ca.crt"] {
            std::fs::copy(self.file(name), data.join(name)).expect("it can be copied");
            let place = data.join(name).display().to_string();
            for command in [["chmod", "600", &place], ["chown", "postgres", &place]]
                .iter()
                .filter(|command| command[0] == "chmod" || is_root())
            {
                assert!(Command::new(command[0]).args(&command[1..]).status().is_ok_and(|status| status.success()));
            }
        }
    }
}

/// A server with a database `jobs` that nobody reaches without TLS, and the role `sure` only with a certificate of its own.
fn server(authority: &Authority) -> Server {
    authority.issue("server", "db.example", "DNS:localhost");
    let rules = "host postgres postgres 127.0.0.1/32 trust\nhostssl jobs sure 127.0.0.1/32 cert\nhostssl jobs all 127.0.0.1/32 trust\n";
    let server = Server::start_with(rules, &["ssl=on", "ssl_ca_file=ca.crt"], |data| authority.install(data));
    server.sql("CREATE DATABASE jobs");
    server.sql("CREATE ROLE sure LOGIN SUPERUSER");
    server
}

fn open(server: &Server, host: &str, query: &str) -> Result<Arc<PostgresStore>, Error> {
    let url = format!("postgres://postgres@{host}:{}/jobs?shards=1&connect_timeout=9&{query}", server.port);
    PostgresStore::open(&url, Options::default())
}

fn refusal(server: &Server, host: &str, query: &str) -> String {
    open(server, host, query).expect_err("it must be refused").to_string()
}

fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "`{word}` is missing: {said}");
    }
}

#[test]
fn each_mode_looks_at_what_it_promises() {
    let Some(authority) = Authority::new("each_mode_looks_at_what_it_promises") else { return };
    let server = server(&authority);
    let ca = format!("sslrootcert={}", authority.file("ca.crt").display());
    let Some(other) = Authority::new("another authority") else { return };
    let stranger = format!("sslrootcert={}", other.file("ca.crt").display());

    // The certificate is of `localhost`, and not of the address.
    for (host, query) in [
        ("127.0.0.1", "sslmode=prefer"),
        ("127.0.0.1", "sslmode=require"),
        ("127.0.0.1", &format!("sslmode=require&{ca}")),
        ("127.0.0.1", &format!("sslmode=verify-ca&{ca}")),
        ("localhost", &format!("sslmode=verify-full&{ca}")),
    ] {
        let store = open(&server, host, query).unwrap_or_else(|error| panic!("{host} {query}: {error}"));
        drop(store);
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let said = refusal(&server, "localhost", &format!("sslmode={mode}&{stranger}"));
        assert_says(&said, &["UnknownIssuer", "`sslrootcert=`"]);
    }
    let said = refusal(&server, "127.0.0.1", &format!("sslmode=verify-full&{ca}"));
    assert_says(&said, &["not valid for", "localhost", "verify-ca"]);
    let said = refusal(&server, "127.0.0.1", "sslmode=disable");
    assert_says(&said, &["no encryption"]);
}

#[test]
fn everything_the_store_does_goes_over_tls() {
    let Some(authority) = Authority::new("everything_the_store_does_goes_over_tls") else { return };
    let server = server(&authority);
    let query = format!("sslmode=verify-full&sslrootcert={}", authority.file("ca.crt").display());
    // The rules let nobody in without: so a commit, a beat and a list show that each connection has it.
    let mut shard = Shard::of(open(&server, "localhost", &query).expect("it is let in"));
    shard.commit(mainspring_core::row::Changes::default());
    assert_eq!(shard.load().high_water.commit, 1);
    let node = NodeRow { id: "n".into(), address: None, about: "x".into(), process: "".into(), version: "1".into() };
    wait(shard.store.members().expect("it has some").beat(node)).expect("it beats");
    assert!(shard.ask(|reader| reader.audit(None, 9)).is_empty());
}

#[test]
fn a_client_shows_its_certificate() {
    let Some(authority) = Authority::new("a_client_shows_its_certificate") else { return };
    let server = server(&authority);
    authority.issue("sure", "sure", "DNS:sure");
    let file = |name: &str| authority.file(name).display().to_string();
    let url = |more: &str| {
        format!(
            "postgres://sure@localhost:{}/jobs?shards=1&schema=its&sslmode=verify-full&sslrootcert={}{more}",
            server.port,
            file("ca.crt")
        )
    };
    let refused = PostgresStore::open(&url(""), Options::default()).expect_err("it shows none").to_string();
    assert_says(&refused, &["certificate"]);
    let own = format!("&sslcert={}&sslkey={}", file("sure.crt"), file("sure.key"));
    PostgresStore::open(&url(&own), Options::default()).expect("it is let in");
    let wrong = format!("&sslcert={}&sslkey={}", file("sure.crt"), file("server.key"));
    let refused = PostgresStore::open(&url(&wrong), Options::default()).expect_err("they do not fit").to_string();
    assert_says(&refused, &["server.key", "sure.crt"]);
}

#[test]
fn a_server_without_tls_is_refused_where_it_is_asked_for() {
    let said = refusal(&crate::server::SHARED, "127.0.0.1", "sslmode=require");
    assert_says(&said, &["does not support TLS", "ssl = on"]);
    let url = crate::server::SHARED.fresh() + "&sslmode=prefer";
    PostgresStore::open(&url, Options::default()).expect("then without");
}
