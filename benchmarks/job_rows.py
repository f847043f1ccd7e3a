"""A state database full of extraction jobs, made without reading a rollout: what the store and its peers work on."""

from pathlib import Path

import apsw

from state.clock import machine_clock
from state.folder import StateFolder, prepare
from state.opening import open_for_writing

CODEX_HOME = "/home/nobody/.codex"
SCOPES = 8
"""So many working folders have sessions."""

_JOB = (
    "INSERT INTO extraction_jobs (thread_id, scope_kind, scope_key, status, content_at_ms, attempts, given_back,"
    " fencing_number, claimed_revision, ownership_token, owner_process, owner_worker, eligible_source)"
    " VALUES (?, 'cwd', ?, ?, ?, 0, 0, 0, ?, ?, ?, ?, 'cli')"
)


def thread_name(number: int) -> str:
    """The thread of this number."""
    return f"01990000-0000-7000-8000-{number:012x}"


def token_name(number: int) -> str:
    """The token under which the job of this number runs, where jobs are made running."""
    return f"token-{number:026}"


def fill_state(folder: Path, jobs: int, *, running: bool = False) -> StateFolder:
    """Make a state folder with so many threads, each with a job that waits; or that runs under `token_name`."""
    state = StateFolder(path=folder)
    prepare(state)
    opened = open_for_writing(state, CODEX_HOME, machine_clock)
    opened.group_commit.close()
    opened.long_reads.close()
    opened.locks.close()
    connection = apsw.Connection(str(state.database))
    columns = connection.execute(
        "SELECT name, type FROM pragma_table_info('threads') WHERE \"notnull\" AND dflt_value IS NULL"
    ).fetchall()
    names = ", ".join(str(name) for name, _ in columns)
    marks = ", ".join("?" * len(columns))
    with connection:
        for number in range(jobs):
            given = {
                "id": thread_name(number),
                "memory_mode": "enabled",
                "source": "cli",
                "cwd": f"/home/nobody/project-{number % SCOPES}",
                "rollout_path": f"sessions/2026/01/01/rollout-{thread_name(number)}.jsonl",
            }
            values = [given.get(str(name), 1 if kind == "INTEGER" else "") for name, kind in columns]
            connection.execute(f"INSERT INTO threads ({names}) VALUES ({marks})", values)
            held = (1, token_name(number), "process", "worker") if running else (None, None, None, None)
            status = "running" if running else "pending"
            connection.execute(_JOB, (thread_name(number), given["cwd"], status, number, *held))
    connection.close()
    return state
