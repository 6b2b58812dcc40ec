//! Orders about limits: set on the control shard, followed by the others.

use std::fmt::Write;

use super::super::Shard;
use super::audit::quoted;
use crate::effect::Answer;
use crate::id::Name;
use crate::permit::{LimitRow, LimitScope, Limits, LimitsPatch, Rate};

impl Shard {
    pub(super) fn order_limits(&mut self, actor: &Name, scope: LimitScope, name: Name, patch: LimitsPatch) -> Answer {
        let before = self.permits.limits(scope, &name);
        let limits = patch.apply(before);
        if limits == before {
            return Answer::Done;
        }
        let row = LimitRow { scope, name: name.clone(), limits };
        if self.config.control {
            self.changes.put_limits.retain(|row| (row.scope, &row.name) != (scope, &name));
            self.changes.put_limits.push(row.clone());
            self.rows += 1;
            let action = match scope {
                LimitScope::Queue => "queue.limits",
                LimitScope::Type => "type.limits",
                LimitScope::Tenant => "tenant.limits",
            };
            let detail = format!(r#"{{"before":{},"after":{}}}"#, as_json(&before), as_json(&limits));
            self.audit(actor, action, name, &detail);
        }
        self.set_limits(row);
        Answer::Done
    }

    /// Takes over all limits of the control shard.
    pub(super) fn follow_limits(&mut self, rows: Vec<LimitRow>) {
        let named = |row: &LimitRow| rows.iter().any(|other| (other.scope, &other.name) == (row.scope, &row.name));
        let gone = self.permits.rows().into_iter().filter(|row| !named(row));
        let gone: Vec<LimitRow> = gone.map(|row| LimitRow { limits: Limits::default(), ..row }).collect();
        for row in gone.into_iter().chain(rows) {
            if self.permits.limits(row.scope, &row.name) != row.limits {
                self.set_limits(row);
            }
        }
    }
}

/// The limits that are set, as the text of a JSON object in the words of the API.
fn as_json(limits: &Limits) -> String {
    let rate = |rate: Rate| {
        let Rate { limit, per_ms, burst } = rate;
        format!(r#"{{"limit":{limit},"per":{},"burst":{burst}}}"#, quoted(&format!("{per_ms}ms")))
    };
    let fields = [
        ("concurrency", limits.concurrency.map(|max| max.to_string())),
        ("rate", limits.rate.map(rate)),
        ("weight", limits.weight.map(|weight| weight.to_string())),
        ("maxBacklog", limits.max_backlog.map(|max| max.to_string())),
        ("submitRate", limits.submit_rate.map(rate)),
    ];
    let mut out = String::new();
    for (name, value) in fields {
        if let Some(value) = value {
            let comma = if out.is_empty() { "" } else { "," };
            write!(out, "{comma}\"{name}\":{value}").expect("writing to a string does not fail");
        }
    }
    format!("{{{out}}}")
}
