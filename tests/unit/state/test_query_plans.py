"""No statement of the service reads more than it needs, however much the tables hold.

Every request is asked of a real store, the statements that it runs are recorded on their way to SQLite, and SQLite says
how it goes about each: with statistics of the tables and without, since nobody says whether there are any.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import attrs
import pytest

from benchmarks.long_history import NOW_MS, SMALL_PROJECT, build_history
from state.folder import StateFolder
from state.ids import ThreadId
from state.log_opening import open_logs_for_writing
from state.messages import (
    backfill,
    consolidation,
    drift,
    extraction,
    jobs,
    logs,
    memories,
    memory_rows,
    retention,
    thread_family,
    threads,
)
from state.messages.base import Request
from state.opening import open_for_writing
from state.rules.registry import LOG_RULES, RULES
from tests.fakes.clock import ManualClock
from tests.fakes.direct_store import DirectStore
from tests.fakes.every_request import of_the_logs, of_the_state
from tests.unit.state.conftest import CODEX_HOME

THREADS = 2_000

STEPS_OF_A_PAGE = 3_000
"""A page that is not full in the short history may be in the long one."""

SMALL = {"backfill", "home", "processes", "workers"}
"""Tables that do not grow with a history."""

Meant = tuple[str, str]

MEANT: dict[type[Request[Any]], Meant] = {
    threads.ListThreadIds: (
        r"USE TEMP B-TREE FOR ORDER BY",
        "a text in titles leads to no index, and few threads share a source that names another thread",
    ),
    backfill.GetBackfillState: (r"SCAN rollout_files USING COVERING INDEX", "counts every file by its status"),
    extraction.GetExtractionTotals: (
        r"SCAN extraction_jobs USING COVERING INDEX|USE TEMP B-TREE FOR GROUP BY",
        "counts every job by its status, and says why those that wait do",
    ),
    consolidation.GetConsolidationTotals: (r"SCAN scopes", "counts every project"),
    consolidation.ListPublishedScopes: (r"SCAN scopes|USE TEMP B-TREE FOR ORDER BY", "answers every project"),
    drift.ListDamagedLeases: (r"SCAN (extraction_jobs|scopes)", "the doctor looks at every lease"),
    drift.ListGenerations: (r"SCAN scopes|USE TEMP B-TREE FOR ORDER BY", "the doctor looks at every project"),
    logs.QueryLogs: (r"SCAN logs", "the log database is bounded, and any text is searched in it"),
}
"""Long reads that walk: what of their plans may be, and why. Each is on the connection that only reads."""

BOUNDED: dict[type[Request[Any]], Meant] = {
    drift.LookUpRollouts: (r"USE TEMP B-TREE FOR ORDER BY", "as many rows as paths and threads were named"),
    extraction.ClaimExtraction: (
        r"SCAN extraction_jobs|USE TEMP B-TREE FOR ORDER BY",
        "the jobs that run now, by the end of their lease",
    ),
    thread_family.FindThreadFamily: (r"USE TEMP B-TREE FOR (GROUP|ORDER) BY", "the agents of one thread"),
    retention.PruneMemories: (r"USE TEMP B-TREE FOR DISTINCT", "what is too old by now and not pruned yet"),
    memories.GetMemories: (r"USE TEMP B-TREE FOR ORDER BY", "the memories of one thread"),
    memory_rows.GetNewestMemory: (r"USE TEMP B-TREE FOR ORDER BY", "the memories of one thread"),
}
"""Others that sort or walk what does not grow with the history."""


@attrs.frozen
class Statement:
    """One statement as it was run."""

    sql: str
    bindings: Any
    asked: type[Request[Any]] | None


@attrs.define
class Recorder:
    """Notes what connections run, and for which request.

    Attributes:
      statements: each once for each kind of request.
      steps: steps of SQLite's machine, by the number of the request.
    """

    statements: dict[tuple[str, type[Request[Any]] | None], Statement] = attrs.field(factory=dict)
    steps: list[int] = attrs.field(factory=list)
    asked: type[Request[Any]] | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch every connection that is opened in the block."""

        def watch(connection: apsw.Connection) -> None:
            connection.exec_trace = self._run
            connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self._ran)

        apsw.connection_hooks.append(watch)
        try:
            yield
        finally:
            apsw.connection_hooks.remove(watch)

    def _run(self, _cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        self.statements.setdefault((sql, self.asked), Statement(sql, bindings, self.asked))
        return True

    def _ran(self, event: dict[str, Any]) -> None:
        if self.asked is not None:
            self.steps[-1] += event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]

    def ask_all(self, writer: DirectStore, reader: DirectStore, requests: Sequence[Request[Any]]) -> None:
        """Ask each of the connection that answers it; none fails."""
        for request in requests:
            self.asked = type(request)
            self.steps.append(0)
            reply = (reader if request.is_long_read else writer).ask(request)
            assert not isinstance(reply, Exception), f"{request}: {reply}"
        self.asked = None


