"""Log entries: what a filter means, and what retention keeps of each partition."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest

from state.ids import ThreadId
from state.log_opening import MIGRATIONS
from state.messages.base import Request
from state.messages.logs import DeleteLogsBefore, GetMaxLogId, InsertLogs, LogEntry, LogFilter, QueryLogs
from state.migrate import migrate, migrations
from state.rules import logs as log_rules
from state.rules.logs import estimated_bytes
from state.rules.registry import LOG_RULES
from state.sqlite_transaction import SqliteTransaction, drive
from tests.fakes.clock import ManualClock

ReplyT = TypeVar("ReplyT")


class Logs:
    """A log database that no disk holds."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        migrate(self.connection, migrations(MIGRATIONS))
        self._transaction = SqliteTransaction(self.connection, Path("/nowhere"))

    def ask(self, request: Request[ReplyT]) -> ReplyT:
        """Run the request's rule."""
        with self.connection:
            reply: ReplyT = drive(LOG_RULES[type(request)](self._transaction, request, ManualClock()()))
        return reply

    def insert(self, *entries: LogEntry) -> None:
        """Store entries in one transaction."""
        self.ask(InsertLogs(entries=entries))

    def messages(self, *, descending: bool = False, limit: int | None = None, **wanted: Any) -> list[str]:
        """The messages that a filter finds."""
        found = self.ask(QueryLogs(filter=LogFilter(**wanted), descending=descending, limit=limit))
        return [entry.message for entry in found]


@pytest.fixture
def logs() -> Iterator[Logs]:
    """An empty log database."""
    opened = Logs()
    yield opened
    opened.connection.close()


def entry(message: str = "said", **fields: Any) -> LogEntry:
    """An entry with what the test does not care about filled in."""
    return LogEntry(**{"at_ns": 1_000, "level": "info", "target": "memoryd", "message": message, **fields})


def test_migration_ends_with_its_own_number_and_makes_strict_tables(logs: Logs) -> None:
    known = migrations(MIGRATIONS)

    assert [one.sql.rstrip().splitlines()[-1] for one in known] == [f"PRAGMA user_version = {n.number};" for n in known]
    loose = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT strict AND name NOT LIKE 'sqlite_%'"
    assert logs.connection.execute(loose).fetchall() == []


def test_entry_comes_back_as_it_was_with_its_level_in_capitals(logs: Logs) -> None:
    said = entry(
        thread_id=ThreadId("t"), module="workers.reaper", file="workers/reaper.py", line=4, process_uuid="pid:1:a"
    )
    logs.insert(said)
    (found,) = logs.ask(QueryLogs())

    assert (found.id, found.level, found.estimated_bytes) == (1, "INFO", estimated_bytes(said))
    fields = ("at_ns", "target", "message", "thread_id", "module", "file", "line", "process_uuid")
    assert [getattr(found, name) for name in fields] == [getattr(said, name) for name in fields]


def test_no_entries_are_no_change(logs: Logs) -> None:
    changes = logs.connection.total_changes()

    assert logs.ask(InsertLogs(entries=())) == 0
    assert logs.connection.total_changes() == changes


def test_newest_id_is_zero_without_entries_and_is_never_used_again(logs: Logs) -> None:
    assert logs.ask(GetMaxLogId()) == 0
    logs.insert(entry(), entry())
    assert logs.ask(GetMaxLogId()) == 2
    logs.ask(DeleteLogsBefore(at_ns=2_000))
    assert logs.ask(GetMaxLogId()) == 0
    logs.insert(entry())
    assert logs.ask(GetMaxLogId()) == 3


def test_level_is_compared_in_capitals(logs: Logs) -> None:
    logs.insert(entry("a", level="warning"), entry("b", level="INFO"), entry("c", level="Error"))

    assert logs.messages(levels=("Warning",)) == ["a"]
    assert logs.messages(levels=("warning", "error")) == ["a", "c"]


def test_first_and_last_instant_are_included(logs: Logs) -> None:
    logs.insert(*(entry(str(at_ns), at_ns=at_ns) for at_ns in (1, 2, 3, 4)))

    assert logs.messages(from_ns=2, to_ns=3) == ["2", "3"]


def test_module_and_file_are_found_by_any_part_of_any_of_them(logs: Logs) -> None:
    logs.insert(
        entry("a", module="workers.backfill.worker", file="workers/backfill/worker.py"),
        entry("b", module="workers.reaper", file="workers/reaper.py"),
        entry("c", module="state.store", file="state/store.py"),
        entry("d"),
    )

    assert logs.messages(modules=("backfill", "reaper")) == ["a", "b"]
    assert logs.messages(files=("store", "b%fill")) == ["a", "c"]
    assert logs.messages(modules=("workers",), files=("reaper",)) == ["b"]


