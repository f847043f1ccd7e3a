-- Queries that cost the same whatever the history holds: what they tell apart leads their index, and the rest is keys.
-- Of the derived columns two are generated; is_file_gone is kept by the rules (state.rules.gone_files), eligible_source
-- by whoever makes a job and by a trigger after that. A trigger for each thread and job that is made, and for each file
-- that is read, would cost a backfill a quarter of its writing.

-- Threads. A listing shows those with a preview whose file is there. What it tells apart, but for the working folder,
-- is the thread's group: archived or not, provider and class of source. A source that holds an object in an object
-- names another thread, so there are as many as threads; all that begin alike are of one class.
ALTER TABLE threads ADD COLUMN source_class TEXT GENERATED ALWAYS AS (CASE WHEN substr(source, 1, 1) = '{' AND
    instr(substr(source, 2), '{') > 0 THEN substr(source, 1, 1 + instr(substr(source, 2), '{')) ELSE source END) VIRTUAL;
ALTER TABLE threads ADD COLUMN listing_group TEXT GENERATED ALWAYS AS
    ((archived_at_ms IS NOT NULL) || ':' || length(model_provider) || ':' || model_provider || source_class) VIRTUAL;
ALTER TABLE threads ADD COLUMN is_file_gone INTEGER NOT NULL DEFAULT 0 CHECK (is_file_gone IN (0, 1));

CREATE INDEX threads_by_path ON threads (rollout_path);

-- What came out of a thread: its agents, and the forks that read on in its rollout. Few threads have either.
CREATE INDEX threads_by_parent ON threads (parent_thread_id) WHERE parent_thread_id IS NOT NULL;
CREATE INDEX threads_by_fork ON threads (forked_from_id) WHERE forked_from_id IS NOT NULL;

UPDATE threads SET is_file_gone = 1
    WHERE rollout_path IN (SELECT path FROM rollout_files WHERE status = 'vanished');

DROP INDEX threads_by_creation;
DROP INDEX threads_by_recency;
DROP INDEX threads_by_cwd;

CREATE INDEX threads_listed_by_creation
    ON threads (listing_group, created_at_ms, id, title, name)
    WHERE preview <> '' AND is_file_gone = 0;
CREATE INDEX threads_listed_by_update
    ON threads (listing_group, updated_at_ms, id)
    WHERE preview <> '' AND is_file_gone = 0;
CREATE INDEX threads_listed_by_recency
    ON threads (listing_group, recency_at_ms, id)
    WHERE preview <> '' AND is_file_gone = 0;
CREATE INDEX threads_of_cwd_by_creation
    ON threads (cwd, listing_group, created_at_ms, id)
    WHERE preview <> '' AND is_file_gone = 0;
CREATE INDEX threads_of_cwd_by_update
    ON threads (cwd, listing_group, updated_at_ms, id)
    WHERE preview <> '' AND is_file_gone = 0;
CREATE INDEX threads_of_cwd_by_recency
    ON threads (cwd, listing_group, recency_at_ms, id)
    WHERE preview <> '' AND is_file_gone = 0;
CREATE INDEX threads_by_nested_source ON threads (source) WHERE source_class <> source;

-- Rollout files: what a person may want to look at, and by thread and status together, since there are as many files of
-- a status as there are files.
CREATE INDEX rollout_files_troubled ON rollout_files (path DESC)
    WHERE status IN ('shadowed', 'skipped', 'failed', 'vanished') OR (status = 'indexed' AND reason IS NOT NULL);
DROP INDEX rollout_files_by_thread;
CREATE INDEX rollout_files_by_thread ON rollout_files (thread_id, status);

-- Extraction jobs. eligible_source is the source of the job's thread, or NULL while nobody may extract the thread.
ALTER TABLE extraction_jobs ADD COLUMN eligible_source TEXT;

UPDATE extraction_jobs SET eligible_source = (SELECT source FROM threads t WHERE t.id = extraction_jobs.thread_id
    AND t.archived_at_ms IS NULL AND t.memory_mode = 'enabled');

CREATE TRIGGER threads_eligible_update AFTER UPDATE OF archived_at_ms, memory_mode, source ON threads
WHEN (OLD.archived_at_ms IS NULL) <> (NEW.archived_at_ms IS NULL) OR OLD.memory_mode <> NEW.memory_mode
    OR OLD.source <> NEW.source
BEGIN
    UPDATE extraction_jobs SET eligible_source =
        CASE WHEN NEW.archived_at_ms IS NULL AND NEW.memory_mode = 'enabled' THEN NEW.source END
        WHERE thread_id = NEW.id;
END;

DROP INDEX extraction_jobs_waiting;
CREATE INDEX extraction_jobs_waiting
    ON extraction_jobs (status, eligible_source, content_at_ms DESC, thread_id DESC, scope_kind, scope_key,
        next_attempt_at_ms)
    WHERE status IN ('pending', 'retry');
CREATE INDEX extraction_jobs_backing_off
    ON extraction_jobs (eligible_source, next_attempt_at_ms, content_at_ms, status)
    WHERE status IN ('pending', 'retry') AND next_attempt_at_ms IS NOT NULL;
DROP INDEX extraction_jobs_by_status;
CREATE INDEX extraction_jobs_by_status ON extraction_jobs (status, thread_id, scope_kind, scope_key);
CREATE INDEX extraction_jobs_done ON extraction_jobs (done_extractor, done_version)
    WHERE status IN ('succeeded', 'empty', 'dead');
CREATE INDEX extraction_jobs_paid ON extraction_jobs (input_tokens, cached_input_tokens, output_tokens, model_calls)
    WHERE input_tokens + cached_input_tokens + output_tokens + model_calls > 0;

-- Memories: by what they are chosen by for their scope's files, by age, and those that are in files.
DROP INDEX memories_by_update;
CREATE INDEX memories_by_update ON memories (updated_at_ms DESC, thread_id DESC, scope_kind DESC, scope_key DESC);
CREATE INDEX memories_by_rank ON memories (scope_kind, scope_key, usage_count DESC,
    coalesce(last_used_at_ms, source_at_ms) DESC, source_at_ms DESC, thread_id DESC);
CREATE INDEX memories_by_age ON memories
    (coalesce(last_used_at_ms, source_at_ms), thread_id, scope_kind, scope_key);
CREATE INDEX memories_selected ON memories (scope_kind, scope_key, thread_id) WHERE selected_source_at_ms IS NOT NULL;

-- Scopes, in the order in which they are claimed, and in that of their names.
DROP INDEX scopes_dirty;
CREATE INDEX scopes_dirty ON scopes (scope_kind = 'home', coalesce(source_at_ms, 0) DESC, scope_kind, scope_key)
    WHERE inputs_mark > consolidated_mark;
CREATE INDEX scopes_backing_off ON scopes (next_attempt_at_ms)
    WHERE inputs_mark > consolidated_mark AND next_attempt_at_ms IS NOT NULL;
CREATE INDEX scopes_resting ON scopes (finished_at_ms) WHERE inputs_mark > consolidated_mark AND reason IS NULL;
CREATE INDEX scopes_by_name ON scopes ('consolidation:' || scope_kind || ':' || scope_key);
CREATE INDEX scopes_by_owner ON scopes (owner_process) WHERE owner_process IS NOT NULL;

PRAGMA user_version = 7;
