-- History in partitions of whole days, which are dropped when they are past the retention.

-- The periods for which there are partitions: the table `logs_x` has the logs of the period named `x`, and so on. From `first`
-- to before `until`; a row that fits none goes to `…_rest`.
CREATE TABLE @periods (
    name  text COLLATE "C" PRIMARY KEY,
    first bigint NOT NULL,
    until bigint NOT NULL
);

-- The lowest key that a task may get at an instant.
CREATE FUNCTION @key_at(ms bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT least(greatest(ms - 1577836800000, 0), 2199023255551) << 22';

-- What is there becomes the first partition, to the end of tomorrow. Its rows are looked at once, and not written.
DROP VIEW @counts_now;
DO $$
DECLARE
    until bigint := (floor(extract(epoch FROM now()) / 86400)::bigint + 2) * 86400000;
    kind  text;
BEGIN
    INSERT INTO @periods VALUES ('first', -9223372036854775808, until);
    FOREACH kind IN ARRAY ARRAY['feed', 'attempts', 'outputs', 'logs'] LOOP
        EXECUTE format('ALTER TABLE @%I RENAME TO %I', kind, kind || '_first');
        EXECUTE format('CREATE TABLE @%I (LIKE @%I INCLUDING DEFAULTS INCLUDING STORAGE) PARTITION BY RANGE (%I)',
            kind, kind || '_first', CASE kind WHEN 'feed' THEN 'time' ELSE 'task' END);
    END LOOP;
    -- The number of a feed row is unique in each partition: the fence sees to the rest.
    ALTER TABLE @attempts ADD PRIMARY KEY (task, number);
    ALTER TABLE @outputs ADD PRIMARY KEY (task);
    ALTER TABLE @logs ADD PRIMARY KEY (task, attempt, number);
    FOREACH kind IN ARRAY ARRAY['feed', 'attempts', 'outputs', 'logs'] LOOP
        EXECUTE format('ALTER TABLE @%I ATTACH PARTITION @%I FOR VALUES FROM (MINVALUE) TO (%s)', kind, kind || '_first',
            CASE kind WHEN 'feed' THEN until ELSE @key_at(until) END);
        EXECUTE format('CREATE TABLE @%I PARTITION OF @%I DEFAULT', kind || '_rest', kind);
    END LOOP;
    ALTER TABLE @feed_rest ADD PRIMARY KEY (shard, number);
END $$;

CREATE VIEW @counts_now AS
SELECT tenant, queue, status, sum(number)::bigint AS number FROM (
    SELECT tenant, queue, status, number FROM @counts
    UNION ALL
    SELECT (entry ->> 0) COLLATE "C", (entry ->> 1) COLLATE "C", (entry ->> 2)::smallint, (entry ->> 3)::bigint
    -- OFFSET 0: shard by shard, so that only the newest partitions are looked at.
    FROM @folds AS s, LATERAL (
        SELECT counts FROM @feed WHERE shard = s.shard AND number > s.folded AND time >= s.time OFFSET 0
    ) AS later, jsonb_array_elements(later.counts) AS entry
) AS parts
GROUP BY tenant, queue, status;

-- Makes the partitions of a period. To attach one blocks nobody who writes into another one.
CREATE FUNCTION @make_period(name text, first bigint, until bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind   text;
    bounds bigint[];
BEGIN
    FOREACH kind IN ARRAY ARRAY['feed', 'attempts', 'outputs', 'logs'] LOOP
        bounds := CASE kind WHEN 'feed' THEN ARRAY[first, until] ELSE ARRAY[@key_at(first), @key_at(until)] END;
        EXECUTE format('CREATE TABLE @%I (LIKE @%I INCLUDING DEFAULTS INCLUDING STORAGE)', kind || '_' || name, kind);
        IF kind = 'feed' THEN
            EXECUTE format('ALTER TABLE @%I ADD PRIMARY KEY (shard, number)', kind || '_' || name);
        END IF;
        EXECUTE format('ALTER TABLE @%I ATTACH PARTITION @%I FOR VALUES FROM (%s) TO (%s)', kind, kind || '_' || name,
            bounds[1], bounds[2]);
    END LOOP;
    INSERT INTO @periods VALUES (name, first, until);
END $$;

-- Drops the partitions of a period, if nothing in them is needed, and says whether it did. What belongs to the few tasks of
-- that time that are still there moves to the rest.
CREATE FUNCTION @drop_period(period text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys   bigint[];
    kind   text;
    needed boolean;
BEGIN
    SELECT ARRAY[CASE WHEN first < 0 THEN 0 ELSE @key_at(first) END, @key_at(until)] INTO keys FROM @periods WHERE name = period;
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM @folds AS s WHERE EXISTS (SELECT 1 FROM @%I AS f WHERE f.shard = s.shard
        AND f.number > s.pruned AND (f.at IS NOT NULL OR f.number > s.folded)))', 'feed_' || period) INTO needed;
    IF needed OR 10000 < (SELECT count(*) FROM (
        SELECT 1 FROM @tasks WHERE key >= keys[1] AND key < keys[2] LIMIT 10001) AS those)
    THEN
        RETURN false;
    END IF;
    FOREACH kind IN ARRAY ARRAY['attempts', 'outputs', 'logs', 'feed'] LOOP
        EXECUTE format('ALTER TABLE @%I DETACH PARTITION @%I', kind, kind || '_' || period);
        IF kind <> 'feed' THEN
            EXECUTE format('INSERT INTO @%I SELECT h.* FROM @tasks AS t JOIN @%I AS h ON h.task = t.key
                WHERE t.key >= $1 AND t.key < $2', kind || '_rest', kind || '_' || period) USING keys[1], keys[2];
        END IF;
        EXECUTE format('DROP TABLE @%I', kind || '_' || period);
    END LOOP;
    DELETE FROM @periods WHERE name = period;
    RETURN true;
END $$;

-- Makes partitions for the next days, and drops those that end at `before` or earlier. It waits a tenth of a second for a
-- table at the most, and else leaves the rest to the next call; of several at a time one works. Gives how many periods it
-- made, dropped, and left to another call. It runs with the rights of the schema's owner.
CREATE FUNCTION @keep_history(now_ms bigint, before_ms bigint, OUT made integer, OUT dropped integer, OUT left_over integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' SET enable_seqscan = off SET jit = off AS $$
DECLARE
    day    CONSTANT bigint := 86400000;
    width  bigint := day * least(greatest((now_ms - before_ms) / day / 14 + 1, 1), 366);
    edge   bigint;
    beyond bigint;
    period text;
BEGIN
    made := 0; dropped := 0; left_over := 0;
    IF NOT pg_try_advisory_xact_lock(1297305682, ('@periods'::regclass::oid::bigint & 2147483647)::integer) THEN
        RETURN;
    END IF;
    -- A period begins where the last one ends, or after what is in the rest already.
    SELECT max(until) INTO edge FROM @periods;
    FOR place IN 1 .. 8 LOOP
        EXIT WHEN edge >= now_ms + 2 * day;
        BEGIN
            SELECT greatest((SELECT max(time) FROM @feed_rest WHERE time >= edge),
                (SELECT 1577836800000 + (greatest((SELECT max(task) FROM @logs_rest), (SELECT max(task) FROM @attempts_rest),
                    (SELECT max(task) FROM @outputs_rest)) >> 22))) INTO beyond;
            IF beyond >= edge THEN
                edge := (greatest(beyond, now_ms) / day + 1) * day;
            END IF;
            PERFORM @make_period(to_char(to_timestamp(edge / 1000) AT TIME ZONE 'UTC', 'YYYYMMDD'), edge,
                edge / day * day + width);
            made := made + 1;
        EXCEPTION WHEN lock_not_available OR deadlock_detected OR check_violation THEN
            left_over := left_over + 1;
            EXIT;
        END;
        edge := edge / day * day + width;
    END LOOP;
    FOR period IN SELECT name FROM @periods WHERE until <= before_ms AND until < (SELECT max(until) FROM @periods)
        ORDER BY until LIMIT 8 LOOP
        BEGIN
            IF @drop_period(period) THEN
                dropped := dropped + 1;
            END IF;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            left_over := left_over + 1;
        END;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION @keep_history(bigint, bigint), @make_period(text, bigint, bigint), @drop_period(text) FROM PUBLIC;
