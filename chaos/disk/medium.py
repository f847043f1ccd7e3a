"""What a power cut leaves: the files as they may lie on the disk after any event of a recording.

A disk writes sectors of 512 bytes, whole or not at all, in any order, until a sync says that all are there. So of what
was written since the last sync every subset of sectors may have arrived. Names behave alike: a file that was made or
deleted is, or is not, there as it was until its folder is synced. Bytes of a sector that nobody wrote stay as they are
(SQLite relies on this, too); a file that grew without its data holds zeros, or what lay on that place before.
"""

import random
from collections.abc import Callable, Iterator
from enum import StrEnum

import attrs

from chaos.disk.recording import Created, Deleted, Event, Synced, SyncFailed, Truncated, Wrote

SECTOR_BYTES = 512

Files = dict[str, bytes]
"""The content of every file, by name."""


class Survival(StrEnum):
    """What arrived of all that was under way."""

    NOTHING = "nothing"
    EVERYTHING = "everything"
    TORN = "torn"
    """Everything but the second half of the last write."""
    LAST_ONLY = "last only"
    """The last write, and nothing of what was written before it."""
    UNCUT = "uncut"
    """Every write, and no truncation and no name since the last sync: what the file system itself does comes late."""
    DOOMED = "doomed"
    """Of what was under way only what a failed sync should have kept."""
    SOME = "some"
    """A random subset of the sectors, and the names up to a random one."""


@attrs.frozen
class _Sector:
    """The part of one write that lies within one sector."""

    write: int
    offset: int
    data: bytes

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


@attrs.frozen
class _Size:
    """A truncation."""

    write: int
    size_bytes: int


_Change = _Sector | _Size


@attrs.define
class _File:
    """What certainly is on the disk, and what is under way."""

    durable: bytearray = attrs.field(factory=bytearray, converter=bytearray)
    pending: list[_Change] = attrs.Factory(list)
    doomed: list[_Change] = attrs.Factory(list)
    """Under way when a sync failed: no later sync can be trusted to have kept it."""

    def sync(self) -> None:
        # What is synced now lies over what was doomed in the same place.
        self.doomed = [
            lost
            for lost in self.doomed
            if isinstance(lost, _Sector)
            and not any(isinstance(kept, _Sector) and _overlap(lost, kept) for kept in self.pending)
        ]
        _apply(self.durable, self.pending, _always, None)
        self.pending = []

    def content(self, keep: Callable[[_Change], bool], garbage: random.Random | None) -> bytes:
        content = bytearray(self.durable)
        _apply(content, [*self.doomed, *self.pending], keep, garbage)
        return bytes(content)


def _overlap(one: _Sector, other: _Sector) -> bool:
    return one.offset < other.end and other.offset < one.end


def _always(_change: _Change) -> bool:
    return True


def _apply(
    content: bytearray, changes: list[_Change], keep: Callable[[_Change], bool], garbage: random.Random | None
) -> None:
    """Make these changes to a file's content."""
    for change in changes:
        if not keep(change):
            continue
        if isinstance(change, _Size):
            del content[change.size_bytes :]
            content.extend(bytes(change.size_bytes - len(content)))
            continue
        hole = change.offset - len(content)
        if hole > 0:
            content.extend(garbage.randbytes(hole) if garbage else bytes(hole))
        content[change.offset : change.end] = change.data


