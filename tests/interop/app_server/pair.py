"""The real binary and memoryd, each in a folder of its own with the same home in it."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path

import attrs

from tests.fakes.command import ROOT
from tests.interop.app_server.client import AppServer, running_server
from tests.interop.app_server.normal import Normal
from tests.interop.codex import Codex, forget_state_database
from tests.interop.processes import bare_environment

NO_MODEL_URL = "http://127.0.0.1:9/v1"
"""Nothing listens there: stored threads need no model."""


class Program(StrEnum):
    """Who answers."""

    CODEX = "Codex"
    MEMORYD = "memoryd"


@attrs.frozen(kw_only=True)
class Side:
    """One of the two programs and its folders, all below `root`."""

    program: Program
    codex: Codex
    root: Path

    @property
    def home(self) -> Path:
        """Its Codex home."""
        return self.codex.home

    @property
    def work(self) -> Path:
        """The folder that it is started in."""
        return self.root / "work"

    @property
    def state(self) -> Path:
        """memoryd's state folder."""
        return self.root / "state"

    def running(self) -> AbstractContextManager[AppServer]:
        """A running server of this home, before the handshake."""
        if self.program is Program.CODEX:
            return self.codex.app_server(self.work)
        command = [sys.executable, str(ROOT / "supervisor.py"), "serve", "--stdio", "--state-dir", str(self.state)]
        environment = bare_environment(self.codex.person, CODEX_HOME=str(self.home), TZ=self.codex.time_zone)
        return running_server(command, environment, self.work)

    @contextmanager
    def serving(self) -> Iterator[AppServer]:
        """A running server of this home, after the handshake."""
        with self.running() as server:
            server.initialize()
            yield server

    def forget_index(self) -> None:
        """Remove what the program knows beside the rollouts, but what it keeps for that case. No server may run."""
        if self.program is Program.CODEX:
            forget_state_database(self.home)
            return
        for path in self.state.glob("state.sqlite*"):
            path.unlink()

    def normal(self) -> Normal:
        """Makes what this side says comparable."""
        return Normal({str(self.home): "<home>", str(self.work): "<work>", str(self.root): "<root>"})


@attrs.frozen(kw_only=True)
class Pair:
    """Both sides of one comparison."""

    codex: Side
    memoryd: Side

    @contextmanager
    def serving(self) -> Iterator[tuple[AppServer, AppServer]]:
        """Both servers, after the handshake."""
        with ExitStack() as stack:
            yield stack.enter_context(self.codex.serving()), stack.enter_context(self.memoryd.serving())


def settle_pair(binary: Path, root: Path, furnish: Callable[[Path], None], *, model_url: str = NO_MODEL_URL) -> Pair:
    """Two homes below `root` that `furnish` fills once and that are equal to the last byte and time."""
    first = _side(Program.CODEX, binary, root / "theirs", model_url)
    second = _side(Program.MEMORYD, binary, root / "ours", model_url)
    furnish(first.home)
    shutil.copytree(first.home, second.home, symlinks=True, dirs_exist_ok=True)
    return Pair(codex=first, memoryd=second)


def _side(program: Program, binary: Path, root: Path, model_url: str) -> Side:
    side = Side(program=program, codex=Codex.settle(binary, root, model_url), root=root)
    side.work.mkdir()
    return side
