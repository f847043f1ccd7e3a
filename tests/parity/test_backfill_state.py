"""The laws of Codex's backfill state, on one row for each file instead of one watermark for all.

progress persists; the claim is exclusive; a stale claim is taken over; a checkpoint refreshes the lease; complete is
remembered; twice is once; what was interrupted goes on.
"""

from pathlib import Path
from typing import Any

import apsw
import pytest
import trio

from config import Settings
from state.folder import StateFolder
from state.ids import OwnershipToken
from state.messages.backfill import (
    BackfillClaimed,
    BackfillHeld,
    ClaimBackfill,
    FinishBackfill,
    GetBackfillState,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
)
from state.messages.leases import ClaimTerms, NotOwner, Renewed
from state.store import StateHandle, open_store
from tests.fakes.clock import ManualClock
from tests.fakes.codex_home import CodexHome
from workers.backfill import BackfillSummary, scan
from workers.progress import NoProgress

LEASE_MS = 900_000
"""The lease of Codex's claim, in place of ours: the laws do not depend on its length."""


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """A home with archived and active sessions."""
    path = tmp_path / "codex"
    path.mkdir()
    home = CodexHome(path=path)
    for number in range(6):
        home.session(hours_ago=24 * (number + 1), archived=number % 2 == 1).user(f"Please write test {number}.")
    return home


async def claim(
    handle: StateHandle, *, stale_after_ms: int | None = None
) -> tuple[OwnershipToken, BackfillClaimed | BackfillHeld]:
    """Ask for the scan under a fresh token."""
    token = handle.mint_token()
    terms = ClaimTerms(token=token, owner=handle.owner("scan"), lease_ms=LEASE_MS, stale_after_ms=stale_after_ms)
    return token, await handle.ask(ClaimBackfill(terms=terms))


async def scanned(handle: StateHandle, home: CodexHome, progress: Any = None) -> BackfillSummary:
    """Scan, as the only one who does."""
    done = await scan(handle, home.path, Settings(), progress or NoProgress(), retry_failed_now=True)
    assert isinstance(done, BackfillSummary)
    return done


