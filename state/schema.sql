CREATE TABLE backfill (
    id                  INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    owner_process       TEXT,
    owner_worker        TEXT,
    ownership_token     TEXT,
    fencing_number      INTEGER NOT NULL,
    lease_boot_id       TEXT,
    lease_until_boot_ms INTEGER,
    renewed_boot_ms     INTEGER,
    started_at_ms       INTEGER,
    listed_at_ms        INTEGER               -- when a listing of the whole tree was last recorded
) STRICT;

CREATE TABLE extraction_jobs (
    thread_id           TEXT    NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    scope_kind          TEXT    NOT NULL,
    scope_key           TEXT    NOT NULL,
    status              TEXT    NOT NULL
        CHECK (status IN ('pending', 'running', 'succeeded', 'empty', 'retry', 'dead')),
    content_at_ms       INTEGER NOT NULL,   -- of the thread; orders the claims, newest first
    claimed_revision    INTEGER,            -- content_revision that the running claim is bound to
    done_revision       INTEGER,            -- content_revision of the last success
    done_input_digest   TEXT,
    done_extractor      TEXT,
    done_version        INTEGER,
    attempts            INTEGER NOT NULL,   -- claims since the content last changed
    given_back          INTEGER NOT NULL,   -- of those, claims that ended in good order without a result
    next_attempt_at_ms  INTEGER,
    reason              TEXT,
    owner_process       TEXT,
    owner_worker        TEXT,
    ownership_token     TEXT,
    fencing_number      INTEGER NOT NULL,
    lease_boot_id       TEXT,
    lease_until_boot_ms INTEGER,
    renewed_boot_ms     INTEGER,
    started_at_ms       INTEGER,
    finished_at_ms      INTEGER, input_tokens        INTEGER NOT NULL DEFAULT 0, cached_input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens       INTEGER NOT NULL DEFAULT 0, model_calls         INTEGER NOT NULL DEFAULT 0, eligible_source TEXT,
    PRIMARY KEY (thread_id, scope_kind, scope_key),
    CHECK ((status = 'running') = (ownership_token IS NOT NULL))
) STRICT;

