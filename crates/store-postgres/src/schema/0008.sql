-- What shards have of each other's limits: the home's row of each borrower, and the borrower's of the home (`peer`).
-- `scope` as in `limits`; `kind`: 0 places, 1 parts of a rate. Neither number ever falls.
CREATE TABLE @loans (
    given    bigint NOT NULL,
    returned bigint NOT NULL,
    shard    smallint NOT NULL,
    peer     smallint NOT NULL,
    scope    smallint NOT NULL,
    kind     smallint NOT NULL,
    name     text COLLATE "C" NOT NULL,
    PRIMARY KEY (shard, scope, name, kind, peer)
) WITH (fillfactor = 60);
