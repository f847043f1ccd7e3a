"""A scan whose claim is taken over, or whose store fails, says so by one plain exception."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from config import Settings
from state.errors import StoreBusyError
from state.folder import StateFolder
from state.messages.backfill import (
    BackfillClaimed,
    ClaimBackfill,
    FinishBackfill,
    LoadCheckpoints,
    RecordRollouts,
    RegisterRollouts,
)
from state.messages.base import Request
from state.messages.leases import ClaimTerms
from state.store import StateHandle, open_store
from tests.fakes.codex_home import CodexHome
from workers.backfill.worker import scan
from workers.lease_keeper import LeaseLostError
from workers.progress import NoProgress
from workers.startup import Waiting, scan_or_wait


@attrs.define
class Home:
    """A home with one session, and its store."""

    handle: StateHandle
    codex_home: Path

    def fail(self, monkeypatch: pytest.MonkeyPatch, *kinds: type[Request[Any]]) -> None:
        """Let requests of these kinds find the store busy."""
        ask = self.handle.ask

        async def busy(request: Request[Any]) -> Any:
            if isinstance(request, kinds):
                raise StoreBusyError("locked")
            return await ask(request)

        monkeypatch.setattr(self.handle, "ask", busy)

    def steal(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Let somebody take the scan over right before the first recording, and give it back at once."""
        ask, stolen = self.handle.ask, list[str]()

        async def late(request: Request[Any]) -> Any:
            if isinstance(request, RecordRollouts) and not stolen:
                token = self.handle.mint_token()
                stolen.append(token)
                terms = ClaimTerms(token=token, owner=self.handle.owner("thief"), lease_ms=1_000, stale_after_ms=0)
                assert isinstance(await ask(ClaimBackfill(terms=terms)), BackfillClaimed)
                await ask(FinishBackfill(token=token, listed=False))
            return await ask(request)

        monkeypatch.setattr(self.handle, "ask", late)
        return stolen


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """One session to read."""
    codex_home = tmp_path / "codex"
    codex_home.mkdir()
    CodexHome(path=codex_home).session().user("Please write one test.")
    async with open_store(StateFolder(path=tmp_path / "state"), str(codex_home)) as handle:
        yield Home(handle=handle, codex_home=codex_home)


async def test_scan_that_is_stolen_while_it_records_says_that_it_is_lost(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.steal(monkeypatch)

    with pytest.raises(LeaseLostError, match="taken over"):
        await scan(home.handle, home.codex_home, Settings(), NoProgress(), retry_failed_now=True)


async def test_start_up_goes_on_after_a_scan_that_was_stolen_while_it_recorded(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    stolen = home.steal(monkeypatch)
    done = await scan_or_wait(
        home.handle, home.codex_home, Settings(), NoProgress(), waiting=Waiting(poll_seconds=0.01)
    )

    assert (len(stolen), done.indexed) == (1, 1)


@pytest.mark.parametrize("kind", [RegisterRollouts, LoadCheckpoints, RecordRollouts])
async def test_scan_whose_store_is_busy_says_so_and_gives_the_scan_back(
    home: Home, monkeypatch: pytest.MonkeyPatch, kind: type[Request[Any]]
) -> None:
    await scan(home.handle, home.codex_home, Settings(), NoProgress(), retry_failed_now=True)
    for rollout in home.codex_home.glob("sessions/**/*.jsonl"):
        rollout.write_bytes(rollout.read_bytes() + b"\n")
    with monkeypatch.context() as patch:
        home.fail(patch, kind)
        with pytest.raises(StoreBusyError):
            await scan(home.handle, home.codex_home, Settings(), NoProgress(), retry_failed_now=True)

    again = await scan(home.handle, home.codex_home, Settings(), NoProgress(), retry_failed_now=True)
    assert getattr(again, "indexed", None) == 1


async def test_cancelled_scan_that_cannot_be_given_back_is_cancelled_all_the_same(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.fail(monkeypatch, FinishBackfill)
    ask = home.handle.ask
    with trio.CancelScope() as scope:

        async def cancelling(request: Request[Any]) -> Any:
            if isinstance(request, RecordRollouts):
                scope.cancel()
            return await ask(request)

        monkeypatch.setattr(home.handle, "ask", cancelling)
        await scan(home.handle, home.codex_home, Settings(), NoProgress(), retry_failed_now=True)

    assert scope.cancelled_caught
