-- Limits, set and carried.

-- What was set: `scope` is 0 of a queue, 1 of a type, 2 of a tenant; `data` is JSON.
CREATE TABLE @limits (
    scope smallint NOT NULL,
    name  text NOT NULL,
    data  text NOT NULL,
    PRIMARY KEY (scope, name)
);

-- The type, where it is not the executor, and the limits by key (JSON) of the tasks in a lane.
ALTER TABLE @lanes ADD COLUMN type text;
ALTER TABLE @lanes ADD COLUMN limits text;
