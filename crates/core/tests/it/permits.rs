//! I12, read a second time: whoever started found fewer running than its limits allow, whatever ended meanwhile.

use std::collections::BTreeMap;

use mainspring_core::id::Name;
use mainspring_core::permit::{KeyBound, KeyLimit, LimitRow, LimitScope};
use mainspring_core::row::TaskRow;
use mainspring_core::spec::TaskSpec;

type Limits = BTreeMap<(LimitScope, Name), LimitRow>;

/// Judges the leases after `leases`. What runs now with a lower lease ran when a later one started. Limits that were
/// set in the same commit hold from somewhere inside it: the looser of both is taken.
pub(crate) fn check<'a>(tasks: impl Iterator<Item = &'a TaskRow>, leases: u64, before: &Limits, after: &Limits) {
    let mut running: Vec<(u64, &TaskRow, &TaskSpec)> =
        tasks.filter_map(|row| Some((row.state.lease.as_ref()?.number, row, row.spec.as_deref()?))).collect();
    running.sort_by_key(|(lease, ..)| *lease);
    let mut counts: BTreeMap<(&str, &str, &str), u32> = BTreeMap::new();
    for (lease, row, spec) in running {
        let mut start = |of, tenant, name, max: Option<u32>| {
            let count = counts.entry((of, tenant, name)).or_default();
            *count += 1;
            let allowed = lease <= leases || max.is_none_or(|max| *count <= max);
            assert!(allowed, "I12: {:?} is number {count} under {of} {name}, which allows {max:?}", row.key);
        };
        start("queue", "", &*spec.queue, allowed(LimitScope::Queue, &spec.queue, before, after));
        start("type", "", &*spec.kind, allowed(LimitScope::Type, &spec.kind, before, after));
        for KeyLimit { key, bound } in &*spec.limits {
            if let KeyBound::Running(max) = bound {
                start("key", &*row.tenant, &**key, Some(*max));
            }
        }
    }
}

fn allowed(scope: LimitScope, name: &Name, before: &Limits, after: &Limits) -> Option<u32> {
    let of = |limits: &Limits| limits.get(&(scope, name.clone())).and_then(|row| row.limits.concurrency);
    of(before).zip(of(after)).map(|(before, after)| before.max(after))
}
