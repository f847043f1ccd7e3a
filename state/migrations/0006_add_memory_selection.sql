-- Which memories the scope's current generation was made of: source_at_ms as it was then, NULL for none. A memory that
-- is in nobody's files may be pruned; one that is in them has to be taken out of them first.
ALTER TABLE memories ADD COLUMN selected_source_at_ms INTEGER;

PRAGMA user_version = 6;
