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

PAGE_THREADS = 20
"""Fewer than the interop tests' home has, so that a listing takes more than one page."""


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


@attrs.frozen(kw_only=True)
class Memoryd:
    """The command for one Codex home and one state folder. person: its HOME, without dotfiles; beside the state folder
    where none is given."""

    codex_home: Path
    state_dir: Path
    person: Path | None = None
    prefix: tuple[str, ...] = ()
    """A program and its options that start the command, e.g. one that takes privileges away."""

    def arguments(self, *arguments: str) -> list[str]:
        """The whole command line."""
        where = ["--codex-home", str(self.codex_home), "--state-dir", str(self.state_dir)]
        return [*self.prefix, sys.executable, str(ROOT / "supervisor.py"), *arguments, *where]

    def serving_stdio(self, *, stderr: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
        """`memoryd serve --stdio`, just started, with pipes for its client; who asks for it ends it."""
        return subprocess.Popen(
            self.arguments("serve", "--stdio"),
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def environment(self, **more: str) -> dict[str, str]:
        """A bare environment with a home of its own."""
        home = self.person or self.state_dir.parent / "person"
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

    def ask(self, *arguments: str) -> Any:
        """A command that must succeed; its JSON document."""
        ended = self(*arguments, "--json")
        assert ended.code == 0, f"memoryd {' '.join(arguments)} ended with {ended.code}: {ended.stderr}{ended.stdout}"
        return ended.json

    def once(self, *arguments: str) -> Any:
        """`memoryd once` on every session there is, which must succeed; its answer."""
        return self.ask("once", *NOW, *arguments)

    def threads(self, *options: str) -> list[dict[str, Any]]:
        """What `memoryd threads list` shows, page by page."""
        listed: list[dict[str, Any]] = []
        cursor: tuple[str, ...] = ()
        while True:
            page = self.ask("threads", "list", "--limit", str(PAGE_THREADS), *cursor, *options)
            listed += page["threads"]
            if page["next_cursor"] is None:
                return listed
            cursor = ("--cursor", page["next_cursor"])

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
