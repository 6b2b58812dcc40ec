//! The store behind PgBouncer in transaction mode: each transaction may run on another connection of the server.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use mainspring_store::{Store, conformance};
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::{SHARED, Warded, free_port, is_root, schema, unprivileged, wait_for_port};

/// A pooler in front of the shared server.
struct Pooler {
    _warded: Warded,
    port: u16,
}

impl Pooler {
    fn start(connections: u32) -> Self {
        let folder: PathBuf =
            tempfile::Builder::new().prefix("mainspring-pgbouncer-").tempdir().expect("a folder can be made").keep();
        let (port, server) = (free_port(), SHARED.port);
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {0}/users\npool_mode = transaction\n\
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
        let url = url.replace(&format!(":{}/", SHARED.port), &format!(":{}/", self.port));
        assert!(!schema(&url).is_empty());
        PostgresStore::open(&url, Options::default()).expect("it can be opened through a pooler")
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
