"""A Codex home with stored threads and a store beside it, for what changes them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs

from config import Settings
from state.folder import StateFolder, prepare
from state.ids import ThreadId
from state.messages.threads import GetThread, Thread, ThreadFound
from state.rollouts import read_thread_names
from state.store import StateHandle, open_store
from state.thread_deleting import finish_deletions
from state.thread_storage import ThreadStorage
from tests.fakes.codex_home import CodexHome
from tests.fakes.readings import thread_id
from workers.backfill import scan
from workers.progress import NoProgress
from workers.redaction import redact

ONE = thread_id(1)


@attrs.frozen
class StoredThreads:
    """The home, the state folder, and the store that is open on it."""

    home: CodexHome
    handle: StateHandle

    @property
    def storage(self) -> ThreadStorage:
        """As a door hands it on."""
        return ThreadStorage(
            handle=self.handle,
            codex_home=self.home.path,
            redact=redact,
            model_provider_default="openai",
        )

    async def scan(self) -> None:
        """Bring the index up to date."""
        await scan(self.handle, self.home.path, Settings(), NoProgress(), retry_failed_now=True)

    async def row(self, thread: ThreadId = ONE) -> Thread | None:
        """A thread's row."""
        answer = await self.handle.ask(GetThread(thread_id=thread))
        return answer.thread if isinstance(answer, ThreadFound) else None

    def files(self, thread: ThreadId = ONE) -> list[str]:
        """Where rollouts of this name are, relative to the home."""
        found = self.home.path.rglob(f"rollout-*{thread}.jsonl*")
        return sorted(str(path.relative_to(self.home.path)) for path in found)

    def lines(self, thread: ThreadId = ONE) -> list[dict[str, Any]]:
        """What a thread's one plain rollout says."""
        (path,) = self.files(thread)
        return [json.loads(line) for line in (self.home.path / path).read_bytes().splitlines()]

    def name(self, thread: ThreadId = ONE) -> str | None:
        """What Codex's list calls it."""
        given = read_thread_names(self.home.path).get(thread)
        return None if given is None else given.name


@asynccontextmanager
async def stored_threads(home: CodexHome, folder: StateFolder) -> AsyncIterator[StoredThreads]:
    """Open the store of a home as a start does, and bring its index up to date."""
    prepare(folder)
    async with open_store(folder, str(home.path)) as handle:
        await finish_deletions(handle, home.path)
        stored = StoredThreads(home, handle)
        await stored.scan()
        yield stored


def make_home(path: Path, *, history_mode: str | None = None, **meta: Any) -> CodexHome:
    """A home with one thread, ONE, which said "fix the login"."""
    home = CodexHome(path)
    home.path.mkdir(parents=True)
    if history_mode is not None:
        meta["history_mode"] = history_mode
    home.session(thread_id=ONE, **meta).user("fix the login")
    return home
