"""What is asked about the library: one request each, which changes nothing, and the words of a refusal.

The rule: a refusal's words are written down here, so that they hold for both servers even when both change alike.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from tests.interop.app_server import library as lib
from tests.interop.app_server.client import NO_PARAMS
from tests.interop.app_server.stored import thread_id, turn_id

EVERY_KIND = (
    "cli",
    "vscode",
    "exec",
    "appServer",
    "subAgent",
    "subAgentReview",
    "subAgentCompact",
    "subAgentThreadSpawn",
    "subAgentOther",
    "unknown",
)
ALL = {"modelProviders": [], "sourceKinds": list(EVERY_KIND)}

NO_ID = "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found `n` at 1"
UNKNOWN = thread_id(lib.UNKNOWN)


@attrs.frozen
class Question:
    """One request. refused: what both must say, when both must refuse it."""

    method: str
    params: Any = NO_PARAMS
    refused: str | None = None
    code: int = -32600

    @property
    def name(self) -> str:
        """For a test's id."""
        params = self.params
        if isinstance(params, dict) and params.items() >= ALL.items():
            params = {"all": True, **{name: value for name, value in params.items() if name not in ALL}}
        shown = "" if params is NO_PARAMS else str(params).replace("01a00000-0000-7000-8000-0000000000", "#")
        return f"{self.method} {shown}"[:120]


def _lists() -> Iterator[Any]:
    yield from ({}, None, NO_PARAMS, ALL, {"limit": 0}, {"limit": 1}, {"limit": 100}, {"limit": 100_000})
    for key in ("created_at", "updated_at", "recency_at"):
        for direction in ("asc", "desc"):
            yield {**ALL, "limit": 5, "sortKey": key, "sortDirection": direction}
    for kind in EVERY_KIND:
        yield {"sourceKinds": [kind], "modelProviders": []}
    yield from (
        {"sourceKinds": []},
        {"sourceKinds": None},
        {"sourceKinds": ["cli", "exec"]},
        {"modelProviders": []},
        {"modelProviders": None},
        {"modelProviders": ["other"]},
        {"modelProviders": ["other", "loopback"]},
        {"modelProviders": ["nobody"]},
        {"archived": True},
        {"archived": None},
        {**ALL, "archived": True},
        {"useStateDbOnly": True},
        {**ALL, "useStateDbOnly": True, "limit": 7},
        {"useStateDbOnly": True, "archived": True},
        {"unknownMember": 5},
    )
    for cwd in ("/srv/shop", "/srv/shop/", "/srv/./shop", "/srv/x/../shop", "", "/", "/nowhere", "shop"):
        yield {**ALL, "cwd": cwd}
    yield from ({**ALL, "cwd": ["/srv/shop", "/nowhere"]}, {**ALL, "cwd": []}, {**ALL, "cwd": None})
    for term in ("needle", "NEEDLE", "the", "till", "", " ", "%", "_", "Zażółć", "nobody says this", "first name"):
        yield {**ALL, "searchTerm": term}
        yield {**ALL, "searchTerm": term, "useStateDbOnly": True}
    yield {"searchTerm": "Put away", "archived": True}
    yield from (
        {"parentThreadId": thread_id(lib.LEGACY)},
        {"parentThreadId": thread_id(lib.CHILD)},
        {"parentThreadId": thread_id(lib.PAGINATED)},
        {"parentThreadId": UNKNOWN},
        {"parentThreadId": thread_id(lib.LEGACY), "sourceKinds": ["cli"]},
        {"ancestorThreadId": thread_id(lib.LEGACY)},
        {"ancestorThreadId": thread_id(lib.LEGACY), "limit": 1},
        {"ancestorThreadId": thread_id(lib.LEGACY), "modelProviders": ["other"]},
        {"ancestorThreadId": UNKNOWN},
        {"excludedThreadIds": []},
        {"excludedThreadIds": [thread_id(lib.LEGACY), thread_id(lib.NEEDLE).upper()]},
        {"excludedThreadIds": [thread_id(lib.LEGACY)] * 100, "limit": 3},
        {"attachedToThreadId": thread_id(lib.LEGACY)},
        {"includeAttachedThreads": True, "limit": 2},
        {"currentAccountOnly": True, "limit": 2},
        {"originators": []},
    )
    twins = "2025-01-05T12:17:00Z"
    for direction in ("asc", "desc"):
        for behind in (lib.TWIN, lib.OTHER_TWIN, lib.UNKNOWN):
            yield {**ALL, "cursor": f"{twins}|{thread_id(behind)}", "sortDirection": direction, "limit": 3}
        yield {**ALL, "cursor": twins, "sortDirection": direction, "limit": 3}
        yield {**ALL, "cursor": "2025-01-05T12:16:59.999Z", "sortDirection": direction, "limit": 3}
        yield {**ALL, "cursor": "2025-01-05T12-17-00", "sortDirection": direction, "limit": 3}
        yield {**ALL, "cursor": f"{twins}|{thread_id(lib.TWIN)}", "sortDirection": direction, "sortKey": "updated_at"}
    yield {**ALL, "cursor": "2025-01-05T14:17:00+02:00", "limit": 3}
    yield {**ALL, "cursor": "1999-01-01T00:00:00Z", "limit": 3}


