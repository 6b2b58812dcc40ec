-- Instants are milliseconds since the Unix epoch. The views at the end have words and times for people.
-- `@` stands for the schema.

-- One row per shard: its fence, and the high waters and counts as of the last fold. No commit writes here; each locks the
-- row, so that a change of owner waits for it.
CREATE TABLE @shards (
    id          smallint PRIMARY KEY,
    incarnation integer NOT NULL,
    epoch       bigint NOT NULL,
    owner       text,
    origin      text,            -- which table, cluster and timeline the incarnation was minted on
    time        bigint NOT NULL,
    sequence    bigint NOT NULL,
    lease       bigint NOT NULL,
    folded      bigint NOT NULL, -- the commit up to which the high waters and the counts hold; later ones are in the feed
    pruned      bigint NOT NULL  -- feed rows up to this commit are gone
);
INSERT INTO @shards VALUES (0, 1, 0, NULL, NULL, 0, 0, 0, 0, 0);

-- Who holds a shard, and a beat that shows that it lives. Apart from `shards`, so that a beat waits for no commit.
CREATE TABLE @leases (
    shard  smallint PRIMARY KEY,
    holder text,
    about  text,
    epoch  bigint NOT NULL,
    beat   bigint NOT NULL
) WITH (fillfactor = 20);
INSERT INTO @leases VALUES (0, NULL, NULL, 0, 0);

