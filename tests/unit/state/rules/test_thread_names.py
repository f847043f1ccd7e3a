"""Names from Codex's own list against a name that was given here: who named last goes first."""

import pytest

from state.messages.backfill import CompareThreadNames, NameDrift, RecordThreadNames
from state.messages.thread_edits import SetThreadName
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

ONE = thread_id(1)


def name(state: MemoryState) -> str | None:
    """The first thread's name."""
    value: str | None = state.value("SELECT name FROM threads WHERE id = ?", ONE)
    return value


@pytest.mark.parametrize(("later_ms", "wins"), [(-1, False), (0, False), (1, True), (None, False)])
@pytest.mark.parametrize("edited", ["mine", None])
def test_who_named_last_goes_first_and_in_doubt_the_edit(
    state: MemoryState, edited: str | None, later_ms: int | None, wins: bool
) -> None:
    index(state, facts(1))
    state.ask(SetThreadName(thread_id=ONE, name=edited))
    times = {} if later_ms is None else {ONE: state.clock.wall_ms + later_ms}

    drifts = state.ask(CompareThreadNames(names={ONE: "codex"}, named_at_ms=times))
    assert state.ask(RecordThreadNames(names={ONE: "codex"}, named_at_ms=times)) == int(wins)

    assert name(state) == ("codex" if wins else edited)
    assert drifts == ((NameDrift(thread_id=ONE, stored=edited, given="codex"),) if wins else ())
    assert state.ask(CompareThreadNames(names={ONE: "codex"}, named_at_ms=times)) == ()


def test_name_that_nobody_gave_here_is_codexs(state: MemoryState) -> None:
    index(state, facts(1))

    assert state.ask(RecordThreadNames(names={ONE: "codex", thread_id(2): "nobody"})) == 1
    assert name(state) == "codex"


def test_name_given_here_after_codex_named_it_stays_when_the_list_is_read_again(state: MemoryState) -> None:
    index(state, facts(1))
    codex = RecordThreadNames(names={ONE: "codex"}, named_at_ms={ONE: state.clock.wall_ms})
    state.ask(codex)
    state.clock.advance(1)
    state.ask(SetThreadName(thread_id=ONE, name="mine"))

    assert state.ask(codex) == 0
    assert name(state) == "mine"


def test_rebuilt_row_ends_with_the_name_that_was_given_last(state: MemoryState) -> None:
    index(state, facts(1))
    state.ask(SetThreadName(thread_id=ONE, name="mine"))
    rebuilt = MemoryState(journal=state.journal)
    index(rebuilt, facts(1))
    assert name(rebuilt) == "mine"

    rebuilt.ask(RecordThreadNames(names={ONE: "codex"}, named_at_ms={ONE: state.clock.wall_ms + 1}))
    assert name(rebuilt) == "codex"
    rebuilt.close()