def _refused_lists() -> Iterator[tuple[Any, str]]:
    yield {"cursor": "garbage"}, "invalid cursor: garbage"
    yield {"cursor": ""}, "invalid cursor: "
    yield {"cursor": "2025-01-05T12:12:00Z|zzz"}, "invalid cursor: 2025-01-05T12:12:00Z|zzz"
    yield {"limit": -1}, "Invalid request: invalid value: integer `-1`, expected u32"
    yield {"limit": 2**32}, "Invalid request: invalid value: integer `4294967296`, expected u32"
    yield {"limit": "x"}, 'Invalid request: invalid type: string "x", expected u32'
    yield {"limit": 1.5}, "Invalid request: invalid type: floating point `1.5`, expected u32"
    yield {"archived": "yes"}, 'Invalid request: invalid type: string "yes", expected a boolean'
    yield {"useStateDbOnly": None}, "Invalid request: invalid type: null, expected a boolean"
    yield (
        {"sortKey": "nope"},
        "Invalid request: unknown variant `nope`, expected one of `created_at`, `updated_at`, `recency_at`,"
        " `section_position`",
    )
    yield {"sortDirection": "up"}, "Invalid request: unknown variant `up`, expected `asc` or `desc`"
    yield {"modelProviders": "x"}, 'Invalid request: invalid type: string "x", expected a sequence'
    yield {"modelProviders": [1]}, "Invalid request: invalid type: integer `1`, expected a string"
    yield {"parentThreadId": "nope"}, f"invalid parent thread id: {NO_ID}"
    yield {"ancestorThreadId": "nope"}, f"invalid ancestor thread id: {NO_ID}"


READ = "thread/read"
LIST = "thread/list"
SEARCH = "thread/search"
TURNS = "thread/turns/list"
ITEMS = "thread/items/list"
OCCURRENCES = "thread/searchOccurrences"
LOADED = "thread/loaded/list"


def _reads() -> Iterator[Question]:
    for number in lib.THREADS:
        for turns in (False, True):
            yield Question(READ, {"threadId": thread_id(number), "includeTurns": turns})
    yield Question(READ, {"threadId": UNKNOWN}, f"thread not loaded: {UNKNOWN}")
    yield Question(READ, {"threadId": UNKNOWN, "includeTurns": True}, f"thread not loaded: {UNKNOWN}")
    yield Question(READ, {"threadId": "nope"}, f"invalid thread id: {NO_ID}")
    yield Question(
        READ, {"threadId": ""}, "invalid thread id: invalid length: expected length 32 for simple format, found 0"
    )
    yield Question(READ, {}, "Invalid request: missing field `threadId`")
    yield Question(READ, NO_PARAMS, "Invalid request: missing field `params`")
    yield Question(READ, [], "Invalid request: invalid length 0, expected struct ThreadReadParams with 2 elements")
    yield Question(READ, {"threadId": 5}, "Invalid request: invalid type: integer `5`, expected a string")
    yield Question(READ, {"threadId": None}, "Invalid request: invalid type: null, expected a string")
    for written in (
        thread_id(lib.LEGACY).upper(),
        thread_id(lib.LEGACY).replace("-", ""),
        "{" + thread_id(lib.LEGACY) + "}",
        f"urn:uuid:{thread_id(lib.LEGACY)}",
    ):
        yield Question(READ, {"threadId": written})
    for bad in ("../../etc/passwd", "/etc/passwd", f"{UNKNOWN}/..", "é", "nope\0", f"{UNKNOWN}0", "0" * 4_000):
        yield Question(READ, {"threadId": bad})
    yield Question(READ, [thread_id(lib.LEGACY), False])
    yield Question(READ, [thread_id(lib.LEGACY)])
    for garbage in (0x800, 0x802, 0x811, 0x812):
        yield Question(READ, {"threadId": thread_id(garbage)})


