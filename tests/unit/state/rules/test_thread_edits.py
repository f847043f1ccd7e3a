"""Saying something of a thread: one column, an edit beside it, an entry in the journal, and no other change."""

from typing import Any

import pytest

from state.ids import Scope
from state.messages.base import Request
from state.messages.thread_edits import (
    InvalidThreadId,
    MemoryMode,
    PatchThreadGit,
    SetThreadMemoryMode,
    SetThreadName,
    SetThreadTitle,
    ThreadEdited,
)
from state.messages.threads import GetThread, ThreadFound, UnknownThread
from state.transaction import JournalEntry
from tests.fakes.consolidation import BLOG, SHOP, remember
from tests.fakes.extraction import saved
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

ONE = thread_id(1)
TEAM = Scope(kind="team", key="shop")

EDITS: list[tuple[Request[Any], dict[str, str | None]]] = [
    (SetThreadTitle(thread_id=ONE, title="mine"), {"title": "mine"}),
    (SetThreadName(thread_id=ONE, name="mine"), {"name": "mine"}),
    (SetThreadName(thread_id=ONE, name=None), {"name": None}),
    (SetThreadMemoryMode(thread_id=ONE, mode=MemoryMode.POLLUTED), {"memory_mode": "polluted"}),
    (PatchThreadGit(thread_id=ONE, branch="mine"), {"git_branch": "mine"}),
    (PatchThreadGit(thread_id=ONE, branch=None, sha="abc"), {"git_branch": None, "git_sha": "abc"}),
    (PatchThreadGit(thread_id=ONE), {}),
]


def row(state: MemoryState, number: int = 1) -> dict[str, Any]:
    """Every column of a thread."""
    names = [name for _, name, *_ in state.rows("PRAGMA table_xinfo(threads)")]
    (values,) = state.rows("SELECT * FROM threads WHERE id = ?", thread_id(number))
    return dict(zip(names, values, strict=True))


def edits(state: MemoryState) -> dict[str, str | None]:
    """The edits beside the first thread."""
    return dict(state.rows("SELECT field, value FROM thread_edits WHERE thread_id = ?", ONE))


@pytest.mark.parametrize(("edit", "said"), EDITS)
def test_edit_changes_its_columns_and_no_other(
    state: MemoryState, edit: Request[Any], said: dict[str, str | None]
) -> None:
    index(state, facts(1))
    index(state, facts(2))
    before, other = row(state), row(state, 2)

    assert state.ask(edit) == ThreadEdited(thread_id=ONE)

    assert row(state) == before | said
    assert row(state, 2) == other
    assert edits(state) == said
    assert {field: edit.value for field, edit in state.journal.edits_of(ONE).items()} == said


@pytest.mark.parametrize(("edit", "said"), EDITS)
def test_edit_goes_before_every_later_reading(
    state: MemoryState, edit: Request[Any], said: dict[str, str | None]
) -> None:
    index(state, facts(1))
    state.ask(edit)
    index(state, facts(1, title="of the file", git_sha="of the file", git_branch="of the file"), size_bytes=200)

    assert {field: row(state)[field] for field in said} == said
    for field in {"title", "git_sha", "git_branch"} - said.keys():
        assert row(state)[field] == "of the file"


@pytest.mark.parametrize(("edit", "said"), EDITS)
def test_edit_asked_twice_is_the_same_edit(state: MemoryState, edit: Request[Any], said: dict[str, str | None]) -> None:
    index(state, facts(1))
    state.ask(edit)
    before = state.tables()

    assert state.ask(edit) == ThreadEdited(thread_id=ONE)
    assert state.tables() == before
    assert edits(state) == said


@pytest.mark.parametrize(("edit", "_said"), EDITS)
def test_edit_of_a_thread_without_a_row_changes_nothing_and_says_so(
    state: MemoryState, edit: Request[Any], _said: dict[str, str | None]
) -> None:
    assert state.ask(edit) == UnknownThread(thread_id=ONE)
    assert state.journal.edits_of(ONE) == {}


@pytest.mark.parametrize("asked", ["", "1", "not-a-uuid", f"{ONE}0", "%"])
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (SetThreadTitle, {"title": "x"}),
        (SetThreadName, {"name": "x"}),
        (SetThreadMemoryMode, {"mode": "enabled"}),
        (PatchThreadGit, {}),
    ],
)
def test_id_that_is_no_uuid_is_refused(state: MemoryState, kind: Any, more: dict[str, str], asked: str) -> None:
    assert state.ask(kind(thread_id=asked, **more)) == InvalidThreadId(asked=asked)


