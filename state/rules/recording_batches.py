"""Recording many readings at once.

In a first backfill nearly every file was just registered and holds a thread that nobody knows yet. Such readings are
recorded together, by one statement for each table; all others go, in their order, through the rule of the single one.
"""

from collections import Counter
from collections.abc import Sequence

import attrs

from state.ids import Instant, ThreadId
from state.messages.backfill import RecordRollouts, RolloutRead, RolloutsRecorded, RolloutUnreadable
from state.messages.leases import NotOwner
from state.rollouts.model import ThreadFacts
from state.rules.backfill import is_owner
from state.rules.extraction_work import ADD_JOB, job_columns
from state.rules.recording import (
    INSERT_THREAD,
    WRITE_FILE,
    columns_of,
    file_columns,
    new_thread_columns,
    record_failure,
    record_reading,
)
from state.rules.thread_tools import ADD_TOOL, tool_columns
from state.transaction import Transaction, in_list


async def record_rollouts(tx: Transaction, request: RecordRollouts, at: Instant) -> RolloutsRecorded | NotOwner:
    """Store a batch of readings under the scan's token."""
    if not await is_owner(tx, request.token):
        return NotOwner()
    first = await _first_of_their_threads(tx, request.outcomes)
    await _record_together(tx, first, request.model_provider_default, at)
    counts = {"indexed": len(first), "shadowed": 0, "skipped": 0, "failed": 0}
    recorded = {id(reading.outcome) for reading in first}
    for outcome in request.outcomes:
        if id(outcome) in recorded:
            continue
        match outcome:
            case RolloutRead():
                result = await record_reading(tx, outcome, request.model_provider_default, at)
            case RolloutUnreadable():
                result = await record_failure(tx, outcome, at)
        counts[result] += 1
    return RolloutsRecorded(**counts)


@attrs.frozen
class _FirstReading:
    """The first reading of a file that nobody read before, and the thread in it."""

    outcome: RolloutRead
    facts: ThreadFacts


@attrs.frozen(kw_only=True)
class _File:
    path: str


@attrs.frozen(kw_only=True)
class _Thread:
    id: ThreadId


async def _first_of_their_threads(
    tx: Transaction, outcomes: Sequence[RolloutRead | RolloutUnreadable]
) -> list[_FirstReading]:
    """Those readings beside which there is nothing to decide: no other file or reading, no row and no word of old."""
    readings = [
        _FirstReading(outcome, outcome.reading.facts)
        for outcome in outcomes
        if isinstance(outcome, RolloutRead) and outcome.reading.facts is not None
    ]
    if not readings:
        return []
    named_paths, paths = in_list("path", [reading.outcome.found.path for reading in readings])
    named_ids, ids = in_list("id", [reading.facts.thread_id for reading in readings])
    unread = {
        file.path
        for file in await tx.all(
            _File,
            # The + has SQLite look each path up, and not go through all files that wait.
            f"SELECT path FROM rollout_files WHERE path {named_paths} AND +status = 'pending' AND +thread_id IS NULL",
            **paths,
        )
    }
    taken = {
        thread.id
        for thread in await tx.all(
            _Thread,
            f"SELECT thread_id AS id FROM rollout_files WHERE thread_id {named_ids}"
            f" UNION ALL SELECT id FROM threads WHERE id {named_ids}",
            **ids,
        )
    }
    spoken_of = await tx.journaled_among([reading.facts.thread_id for reading in readings])
    times = Counter(
        outcome.found.path if isinstance(outcome, RolloutRead) else outcome.path for outcome in outcomes
    ) + Counter(reading.facts.thread_id for reading in readings)
    return [
        reading
        for reading in readings
        if reading.outcome.found.path in unread
        and reading.facts.thread_id not in taken
        and reading.facts.thread_id not in spoken_of
        and times[reading.outcome.found.path] == times[reading.facts.thread_id] == 1
    ]


async def _record_together(
    tx: Transaction, readings: Sequence[_FirstReading], model_provider_default: str, at: Instant
) -> None:
    """Write what `record_reading` would write for each of them."""
    files = [
        file_columns(outcome := reading.outcome, "indexed", outcome.reading.remark, reading.facts.thread_id, at)
        for reading in readings
    ]
    threads = [
        new_thread_columns(reading.outcome, columns_of(reading.outcome, reading.facts, model_provider_default))
        for reading in readings
    ]
    tools = [
        tool_columns(reading.facts.thread_id, position, tool)
        for reading in readings
        for position, tool in enumerate(reading.facts.dynamic_tools)
    ]
    jobs = [
        job_columns(row)
        for reading, row in zip(readings, threads, strict=True)
        if reading.facts.preview and reading.facts.content_at_ms is not None
    ]
    for statement, rows in ((WRITE_FILE, files), (INSERT_THREAD, threads), (ADD_TOOL, tools), (ADD_JOB, jobs)):
        await tx.execute_each(statement, rows)