def _pages() -> Iterator[Question]:
    for method in (TURNS, ITEMS):
        for number in (lib.LONG_LEGACY, lib.LONG_PAGINATED, lib.ARCHIVED, lib.SILENT, lib.PAGINATED_FORK, lib.UNKNOWN):
            for more in ({}, {"limit": 0}, {"limit": 1}, {"limit": 2, "sortDirection": "asc"}, {"limit": 1_000}):
                yield Question(method, {"threadId": thread_id(number), **more})
        yield Question(method, {"threadId": "nope"})
        yield Question(method, {})
        yield Question(method, {"threadId": thread_id(lib.LONG_PAGINATED), "cursor": "x"})
        yield Question(method, {"threadId": thread_id(lib.LONG_PAGINATED), "limit": -1})
    for view in ("full", "summary", "notLoaded", "x"):
        for number in (lib.LONG_LEGACY, lib.LONG_PAGINATED):
            yield Question(TURNS, {"threadId": thread_id(number), "itemsView": view})
    for turn in (turn_id(lib.LONG_PAGINATED, 2), "", "x"):
        yield Question(ITEMS, {"threadId": thread_id(lib.LONG_PAGINATED), "turnId": turn})


def _searches() -> Iterator[Question]:
    for term in ("needle", "NEEDLE", "till", "coins", "", " ", "%", "zażółć", "user_message", "nobody says this"):
        yield Question(SEARCH, {"searchTerm": term})
    yield Question(SEARCH, {"searchTerm": "away", "archived": True})
    yield Question(SEARCH, {"searchTerm": "t", "limit": 1})
    yield Question(SEARCH, {"searchTerm": "t", "limit": 3, "sortKey": "updated_at", "sortDirection": "asc"})
    yield Question(SEARCH, {"searchTerm": "t", "sourceKinds": list(EVERY_KIND)})
    yield Question(SEARCH, {"searchTerm": "t", "cursor": "garbage"}, "invalid cursor: garbage")
    yield Question(SEARCH, {}, "Invalid request: missing field `searchTerm`")
    yield Question(SEARCH, {"searchTerm": 5}, "Invalid request: invalid type: integer `5`, expected a string")
    for key in ("created_at", "updated_at", "recency_at"):
        for direction in ("asc", "desc"):
            cursor = "2025-01-05T12:17:00Z"
            yield Question(SEARCH, {"searchTerm": "t", "limit": 2, "sortKey": key, "sortDirection": direction})
            yield Question(SEARCH, {"searchTerm": "t", "cursor": cursor, "sortKey": key, "sortDirection": direction})
    for kind in EVERY_KIND:
        yield Question(SEARCH, {"searchTerm": "e", "sourceKinds": [kind], "limit": 1})
    for limit in (0, 100, 101, 4_294_967_295, 4_294_967_296, -1, 1.5, "1", True, None):
        yield Question(SEARCH, {"searchTerm": "e", "limit": limit})
    for bad in (
        {"searchTerm": None},
        {"searchTerm": ["t"]},
        {"searchTerm": "t", "archived": "x"},
        {"searchTerm": "t", "sourceKinds": "cli"},
        {"searchTerm": "t", "sourceKinds": ["nobody"]},
        {"searchTerm": "t", "sortKey": "section_position"},
        {"searchTerm": "t", "sortDirection": "up"},
        {"searchTerm": "t", "currentAccountOnly": None},
        {"searchTerm": "t", "includeAttachedThreads": 1},
        {"searchTerm": "t", "cursor": 5},
        {"searchTerm": "t", "cursor": ""},
        {"searchTerm": "t", "cursor": '{"threadId":"x"}'},
        {"searchTerm": "", "cursor": "garbage"},
        {"searchTerm": "t", "includeAttachedThreads": True, "currentAccountOnly": True, "unknownMember": 5},
    ):
        yield Question(SEARCH, bad)
    for term in (
        *("\n", "a\nb", "\\n", '"', "a.", "(", "[a", "$", "-l", "--help", "\0", "\x1c", "\u00a0", "\ufeff", "😀", "ǅ"),
        *("İ", " the till\t", "thE", "two  strings", "x" * 131_071, "x" * 131_072, "x" * 1_000_000, '"' * 65_536),
    ):
        yield Question(SEARCH, {"searchTerm": term})
    for number in (lib.LONG_LEGACY, lib.LONG_PAGINATED, lib.ARCHIVED, lib.UNKNOWN):
        for term in ("till", "TILL", "", "nobody says this"):
            yield Question(OCCURRENCES, {"threadId": thread_id(number), "searchTerm": term})
    yield Question(OCCURRENCES, {"threadId": "nope", "searchTerm": "x"}, f"invalid thread id: {NO_ID}")
    yield Question(OCCURRENCES, {"threadId": "nope", "searchTerm": ""}, f"invalid thread id: {NO_ID}")
    yield Question(OCCURRENCES, {}, "Invalid request: missing field `threadId`")
    yield Question(OCCURRENCES, {"threadId": thread_id(lib.PAGINATED)}, "Invalid request: missing field `searchTerm`")
    paginated = {"threadId": thread_id(lib.LONG_PAGINATED), "searchTerm": "x"}
    for place in ("", "garbage", "{}", "2025-01-05T12:17:00Z", 5):
        yield Question(OCCURRENCES, {**paginated, "cursor": place})
    for limit in (0, -1, 1.5, "1", None, 4_294_967_296):
        yield Question(OCCURRENCES, {**paginated, "limit": limit})


