-- What people and programs said of a thread, beside what its rollout says. An edit goes before every replay of the
-- rollout, field by field; a NULL value is an edit too: it says that the field was cleared.
CREATE TABLE thread_edits (
    thread_id    TEXT    NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    field        TEXT    NOT NULL
        CHECK (field IN ('title', 'name', 'memory_mode', 'git_sha', 'git_branch', 'git_origin_url')),
    value        TEXT,
    edited_at_ms INTEGER NOT NULL,
    PRIMARY KEY (thread_id, field)
) STRICT;

PRAGMA user_version = 5;
