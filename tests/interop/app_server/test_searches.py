"""What was said in a newer thread is found where the app-server finds it.

The app-server looks for it in its own history database alone, which has a thread once that was resumed.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.interop.app_server import library
from tests.interop.app_server.client import AppServer
from tests.interop.app_server.library import THREADS
from tests.interop.app_server.pair import settle_pair
from tests.interop.app_server.searches import PHASES
from tests.interop.app_server.stored import Stored, thread_id

pytestmark = pytest.mark.interop

SOUGHT = (PHASES, THREADS[library.LONG_PAGINATED], THREADS[library.UNICODE])

TERMS = (
    *(
        "till",
        "TILL",
        " till ",
        "bold",
        "a",
        "ss",
        "i",
        "İ",
        "\n",
        "😀",
        "onetwo",
        "one two",
        "& four",
        "\\",
        "Context",
    ),
    *("please", "http", "ZAŻÓŁĆ", "  ", "nobody says this", "x" * 200_000),
)


@attrs.frozen
class Resumed:
    """The two servers, in which the threads that are sought through were resumed."""

    codex: AppServer
    memoryd: AppServer


@pytest.fixture(scope="module")
def resumed(codex_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resumed]:
    """Both servers, on the same threads."""

    def furnish(home: Path) -> None:
        for thread in SOUGHT:
            thread.write(home)

    pair = settle_pair(codex_program, tmp_path_factory.mktemp("sought"), furnish)
    with pair.serving() as (codex, memoryd):
        for server in (codex, memoryd):
            for thread in SOUGHT:
                server.request("thread/resume", {"threadId": thread.id})
        yield Resumed(codex, memoryd)


def _pages(server: AppServer, thread: Stored, term: str, limit: int) -> list[Any]:
    """Every page, and the first refusal."""
    pages: list[Any] = []
    params: dict[str, Any] = {"threadId": thread.id, "searchTerm": term, "limit": limit}
    while True:
        pages.append(server.ask("thread/searchOccurrences", params))
        cursor = pages[-1].get("result", {}).get("nextCursor")
        if cursor is None:
            return pages
        params["cursor"] = cursor


@pytest.mark.parametrize("term", TERMS, ids=lambda term: repr(term[:20]))
@pytest.mark.parametrize("thread", SOUGHT, ids=lambda thread: thread.text.split("\n")[0])
def test_what_was_said_is_found_in_the_same_places(resumed: Resumed, thread: Stored, term: str) -> None:
    for limit in (3, 1_000):
        theirs, ours = (_pages(server, thread, term, limit) for server in (resumed.codex, resumed.memoryd))

        assert ours == theirs


@pytest.mark.parametrize(
    "change",
    [
        {"nextRolloutOrdinal": 0},
        {"nextRolloutOrdinal": 1},
        {"nextRolloutOrdinal": 10**9},
        {"nextRolloutOrdinal": -1},
        {"nextRolloutOrdinal": "1"},
        {"nextOccurrenceIndex": 100},
        {"nextOccurrenceIndex": -1},
        {"threadId": thread_id(library.UNKNOWN)},
        {"threadId": PHASES.id.upper()},
        {"searchTerm": "TILL"},
        {"more": 1},
    ],
    ids=str,
)
def test_cursor_that_somebody_has_changed_leads_to_the_same_place(resumed: Resumed, change: Mapping[str, Any]) -> None:
    params = {"threadId": PHASES.id, "searchTerm": "till", "limit": 4}
    cursor = json.loads(resumed.codex.request("thread/searchOccurrences", params)["nextCursor"])
    asked = {**params, "cursor": json.dumps({**cursor, **change})}

    theirs, ours = (server.ask("thread/searchOccurrences", asked) for server in (resumed.codex, resumed.memoryd))

    assert ours == theirs
