-- Limits, set and carried.

-- What was set: `scope` is 0 of a queue, 1 of a type, 2 of a tenant; `data` is JSON.
CREATE TABLE limits (
    scope INTEGER NOT NULL,
    name  TEXT NOT NULL,
    data  TEXT NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID;

-- The type, where it is not the executor, and the limits by key (JSON) of the tasks in a lane.
ALTER TABLE lanes ADD COLUMN type TEXT;
ALTER TABLE lanes ADD COLUMN limits TEXT;