CREATE TABLE home (
    id            INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    codex_home    TEXT    NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE memories (
    thread_id       TEXT    NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    scope_kind      TEXT    NOT NULL,
    scope_key       TEXT    NOT NULL,
    raw_memory      TEXT    NOT NULL,
    rollout_summary TEXT    NOT NULL,
    rollout_slug    TEXT,
    source_at_ms    INTEGER NOT NULL,   -- time of the newest content it was made from
    generated_at_ms INTEGER NOT NULL,
    updated_at_ms   INTEGER NOT NULL,   -- strictly grows, also for two changes within one millisecond
    extractor       TEXT    NOT NULL,
    usage_count     INTEGER NOT NULL,
    last_used_at_ms INTEGER,
    invalidated_at_ms INTEGER,
    invalid_reason  TEXT, selected_source_at_ms INTEGER,
    PRIMARY KEY (thread_id, scope_kind, scope_key)
) STRICT;

CREATE TABLE memory_notes (
    thread_id  TEXT    NOT NULL,
    scope_kind TEXT    NOT NULL,
    scope_key  TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    topic      TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    line       INTEGER NOT NULL,   -- 1-based line of the rollout that proves it
    at_ms      INTEGER,
    PRIMARY KEY (thread_id, scope_kind, scope_key, position),
    FOREIGN KEY (thread_id, scope_kind, scope_key)
        REFERENCES memories (thread_id, scope_kind, scope_key) ON DELETE CASCADE
) STRICT;

CREATE TABLE processes (
    process_uuid  TEXT    NOT NULL PRIMARY KEY,
    boot_id       TEXT    NOT NULL,
    pid           INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    last_batch_id TEXT
) STRICT;

CREATE TABLE rollout_files (
    path               TEXT    NOT NULL PRIMARY KEY,   -- relative to the Codex home
    archived           INTEGER NOT NULL CHECK (archived IN (0, 1)),
    size_bytes         INTEGER NOT NULL,
    mtime_ns           INTEGER NOT NULL,
    inode              INTEGER NOT NULL,
    status             TEXT    NOT NULL
        CHECK (status IN ('pending', 'indexed', 'shadowed', 'skipped', 'failed', 'vanished')),
    reason             TEXT,                            -- why, or a remark on an indexed file
    thread_id          TEXT,                            -- the file's identity, once read
    offset_bytes       INTEGER NOT NULL,                -- 0 until first read
    head_digest        TEXT,
    tail_digest        TEXT,
    fold_state         BLOB,
    lines_skipped      INTEGER NOT NULL,
    attempts           INTEGER NOT NULL,
    next_attempt_at_ms INTEGER,
    registered_at_ms   INTEGER NOT NULL,
    read_at_ms         INTEGER
) STRICT;

CREATE TABLE scopes (
    scope_kind          TEXT    NOT NULL,
    scope_key           TEXT    NOT NULL,
    inputs_mark         INTEGER NOT NULL,   -- grows with every change of the scope's memories
    consolidated_mark   INTEGER NOT NULL,
    claimed_mark        INTEGER,
    generation          INTEGER NOT NULL,   -- 0: nothing published yet
    generation_folder   TEXT,               -- relative to the memories folder
    published_digest    TEXT,
    published_at_ms     INTEGER,
    source_at_ms        INTEGER,            -- time of the newest content in the current generation
    published_memories  INTEGER NOT NULL,
    attempts            INTEGER NOT NULL,   -- failures since the last success
    next_attempt_at_ms  INTEGER,
    reason              TEXT,
    owner_process       TEXT,
    owner_worker        TEXT,
    ownership_token     TEXT,
    fencing_number      INTEGER NOT NULL,
    lease_boot_id       TEXT,
    lease_until_boot_ms INTEGER,
    renewed_boot_ms     INTEGER,
    started_at_ms       INTEGER,
    finished_at_ms      INTEGER,
    PRIMARY KEY (scope_kind, scope_key)
) STRICT;

CREATE TABLE thread_dynamic_tools (
    thread_id     TEXT    NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    position      INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    description   TEXT    NOT NULL,
    input_schema  TEXT    NOT NULL,
    defer_loading INTEGER NOT NULL CHECK (defer_loading IN (0, 1)),
    namespace     TEXT,
    PRIMARY KEY (thread_id, position)
) STRICT;

CREATE TABLE thread_edits (
    thread_id    TEXT    NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    field        TEXT    NOT NULL
        CHECK (field IN ('title', 'name', 'memory_mode', 'git_sha', 'git_branch', 'git_origin_url')),
    value        TEXT,
    edited_at_ms INTEGER NOT NULL,
    PRIMARY KEY (thread_id, field)
) STRICT;

CREATE TABLE threads (
    id                  TEXT    NOT NULL PRIMARY KEY,
    rollout_path        TEXT    NOT NULL,   -- relative to the Codex home
    created_at_ms       INTEGER NOT NULL,
    updated_at_ms       INTEGER NOT NULL,   -- the file's mtime
    recency_at_ms       INTEGER NOT NULL,   -- start of the last turn
    archived_at_ms      INTEGER,            -- archived is derived: it is when this is set
    source              TEXT    NOT NULL,
    originator          TEXT    NOT NULL,
    thread_source       TEXT,
    parent_thread_id    TEXT,
    forked_from_id      TEXT,
    agent_nickname      TEXT,
    agent_role          TEXT,
    agent_path          TEXT,
    model_provider      TEXT    NOT NULL,
    model               TEXT,
    reasoning_effort    TEXT,
    cwd                 TEXT    NOT NULL,
    cli_version         TEXT    NOT NULL,
    history_mode        TEXT    NOT NULL,
    memory_mode         TEXT    NOT NULL CHECK (memory_mode IN ('enabled', 'disabled', 'polluted')),
    title               TEXT    NOT NULL,
    name                TEXT,
    preview             TEXT    NOT NULL,   -- '' means not visible in listings
    first_user_message  TEXT    NOT NULL,
    sandbox_policy      TEXT    NOT NULL,
    approval_mode       TEXT    NOT NULL,
    tokens_used         INTEGER NOT NULL CHECK (tokens_used >= 0),
    git_sha             TEXT,
    git_branch          TEXT,
    git_origin_url      TEXT,
    content_at_ms       INTEGER,            -- time of the last meaningful line
    content_digest      TEXT    NOT NULL,
    content_revision    INTEGER NOT NULL    -- grows by one whenever content_digest changes
, source_class TEXT GENERATED ALWAYS AS (CASE WHEN substr(source, 1, 1) = '{' AND
    instr(substr(source, 2), '{') > 0 THEN substr(source, 1, 1 + instr(substr(source, 2), '{')) ELSE source END) VIRTUAL, listing_group TEXT GENERATED ALWAYS AS
    ((archived_at_ms IS NOT NULL) || ':' || length(model_provider) || ':' || model_provider || source_class) VIRTUAL, is_file_gone INTEGER NOT NULL DEFAULT 0 CHECK (is_file_gone IN (0, 1))) STRICT;

CREATE TRIGGER threads_eligible_update AFTER UPDATE OF archived_at_ms, memory_mode, source ON threads
WHEN (OLD.archived_at_ms IS NULL) <> (NEW.archived_at_ms IS NULL) OR OLD.memory_mode <> NEW.memory_mode
    OR OLD.source <> NEW.source
BEGIN
    UPDATE extraction_jobs SET eligible_source =
        CASE WHEN NEW.archived_at_ms IS NULL AND NEW.memory_mode = 'enabled' THEN NEW.source END
        WHERE thread_id = NEW.id;
END;

CREATE TABLE workers (
    process_uuid TEXT    NOT NULL REFERENCES processes (process_uuid) ON DELETE CASCADE,
    worker       TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('running', 'restarting', 'down')),
    crashes      INTEGER NOT NULL,
    reason       TEXT,
    since_ms     INTEGER NOT NULL,
    PRIMARY KEY (process_uuid, worker)
) STRICT;

