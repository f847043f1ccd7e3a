"""What people and their agents do meanwhile: sessions begin, grow, are cut, edited, archived, named and resumed.

In one seed of three sessions also move to other folders.

It knows nothing of faults, and does the same with and without them. At its end every session is active and something
new was said in it, so that each has something to remember and is claimed once more, whatever happened before.
"""

import json
import os
import random
from pathlib import Path

import attrs
import trio

from chaos.simulator.clock import Machine
from chaos.simulator.transcripts import Session
from chaos.story import Story

SESSIONS_MAX = 7
PAUSE_SECONDS = (2.0, 20.0)
"""Between two things that people do."""


@attrs.define
class _File:
    session: Session
    path: Path
    day: str
    name: str
    torn: str = ""
    """The rest of a line that was written only in part."""


class Workload:
    """The people around one Codex home."""

    def __init__(self, codex_home: Path, machine: Machine, story: Story, seed: int) -> None:
        self._home = codex_home
        self._machine = machine
        self._story = story
        self._rng = random.Random(f"workload {seed}")
        self._files: list[_File] = []
        self._moves = seed % 3 == 0
        self.has_moved = False
        self._last_ns = 0

    async def run(self, seconds: float) -> None:
        """Work for so many simulated seconds."""
        end = trio.current_time() + seconds
        for _ in range(3):
            self._begin()
        while True:
            await trio.sleep(self._rng.uniform(*PAUSE_SECONDS))
            if trio.current_time() >= end:
                return
            self._do_something()

    def finish(self) -> None:
        """Bring every session back, end every torn line, and say something new in each."""
        for file in self._files:
            self._move(file, archived=False)
            self._append(file, is_new=True)

    def _do_something(self) -> None:
        if len(self._files) < SESSIONS_MAX and self._rng.random() < 0.25:
            self._begin()
            return
        file = self._rng.choice(self._files)
        what = self._rng.choices(
            ("append", "tear", "cut", "edit", "archive", "name", "touch", "resume", "move"),
            weights=(10, 3, 1, 2, 2, 1, 2, 2, 3 * self._moves),
            k=1,
        )[0]
        match what:
            case "append":
                self._append(file)
            case "tear":
                self._append(file, torn=True)
            case "cut":
                self._cut(file)
            case "edit":
                self._edit(file)
            case "archive":
                self._move(file, archived="archived_sessions" not in file.path.parts)
            case "name":
                self._name(file)
            case "touch":
                self._stamp(file.path)
            case "resume":
                self._begin(file.session)
                if self._rng.random() < 0.5:
                    self._move(self._rng.choice((file, self._files[-1])), archived=True)
            case "move":
                self._move_to_another_folder(file)

    def _begin(self, resumed: Session | None = None) -> None:
        """Begin a session, or another file of one that there is."""
        at_ms = self._machine.true_wall_ms()
        session = resumed or Session(self._rng, at_ms)
        day, name = session.name_at(at_ms)
        file = _File(session=session, path=self._home / "sessions" / day / name, day=day, name=name)
        file.path.parent.mkdir(parents=True, exist_ok=True)
        self._files.append(file)
        self._write(file, session.meta(at_ms) + session.turn(at_ms), "is resumed" if resumed else "begins")

    def _append(self, file: _File, *, torn: bool = False, is_new: bool = False) -> None:
        text, file.torn = file.torn + file.session.turn(self._machine.true_wall_ms(), is_new=is_new), ""
        if torn:
            cut = self._rng.randrange(len(text) // 2, len(text))
            text, file.torn = text[:cut], text[cut:]
        self._write(file, text, "is torn" if torn else "grows", mode="a")

    def _move_to_another_folder(self, file: _File) -> None:
        file.session.move()
        self.has_moved = True
        at_ms = self._machine.true_wall_ms()
        text, file.torn = file.torn + file.session.meta(at_ms) + file.session.turn(at_ms), ""
        self._write(file, text, f"moves to {file.session.folder}", mode="a")

    def _cut(self, file: _File) -> None:
        """Cut the file somewhere behind its first line, as a crash of its writer's machine does."""
        data = file.path.read_bytes()
        first = data.index(b"\n") + 1
        kept = data[: self._rng.randrange(first, len(data) + 1)]
        file.torn = "" if kept.endswith(b"\n") else "\n"
        self._write(file, kept.decode(), "is cut")

    def _edit(self, file: _File) -> None:
        """Write the file anew with one word changed and its size the same."""
        text = file.path.read_text(encoding="utf-8")
        head, _, tail = text.partition("\n")
        self._write(file, f"{head}\n{tail.replace('Done with', 'Ends with')}", "is edited")

    def _move(self, file: _File, *, archived: bool) -> None:
        session = file.session
        top = self._home / "archived_sessions" if archived else self._home / "sessions" / file.day
        target = top / file.name
        if target == file.path:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(file.path, target)
        file.path = target
        self._story.tell("people", f"{session.thread_id} is {'archived' if archived else 'brought back'}")

    def _name(self, file: _File) -> None:
        name = f"the {self._rng.choice(('quick', 'long', 'odd', 'last'))} one"
        path = self._home / "session_index.jsonl"
        line = json.dumps({"id": file.session.thread_id, "thread_name": name, "updated_at": "2026-01-01T00:00:00Z"})
        with open(path, "a", encoding="utf-8") as index:
            index.write(line + "\n")
        self._stamp(path)
        self._story.tell("people", f"{file.session.thread_id} is named")

    def _write(self, file: _File, text: str, what: str, mode: str = "w") -> None:
        with open(file.path, mode, encoding="utf-8") as rollout:
            rollout.write(text)
        self._stamp(file.path)
        self._story.tell("people", f"{file.session.thread_id} {what} (+{len(text)})")

    def _stamp(self, path: Path) -> None:
        """Give the file a time of the simulation, later than that of any other."""
        self._last_ns = max(self._machine.true_wall_ms() * 1_000_000, self._last_ns + 1_000_000)
        os.utime(path, ns=(self._last_ns, self._last_ns))
