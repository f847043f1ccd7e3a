"""Filters by kind, by descent and by exclusion answer what looking at every thread answers, on pages of any size."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.ids import ThreadId
from state.messages.threads import ListThreads, SourceKind, ThreadAnchor, ThreadDirection, ThreadSort
from state.rules import thread_descent, thread_listing
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

WORDS = {
    "cli": SourceKind.CLI,
    "vscode": SourceKind.VSCODE,
    "exec": SourceKind.EXEC,
    "mcp": SourceKind.APP_SERVER,
}
NAMED = ("atlas", "chatgpt")


def spawned(parent: ThreadId, *, parent_first: bool = True) -> str:
    """The source of a sub-agent, as it is stored."""
    members: dict[str, Any] = {"parent_thread_id": parent, "depth": 1}
    shown = members if parent_first else dict(reversed(members.items()))
    return json.dumps({"subagent": {"thread_spawn": shown}}, separators=(",", ":"))


def kinds_of(source: str) -> set[SourceKind]:
    """The kinds of a source, told from what it means and not from how its text begins."""
    if source in WORDS:
        return {WORDS[source]}
    try:
        told = json.loads(source)
    except ValueError:
        return {SourceKind.UNKNOWN}
    match told:
        case {"subagent": "review"}:
            return {SourceKind.SUB_AGENT, SourceKind.SUB_AGENT_REVIEW}
        case {"subagent": "compact"}:
            return {SourceKind.SUB_AGENT, SourceKind.SUB_AGENT_COMPACT}
        case {"subagent": {"thread_spawn": _}}:
            return {SourceKind.SUB_AGENT, SourceKind.SUB_AGENT_THREAD_SPAWN}
        case {"subagent": {"other": _}}:
            return {SourceKind.SUB_AGENT, SourceKind.SUB_AGENT_OTHER}
        case {"subagent": _}:
            return {SourceKind.SUB_AGENT}
        case {"custom": name}:
            return {SourceKind.NAMED_APP} if name in NAMED else set()
        case {"internal": _}:
            return set()
        case _:
            return {SourceKind.UNKNOWN}


PLAIN_SOURCES = (
    *WORDS,
    "",
    "unknown",
    "weird",
    '{"custom":"atlas"}',
    '{"custom":"other"}',
    '{"internal":"memory"}',
    '{"subagent":"review"}',
    '{"subagent":"compact"}',
    '{"subagent":"memory_consolidation"}',
    '{"subagent":{"other":"guardian"}}',
)
SOURCES = st.sampled_from(PLAIN_SOURCES) | st.builds(
    spawned, st.integers(0, 7).map(thread_id), parent_first=st.booleans()
)
THREADS = st.lists(
    st.fixed_dictionaries(
        {
            "source": SOURCES,
            "created_at_ms": st.integers(1, 3),
            "cwd": st.sampled_from(("/a", "/b")),
            "title": st.sampled_from(("mend the test", "other")),
        }
    ),
    max_size=8,
)


def parent_of(source: str) -> str | None:
    """Who started a sub-agent, by what its source means."""
    try:
        match json.loads(source):
            case {"subagent": {"thread_spawn": {"parent_thread_id": parent}}}:
                return str(parent)
    except ValueError:
        pass
    return None


def below(threads: list[dict[str, Any]], ancestor: ThreadId) -> set[str]:
    """All sub-agents below a thread, found by going over all threads until nothing is added."""
    found: set[str] = set()
    while True:
        more = {
            thread_id(number)
            for number, thread in enumerate(threads)
            if parent_of(thread["source"]) in {ancestor, *found} and thread_id(number) != ancestor
        }
        if more <= found:
            return found
        found |= more


@given(
    threads=THREADS,
    direction=st.sampled_from(ThreadDirection),
    kinds=st.none() | st.frozensets(st.sampled_from(SourceKind), max_size=4),
    relative=st.none() | st.tuples(st.sampled_from(("parent", "ancestor")), st.integers(0, 7)),
    excluded=st.lists(st.integers(0, 9), max_size=3),
    cwds=st.none() | st.just(("/a",)),
    text=st.none() | st.just("the"),
    limit=st.integers(1, 4),
    few_at_once=st.booleans(),
)
def test_pages_hold_each_thread_that_passes_once_and_in_order(
    threads: list[dict[str, Any]],
    direction: ThreadDirection,
    kinds: frozenset[SourceKind] | None,
    relative: tuple[str, int] | None,
    excluded: list[int],
    cwds: tuple[str, ...] | None,
    text: str | None,
    limit: int,
    few_at_once: bool,
) -> None:
    state = MemoryState()
    for number, thread in enumerate(threads):
        index(state, facts(number, **thread, parent_thread_id=parent_of(thread["source"])))
    ancestor = None if relative is None else thread_id(relative[1])
    wanted: dict[str, Any] = {
        "source_kinds": kinds,
        "excluded_ids": tuple(thread_id(number) for number in excluded),
        "cwds": cwds,
        "title_contains": text,
        "direction": direction,
        "sort": ThreadSort.CREATED,
        "limit": limit,
    }
    if relative is not None:
        wanted[f"{relative[0]}_thread_id"] = ancestor

    seen: list[str] = []
    anchor: ThreadAnchor | None = None
    with pytest.MonkeyPatch.context() as patched:
        for module, name in (
            ((thread_listing, "_TRIED_MAX"), (thread_listing, "_IDS_MAX"), (thread_descent, "_PARENTS_MAX"))
            if few_at_once
            else ()
        ):
            patched.setattr(module, name, 1)
        while True:
            page = state.ask(ListThreads(**wanted, anchor=anchor))
            seen += [thread.id for thread in page.threads]
            anchor = page.next_anchor
            if anchor is None:
                break

    passing = []
    for number, thread in enumerate(threads):
        one, source = thread_id(number), thread["source"]
        if relative is not None and ancestor is not None:
            is_below = one in below(threads, ancestor)
            is_child = parent_of(source) == ancestor and one != ancestor
            if not (is_child if relative[0] == "parent" else is_below):
                continue
        if kinds is not None and not kinds & kinds_of(source):
            continue
        if number in excluded or (cwds and thread["cwd"] not in cwds) or (text and text not in thread["title"]):
            continue
        passing.append((thread["created_at_ms"], one))
    passing.sort(reverse=direction is ThreadDirection.DESCENDING)
    assert seen == [one for _, one in passing]
    state.close()
