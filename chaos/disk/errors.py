"""Failing every operation of a run, one run an operation, and holding the store to what it answered.

An operation fails once, or from then on until the disk is repaired while the store is still open. Whatever happens, a
request is stored and acknowledged, or refused with a reason, or unknown and then found to be one of the two; the other
requests of its batch get their right answers; and when the disk is good again, the store goes on.
"""

import functools
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import apsw
import attrs

from chaos.disk.asked_store import AskedStore, WrapCommits, read_back, small_checkpoints
from chaos.disk.faults import Effect, Fault, Operation
from chaos.disk.faulty import FaultyDisk, faulty_disk
from chaos.disk.power import CHECKPOINT_FRAMES, Depth
from chaos.disk.promises import Batch, Remains, judge, pictured
from chaos.disk.report import Scene
from chaos.disk.workload import Script
from state.errors import StateFolderError, StoreError
from state.folder import StateFolder
from state.messages.consolidation import PublishConsolidation


@attrs.frozen(kw_only=True)
class Trial:
    """A script in three parts: before the disk fails, while it fails, and when it is good again."""

    before: Script
    during: Script
    after: Script

    @classmethod
    def of(cls, script: Script, *, after: int = 4) -> "Trial":
        """Split a script in the middle; its last batches are asked of the repaired disk."""
        half = len(script) // 2
        return cls(before=script[:half], during=script[half:-after], after=script[-after:])


class Base:
    """The store as it is before each trial: made once, copied for each."""

    def __init__(
        self, root: Path, trial: Trial, *, is_closed: bool = False, wrap: Callable[[str], WrapCommits] | None = None
    ) -> None:
        """Make it.

        Args:
          is_closed: the earlier process closed it in good order, so that there is no log yet; else it was killed.
          wrap: given the disk's name, what serves the trials in the place of the store's own; see `AskedStore`.
        """
        self.trial = trial
        self._wrap = wrap
        self._made = StateFolder(path=root / "base")
        self._folder = StateFolder(path=root / "trial")
        store = AskedStore(self._made)
        for requests in trial.before:
            store.ask(requests)
        if is_closed:
            store.close()
        self._files = {
            path.name: path.read_bytes()
            for path in self._made.path.glob("state.sqlite*")
            if not path.name.endswith("-shm")
        }
        if not is_closed:
            store.close()
        self.acknowledged = sum(batch.acknowledged for batch in store.history)
        self.published = published(store.history)
        self.picture = pictured(store.history)

    def open(self, folder: StateFolder, disk: FaultyDisk, number: int) -> AskedStore:
        """Open a trial's store on its disk."""
        wrap = None if self._wrap is None else self._wrap(disk.name)
        return AskedStore(folder, vfs=disk.name, wrap=wrap, number=number)

    def fresh(self) -> StateFolder:
        """A folder with nothing but the files of the base."""
        shutil.rmtree(self._folder.path, ignore_errors=True)
        self._folder.path.mkdir(mode=0o700)
        for name, content in self._files.items():
            (self._folder.path / name).write_bytes(content)
        return self._folder


def published(history: Sequence[Batch]) -> set[str]:
    """Names of the generations that were, or may have been, published."""
    return {
        Path(asked.request.generation_folder).name
        for batch in history
        for asked in batch.asked
        if isinstance(asked.request, PublishConsolidation) and not asked.is_refused
    }


def count_operations(base: Base) -> dict[Operation, int]:
    """How many operations of each kind a trial has, from after its opening to after its closing."""
    with faulty_disk() as disk, small_checkpoints(disk.name, CHECKPOINT_FRAMES):
        store = base.open(base.fresh(), disk, 1)
        disk.follow()
        for requests in base.trial.during:
            store.ask(requests)
        store.close()
        return dict(disk.counts)


def every_fault(counts: dict[Operation, int], operation: Operation, effect: Effect, depth: Depth) -> Iterator[Fault]:
    """This effect at every operation of its kind, once and for good."""
    for number in range(1, counts.get(operation, 0) + 1):
        if depth.takes(number):
            yield Fault(operation=operation, effect=effect, number=number)
            yield Fault(operation=operation, effect=effect, number=number, times=None)


def fail_everywhere(scene: Scene, base: Base, *, operation: Operation, effect: Effect, depth: Depth) -> None:
    """Try one effect at every operation of its kind while the store serves, and closes."""
    began = time.perf_counter()
    for fault in every_fault(count_operations(base), operation, effect, depth):
        scene.points += 1
        _Run(scene, base, str(fault)).serve(functools.partial(_follow, fault))
    scene.seconds += time.perf_counter() - began