@pytest.mark.parametrize("spelling", [ONE.upper(), f"urn:uuid:{ONE}", ONE.replace("-", "")])
def test_every_spelling_of_an_id_means_its_thread(state: MemoryState, spelling: str) -> None:
    index(state, facts(1))

    assert state.ask(SetThreadTitle(thread_id=spelling, title="mine")) == ThreadEdited(thread_id=ONE)
    assert row(state)["title"] == "mine"


def test_mode_that_is_none_cannot_even_be_asked_for() -> None:
    with pytest.raises(ValueError, match="never"):
        SetThreadMemoryMode(thread_id=ONE, mode="never")


def test_edits_come_back_when_the_row_is_new_to_a_rebuilt_database(state: MemoryState) -> None:
    index(state, facts(1))
    state.clock.advance(7)
    for edit, _ in EDITS:
        state.ask(edit)
    before = edits(state), row(state)

    rebuilt = MemoryState(journal=state.journal)
    index(rebuilt, facts(2))
    index(rebuilt, facts(1))

    assert (edits(rebuilt), row(rebuilt)) == before
    assert rebuilt.value("SELECT DISTINCT edited_at_ms FROM thread_edits") == state.clock.wall_ms
    rebuilt.close()


def test_reading_is_compared_with_the_edits_over_it(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(PatchThreadGit(thread_id=ONE, branch=None))
    index(state, facts(1, git_sha="new"), size_bytes=200)

    answer = state.ask(GetThread(thread_id=ONE))
    assert isinstance(answer, ThreadFound)
    assert (answer.thread.git_sha, answer.thread.git_branch) == ("new", None)


@pytest.mark.parametrize(("mode", "grown"), [(MemoryMode.ENABLED, 0), (MemoryMode.DISABLED, 1)])
def test_change_of_the_mode_makes_a_known_scope_dirty(state: MemoryState, mode: MemoryMode, grown: int) -> None:
    index(state, facts(1))
    state.rows(
        "INSERT INTO scopes (scope_kind, scope_key, inputs_mark, consolidated_mark, generation, published_memories,"
        " attempts, fencing_number) VALUES ('cwd', '/home/ann/shop', 5, 5, 0, 0, 0, 0)"
    )

    state.ask(SetThreadMemoryMode(thread_id=ONE, mode=mode))
    assert state.value("SELECT inputs_mark FROM scopes") == 5 + grown
    # A reading that says otherwise changes nothing any more, and so makes nothing dirty.
    index(state, facts(1, memory_mode="polluted"), size_bytes=200)
    assert state.value("SELECT inputs_mark FROM scopes") == 5 + grown


def test_fields_of_the_journal_that_nobody_knows_are_left_there(state: MemoryState) -> None:
    state.journal.append(
        JournalEntry(thread_id=ONE, edited_at_ms=1, values={"mood": "good", "memory_mode": "odd", "title": None})
    )
    index(state, facts(1))

    assert edits(state) == {"title": None}
    assert (row(state)["title"], row(state)["memory_mode"]) == ("", "enabled")


def test_change_of_the_mode_makes_every_scope_dirty_that_remembers_the_thread(state: MemoryState) -> None:
    remember(state, 1)
    remember(state, 2, scope=BLOG)
    saved(state, "seen by the team", scope=TEAM)
    state.rows("UPDATE scopes SET consolidated_mark = inputs_mark")

    state.ask(SetThreadMemoryMode(thread_id=ONE, mode=MemoryMode.DISABLED))
    dirty = state.rows("SELECT scope_key FROM scopes WHERE inputs_mark > consolidated_mark ORDER BY scope_key")
    assert dirty == [(SHOP.key,), (TEAM.key,)]


def test_mode_that_a_reading_brings_makes_every_scope_dirty_that_remembers_the_thread(state: MemoryState) -> None:
    remember(state, 1)
    saved(state, "seen by the team", scope=TEAM)
    state.rows("UPDATE scopes SET consolidated_mark = inputs_mark")

    index(state, facts(1, memory_mode="disabled"), size_bytes=500)
    assert state.value("SELECT count(*) FROM scopes WHERE inputs_mark > consolidated_mark") == 2
