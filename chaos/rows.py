"""What the laws look at: the rows of one moment, read by a connection of their own that only reads."""

from pathlib import Path
from typing import Any, NamedTuple

import apsw
import attrs


class Lease(NamedTuple):
    """The owner's columns of a row that can be owned."""

    process: str | None
    worker: str | None
    token: str | None
    fencing_number: int
    boot_id: str | None
    until_boot_ms: int | None
    renewed_boot_ms: int | None


class Job(NamedTuple):
    """What is not about the lease in an extraction job."""

    status: str
    attempts: int
    given_back: int
    claimed_revision: int | None
    done_revision: int | None
    reason: str | None
    next_attempt_at_ms: int | None
    scope_key: str = ""


class ScopeState(NamedTuple):
    """What is not about the lease in a scope."""

    inputs_mark: int
    consolidated_mark: int
    claimed_mark: int | None
    generation: int
    generation_folder: str | None
    attempts: int
    next_attempt_at_ms: int | None


class Memory(NamedTuple):
    """When a memory was changed, and its text."""

    updated_at_ms: int
    text: str


class Thread(NamedTuple):
    """Which rollout holds a thread, and the digest of what an extraction would look at."""

    rollout_path: str
    content_digest: str


class File(NamedTuple):
    """What is known of a rollout."""

    status: str
    size_bytes: int
    mtime_ns: int
    thread_id: str | None
    reason: str | None
    next_attempt_at_ms: int | None
    archived: int = 0


RowKey = tuple[str, str]
"""A kind ("backfill", "extraction", "consolidation") and a key within it; a job's is its thread."""


@attrs.frozen(kw_only=True)
class Rows:
    """The rows of one moment, by their keys."""

    leases: dict[RowKey, Lease]
    jobs: dict[str, Job]
    scopes: dict[str, ScopeState]
    memories: dict[tuple[str, str], Memory]
    revisions: dict[str, int]
    files: dict[str, File]
    processes: frozenset[str]
    threads: dict[str, Thread] = attrs.field(factory=dict)


_LEASE = (
    "owner_process, owner_worker, ownership_token, fencing_number, lease_boot_id, lease_until_boot_ms, renewed_boot_ms"
)


class RowReader:
    """Reads the rows again and again; what no commit touched is not read anew."""

    def __init__(self, database: Path) -> None:
        self._connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
        self._rows: Rows | None = None

    def close(self) -> None:
        """Close the connection, and with it the log, if nobody else has it open."""
        self._connection.close(True)

    def read(self, changed: set[str] | None = None) -> Rows:
        """The rows of now. changed: the tables that may differ from the last reading; None: all."""
        last = self._rows
        if last is None or changed is None:
            changed = {"backfill", "extraction_jobs", "scopes", "memories", "threads", "rollout_files", "processes"}
        update: dict[str, Any] = {}
        self._connection.execute("BEGIN")
        try:
            if changed & {"backfill", "extraction_jobs", "scopes"}:
                leases = dict(last.leases) if last is not None else {}
                for kind in ("backfill", "extraction", "consolidation"):
                    self._read_leases(kind, changed, leases, update)
                update["leases"] = leases
            if "memories" in changed:
                update["memories"] = {
                    (row[0], row[1]): Memory(row[2], row[3])
                    for row in self._connection.execute(
                        "SELECT thread_id, scope_key, updated_at_ms, raw_memory || char(0) || rollout_summary"
                        " FROM memories"
                    )
                }
            if "threads" in changed:
                threads = list(
                    self._connection.execute("SELECT id, content_revision, rollout_path, content_digest FROM threads")
                )
                update["revisions"] = {row[0]: row[1] for row in threads}
                update["threads"] = {row[0]: Thread(*row[2:]) for row in threads}
            if "rollout_files" in changed:
                update["files"] = {
                    row[0]: File(*row[1:])
                    for row in self._connection.execute(
                        "SELECT path, status, size_bytes, mtime_ns, thread_id, reason, next_attempt_at_ms, archived"
                        " FROM rollout_files"
                    )
                }
            if "processes" in changed:
                update["processes"] = frozenset(
                    row[0] for row in self._connection.execute("SELECT process_uuid FROM processes")
                )
        finally:
            self._connection.execute("COMMIT")
        self._rows = Rows(**update) if last is None else attrs.evolve(last, **update)
        return self._rows

    def _read_leases(self, kind: str, changed: set[str], leases: dict[RowKey, Lease], update: dict[str, Any]) -> None:
        if kind == "backfill" and "backfill" in changed:
            for row in self._connection.execute(f"SELECT {_LEASE} FROM backfill"):
                leases[kind, ""] = Lease(*row)
        if kind == "extraction" and "extraction_jobs" in changed:
            jobs = {}
            for row in self._connection.execute(
                f"SELECT thread_id, {_LEASE}, status, attempts, given_back, claimed_revision, done_revision, reason,"
                " next_attempt_at_ms, scope_key FROM extraction_jobs"
            ):
                leases[kind, row[0]] = Lease(*row[1:8])
                jobs[row[0]] = Job(*row[8:])
            update["jobs"] = jobs
        if kind == "consolidation" and "scopes" in changed:
            scopes = {}
            for row in self._connection.execute(
                f"SELECT scope_kind || ':' || scope_key, {_LEASE}, inputs_mark, consolidated_mark, claimed_mark,"
                " generation, generation_folder, attempts, next_attempt_at_ms FROM scopes"
            ):
                leases[kind, row[0]] = Lease(*row[1:8])
                scopes[row[0]] = ScopeState(*row[8:])
            update["scopes"] = scopes
