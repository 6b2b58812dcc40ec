-- Jobs that carry out a group of another job, have a deadline, or wait for their turn.

-- The key of the group task. Such jobs are in no list and no count, and are deleted with the job around them.
ALTER TABLE @jobs ADD COLUMN parent bigint;
ALTER TABLE @jobs ADD COLUMN rare text; -- JSON: jobs around it, deadline, limit of live ones
CREATE INDEX jobs_watched ON @jobs (key) WHERE status < 3 AND rare IS NOT NULL AND parent IS NULL;
