//! The conformance suite of stores, over a schema of its own for each case; the cases about clusters with several stores over
//! one schema of four shards.

use std::sync::Arc;

use mainspring_store::Store;
use mainspring_store_postgres::{Options, PostgresStore};

use crate::server::SHARED;

fn open() -> Arc<dyn Store> {
    PostgresStore::open(&SHARED.fresh(), Options::default()).expect("a new schema can be opened")
}

macro_rules! stamp {
    ($($case:ident)*) => {$(
        #[test]
        fn $case() {
            mainspring_store::conformance::$case(&open);
        }
    )*};
}
mainspring_store::for_each_conformance_case!(stamp);

fn cluster() -> Box<dyn Fn() -> Arc<dyn Store>> {
    let url = SHARED.fresh_of(4);
    Box::new(move || PostgresStore::open(&url, Options::default()).expect("it can be opened"))
}

macro_rules! stamp_cluster {
    ($($case:ident)*) => {$(
        #[test]
        fn $case() {
            mainspring_store::conformance::$case(&cluster);
        }
    )*};
}
mainspring_store::for_each_cluster_case!(stamp_cluster);
