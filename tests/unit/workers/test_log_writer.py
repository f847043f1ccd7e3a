"""Storing log entries beside the work: complete at the end of the block, and never in the way of it."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest
import trio

from state.folder import StateFolder, prepare
from state.log_queue import LogQueue
from state.log_store import open_log_store_for_reading
from state.messages.logs import LogEntry, QueryLogs, StoredLogEntry
from workers import log_writer
from workers.log_writer import LogWriter, keeping_logs


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """A folder that has a state."""
    folder = StateFolder(path=tmp_path / "state")
    prepare(folder)
    folder.database.touch()
    return folder


@asynccontextmanager
async def storing(queue: LogQueue, folder: StateFolder) -> AsyncIterator[LogWriter]:
    """Store during the block, as once the state is open."""
    async with keeping_logs(queue, folder) as writer:
        writer.begin()
        yield writer


def entry(message: str) -> LogEntry:
    """An entry of now, of which only the message matters."""
    return LogEntry(at_ns=time.time_ns(), level="INFO", target="memoryd", message=message)


async def stored(folder: StateFolder) -> list[StoredLogEntry]:
    """Everything that is stored."""
    async with open_log_store_for_reading(folder) as handle:
        return [] if handle is None else list(await handle.ask(QueryLogs()))


async def messages(folder: StateFolder) -> list[str]:
    """The messages of everything that is stored."""
    return [one.message for one in await stored(folder)]


async def until_stored(folder: StateFolder, entries: int) -> None:
    """Wait until so many entries are stored."""
    with trio.fail_after(10):
        while True:
            if len(await messages(folder)) >= entries:
                return
            await trio.sleep(0.01)


async def test_everything_is_stored_when_the_block_has_ended(folder: StateFolder) -> None:
    queue = LogQueue()
    async with storing(queue, folder):
        for number in range(300):
            queue.put(entry(str(number)))

    assert await messages(folder) == [str(number) for number in range(300)]


async def test_flush_waits_until_what_was_logged_before_is_stored(folder: StateFolder) -> None:
    queue = LogQueue()
    async with storing(queue, folder) as writer:
        for text in ("one", "two"):
            queue.put(entry(text))
            with trio.fail_after(10):
                await writer.flush()
            assert (await messages(folder))[-1] == text


async def test_whole_batch_is_stored_without_waiting_for_the_clock(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "FLUSH_SECONDS", 3600.0)
    queue = LogQueue()
    async with storing(queue, folder) as writer:
        await writer.flush()
        for number in range(128):
            queue.put(entry(str(number)))
        await until_stored(folder, 128)


async def test_few_entries_are_stored_after_a_while(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_writer.FLUSH_SECONDS == 2.0
    monkeypatch.setattr(log_writer, "FLUSH_SECONDS", 0.02)
    queue = LogQueue()
    async with storing(queue, folder):
        queue.put(entry("lonely"))
        await until_stored(folder, 1)


async def test_number_of_dropped_entries_is_an_entry(folder: StateFolder) -> None:
    queue = LogQueue()
    for number in range(600):
        queue.put(entry(str(number)))
    async with storing(queue, folder):
        pass
    found = await stored(folder)

    assert len(found) == 513
    (told,) = [one for one in found if one.target == "workers.log_writer"]
    assert (told.message, told.level) == ("88 log entries were not stored", "WARNING")
    assert told.process_uuid == queue.process_uuid


async def test_block_that_fails_fails_with_its_own_error_and_is_stored(folder: StateFolder) -> None:
    queue = LogQueue()

    async def fail() -> None:
        async with storing(queue, folder):
            queue.put(entry("last words"))
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await fail()

    assert await messages(folder) == ["last words"]


async def test_cancel_does_not_take_the_last_words(folder: StateFolder) -> None:
    queue = LogQueue()
    with trio.CancelScope() as scope:
        async with storing(queue, folder):
            queue.put(entry("last words"))
            scope.cancel()
            await trio.sleep_forever()

    assert await messages(folder) == ["last words"]


async def test_folder_that_is_not_opened_gets_no_logs(folder: StateFolder) -> None:
    queue, before = LogQueue(), os.listdir(folder.path)
    async with keeping_logs(queue, folder):
        queue.put(entry("the folder belongs to another home"))

    assert os.listdir(folder.path) == before
    assert queue.take_dropped() == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
async def test_unwritable_file_costs_only_entries(folder: StateFolder) -> None:
    folder.log_files.database.touch(mode=0o400)
    await _goes_on_without(folder)


async def test_folder_in_the_place_of_the_file_costs_only_entries(folder: StateFolder) -> None:
    folder.log_files.database.mkdir()
    await _goes_on_without(folder)


async def _goes_on_without(folder: StateFolder) -> None:
    queue, done = LogQueue(), False
    async with storing(queue, folder) as writer:
        for number in range(3):
            queue.put(entry(str(number)))
            with trio.fail_after(10):
                await writer.flush()
        done = True

    assert done
    assert queue.take_dropped() == 3


async def test_file_that_works_again_is_used_again_and_says_what_is_missing(folder: StateFolder) -> None:
    folder.log_files.database.mkdir()
    queue = LogQueue()
    writer = LogWriter(queue, folder, reopen_seconds=0.01)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.run)
        writer.begin()
        queue.put(entry("lost"))
        with trio.fail_after(10):
            await writer.flush()
            folder.log_files.database.rmdir()
            while "kept" not in await messages(folder):
                queue.put(entry("kept"))
                await writer.flush()
                await trio.sleep(0.01)
        writer.stop()
    found = await messages(folder)

    assert "lost" not in found
    assert any(text.endswith("log entries were not stored") for text in found)


async def test_entries_that_another_process_keeps_from_being_stored_are_dropped(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "LOG_BUSY_DEADLINE_MS", 20)
    queue = LogQueue()
    async with storing(queue, folder) as writer:
        queue.put(entry("before"))
        await writer.flush()
        holder = apsw.Connection(str(folder.log_files.database))
        holder.execute("BEGIN IMMEDIATE")
        queue.put(entry("meanwhile"))
        with trio.fail_after(10):
            await writer.flush()
        holder.execute("ROLLBACK")
        holder.close()
        queue.put(entry("after"))

    assert await messages(folder) == ["before", "after", "1 log entries were not stored"]
