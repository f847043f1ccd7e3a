"""Log entries: stored many at a time, found by filters, and few enough by themselves.

Retention is part of the storing transaction, so the table never holds more than it may for longer than a batch.
"""

from state.ids import Instant
from state.messages.logs import (
    DeleteLogsBefore,
    GetMaxLogId,
    InsertLogs,
    LogEntry,
    LogFilter,
    QueryLogs,
    StoredLogEntry,
)
from state.transaction import SqlValue, Transaction, in_list

PARTITION_BYTES_MAX = 10 * 1024 * 1024
"""What the entries of one partition may count for together; the newest are kept."""

PARTITION_ENTRIES_MAX = 1_000


def estimated_bytes(entry: LogEntry) -> int:
    """What an entry counts for: its texts in UTF-8, without the few bytes of its numbers."""
    texts = (entry.level, entry.target, entry.message, entry.thread_id, entry.module, entry.file, entry.process_uuid)
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts if text is not None)


async def insert_logs(tx: Transaction, request: InsertLogs, at: Instant) -> int:
    """Store the entries, then trim the partitions that they are in."""
    for entry in request.entries:
        await tx.execute(
            "INSERT INTO logs (at_ns, level, target, message, thread_id, module, file, line, process_uuid,"
            " estimated_bytes) VALUES (:at_ns, :level, :target, :message, :thread_id, :module, :file, :line,"
            " :process_uuid, :estimated_bytes)",
            at_ns=entry.at_ns,
            level=entry.level.upper(),
            target=entry.target,
            message=entry.message,
            thread_id=entry.thread_id,
            module=entry.module,
            file=entry.file,
            line=entry.line,
            process_uuid=entry.process_uuid,
            estimated_bytes=estimated_bytes(entry),
        )
    # In the order of the entries, and each once: the same batch does the same work.
    for thread_id, process_uuid in dict.fromkeys(_partition(entry) for entry in request.entries):
        await _trim(tx, thread_id, process_uuid)
    return len(request.entries)


def _partition(entry: LogEntry) -> tuple[str | None, str | None]:
    return (entry.thread_id, None) if entry.thread_id is not None else (None, entry.process_uuid)


async def _trim(tx: Transaction, thread_id: str | None, process_uuid: str | None) -> None:
    if thread_id is not None:
        where, parameters = "thread_id = :thread_id", {"thread_id": thread_id}
    elif process_uuid is not None:
        where, parameters = "thread_id IS NULL AND process_uuid = :process_uuid", {"process_uuid": process_uuid}
    else:
        where, parameters = "thread_id IS NULL AND process_uuid IS NULL", {}
    await tx.execute(
        "DELETE FROM logs WHERE id IN (SELECT id FROM (SELECT id, sum(estimated_bytes) OVER newer AS bytes,"
        f" row_number() OVER newer AS place FROM logs WHERE {where}"
        " WINDOW newer AS (ORDER BY id DESC ROWS UNBOUNDED PRECEDING)) AS counted"
        " WHERE bytes > :bytes_max OR place > :entries_max)",
        bytes_max=PARTITION_BYTES_MAX,
        entries_max=PARTITION_ENTRIES_MAX,
        **parameters,
    )


async def query_logs(tx: Transaction, request: QueryLogs, at: Instant) -> tuple[StoredLogEntry, ...]:
    """The entries that the filter means, in order of their ids."""
    where, parameters = _where(request.filter)
    limit = ""
    if request.limit is not None:
        limit, parameters["limit"] = " LIMIT :limit", request.limit
    return tuple(
        await tx.all(
            StoredLogEntry,
            "SELECT id, at_ns, level, target, message, thread_id, module, file, line, process_uuid, estimated_bytes"
            f" FROM logs{where} ORDER BY id {'DESC' if request.descending else 'ASC'}{limit}",
            **parameters,
        )
    )


def _where(wanted: LogFilter) -> tuple[str, dict[str, SqlValue]]:
    """The filter as the text after the table's name, and its parameters."""
    parts: list[str] = []
    parameters: dict[str, SqlValue] = {}
    if wanted.levels:
        text, values = in_list("level", [level.upper() for level in wanted.levels])
        parts.append(f"level {text}")
        parameters |= values
    for condition, name, value in (
        ("at_ns >= :from_ns", "from_ns", wanted.from_ns),
        ("at_ns <= :to_ns", "to_ns", wanted.to_ns),
        ("id > :after_id", "after_id", wanted.after_id),
        ("instr(message, :search) > 0", "search", wanted.search),
    ):
        if value is not None:
            parts.append(condition)
            parameters[name] = value
    for column, texts in (("module", wanted.modules), ("file", wanted.files)):
        if texts:
            names = {f"{column}_{number}": f"%{text}%" for number, text in enumerate(texts)}
            parts.append("(" + " OR ".join(f"{column} LIKE :{name}" for name in names) + ")")
            parameters |= names
    about = []
    if wanted.thread_ids:
        text, values = in_list("thread_id", wanted.thread_ids)
        about.append(f"thread_id {text}")
        parameters |= values
    if wanted.threadless:
        about.append("thread_id IS NULL")
    if about:
        parts.append(f"({' OR '.join(about)})")
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), parameters


async def get_max_log_id(tx: Transaction, request: GetMaxLogId, at: Instant) -> int:
    """The newest id, by the key."""
    return await tx.count("SELECT coalesce(max(id), 0) FROM logs")


async def delete_logs_before(tx: Transaction, request: DeleteLogsBefore, at: Instant) -> int:
    """Delete what is older, by the index over time."""
    return await tx.execute("DELETE FROM logs WHERE at_ns < :at_ns", at_ns=request.at_ns)
