"""A line takes its number once it is in the file, and a rollout has one writer."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from state.live import LiveError
from state.rollouts.writer_lock import WriterLock
from tests.fakes.readings import thread_id
from tests.fakes.turn_models import ManualTime, ToldModel, managed, new_thread, saying
from workers.threads.recording import HeldRollout, Recorder

ENTRY = ("event_msg", {"type": "x"})
PATH = f"sessions/2026/09/10/rollout-2026-09-10T08-00-00-{thread_id(1)}.jsonl"


@attrs.define
class FullDisk:
    """Takes so many lines and no more."""

    room: int
    lines: list[bytes] = attrs.field(factory=list)

    def append(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            if len(self.lines) == self.room:
                raise OSError("no space left")
            self.lines.append(line)

    def hold(self) -> None:
        pass

    def release(self) -> None:
        pass

    def ordinals(self) -> list[int]:
        return [json.loads(line)["ordinal"] for line in self.lines]


def lines_of(home: Path, path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / path).read_text().splitlines()]


async def test_line_that_was_not_written_takes_no_number() -> None:
    disk = FullDisk(room=2)
    recorder = Recorder(lines=disk, next_ordinal=5, now_ms=ManualTime())
    with pytest.raises(OSError, match="no space left"):
        await recorder.write(ENTRY, ENTRY, ENTRY)
    disk.room = 3
    await recorder.write(ENTRY)

    assert disk.ordinals() == [5, 6, 7]


async def test_writers_of_one_thread_wait_for_each_other(tmp_path: Path) -> None:
    held = HeldRollout(tmp_path, PATH, thread_id(1))
    recorder = Recorder(lines=held, next_ordinal=None, now_ms=ManualTime())
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(recorder.write, ENTRY, ENTRY)
    await trio.to_thread.run_sync(held.release)

    assert len(lines_of(tmp_path, PATH)) == 40
    WriterLock(tmp_path, thread_id(1), wait_seconds=0).release()


@pytest.mark.parametrize("mode", ["legacy", "paginated"])
async def test_thread_begins_once_though_a_turn_and_an_edit_both_begin_it(tmp_path: Path, mode: str) -> None:
    async with managed(tmp_path, ToldModel([saying("Done.")])) as manager:
        view = await manager.start(new_thread(mode))
        live = manager.get(view.id)
        assert live is not None
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(live.materialize)
        lines = lines_of(tmp_path, view.row.rollout_path)

    assert [line["type"] for line in lines] == ["session_meta"]


async def test_thread_that_could_not_be_loaded_can_be_written_by_others(tmp_path: Path) -> None:
    async with managed(tmp_path, ToldModel([])) as manager:
        view = await manager.start(new_thread())
        gone = attrs.evolve(view.row, id=thread_id(9))
        with pytest.raises(FileNotFoundError):
            await manager.resume(gone, {}, view.settings)

        WriterLock(tmp_path, thread_id(9), wait_seconds=0).release()


async def test_thread_that_somebody_else_writes_is_not_loaded(tmp_path: Path) -> None:
    async with managed(tmp_path, ToldModel([])) as manager:
        view = await manager.start(new_thread())
        live = manager.get(view.id)
        assert live is not None
        await live.materialize()
        await manager.unload(view.id)
        lock = WriterLock(tmp_path, view.id, wait_seconds=0)
        with pytest.raises(LiveError, match="already has an active writer"):
            await manager.resume(view.row, {}, view.settings)
        lock.release()

        assert (await manager.resume(view.row, {}, view.settings)).is_recorded
