"""Cutting the power at every moment of a recorded run, and opening what is left.

A run is recorded once. After each of its events the disk is rebuilt as a power cut may leave it then (`medium`), the
real store is opened on it, and its rows are held against what was acknowledged up to that event.
"""

import contextlib
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import apsw
import attrs

from chaos.disk.asked_store import AskedStore, WrapCommits, batch_id_of, read_back, small_checkpoints
from chaos.disk.faults import Fault
from chaos.disk.faulty import faulty_disk
from chaos.disk.medium import Files, Medium
from chaos.disk.promises import Batch, Promised, Remains, Tables, promised
from chaos.disk.recording import Event, Marked, Recorder
from chaos.disk.report import Scene
from chaos.disk.workload import Script
from state.errors import StateFolderError
from state.folder import StateFolder
from state.ids import ProcessUuid

CHECKPOINT_FRAMES = 60
"""SQLite's own 1,000 would not be reached by a script."""


@attrs.frozen(kw_only=True)
class Depth:
    """How much is tried.

    Attributes:
      some: random subsets of the unsynced sectors at each point, beside the fixed ones.
      stride: try every so-manieth point; 1 tries them all.
    """

    some: int = 2
    stride: int = 1

    def takes(self, number: int) -> bool:
        """Say whether the point with this number is tried."""
        return number % self.stride == 0


@attrs.frozen(kw_only=True)
class Recording:
    """What happened to the files, and what was answered meanwhile.

    Attributes:
      events: a `Marked` says how many batches were answered by then.
      history: every batch, in order; the last one may have no answer.
      stored_by: for each batch, the process that stored it and the id that its row held afterwards.
      first_event: only moments after this one are cut.
    """

    events: tuple[Event, ...]
    history: tuple[Batch, ...]
    stored_by: tuple[tuple[ProcessUuid, object], ...]
    first_event: int = 0

    def id_after(self, batches: int, process: ProcessUuid | None) -> object:
        """The id that this process's row holds when so many batches are stored; None before its first."""
        if batches == 0 or self.stored_by[batches - 1][0] != process:
            return None
        return self.stored_by[batches - 1][1]

    def process_in_hand(self, answered: int) -> ProcessUuid | None:
        """Whose batch is the next one."""
        return self.stored_by[answered][0] if answered < len(self.stored_by) else None


def record_serving(
    folder: StateFolder,
    parts: Sequence[Script],
    *,
    wrap: Callable[[str], WrapCommits] | None = None,
    lies: Sequence[Fault] = (),
) -> Recording:
    """Record a store from the making of its file, opened and closed once for each part of the script.

    Args:
      wrap: given the disk's name; see `AskedStore`.
      lies: what the disk says to have done and has not.
    """
    notes = _Notes(folder)
    with faulty_disk(recorder=notes.recorder) as disk, small_checkpoints(disk.name, CHECKPOINT_FRAMES):
        disk.follow(*lies)
        for number, script in enumerate(parts):
            store = AskedStore(folder, vfs=disk.name, wrap=None if wrap is None else wrap(disk.name), number=number)
            notes.hear(store)
            for requests in script:
                store.ask(requests)
            if number == len(parts) - 1:
                recording = notes.recording(first_event=0)
                disk.recover()
            store.close()
    return recording


def record_failing(folder: StateFolder, script: Script, fault: Fault, *, batches_after: int = 2) -> Recording:
    """Record a store whose disk fails once it is open: to be cut from the failing batch on, to a few batches later.

    A store that cannot find out what was stored stops. Its last batch then has no answer.
    """
    notes = _Notes(folder)
    failing_at = 0
    with faulty_disk(recorder=notes.recorder) as disk, small_checkpoints(disk.name, CHECKPOINT_FRAMES):
        store = AskedStore(folder, vfs=disk.name)
        notes.hear(store)
        disk.follow(fault)
        for requests in script:
            if not disk.struck:
                failing_at = len(notes.recorder.events)
            elif batches_after == 0 or store.is_broken:
                break
            else:
                batches_after -= 1
            store.ask(requests)
        recording = notes.recording(first_event=failing_at)
        disk.recover()
        store.close()
    return recording


