//! The job that the examples of the guide are about.

use std::collections::BTreeMap;

use mainspring_expression::{Context, ScheduleView, Scope, Standing, TaskView};
use serde_json::{Value as Json, json};

pub(crate) type Tasks = BTreeMap<&'static str, Standing>;

pub(crate) fn tasks() -> Tasks {
    let ancestors = ["extract", "list", "clean", "each", "load", "skipped", "a-b", "v1.2"];
    let mut tasks: Tasks = ancestors.into_iter().map(|name| (name, Standing::Ancestor)).collect();
    tasks.insert("later", Standing::Unordered);
    tasks
}

pub(crate) fn scope(tasks: &Tasks) -> Scope<'_> {
    Scope {
        tasks: Some(tasks),
        params: Some(&["region", "limit", "ratio", "tags"]),
        item: true,
        schedule: true,
        secrets: true,
        output: false,
    }
}

/// What the tasks of the job returned.
pub(crate) struct World {
    params: Json,
    item: Json,
    outputs: BTreeMap<&'static str, Json>,
}

impl World {
    pub(crate) fn new() -> Self {
        let outputs = [
            ("extract", json!({"files": ["b.csv", "a.csv", "c.txt"], "count": 3})),
            ("list", json!({"files": [1, 2, 3, 4, 5], "by_name": {"x": 1, "y": 2}})),
            (
                "load",
                json!({"rows": 12, "ratio": 0.5, "ok": true, "note": null, "big": 9_223_372_036_854_775_807i64, "beyond": 18_446_744_073_709_551_615u64}),
            ),
            ("a-b", json!({"c-d": "hyphens"})),
            ("v1.2", json!("dots")),
        ];
        Self {
            params: json!({"region": "eu", "limit": 10, "ratio": 1.0, "tags": []}),
            item: json!({"name": "b.csv", "size": 7}),
            outputs: outputs.into(),
        }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        let mut tasks: BTreeMap<&str, TaskView<'_>> = self
            .outputs
            .iter()
            .map(|(name, output)| (*name, TaskView { status: "completed", output: Some(output), outputs: None }))
            .collect();
        let outputs = self.outputs.get("list").and_then(|list| list.get("files"));
        tasks.insert("clean", TaskView { status: "completed", output: None, outputs });
        tasks.insert("each", TaskView { status: "completed", output: None, outputs });
        tasks.insert("skipped", TaskView { status: "skipped", output: None, outputs: None });
        let instant = Some("2026-03-01T06:00:00Z");
        Context {
            tasks,
            params: Some(&self.params),
            item: Some(&self.item),
            index: Some(2),
            schedule: Some(ScheduleView { instant, previous_instant: None, manual: false }),
            output: None,
        }
    }
}
