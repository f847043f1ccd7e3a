-- Extraction jobs, memories and scopes: what the service makes of the index.
-- Lease columns are the same in every owned table; a row is owned exactly while ownership_token is set.

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
    finished_at_ms      INTEGER,
    PRIMARY KEY (thread_id, scope_kind, scope_key),
    CHECK ((status = 'running') = (ownership_token IS NOT NULL))
) STRICT;

CREATE INDEX extraction_jobs_waiting ON extraction_jobs (content_at_ms DESC, thread_id DESC)
    WHERE status IN ('pending', 'retry');
CREATE INDEX extraction_jobs_running ON extraction_jobs (owner_process) WHERE status = 'running';
CREATE INDEX extraction_jobs_by_status ON extraction_jobs (status);
CREATE UNIQUE INDEX extraction_jobs_by_token ON extraction_jobs (ownership_token) WHERE ownership_token IS NOT NULL;

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
    invalid_reason  TEXT,
    PRIMARY KEY (thread_id, scope_kind, scope_key)
) STRICT;

CREATE INDEX memories_by_scope  ON memories (scope_kind, scope_key, updated_at_ms DESC, thread_id DESC);
CREATE INDEX memories_by_update ON memories (updated_at_ms DESC, thread_id DESC);

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

-- A scope is dirty exactly while inputs_mark > consolidated_mark. The row names the current generation of its files;
-- the file system follows it, never the other way round.
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

CREATE INDEX scopes_dirty ON scopes (scope_kind, scope_key) WHERE inputs_mark > consolidated_mark;
CREATE UNIQUE INDEX scopes_by_token ON scopes (ownership_token) WHERE ownership_token IS NOT NULL;

PRAGMA user_version = 2;
