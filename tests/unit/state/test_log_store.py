"""The log store: beside the state, and never in its way."""

import os

import apsw
import pytest

from chaos.disk.faults import Effect, Fault, Operation
from chaos.disk.faulty import FaultyDisk
from state import damage
from state.errors import NotCommittedError, OutcomeUnknownError, RuleFailedError, StateFolderError, StoreBrokenError
from state.folder import StateFolder, held_lock, prepare
from state.log_opening import KEPT_MS, open_logs_for_writing
from state.log_store import open_log_store, open_log_store_for_reading
from state.messages.logs import GetMaxLogId, InsertLogs, LogEntry, QueryLogs
from state.messages.service import ListProcesses
from state.store import StateHandle, open_store
from tests.fakes.clock import ManualClock

DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def prepared(folder: StateFolder) -> None:
    """The state folder is there."""
    prepare(folder)


def said(message: str, *, at_ms: int = 1_790_000_000_000) -> InsertLogs:
    """One entry, to be stored."""
    entry = LogEntry(at_ns=at_ms * 1_000_000, level="info", target="memoryd", message=message)
    return InsertLogs(entries=(entry,))


async def test_what_is_stored_is_read_beside_the_writer(folder: StateFolder, clock: ManualClock) -> None:
    async with open_log_store(folder, clock=clock) as logs:
        assert await logs.ask(said("hello")) == 1
        async with open_log_store_for_reading(folder) as reader:
            assert reader is not None
            (entry,) = await reader.ask(QueryLogs())

            assert entry.message == "hello"
            with pytest.raises(TypeError, match="opened for reading"):
                await reader.ask(said("no"))


@pytest.mark.parametrize("inline", [True, False])
async def test_entries_are_there_after_the_next_opening(folder: StateFolder, clock: ManualClock, inline: bool) -> None:
    for number in range(2):
        async with open_log_store(folder, clock=clock, inline=inline) as logs:
            await logs.ask(said(str(number)))
            assert await logs.ask(GetMaxLogId()) == number + 1


async def test_there_are_no_logs_before_something_was_logged(folder: StateFolder) -> None:
    async with open_log_store_for_reading(folder) as reader:
        assert reader is None
    assert not folder.log_files.database.exists()


async def test_request_of_the_state_is_no_request_of_the_logs(folder: StateFolder, clock: ManualClock) -> None:
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        with pytest.raises(RuleFailedError):
            await logs.ask(ListProcesses())
        assert await logs.ask(said("goes on")) == 1


def test_file_is_private_shrinks_and_syncs_less(folder: StateFolder, clock: ManualClock) -> None:
    opened = open_logs_for_writing(folder, clock)
    connection = opened.group_commit._connection
    try:
        assert folder.log_files.database.stat().st_mode & 0o777 == 0o600
        assert connection.pragma("auto_vacuum") == 2
        assert connection.pragma("journal_mode") == "wal"
        assert connection.pragma("synchronous") == 1
    finally:
        opened.long_reads.close()
        opened.group_commit.close()
        opened.locks.close()


async def test_start_deletes_what_is_older_than_ten_days_and_gives_its_room_back(
    folder: StateFolder, clock: ManualClock
) -> None:
    assert KEPT_MS == 10 * DAY_MS
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        for _ in range(20):
            await logs.ask(said("x" * 100_000, at_ms=clock.wall_ms - 1))
        await logs.ask(said("kept", at_ms=clock.wall_ms))
    before = folder.log_files.database.stat().st_size
    clock.advance(KEPT_MS)
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        assert [entry.message for entry in await logs.ask(QueryLogs())] == ["kept"]
    assert folder.log_files.database.stat().st_size < before / 4


async def test_failure_to_clear_away_is_only_said(folder: StateFolder, clock: ManualClock) -> None:
    async with open_log_store(folder, clock=clock, inline=True):
        holder = apsw.Connection(str(folder.log_files.database))
        holder.execute("CREATE TRIGGER stubborn BEFORE DELETE ON logs BEGIN SELECT RAISE(ABORT, 'no'); END")
        holder.close()
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        assert logs.trouble is None
        await logs.ask(said("old", at_ms=clock.wall_ms))
    clock.advance(KEPT_MS + 1)
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        assert logs.trouble is not None
        assert await logs.ask(said("new", at_ms=clock.wall_ms)) == 1


