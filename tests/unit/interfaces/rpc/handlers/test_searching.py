"""thread/search and thread/searchOccurrences: shapes, cursors and words of Codex 0.169.0, with and without an index."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from interfaces.rpc.handlers import searching
from interfaces.rpc.host import Host
from state.folder import StateFolder
from tests.fakes.codex_home import CodexHome, RolloutFile
from tests.fakes.compressing import compress_rollout
from tests.fakes.listed_threads import (
    ARCHIVED,
    ATLAS,
    CHILD,
    CLI,
    NEWER,
    NOWHERE,
    OTHER_PROVIDER,
    TURN,
    UNKNOWN,
    LoadedOnes,
    host_of,
)
from tests.fakes.rpc_clients import RpcClient, rpc_client
from tests.fakes.stored_threads import stored_threads

SEARCH, OCCURRENCES = "thread/search", "thread/searchOccurrences"
TOO_LONG = (
    "failed to list threads: thread-store internal error: failed to search rollout contents:"
    " Argument list too long (os error 7)"
)


@pytest.fixture
async def client(host: Host) -> AsyncIterator[RpcClient]:
    async with rpc_client(host, is_experimental=True) as client:
        yield client


async def found(client: RpcClient, term: str, **params: Any) -> list[str]:
    answer = await client.ask(SEARCH, searchTerm=term, **params)
    return [one["thread"]["id"] for one in answer["data"]]


def path_of(home: CodexHome, thread: str) -> Path:
    (path,) = home.path.rglob(f"rollout-*{thread}.jsonl")
    return path


def session_of(home: CodexHome, thread: str) -> RolloutFile:
    return RolloutFile(path=path_of(home, thread), thread_id=thread, at_ms=1_790_000_000_000)


async def test_threads_of_people_in_which_it_was_said_are_found_in_all_providers(client: RpcClient) -> None:
    answer = await client.ask(SEARCH, searchTerm=" MEND it ")

    assert [(one["thread"]["id"], one["snippet"]) for one in answer["data"]] == [(OTHER_PROVIDER, "mend it elsewhere")]
    assert answer["nextCursor"] is None
    assert answer["backwardsCursor"].endswith("Z")
    assert await found(client, "mend") == [OTHER_PROVIDER, CLI]
    assert await found(client, "e") == [ATLAS, OTHER_PROVIDER, CLI]
    assert await found(client, "nobody says this") == []


async def test_thread_is_shown_as_in_a_listing(client: RpcClient) -> None:
    (one,) = (await client.ask(SEARCH, searchTerm="the login"))["data"]
    (listed,) = (await client.ask("thread/list", searchTerm="the login", modelProviders=[]))["data"]

    assert one["thread"] == listed


async def test_archived_threads_and_kinds_are_told_apart(client: RpcClient) -> None:
    assert await found(client, "put away") == []
    assert await found(client, "put away", archived=True) == [ARCHIVED]
    assert await found(client, "help") == []
    assert (await found(client, "help", sourceKinds=["subAgent"]))[-1] == CHILD
    assert await found(client, "who", sourceKinds=["unknown"]) == [UNKNOWN]


async def test_pages_join_to_the_whole_in_every_order(client: RpcClient) -> None:
    kinds = ["cli", "vscode", "exec", "appServer", "subAgent", "unknown"]
    for key in ("created_at", "updated_at", "recency_at"):
        for direction in ("asc", "desc"):
            order = {"sortKey": key, "sortDirection": direction, "sourceKinds": kinds}
            whole = await found(client, "e", **order)
            assert len(whole) == 4
            joined: list[str] = []
            cursor = None
            while True:
                page = await client.ask(SEARCH, searchTerm="e", limit=2, cursor=cursor, **order)
                joined += [one["thread"]["id"] for one in page["data"]]
                cursor = page["nextCursor"]
                if cursor is None:
                    break
            assert joined == whole
            back = {**order, "sortDirection": "desc" if direction == "asc" else "asc"}
            assert (
                await found(client, "e", cursor=page["backwardsCursor"], **back) == whole[::-1][len(page["data"]) - 1 :]
            )


async def test_titles_and_names_are_not_searched(client: RpcClient) -> None:
    await client.ask("thread/name/set", threadId=CLI, name="a drawer")

    assert await found(client, "drawer") == []
    (one,) = (await client.ask(SEARCH, searchTerm="mend the login"))["data"]
    assert one["thread"]["name"] == "a drawer"


async def test_what_is_new_in_files_is_found(home: CodexHome, client: RpcClient) -> None:
    home.session(thread_id=NOWHERE, hours_ago=0.5).user("a brand new till")
    session_of(home, CLI).assistant("It is in the till.")

    assert await found(client, "till") == [NOWHERE, CLI]


async def test_rollouts_that_moved_or_are_compressed_are_found(home: CodexHome, client: RpcClient) -> None:
    assert await found(client, "mend") == [OTHER_PROVIDER, CLI]
    compress_rollout(path_of(home, OTHER_PROVIDER))
    path = path_of(home, CLI)
    path.rename(home.path / "archived_sessions" / path.name)

    assert await found(client, "mend") == [OTHER_PROVIDER]
    assert await found(client, "mend", archived=True) == [CLI]


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({}, -32600, "Invalid request: missing field `searchTerm`"),
        ({"searchTerm": " \n"}, -32600, "thread/search requires a non-empty searchTerm"),
        ({"searchTerm": "", "cursor": "x"}, -32600, "thread/search requires a non-empty searchTerm"),
        ({"searchTerm": "x", "cursor": "garbage"}, -32600, "invalid cursor: garbage"),
        ({"searchTerm": "x" * 200_000}, -32603, TOO_LONG),
        ({"searchTerm": "x" * 200_000, "cursor": "garbage"}, -32600, "invalid cursor: garbage"),
        ({"searchTerm": "x", "limit": -1}, -32600, "Invalid request: invalid value: integer `-1`, expected u32"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_search_that_is_refused_says_why(
    client: RpcClient, params: dict[str, Any], code: int, message: str
) -> None:
    assert await client.refused(SEARCH, **params) == (code, message)


async def test_searches_are_for_experimental_clients(host: Host) -> None:
    async with rpc_client(host) as plain:
        for method in (SEARCH, OCCURRENCES):
            refused = await plain.refused(method, threadId=NEWER, searchTerm="")
            assert refused == (-32600, f"{method} requires experimentalApi capability")


async def test_search_that_takes_too_long_answers_what_it_has_with_a_cursor_to_go_on(
    client: RpcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await found(client, "mend")
    monkeypatch.setattr(searching, "SEARCH_SECONDS_MAX", -1.0)
    monkeypatch.setattr(searching, "SLICE_SECONDS", -1.0)
    pages, cursor = [], None
    while True:
        page = await client.ask(SEARCH, searchTerm="mend", cursor=cursor)
        pages.append([one["thread"]["id"] for one in page["data"]])
        cursor = page["nextCursor"]
        if cursor is None:
            break

    assert [one for page in pages for one in page] == whole
    assert len(pages) == 4  # one for each thread that people talk to
    assert [] in pages


async def test_slow_search_holds_nobody_up_and_ends_with_its_client(
    home: CodexHome, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, ended = trio.Event(), trio.Event()
    token = trio.lowlevel.current_trio_token()

    def never_ending(*args: Any, pause: Any, **more: Any) -> Any:
        trio.from_thread.run_sync(reading.set)
        try:
            while True:
                pause()
        finally:
            token.run_sync_soon(ended.set)

    async with rpc_client(host, is_experimental=True) as other:
        with monkeypatch.context() as patched:
            patched.setattr(searching, "search_rollouts", never_ending)
            with trio.CancelScope() as leaving:
                async with rpc_client(host, is_experimental=True) as slow, trio.open_nursery() as nursery:
                    nursery.start_soon(found, slow, "mend")
                    await reading.wait()
                    assert (await other.ask("thread/loaded/list"))["data"] == []
                    leaving.cancel()
        with trio.fail_after(10):
            await ended.wait()
        assert await found(other, "mend") == [OTHER_PROVIDER, CLI]


async def test_places_in_a_newer_thread_are_found(client: RpcClient) -> None:
    answer = await client.ask(OCCURRENCES, threadId=NEWER, searchTerm="O")

    assert answer == {
        "data": [
            {
                "turnId": TURN,
                "itemId": item,
                "snippet": text,
                "snippetMatchRange": {"start": at, "end": at + 1},
                "turnCursor": answer["data"][0]["turnCursor"],
            }
            for item, text, at in (("u", "go on", 1), ("u", "go on", 3), ("a", "done", 1))
        ],
        "nextCursor": None,
    }
    page = await client.ask("thread/turns/list", threadId=NEWER, cursor=answer["data"][0]["turnCursor"])
    assert [turn["id"] for turn in page["data"]] == [TURN]


async def test_pages_of_places_join_to_the_whole(home: CodexHome, client: RpcClient) -> None:
    whole = (await client.ask(OCCURRENCES, threadId=NEWER, searchTerm="o"))["data"]
    joined: list[Any] = []
    cursor = None
    for _ in whole:
        page = await client.ask(OCCURRENCES, threadId=NEWER, searchTerm="o", limit=0, cursor=cursor)
        joined += page["data"]
        cursor = page["nextCursor"]
    assert (joined, cursor) == (whole, None)


async def test_cursor_is_of_one_thread_and_one_term(client: RpcClient) -> None:
    page = await client.ask(OCCURRENCES, threadId=NEWER, searchTerm="o", limit=1)
    cursor = page["nextCursor"]

    assert json.loads(cursor) == {
        "threadId": NEWER,
        "searchTerm": "o",
        "nextRolloutOrdinal": json.loads(cursor)["nextRolloutOrdinal"],
        "nextOccurrenceIndex": 1,
    }
    for changed in ({"threadId": CLI}, {"searchTerm": "O"}, {"nextRolloutOrdinal": -1}, {"nextOccurrenceIndex": "1"}):
        other = json.dumps({**json.loads(cursor), **changed})
        refused = await client.refused(OCCURRENCES, threadId=NEWER, searchTerm="o", cursor=other)
        assert refused == (-32600, f"invalid cursor: {other}")
    before = json.dumps({**json.loads(cursor), "nextRolloutOrdinal": 0})
    refused = await client.refused(OCCURRENCES, threadId=NEWER, searchTerm="o", cursor=before)
    assert refused == (-32600, "invalid cursor: position outside thread lineage")


@pytest.mark.parametrize("thread", [CLI, NOWHERE])
async def test_places_are_for_newer_threads(client: RpcClient, thread: str) -> None:
    refused = await client.refused(OCCURRENCES, threadId=thread, searchTerm="o")
    assert refused == (-32601, "thread/searchOccurrences is not supported yet")


async def test_places_need_a_term_and_an_id(client: RpcClient) -> None:
    refused = await client.refused(OCCURRENCES, threadId=NEWER, searchTerm="\t")
    assert refused == (-32600, "thread/searchOccurrences requires a non-empty searchTerm")
    assert (await client.refused(OCCURRENCES, threadId="x", searchTerm=""))[1].startswith("invalid thread id: ")


async def test_turn_that_goes_on_is_searched_too(home: CodexHome, folder: StateFolder) -> None:
    session = session_of(home, NEWER)
    session.line("event_msg", {"type": "task_started", "turn_id": "next", "started_at": 9})
    item = {"type": "UserMessage", "id": "v", "content": [{"type": "text", "text": "just now"}]}
    session.line("event_msg", {"type": "item_completed", "item": item, "turn_id": "next"})
    async with (
        stored_threads(home, folder) as stored,
        rpc_client(host_of(home, stored.handle, LoadedOnes(threads={NEWER})), is_experimental=True) as client,
    ):
        (one,) = (await client.ask(OCCURRENCES, threadId=NEWER, searchTerm="now"))["data"]
        assert (one["turnId"], one["itemId"]) == ("next", "v")
        (thread,) = (await client.ask(SEARCH, searchTerm="mend the"))["data"]
        assert thread["thread"]["status"] == {"type": "notLoaded"}
