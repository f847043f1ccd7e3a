"""memoryd as a person starts it: a real process for each command, JSON on its stdout."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs

from tests.interop.processes import PROCESS_SECONDS_MAX, bare_environment

CHECKOUT = Path(__file__).resolve().parents[2]

PROGRAM = (sys.executable, str(CHECKOUT / "supervisor.py"))
"""The command `memoryd` in a bare checkout."""

PAGE_THREADS = 20
"""Fewer than the tests' home has, so that a listing takes more than one page."""

EXTRACT_EVERYTHING = (
    "--set",
    "extraction.sources=cli,vscode,exec",
    "--set",
    "extraction.min_rollout_idle_hours=0",
)
"""Settings under which a session that `codex exec` ended a moment ago is worth remembering."""


@attrs.frozen(kw_only=True)
class Memoryd:
    """memoryd on one Codex home with a state folder of its own. person: its HOME, a folder without dotfiles."""

    codex_home: Path
    state: Path
    person: Path

    def command(self, *words: str) -> list[str]:
        """The whole command line of `memoryd WORDS...`, with JSON as its output."""
        places = ("--codex-home", str(self.codex_home), "--state-dir", str(self.state))
        return [*PROGRAM, *words, *places, "--json"]

    @property
    def environment(self) -> dict[str, str]:
        """What every memoryd process gets."""
        return bare_environment(self.person)

    def ask(self, *words: str) -> Any:
        """Run one command to its end and return its document.

        Raises:
          AssertionError: it failed; the message has what it said.
        """
        done = subprocess.run(
            self.command(*words),
            cwd=self.person,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_SECONDS_MAX,
        )
        said = f"memoryd {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}"
        assert done.returncode == 0, said
        return json.loads(done.stdout)

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