@attrs.frozen
class Recording:
    """What was run on which database, and how SQLite goes about it. steps: of each request."""

    database: Path
    statements: Sequence[Statement]
    steps: Sequence[tuple[Request[Any], int]] = ()

    def plans(self) -> Iterator[tuple[Statement, list[str]]]:
        """Each statement that reads or changes rows, with the lines of its plan."""
        connection = apsw.Connection(str(self.database))
        for statement in self.statements:
            if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", statement.sql):
                plan = connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.bindings)
                yield statement, [str(row[3]) for row in plan]
        connection.close()


def growing_tables(database: Path) -> set[str]:
    """The tables that hold as much as there is history."""
    connection = apsw.Connection(str(database))
    names = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    connection.close()
    return {name for name in names if not name.startswith("sqlite_")} - SMALL


def walks(sql: str, plan: Sequence[str], growing: set[str]) -> list[str]:
    """The lines of a plan that read all of a table that grows, or sort what may be all of one.

    A walk along an index that ends with a LIMIT is none of them: how far it goes is seen where steps are counted.
    """
    named = "|".join(growing)
    aliases = growing | {
        alias for _, alias in re.findall(rf"\b({named})\s+(?:AS\s+)?(?!(?:WHERE|SET|ON|JOIN|USING)\b)([a-z]\w*)", sql)
    }
    if not re.search(rf"\b({named})\b", sql):
        return []
    sorts = [line for line in plan if re.match(r"USE TEMP B-TREE FOR (ORDER|GROUP|DISTINCT)", line)]
    scans = [line for line in plan if (scan := re.match(r"SCAN (\w+)", line)) and scan[1] in aliases]
    if not sorts and "LIMIT" in sql:
        scans = [line for line in scans if "INDEX" not in line]
    return sorts + scans


def record(folder: StateFolder, threads_known: int, *, analyzed: bool) -> Recording:
    """Ask every request of a store with an invented history."""
    folder.path.mkdir(mode=0o700)
    connection = build_history(folder.database, threads_known)
    ((known,),) = connection.execute(
        "SELECT thread_id FROM memories WHERE scope_key = ? LIMIT 1", (SMALL_PROJECT,)
    ).fetchall()
    if analyzed:
        connection.execute("ANALYZE")
    connection.close()
    recorder = Recorder()
    requests = of_the_state(ThreadId(str(known)))
    with recorder.watching():
        opened = open_for_writing(folder, CODEX_HOME, ManualClock(wall_ms=NOW_MS))
        recorder.ask_all(DirectStore(opened.group_commit), DirectStore(opened.long_reads), requests)
        opened.long_reads.close()
        opened.group_commit.close()
        opened.locks.close()
    return Recording(
        folder.database, list(recorder.statements.values()), list(zip(requests, recorder.steps, strict=True))
    )


