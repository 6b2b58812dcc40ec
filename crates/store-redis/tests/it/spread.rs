//! Shards that are spread over several Redis servers: which of them holds what, and what is refused.

use std::sync::Arc;

use mainspring_store::conformance::wait;
use mainspring_store::{Error, NodeRow, Part, ShardId, Sharded, Store};
use mainspring_store_redis::RedisStore;

use crate::server::{RedisServer, shared};

/// Another server than the one that tests share.
fn second() -> &'static RedisServer {
    static SECOND: std::sync::OnceLock<RedisServer> = std::sync::OnceLock::new();
    SECOND.get_or_init(RedisServer::start)
}

/// Two servers with half of the shards each.
fn spread(urls: [&str; 2]) -> Result<Arc<dyn Store>, Error> {
    let first = RedisStore::open_part(urls[0], Part { place: 0, of: 2, cluster: None })?;
    let cluster = Some(first.cluster().clone());
    let second = RedisStore::open_part(urls[1], Part { place: 1, of: 2, cluster })?;
    let parts = [first, second].map(|store| (store.clone() as Arc<dyn Store>, store.holds()));
    Ok(Arc::new(Sharded::new(parts.into())))
}

fn urls(shards: u16) -> [String; 2] {
    [shared().url_of(shards), second().url_of(shards)]
}

fn spread_cluster() -> Box<dyn Fn() -> Arc<dyn Store>> {
    let urls = urls(4);
    Box::new(move || spread([&urls[0], &urls[1]]).expect("both will do"))
}

macro_rules! stamp {
    ($($case:ident)*) => {$(
        #[test]
        fn $case() {
            mainspring_store::conformance::$case(&spread_cluster);
        }
    )*};
}
mainspring_store::for_each_cluster_case!(stamp);

fn refusal(urls: [&str; 2]) -> String {
    let error = spread(urls).err().expect("it must be refused");
    assert!(matches!(error, Error::Incompatible(_)), "{error}");
    error.to_string()
}

fn node() -> NodeRow {
    NodeRow { id: "n".into(), address: None, about: "x".into(), process: "".into(), version: "1".into() }
}

#[test]
fn each_server_has_its_half_of_the_shards_and_the_roster_tells_of_all() {
    let urls = urls(5);
    let store = spread([&urls[0], &urls[1]]).expect("they are new");
    assert_eq!(store.shards(), 5);
    let prefix = |url: &str| url.split_once("prefix=").expect("it has one").1.to_owned();
    let holds =
        |server: &RedisServer, url: &str| server.cli(&["hget", &format!("{}:{{b00}}:meta", prefix(url)), "holds"]);
    assert_eq!((holds(shared(), &urls[0]), holds(second(), &urls[1])), ("0-2".into(), "2-5".into()));
    wait(store.acquire(ShardId(3), "me".into(), None)).expect("nobody has it");
    let roster = wait(store.members().expect("they are shared").beat(node())).expect("both answer");
    let owned: Vec<_> = roster.shards.iter().map(|held| (held.shard.0, held.owner.is_some())).collect();
    assert_eq!(owned, [(0, false), (1, false), (2, false), (3, true), (4, false)]);
    let fence = format!("{}:{{b03}}:shard", prefix(&urls[1]));
    assert_eq!((shared().cli(&["exists", &fence]), second().cli(&["exists", &fence])), ("0".into(), "1".into()));
}

#[test]
fn servers_in_another_order_alone_or_of_others_are_refused() {
    let (ours, theirs) = (urls(4), urls(4));
    drop(spread([&ours[0], &ours[1]]).expect("they are new"));
    drop(spread([&theirs[0], &theirs[1]]).expect("they are new"));
    let said = refusal([&ours[1], &ours[0]]);
    assert!(said.contains("the shards 2 to 3 of 4") && said.contains("1 of 2"), "{said}");
    let said = refusal([&ours[0], &theirs[1]]);
    assert!(said.contains("another cluster"), "{said}");
    let alone = RedisStore::open(&ours[0]).expect_err("the other half is missing").to_string();
    assert!(alone.contains("in the order in which they were first named"), "{alone}");
    let said = refusal([&ours[0], &ours[1].replace("shards=4", "shards=8")]);
    assert!(said.contains("4 shards"), "{said}");
    drop(spread([&ours[0], &ours[1]]).expect("nothing was changed by that"));
}

#[test]
fn a_database_of_its_own_does_not_become_a_part() {
    let [whole, other] = urls(4);
    drop(RedisStore::open(&whole).expect("it is new"));
    // As one that was made before there were parts.
    let prefix = whole.split_once("prefix=").expect("it has one").1;
    shared().cli(&["hdel", &format!("{prefix}:{{b00}}:meta"), "holds"]);
    let said = refusal([&whole, &other]);
    assert!(said.contains("the shards 0 to 3 of 4"), "{said}");
    RedisStore::open(&whole).expect("it is what it was");
}
