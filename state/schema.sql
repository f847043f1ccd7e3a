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
    finished_at_ms      INTEGER, input_tokens        INTEGER NOT NULL DEFAULT 0, cached_input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens       INTEGER NOT NULL DEFAULT 0, model_calls         INTEGER NOT NULL DEFAULT 0,
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
) STRICT;

CREATE TABLE workers (
    process_uuid TEXT    NOT NULL REFERENCES processes (process_uuid) ON DELETE CASCADE,
    worker       TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('running', 'restarting', 'down')),
    crashes      INTEGER NOT NULL,
    reason       TEXT,
    since_ms     INTEGER NOT NULL,
    PRIMARY KEY (process_uuid, worker)
) STRICT;

CREATE INDEX extraction_jobs_by_status ON extraction_jobs (status);

CREATE UNIQUE INDEX extraction_jobs_by_token ON extraction_jobs (ownership_token) WHERE ownership_token IS NOT NULL;

CREATE INDEX extraction_jobs_running ON extraction_jobs (owner_process) WHERE status = 'running';

CREATE INDEX extraction_jobs_waiting ON extraction_jobs (content_at_ms DESC, thread_id DESC)
    WHERE status IN ('pending', 'retry');

CREATE INDEX memories_by_scope  ON memories (scope_kind, scope_key, updated_at_ms DESC, thread_id DESC);

CREATE INDEX memories_by_update ON memories (updated_at_ms DESC, thread_id DESC);

CREATE INDEX rollout_files_by_status ON rollout_files (status, path DESC);

CREATE INDEX rollout_files_by_thread ON rollout_files (thread_id);

CREATE UNIQUE INDEX scopes_by_token ON scopes (ownership_token) WHERE ownership_token IS NOT NULL;

CREATE INDEX scopes_dirty ON scopes (scope_kind, scope_key) WHERE inputs_mark > consolidated_mark;

CREATE INDEX threads_by_creation ON threads (created_at_ms DESC, id DESC);

CREATE INDEX threads_by_cwd      ON threads (cwd, updated_at_ms DESC, id DESC);

CREATE INDEX threads_by_recency  ON threads (recency_at_ms DESC, id DESC);

CREATE INDEX threads_by_update   ON threads (updated_at_ms DESC, id DESC);
