-- Who applied a version of a definition; empty for those of before. A program of before writes rows without it.
ALTER TABLE @definitions ADD COLUMN actor text NOT NULL DEFAULT '';
