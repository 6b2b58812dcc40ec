//! `mainspring doctor`: whether a server and its cluster are well, and how to mend what is not.

use mainspring_protocol::view::ClusterView;
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use crate::args::Doctor;
use crate::clock;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Listed};
use crate::remote;

/// How far the server's clock may be from this machine's, in milliseconds, the time of the call included.
const SKEW_MS_MAX: u64 = 5_000;
/// Open files below which a busy server or worker may run out of them.
const FILES_MIN: u64 = 1_024;

/// Something that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    check: &'static str,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<&'static str>,
}

impl Listed for Check {
    const COLUMNS: &'static [&'static str] = &["CHECK", "STATE", "DETAIL"];

    fn name(&self) -> String {
        self.check.to_owned()
    }

    fn cells(&self) -> Vec<String> {
        let mend = self.mend.map(|mend| format!("; {mend}")).unwrap_or_default();
        let state = if self.ok { "ok" } else { "not ok" };
        vec![self.check.to_owned(), state.to_owned(), format!("{}{mend}", self.detail)]
    }
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    checks: &'a [Check],
    cluster: &'a ClusterView,
}

pub(crate) async fn run(args: &Doctor) -> Outcome {
    let client = remote::client(&args.remote)?;
    let cluster = client.cluster().await?;
    let here = clock::now();
    let mut checks = judge(&cluster, here.as_millis().abs_diff(cluster.time.0.as_millis()));
    checks.push(files());
    let ok = checks.iter().all(|check| check.ok);
    output::list(&checks, &Report { ok, checks: &checks, cluster: &cluster }, args.output.output)?;
    let ill = checks.iter().filter(|check| !check.ok).count();
    if ok { Ok(()) } else { Err(Failure::new(Exit::Failure, format!("{ill} of {} checks are not ok", checks.len()))) }
}

/// Passes where there is nothing to say against it.
fn check(name: &'static str, trouble: Option<String>, well: String, mend: &'static str) -> Check {
    let (ok, mend) = (trouble.is_none(), trouble.is_some().then_some(mend));
    Check { check: name, ok, detail: trouble.unwrap_or(well), mend }
}