-- `key` grows with time, so a new task is appended. `id` is the client's own id, or the name inside the job.
-- `place`: 0 in memory, 1 cold and ready (by lane, rank, key), 2 cold timer (by rank = due, key); at rest it is 3 while the
-- task lives, 4 where it failed, NULL where it ended otherwise. The indexes depend on `place` and `dead` alone, so that an
-- update that changes neither touches no index.
-- `worker` to `error_trace` are those of the last attempt; `session` and `lease_ms` are there while it runs.
-- `body` is NULL for `{}`, and for a job's task whose body is small: the job's graph has it.
CREATE TABLE @tasks (
    key              bigint PRIMARY KEY,
    job              bigint,
    created_at       bigint NOT NULL,
    rank             bigint,
    due              bigint,
    ready_at         bigint,
    started_at       bigint,
    attempt_ended_at bigint,
    ended_at         bigint,
    lease            bigint,
    lease_ms         bigint,
    lane             integer,
    generation       integer NOT NULL,
    attempt          integer NOT NULL,
    status           smallint NOT NULL,
    place            smallint,
    priority         smallint NOT NULL,
    outcome          smallint,
    dead             boolean NOT NULL,
    edited           boolean,
    tenant           text COLLATE "C" NOT NULL,
    id               text COLLATE "C",
    type             text NOT NULL,
    queue            text COLLATE "C" NOT NULL,
    title            text,
    worker           text,
    session          text,
    error_type       text,
    error_message    text,
    error_trace      text,
    rare_state       text, -- JSON: failures, losses, counts of parents, why skipped, …
    rare_spec        text, -- JSON: executor, labels, policy, trigger, …
    tags             text, -- JSON list
    body             text  -- JSON object
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX tasks_hot ON @tasks (key) WHERE place = 0;
CREATE INDEX tasks_cold_ready ON @tasks (lane, rank, key) WHERE place = 1;
CREATE INDEX tasks_cold_timers ON @tasks (rank, key) WHERE place = 2;
CREATE INDEX tasks_resting ON @tasks (key) WHERE place = 3;
CREATE INDEX tasks_failed ON @tasks (key) WHERE place = 4;
CREATE INDEX tasks_dead ON @tasks (key) WHERE dead;
CREATE INDEX tasks_of_job ON @tasks (job, id) WHERE job IS NOT NULL;

CREATE TABLE @jobs (
    key            bigint PRIMARY KEY,
    created_at     bigint NOT NULL,
    started_at     bigint,
    ended_at       bigint,
    tasks          integer NOT NULL,
    completed      integer NOT NULL,
    failed         integer NOT NULL,
    cancelled      integer NOT NULL,
    skipped        integer NOT NULL,
    unhandled      integer NOT NULL,
    generation     integer NOT NULL,
    status         smallint NOT NULL,
    failure_policy smallint NOT NULL,
    flags          smallint NOT NULL, -- 1 paused, 2 cancelled, 4 failing fast
    tenant         text COLLATE "C" NOT NULL,
    id             text COLLATE "C",
    title          text,
    sweep          text COLLATE "C", -- JSON: work over its tasks that goes on
    tags           text,
    body           text
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX jobs_live ON @jobs (key) WHERE status < 3;
CREATE INDEX jobs_failed ON @jobs (key) WHERE status = 4;
CREATE INDEX jobs_swept ON @jobs (key) WHERE sweep IS NOT NULL;

-- `key` is that of the chunk's first task.
CREATE TABLE @chunks (
    key    bigint PRIMARY KEY,
    job    bigint NOT NULL,
    number integer NOT NULL,
    data   bytea NOT NULL
);

-- Attempts that are no longer the last of their task.
CREATE TABLE @attempts (
    task          bigint NOT NULL,
    started_at    bigint NOT NULL,
    ended_at      bigint,
    lease         bigint NOT NULL,
    number        integer NOT NULL,
    generation    integer NOT NULL,
    outcome       smallint,
    worker        text NOT NULL,
    error_type    text,
    error_message text,
    error_trace   text,
    PRIMARY KEY (task, number)
);

CREATE TABLE @outputs (
    task   bigint PRIMARY KEY,
    output text NOT NULL
);

-- `total` counts the attempt's bytes up to the chunk's end.
CREATE TABLE @logs (
    task    bigint NOT NULL,
    number  bigint NOT NULL,
    at      bigint NOT NULL,
    total   bigint NOT NULL,
    attempt integer NOT NULL,
    bytes   integer NOT NULL,
    stream  smallint NOT NULL, -- 0 stdout, 1 stderr, 2 the engine's own remarks
    deflated boolean NOT NULL,
    data    bytea NOT NULL,
    PRIMARY KEY (task, attempt, number)
);
ALTER TABLE @logs ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE @claims (
    target     bigint NOT NULL,
    expires_at bigint,
    kind       smallint NOT NULL, -- 0 id of a task, 1 id of a job, 2 idempotency key
    text       text COLLATE "C" NOT NULL,
    tenant     text COLLATE "C" NOT NULL,
    body_hash  bytea NOT NULL,
    PRIMARY KEY (kind, text, tenant)
);
CREATE INDEX claims_of_target ON @claims (target);
CREATE INDEX claims_expiring ON @claims (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE @lanes (
    lane     integer PRIMARY KEY,
    queue    text NOT NULL,
    tenant   text NOT NULL,
    executor text NOT NULL,
    labels   text
);

CREATE TABLE @queues (
    name   text COLLATE "C" PRIMARY KEY,
    paused boolean NOT NULL
);

CREATE TABLE @workers (
    worker    text COLLATE "C" PRIMARY KEY,
    directive smallint NOT NULL -- 0 run, 1 pause, 2 drain
);

CREATE TABLE @definitions (
    at      bigint NOT NULL,
    version integer NOT NULL,
    kind    smallint NOT NULL, -- 0 task, 1 job, 2 profile
    tenant  text COLLATE "C" NOT NULL,
    name    text COLLATE "C" NOT NULL,
    body    text,
    PRIMARY KEY (kind, tenant, name, version)
);

CREATE TABLE @audit (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     bigint NOT NULL,
    actor  text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    detail text NOT NULL
);

-- One row per commit: its insert is the sequence. It carries the high waters after the commit, its events (`at` is the
-- instant of the last one, NULL where there were none), and by how much it changed the counts.
CREATE TABLE @feed (
    shard    smallint NOT NULL,
    number   bigint NOT NULL,
    time     bigint NOT NULL,
    sequence bigint NOT NULL,
    lease    bigint NOT NULL,
    at       bigint,
    data     bytea,
    counts   jsonb, -- [[tenant, queue or null for jobs, status, difference], …]
    PRIMARY KEY (shard, number)
);

-- How many tasks and jobs there are, as of `shards.folded`. `queue` is NULL in rows that count jobs.
CREATE TABLE @counts (
    tenant text COLLATE "C" NOT NULL,
    queue  text COLLATE "C",
    status smallint NOT NULL,
    number bigint NOT NULL
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX counts_of_tasks ON @counts (tenant, queue, status) WHERE queue IS NOT NULL;
CREATE UNIQUE INDEX counts_of_jobs ON @counts (tenant, status) WHERE queue IS NULL;

-- The counts as of now.
CREATE VIEW @counts_now AS
SELECT tenant, queue, status, sum(number)::bigint AS number FROM (
    SELECT tenant, queue, status, number FROM @counts
    UNION ALL
    SELECT (entry ->> 0) COLLATE "C", (entry ->> 1) COLLATE "C", (entry ->> 2)::smallint, (entry ->> 3)::bigint
    FROM @shards JOIN @feed ON feed.shard = shards.id AND feed.number > shards.folded,
        jsonb_array_elements(feed.counts) AS entry
) AS parts
GROUP BY tenant, queue, status;

CREATE VIEW @task_list AS
SELECT key, tenant, id, job, title, type, queue, priority,
    CASE status WHEN 0 THEN 'pending' WHEN 1 THEN 'scheduled' WHEN 2 THEN 'waiting' WHEN 3 THEN 'ready'
        WHEN 4 THEN 'running' WHEN 5 THEN 'completed' WHEN 6 THEN 'failed' WHEN 7 THEN 'cancelled'
        ELSE 'skipped' END AS status,
    generation, attempt, worker,
    CASE outcome WHEN 0 THEN 'success' WHEN 1 THEN 'failure' WHEN 2 THEN 'timeout' WHEN 3 THEN 'lost'
        WHEN 4 THEN 'cancelled' WHEN 5 THEN 'snoozed' WHEN 6 THEN 'interrupted' END AS outcome,
    error_type, error_message, dead,
    to_timestamp(created_at / 1000.0) AS created, to_timestamp(due / 1000.0) AS due,
    to_timestamp(started_at / 1000.0) AS started, to_timestamp(ended_at / 1000.0) AS ended
FROM @tasks;

CREATE VIEW @job_list AS
SELECT key, tenant, id, title,
    CASE status WHEN 0 THEN 'pending' WHEN 1 THEN 'running' WHEN 2 THEN 'paused' WHEN 3 THEN 'completed'
        WHEN 4 THEN 'failed' ELSE 'cancelled' END AS status,
    tasks, completed, failed, cancelled, skipped, generation,
    to_timestamp(created_at / 1000.0) AS created, to_timestamp(started_at / 1000.0) AS started,
    to_timestamp(ended_at / 1000.0) AS ended
FROM @jobs;
