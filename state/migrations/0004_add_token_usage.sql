-- What each extraction job has cost so far: tokens of the provider's model, over all attempts, never set back.

ALTER TABLE extraction_jobs ADD COLUMN input_tokens        INTEGER NOT NULL DEFAULT 0;
ALTER TABLE extraction_jobs ADD COLUMN cached_input_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE extraction_jobs ADD COLUMN output_tokens       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE extraction_jobs ADD COLUMN model_calls         INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 4;