CREATE INDEX extraction_jobs_backing_off
    ON extraction_jobs (eligible_source, next_attempt_at_ms, content_at_ms, status)
    WHERE status IN ('pending', 'retry') AND next_attempt_at_ms IS NOT NULL;

CREATE INDEX extraction_jobs_by_status ON extraction_jobs (status, thread_id, scope_kind, scope_key);

CREATE UNIQUE INDEX extraction_jobs_by_token ON extraction_jobs (ownership_token) WHERE ownership_token IS NOT NULL;

CREATE INDEX extraction_jobs_done ON extraction_jobs (done_extractor, done_version)
    WHERE status IN ('succeeded', 'empty', 'dead');

CREATE INDEX extraction_jobs_paid ON extraction_jobs (input_tokens, cached_input_tokens, output_tokens, model_calls)
    WHERE input_tokens + cached_input_tokens + output_tokens + model_calls > 0;

CREATE INDEX extraction_jobs_running ON extraction_jobs (owner_process) WHERE status = 'running';

CREATE INDEX extraction_jobs_waiting
    ON extraction_jobs (status, eligible_source, content_at_ms DESC, thread_id DESC, scope_kind, scope_key,
        next_attempt_at_ms)
    WHERE status IN ('pending', 'retry');

CREATE INDEX memories_by_age ON memories
    (coalesce(last_used_at_ms, source_at_ms), thread_id, scope_kind, scope_key);

CREATE INDEX memories_by_rank ON memories (scope_kind, scope_key, usage_count DESC,
    coalesce(last_used_at_ms, source_at_ms) DESC, source_at_ms DESC, thread_id DESC);

CREATE INDEX memories_by_scope  ON memories (scope_kind, scope_key, updated_at_ms DESC, thread_id DESC);

CREATE INDEX memories_by_update ON memories (updated_at_ms DESC, thread_id DESC, scope_kind DESC, scope_key DESC);

CREATE INDEX memories_selected ON memories (scope_kind, scope_key, thread_id) WHERE selected_source_at_ms IS NOT NULL;

CREATE INDEX rollout_files_by_status ON rollout_files (status, path DESC);

CREATE INDEX rollout_files_by_thread ON rollout_files (thread_id, status);

CREATE INDEX rollout_files_troubled ON rollout_files (path DESC)
    WHERE status IN ('shadowed', 'skipped', 'failed', 'vanished') OR (status = 'indexed' AND reason IS NOT NULL);

CREATE INDEX scopes_backing_off ON scopes (next_attempt_at_ms)
    WHERE inputs_mark > consolidated_mark AND next_attempt_at_ms IS NOT NULL;

CREATE INDEX scopes_by_name ON scopes ('consolidation:' || scope_kind || ':' || scope_key);

CREATE INDEX scopes_by_owner ON scopes (owner_process) WHERE owner_process IS NOT NULL;

CREATE UNIQUE INDEX scopes_by_token ON scopes (ownership_token) WHERE ownership_token IS NOT NULL;

CREATE INDEX scopes_dirty ON scopes (scope_kind = 'home', coalesce(source_at_ms, 0) DESC, scope_kind, scope_key)
    WHERE inputs_mark > consolidated_mark;

CREATE INDEX scopes_resting ON scopes (finished_at_ms) WHERE inputs_mark > consolidated_mark AND reason IS NULL;

CREATE INDEX threads_by_fork ON threads (forked_from_id) WHERE forked_from_id IS NOT NULL;

CREATE INDEX threads_by_nested_source ON threads (source) WHERE source_class <> source;

CREATE INDEX threads_by_parent ON threads (parent_thread_id) WHERE parent_thread_id IS NOT NULL;

CREATE INDEX threads_by_path ON threads (rollout_path);

CREATE INDEX threads_by_update   ON threads (updated_at_ms DESC, id DESC);

CREATE INDEX threads_listed_by_creation
    ON threads (listing_group, created_at_ms, id, title, name)
    WHERE preview <> '' AND is_file_gone = 0;

CREATE INDEX threads_listed_by_recency
    ON threads (listing_group, recency_at_ms, id)
    WHERE preview <> '' AND is_file_gone = 0;

CREATE INDEX threads_listed_by_update
    ON threads (listing_group, updated_at_ms, id)
    WHERE preview <> '' AND is_file_gone = 0;

CREATE INDEX threads_of_cwd_by_creation
    ON threads (cwd, listing_group, created_at_ms, id)
    WHERE preview <> '' AND is_file_gone = 0;

CREATE INDEX threads_of_cwd_by_recency
    ON threads (cwd, listing_group, recency_at_ms, id)
    WHERE preview <> '' AND is_file_gone = 0;

CREATE INDEX threads_of_cwd_by_update
    ON threads (cwd, listing_group, updated_at_ms, id)
    WHERE preview <> '' AND is_file_gone = 0;
