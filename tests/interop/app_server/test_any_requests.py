"""Whatever is asked about stored threads, in any order, memoryd answers as the app-server does.

One pair of servers answers many sequences: each sequence has threads of its own, written just before it, in a folder
(cwd) of its own, by which its listings are filtered.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.interop.app_server.client import AppServer
from tests.interop.app_server.differences import differences
from tests.interop.app_server.normal import Normal
from tests.interop.app_server.pair import Pair, settle_pair
from tests.interop.app_server.stored import Stored, thread_id
from tests.properties.profiles import examples

pytestmark = pytest.mark.interop

THREADS_MAX = 5
PROVIDERS = ("loopback", "other")
SOURCES = ("cli", "vscode", "exec", "mcp", "unknown")
KINDS = ("cli", "vscode", "exec", "appServer", "subAgent", "unknown")
GIT = {"commit_hash": "abc123", "branch": "feature/x", "repository_url": "git@example.com:shop/till.git"}

_numbers = itertools.count(0x1000, 0x10)


@attrs.frozen(kw_only=True)
class Plan:
    """One thread to be written. minute: few are drawn, so that times tie."""

    minute: int
    is_paginated: bool
    is_archived: bool
    source: str
    provider: str
    has_git: bool


@attrs.frozen(kw_only=True)
class Both:
    """The two servers."""

    pair: Pair
    codex: AppServer
    memoryd: AppServer
    their_normal: Normal
    our_normal: Normal


@pytest.fixture(scope="module")
def both(codex_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """The two servers, on homes that are equal before each sequence."""
    pair = settle_pair(codex_program, tmp_path_factory.mktemp("any"), lambda home: (home / "sessions").mkdir())
    with pair.serving() as (codex, memoryd):
        yield Both(
            pair=pair,
            codex=codex,
            memoryd=memoryd,
            their_normal=pair.codex.normal(),
            our_normal=pair.memoryd.normal(),
        )


def _maybe(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


PLANS = st.lists(
    st.builds(
        Plan,
        minute=st.integers(0, 4),
        is_paginated=st.booleans(),
        is_archived=st.booleans(),
        source=st.sampled_from(SOURCES),
        provider=st.sampled_from(PROVIDERS),
        has_git=st.booleans(),
    ),
    min_size=1,
    max_size=THREADS_MAX,
)

PLACES = st.integers(0, THREADS_MAX - 1).map(lambda place: f"#{place}")
"""Stand for the id of the sequence's n-th thread, or of one that is not there."""

WRONG: st.SearchStrategy[Any] = st.sampled_from([None, 5, -1, 1.5, True, "x", [], ""])
IDS = PLACES | st.sampled_from(["nope", "", "#9", "../../etc/passwd"]) | WRONG
VALUES = st.none() | st.sampled_from(["main", " padded ", "", "  ", "zażółć", "x" * 300]) | WRONG

LISTS = _maybe(
    limit=st.integers(0, 4) | WRONG,
    sortKey=st.sampled_from(["created_at", "updated_at", "nope"]),
    sortDirection=st.sampled_from(["asc", "desc", "up"]),
    archived=st.booleans() | st.none(),
    modelProviders=st.sampled_from([None, [], ["other"], ["other", "loopback"], ["nobody"]]),
    sourceKinds=st.lists(st.sampled_from(KINDS), max_size=3, unique=True) | st.just(["nope"]),
    useStateDbOnly=st.booleans(),
    cursor=st.sampled_from(["", "garbage", "2025-01-05T12:02:00Z", "2025-01-05T12:01:59.999Z"])
    | PLACES.map(lambda place: f"2025-01-05T12:02:00Z|{place}"),
)

SHELF = "on shelf Zażółć-@."
"""Every thread of a sequence says so, with the sequence's folder in the place of "@"; so a search finds no others."""

TERMS = (
    st.sampled_from([SHELF, SHELF.upper(), f"  {SHELF}\n", SHELF.replace(".", "+")])
    | st.sampled_from(["\\", '"\n"', "%", "(", " \n ", "", "x" * 200_000])
    | WRONG
)

