"""A state database with an invented history of any length, written with SQL in seconds instead of folded in hours.

The spread is that of people's homes: a few projects with most of the threads and many with few, most sources and
providers common and some at one thread in a thousand, a tenth archived, some without a preview, some whose file is
gone; jobs in every state, and most that wait not eligible, since such jobs wait for ever.
"""

from pathlib import Path

import apsw

from state.connection import open_writer
from state.migrate import migrate

NOW_MS = 1_770_000_000_000
"""When the newest thread ends; older ones end two minutes apart."""

RARE_ONE_IN = 1_000
RARE_CWD = "/srv/rare"
RARE_PROVIDER = "local"
RARE_SOURCE = '{"custom":"atlas"}'
RARE_WORD = "Zephyranthes"
"""Each of these at one thread in RARE_ONE_IN."""

MISSING_WORD = "Quixotically"
"""In no title."""

SMALL_PROJECT = "/srv/project-0007"
"""A project of usual size: it has some threads in every home of a hundred or more."""

BOOT_ID = "benchmark"

_SERIES = "WITH RECURSIVE series (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n + 1 < :threads)"

_THREADS = f"""
{_SERIES},
drawn AS (SELECT n, (n * 2654435761) % 4294967296 / 4294967296.0 AS a, (n * 40503 * 65537 + 12345) % 1000003 / 1000003.0
    AS b, (n * 69069 + 1) % 16777213 / 16777213.0 AS c FROM series),
chosen AS (SELECT *, printf('%08x-%04x-7000-8000-%012x', 20000000 + n / 65536, n % 65536, n) AS id,
    n % {RARE_ONE_IN} = 7 AS rare, {NOW_MS} - (:threads - n) * 120000 AS at_ms FROM drawn)
INSERT INTO threads (id, rollout_path, created_at_ms, updated_at_ms, recency_at_ms, archived_at_ms, source, originator,
    parent_thread_id, model_provider, model, cwd, cli_version, history_mode, memory_mode, title, name, preview,
    first_user_message, sandbox_policy, approval_mode, tokens_used, git_sha, git_branch, git_origin_url, content_at_ms,
    content_digest, content_revision, is_file_gone)
SELECT id, (CASE WHEN n % 10 = 3 THEN 'archived_sessions' ELSE 'sessions/2025/11/26' END)
        || '/rollout-2025-11-26T00-00-00-' || id || '.jsonl',
    at_ms, at_ms + CAST(b * 90000000 AS INTEGER), at_ms + CAST(c * 90000000 AS INTEGER),
    CASE WHEN n % 10 = 3 THEN at_ms END,
    CASE WHEN rare THEN '{RARE_SOURCE}' WHEN a < 0.55 THEN 'cli' WHEN a < 0.75 THEN 'vscode' WHEN a < 0.89 THEN 'exec'
        WHEN a < 0.9 THEN 'mcp' ELSE '{{"subagent":{{"thread_spawn":{{"parent_thread_id":"' || printf('%012x', n / 5)
        || '","depth":1}}}}}}' END,
    'codex_cli_rs', NULL,
    CASE WHEN rare THEN '{RARE_PROVIDER}' WHEN b < 0.9 THEN 'openai' ELSE 'azure' END, 'gpt-5.4',
    CASE WHEN rare THEN '{RARE_CWD}' ELSE printf('/srv/project-%04d', CAST(c * c * c * :projects AS INTEGER)) END,
    '0.169.0', 'legacy', CASE WHEN n % 50 = 9 THEN 'disabled' ELSE 'enabled' END,
    CASE WHEN n % 33 = 5 THEN '' ELSE substr('please look at the failing test in module ' || printf('%06x', n * 7919)
        || ' and tell me why the second call of the client never returns when the server is slow; then mend it', 1,
        30 + CAST(b * 110 AS INTEGER)) || CASE WHEN rare THEN ' {RARE_WORD}' ELSE '' END END,
    CASE WHEN n % 20 = 1 THEN 'named ' || n END,
    CASE WHEN n % 50 = 4 THEN '' ELSE 'please look at the failing test in module ' || printf('%06x', n * 7919) END,
    'please look at the failing test in module ' || printf('%06x', n * 7919),
    '{{"type":"read-only"}}', 'on-request', n % 90000, printf('%040x', n), 'main', 'https://example.org/project.git',
    at_ms + 60000, printf('%032x', n), 1, n % 33 = 2
FROM chosen
"""

