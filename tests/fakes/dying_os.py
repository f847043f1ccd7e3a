"""An operating system under which the process is killed at its n-th change: no change happens from then on.

Stands in for the module `os` in the modules that change files, so that clean-up code, which a kill -9 would not run
either, changes nothing any more.
"""

import os
from typing import Any

import pytest


class Killed(BaseException):
    """The process is dead."""


class DyingOs:
    """os, counting changes; dies at the `lives`-th one. lives None: never."""

    CHANGES = frozenset({"link", "rename", "unlink", "mkdir", "rmdir", "fsync"})

    def __init__(self, lives: int | None) -> None:
        self.lives = lives
        self.changes = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name == "open":
            return self._open
        if name not in self.CHANGES:
            return real

        def change(*arguments: Any, **options: Any) -> Any:
            self._count()
            return real(*arguments, **options)

        return change

    def _open(self, path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            self._count()
        return os.open(path, flags, *arguments, **options)

    def _count(self) -> None:
        self.changes += 1
        if self.lives is not None and self.changes >= self.lives:
            raise Killed


def die_after(monkeypatch: pytest.MonkeyPatch, lives: int | None, *modules: str) -> DyingOs:
    """Put a dying os into these modules."""
    dying = DyingOs(lives)
    for module in modules:
        monkeypatch.setattr(f"{module}.os", dying)
    return dying
