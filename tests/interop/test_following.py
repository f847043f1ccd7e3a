"""`memoryd run` beside a real `codex exec` that is writing: the index follows, and the Codex home is left alone."""

import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.command import NOW, Memoryd, wait_for_event
from tests.fakes.model_server import FakeModelServer, Say, fake_model_server, run
from tests.interop.codex import Codex
from tests.interop.processes import PROCESS_SECONDS_MAX

pytestmark = pytest.mark.interop

STEPS = 12
WISH = "Count slowly. Never change recipe.txt, and always use pnpm instead of npm."


def _until(holds: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + PROCESS_SECONDS_MAX
    while not holds():
        assert time.monotonic() < give_up_at, "it never came true"
        time.sleep(0.01)


def _followed(state_dir: Path) -> tuple[int, int]:
    """How many files the index holds, and how many of their bytes it has read."""
    with closing(sqlite3.connect(f"file:{state_dir}/state.sqlite?mode=ro", uri=True)) as database:
        files, read = database.execute("SELECT count(*), coalesce(sum(offset_bytes), 0) FROM rollout_files").fetchone()
    return int(files), int(read)


def _script(model: FakeModelServer) -> str:
    return model.script(WISH, *(run(f"echo {number}; sleep 0.1") for number in range(STEPS)), Say("Counted."))


def test_session_of_the_real_binary_is_followed_while_it_is_written_and_remembered(
    codex_program: Path, tmp_path: Path
) -> None:
    with fake_model_server() as model:
        codex = Codex.settle(codex_program, tmp_path, model.url)
        work = tmp_path / "work"
        work.mkdir()
        memoryd = Memoryd(codex_home=codex.home, state_dir=tmp_path / "state", person=codex.person)
        # An hour until the rescan: only what is heard can be the cause.
        with memoryd.running("run", *NOW, "--set", "backfill.rescan_seconds=3600") as service:
            wait_for_event(service, "watching")
            seen: set[int] = set()
            with subprocess.Popen(
                [codex.binary, "exec", "--json", "--skip-git-repo-check", _script(model)],
                cwd=work,
                env=codex.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as turn:
                try:
                    while turn.poll() is None:
                        seen.add(_followed(memoryd.state_dir)[1])
                        time.sleep(0.01)
                finally:
                    turn.kill()
            (rollout,) = codex.home.glob("sessions/*/*/*/rollout-*.jsonl")
            _until(lambda: _followed(memoryd.state_dir) == (1, rollout.stat().st_size))
            published = memoryd.state_dir / "memories" / "memory_summary.md"
            _until(lambda: published.exists() and "pnpm" in published.read_text(encoding="utf-8"))

            assert service.poll() is None

    assert turn.returncode == 0
    # While it was written the index showed it at several of its lengths, not only at the end.
    assert len(seen - {0, rollout.stat().st_size}) >= STEPS / 4
