-- What this shard and others have of each other's limits. `scope` as in `limits`; `kind`: 0 places, 1 parts of a rate.
CREATE TABLE loans (
    scope    INTEGER NOT NULL,
    name     TEXT NOT NULL,
    kind     INTEGER NOT NULL,
    peer     INTEGER NOT NULL,
    given    INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    PRIMARY KEY (scope, name, kind, peer)
) WITHOUT ROWID;