SEARCHES = _maybe(
    searchTerm=TERMS,
    limit=st.integers(0, 4) | WRONG,
    sortKey=st.sampled_from(["created_at", "updated_at", "section_position"]),
    sortDirection=st.sampled_from(["asc", "desc", "up"]),
    archived=st.booleans() | st.none(),
    sourceKinds=st.lists(st.sampled_from(KINDS), max_size=3, unique=True) | st.just(["nope"]),
    cursor=st.sampled_from(["", "garbage", "2025-01-05T12:02:00Z", "2025-01-05T12:01:59.999Z"])
    | PLACES.map(lambda place: f"2025-01-05T12:02:00Z|{place}"),
)

REQUESTS = st.one_of(
    st.tuples(st.just("thread/list"), LISTS),
    st.tuples(st.just("thread/search"), SEARCHES),
    st.tuples(
        st.just("thread/searchOccurrences"),
        st.fixed_dictionaries(
            {"threadId": IDS, "searchTerm": TERMS}, optional={"limit": st.integers(0, 2) | WRONG, "cursor": WRONG}
        ),
    ),
    st.tuples(
        st.just("thread/read"), st.fixed_dictionaries({"threadId": IDS}, optional={"includeTurns": st.booleans()})
    ),
    st.tuples(
        st.just("thread/metadata/update"),
        st.fixed_dictionaries(
            {"threadId": IDS},
            optional={"gitInfo": _maybe(sha=VALUES, branch=VALUES, originUrl=VALUES) | WRONG},
        ),
    ),
    st.tuples(
        st.just("thread/metadata/update"),
        st.fixed_dictionaries({"threadId": PLACES, "gitInfo": _maybe(branch=st.sampled_from(["main", "dev"]))}),
    ),
    st.tuples(
        st.just("thread/name/set"), st.fixed_dictionaries({"threadId": IDS, "name": st.text(max_size=8) | WRONG})
    ),
    st.tuples(
        st.just("thread/memoryMode/set"),
        st.fixed_dictionaries({"threadId": IDS, "mode": st.sampled_from(["enabled", "disabled", "x"]) | WRONG}),
    ),
    st.tuples(
        st.sampled_from(["thread/archive", "thread/unarchive", "thread/archive", "thread/unarchive", "thread/delete"]),
        st.fixed_dictionaries({"threadId": IDS}),
    ),
    st.tuples(st.just("thread/loaded/list"), _maybe(limit=st.integers(0, 2) | WRONG, cursor=st.text(max_size=3))),
)


@examples(40)
@given(PLANS, st.lists(REQUESTS, min_size=1, max_size=12))
def test_any_sequence_is_answered_alike(
    both: Both, plans: Sequence[Plan], requests: Sequence[tuple[str, Mapping[str, Any]]]
) -> None:
    first = next(_numbers)
    cwd = f"/srv/{first:x}"
    for place, plan in enumerate(plans):
        thread = _thread(first + place, plan, cwd)
        for side in (both.pair.codex, both.pair.memoryd):
            thread.write(side.home)
    for server in (both.codex, both.memoryd):  # either finds what is new when it lists
        for is_archived in (False, True):
            server.request("thread/list", {"modelProviders": [], "sourceKinds": KINDS, "archived": is_archived})
        for place in range(len(plans)):  # the app-server finds what its page has no room for when it is asked for it
            server.request("thread/read", {"threadId": thread_id(first + place)})

    for method, params in requests:
        asked = {name: _with_ids(value, first) for name, value in params.items()}
        if method == "thread/list":
            asked["cwd"] = cwd
        theirs = both.their_normal.of(both.codex.ask(method, asked))
        ours = both.our_normal.of(both.memoryd.ask(method, asked))
        found = differences(f"any {method} {asked}", method, theirs, ours)
        assert not found, "\n".join(found)


def _thread(number: int, plan: Plan, cwd: str) -> Stored:
    return Stored(
        number=number,
        minute=plan.minute,
        text=f"Number {number:x} {SHELF.replace('@', cwd)}",
        is_paginated=plan.is_paginated,
        is_archived=plan.is_archived,
        meta={
            "cwd": cwd,
            "source": plan.source,
            "model_provider": plan.provider,
            **({"git": GIT} if plan.has_git else {}),
        },
    )


def _with_ids(value: Any, first: int) -> Any:
    """The value with ids in the place of `#n`, and the sequence's folder in that of `@`."""
    if not isinstance(value, str):
        return value
    value = value.replace("@", f"/srv/{first:x}")
    before, mark, place = value.partition("#")
    return f"{before}{thread_id(first + int(place))}" if mark and place.isdigit() else value