@pytest.fixture(scope="module", params=["without statistics", "with statistics"])
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Every request, asked of a store with an invented history."""
    folder = StateFolder(path=tmp_path_factory.mktemp("plans") / "state")
    return record(folder, THREADS, analyzed=request.param == "with statistics")


def test_every_request_is_asked_here(recording: Recording) -> None:
    """A new request needs an example in tests/fakes/every_request.py."""
    ours = {asked for asked in RULES if asked.__module__.startswith("state.messages.")}

    assert {statement.asked for statement in recording.statements} - {None} == ours


def test_no_statement_reads_all_of_a_table_that_grows(recording: Recording) -> None:
    growing = growing_tables(recording.database)
    allowed = {asked: meant for asked, (meant, _) in (MEANT | BOUNDED).items()}
    found = {
        (statement.asked.__name__ if statement.asked else "opening", line, statement.sql)
        for statement, plan in recording.plans()
        for line in walks(statement.sql, plan, growing)
        if statement.asked not in allowed or not re.search(allowed[statement.asked], line)
    }

    assert not found, "\n\n".join("\n".join(one) for one in sorted(found))


def test_no_request_takes_more_steps_on_a_history_of_ten_times_the_length(tmp_path: Path) -> None:
    """Where the plan shows a search it may still be one for most rows. Counted, not timed."""
    short, long = (
        record(StateFolder(path=tmp_path / str(count)), count, analyzed=False).steps
        for count in (THREADS, 10 * THREADS)
    )
    grown = [
        f"{before} -> {after}: {request}"
        for (request, before), (_, after) in zip(short, long, strict=True)
        if after > 1.3 * before + STEPS_OF_A_PAGE and not may_grow(request)
    ]

    assert not grown, "\n".join(grown)


def may_grow(request: Request[Any]) -> bool:
    """What walks on purpose; of the listings those that look for a text, or for projects in a state."""
    match request:
        case threads.ListThreadIds():
            return request.title_contains is not None
        case jobs.ListJobs():
            return request.status is not None and request.kind is not jobs.JobKind.EXTRACTION
        case _:
            return type(request) in {*MEANT, drift.FindIndexDrift}


def test_what_walks_on_purpose_is_a_long_read() -> None:
    assert [asked.__name__ for asked in MEANT if not asked.is_long_read] == []


def test_every_exception_is_still_needed(recording: Recording) -> None:
    growing = growing_tables(recording.database)
    met = {statement.asked for statement, plan in recording.plans() if walks(statement.sql, plan, growing)}

    assert {asked.__name__ for asked in (MEANT | BOUNDED) if asked in RULES and asked not in met} == set()


def test_triggers_read_no_whole_table(recording: Recording) -> None:
    """What a trigger runs is in nobody's plan, so each of its statements is looked at by itself."""
    growing = growing_tables(recording.database)
    connection = apsw.Connection(str(recording.database))
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    assert triggers
    for name, sql in triggers:
        condition, _, body = str(sql).partition("BEGIN")
        statements = [part.strip() for part in body.removesuffix("END").split(";") if part.strip()]
        if "WHEN" in condition:
            statements.append(f"SELECT {condition.partition('WHEN')[2]}")
        for statement in statements:
            standing_alone = re.sub(r"\b(NEW|OLD)\.(\w+)", r":\1_\2", statement)
            bindings = dict.fromkeys(re.findall(r":(\w+)", standing_alone))
            plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {standing_alone}", bindings)]
            assert walks(standing_alone, plan, growing) == [], f"{name}: {statement}"
    connection.close()


def test_log_statements_read_no_whole_table_but_to_search(tmp_path: Path) -> None:
    folder = StateFolder(path=tmp_path / "state")
    folder.path.mkdir(mode=0o700)
    recorder = Recorder()
    with recorder.watching():
        opened = open_logs_for_writing(folder, ManualClock())
        recorder.ask_all(DirectStore(opened.group_commit), DirectStore(opened.long_reads), of_the_logs())
        opened.long_reads.close()
        opened.group_commit.close()
        opened.locks.close()
    recording = Recording(folder.log_files.database, list(recorder.statements.values()))

    assert {statement.asked for statement in recording.statements} - {None} == set(LOG_RULES)
    for statement, plan in recording.plans():
        found = walks(statement.sql, plan, {"logs"})
        assert found == [] or statement.asked is logs.QueryLogs, f"{statement.sql}: {found}"