async def test_damaged_file_is_moved_aside_alone_and_begun_anew(
    folder: StateFolder, handle: StateHandle, clock: ManualClock
) -> None:
    folder.log_files.database.write_bytes(b"this is no database" * 1000)
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        assert logs.quarantined is not None
        assert (logs.quarantined / "logs.sqlite").read_bytes().startswith(b"this is no database")
        assert await logs.ask(said("anew")) == 1
    assert folder.database.exists()
    assert len(await handle.ask(ListProcesses())) == 1


async def test_damage_that_clearing_away_meets_has_the_file_moved_aside(
    folder: StateFolder, clock: ManualClock
) -> None:
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        for number in range(300):
            await logs.ask(said(f"{number}" * 400))
    content = bytearray(folder.log_files.database.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    folder.log_files.database.write_bytes(content)
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        assert logs.quarantined is not None
        assert await logs.ask(GetMaxLogId()) == 0


async def test_damage_that_a_request_meets_breaks_only_the_logs_and_is_looked_for_at_the_next_opening(
    disk: FaultyDisk, folder: StateFolder, clock: ManualClock
) -> None:
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        await logs.ask(said("stored"))
        disk.follow(Fault(operation=Operation.WRITE, effect=Effect.FAIL, times=None))
        with pytest.raises(OutcomeUnknownError, match=r"logs\.sqlite"):
            await logs.ask(said("lost"))
        disk.recover()
        with pytest.raises(StoreBrokenError):
            await logs.ask(said("lost too"))
    assert folder.log_files.suspect.exists()
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        assert [entry.message for entry in await logs.ask(QueryLogs())] == ["stored"]
    assert not folder.log_files.suspect.exists()


async def test_damaged_file_that_somebody_reads_is_refused_and_the_state_goes_on(
    folder: StateFolder, handle: StateHandle, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(damage, "QUARANTINE_WAIT_SECONDS_MAX", 0.0)
    folder.log_files.database.write_bytes(b"this is no database" * 1000)
    with (
        held_lock(folder.log_files.openers_lock, exclusive=False, purpose="read"),
        pytest.raises(StateFolderError, match=r"the log database .* is damaged"),
    ):
        async with open_log_store(folder, clock=clock, inline=True):
            pass
    assert len(await handle.ask(ListProcesses())) == 1


async def test_state_is_opened_while_somebody_has_the_log_database_alone(
    folder: StateFolder, clock: ManualClock
) -> None:
    with (
        held_lock(folder.log_files.openers_lock, exclusive=True, purpose="test"),
        held_lock(folder.log_files.migrate_lock, exclusive=True, purpose="test"),
    ):
        async with open_store(folder, "/home/ann/.codex", clock=clock, inline=True) as handle:
            assert len(await handle.ask(ListProcesses())) == 1


async def test_logs_of_a_newer_version_are_refused(folder: StateFolder, clock: ManualClock) -> None:
    async with open_log_store(folder, clock=clock, inline=True):
        pass
    connection = apsw.Connection(str(folder.log_files.database))
    connection.pragma("user_version", 999)
    connection.close()
    with pytest.raises(StateFolderError, match="schema 999"):
        async with open_log_store(folder, clock=clock, inline=True):
            pass
    with pytest.raises(StateFolderError, match="schema 999"):
        async with open_log_store_for_reading(folder):
            pass


async def test_full_disk_costs_the_entries_that_did_not_fit(
    disk: FaultyDisk, folder: StateFolder, clock: ManualClock
) -> None:
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        await logs.ask(said("before"))
        disk.follow(Fault(operation=Operation.WRITE, effect=Effect.FULL, times=None))
        with pytest.raises(NotCommittedError, match="the disk is full"):
            await logs.ask(said("lost"))
        disk.recover()
        await logs.ask(said("after"))
        assert [entry.message for entry in await logs.ask(QueryLogs())] == ["before", "after"]


async def test_state_folder_that_lost_its_database_may_still_hold_logs(folder: StateFolder, clock: ManualClock) -> None:
    async with open_log_store(folder, clock=clock, inline=True) as logs:
        await logs.ask(said("left"))
        assert not folder.database.exists()
        prepare(folder)
