"""Tools of a thread: the first writer of a position wins, and no tools are None."""

from state.messages.thread_edits import InvalidThreadId
from state.messages.thread_tools import DynamicToolsFound, DynamicToolsSet, GetDynamicTools, SetDynamicTools
from state.messages.threads import UnknownThread
from state.rollouts.model import DynamicTool
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

ONE = thread_id(1)


def tool(name: str, **more: object) -> DynamicTool:
    """A tool with this name."""
    return DynamicTool(name=name, description="", input_schema="{}", **more)  # type: ignore[arg-type]  # as given


def tools_of(state: MemoryState) -> tuple[DynamicTool, ...] | None:
    """The first thread's tools."""
    answer = state.ask(GetDynamicTools(thread_id=ONE))
    assert isinstance(answer, DynamicToolsFound)
    return answer.tools


def test_tools_come_back_in_order_and_whole(state: MemoryState) -> None:
    index(state, facts(1))
    tools = (tool("b", defer_loading=True), tool("a", namespace="web"), tool("c"))

    assert state.ask(SetDynamicTools(thread_id=ONE, tools=tools)) == DynamicToolsSet(added=3)
    assert tools_of(state) == tools


def test_first_writer_of_each_position_wins(state: MemoryState) -> None:
    index(state, facts(1, dynamic_tools=(tool("of the file"),)))

    asked = SetDynamicTools(thread_id=ONE, tools=(tool("late"), tool("first")))
    assert state.ask(asked) == DynamicToolsSet(added=1)
    assert state.ask(asked) == DynamicToolsSet(added=0)
    assert [one.name for one in tools_of(state) or ()] == ["of the file", "first"]


def test_no_tools_are_none_and_change_nothing(state: MemoryState) -> None:
    index(state, facts(1))

    for nothing in (None, ()):
        assert state.ask(SetDynamicTools(thread_id=ONE, tools=nothing)) == DynamicToolsSet(added=0)
    assert tools_of(state) is None


def test_thread_without_a_row_has_no_tools_and_gets_none(state: MemoryState) -> None:
    assert state.ask(SetDynamicTools(thread_id=ONE, tools=(tool("a"),))) == UnknownThread(thread_id=ONE)
    assert tools_of(state) is None


def test_id_that_is_no_uuid_is_refused(state: MemoryState) -> None:
    assert state.ask(SetDynamicTools(thread_id="x", tools=())) == InvalidThreadId(asked="x")
    assert state.ask(GetDynamicTools(thread_id="x")) == InvalidThreadId(asked="x")
