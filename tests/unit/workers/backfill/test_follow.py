"""The index follows what is heard; what cannot be looked at now is looked at soon; everything has its turn."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from config import Settings
from state.messages.backfill import (
    BackfillClaimed,
    ClaimBackfill,
    FinishBackfill,
    GetBackfillState,
    ListKnownRollouts,
    RecordRollouts,
)
from state.messages.base import Request
from state.messages.leases import ClaimTerms
from state.messages.service import ListWorkers, ReportWorker, WorkerState
from state.messages.threads import GetThread, ThreadFound
from state.store import StateHandle
from tests.fakes.codex_home import CodexHome, RolloutFile
from workers.backfill import follow
from workers.backfill.changes import Changes
from workers.backfill.watch import Tell, Trouble

SECONDS_MAX = 10


@attrs.define
class FakeWatcher:
    """Stands for the watcher: hears what the test says."""

    codex_home: Path
    changes: Changes
    tell: Tell
    is_hearing: bool = True

    async def run(self) -> None:
        """Hear nothing by itself."""
        await trio.sleep_forever()


@attrs.define
class Followed:
    """A running worker, without a rescan for an hour, and its index."""

    handle: StateHandle
    home: CodexHome
    watcher: FakeWatcher

    def place(self, rollout: RolloutFile) -> str:
        """Where a rollout is, below the home."""
        return str(rollout.path.relative_to(self.home.path))

    async def until_status(self, rollout: RolloutFile, status: str) -> None:
        """Wait until a file's row says so."""

        async def holds() -> bool:
            page = await self.handle.ask(ListKnownRollouts())
            return {row.path: row.status.value for row in page.rollouts}.get(self.place(rollout)) == status

        with trio.fail_after(SECONDS_MAX):
            while True:
                if await holds():
                    return
                await trio.sleep(0.002)

    async def until_listed(self) -> None:
        """Wait until the first look at everything is over."""
        with trio.fail_after(SECONDS_MAX):
            while True:
                state = await self.handle.ask(GetBackfillState())
                if state.listed_at_ms is not None and state.owner is None:
                    return
                await trio.sleep(0.002)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short."""
    monkeypatch.setattr(follow, "HELD_SECONDS", 0.01)
    monkeypatch.setattr(follow, "COLLECT_SECONDS", 0.01)


@asynccontextmanager
async def following(
    handle: StateHandle, home: CodexHome, monkeypatch: pytest.MonkeyPatch, *, rescan_seconds: float = 3_600
) -> AsyncIterator[Followed]:
    """Run the worker for the block."""
    made: list[FakeWatcher] = []

    def watcher(codex_home: Path, changes: Changes, tell: Tell) -> FakeWatcher:
        made.append(FakeWatcher(codex_home, changes, tell))
        return made[0]

    async def work() -> None:
        backfill = attrs.evolve(Settings().backfill, rescan_seconds=rescan_seconds)
        await follow.serve(handle, home.path, attrs.evolve(Settings(), backfill=backfill))

    monkeypatch.setattr(follow, "Watcher", watcher)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        await trio.testing.wait_all_tasks_blocked()
        yield Followed(handle, home, made[0])
        nursery.cancel_scope.cancel()


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """A home without rollouts."""
    (tmp_path / "codex" / "sessions").mkdir(parents=True)
    return CodexHome(path=tmp_path / "codex")


async def test_what_is_heard_is_indexed(handle: StateHandle, home: CodexHome, monkeypatch: pytest.MonkeyPatch) -> None:
    async with following(handle, home, monkeypatch) as followed:
        await followed.until_listed()
        rollout, unheard = home.session(), home.session()
        followed.watcher.changes.add([followed.place(rollout)])
        await followed.until_status(rollout, "indexed")

        page = await handle.ask(ListKnownRollouts())
        assert [row.path for row in page.rollouts] == [followed.place(rollout)] != [followed.place(unheard)]


async def test_what_is_heard_while_another_process_scans_is_looked_at_when_it_ends(
    handle: StateHandle, home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(handle, home, monkeypatch) as followed:
        await followed.until_listed()
        token = handle.mint_token()
        terms = ClaimTerms(token=token, owner=handle.owner("another process"), lease_ms=60_000)
        assert isinstance(await handle.ask(ClaimBackfill(terms=terms)), BackfillClaimed)
        rollout = home.session()
        followed.watcher.changes.add([followed.place(rollout)])
        await trio.sleep(0.05)
        assert (await handle.ask(ListKnownRollouts())).rollouts == ()

        await handle.ask(FinishBackfill(token=token, listed=False))
        await followed.until_status(rollout, "indexed")


async def test_scan_that_another_process_takes_over_is_no_crash_and_is_begun_again(
    handle: StateHandle, home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    stolen = list[str]()
    ask = handle.ask

    async def late(request: Request[Any]) -> Any:
        if isinstance(request, RecordRollouts) and not stolen:
            token = handle.mint_token()
            stolen.append(token)
            terms = ClaimTerms(token=token, owner=handle.owner("thief"), lease_ms=60_000, stale_after_ms=0)
            assert isinstance(await ask(ClaimBackfill(terms=terms)), BackfillClaimed)
            await ask(FinishBackfill(token=token, listed=False))
        return await ask(request)

    async with following(handle, home, monkeypatch) as followed:
        await followed.until_listed()
        rollout = home.session()
        monkeypatch.setattr(handle, "ask", late)
        followed.watcher.changes.add([followed.place(rollout)])
        await followed.until_status(rollout, "indexed")

    assert len(stolen) == 1


async def test_file_that_is_no_longer_shadowed_is_read_without_being_heard_of(
    handle: StateHandle, home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    active = home.session()
    archived = home.session(archived=True, thread_id=active.thread_id)
    async with following(handle, home, monkeypatch) as followed:
        await followed.until_status(archived, "shadowed")
        await followed.until_listed()
        active.path.unlink()
        followed.watcher.changes.add([followed.place(active)])

        await followed.until_status(archived, "indexed")


async def test_names_are_recorded_when_their_file_is_heard_to_change(
    handle: StateHandle, home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = home.session()
    async with following(handle, home, monkeypatch) as followed:
        await followed.until_status(rollout, "indexed")
        await followed.until_listed()
        home.name_thread(rollout.thread_id, "login")
        followed.watcher.changes.add(["session_index.jsonl"])
        with trio.fail_after(SECONDS_MAX):
            while True:
                found = await handle.ask(GetThread(thread_id=rollout.thread_id))
                if isinstance(found, ThreadFound) and found.thread.name == "login":
                    break
                await trio.sleep(0.002)


async def test_everything_has_its_turn_however_much_is_heard(
    handle: StateHandle, home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(handle, home, monkeypatch, rescan_seconds=0.1) as followed:
        await followed.until_listed()
        unheard = home.session()

        async def chatter() -> None:
            while True:
                followed.watcher.changes.add(["sessions/nothing-of-interest"])
                await trio.sleep(0.001)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(chatter)
            await followed.until_status(unheard, "indexed")
            nursery.cancel_scope.cancel()


async def test_trouble_is_shown_beside_the_worker_and_goes_with_it(
    handle: StateHandle, home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    await handle.ask(
        ReportWorker(process=handle.process, worker="backfill", state=WorkerState.RUNNING, crashes=0, reason=None)
    )

    async def reason() -> str | None:
        (health,) = await handle.ask(ListWorkers())
        return health.reason

    async with following(handle, home, monkeypatch) as followed:
        await followed.watcher.tell(Trouble(reason="the limit is reached", hint="raise it"))
        assert await reason() == "not every change is heard: the limit is reached; raise it"
        await followed.watcher.tell(None)

        assert await reason() is None


async def test_service_that_shall_not_watch_has_no_watch(
    handle: StateHandle, home: CodexHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[bool] = []

    async def run(self: FakeWatcher) -> None:
        ran.append(True)
        await trio.sleep_forever()

    monkeypatch.setattr(FakeWatcher, "run", run)
    monkeypatch.setattr(follow, "Watcher", FakeWatcher)
    for watch in (False, True):
        settings = attrs.evolve(Settings(), backfill=attrs.evolve(Settings().backfill, watch=watch))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow.serve, handle, home.path, settings)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

        assert bool(ran) is watch
