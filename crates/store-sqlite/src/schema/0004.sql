-- Who applied a version of a definition; empty for those of before.
ALTER TABLE definitions ADD COLUMN actor TEXT NOT NULL DEFAULT '';
