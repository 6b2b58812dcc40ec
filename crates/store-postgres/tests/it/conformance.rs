//! The conformance suite of stores, over a schema of its own for each case; the cases about clusters with several stores over
//! one schema of four shards.

use std::sync::Arc;

use mainspring_store::{Error, Part, Sharded, Store};
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

/// Two databases of two shards each.
pub(crate) fn spread(urls: [&str; 2]) -> Result<Arc<dyn Store>, Error> {
    let part = |place, cluster| Options { part: Part { place, of: 2, cluster }, ..Options::default() };
    let first = PostgresStore::open(urls[0], part(0, None))?;
    let second = PostgresStore::open(urls[1], part(1, Some(first.cluster().clone())))?;
    let parts = [first, second].map(|store| (store.clone() as Arc<dyn Store>, store.holds()));
    Ok(Arc::new(Sharded::new(parts.into())))
}

fn spread_cluster() -> Box<dyn Fn() -> Arc<dyn Store>> {
    let urls = [SHARED.fresh_of(4), SHARED.fresh_of(4)];
    Box::new(move || spread([&urls[0], &urls[1]]).expect("they can be opened"))
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

mod spread_over_databases {
    use super::spread_cluster;

    macro_rules! stamp_spread {
        ($($case:ident)*) => {$(
            #[test]
            fn $case() {
                mainspring_store::conformance::$case(&spread_cluster);
            }
        )*};
    }
    mainspring_store::for_each_cluster_case!(stamp_spread);
}
