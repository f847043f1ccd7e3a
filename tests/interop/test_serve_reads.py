"""memoryd and the real app-server answer the same questions about the same home with the same words.

What is not compared, and why: receipts, which memoryd does not keep; names and the time of renaming, which
live in the other's database alone; and what the threads' own database says of their last use.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.command import Memoryd
from tests.fakes.serve_process import ServeProcess, serving
from tests.interop.app_server import AppServer, AppServerError
from tests.interop.genuine_home import GenuineHome
from tests.interop.varieties import Variety

pytestmark = pytest.mark.interop

NOT_COMPARED = {
    "readState",
    "readStates",
    "name",
    "updatedAt",
    "recencyAt",
    "backwardsCursor",
    "nextCursor",
    # The original's index only knows them of sub-agents that it has looked at by themselves before.
    "parentThreadId",
    "threadSource",
}
EVERYTHING: dict[str, Any] = {
    "sourceKinds": ["cli", "vscode", "exec", "appServer", "subAgent", "unknown"],
    "modelProviders": [],
    "limit": 100,
}


@pytest.fixture(scope="module")
def original(rebuilt_home: GenuineHome) -> Iterator[AppServer]:
    with rebuilt_home.codex.app_server(rebuilt_home.codex.person) as server:
        server.initialize()
        yield server


@pytest.fixture(scope="module")
def served(rebuilt_home: GenuineHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServeProcess]:
    state: Path = tmp_path_factory.mktemp("served")
    with serving(Memoryd(codex_home=rebuilt_home.path, state_dir=state, person=rebuilt_home.codex.person)) as process:
        yield process


def compared(answer: Any) -> Any:
    """An answer without what is not compared."""
    if isinstance(answer, dict):
        return {name: compared(value) for name, value in answer.items() if name not in NOT_COMPARED}
    return [compared(value) for value in answer] if isinstance(answer, list) else answer


def differing(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The members of two objects that are not the same."""
    names = sorted({*ours, *theirs})
    return {name: (ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)}


def both(original: AppServer, served: ServeProcess, method: str, **params: Any) -> tuple[Any, Any]:
    """What the two say; of a refusal its words."""
    try:
        theirs = original.request(method, params)
    except AppServerError as refusal:
        return str(refusal).removeprefix(f"{method}: "), served.ask(method, **params)["error"]["message"]
    return compared(theirs), compared(served.ask(method, **params))


@pytest.mark.parametrize("variety", Variety)
def test_thread_and_its_turns_are_the_same(
    original: AppServer, served: ServeProcess, rebuilt_home: GenuineHome, variety: Variety
) -> None:
    thread = rebuilt_home.threads[variety]
    for include_turns in (False, True):
        theirs, ours = both(original, served, "thread/read", threadId=thread, includeTurns=include_turns)
        assert differing(ours["thread"], theirs["thread"]) == {}


@pytest.mark.parametrize("variety", Variety)
def test_pages_of_turns_and_items_are_the_same_cursors_included(
    original: AppServer, served: ServeProcess, rebuilt_home: GenuineHome, variety: Variety
) -> None:
    thread = rebuilt_home.threads[variety]
    for view in ("notLoaded", "summary", "full"):
        params = {"threadId": thread, "itemsView": view, "sortDirection": "asc", "limit": 1}
        assert served.ask("thread/turns/list", **params) == original.request("thread/turns/list", params)
    for direction in ("asc", "desc"):
        params = {"threadId": thread, "sortDirection": direction, "limit": 2}
        theirs, ours = both(original, served, "thread/items/list", **params)
        assert ours == theirs


@pytest.mark.parametrize(
    "params",
    [
        {},
        EVERYTHING,
        {**EVERYTHING, "archived": True},
        {**EVERYTHING, "searchTerm": "question"},
        {**EVERYTHING, "sourceKinds": ["subAgentThreadSpawn"]},
        {**EVERYTHING, "sourceKinds": ["subAgentReview"]},
        {"modelProviders": ["nobody"]},
        {"cursor": "garbage"},
        {"excludedThreadIds": ["x"]},
        {"originators": ["x"]},
        {"sortKey": "section_position"},
    ],
)
def test_listing_shows_the_same_threads(original: AppServer, served: ServeProcess, params: dict[str, Any]) -> None:
    def by_id(answer: Any) -> list[dict[str, Any]]:
        # Within a second the original's order is that of its ids; memoryd's is that of the milliseconds.
        return sorted(answer["data"], key=lambda thread: str(thread["id"]))

    theirs, ours = both(original, served, "thread/list", **params)
    if isinstance(theirs, str):
        assert ours == theirs
        return
    assert [thread["id"] for thread in by_id(ours)] == [thread["id"] for thread in by_id(theirs)]
    pairs = zip(by_id(ours), by_id(theirs), strict=True)
    assert [differing(one, other) for one, other in pairs if one != other] == []
