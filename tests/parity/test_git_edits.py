"""Git edits: three columns, each kept, cleared or set, in one statement that touches nothing else."""

import itertools

import pytest

from state.messages.thread_edits import KEEP, Keep, PatchThreadGit, ThreadEdited
from state.messages.thread_rows import UpsertThread
from state.messages.threads import UnknownThread
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, index
from tests.parity.rows import ONE, apply, metadata, thread

GIT = ("git_sha", "git_branch", "git_origin_url")
BEFORE = ("abc", None, "git@example.org:ann/shop")


@pytest.mark.parametrize("patch", list(itertools.product((KEEP, None, "new"), repeat=3)))
def test_each_field_is_kept_cleared_or_set(state: MemoryState, patch: tuple[str | Keep | None, ...]) -> None:
    """Baseline: absent keeps, null clears, a text replaces, each of the three for itself; no other column changes."""
    state.ask(UpsertThread(fields=metadata(git_sha=BEFORE[0], git_branch=BEFORE[1], git_origin_url=BEFORE[2])))
    expected = state.rows("SELECT * FROM threads")[0]
    names = [name for _, name, *_ in state.rows("PRAGMA table_xinfo(threads)")]
    after = dict(zip(names, expected, strict=True))
    after |= {field: said for field, said in zip(GIT, patch, strict=True) if not isinstance(said, Keep)}

    reply = state.ask(PatchThreadGit(thread_id=ONE, sha=patch[0], branch=patch[1], origin_url=patch[2]))

    assert reply == ThreadEdited(thread_id=ONE)
    assert dict(zip(names, state.rows("SELECT * FROM threads")[0], strict=True)) == after


def test_patch_of_a_thread_without_a_row_touches_none(state: MemoryState) -> None:
    """Baseline: update_thread_git_info answers whether a row was touched."""
    assert state.ask(PatchThreadGit(thread_id=ONE, branch="x")) == UnknownThread(thread_id=ONE)


def test_time_of_update_is_not_touched(state: MemoryState) -> None:
    """Baseline: a git patch does not make a thread look new, and does not lose a newer update."""
    apply(state)
    apply(state, mtime_ms=CONTENT_AT_MS + 9, tokens_used=99)
    state.ask(PatchThreadGit(thread_id=ONE, branch="x"))

    assert (thread(state).updated_at_ms, thread(state).tokens_used) == (CONTENT_AT_MS + 9, 99)


def test_patch_survives_a_later_backfill(state: MemoryState) -> None:
    """Baseline: a backfill that runs after the patch keeps the fields that were set."""
    apply(state)
    state.ask(PatchThreadGit(thread_id=ONE, branch="patched"))
    index(state, facts(1, git_sha="of the file", git_branch="of the file"), size_bytes=500)

    assert (thread(state).git_branch, thread(state).git_sha) == ("patched", "of the file")


def test_cleared_field_stays_cleared(state: MemoryState) -> None:
    """Differs: to the baseline a cleared value is a missing one, and the next replay brings it back."""
    apply(state, git_sha="abc", git_branch="main", git_origin_url="url")
    state.ask(PatchThreadGit(thread_id=ONE, sha=None, branch=None, origin_url=None))
    apply(state, mtime_ms=CONTENT_AT_MS + 1, git_sha="abc", git_branch="main", git_origin_url="url")
    rebuilt = MemoryState(journal=state.journal)
    apply(rebuilt, git_sha="abc", git_branch="main", git_origin_url="url")

    for one in (state, rebuilt):
        assert [getattr(thread(one), field) for field in GIT] == [None, None, None]
    rebuilt.close()


def test_patches_of_different_fields_both_survive(state: MemoryState) -> None:
    """Baseline: each patch writes its own columns, so that two at the same time lose nothing."""
    apply(state, git_branch=None)
    state.ask(PatchThreadGit(thread_id=ONE, sha="one"))
    state.ask(PatchThreadGit(thread_id=ONE, branch="two"))

    assert (thread(state).git_sha, thread(state).git_branch) == ("one", "two")
