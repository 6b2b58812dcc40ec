-- Several shards in one schema, each with an owner of its own, and the nodes that take part.

-- Whoever holds a shard under the version before is kept out by the epoch.
UPDATE @shards SET epoch = epoch + 1, owner = NULL WHERE owner IS NOT NULL;
-- Names the open store that has the shard, among those that might. NULL: it was given back, or never had.
ALTER TABLE @shards ADD COLUMN holder text;
DROP TABLE @leases;

-- What was settled when the database was made. `key` is the secret by which nodes know each other.
CREATE TABLE @cluster (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    shards smallint NOT NULL,
    key    bytea NOT NULL
);
INSERT INTO @cluster (shards, key) SELECT count(*), sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
    || uuid_send(gen_random_uuid())) FROM @shards;

-- Who takes part, each with a beat that shows that it lives. No commit reads or writes here.
CREATE TABLE @nodes (
    id      text COLLATE "C" PRIMARY KEY,
    address text,
    about   text NOT NULL,
    process text NOT NULL,
    version text NOT NULL,
    beat    bigint NOT NULL
) WITH (fillfactor = 20);

-- The shard of a task is that of its key's bucket, and never changes. Lists go by key over all shards, the core by shard.
ALTER TABLE @tasks ADD COLUMN shard smallint NOT NULL DEFAULT 0;
DROP INDEX @tasks_hot, @tasks_cold_ready, @tasks_cold_timers;
CREATE INDEX tasks_hot ON @tasks (key, shard) WHERE place = 0;
CREATE INDEX tasks_cold_ready ON @tasks (shard, lane, rank, key) WHERE place = 1;
CREATE INDEX tasks_cold_timers ON @tasks (shard, rank, key) WHERE place = 2;

ALTER TABLE @lanes ADD COLUMN shard smallint NOT NULL DEFAULT 0;
ALTER TABLE @lanes DROP CONSTRAINT lanes_pkey;
ALTER TABLE @lanes ADD PRIMARY KEY (shard, lane);

-- A claim belongs to the shard that wrote it.
ALTER TABLE @claims ADD COLUMN shard smallint NOT NULL DEFAULT 0;
ALTER TABLE @claims DROP CONSTRAINT claims_pkey;
ALTER TABLE @claims ADD PRIMARY KEY (kind, text, tenant, shard);
DROP INDEX @claims_expiring;
CREATE INDEX claims_expiring ON @claims (shard, expires_at) WHERE expires_at IS NOT NULL;

-- Each shard folds into rows of its own.
ALTER TABLE @counts ADD COLUMN shard smallint NOT NULL DEFAULT 0;
DROP INDEX @counts_of_tasks, @counts_of_jobs;
CREATE UNIQUE INDEX counts_of_tasks ON @counts (shard, tenant, queue, status) WHERE queue IS NOT NULL;
CREATE UNIQUE INDEX counts_of_jobs ON @counts (shard, tenant, status) WHERE queue IS NULL;
