-- Tasks that applications enqueue inside their own transactions.

-- What waits, each for the shard of its id. A row leaves in the transaction that inserts its task.
CREATE TABLE @inbox (
    shard   smallint NOT NULL,
    number  bigint GENERATED ALWAYS AS IDENTITY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    task_id text NOT NULL,
    task    jsonb NOT NULL,
    PRIMARY KEY (shard, number)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- What was refused, and why. Nobody but people reads it.
CREATE TABLE @inbox_rejected (
    number      bigint PRIMARY KEY,
    at          timestamptz NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    task_id     text NOT NULL,
    task        jsonb NOT NULL,
    reason      text NOT NULL
);

-- The bucket of an id that a client chose: the engine's own hash (FNV-1a of 64 bits, here in halves, folded to 12 bits).
CREATE FUNCTION @bucket_of(id text) RETURNS integer
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bytes   bytea := convert_to(id, 'UTF8');
    high    bigint := 3421674724;
    low     bigint := 2216829733;
    product bigint;
BEGIN
    FOR place IN 0 .. octet_length(bytes) - 1 LOOP
        low := low # get_byte(bytes, place);
        product := low * 435;
        high := (high * 435 + (product >> 32) + (low << 8)) & 4294967295;
        low := product & 4294967295;
    END LOOP;
    RETURN ((low # (low >> 24) # (high << 8) # (high >> 16)) & 4095)::integer;
END $$;

-- Enqueues a task, as for `POST /api/v1/tasks`, once the transaction commits; gives its id. An id of its own (`taskId`) makes
-- a repeat harmless. It runs with the rights of the schema's owner: a role needs USAGE on the schema and EXECUTE here.
CREATE FUNCTION @enqueue(task jsonb) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind  text := jsonb_typeof(task -> 'taskId');
    given text := task ->> 'taskId';
    place integer;
BEGIN
    IF task IS NULL OR jsonb_typeof(task) <> 'object' THEN
        RAISE EXCEPTION 'the task is no JSON object'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'As in enqueue(''{"type": "email"}'').';
    ELSIF octet_length(task::text) > 2097152 THEN
        RAISE EXCEPTION 'the task has % bytes; at most 2097152 are allowed', octet_length(task::text)
            USING ERRCODE = 'program_limit_exceeded';
    ELSIF kind <> 'string' OR given !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$' THEN
        RAISE EXCEPTION 'the taskId of the task is no id' USING ERRCODE = 'invalid_parameter_value',
            HINT = 'An id has 1 to 128 of A-Z a-z 0-9 . _ - and starts with a letter or digit.';
    END IF;
    -- Where the shards are spread over several databases, a new id is one whose shard is in this one.
    LOOP
        IF kind IS NULL THEN
            given := 'q' || to_hex(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
                || '-' || left(replace(gen_random_uuid()::text, '-', ''), 16);
        END IF;
        SELECT @bucket_of(given) * shards / 4096 INTO place FROM @cluster;
        EXIT WHEN EXISTS (SELECT 1 FROM @shards WHERE id = place);
        IF kind IS NOT NULL THEN
            RAISE EXCEPTION 'the taskId % belongs to shard %, which another database of the cluster holds', given, place
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Enqueue it there, or leave the taskId out.';
        END IF;
    END LOOP;
    INSERT INTO @inbox (shard, task_id, task) VALUES (place, given, task || jsonb_build_object('taskId', given));
    RETURN given;
END $$;
REVOKE EXECUTE ON FUNCTION @enqueue(jsonb) FROM PUBLIC;
