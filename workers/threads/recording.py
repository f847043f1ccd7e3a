"""Lines of a rollout with their times and numbers, and the one writer that a live thread has for them.

A line that is paginated carries the number after its predecessor's. Numbers are given while the file is written, so
that a write that did not happen takes none. `Lines` is what writes; any writer that appends whole lines will do.
"""

import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import attrs
import trio

from state.folder import sync_folder
from state.rollouts.find import SESSIONS

Entry = tuple[str, Mapping[str, Any]]
"""The type of a line, and its payload."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Lines(Protocol):
    """Appends to one rollout."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Append whole lines, each without its end, and have them on the disk. Blocks.

        Raises:
          OSError: they could not be written; some may have been.
        """
        ...


@attrs.frozen
class RolloutLines:
    """Appends to a rollout below the sessions folder of a Codex home, which it makes with its folders if need be."""

    codex_home: Path
    path: str

    def append(self, lines: Sequence[bytes]) -> None:
        folder = self.codex_home / os.path.dirname(self.path)
        os.makedirs(folder, mode=0o755, exist_ok=True)
        sessions = os.path.realpath(self.codex_home / SESSIONS)
        if not os.path.realpath(folder).startswith(sessions + os.sep) and os.path.realpath(folder) != sessions:
            raise OSError(f"the folder of {self.path} leads out of the sessions folder")
        whole = self.codex_home / self.path
        is_new = not os.path.lexists(whole)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(whole, flags, 0o600)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"{self.path} is no regular file")
            data = b"".join(line + b"\n" for line in lines)
            if status.st_size and os.pread(descriptor, 1, status.st_size - 1) != b"\n":
                data = b"\n" + data
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(folder)


@attrs.define
class Recorder:
    """Records what happens in one thread.

    Attributes:
      lines: where; None for a thread that leaves nothing behind.
      next_ordinal: of the next line; None for a legacy rollout, whose lines have none.
    """

    lines: Lines | None
    next_ordinal: int | None
    now_ms: Callable[[], int]

    async def write(self, *entries: Entry) -> None:
        """Record these, in their order. Finished also when cancelled meanwhile.

        Raises:
          OSError: they could not be written.
        """
        if self.lines is not None and entries:
            await trio.to_thread.run_sync(self._write, self.lines, entries)

    def _write(self, lines: Lines, entries: Sequence[Entry]) -> None:
        at = stamp(self.now_ms())
        ordinal = self.next_ordinal
        texts = []
        for kind, payload in entries:
            line: dict[str, Any] = {"timestamp": at}
            if ordinal is not None:
                line["ordinal"] = ordinal
                ordinal += 1
            texts.append(encoded({**line, "type": kind, "payload": payload}))
        lines.append(texts)
        self.next_ordinal = ordinal


def encoded(line: Mapping[str, Any]) -> bytes:
    """One line without its end. Halves of characters, which no file can hold, become question marks."""
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def stamp(at_ms: int) -> str:
    """Unix ms as rollouts write them."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def rollout_path(thread_id: str, at_ms: int) -> str:
    """Where a new thread is recorded, relative to the home; named by the local time, as all of them are."""
    local = datetime.fromtimestamp(at_ms / 1000)
    return f"{SESSIONS}/{local:%Y/%m/%d}/rollout-{local:%Y-%m-%dT%H-%M-%S}-{thread_id}.jsonl"
