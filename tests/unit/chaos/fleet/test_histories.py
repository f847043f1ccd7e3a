"""What a fleet was told is judged: a run that went well is believed, and a planted violation is found."""

import os
from pathlib import Path

import attrs
import pytest
import trio

from chaos.fleet.histories import Histories, judge
from chaos.fleet.place import Place, WallOffset
from chaos.fleet.wall import Wall
from chaos.history_file import LineRecord, moment
from chaos.operations import Answer, Operation
from chaos.points.child import settings_of
from chaos.recorder import RecordedHandle
from state.clock import machine_clock
from state.folder import StateFolder
from state.messages.extraction import FinishExtraction
from state.messages.job_control import JobReopened, RetryJob
from state.messages.jobs import JobKind, ListJobs
from state.store import open_store
from tests.fakes.codex_home import CodexHome
from workers.once import do_once
from workers.progress import NoProgress


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A run's folder with two sessions."""
    place = Place(root=tmp_path / "run")
    place.make()
    home = CodexHome(place.codex_home)
    for cwd in ("/home/ann/shop", "/home/ann/blog"):
        home.session(cwd=cwd).user("Always use pnpm instead of npm in this project.")
    return place


@pytest.fixture
def wall(place: Place) -> Wall:
    """Its clock."""
    return Wall(WallOffset(place.wall_offset))


@pytest.fixture
def operations(place: Place, wall: Wall) -> list[Operation]:
    """What one process asked that did everything, and one job twice."""

    async def work() -> None:
        async with open_store(StateFolder(path=place.state_dir), str(place.codex_home)) as store:
            handle = RecordedHandle(store, LineRecord(writing, machine_clock), "once", readings=True)
            settings = settings_of(publishes=False)
            await do_once(handle, place.codex_home, settings, NoProgress(), frozenset({"backfill", "extract"}))
            wall.shift(86_400_000)
            page = await handle.ask(ListJobs(kind=JobKind.EXTRACTION))
            reopened = await handle.ask(RetryJob(job_id=page.jobs[0].job_id))
            assert isinstance(reopened, JobReopened)
            await do_once(handle, place.codex_home, settings, NoProgress(), frozenset({"extract"}))

    histories = Histories(place.histories)
    reading, writing = os.pipe()
    histories.listen("once", os.fdopen(reading, "rb"))
    try:
        trio.run(work)
    finally:
        os.close(writing)
    return histories.operations()


@pytest.fixture
def database(place: Place) -> Path:
    """Its rows."""
    return place.state_dir / "state.sqlite"


def finishes(operations: list[Operation]) -> list[Operation]:
    """The jobs that were done."""
    return [one for one in operations if isinstance(one.request, FinishExtraction)]


def test_run_that_went_well_is_believed(operations: list[Operation], wall: Wall, database: Path) -> None:
    assert len(finishes(operations)) == 3
    assert judge(operations, wall, database) == []


def test_rows_that_nobody_asked_for_are_found(wall: Wall, database: Path, operations: list[Operation]) -> None:
    assert len(judge([], wall, database)) >= 2


def test_end_that_was_accepted_twice_is_found(operations: list[Operation], wall: Wall, database: Path) -> None:
    again = moment(machine_clock)
    planted = attrs.evolve(finishes(operations)[0], asked=again, ended=attrs.evolve(again, order=again.order + 1))

    (violation,) = judge([*operations, planted], wall, database)
    assert "no order" in violation


def test_command_that_was_obeyed_and_left_no_trace_is_found(
    operations: list[Operation], wall: Wall, database: Path
) -> None:
    told = [one for one in operations if not isinstance(one.request, RetryJob)]

    assert judge(told, wall, database) != []


def test_reply_that_a_kill_has_lost_is_in_doubt(operations: list[Operation], wall: Wall, database: Path) -> None:
    last = finishes(operations)[-1]
    lost = [attrs.evolve(one, answer=Answer.LOST) if one is last else one for one in operations]

    assert judge(lost, wall, database) == []


def test_clock_that_was_shifted_is_between_what_it_was_and_what_it_is(operations: list[Operation], wall: Wall) -> None:
    before = operations[0]
    long_after = moment(machine_clock).order + 1_000_000_000
    assert before.ended is not None
    after = attrs.evolve(
        before,
        asked=attrs.evolve(before.asked, order=long_after),
        ended=attrs.evolve(before.ended, order=long_after + 1),
    )

    assert wall.told(before) == before
    assert wall.told(after).asked.at.wall_ms == after.asked.at.wall_ms + 86_400_000
    over_the_shift = attrs.evolve(after, asked=before.asked)
    assert wall.told(over_the_shift).asked == before.asked
    assert wall.told(over_the_shift).ended == wall.told(after).ended