def fill_everywhere(scene: Scene, base: Base, *, depth: Depth, step_bytes: int = 2_048) -> None:
    """Let the disk be full after every so many bytes more than the store has, until the whole run fits."""
    began = time.perf_counter()
    number = 0
    is_struck = True
    while is_struck:
        if depth.takes(number):
            room = number * step_bytes
            scene.points += 1
            is_struck = _Run(scene, base, f"room for {room:,} bytes more").serve(functools.partial(_fill, room))
        number += 1
    scene.seconds += time.perf_counter() - began


def _follow(fault: Fault, disk: FaultyDisk) -> None:
    disk.follow(fault)


def _fill(room_bytes: int, disk: FaultyDisk) -> None:
    disk.room_bytes = disk.used_bytes + room_bytes


class _Run:
    """One trial with one fault."""

    def __init__(self, scene: Scene, base: Base, where: str) -> None:
        self._scene = scene
        self._base = base
        self._where = where
        self._folder = base.fresh()
        self._history: list[Batch] = []

    def serve(self, break_disk: Callable[[FaultyDisk], None]) -> bool:
        """Serve the trial's script on a disk that breaks and is repaired; answer whether anybody noticed."""
        trial = self._base.trial
        with faulty_disk() as disk, small_checkpoints(disk.name, CHECKPOINT_FRAMES):
            store = self._base.open(self._folder, disk, 1)
            break_disk(disk)
            self._ask(store, trial.during)
            was_whole = not store.is_broken
            if store.is_broken:
                if self._scene.is_full_disk:
                    self._scene.remark(f"{self._where}: the store gave up on a full disk instead of waiting for room")
                # The service stops, says so, and is started again when the disk is repaired.
                store.close()
                disk.recover()
                store = self._base.open(self._folder, disk, 2)
            disk.recover()
            while_bad = len(self._history)
            self._ask(store, trial.after)
            store.close()
        self._look_at_answers(while_bad)
        self._reopen()
        self._scene.went_on += was_whole and not any(
            isinstance(asked.answer, Exception) for batch in self._history[while_bad:] for asked in batch.asked
        )
        return any(isinstance(asked.answer, Exception) for batch in self._history for asked in batch.asked)

    def _ask(self, store: AskedStore, script: Script) -> None:
        before = len(store.history)
        try:
            for requests in script:
                store.ask(requests)
        except Exception as error:
            # What is not an answer would end the store's thread, and leave its askers waiting.
            self._scene.remark(f"{self._where}: the store raised {type(error).__name__}: {error}")
        self._history += store.history[before:]

    def _look_at_answers(self, while_bad: int) -> None:
        """Errors of a full disk say so, and after the repair there are none."""
        for batch in self._history[while_bad:]:
            for asked in batch.asked:
                if isinstance(asked.answer, Exception):
                    self._scene.remark(f"{self._where}: the repaired disk is still refused: {asked.answer}")
        for batch in self._history:
            for asked in batch.asked:
                if isinstance(asked.answer, StoreError):
                    sentence = str(asked.answer).replace(str(self._folder.path), "")
                    self._scene.sentences[f"{sentence} ({asked.answer.hint})" if asked.answer.hint else sentence] += 1
                cause = asked.answer.__cause__ if isinstance(asked.answer, StoreError) else None
                if isinstance(cause, apsw.FullError) and "full" not in str(asked.answer):
                    self._scene.remark(f"{self._where}: a full disk is not called one: {asked.answer}")

    def _reopen(self) -> None:
        """Start again on the good disk, and judge everything that was answered."""
        try:
            store = AskedStore(self._folder, number=3)
        except StateFolderError as error:
            self._scene.found(Remains.CORRUPT, self._where, detail=str(error))
            return
        try:
            if store.quarantined:
                self._scene.found(Remains.CORRUPT, self._where, detail="it was set aside as damaged")
                return
            tables, _ = read_back(self._folder)
        except apsw.Error as error:
            self._scene.found(Remains.CORRUPT, self._where, detail=str(error))
            return
        finally:
            store.close()
        for link in sorted((self._folder.memories_dir / "scopes").glob("*")):
            if Path(os.readlink(link)).name not in self._base.published | published(self._history):
                self._scene.remark(f"{self._where}: {link.name} names {os.readlink(link)}, which was not published")
        verdict = judge(self._history, tables, start=self._base.picture)
        self._scene.acknowledged += self._base.acknowledged + sum(batch.acknowledged for batch in self._history)
        self._scene.unknown += verdict.open_batches
        if verdict.remains is Remains.KEPT:
            self._scene.resolved += verdict.open_batches
        self._scene.found(verdict.remains, self._where, detail="; ".join(verdict.remarks))
        for remark in verdict.remarks:
            self._scene.remark(f"{self._where}: {remark}")