class _Notes:
    """What is written down while stores are asked. After a batch without an answer nothing more counts."""

    def __init__(self, folder: StateFolder) -> None:
        self.recorder = Recorder()
        self._folder = folder
        self._history: list[Batch] = []
        self._stored_by: list[tuple[ProcessUuid, object]] = []

    def hear(self, store: AskedStore) -> None:
        """Write down each batch of this store."""
        store.on_batch = lambda batch: self._take(store, batch)

    def _take(self, store: AskedStore, batch: Batch) -> None:
        if self._history and self._history[-1].is_open:
            return
        self._history.append(batch)
        self._stored_by.append((store.process, batch_id_of(self._folder, store.process)))
        if not batch.is_open:
            self.recorder.mark(len(self._history))

    def recording(self, *, first_event: int) -> Recording:
        """Everything so far."""
        return Recording(
            events=tuple(self.recorder.events),
            history=tuple(self._history),
            stored_by=tuple(self._stored_by),
            first_event=first_event,
        )


@attrs.frozen(kw_only=True)
class Judged:
    """What one image turned out to be."""

    remains: Remains
    detail: str = ""
    tables: Tables | None = None
    batch_id: object = None


class Opener:
    """Opens image after image with the real store, in one folder that is emptied in between."""

    def __init__(self, root: Path) -> None:
        self.folder = StateFolder(path=root / "image")

    def lay(self, files: Files) -> None:
        """Put these files, and nothing else, into the folder."""
        shutil.rmtree(self.folder.path, ignore_errors=True)
        self.folder.path.mkdir(mode=0o700)
        for name, content in files.items():
            (self.folder.path / name).write_bytes(content)

    def open(self, process: ProcessUuid | None = None) -> Judged:
        """Open what lies there as the next start does, and read it all."""
        try:
            store = AskedStore(self.folder, number=50)
        except StateFolderError as error:
            return Judged(remains=Remains.CORRUPT, detail=str(error))
        try:
            if store.quarantined:
                return Judged(remains=Remains.CORRUPT, detail="it was set aside as damaged")
            tables, batch_id = read_back(self.folder, process)
        except apsw.Error as error:
            return Judged(remains=Remains.CORRUPT, detail=str(error))
        finally:
            store.close()
        return Judged(remains=Remains.KEPT, tables=tables, batch_id=batch_id)


def cut_everywhere(scene: Scene, recording: Recording, root: Path, *, seed: int, depth: Depth) -> None:
    """Cut the power after every event of the recording, and count what is found."""
    promises = promised(recording.history)
    for remark in promises.wrong_replies:
        scene.remark(remark)
    opener = Opener(root)
    scene.acknowledged += sum(batch.acknowledged for batch in recording.history if not batch.is_open)
    with _timed(scene):
        for point, answered, files in _images(recording, seed, depth, scene):
            begun = min(answered + 1, len(recording.history))
            process = recording.process_in_hand(answered)
            opener.lay(files)
            judged = opener.open(process)
            remains = judged.remains
            if judged.tables is not None:
                remains = promises.judge(judged.tables, answered=answered, begun=begun)
            scene.found(remains, f"power cut after event {point}, {answered} batches answered", detail=judged.detail)
            if begun > answered:
                scene.unknown += 1
                if remains is Remains.KEPT:
                    scene.resolved += _id_decides(recording, promises, judged, answered, begun, process)


def _id_decides(
    recording: Recording,
    promises: Promised,
    judged: Judged,
    answered: int,
    begun: int,
    process: ProcessUuid | None,
) -> bool:
    """Say whether the id in the process's row names the very batch up to which everything is stored."""
    before, after = (recording.id_after(batches, process) for batches in (answered, begun))
    if judged.tables == promises.states[answered] and judged.batch_id == before:
        return True
    if judged.tables == promises.states[begun] and judged.batch_id == after:
        return True
    # Stored, and refused afterwards: its id has never been seen.
    return judged.tables == promises.in_hand[answered] and judged.batch_id not in (None, before)


def _images(recording: Recording, seed: int, depth: Depth, scene: Scene) -> Iterator[tuple[int, int, Files]]:
    """Every different image, with its event's number and how many batches were answered by then."""
    medium = Medium()
    answered = 0
    seen: set[tuple[int, int]] = set()
    for point, event in enumerate(recording.events):
        if isinstance(event, Marked):
            answered = event.mark
        else:
            medium.play(event)
        if point < recording.first_event or not depth.takes(point):
            continue
        scene.points += 1
        for _survival, files in medium.images(depth.some, random.Random(f"{seed} {scene.name} {point}")):
            key = (answered, hash(tuple(sorted(files.items()))))
            if key not in seen:
                seen.add(key)
                yield point, answered, files


@contextlib.contextmanager
def _timed(scene: Scene) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        scene.seconds += time.perf_counter() - began
