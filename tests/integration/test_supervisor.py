"""The supervisor in the test's own process: what restarts, what stays down, what stops the service."""

import os
import signal
from pathlib import Path

import attrs
import pytest
import trio

import supervisor
from config import Paths, Settings
from state.errors import NotCommittedError, StoreBrokenError, StoreBusyError, StoreError
from state.messages.service import ListWorkers, WorkerState
from state.store import StateHandle

FAST = attrs.evolve(
    Settings(),
    service=attrs.evolve(Settings().service, restarts_max=3, restart_seconds_min=0.001, restart_seconds_max=0.002),
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A home and a state folder that nobody uses."""
    return Paths(
        codex_home=tmp_path / "codex",
        state_dir=tmp_path / "state",
        config_file=tmp_path / "config.toml",
        config_exists=False,
    )


async def _until(holds: object, handle: StateHandle) -> dict[str, tuple[WorkerState, int]]:
    """Wait until a worker's state is as expected; gives all states by worker."""
    with trio.fail_after(10):
        while True:
            states = {one.worker: (one.state, one.crashes) for one in await handle.ask(ListWorkers())}
            if holds(states):  # type: ignore[operator]
                return states
            await trio.sleep(0.005)


async def test_a_crashed_worker_is_restarted_and_the_others_go_on(paths: Paths) -> None:
    starts: list[str] = []
    observed: list[dict[str, tuple[WorkerState, int]]] = []

    async def crashes_twice(handle: StateHandle, paths: Paths, settings: Settings) -> None:
        starts.append("crashing")
        if len(starts) <= 2:
            raise RuntimeError("boom")
        await trio.sleep_forever()

    async def watches(handle: StateHandle, paths: Paths, settings: Settings) -> None:
        observed.append(await _until(lambda states: states.get("crashing") == (WorkerState.RUNNING, 2), handle))
        os.kill(os.getpid(), signal.SIGTERM)
        await trio.sleep_forever()

    code = await supervisor.run(paths, FAST, workers=(("crashing", crashes_twice), ("watching", watches)))

    assert code == 0
    assert starts == ["crashing"] * 3
    assert observed[0]["watching"] == (WorkerState.RUNNING, 0)


async def test_a_worker_that_crashes_too_often_stays_down_and_says_why(paths: Paths) -> None:
    starts: list[str] = []
    reasons: list[str | None] = []

    async def always_crashes(handle: StateHandle, paths: Paths, settings: Settings) -> None:
        starts.append("start")
        await trio.lowlevel.checkpoint()
        raise RuntimeError(f"boom with sk-{'a1' * 20}")

    async def watches(handle: StateHandle, paths: Paths, settings: Settings) -> None:
        await _until(lambda states: states.get("crashing", (None,))[0] is WorkerState.DOWN, handle)
        reasons.extend(one.reason for one in await handle.ask(ListWorkers()) if one.worker == "crashing")
        os.kill(os.getpid(), signal.SIGINT)
        await trio.sleep_forever()

    code = await supervisor.run(paths, FAST, workers=(("crashing", always_crashes), ("watching", watches)))

    assert code == 0
    assert len(starts) == FAST.service.restarts_max + 1
    assert reasons == ["RuntimeError: boom with [REDACTED_SECRET]"]


@pytest.mark.parametrize("error", [NotCommittedError("the disk is full"), StoreBusyError("locked")])
async def test_a_store_that_can_be_asked_again_keeps_no_worker_down(paths: Paths, error: StoreError) -> None:
    starts: list[str] = []
    reasons: list[str | None] = []
    outages = 3 * FAST.service.restarts_max

    async def waits_for_the_disk(handle: StateHandle, paths: Paths, settings: Settings) -> None:
        starts.append("start")
        await trio.lowlevel.checkpoint()
        if len(starts) <= outages:
            raise error
        await trio.sleep_forever()

    async def watches(handle: StateHandle, paths: Paths, settings: Settings) -> None:
        await _until(lambda states: states.get("waiting") == (WorkerState.RUNNING, outages), handle)
        reasons.extend(one.reason for one in await handle.ask(ListWorkers()) if one.worker == "waiting")
        os.kill(os.getpid(), signal.SIGTERM)
        await trio.sleep_forever()

    code = await supervisor.run(paths, FAST, workers=(("waiting", waits_for_the_disk), ("watching", watches)))

    assert code == 0
    assert reasons == [f"{type(error).__name__}: {error}"]


async def test_a_store_that_cannot_go_on_stops_the_service(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(handle: StateHandle) -> StoreBrokenError:
        await trio.sleep(0.01)
        return StoreBrokenError("the disk is gone", hint="buy another one")

    async def waits(handle: StateHandle, paths: Paths, settings: Settings) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(StateHandle, "wait_broken", breaks)

    assert await supervisor.run(paths, FAST, workers=(("waiting", waits),)) == supervisor.EXIT_STORE_BROKEN


async def test_a_worker_that_fails_while_it_is_stopped_makes_the_stop_no_failure(paths: Paths) -> None:
    async def fails_at_the_end(handle: StateHandle, paths: Paths, settings: Settings) -> None:
        async def fail() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise NotCommittedError("the disk is full")

        os.kill(os.getpid(), signal.SIGTERM)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            nursery.start_soon(trio.sleep_forever)

    assert await supervisor.run(paths, FAST, workers=(("clumsy", fails_at_the_end),)) == 0


async def test_workers_may_finish_their_farewell_before_the_store_closes(paths: Paths) -> None:
    farewells: list[int] = []

    async def says_farewell(handle: StateHandle, paths: Paths, settings: Settings) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                farewells.append(len(await handle.ask(ListWorkers())))

    assert await supervisor.run(paths, FAST, workers=(("polite", says_farewell),)) == 0
    assert farewells == [1]
