"""The journal of edits: what people and programs said of threads and no rollout holds, beside the database.

    {"thread_id": "...", "edited_at_ms": 1790000000000, "values": {"title": "the login", "git_branch": null}}

One line is one request: appended and synced while the database's write lock is held, before the transaction commits.
The last line about a field wins, so a line that is there twice, because its batch ran again, says nothing new. A line
that is not understood costs that line; the one that a dying writer tore is ended by whoever appends next. Keys and
fields that are not known are left to a newer version. When a thread is forgotten, after its row was deleted, the file
is written anew without its lines, so that nothing of what was said of it stays.

When the database is new, or is rebuilt, each thread's row takes its edits from here at the moment that it appears,
however late that is.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from state.decoders import json_decoder
from state.folder import sync_folder
from state.rollouts.lines import LineRun, read_lines
from state.rollouts.regular import RegularFile, plain_reason
from state.rollouts.whole_writes import append_whole_line, write_whole
from state.transaction import Edit, JournalEntry

LINE_BYTES_MAX = 1 << 20
"""A line holds an id, a time and at most six texts. Longer ones were not written by us."""

NEW_SUFFIX = ".new"
"""Stands behind the journal's name while it is written anew. One that is left behind was never the journal."""


_TAIL_BYTES = 4096
"""So much before the end of what was read is compared before reading goes on behind it."""

_NOTHING_SEEN = (0, 0, 0)


class JournalError(Exception):
    """The journal could not be written or read; the message says why."""


class Journal(Protocol):
    """Keeps entries, and answers what they come to."""

    def append(self, entry: JournalEntry) -> None:
        """Keep an entry. Raises JournalError when it could not be kept."""
        ...

    def edits_of(self, thread_id: str) -> Mapping[str, Edit]:
        """What all entries so far say of a thread, by field. Raises JournalError when they cannot be read."""
        ...

    def named_among(self, thread_ids: Sequence[str]) -> frozenset[str]:
        """Those of these threads of which entries say something. Raises JournalError when they cannot be read."""
        ...


class MemoryJournal:
    """What the entries of a journal come to."""

    def __init__(self) -> None:
        self._edits: dict[str, dict[str, Edit]] = {}

    def append(self, entry: JournalEntry) -> None:
        if not entry.values:
            self._edits.pop(entry.thread_id, None)
            return
        edits = self._edits.setdefault(entry.thread_id, {})
        for field, value in entry.values.items():
            edits[field] = Edit(value=value, edited_at_ms=entry.edited_at_ms)

    def edits_of(self, thread_id: str) -> Mapping[str, Edit]:
        return dict(self._edits.get(thread_id, {}))

    def named_among(self, thread_ids: Sequence[str]) -> frozenset[str]:
        return frozenset(self._edits.keys() & set(thread_ids))


class _Line(msgspec.Struct):
    thread_id: str
    edited_at_ms: int
    values: dict[str, str | None]


_encode = msgspec.json.Encoder().encode
_decode = json_decoder(_Line).decode


class FileJournal:
    """The journal in its file. Several processes may have it; each of them appends under the database's write lock.

    Nothing is read before it is asked for, and then only what was added since.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._known = MemoryJournal()
        self._seen = _NOTHING_SEEN
        self._read_bytes = 0
        self._tail = b""

    def append(self, entry: JournalEntry) -> None:
        """Append one line and sync it; for a deletion, take the thread's lines out.

        Raises:
          JournalError: it could not be written whole, or not be synced, or it is longer than a line may be.
        """
        line = _encode(_Line(thread_id=entry.thread_id, edited_at_ms=entry.edited_at_ms, values=dict(entry.values)))
        if len(line) > LINE_BYTES_MAX:
            raise JournalError(f"what was said of thread {entry.thread_id} is longer than {LINE_BYTES_MAX} bytes")
        try:
            if entry.values:
                _append_line(self._path, line + b"\n")
            else:
                _rewrite_without(self._path, entry.thread_id)
        except OSError as error:
            raise JournalError(f"cannot write {self._path}: {plain_reason(error)}") from error

    def edits_of(self, thread_id: str) -> Mapping[str, Edit]:
        """What the file says of a thread, by field; nothing when there is no file.

        Raises:
          JournalError: the file is there and could not be read.
        """
        self._read()
        return self._known.edits_of(thread_id)

    def named_among(self, thread_ids: Sequence[str]) -> frozenset[str]:
        """Those of these threads of which the file says something; one look at the file for all.

        Raises:
          JournalError: the file is there and could not be read.
        """
        self._read()
        return self._known.named_among(thread_ids)

    def _read(self) -> None:
        try:
            self._catch_up()
        except OSError as error:
            raise JournalError(f"cannot read {self._path}: {plain_reason(error)}") from error

    def _catch_up(self) -> None:
        try:
            status = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            self._forget()
            return
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if seen == self._seen:
            return
        with RegularFile(self._path) as file:
            if not self._goes_on(file.descriptor):
                self._forget()
            for lines in read_lines(file.descriptor, self._read_bytes, file.size_bytes, line_bytes_max=LINE_BYTES_MAX):
                if isinstance(lines, LineRun):
                    for text in lines.lines.split(b"\n"):
                        self._take(text)
                elif not lines.is_oversized:
                    self._take(lines.text)
            self._read_bytes = file.size_bytes
            start = max(file.size_bytes - _TAIL_BYTES, 0)
            self._tail = os.pread(file.descriptor, file.size_bytes - start, start)
        self._seen = seen

    def _goes_on(self, descriptor: int) -> bool:
        """Say whether what was read before still stands where it stood. The inode does not tell: the number of a file
        that was written anew may be given to the next one."""
        return os.pread(descriptor, len(self._tail), self._read_bytes - len(self._tail)) == self._tail

    def _forget(self) -> None:
        """Begin anew with another file, or with one that was cut."""
        self._known = MemoryJournal()
        self._seen = _NOTHING_SEEN
        self._read_bytes = 0
        self._tail = b""

    def _take(self, text: bytes) -> None:
        try:
            line = _decode(text)
        except ValueError:
            return
        self._known.append(JournalEntry(thread_id=line.thread_id, edited_at_ms=line.edited_at_ms, values=line.values))


def _append_line(path: str, line: bytes) -> None:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    is_new = not os.path.lexists(path)
    descriptor = os.open(path, flags, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        append_whole_line(descriptor, line, sync=True)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(Path(path).parent)


def _rewrite_without(path: str, thread_id: str) -> None:
    """Put a file in the place of this one that has all its lines but those of one thread, understood or not."""
    try:
        with RegularFile(path) as file:
            data = _read_whole(file)
    except FileNotFoundError:
        return
    kept = b"".join(text + b"\n" for text in data.split(b"\n") if text and not _is_of(text, thread_id))
    new = path + NEW_SUFFIX
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        write_whole(descriptor, kept)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(new, path)
    sync_folder(Path(path).parent)


def _read_whole(file: RegularFile) -> bytes:
    """All of it: a single read may give less, and what is not read would be lost."""
    blocks = []
    position = 0
    while block := os.pread(file.descriptor, file.size_bytes - position, position):
        blocks.append(block)
        position += len(block)
    return b"".join(blocks)


def _is_of(text: bytes, thread_id: str) -> bool:
    try:
        return _decode(text).thread_id == thread_id
    except ValueError:
        return False