class Medium:
    """The disk while a recording is played to it."""

    def __init__(self, files: Files | None = None) -> None:
        """Begin with these files, which are on the disk."""
        self._live = {name: _File(content) for name, content in (files or {}).items()}
        self._names = dict(self._live)
        self._pending_names: list[tuple[str, _File | None]] = []
        self._writes = 0
        self._last: _File | None = None

    def play(self, event: Event) -> bool:
        """Take one event in; answer whether it changed what a power cut may leave."""
        match event:
            case Created(name):
                self._live[name] = _File()
                self._pending_names.append((name, self._live[name]))
            case Wrote(name, offset, data):
                self._change(name, _sectors(self._writes, offset, data))
            case Truncated(name, size_bytes):
                self._change(name, [_Size(self._writes, size_bytes)])
            case Synced(name, folder):
                self._live[name].sync()
                if folder:
                    self._sync_names()
            case SyncFailed(name):
                file = self._live[name]
                file.doomed += file.pending
                file.pending = []
            case Deleted(name, folder):
                del self._live[name]
                self._pending_names.append((name, None))
                if folder:
                    self._sync_names()
            case _:
                return False
        return True

    def _change(self, name: str, changes: list[_Sector] | list[_Size]) -> None:
        self._last = self._live[name]
        self._last.pending.extend(changes)
        self._writes += 1

    def _sync_names(self) -> None:
        self._names = self._named(len(self._pending_names))
        self._pending_names = []

    def _named(self, changes: int) -> dict[str, _File]:
        names: dict[str, _File | None] = dict(self._names)
        names.update(self._pending_names[:changes])
        return {name: file for name, file in names.items() if file is not None}

    def knows(self, name: str) -> bool:
        """Say whether there is a file of this name."""
        return name in self._live

    @property
    def has_doomed(self) -> bool:
        """Something is under way that a failed sync should have kept."""
        return any(file.doomed for file in self._live.values())

    @property
    def is_settled(self) -> bool:
        """Nothing is under way: a power cut leaves exactly one image."""
        files = {id(file): file for file in (*self._live.values(), *self._names.values())}
        return not self._pending_names and not any(file.pending or file.doomed for file in files.values())

    def image(self, survival: Survival, random_source: random.Random) -> Files:
        """The files after a power cut now, of which this survives."""
        if survival is Survival.SOME:
            chance = random_source.choice((0.1, 0.5, 0.9))
            names = self._named(random_source.randint(0, len(self._pending_names)))
            garbage = random_source if random_source.random() < 0.5 else None
            return {
                name: file.content(lambda _change: random_source.random() < chance, garbage)
                for name, file in sorted(names.items())
            }
        late = survival in (Survival.NOTHING, Survival.UNCUT)
        names = self._named(0 if late else len(self._pending_names))
        return {name: file.content(self._keeper(survival, file), None) for name, file in names.items()}

    def _keeper(self, survival: Survival, file: _File) -> Callable[[_Change], bool]:
        last = self._writes - 1
        if survival is Survival.NOTHING:
            return lambda _change: False
        if survival is Survival.DOOMED:
            doomed = set(map(id, file.doomed))
            return lambda change: id(change) in doomed
        if survival is Survival.UNCUT:
            return lambda change: isinstance(change, _Sector)
        if survival is Survival.EVERYTHING or file is not self._last:
            return lambda _change: survival is not Survival.LAST_ONLY
        if survival is Survival.LAST_ONLY:
            return lambda change: change.write == last
        of_last = [change for change in file.pending if change.write == last]
        lost = set(map(id, of_last[(len(of_last) + 1) // 2 if len(of_last) > 1 else 0 :]))
        return lambda change: id(change) not in lost

    def images(self, some: int, random_source: random.Random) -> Iterator[tuple[Survival, Files]]:
        """Every kind of image, `some` random ones among them."""
        if self.is_settled:
            yield Survival.EVERYTHING, self.image(Survival.EVERYTHING, random_source)
            return
        for survival in Survival:
            if survival is not Survival.SOME:
                yield survival, self.image(survival, random_source)
        for _ in range(some):
            yield Survival.SOME, self.image(Survival.SOME, random_source)


def _sectors(write: int, offset: int, data: bytes) -> list[_Sector]:
    """Cut a write at the sectors' edges."""
    sectors = []
    position = 0
    while position < len(data):
        length = min(SECTOR_BYTES - (offset + position) % SECTOR_BYTES, len(data) - position)
        sectors.append(_Sector(write, offset + position, data[position : position + length]))
        position += length
    return sectors