fn judge(cluster: &ClusterView, skew_ms: u64) -> Vec<Check> {
    let reasons: Vec<_> =
        cluster.reasons.iter().map(|reason| format!("{}: {}", reason.reason, reason.detail)).collect();
    let silent: Vec<&str> = cluster.nodes.iter().filter(|node| !node.alive).map(|node| node.about.as_str()).collect();
    let orphans: Vec<String> =
        cluster.shards.iter().filter(|shard| shard.node_id.is_none()).map(|shard| shard.shard.to_string()).collect();
    let mut versions: Vec<&str> = cluster.nodes.iter().map(|node| node.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let some = |list: &[String], text: &str| (!list.is_empty()).then(|| format!("{text} {}", list.join(", ")));
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let counts: Vec<String> = cluster.nodes.iter().map(|node| node.shards.len().to_string()).collect();
    vec![
        check(
            "server",
            (!reasons.is_empty()).then(|| reasons.join("; ")),
            format!("{} is ready", cluster.node_id),
            "its log has more; it takes work again once that has passed",
        ),
        check(
            "definitions_dir",
            cluster.warnings.first().map(|warning| warning.detail.clone()),
            "nothing is known to be wrong with a watched folder".to_owned(),
            "mend the file; the folder is read again at once, and what was good before still holds",
        ),
        check(
            "store",
            (cluster.durability == "D0").then(|| format!("{} keeps nothing beyond the process", cluster.store)),
            format!("{} promises {}", cluster.store, cluster.durability),
            "use `--store sqlite:PATH`, PostgreSQL or Redis",
        ),
        check(
            "nodes",
            some(&owned(&silent), "no sign of life of"),
            format!("{} alive", cluster.nodes.len()),
            "start them again; others take their shards within seconds",
        ),
        hidden(cluster),
        doubled(cluster),
        check(
            "shards",
            some(&orphans, "nobody serves"),
            format!("{} shards, {} by node", cluster.shards.len(), counts.join(" + ")),
            "a live node takes them within seconds; if not, its log says why",
        ),
        check(
            "versions",
            (versions.len() > 1).then(|| format!("nodes of versions {}", versions.join(", "))),
            versions.join(", "),
            "finish the upgrade: one version apart is fine for its time only",
        ),
        check(
            "clock",
            (skew_ms > SKEW_MS_MAX).then(|| format!("the server's clock is {skew_ms} ms from this machine's")),
            format!("within {skew_ms} ms of this machine's"),
            "let both machines follow a time server",
        ),
    ]
}

/// Nodes that others cannot reach.
fn hidden(cluster: &ClusterView) -> Check {
    let alone = cluster.nodes.len() < 2;
    let hidden = cluster.nodes.iter().filter(|node| node.address.is_none() && !alone);
    let hidden: Vec<&str> = hidden.map(|node| node.about.as_str()).collect();
    check(
        "addresses",
        (!hidden.is_empty()).then(|| format!("other nodes cannot reach {}", hidden.join(", "))),
        "every node can be reached".to_owned(),
        "start them with --advertise http://HOST:PORT",
    )
}

/// Nodes that others take for each other.
fn doubled(cluster: &ClusterView) -> Check {
    let mut addresses: Vec<&str> =
        cluster.nodes.iter().filter(|node| node.alive).filter_map(|node| node.address.as_deref()).collect();
    addresses.sort_unstable();
    let doubled = addresses.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    check(
        "names",
        doubled.map(|address| format!("several nodes say that they are at {address}")),
        "every node has an address of its own".to_owned(),
        "give each its own --advertise: what is meant for one reaches the other, which refuses it",
    )
}

/// How many files a process started here may open.
fn files() -> Check {
    let limit = getrlimit(Resource::Nofile).current;
    check(
        "open files",
        limit.filter(|limit| *limit < FILES_MIN).map(|limit| format!("a process started here may open {limit} files")),
        limit.map_or_else(|| "no limit".to_owned(), |limit| format!("{limit} allowed here")),
        "raise it with `ulimit -n`",
    )
}

#[cfg(test)]
mod tests {
    use mainspring_protocol::view::{ClusterNodeView, ClusterShardView, ReasonView};

    use super::*;

    fn cluster() -> ClusterView {
        let node = |id: &str| ClusterNodeView {
            node_id: id.to_owned(),
            address: Some(format!("http://{id}")),
            about: format!("host of {id}"),
            version: "1".to_owned(),
            alive: true,
            shards: vec![0],
            ..ClusterNodeView::default()
        };
        ClusterView {
            node_id: "a".to_owned(),
            store: "postgres".to_owned(),
            durability: "D2".to_owned(),
            nodes: vec![node("a"), node("b")],
            shards: vec![ClusterShardView { shard: 0, epoch: 1, node_id: Some("a".to_owned()) }],
            ..ClusterView::default()
        }
    }

    fn ill(cluster: &ClusterView, skew_ms: u64) -> Vec<&'static str> {
        judge(cluster, skew_ms).iter().filter(|check| !check.ok).map(|check| check.check).collect()
    }

    #[test]
    fn each_thing_that_is_wrong_fails_its_own_check_and_says_how_to_mend_it() {
        assert_eq!(ill(&cluster(), 10), [] as [&str; 0]);
        let with = |change: fn(&mut ClusterView)| {
            let mut view = cluster();
            change(&mut view);
            ill(&view, 10)
        };
        let reason = |view: &mut ClusterView| {
            view.reasons.push(ReasonView { reason: "store_write".to_owned(), detail: "full".to_owned() });
        };
        assert_eq!(with(reason), ["server"]);
        assert_eq!(with(|view| view.durability = "D0".to_owned()), ["store"]);
        assert_eq!(with(|view| view.nodes[1].alive = false), ["nodes"]);
        assert_eq!(with(|view| view.nodes[1].address = None), ["addresses"]);
        assert_eq!(with(|view| view.nodes[1].address = Some("http://a".to_owned())), ["names"]);
        assert_eq!(with(|view| view.shards[0].node_id = None), ["shards"]);
        assert_eq!(with(|view| view.nodes[1].version = "2".to_owned()), ["versions"]);
        assert_eq!(ill(&cluster(), 60_000), ["clock"]);
        assert!(judge(&cluster(), 60_000).iter().all(|check| check.ok != check.mend.is_some()));
    }
}
