"""Defects of the concurrent kind, planted on purpose: a simulation that does not find them proves nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class Bug(StrEnum):
    """What can be planted."""

    NONE = "none"


@contextmanager
def planted(bug: Bug | None) -> Iterator[None]:
    """Have the defect for the block."""
    yield
