"""A model of threads that are written, read, edited, moved, deleted and indexed anew, in any order.

The model knows of each thread what its file says now, what a reading of it said last, and what was said besides. It
does not know how edits are stored: a row is what the last reading said, and over it, field by field, what was said.
"""

from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from state.ids import ThreadId
from state.messages.backfill import (
    ClaimBackfill,
    FileStatus,
    ListKnownRollouts,
    ListPendingRollouts,
    MarkRolloutsVanished,
    RecordRollouts,
    RecordThreadNames,
    RegisterRollouts,
    RolloutRead,
)
from state.messages.drift import CompareReadings, RereadRollouts
from state.messages.thread_edits import (
    KEEP,
    Keep,
    MemoryMode,
    PatchThreadGit,
    SetThreadMemoryMode,
    SetThreadName,
    SetThreadTitle,
    ThreadEdited,
)
from state.messages.thread_places import MarkThreadArchived, MarkThreadUnarchived, PlaceKnown
from state.messages.thread_rows import (
    ApplyRolloutItems,
    DeleteThread,
    ForgetThread,
    RolloutApplied,
    ThreadForgotten,
    ThreadStillThere,
    ThreadTouched,
    TouchThread,
)
from state.messages.threads import GetThread, ListThreadIds, ThreadFound, UnknownThread
from state.rollouts.model import FoundRollout, ThreadFacts
from tests.fakes.clock import ManualClock
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import SCAN, facts, found, path_of, read, thread_id

NUMBERS = st.sampled_from([1, 2, 3])
WORDS = st.sampled_from(["one", "two", "three"])
MODES = st.sampled_from(list(MemoryMode))
GIT = ("git_sha", "git_branch", "git_origin_url")
PATCH = st.one_of(st.just(KEEP), st.none(), WORDS)
SAID = ("title", "memory_mode", *GIT)
"""What a rollout says and an edit can say otherwise. Names are in no rollout."""


@attrs.define
class File:
    """A rollout on disk."""

    path: str
    mtime_ms: int
    content: ThreadFacts

    @property
    def is_archived(self) -> bool:
        return self.path.startswith("archived_sessions/")

    def found(self) -> FoundRollout:
        return found(self.path, mtime_ns=self.mtime_ms * 1_000_000)

    def read(self) -> RolloutRead:
        return read(self.found(), self.content)


@attrs.define
class Row:
    """What a thread's row is to say."""

    content: ThreadFacts
    path: str
    updated_at_ms: int
    archived_at_ms: int | None
    name: str | None


@attrs.define
class Said:
    """What was said of a field, and when."""

    value: str | None
    at_ms: int


