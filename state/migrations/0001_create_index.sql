-- The index of threads, and the rollout files that it is a projection of.
-- Times: *_at_ms are Unix milliseconds (wall clock, for people and ages); *_boot_ms are on the machine's boot clock.
-- No DEFAULTs on owned columns: every writer must say what it means.

-- One state belongs to one Codex home.
CREATE TABLE home (
    id            INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    codex_home    TEXT    NOT NULL,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- Processes that opened this store for writing. The OS lock on processes/<process_uuid>.lock says whether one lives.
-- last_batch_id names the newest transaction of that process: it decides, after an I/O error in COMMIT, what was kept.
CREATE TABLE processes (
    process_uuid  TEXT    NOT NULL PRIMARY KEY,
    boot_id       TEXT    NOT NULL,
    pid           INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    last_batch_id TEXT
) STRICT;

-- How the workers of a running service do; written only when that changes.
CREATE TABLE workers (
    process_uuid TEXT    NOT NULL REFERENCES processes (process_uuid) ON DELETE CASCADE,
    worker       TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('running', 'restarting', 'down')),
    crashes      INTEGER NOT NULL,
    reason       TEXT,
    since_ms     INTEGER NOT NULL,
    PRIMARY KEY (process_uuid, worker)
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

CREATE INDEX threads_by_creation ON threads (created_at_ms DESC, id DESC);
CREATE INDEX threads_by_update   ON threads (updated_at_ms DESC, id DESC);
CREATE INDEX threads_by_recency  ON threads (recency_at_ms DESC, id DESC);
CREATE INDEX threads_by_cwd      ON threads (cwd, updated_at_ms DESC, id DESC);

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

-- Every rollout file that was ever seen, with what became of it. Nothing is lost silently.
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

CREATE INDEX rollout_files_by_status ON rollout_files (status, path DESC);
CREATE INDEX rollout_files_by_thread ON rollout_files (thread_id);

-- One process at a time scans. A free row has no token.
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

INSERT INTO backfill (id, fencing_number) VALUES (1, 0);

PRAGMA user_version = 1;
