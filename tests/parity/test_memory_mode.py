"""Memory mode: who sets it at the start, what a rollout says of it, and what changes it later."""

import pytest

from state.messages.thread_edits import InvalidThreadId, MemoryMode, SetThreadMemoryMode, ThreadEdited
from state.messages.thread_rows import InsertThreadIfAbsent, UpsertThread
from state.messages.threads import UnknownThread
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS
from tests.parity.rows import ONE, apply, metadata, thread


def test_new_thread_may_be_remembered_unless_somebody_says_otherwise(state: MemoryState) -> None:
    """Baseline: the mode of a new row is the argument, else `enabled`."""
    apply(state, 1, memory_mode="")
    apply(state, 2, memory_mode="", new_thread_memory_mode=MemoryMode.DISABLED)

    assert (thread(state, 1).memory_mode, thread(state, 2).memory_mode) == ("enabled", "disabled")


def test_mode_in_the_rollout_goes_before_that_of_a_new_row(state: MemoryState) -> None:
    """Baseline: the thread is written first, then the mode that its session_meta names."""
    apply(state, memory_mode="polluted", new_thread_memory_mode=MemoryMode.DISABLED)

    assert thread(state).memory_mode == "polluted"


def test_later_session_meta_changes_the_mode(state: MemoryState) -> None:
    """Baseline: the last session_meta that carries a mode wins."""
    apply(state, memory_mode="enabled")
    apply(state, mtime_ms=CONTENT_AT_MS + 1, memory_mode="disabled")

    assert thread(state).memory_mode == "disabled"


@pytest.mark.parametrize("kind", [UpsertThread, InsertThreadIfAbsent])
def test_program_gives_a_new_row_its_mode(state: MemoryState, kind: type[UpsertThread | InsertThreadIfAbsent]) -> None:
    """Baseline: with memories switched off a new thread's row is made with `disabled`."""
    state.ask(kind(fields=metadata(memory_mode=MemoryMode.DISABLED)))

    assert thread(state).memory_mode == "disabled"


def test_replay_without_a_mode_leaves_the_rows_alone(state: MemoryState) -> None:
    """Baseline: items that carry no mode change none."""
    state.ask(InsertThreadIfAbsent(fields=metadata(memory_mode=MemoryMode.DISABLED)))
    apply(state, memory_mode="")

    assert thread(state).memory_mode == "disabled"


@pytest.mark.parametrize("mode", list(MemoryMode))
def test_mode_is_set_by_itself_and_stays(state: MemoryState, mode: MemoryMode) -> None:
    """Baseline: set_thread_memory_mode answers whether there was a row.

    Differs: a replay does not undo it, whatever the rollout says; to the baseline the file's mode would win.
    """
    apply(state, memory_mode="enabled")

    assert state.ask(SetThreadMemoryMode(thread_id=ONE, mode=mode)) == ThreadEdited(thread_id=ONE)
    apply(state, mtime_ms=CONTENT_AT_MS + 1, memory_mode="enabled")
    assert thread(state).memory_mode == mode.value


def test_unknown_thread_has_no_mode_to_set(state: MemoryState) -> None:
    """Baseline: false, without an error, for a thread without a row; ours tells that from an id that is none."""
    assert state.ask(SetThreadMemoryMode(thread_id=ONE, mode=MemoryMode.DISABLED)) == UnknownThread(thread_id=ONE)
    assert state.ask(SetThreadMemoryMode(thread_id="one", mode=MemoryMode.DISABLED)) == InvalidThreadId(asked="one")
