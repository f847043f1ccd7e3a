"""The temporary folder of one run, and where everything in it lies."""

import mmap
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

OFFSET_BYTES = 8


@contextmanager
def temporary_folder(prefix: str, *, keep: bool = False) -> Iterator[Path]:
    """A folder for the block; removed with all that is in it, unless it is to be kept."""
    root = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield root
    finally:
        if not keep:
            shutil.rmtree(root, ignore_errors=True)


@attrs.frozen(kw_only=True)
class Place:
    """Where a run's files lie. All of it is temporary and made by the run itself."""

    root: Path

    @property
    def codex_home(self) -> Path:
        return self.root / "codex"

    @property
    def state_dir(self) -> Path:
        return self.root / "state"

    @property
    def clean_state_dir(self) -> Path:
        """The state of the run without faults, on the same Codex home."""
        return self.root / "clean"

    @property
    def acknowledgements(self) -> Path:
        """One file a process: what its store has acknowledged, a JSON object a line, in order."""
        return self.root / "acknowledged"

    @property
    def histories(self) -> Path:
        """One file a life of a service or an operator: what it asked and was told of jobs. See `histories`."""
        return self.root / "histories"

    @property
    def poisoned(self) -> Path:
        """An empty file for each process that a poisoned session has killed, named by the process's number."""
        return self.root / "poisoned"

    @property
    def logs(self) -> Path:
        """One file a start of a service: what it wrote to stderr."""
        return self.root / "logs"

    @property
    def wall_offset(self) -> Path:
        """The file with the shift of every service's wall clock, in ms."""
        return self.root / "wall_offset_ms"

    def make(self) -> None:
        """Make the folders, for this user alone."""
        for path in (self.root, self.codex_home, self.acknowledgements, self.histories, self.poisoned, self.logs):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.wall_offset.write_bytes(struct.pack("<q", 0))


class WallOffset:
    """The shift of the wall clock, shared by all processes of a run through a file that they have mapped."""

    def __init__(self, file: Path) -> None:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._shared = mmap.mmap(descriptor, OFFSET_BYTES)
        finally:
            os.close(descriptor)

    def get_ms(self) -> int:
        """The shift now."""
        (offset_ms,) = struct.unpack("<q", self._shared[:OFFSET_BYTES])
        assert isinstance(offset_ms, int)
        return offset_ms

    def set_ms(self, offset_ms: int) -> None:
        """Shift the clock of everybody."""
        self._shared[:OFFSET_BYTES] = struct.pack("<q", offset_ms)
