-- What memoryd says of itself, in a file of its own: nothing waits for it, and it may be lost without harm.

-- Processes that opened this file for writing, as in the state database; last_batch_id decides after an I/O error in
-- COMMIT what was kept.
CREATE TABLE processes (
    process_uuid  TEXT    NOT NULL PRIMARY KEY,
    boot_id       TEXT    NOT NULL,
    pid           INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    last_batch_id TEXT
) STRICT;

-- at_ns is Unix nanoseconds on the wall clock. AUTOINCREMENT: an id is never used again, so that whoever follows by id
-- misses nothing. estimated_bytes is what a row counts for when the oldest of its partition have to go.
CREATE TABLE logs (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at_ns           INTEGER NOT NULL,
    level           TEXT    NOT NULL,
    target          TEXT    NOT NULL,
    message         TEXT    NOT NULL,
    thread_id       TEXT,
    module          TEXT,
    file            TEXT,
    line            INTEGER,
    process_uuid    TEXT,
    estimated_bytes INTEGER NOT NULL
) STRICT;

-- Holds all that retention looks at: the newest rows of one partition, and what they count for.
CREATE INDEX logs_by_thread ON logs (thread_id, id, estimated_bytes) WHERE thread_id IS NOT NULL;
CREATE INDEX logs_by_process ON logs (process_uuid, id, estimated_bytes, thread_id) WHERE thread_id IS NULL;

CREATE INDEX logs_by_time ON logs (at_ns);

PRAGMA user_version = 1;