def test_threads_are_alternatives_and_what_is_about_none_is_one_more(logs: Logs) -> None:
    logs.insert(entry("a", thread_id="1"), entry("b", thread_id="2"), entry("c", thread_id="3"), entry("d"))

    assert logs.messages(thread_ids=("1", "2")) == ["a", "b"]
    assert logs.messages(thread_ids=("1",), threadless=True) == ["a", "d"]
    assert logs.messages(threadless=True) == ["d"]
    assert logs.messages() == ["a", "b", "c", "d"]


def test_entry_that_is_named_is_not_shown_again(logs: Logs) -> None:
    logs.insert(entry("a"), entry("b"), entry("c"))

    assert logs.messages(after_id=1) == ["b", "c"]
    assert logs.messages(after_id=3) == []


def test_search_is_for_a_part_of_the_message_as_it_is_written(logs: Logs) -> None:
    logs.insert(entry("100% of it"), entry("a percentage"), entry("Percent"))

    assert logs.messages(search="%") == ["100% of it"]
    assert logs.messages(search="percent") == ["a percentage"]


def test_order_and_limit(logs: Logs) -> None:
    logs.insert(entry("a", at_ns=3), entry("b", at_ns=2), entry("c", at_ns=1))

    assert logs.messages(limit=2) == ["a", "b"]
    assert logs.messages(descending=True, limit=2) == ["c", "b"]


def test_only_what_is_strictly_older_is_deleted(logs: Logs) -> None:
    logs.insert(entry("a", at_ns=9), entry("b", at_ns=10), entry("c", at_ns=8))

    assert logs.ask(DeleteLogsBefore(at_ns=10)) == 2
    assert logs.messages() == ["b"]
    assert logs.ask(DeleteLogsBefore(at_ns=10)) == 0


PARTITIONS = (
    {"thread_id": "t", "process_uuid": "p"},
    {"thread_id": None, "process_uuid": "p"},
    {"thread_id": None, "process_uuid": None},
)


@pytest.mark.parametrize("partition", PARTITIONS)
def test_newest_thousand_of_a_partition_stay(logs: Logs, partition: dict[str, Any]) -> None:
    others = [other for other in PARTITIONS if other != partition]
    logs.insert(*(entry("other", **other) for other in others))
    for start in range(0, 1_100, 100):
        logs.insert(*(entry(str(number), **partition) for number in range(start, start + 100)))

    assert logs.messages() == ["other", "other", *(str(number) for number in range(100, 1_100))]


@pytest.mark.parametrize("partition", PARTITIONS)
def test_newest_of_a_partition_stay_up_to_its_bytes(
    logs: Logs, partition: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = entry("é" * 50, **partition)
    monkeypatch.setattr(log_rules, "PARTITION_BYTES_MAX", 3 * estimated_bytes(one))
    logs.insert(*(entry(f"{number}" + "é" * 49 + "!", **partition) for number in range(5)))

    assert [message[0] for message in logs.messages()] == ["2", "3", "4"]


def test_entries_of_a_thread_share_one_partition_whatever_process_they_are_of(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_rules, "PARTITION_ENTRIES_MAX", 2)
    logs.insert(*(entry(name, thread_id="t", process_uuid=name) for name in "abc"))
    logs.insert(*(entry(name, process_uuid=name) for name in "abc"))

    assert logs.messages(thread_ids=("t",)) == ["b", "c"]
    assert logs.messages(threadless=True) == ["a", "b", "c"]


def test_entry_that_is_larger_than_its_partition_may_be_goes_alone(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_rules, "PARTITION_BYTES_MAX", 100)
    logs.insert(entry("x" * 200, thread_id="t"), entry("small", thread_id="u"))

    assert logs.messages() == ["small"]


def test_retention_reads_only_an_index(logs: Logs) -> None:
    for where in ("thread_id = 't'", "thread_id IS NULL AND process_uuid = 'p'"):
        plan = logs.connection.execute(
            f"EXPLAIN QUERY PLAN SELECT id, sum(estimated_bytes) OVER (ORDER BY id DESC) FROM logs WHERE {where}"
        ).fetchall()

        assert any("USING COVERING INDEX" in str(row[3]) for row in plan), plan