def _others() -> Iterator[Question]:
    some: Sequence[Any] = ({}, {"limit": 0}, {"limit": 1}, {"cursor": "x"}, None)
    yield from (Question(LOADED, params) for params in some)
    yield Question(LOADED, NO_PARAMS, "Invalid request: missing field `params`")
    yield Question("initialize", {"clientInfo": {"name": "x", "version": "1"}}, "Already initialized")
    yield Question("initialize", {}, "Invalid request: missing field `clientInfo`")
    for method in ("thread/archive", "thread/unarchive", "thread/resume", "thread/fork", "thread/delete"):
        yield Question(method, {"threadId": "nope"})
        yield Question(method, {"threadId": UNKNOWN})
        yield Question(method, {}, "Invalid request: missing field `threadId`")
        yield Question(method, {"threadId": 5}, "Invalid request: invalid type: integer `5`, expected a string")
    yield Question("thread/name/set", {"threadId": thread_id(lib.LEGACY)}, "Invalid request: missing field `name`")
    yield Question("thread/name/set", {"name": "x"}, "Invalid request: missing field `threadId`")
    yield Question(
        "thread/memoryMode/set", {"threadId": thread_id(lib.LEGACY)}, "Invalid request: missing field `mode`"
    )
    yield Question("thread/unsubscribe", {"threadId": thread_id(lib.LEGACY)})
    yield Question("turn/start", {"threadId": UNKNOWN, "input": []})
    yield Question("turn/start", {"threadId": "nope", "input": []})
    yield Question("turn/start", {"threadId": UNKNOWN})
    yield Question("turn/interrupt", {"threadId": UNKNOWN, "turnId": "x"})
    yield Question("turn/interrupt", {"threadId": "nope", "turnId": "x"})


def _others_of_lists() -> Iterator[Any]:
    """Refused, or taken for something else; both must say the same."""
    yield from (
        {"sourceKinds": ["nope"]},
        {"sourceKinds": "cli"},
        {"excludedThreadIds": [UNKNOWN] * 101},
        {"parentThreadId": UNKNOWN, "ancestorThreadId": UNKNOWN},
        {"parentThreadId": ""},
        {"sortKey": "section_position"},
        {"sortKey": "section_position", "sectionId": "x"},
        {"sectionId": "x"},
        {"projectId": "x"},
        {"attachedToThreadId": "nope"},
        {"cwd": 5},
        {"cwd": [5]},
        {"sortKey": 5},
        {"sortDirection": None, "sortKey": None},
        [],
        "x",
        5,
        # Which of several mistakes is named.
        {"limit": -1, "cursor": "garbage"},
        {"cursor": "garbage", "originators": ["x"], "parentThreadId": "nope"},
        {"cursor": "garbage", "excludedThreadIds": ["nope"], "originators": ["x"]},
        {"ancestorThreadId": "nope", "parentThreadId": "nope"},
    )


QUESTIONS: Sequence[Question] = (
    *(Question(LIST, params) for params in (*_lists(), *_others_of_lists())),
    *(Question(LIST, params, words) for params, words in _refused_lists()),
    Question(LIST, {"excludedThreadIds": ["nope"]}, f"invalid excluded thread id: {NO_ID}", -32602),
    Question(LIST, {"originators": ["x"]}, "originator filtering is not supported by the local app-server", -32602),
    *_reads(),
    *_pages(),
    *_searches(),
    *_others(),
)
