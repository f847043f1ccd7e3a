"""The reaper: takes over from processes that are proven dead, and from nobody else."""

import os
from collections.abc import AsyncIterator

import pytest

from state.folder import StateFolder, held_lock
from state.ids import OwnershipToken, ProcessUuid
from state.messages.backfill import BackfillClaimed, BackfillHeld, ClaimBackfill
from state.messages.leases import ClaimTerms
from state.messages.service import LeasesReturned, ListProcesses, RegisterProcess
from state.store import StateHandle, open_store
from tests.fakes.other_process import CODEX_HOME, other_process
from workers.reaper import reap

NOTHING = LeasesReturned(backfills=0, extractions=0, consolidations=0)
GONE = ProcessUuid("gone")


@pytest.fixture
async def handle(folder: StateFolder) -> AsyncIterator[StateHandle]:
    """A store on the machine's own clock, as the other process has it."""
    async with open_store(folder, CODEX_HOME, inline=True) as opened:
        yield opened


async def claim(handle: StateHandle) -> BackfillClaimed | BackfillHeld:
    """Ask for the scan."""
    terms = ClaimTerms(token=OwnershipToken("mine"), owner=handle.owner("scan"), lease_ms=60_000)
    return await handle.ask(ClaimBackfill(terms=terms))


async def entered(handle: StateHandle) -> set[str]:
    """The processes that are entered."""
    return {process.process for process in await handle.ask(ListProcesses())}


async def test_living_process_keeps_what_it_holds_and_a_killed_one_loses_it_at_once(
    handle: StateHandle, folder: StateFolder
) -> None:
    with other_process("hold", folder) as other:
        process = other.word()
        assert await reap(handle) == NOTHING
        assert isinstance(await claim(handle), BackfillHeld)

        other.kill()

        assert await reap(handle) == LeasesReturned(backfills=1, extractions=0, consolidations=0)
    assert isinstance(await claim(handle), BackfillClaimed)
    assert await entered(handle) == {handle.process}
    assert not folder.process_lock(process).exists()


async def test_reaping_again_finds_nothing(handle: StateHandle, folder: StateFolder) -> None:
    await handle.ask(RegisterProcess(process=GONE, pid=1))
    folder.process_lock(GONE).touch()

    assert await reap(handle) == NOTHING
    assert await entered(handle) == {handle.process}
    assert await reap(handle) == NOTHING


async def test_process_whose_lock_file_is_missing_is_left_alone(handle: StateHandle, folder: StateFolder) -> None:
    await handle.ask(RegisterProcess(process=GONE, pid=1))

    assert await reap(handle) == NOTHING
    assert await entered(handle) == {handle.process, GONE}


async def test_process_is_not_judged_by_its_number(handle: StateHandle, folder: StateFolder) -> None:
    """The number of a process that ended may be somebody else's by now; only the lock counts."""
    await handle.ask(RegisterProcess(process=GONE, pid=os.getpid()))
    with held_lock(folder.process_lock(GONE), exclusive=True, purpose="live"):
        await reap(handle)
        assert GONE in await entered(handle)

    await reap(handle)
    assert GONE not in await entered(handle)


async def test_reaper_never_takes_its_own_process_for_dead(handle: StateHandle) -> None:
    await reap(handle)

    assert await entered(handle) == {handle.process}
