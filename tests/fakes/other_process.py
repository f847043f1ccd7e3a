"""Another process that uses a state folder: a real one, because OS locks and SIGKILL know nothing less.

    python -m tests.fakes.other_process hold STATE_FOLDER    open the store, claim the scan, say so, wait for the end
    python -m tests.fakes.other_process claim STATE_FOLDER   open the store, claim a session and a project, wait
    python -m tests.fakes.other_process open STATE_FOLDER    open the store, say what became of it, and leave
    python -m tests.fakes.other_process lock STATE_FOLDER    hold nothing but the shared lock of every opener

A second argument names the Codex home of the state. Each says its one word (a JSON text) on stdout. Every one ends
when its stdin does.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from state.errors import StateFolderError
from state.folder import StateFolder, held_lock
from state.ids import Scope
from state.messages.backfill import ClaimBackfill
from state.messages.consolidation import ClaimScope
from state.messages.extraction import ClaimExtraction, Eligibility
from state.messages.leases import ClaimTerms
from state.store import open_store

CODEX_HOME = "/home/ann/.codex"
"""The home that every process of a test means."""
ROOT = Path(__file__).parents[2]
EVERYTHING = Eligibility(sources=("cli",), idle_ms=0, age_ms_max=None)


class OtherProcess:
    """A started process. Killed at the end of its block if it still lives."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def word(self) -> Any:
        """Wait for what the process says."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the other process ended with {self._process.wait()} and said nothing"
        return json.loads(line)

    def kill(self) -> None:
        """End it as `kill -9` does, and wait until it is gone."""
        self._process.kill()
        self._process.wait()


@contextmanager
def other_process(what: str, folder: StateFolder, codex_home: str = CODEX_HOME) -> Iterator[OtherProcess]:
    """Start another process; it ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.other_process", what, str(folder.path), codex_home],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        try:
            yield OtherProcess(process)
        finally:
            process.kill()


def _say(word: Any) -> None:
    print(json.dumps(word), flush=True)


async def _hold(folder: StateFolder, codex_home: str) -> None:
    async with open_store(folder, codex_home) as handle:
        terms = ClaimTerms(token=handle.mint_token(), owner=handle.owner("scan"), lease_ms=3_600_000)
        await handle.ask(ClaimBackfill(terms=terms))
        _say(handle.process)
        await trio.to_thread.run_sync(sys.stdin.read)


async def _claim(folder: StateFolder, codex_home: str) -> None:
    async with open_store(folder, codex_home) as handle:

        def terms(worker: str) -> ClaimTerms:
            return ClaimTerms(token=handle.mint_token(), owner=handle.owner(worker), lease_ms=3_600_000)

        await handle.ask(ClaimExtraction(terms=terms("extraction-0"), eligibility=EVERYTHING))
        await handle.ask(ClaimScope(terms=terms("consolidation-0"), scope=Scope(kind="cwd", key="/home/ann/shop")))
        _say(handle.process)
        await trio.to_thread.run_sync(sys.stdin.read)


async def _open(folder: StateFolder, codex_home: str) -> None:
    try:
        async with open_store(folder, codex_home) as handle:
            _say({"process": handle.process})
            await trio.to_thread.run_sync(sys.stdin.read)
    except StateFolderError as error:
        _say({"refused": str(error)})


def _lock(folder: StateFolder) -> None:
    with held_lock(folder.path / "state.lock", exclusive=False, purpose="use the state folder"):
        _say("locked")
        sys.stdin.read()


if __name__ == "__main__":
    _what, _folder = sys.argv[1], StateFolder(path=Path(sys.argv[2]))
    if _what == "lock":
        _lock(_folder)
    else:
        trio.run({"hold": _hold, "claim": _claim, "open": _open}[_what], _folder, sys.argv[3])
