-- Instants are milliseconds since the Unix epoch. The views at the end have words and times for people.

-- One row per shard; SQLite has one. The fence and the high waters of the last commit.
CREATE TABLE shard (
    id          INTEGER PRIMARY KEY,
    incarnation INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    owner       TEXT,
    time        INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    lease       INTEGER NOT NULL,
    commits     INTEGER NOT NULL,
    pruned      INTEGER NOT NULL -- feed rows up to this commit are gone
);
INSERT INTO shard VALUES (0, 1, 0, NULL, 0, 0, 0, 0, 0);

-- `key` grows with time, so a new task is appended. `id` is the client's own id, or the name inside the job.
-- `place`: 0 in memory, 1 cold and ready (by lane, rank, key), 2 cold timer (by rank = due, key), NULL at rest.
-- `worker` to `error_trace` are those of the last attempt; `session` and `lease_ms` are there while it runs.
-- `body` is NULL for `{}`, and for a job's task whose body is small: the job's graph has it.
CREATE TABLE tasks (
    key              INTEGER PRIMARY KEY,
    tenant           TEXT NOT NULL,
    id               TEXT,
    job              INTEGER,
    status           INTEGER NOT NULL,
    place            INTEGER,
    lane             INTEGER,
    rank             INTEGER,
    type             TEXT NOT NULL,
    queue            TEXT NOT NULL,
    title            TEXT,
    priority         INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    due              INTEGER,
    ready_at         INTEGER,
    started_at       INTEGER,
    attempt_ended_at INTEGER,
    ended_at         INTEGER,
    generation       INTEGER NOT NULL,
    attempt          INTEGER NOT NULL,
    worker           TEXT,
    lease            INTEGER,
    session          TEXT,
    lease_ms         INTEGER,
    outcome          INTEGER,
    error_type       TEXT,
    error_message    TEXT,
    error_trace      TEXT,
    dead             INTEGER,
    rare_state       TEXT, -- JSON: failures, losses, counts of parents, why skipped, …
    edited           INTEGER,
    rare_spec        TEXT, -- JSON: executor, labels, policy, trigger, …
    tags             TEXT, -- JSON list
    body             TEXT  -- JSON object
);
CREATE INDEX tasks_place ON tasks (place, lane, rank) WHERE place IS NOT NULL;
CREATE INDEX tasks_waiting ON tasks (status) WHERE status IN (0, 2);
CREATE INDEX tasks_failed ON tasks (status) WHERE status = 6;
CREATE INDEX tasks_dead ON tasks (dead) WHERE dead IS NOT NULL;
CREATE INDEX tasks_of_job ON tasks (job, id) WHERE job IS NOT NULL;

CREATE TABLE jobs (
    key            INTEGER PRIMARY KEY,
    tenant         TEXT NOT NULL,
    id             TEXT,
    title          TEXT,
    status         INTEGER NOT NULL,
    failure_policy INTEGER NOT NULL,
    tasks          INTEGER NOT NULL,
    completed      INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    cancelled      INTEGER NOT NULL,
    skipped        INTEGER NOT NULL,
    unhandled      INTEGER NOT NULL,
    flags          INTEGER NOT NULL, -- 1 paused, 2 cancelled, 4 failing fast
    generation     INTEGER NOT NULL,
    sweep          TEXT,             -- JSON: work over its tasks that goes on
    created_at     INTEGER NOT NULL,
    started_at     INTEGER,
    ended_at       INTEGER,
    tags           TEXT,
    body           TEXT
);
CREATE INDEX jobs_live ON jobs (status) WHERE status < 3;
CREATE INDEX jobs_failed ON jobs (status) WHERE status = 4;
CREATE INDEX jobs_swept ON jobs (sweep) WHERE sweep IS NOT NULL;

-- `key` is that of the chunk's first task.
CREATE TABLE chunks (
    key    INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL,
    number INTEGER NOT NULL,
    data   BLOB NOT NULL
);

