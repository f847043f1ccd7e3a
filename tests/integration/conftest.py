"""A Codex home and the command for it."""

from pathlib import Path

import pytest

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd
from tests.fakes.rude_client import THREAD


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """An empty Codex home."""
    path = tmp_path / "codex"
    path.mkdir()
    return CodexHome(path=path)


@pytest.fixture
def memoryd(home: CodexHome, tmp_path: Path) -> Memoryd:
    """The command on that home, with a state folder of its own."""
    return Memoryd(codex_home=home.path, state_dir=tmp_path / "state")


@pytest.fixture
def thread(home: CodexHome, memoryd: Memoryd) -> Path:
    """A stored thread's rollout; the folder of the person who runs the service is there too."""
    memoryd.environment()
    rollout = home.session(thread_id=THREAD)
    rollout.user("Please repair the till.")
    return rollout.path
