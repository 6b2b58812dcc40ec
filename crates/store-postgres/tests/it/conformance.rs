//! The conformance suite of stores, over a schema of its own for each case.

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
