-- Schedules, and the ledger of what became of each instant.
-- `overlap`: 0 allow, 1 skip, 2 buffer one, 3 cancel running. `next_due`, `generation` and `paused` stand in `state` too.
CREATE TABLE @schedules (
    created_at    bigint NOT NULL,
    next_due      bigint,
    generation    integer NOT NULL,
    shard         smallint NOT NULL,
    overlap       smallint NOT NULL,
    of_definition boolean NOT NULL,
    paused        boolean NOT NULL,
    name          text COLLATE "C" NOT NULL,
    tenant        text COLLATE "C" NOT NULL,
    state         text NOT NULL, -- JSON: what is covered, what comes next, what runs, …
    body          text NOT NULL, -- JSON: when it is due and what it submits
    PRIMARY KEY (name, tenant)
) WITH (fillfactor = 60);
CREATE INDEX schedules_of_shard ON @schedules (shard);

-- `cause`: 0 its time, 1 a trigger, 2 a backfill. `result`: 0 fired the task `work`, 1 fired the job `work`, 2 missed,
-- 3 coalesced, 4 burst cap, 5 overlap, 6 paused, 7 edited, 8 deleted, 9 invalid (`detail` says why).
CREATE TABLE @occurrences (
    key        bigint PRIMARY KEY,
    first      bigint NOT NULL,
    last       bigint NOT NULL,
    work       bigint,
    generation integer NOT NULL,
    shard      smallint NOT NULL,
    cause      smallint NOT NULL,
    result     smallint NOT NULL,
    name       text COLLATE "C" NOT NULL,
    tenant     text COLLATE "C" NOT NULL,
    detail     text
);
CREATE INDEX occurrences_of_schedule ON @occurrences (name, tenant, key);
CREATE INDEX occurrences_by_instant ON @occurrences (name, tenant, first);
CREATE INDEX occurrences_by_age ON @occurrences (shard, key);