_FILES = """
INSERT INTO rollout_files (path, archived, size_bytes, mtime_ns, inode, status, reason, thread_id, offset_bytes,
    head_digest, tail_digest, fold_state, lines_skipped, attempts, next_attempt_at_ms, registered_at_ms, read_at_ms)
SELECT rollout_path, archived_at_ms IS NOT NULL, 25000, updated_at_ms * 1000000, rowid,
    CASE WHEN is_file_gone THEN 'vanished' ELSE 'indexed' END,
    CASE WHEN is_file_gone THEN 'the file is gone' END, id, 25000, printf('%032x', rowid),
    printf('%032x', rowid), zeroblob(200), 0, 0, NULL, updated_at_ms, updated_at_ms
FROM threads
"""

_JOBS = """
INSERT INTO extraction_jobs (thread_id, scope_kind, scope_key, status, content_at_ms, claimed_revision, done_revision,
    done_input_digest, done_extractor, done_version, attempts, given_back, next_attempt_at_ms, reason, fencing_number,
    finished_at_ms, eligible_source)
SELECT id, 'cwd', cwd, CASE WHEN r % 1000 < 4 THEN 'retry' WHEN r % 1000 < 14 THEN 'dead' WHEN r % 1000 < 80 THEN
        'empty' WHEN r % 1000 < 90 OR source NOT IN ('cli', 'vscode') OR archived_at_ms IS NOT NULL THEN 'pending'
        ELSE 'succeeded' END,
    content_at_ms, CASE WHEN r % 1000 < 14 THEN 1 END, CASE WHEN r % 1000 >= 14 THEN 1 END, printf('%032x', r),
    'builtin', 3, CASE WHEN r % 1000 < 14 THEN 2 ELSE 0 END, 0,
    CASE WHEN r % 1000 < 4 THEN :now_ms + r % 3000000 END,
    CASE WHEN r % 1000 < 14 THEN 'the model could not be reached' END, 1, content_at_ms + 60000,
    CASE WHEN archived_at_ms IS NULL AND memory_mode = 'enabled' THEN source END
FROM (SELECT *, (rowid * 7919) % 1000003 AS r FROM threads WHERE preview <> '')
"""

_MEMORIES = """
INSERT INTO memories (thread_id, scope_kind, scope_key, raw_memory, rollout_summary, rollout_slug, source_at_ms,
    generated_at_ms, updated_at_ms, extractor, usage_count, last_used_at_ms, selected_source_at_ms)
SELECT thread_id, scope_kind, scope_key, 'the second call needs its own timeout; the tests are run with make test',
    'the client waited for ever; a timeout mended it', 'client-timeout', content_at_ms, finished_at_ms, finished_at_ms,
    'builtin:3', (rowid * 31) % 7, CASE WHEN rowid % 5 = 0 THEN finished_at_ms + 86400000 END,
    CASE WHEN rowid % 3 = 0 THEN content_at_ms END
FROM extraction_jobs WHERE status = 'succeeded'
"""

_SCOPES = """
INSERT INTO scopes (scope_kind, scope_key, inputs_mark, consolidated_mark, generation, generation_folder,
    published_digest, published_at_ms, source_at_ms, published_memories, attempts, next_attempt_at_ms, reason,
    fencing_number, finished_at_ms)
SELECT 'cwd', key, 10, CASE WHEN r % 20 < 2 THEN 9 ELSE 10 END, 3, 'scopes/' || key, 'digest', newest_ms, newest_ms, 12,
    CASE WHEN r % 20 = 0 THEN 2 ELSE 0 END, CASE WHEN r % 20 = 0 THEN :now_ms + 60000 + r END,
    CASE WHEN r % 20 = 0 THEN 'the disk was full' END, 3, newest_ms
FROM (SELECT cwd AS key, max(content_at_ms) AS newest_ms, row_number() OVER (ORDER BY cwd) AS r FROM threads
    GROUP BY cwd)
"""


def build_history(database: Path, threads: int) -> apsw.Connection:
    """Make a database with `threads` threads and all that hangs on them; answer the connection that made it.

    Indexes and triggers of the schema are left out while the rows are written, and made afterwards.
    """
    connection = open_writer(database)
    migrate(connection)
    connection.execute("PRAGMA cache_size = -200000").fetchall()
    with connection:
        later = connection.execute(
            "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
        ).fetchall()
        for kind, name, _ in later:
            connection.execute(f"DROP {kind} {name}")
        for statement in (_THREADS, _FILES, _JOBS, _MEMORIES, _SCOPES) if threads else ():
            projects = min(2_000, max(20, threads // 50))
            values = {"threads": threads, "projects": projects, "now_ms": NOW_MS}
            connection.execute(statement, {name: value for name, value in values.items() if f":{name}" in statement})
        connection.execute("UPDATE backfill SET listed_at_ms = ? WHERE id = 1", (NOW_MS,))
        for _, _, sql in later:
            connection.execute(str(sql))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return connection