def rows(folder: StateFolder) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a scan writes, but for when."""
    connection = apsw.Connection(str(folder.database))
    try:
        return {
            "threads": connection.execute("SELECT * FROM threads ORDER BY id").fetchall(),
            "files": connection.execute(
                "SELECT path, archived, size_bytes, mtime_ns, inode, status, reason, offset_bytes, head_digest,"
                " tail_digest, lines_skipped, thread_id FROM rollout_files ORDER BY path"
            ).fetchall(),
            "jobs": connection.execute("SELECT * FROM extraction_jobs ORDER BY 1, 2").fetchall(),
        }
    finally:
        connection.close()


async def test_new_state_is_pending(handle: StateHandle) -> None:
    state = await handle.ask(GetBackfillState())

    assert (state.complete, state.listed_at_ms, state.files_by_status, state.owner) == (False, None, {}, None)


async def test_claim_is_exclusive(handle: StateHandle) -> None:
    _, first = await claim(handle)
    _, second = await claim(handle)

    assert isinstance(first, BackfillClaimed)
    assert isinstance(second, BackfillHeld)
    assert (await handle.ask(GetBackfillState())).owner == handle.owner("scan")


async def test_stale_claim_is_taken_over_and_its_owner_changes_nothing_any_more(
    handle: StateHandle, clock: ManualClock
) -> None:
    late, _ = await claim(handle)
    clock.advance(LEASE_MS - 1)
    assert isinstance((await claim(handle))[1], BackfillHeld)
    clock.advance(1)
    assert isinstance((await claim(handle))[1], BackfillClaimed)

    assert await handle.ask(RenewBackfill(token=late, lease_ms=LEASE_MS)) == NotOwner()
    assert await handle.ask(RegisterRollouts(token=late, found=())) == NotOwner()
    assert await handle.ask(RecordRollouts(token=late, model_provider_default="openai", outcomes=())) == NotOwner()
    assert await handle.ask(FinishBackfill(token=late, listed=True)) == NotOwner()
    assert not (await handle.ask(GetBackfillState())).complete


@pytest.mark.parametrize("age_ms", [0, 60_000])
async def test_claimant_may_say_how_old_a_claim_may_be(handle: StateHandle, clock: ManualClock, age_ms: int) -> None:
    await claim(handle)
    clock.advance(age_ms)

    assert isinstance((await claim(handle, stale_after_ms=age_ms + 1))[1], BackfillHeld)
    assert isinstance((await claim(handle, stale_after_ms=age_ms))[1], BackfillClaimed)


async def test_checkpoint_refreshes_the_lease(handle: StateHandle, clock: ManualClock) -> None:
    token, _ = await claim(handle)
    for _ in range(3):
        clock.advance(LEASE_MS - 1)
        assert isinstance(await handle.ask(RenewBackfill(token=token, lease_ms=LEASE_MS)), Renewed)

    assert isinstance((await claim(handle))[1], BackfillHeld)


async def test_complete_is_remembered_and_so_is_when(folder: StateFolder, home: CodexHome, clock: ManualClock) -> None:
    async with open_store(folder, str(home.path), clock=clock, inline=True) as handle:
        await scanned(handle, home)
    clock.advance(60_000)
    async with open_store(folder, str(home.path), clock=clock, inline=True) as handle:
        state = await handle.ask(GetBackfillState())

    assert (state.complete, state.listed_at_ms) == (True, clock.wall_ms - 60_000)
    assert state.files_by_status == {"indexed": 6}


async def test_scan_that_did_not_list_everything_completes_nothing(handle: StateHandle) -> None:
    token, _ = await claim(handle)
    await handle.ask(FinishBackfill(token=token, listed=False))
    assert not (await handle.ask(GetBackfillState())).complete
    token, _ = await claim(handle)
    await handle.ask(FinishBackfill(token=token, listed=True))

    assert (await handle.ask(GetBackfillState())).complete


async def test_twice_gives_the_same_rows_and_reads_nothing(
    folder: StateFolder, home: CodexHome, clock: ManualClock
) -> None:
    async with open_store(folder, str(home.path), clock=clock, inline=True) as handle:
        first = await scanned(handle, home)
        once = rows(folder)
        second = await scanned(handle, home)

    assert (first.files, first.indexed) == (6, 6)
    assert (second.files, second.unchanged, second.indexed, second.bytes) == (6, 6, 0, 0)
    assert rows(folder) == once
    assert len(once["threads"]) == 6


class _StopsAfter:
    """Cancels the scan once so many files are recorded."""

    def __init__(self, files: int, scope: trio.CancelScope) -> None:
        self._files = files
        self._scope = scope

    def report(self, phase: str, done: int, total: int | None) -> None:  # noqa: ARG002 - the names of the protocol
        """Look how far it is."""
        if done >= self._files:
            self._scope.cancel()


async def test_progress_persists_and_what_was_interrupted_goes_on(
    folder: StateFolder, home: CodexHome, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.backfill.worker.CHUNK_FILES_MAX", 1)
    with trio.CancelScope() as scope:
        async with open_store(folder, str(home.path), clock=clock, inline=True) as handle:
            await scanned(handle, home, _StopsAfter(2, scope))
    assert scope.cancelled_caught
    async with open_store(folder, str(home.path), clock=clock, inline=True) as handle:
        before = await handle.ask(GetBackfillState())
        assert not before.complete
        assert before.owner is None
        assert 2 <= before.files_by_status["indexed"] < 6
        rest = await scanned(handle, home)
        assert (await handle.ask(GetBackfillState())).complete
    undisturbed = StateFolder(path=tmp_path / "undisturbed")
    async with open_store(undisturbed, str(home.path), clock=clock, inline=True) as handle:
        await scanned(handle, home)

    assert rest.indexed == 6 - before.files_by_status["indexed"] == 6 - rest.unchanged
    assert rows(folder) == rows(undisturbed)


async def test_file_that_is_older_than_all_that_was_seen_is_found_later(
    folder: StateFolder, home: CodexHome, clock: ManualClock
) -> None:
    """Codex's watermark passes it by for ever."""
    async with open_store(folder, str(home.path), clock=clock, inline=True) as handle:
        await scanned(handle, home)
        home.session(hours_ago=24 * 365).user("This came back from a backup.")
        done = await scanned(handle, home)

    assert (done.files, done.indexed, done.unchanged) == (7, 1, 6)


async def test_file_that_failed_is_not_forgotten(folder: StateFolder, home: CodexHome, clock: ManualClock) -> None:
    """Codex counts it and goes on without it."""
    rollout = home.session()
    rollout.user("This cannot be read today.")
    content = rollout.path.read_bytes()
    rollout.path.unlink()
    rollout.path.mkdir()
    async with open_store(folder, str(home.path), clock=clock, inline=True) as handle:
        await scanned(handle, home)
        rollout.path.rmdir()
        rollout.path.write_bytes(content)
        done = await scanned(handle, home)
        state = await handle.ask(GetBackfillState())

    assert done.indexed == 1
    assert state.files_by_status == {"indexed": 7}
