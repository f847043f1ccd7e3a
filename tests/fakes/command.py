"""The command `memoryd`, run as a person runs it: a real process in a bare environment."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).resolve().parent.parent.parent
NOW = ("--set", "extraction.sources=cli,vscode,exec", "--set", "extraction.min_rollout_idle_hours=0")
"""Do not wait for sessions to be idle, and take those of `codex exec` too."""


@attrs.frozen
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """stdout as the one JSON document that it must be."""
        return json.loads(self.stdout)


@attrs.frozen
class Memoryd:
    """The command for one Codex home and one state folder."""

    codex_home: Path
    state_dir: Path

    def arguments(self, *arguments: str) -> list[str]:
        """The whole command line."""
        where = ["--codex-home", str(self.codex_home), "--state-dir", str(self.state_dir)]
        return [sys.executable, str(ROOT / "supervisor.py"), *arguments, *where]

    def environment(self, **more: str) -> dict[str, str]:
        """A bare environment with a home of its own."""
        home = self.state_dir.parent / "user"
        home.mkdir(parents=True, exist_ok=True)
        return {"PATH": os.environ["PATH"], "HOME": str(home), "TZ": "UTC", "LANG": "C.UTF-8", **more}

    def __call__(self, *arguments: str, **environment: str) -> Ended:
        """Run to the end, for this home and state folder."""
        return self._run(self.arguments(*arguments), environment)

    def bare(self, *arguments: str, **environment: str) -> Ended:
        """Run to the end with these arguments and no others."""
        return self._run([sys.executable, str(ROOT / "supervisor.py"), *arguments], environment)

    def _run(self, command: list[str], environment: dict[str, str]) -> Ended:
        ended = subprocess.run(
            command,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def once(self, *arguments: str) -> Any:
        """`memoryd once --json` that must succeed; its answer."""
        ended = self("once", "--json", *NOW, *arguments)
        assert ended.code == 0, ended.stderr + ended.stdout
        return ended.json

    @contextmanager
    def running(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Run in the background for the block; ended by its id afterwards, whatever happens."""
        process = subprocess.Popen(
            self.arguments(*arguments),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


def wait_for_event(process: "subprocess.Popen[str]", event: str) -> dict[str, Any]:
    """Read the service's log until an entry of that name comes."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("event") == event:
            assert isinstance(entry, dict)
            return entry
    raise AssertionError(f"the service ended before it logged {event!r}:\n{''.join(seen)}")