class ThreadMachine(RuleBasedStateMachine):
    """Does to the state what scans, people and programs do, and holds each row against the model."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.state = MemoryState()
        self.state.clock = self.clock
        self.files: dict[int, File] = {}
        self.rows: dict[int, Row] = {}
        self.edits: dict[int, dict[str, Said]] = {1: {}, 2: {}, 3: {}}
        self.names: dict[int, Said] = {}

    @initialize()
    def begin(self) -> None:
        self._claim()
        for number in (1, 2, 3):
            self.files[number] = File(path=path_of(number), mtime_ms=self._now(), content=facts(number))
        self.scan()

    def _claim(self) -> None:
        self.state.ask(ClaimBackfill(terms=terms(SCAN, process="scanner", lease_ms=86_400_000)))

    def _now(self) -> int:
        """A moment after all others."""
        self.clock.advance(1)
        return self.clock.wall_ms

    # What happens to files.

    @rule(number=NUMBERS, title=WORDS, branch=st.none() | WORDS, mode=st.sampled_from(["", *MemoryMode]), more=WORDS)
    def append(self, number: int, title: str, branch: str | None, mode: str, more: str) -> None:
        """The rollout grows, and says other things of its thread."""
        file = self.files[number]
        file.mtime_ms = self._now()
        file.content = attrs.evolve(
            file.content, title=title, git_branch=branch, memory_mode=str(mode), content_digest=more
        )

    @rule(number=NUMBERS, is_marked=st.booleans())
    def archive(self, number: int, is_marked: bool) -> None:
        """The file is moved; whoever did it says so, or dies before."""
        file = self.files[number]
        if file.is_archived:
            return
        file.path = f"archived_sessions/{path_of(number).rpartition('/')[2]}"
        if is_marked:
            at_ms = self._now()
            self._follow(
                number,
                MarkThreadArchived(
                    thread_id=thread_id(number), path=file.path, archived_at_ms=at_ms, mtime_ms=file.mtime_ms
                ),
                at_ms,
            )

    @rule(number=NUMBERS, is_marked=st.booleans())
    def unarchive(self, number: int, is_marked: bool) -> None:
        """The file is moved back, and is new again."""
        file = self.files[number]
        if not file.is_archived:
            return
        file.path, file.mtime_ms = path_of(number), self._now()
        if is_marked:
            self._follow(
                number,
                MarkThreadUnarchived(thread_id=thread_id(number), path=file.path, mtime_ms=file.mtime_ms),
                None,
            )

    def _follow(
        self, number: int, request: MarkThreadArchived | MarkThreadUnarchived, archived_at_ms: int | None
    ) -> None:
        reply = self.state.ask(request)
        row = self.rows.get(number)
        assert isinstance(reply, UnknownThread if row is None else PlaceKnown)
        if row is not None:
            row.path, row.archived_at_ms, row.updated_at_ms = request.path, archived_at_ms, request.mtime_ms or 0

    # What is read.

    @rule()
    def scan(self) -> None:
        """A whole scan. After it every row is about what its file says now."""
        self.state.ask(RegisterRollouts(token=SCAN, found=tuple(file.found() for file in self.files.values())))
        there = {file.path: number for number, file in self.files.items()}
        known = [row.path for row in self.state.ask(ListKnownRollouts()).rollouts]
        self.state.ask(MarkRolloutsVanished(token=SCAN, paths=tuple(path for path in known if path not in there)))
        for path in self.state.ask(ListPendingRollouts()):
            file = self.files[there[path]]
            self.state.ask(RecordRollouts(token=SCAN, model_provider_default="openai", outcomes=(file.read(),)))
            self._was_read(there[path])
        for number, file in self.files.items():
            assert self.rows[number].content == file.content, "a scan left something unread"
        for is_archived in (False, True):
            ids = self.state.ask(ListThreadIds(archived=is_archived))
            assert set(ids) == {thread_id(n) for n, file in self.files.items() if file.is_archived is is_archived}
        drifts = self.state.ask(
            CompareReadings(
                readings=tuple(file.read() for file in self.files.values()), model_provider_default="openai"
            )
        )
        # A thread that was said to have been updated long ago is a drift, and reading its file again mends it.
        assert {column for drift in drifts for column, *_ in drift.columns} <= {"updated_at_ms"}

    @rule(number=NUMBERS, later_ms=st.none() | st.integers(0, 5))
    def apply(self, number: int, later_ms: int | None) -> None:
        """Somebody reads the file of a live thread, and says when it was updated."""
        file = self.files[number]
        updated_at_ms = None if later_ms is None else file.mtime_ms + later_ms
        reply = self.state.ask(
            ApplyRolloutItems(read=file.read(), model_provider_default="openai", updated_at_ms=updated_at_ms)
        )
        assert isinstance(reply, RolloutApplied), "the newest reading is never outdated"
        row = self.rows.get(number)
        if reply.status is FileStatus.INDEXED:
            self._was_read(number)
            if updated_at_ms is not None:
                self.rows[number].updated_at_ms = updated_at_ms
        else:
            assert file.is_archived
            assert row is None or row.path != file.path, "only a move that nobody told of waits"

    @rule()
    def read_everything_anew(self) -> None:
        """As the doctor has it done."""
        self.state.ask(RereadRollouts(token=SCAN, paths=tuple(file.path for file in self.files.values())))
        self.scan()

    @rule()
    def lose_the_database(self) -> None:
        """The database is deleted; the journal beside it stays. What was said comes back with each row."""
        journal = self.state.journal
        self.state.close()
        self.state = MemoryState(journal=journal)
        self.state.clock = self.clock
        self._claim()
        self.rows.clear()

    def _was_read(self, number: int) -> None:
        file, before = self.files[number], self.rows.get(number)
        archived_at_ms = None
        if file.is_archived:
            kept_ms = before.archived_at_ms if before is not None and before.path == file.path else None
            archived_at_ms = file.mtime_ms if kept_ms is None else kept_ms
        edited = self.edits[number].get("name")
        self.rows[number] = Row(
            content=file.content,
            path=file.path,
            updated_at_ms=file.mtime_ms,
            archived_at_ms=archived_at_ms,
            name=before.name if before is not None else edited.value if edited is not None else None,
        )

    # What is said.

    def _said(self, number: int, reply: Any, values: dict[str, str | None]) -> None:
        if number not in self.rows:
            assert reply == UnknownThread(thread_id=thread_id(number))
            return
        assert reply == ThreadEdited(thread_id=thread_id(number))
        for field, value in values.items():
            self.edits[number][field] = Said(value, self.clock.wall_ms)
        if "name" in values:
            self.rows[number].name = values["name"]

    @rule(number=NUMBERS, title=WORDS)
    def say_title(self, number: int, title: str) -> None:
        self._now()
        self._said(number, self.state.ask(SetThreadTitle(thread_id=thread_id(number), title=title)), {"title": title})

    @rule(number=NUMBERS, name=st.none() | WORDS)
    def say_name(self, number: int, name: str | None) -> None:
        self._now()
        self._said(number, self.state.ask(SetThreadName(thread_id=thread_id(number), name=name)), {"name": name})

    @rule(number=NUMBERS, mode=MODES)
    def say_mode(self, number: int, mode: MemoryMode) -> None:
        self._now()
        reply = self.state.ask(SetThreadMemoryMode(thread_id=thread_id(number), mode=mode))
        self._said(number, reply, {"memory_mode": mode.value})

    @rule(number=NUMBERS, sha=PATCH, branch=PATCH, origin_url=PATCH)
    def patch_git(
        self, number: int, sha: str | Keep | None, branch: str | Keep | None, origin_url: str | Keep | None
    ) -> None:
        self._now()
        reply = self.state.ask(
            PatchThreadGit(thread_id=thread_id(number), sha=sha, branch=branch, origin_url=origin_url)
        )
        said = zip(GIT, (sha, branch, origin_url), strict=True)
        self._said(number, reply, {field: value for field, value in said if not isinstance(value, Keep)})

    @rule(number=NUMBERS, name=WORDS)
    def name_in_codex(self, number: int, name: str) -> None:
        """Codex's own list of names gets a line. Nobody looks yet."""
        self.names[number] = Said(name, self._now())

    @rule()
    def record_names(self) -> None:
        """The list is looked at: whoever named a thread last goes first."""
        self.state.ask(
            RecordThreadNames(
                names={thread_id(number): str(said.value) for number, said in self.names.items()},
                named_at_ms={thread_id(number): said.at_ms for number, said in self.names.items()},
            )
        )
        for number, said in self.names.items():
            edited = self.edits[number].get("name")
            if number in self.rows and (edited is None or edited.at_ms < said.at_ms):
                self.rows[number].name = said.value

    @rule(number=NUMBERS, behind_ms=st.sampled_from([0, 1, 999, 1_000, 5_000]))
    def touch(self, number: int, behind_ms: int) -> None:
        newest_ms = max((row.updated_at_ms for row in self.rows.values()), default=0)
        asked_ms = max(newest_ms, self.clock.wall_ms) - behind_ms
        reply = self.state.ask(TouchThread(thread_id=thread_id(number), at_ms=asked_ms))
        if number in self.rows:
            is_hot = newest_ms - 1_000 < asked_ms <= newest_ms
            self.rows[number].updated_at_ms = newest_ms + 1 if is_hot else asked_ms
            assert reply == ThreadTouched(updated_at_ms=self.rows[number].updated_at_ms)

    @rule(number=NUMBERS)
    def delete(self, number: int) -> None:
        """The row goes; what was said of the thread stays in the journal, for a file that has it again."""
        self.state.ask(DeleteThread(thread_id=thread_id(number)))
        self.rows.pop(number, None)

    @rule(number=NUMBERS)
    def forget(self, number: int) -> None:
        """What was said goes, unless there is a row that says it."""
        reply = self.state.ask(ForgetThread(thread_id=thread_id(number)))
        assert isinstance(reply, ThreadStillThere if number in self.rows else ThreadForgotten)
        if number not in self.rows:
            self.edits[number].clear()

    # What must be true.

    @invariant()
    def row_is_the_last_reading_with_what_was_said_over_it(self) -> None:
        for number in self.files:
            answer = self.state.ask(GetThread(thread_id=thread_id(number)))
            model = self.rows.get(number)
            assert isinstance(answer, ThreadFound) is (model is not None)
            if model is None or not isinstance(answer, ThreadFound):
                continue
            expected = {field: getattr(model.content, field) for field in SAID}
            expected["memory_mode"] = expected["memory_mode"] or "enabled"
            expected |= {field: said.value for field, said in self.edits[number].items() if field != "name"}
            expected |= {
                "name": model.name,
                "rollout_path": model.path,
                "updated_at_ms": model.updated_at_ms,
                "archived_at_ms": model.archived_at_ms,
            }
            assert {field: getattr(answer.thread, field) for field in expected} == expected

    @invariant()
    def edits_beside_a_row_are_those_of_the_journal(self) -> None:
        for number in self.rows:
            stored = dict(
                self.state.rows("SELECT field, value FROM thread_edits WHERE thread_id = ?", thread_id(number))
            )
            assert stored == {field: said.value for field, said in self.edits[number].items()}
        for number, edits in self.edits.items():
            journaled = self.state.journal.edits_of(ThreadId(thread_id(number)))
            assert {field: edit.value for field, edit in journaled.items()} == {
                field: said.value for field, said in edits.items()
            }

    def teardown(self) -> None:
        self.state.close()
