//! Forgets what nobody needs any longer: old feed rows, old records of the ledger and expired claims.

use mainspring_core::row::ClaimName;
use mainspring_core::time::Timestamp;
use mainspring_store::record::first_key_at;
use redis::Pipeline;

use super::Writer;
use super::ask::Asked;
use super::plan::{Plan, forget};
use crate::failure::Failure;
use crate::fetch;
use crate::keys::member;
use crate::ops::Ops;
use crate::read::{FeedEntry, commit_of};
use crate::record::{decode_name, encode_name};

/// Feed rows that are looked at together: each carries its events.
const FEED_AT_ONCE: usize = 100;
/// Expired claims that one call looks at.
const CLAIMS_MAX: usize = 100_000;

impl Writer {
    pub(super) async fn prune(&mut self, feed_before: Timestamp, now: Timestamp, limit: usize) -> Result<u64, Failure> {
        let ledger = self.prune_ledger(feed_before, limit).await?;
        Ok(self.prune_feed(feed_before, limit).await? + ledger + self.prune_claims(now, limit).await?)
    }

    async fn prune_feed(&mut self, before: Timestamp, limit: usize) -> Result<u64, Failure> {
        let feed = self.link.keys().one("feed");
        let (mut pruned, mut last) = (0, None);
        'all: while pruned < limit {
            let mut pipeline = Pipeline::new();
            let from = last.map_or_else(|| "-".to_owned(), |commit: u64| format!("({commit}-0"));
            pipeline.cmd("XRANGE").arg(&feed).arg(from).arg("+").arg("COUNT").arg(FEED_AT_ONCE.min(limit - pruned));
            let mut answers = self.link.read(&pipeline).await?.into_iter();
            let entries: Vec<FeedEntry> = fetch::next(&mut answers)?;
            if entries.is_empty() {
                break;
            }
            for (id, fields) in &entries {
                let at = fields.get("at").and_then(|at| std::str::from_utf8(at).ok()?.parse::<i64>().ok());
                if at.is_none_or(|at| at >= before.as_millis()) {
                    break 'all;
                }
                last = Some(commit_of(id)?);
                pruned += 1;
            }
        }
        if let Some(last) = last {
            let (next, pruned, shard) = ((last + 1).to_string(), last.to_string(), self.link.keys().one("shard"));
            let mut ops = Ops::default();
            ops.one(&[b"XTRIM", feed.as_bytes(), b"MINID", next.as_bytes()]);
            ops.one(&[b"HSET", shard.as_bytes(), b"pruned", pruned.as_bytes()]);
            self.keep_house(&ops).await?;
        }
        Ok(pruned as u64)
    }

    async fn prune_ledger(&mut self, before: Timestamp, limit: usize) -> Result<u64, Failure> {
        let mut pipeline = Pipeline::new();
        let ask = pipeline.cmd("ZRANGEBYLEX").arg(self.link.keys().one("ledger")).arg("-");
        ask.arg(format!("({}", member(first_key_at(before)))).arg("LIMIT").arg(0).arg(limit);
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let keys = fetch::keys_of(fetch::next(&mut answers)?);
        let mut ops = Ops::default();
        let rows = fetch::occurrences(&self.link, &keys).await?;
        rows.iter().for_each(|row| forget(self.link.keys(), row, &mut ops));
        if rows.is_empty() {
            return Ok(0);
        }
        self.keep_house(&ops).await?;
        Ok(rows.len() as u64)
    }

    async fn prune_claims(&mut self, now: Timestamp, limit: usize) -> Result<u64, Failure> {
        let mut pipeline = Pipeline::new();
        let ask = pipeline.cmd("ZRANGEBYSCORE").arg(self.link.keys().one("claims:expiring")).arg("-inf");
        ask.arg(format!("({}", now.as_millis())).arg("LIMIT").arg(0).arg(CLAIMS_MAX);
        let mut answers = self.link.read(&pipeline).await?.into_iter();
        let members: Vec<Vec<u8>> = fetch::next(&mut answers)?;
        let mut names: Vec<ClaimName> = members.iter().map(|member| decode_name(member)).collect::<Result<_, _>>()?;
        names.sort_unstable();
        names.truncate(limit);
        if names.is_empty() {
            return Ok(0);
        }
        let mut asked = Asked::default();
        let claims = fetch::claims(&self.link, &names).await?;
        asked.claims.extend(claims.into_iter().map(|row| (row.name.clone(), row)));
        let mut plan = Plan::new(self.link.keys(), &mut self.cache, asked);
        names.iter().for_each(|name| plan.delete_claim(name));
        let mut ops = plan.finish();
        let expiring = self.link.keys().one("claims:expiring");
        for name in &names {
            // Also where the claim itself is gone: it must not be found again.
            let mut member = Vec::new();
            encode_name(&mut member, name);
            ops.one(&[b"ZREM", expiring.as_bytes(), &member]);
        }
        self.keep_house(&ops).await?;
        Ok(names.len() as u64)
    }
}
