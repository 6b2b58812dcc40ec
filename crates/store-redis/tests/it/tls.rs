//! TLS to a real Redis, with certificates that the test makes.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use mainspring_store::conformance::wait;
use mainspring_store::{Error, Store};
use mainspring_store_redis::RedisStore;

use crate::server::RedisServer;

/// A folder with an authority, and a server's and a client's certificate.
struct Certificates(tempfile::TempDir);

impl Certificates {
    /// `None` where there is no `openssl`, or a Redis that was built without TLS.
    fn new(test: &str) -> Option<Self> {
        let runs = |program: &str, word: &str| Command::new(program).arg(word).output().is_ok();
        if !runs("openssl", "version") {
            // Past the harness' capture.
            writeln!(std::io::stderr(), "skipped: {test}: `openssl` is not installed").expect("standard error is open");
            return None;
        }
        let made = Self(tempfile::tempdir().expect("a folder can be made"));
        let config = format!(
            "[req]\ndistinguished_name = dn\nx509_extensions = ca\nprompt = no\n[dn]\nCN = {test}\n\
            [ca]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = keyCertSign\n"
        );
        std::fs::write(made.file("ca.cnf"), config).expect("it can be written");
        std::fs::write(made.file("names"), "subjectAltName = DNS:localhost\n").expect("it can be written");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        made.openssl(&format!("req -x509 {key} -days 30 -config ca.cnf -keyout ca.key -out ca.crt"));
        for name in ["server", "client"] {
            made.openssl(&format!("req {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
            made.openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out {name}.crt"
            ));
        }
        Some(made)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, words: &str) {
        let done = Command::new("openssl").args(words.split(' ')).current_dir(self.0.path()).output();
        let done = done.expect("it is there");
        assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// A server with a second port that speaks TLS, and the port.
    fn server(&self, clients: &str) -> (RedisServer, u16) {
        let port = crate::server::free_port();
        let file = |name| self.file(name).display().to_string();
        let (certificate, key, authority) = (file("server.crt"), file("server.key"), file("ca.crt"));
        let mut words = vec!["--appendonly", "yes", "--tls-cert-file", &certificate, "--tls-key-file", &key];
        let number = port.to_string();
        words.extend(["--tls-ca-cert-file", &authority, "--tls-port", &number, "--tls-auth-clients", clients]);
        (RedisServer::with(&words), port)
    }
}

fn refusal(url: &str) -> String {
    let error = RedisStore::open(url).expect_err("it must be refused");
    assert!(matches!(error, Error::Unavailable(_) | Error::Incompatible(_)), "{error:?}");
    error.to_string()
}

#[test]
fn a_store_works_over_tls_and_trusts_no_stranger() {
    let Some(own) = Certificates::new("a_store_works_over_tls_and_trusts_no_stranger") else { return };
    let Some(other) = Certificates::new("a_stranger") else { return };
    let (_server, port) = own.server("no");
    let url = |host: &str, more: String| format!("rediss://{host}:{port}/0?shards=2{more}");
    let trusted = format!("&cacert={}", own.file("ca.crt").display());
    let store = RedisStore::open(&url("localhost", trusted.clone())).expect("it is whom it says");
    let fence = wait(store.acquire(mainspring_store::ShardId(1), "me".into(), None)).expect("nobody has it");
    wait(store.load(fence)).expect("it can be read");
    assert!(store.describe().detail.contains("localhost"), "{}", store.describe().detail);

    let said = refusal(&url("localhost", format!("&cacert={}", other.file("ca.crt").display())));
    assert!(said.contains("certificate") && said.contains("`cacert=`"), "{said}");
    let said = refusal(&url("localhost", String::new()));
    assert!(said.contains("certificate"), "the system does not know who signed it: {said}");
    let said = refusal(&url("127.0.0.1", trusted.clone()));
    assert!(said.contains("certificate"), "it is of another name: {said}");
    let said = refusal(&url("localhost", "&cacert=/none/ca.crt".to_owned()));
    assert!(said.contains("/none/ca.crt"), "{said}");
    let said = refusal(&url("localhost", format!("&cacert={}", own.file("ca.cnf").display())));
    assert!(said.contains("bad URL") || said.contains("certificate"), "{said}");
}

#[test]
fn a_client_shows_its_certificate() {
    let Some(own) = Certificates::new("a_client_shows_its_certificate") else { return };
    let (_server, port) = own.server("yes");
    let file = |name| own.file(name).display().to_string();
    let url = |more: String| format!("rediss://localhost:{port}/0?shards=1&cacert={}{more}", file("ca.crt"));
    refusal(&url(String::new()));
    let said = refusal(&url(format!("&cert={}", file("client.crt"))));
    assert!(said.contains("`cert=` and `key=`"), "{said}");
    RedisStore::open(&url(format!("&cert={}&key={}", file("client.crt"), file("client.key")))).expect("it is let in");
}
