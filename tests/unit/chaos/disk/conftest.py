"""Fixtures of the faulty disk's own tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.disk.faulty import FaultyDisk, faulty_disk, scratch_parent
from chaos.disk.recording import Recorder


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that is as fast as the machine has one."""
    with tempfile.TemporaryDirectory(dir=scratch_parent()) as folder:
        yield Path(folder)


@pytest.fixture
def recorder() -> Recorder:
    """What the disk did."""
    return Recorder()


@pytest.fixture
def disk(recorder: Recorder) -> Iterator[FaultyDisk]:
    """A good disk that is recorded, for whoever names it."""
    with faulty_disk(recorder=recorder) as faulty:
        yield faulty
