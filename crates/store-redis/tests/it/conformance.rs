//! The suite that every store must pass.

use std::sync::Arc;

use mainspring_store::Store;
use mainspring_store_redis::RedisStore;

use crate::server::shared;

fn open() -> Arc<dyn Store> {
    RedisStore::open(&shared().url()).expect("the server will do")
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

/// Opens one new database of four shards again and again.
fn cluster() -> Box<dyn Fn() -> Arc<dyn Store>> {
    let url = shared().url_of(4);
    Box::new(move || RedisStore::open(&url).expect("the server will do"))
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