-- Attempts that are no longer the last of their task.
CREATE TABLE attempts (
    task          INTEGER NOT NULL,
    number        INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    worker        TEXT NOT NULL,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    outcome       INTEGER,
    error_type    TEXT,
    error_message TEXT,
    error_trace   TEXT,
    lease         INTEGER NOT NULL,
    PRIMARY KEY (task, number)
) WITHOUT ROWID;

CREATE TABLE outputs (
    task   INTEGER PRIMARY KEY,
    output TEXT NOT NULL
);

-- `data` is text, or deflated bytes where that is shorter. `total` counts the attempt's bytes up to the chunk's end.
CREATE TABLE logs (
    task    INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    stream  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    total   INTEGER NOT NULL,
    data    BLOB NOT NULL,
    PRIMARY KEY (task, attempt, number)
) WITHOUT ROWID;

CREATE TABLE claims (
    kind       INTEGER NOT NULL,
    text       TEXT NOT NULL,
    tenant     TEXT NOT NULL,
    target     INTEGER NOT NULL,
    body_hash  BLOB NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (kind, text, tenant)
) WITHOUT ROWID;
CREATE INDEX claims_of_target ON claims (target);
CREATE INDEX claims_expiring ON claims (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE lanes (
    lane     INTEGER PRIMARY KEY,
    queue    TEXT NOT NULL,
    tenant   TEXT NOT NULL,
    executor TEXT NOT NULL,
    labels   TEXT
);

CREATE TABLE queues (
    name   TEXT PRIMARY KEY,
    paused INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE workers (
    worker    TEXT PRIMARY KEY,
    directive INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE definitions (
    kind    INTEGER NOT NULL,
    tenant  TEXT NOT NULL,
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    body    TEXT,
    PRIMARY KEY (kind, tenant, name, version)
) WITHOUT ROWID;

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
);

-- One row per commit that had events; `at` is the instant of the last one.
CREATE TABLE feed (
    number INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    data   BLOB NOT NULL
);

-- How many tasks and jobs there are, kept by every commit.
CREATE TABLE task_counts (
    tenant TEXT NOT NULL,
    queue  TEXT NOT NULL,
    status INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (tenant, queue, status)
) WITHOUT ROWID;

CREATE TABLE job_counts (
    tenant TEXT NOT NULL,
    status INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (tenant, status)
) WITHOUT ROWID;

CREATE VIEW task_list AS
SELECT key, tenant, id, job, title, type, queue, priority,
    CASE status WHEN 0 THEN 'pending' WHEN 1 THEN 'scheduled' WHEN 2 THEN 'waiting' WHEN 3 THEN 'ready'
        WHEN 4 THEN 'running' WHEN 5 THEN 'completed' WHEN 6 THEN 'failed' WHEN 7 THEN 'cancelled'
        ELSE 'skipped' END AS status,
    generation, attempt, worker,
    CASE outcome WHEN 0 THEN 'success' WHEN 1 THEN 'failure' WHEN 2 THEN 'timeout' WHEN 3 THEN 'lost'
        WHEN 4 THEN 'cancelled' WHEN 5 THEN 'snoozed' WHEN 6 THEN 'interrupted' END AS outcome,
    error_type, error_message, dead IS NOT NULL AS dead,
    datetime(created_at / 1000, 'unixepoch') AS created, datetime(due / 1000, 'unixepoch') AS due,
    datetime(started_at / 1000, 'unixepoch') AS started, datetime(ended_at / 1000, 'unixepoch') AS ended
FROM tasks;

CREATE VIEW job_list AS
SELECT key, tenant, id, title,
    CASE status WHEN 0 THEN 'pending' WHEN 1 THEN 'running' WHEN 2 THEN 'paused' WHEN 3 THEN 'completed'
        WHEN 4 THEN 'failed' ELSE 'cancelled' END AS status,
    tasks, completed, failed, cancelled, skipped, generation,
    datetime(created_at / 1000, 'unixepoch') AS created, datetime(started_at / 1000, 'unixepoch') AS started,
    datetime(ended_at / 1000, 'unixepoch') AS ended
FROM jobs;
