-- What a fold writes stands apart from what every commit looks at.

-- Whoever holds a shard under the version before is kept out by the epoch.
UPDATE @shards SET epoch = epoch + 1, owner = NULL, holder = NULL WHERE owner IS NOT NULL;

-- One row per shard: the high waters and counts as of the last fold. While somebody holds a transaction open each fold leaves
-- a row behind, which only the next fold passes.
CREATE TABLE @folds (
    shard    smallint PRIMARY KEY,
    time     bigint NOT NULL,
    sequence bigint NOT NULL,
    lease    bigint NOT NULL,
    folded   bigint NOT NULL, -- the commit up to which the high waters and the counts hold; later ones are in the feed
    pruned   bigint NOT NULL  -- feed rows up to this commit are forgotten
) WITH (fillfactor = 50);
INSERT INTO @folds SELECT id, time, sequence, lease, folded, pruned FROM @shards;

DROP VIEW @counts_now;
ALTER TABLE @shards DROP COLUMN time, DROP COLUMN sequence, DROP COLUMN lease, DROP COLUMN folded, DROP COLUMN pruned;
CREATE VIEW @counts_now AS
SELECT tenant, queue, status, sum(number)::bigint AS number FROM (
    SELECT tenant, queue, status, number FROM @counts
    UNION ALL
    SELECT (entry ->> 0) COLLATE "C", (entry ->> 1) COLLATE "C", (entry ->> 2)::smallint, (entry ->> 3)::bigint
    FROM @folds JOIN @feed ON feed.shard = folds.shard AND feed.number > folds.folded,
        jsonb_array_elements(feed.counts) AS entry
) AS parts
GROUP BY tenant, queue, status;

-- Room for the second version of a task in the page of the first, where it touches no index, although nothing is cleared
-- away as long as a transaction is open.
ALTER TABLE @tasks SET (fillfactor = 40);
