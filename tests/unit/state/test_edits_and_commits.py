"""The journal and the database together: void batches, failures, two stores on one folder, a database that is lost."""

import os
import stat
from pathlib import Path

import apsw
import pytest

from state import group_commit
from state.errors import NotCommittedError
from state.folder import StateFolder
from state.ids import Instant
from state.messages.thread_edits import PatchThreadGit, SetThreadName, SetThreadTitle, ThreadEdited
from state.messages.thread_rows import ApplyRolloutItems, InsertThreadIfAbsent, ThreadFields, ThreadWritten
from state.messages.threads import GetThread, Thread, ThreadFound, UnknownThread
from state.opening import open_for_writing
from state.store import StateHandle, open_store
from state.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.direct_store import DirectStore
from tests.fakes.faulty_disk import FaultyDisk
from tests.fakes.probe import Probe
from tests.fakes.readings import facts, found, path_of, read, thread_id

CODEX_HOME = "/home/ann/.codex"
ONE = thread_id(1)

INSERT = InsertThreadIfAbsent(
    fields=ThreadFields(
        id=ONE, rollout_path=path_of(1), created_at_ms=1, updated_at_ms=2, model_provider="openai", preview="do it"
    )
)
INDEX = ApplyRolloutItems(read=read(found(path_of(1)), facts(1)), model_provider_default="openai")


def title(store: DirectStore) -> str:
    """The thread's title."""
    answer = store.ask(GetThread(thread_id=ONE))
    assert isinstance(answer, ThreadFound)
    return answer.thread.title


async def thread(handle: StateHandle) -> Thread:
    """The thread's row."""
    answer = await handle.ask(GetThread(thread_id=ONE))
    assert isinstance(answer, ThreadFound)
    return answer.thread


async def _void_the_batch(tx: Transaction, at: Instant) -> None:
    await tx.execute("ROLLBACK")
    raise apsw.IOError("bad sector")


def test_edit_is_in_the_journal_for_its_owner_alone(store: DirectStore, folder: StateFolder) -> None:
    store.ask(INSERT)
    assert not folder.journal.exists(), "what nobody said is not journaled"

    assert store.ask(SetThreadTitle(thread_id=ONE, title="mine")) == ThreadEdited(thread_id=ONE)

    assert b'"mine"' in folder.journal.read_bytes()
    assert stat.S_IMODE(folder.journal.stat().st_mode) == 0o600


def test_edit_of_an_unknown_thread_is_not_journaled(store: DirectStore, folder: StateFolder) -> None:
    assert store.ask(SetThreadTitle(thread_id=ONE, title="mine")) == UnknownThread(thread_id=ONE)
    assert not folder.journal.exists()


def test_edit_of_a_void_batch_is_journaled_twice_and_said_once(
    store: DirectStore, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "BATCH_WORK_MS_MAX", 60_000)
    store.ask(INSERT)

    edited, void = store.ask_all(SetThreadTitle(thread_id=ONE, title="mine"), Probe(_void_the_batch))

    assert edited == ThreadEdited(thread_id=ONE)
    assert isinstance(void, NotCommittedError)
    assert folder.journal.read_bytes().count(b"\n") == 2
    assert title(store) == "mine"


def test_edit_that_cannot_be_journaled_is_not_stored(
    store: DirectStore, folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.ask(INSERT)

    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        edited, other = store.ask_all(SetThreadTitle(thread_id=ONE, title="mine"), INSERT)

    assert isinstance(edited, NotCommittedError)
    assert str(folder.journal) in str(edited)
    assert other == ThreadWritten(thread_id=ONE, is_new=False)
    assert title(store) == ""
    assert store.ask(SetThreadTitle(thread_id=ONE, title="again")) == ThreadEdited(thread_id=ONE)


def test_edit_whose_commit_failed_is_not_in_the_row_and_stays_in_the_journal(
    disk: FaultyDisk, store: DirectStore, folder: StateFolder
) -> None:
    store.ask(INSERT)
    disk.fail_writes(apsw.FullError("no space"))

    assert isinstance(store.ask(SetThreadTitle(thread_id=ONE, title="asked for")), NotCommittedError)
    disk.recover()

    assert title(store) == ""
    assert b'"asked for"' in folder.journal.read_bytes()


def test_two_stores_on_one_folder_journal_into_one_file(
    folder: StateFolder, clock: ManualClock, store: DirectStore
) -> None:
    other = open_for_writing(folder, CODEX_HOME, clock)
    second = DirectStore(other.group_commit)
    store.ask(INSERT)
    second.ask(SetThreadTitle(thread_id=ONE, title="second"))
    store.ask(SetThreadName(thread_id=ONE, name="first"))

    assert folder.journal.read_bytes().count(b"\n") == 2
    other.long_reads.close()
    other.group_commit.close()
    other.locks.close()


@pytest.mark.parametrize("loss", ["deleted", "damaged"])
async def test_what_was_said_outlives_the_database(folder: StateFolder, clock: ManualClock, loss: str) -> None:
    async with open_store(folder, CODEX_HOME, clock=clock, inline=True) as handle:
        await handle.ask(INDEX)
        await handle.ask(SetThreadTitle(thread_id=ONE, title="mine"))
        await handle.ask(SetThreadName(thread_id=ONE, name="called"))
        await handle.ask(PatchThreadGit(thread_id=ONE, branch=None, sha="abc"))
        before = await thread(handle)
    _lose(folder.database, loss)

    async with open_store(folder, CODEX_HOME, clock=clock, inline=True) as handle:
        assert await handle.ask(SetThreadTitle(thread_id=ONE, title="too early")) == UnknownThread(thread_id=ONE)
        await handle.ask(INDEX)
        assert await thread(handle) == before


async def test_edits_wait_for_a_row_that_appears_at_a_later_opening(folder: StateFolder, clock: ManualClock) -> None:
    async with open_store(folder, CODEX_HOME, clock=clock, inline=True) as handle:
        await handle.ask(INDEX)
        await handle.ask(SetThreadTitle(thread_id=ONE, title="mine"))
    _lose(folder.database, "deleted")
    async with open_store(folder, CODEX_HOME, clock=clock, inline=True):
        pass

    async with open_store(folder, CODEX_HOME, clock=clock, inline=True) as handle:
        await handle.ask(INDEX)
        assert (await thread(handle)).title == "mine"


def _lose(database: Path, loss: str) -> None:
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    if loss == "deleted":
        database.unlink()
    else:
        database.write_bytes(b"this was a database" * 1_000)
