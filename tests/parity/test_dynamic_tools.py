"""Dynamic tools: kept in order, first writer of a position wins, none are None."""

from state.messages.thread_rows import UpsertThread
from state.messages.thread_tools import DynamicToolsFound, GetDynamicTools, SetDynamicTools
from state.rollouts.model import DynamicTool
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS
from tests.parity.rows import ONE, apply, metadata


def tool(name: str, **changes: str) -> DynamicTool:
    """A tool with this name."""
    return DynamicTool(name=name, description=f"does {name}", input_schema='{"type":"object"}', **changes)  # type: ignore[arg-type]


def test_tools_come_back_in_their_order(state: MemoryState) -> None:
    """Baseline: positions 0 to n-1, read back ordered by position, with every field."""
    state.ask(UpsertThread(fields=metadata()))
    tools = (tool("z"), tool("a", namespace="web"))
    state.ask(SetDynamicTools(thread_id=ONE, tools=tools))

    assert state.ask(GetDynamicTools(thread_id=ONE)) == DynamicToolsFound(tools=tools)


def test_second_writer_of_a_position_changes_nothing(state: MemoryState) -> None:
    """Baseline: a conflict on thread and position is ignored."""
    state.ask(UpsertThread(fields=metadata()))
    state.ask(SetDynamicTools(thread_id=ONE, tools=(tool("first"),)))
    state.ask(SetDynamicTools(thread_id=ONE, tools=(tool("second"), tool("more"))))

    assert state.ask(GetDynamicTools(thread_id=ONE)) == DynamicToolsFound(tools=(tool("first"), tool("more")))


def test_thread_without_tools_has_none_and_not_an_empty_list(state: MemoryState) -> None:
    """Baseline: no rows read back as None; storing None or an empty list stores nothing."""
    state.ask(UpsertThread(fields=metadata()))
    for nothing in (None, ()):
        state.ask(SetDynamicTools(thread_id=ONE, tools=nothing))

    assert state.ask(GetDynamicTools(thread_id=ONE)) == DynamicToolsFound(tools=None)


def test_replay_stores_the_tools_of_the_first_session_meta_once(state: MemoryState) -> None:
    """Baseline: tools are persisted after the thread's row, from the first session_meta; a replay adds none."""
    for step in (0, 1):
        apply(state, mtime_ms=CONTENT_AT_MS + step, dynamic_tools=(tool("search"),))

    assert state.ask(GetDynamicTools(thread_id=ONE)) == DynamicToolsFound(tools=(tool("search"),))
