-- Schedules, and the ledger of what became of each instant.
-- `overlap`: 0 allow, 1 skip, 2 buffer one, 3 cancel running. `next_due`, `generation` and `paused` stand in `state` too.
CREATE TABLE schedules (
    name          TEXT NOT NULL,
    tenant        TEXT NOT NULL,
    overlap       INTEGER NOT NULL,
    of_definition INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    paused        INTEGER NOT NULL,
    next_due      INTEGER,
    state         TEXT NOT NULL, -- JSON: what is covered, what comes next, what runs, …
    body          TEXT NOT NULL, -- JSON: when it is due and what it submits
    PRIMARY KEY (name, tenant)
) WITHOUT ROWID;

-- `cause`: 0 its time, 1 a trigger, 2 a backfill. `result`: 0 fired the task `work`, 1 fired the job `work`, 2 missed,
-- 3 coalesced, 4 burst cap, 5 overlap, 6 paused, 7 edited, 8 deleted, 9 invalid (`detail` says why).
CREATE TABLE occurrences (
    key        INTEGER PRIMARY KEY,
    tenant     TEXT NOT NULL,
    name       TEXT NOT NULL,
    generation INTEGER NOT NULL,
    cause      INTEGER NOT NULL,
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    result     INTEGER NOT NULL,
    work       INTEGER,
    detail     TEXT
);
CREATE INDEX occurrences_of_schedule ON occurrences (name, tenant, key);
CREATE INDEX occurrences_by_instant ON occurrences (name, tenant, first);
