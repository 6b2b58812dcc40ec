//! The store behind PgBouncer in transaction mode: each transaction may run on another connection of the server.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use mainspring_store::{Error, Store, conformance};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::{SHARED, Warded, free_port, is_root, schema, unprivileged, wait_for_port};

/// A pooler in front of the shared server.
struct Pooler {
    _warded: Warded,
    port: u16,
}

impl Pooler {
    fn start(connections: u32) -> Self {
        Self::in_mode("transaction", connections)
    }

    fn in_mode(mode: &str, connections: u32) -> Self {
        let folder: PathBuf =
            tempfile::Builder::new().prefix("mainspring-pgbouncer-").tempdir().expect("a folder can be made").keep();
        let (port, server) = (free_port(), SHARED.port);
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {0}/users\npool_mode = {mode}\n\
             default_pool_size = {connections}\n",
            folder.display()
        );
        std::fs::write(folder.join("users"), "\"postgres\" \"\"\n").expect("the folder can be written");
        std::fs::write(folder.join("settings"), settings).expect("the folder can be written");
        if is_root() {
            let owned = std::process::Command::new("chown").arg("-R").arg("postgres").arg(&folder).status();
            assert!(owned.is_ok_and(|status| status.success()));
        }
        let settings = folder.join("settings").display().to_string();
        let warded = Warded::start(&folder, &unprivileged(&["pgbouncer", "-q", &settings]));
        wait_for_port(port);
        Self { _warded: warded, port }
    }

    fn open(&self) -> Arc<PostgresStore> {
        self.open_at(&SHARED.fresh())
    }

    /// Opens what stands at a URL of the server behind.
    fn open_at(&self, url: &str) -> Arc<PostgresStore> {
        assert!(!schema(url).is_empty());
        PostgresStore::open(&self.through(url), Options::default()).expect("it can be opened through a pooler")
    }

    /// The URL of the server behind, by way of the pooler.
    fn through(&self, url: &str) -> String {
        url.replace(&format!(":{}/", SHARED.port), &format!(":{}/", self.port))
    }
}

#[test]
fn a_pooler_is_told_apart() {
    let pooler = Pooler::start(4);
    let detail = pooler.open().describe().detail;
    assert!(detail.ends_with("pooler=transaction"), "{detail}");
}

#[test]
fn a_pooler_with_one_connection_is_told_apart() {
    let pooler = Pooler::start(1);
    let detail = pooler.open().describe().detail;
    assert!(detail.ends_with("pooler=transaction"), "{detail}");
}

#[test]
fn a_pooler_in_session_mode_is_as_good_as_none() {
    let pooler = Pooler::in_mode("session", 8);
    let detail = pooler.open().describe().detail;
    assert!(!detail.contains("pooler"), "{detail}");
    let open = || -> Arc<dyn Store> { pooler.open() };
    conformance::an_old_fence_is_rejected_with_the_epoch_in_force(&open);
    conformance::after_an_unknown_commit_the_fence_is_out_of_force(&open);
}

#[test]
fn a_pooler_in_statement_mode_is_refused_with_what_mends_it_and_nothing_is_made() {
    let pooler = Pooler::in_mode("statement", 4);
    let url = SHARED.fresh();
    let error = PostgresStore::open(&pooler.through(&url), Options::default()).expect_err("there are no transactions");
    assert!(matches!(error, Error::Incompatible(_)), "{error:?}");
    assert!(error.to_string().contains("`pool_mode = transaction`"), "{error}");
    let made = format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{}'", schema(&url));
    assert_eq!(SHARED.sql(&made), ["0"]);
    // Made by way of something better, it is refused all the same.
    drop(PostgresStore::open(&url, Options::default()).expect("it is new"));
    let error = PostgresStore::open(&pooler.through(&url), Options::default()).expect_err("there are no transactions");
    assert!(error.to_string().contains("`pool_mode = transaction`"), "{error}");
}

#[test]
fn random_histories_behind_a_pooler_answer_like_the_model() {
    let pooler = Pooler::start(3);
    let open = || -> Arc<dyn Store> { pooler.open() };
    conformance::random_commits_answer_like_the_model(&open);
}

#[test]
fn fences_hold_behind_a_pooler() {
    let pooler = Pooler::start(3);
    let open = || -> Arc<dyn Store> { pooler.open() };
    conformance::an_old_fence_is_rejected_with_the_epoch_in_force(&open);
    conformance::a_failed_commit_is_not_applied_in_part(&open);
    conformance::after_an_unknown_commit_the_fence_is_out_of_force(&open);
    conformance::a_load_removes_a_staged_job(&open);
}

#[test]
fn clusters_form_behind_a_pooler() {
    static POOLER: LazyLock<Pooler> = LazyLock::new(|| Pooler::start(4));
    let open = || -> Box<dyn Fn() -> Arc<dyn Store>> {
        let url = SHARED.fresh_of(4);
        Box::new(move || POOLER.open_at(&url))
    };
    macro_rules! run {
        ($($case:ident)*) => {
            $(conformance::$case(&open);)*
        };
    }
    mainspring_store::for_each_cluster_case!(run);
}
