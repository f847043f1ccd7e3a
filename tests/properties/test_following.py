"""Hearing equals looking: whatever is done to the files, an index that only looked at the places that it heard of holds
what an index holds that looked at everything each time."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from config import Settings
from state.folder import StateFolder
from state.messages.backfill import BackfillHeld, ListKnownRollouts, ListPendingRollouts
from state.messages.threads import GetThread, ThreadFound
from state.store import StateHandle, open_store
from tests.fakes.clock import ManualClock
from tests.fakes.codex_home import CodexHome
from tests.fakes.readings import thread_id
from workers.backfill.changes import Places
from workers.backfill.survey import has_work
from workers.backfill.worker import scan
from workers.progress import NoProgress

THREADS = [thread_id(number) for number in range(3)]
FOLDERS = ["sessions/2026/11/20", "sessions/2026/11/21", "sessions", "archived_sessions"]

Step = tuple[str, int, int]
"""What is done, to which of the files, and a number for what else there is to choose."""


@attrs.define
class Files:
    """The files of a home, and what is done to them. Each doing answers the places that are heard of."""

    home: CodexHome
    count: int = 0

    def every(self) -> list[Path]:
        """What there is, in a stable order."""
        return sorted(self.home.path.glob("**/rollout-*.jsonl"))

    def place(self, path: Path) -> str:
        """Where a file is, below the home."""
        return str(path.relative_to(self.home.path))

    def do(self, step: Step) -> set[str]:
        """Do one thing."""
        what, which, choice = step
        files = self.every()
        if what == "begin" or not files:
            return self._begin(THREADS[choice % len(THREADS)], self.home.path / FOLDERS[which % len(FOLDERS)])
        file = files[which % len(files)]
        doings: dict[str, Callable[[Path, int], set[str]]] = {
            "append": self._append,
            "move": self._move,
            "delete": self._delete,
            "become": self._become,
            "tear": self._tear,
        }
        return doings[what](file, choice)

    def _begin(self, thread: str, folder: Path) -> set[str]:
        rollout = self.home.session(thread_id=thread, hours_ago=24 + self.count)
        self.count += 1
        rollout.user(f"task {self.count}")
        path = folder / rollout.path.name
        folder.mkdir(parents=True, exist_ok=True)
        rollout.path.rename(path)
        return {self.place(path)}

    def _append(self, file: Path, _choice: int) -> set[str]:
        self.count += 1
        line = {"type": "user_message", "message": f"more {self.count}", "images": []}
        text = f'{{"timestamp":"2026-11-20T10:00:00.000Z","type":"event_msg","payload":{line}}}\n'.replace("'", '"')
        with file.open("a") as end:
            end.write(text)
        return {self.place(file)}

    def _tear(self, file: Path, _choice: int) -> set[str]:
        with file.open("a") as end:
            end.write('{"timestamp":"2026-')
        return {self.place(file)}

    def _move(self, file: Path, choice: int) -> set[str]:
        folder = self.home.path / FOLDERS[choice % len(FOLDERS)]
        folder.mkdir(parents=True, exist_ok=True)
        file.rename(folder / file.name)
        return {self.place(file), self.place(folder / file.name)}

    def _delete(self, file: Path, _choice: int) -> set[str]:
        file.unlink()
        return {self.place(file)}

    def _become(self, file: Path, choice: int) -> set[str]:
        """The file is replaced by one of, perhaps, another thread."""
        self.count += 1
        other = self.home.session(thread_id=THREADS[choice % len(THREADS)], hours_ago=1000 + self.count)
        other.user(f"another task {self.count}")
        other.path.replace(file)
        return {self.place(file)}


async def _look(handle: StateHandle, home: CodexHome, places: Places) -> None:
    """As the worker does: scan these places if there is something to do, and then what waits because of that."""
    while places is None or places:
        if await has_work(handle, home.path, places):
            done = await scan(handle, home.path, Settings(), NoProgress(), retry_failed_now=False, places=places)
            assert not isinstance(done, BackfillHeld)
        places = frozenset(await handle.ask(ListPendingRollouts()))


async def _picture(handle: StateHandle) -> dict[str, Any]:
    """What the index holds of files and threads.

    content_revision is left out: it counts how often other content was read, and of files that hold one thread one of
    the two may have read one more on the way.
    """
    page = await handle.ask(ListKnownRollouts())
    files = {row.path: (row.status.value, row.size_bytes, row.mtime_ns, row.inode) for row in page.rollouts}
    threads = {}
    for thread in THREADS:
        found = await handle.ask(GetThread(thread_id=thread))
        if isinstance(found, ThreadFound):
            threads[thread] = attrs.evolve(found.thread, content_revision=0)
    return {"files": files, "threads": threads}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "append", "move", "delete", "become", "tear"]), st.integers(0, 7), st.integers(0, 7)
    ),
    max_size=12,
)


@given(STEPS, st.integers(1, 4))
async def test_index_that_looked_where_it_heard_is_the_index_that_looked_everywhere(
    steps: list[Step], at_a_time: int
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        files = Files(CodexHome(path=root / "codex"))
        clock = ManualClock()
        async with (
            open_store(StateFolder(path=root / "hears"), "/home", clock=clock, inline=True) as hears,
            open_store(StateFolder(path=root / "looks"), "/home", clock=clock, inline=True) as looks,
        ):
            for begin in range(0, len(steps), at_a_time):
                heard: set[str] = set()
                for step in steps[begin : begin + at_a_time]:
                    heard |= files.do(step)
                await _look(hears, files.home, frozenset(heard))
                await _look(looks, files.home, None)

                assert await _picture(hears) == await _picture(looks)
