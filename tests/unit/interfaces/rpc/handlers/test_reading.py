"""thread/read, thread/turns/list and thread/items/list: shapes, cursors and words of Codex 0.169.0."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from interfaces.rpc.host import Host
from state.folder import StateFolder
from state.messages.thread_rows import DeleteThread
from state.store import StateHandle
from tests.fakes.codex_home import CodexHome
from tests.fakes.listed_threads import (
    ARCHIVED,
    CHILD,
    CLI,
    NEWER,
    NOWHERE,
    TURN,
    LoadedOnes,
    host_of,
    make_threads,
)
from tests.fakes.readings import thread_id
from tests.fakes.rollout_lines import newer, said
from tests.fakes.rpc_clients import RpcClient, rpc_client
from tests.fakes.stored_threads import StoredThreads, stored_threads

READ, TURNS, ITEMS = "thread/read", "thread/turns/list", "thread/items/list"
FORK = thread_id(20)
NO_UUID = "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found `x` at 1"
SAID = {
    "type": "userMessage",
    "clientId": None,
    "content": [{"type": "text", "text": "mend the login", "text_elements": []}],
    "startedAtMs": None,
    "completedAtMs": None,
    "id": "item-1",
}


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    return make_threads(tmp_path / "codex")


@pytest.fixture
async def stored(home: CodexHome, folder: StateFolder) -> AsyncIterator[StoredThreads]:
    async with stored_threads(home, folder) as stored:
        yield stored


@pytest.fixture(params=["index", "files"])
async def host(request: pytest.FixtureRequest, stored: StoredThreads) -> Host:
    handle: StateHandle | None = stored.handle if request.param == "index" else None
    return host_of(stored.home, handle)


@pytest.fixture
async def client(host: Host) -> AsyncIterator[RpcClient]:
    async with rpc_client(host) as client:
        yield client


async def test_thread_is_shown_with_what_was_said_in_it(client: RpcClient) -> None:
    answer = await client.ask(READ, threadId=CLI, includeTurns=True)

    assert answer["readState"] == {"firstUnread": None, "revision": f"initial:{CLI}"}
    assert answer["thread"]["preview"] == "mend the login"
    assert answer["thread"]["turns"] == [
        {
            "id": "rollout-1",
            "rootTurnId": None,
            "items": [SAID],
            "itemsView": "full",
            "status": "completed",
            "error": None,
            "startedAt": None,
            "completedAt": None,
            "durationMs": None,
        }
    ]
    assert client.news == []


async def test_legacy_thread_without_its_turns_shows_when_it_was_made(client: RpcClient) -> None:
    bare = (await client.ask(READ, threadId=f"urn:uuid:{CLI.upper()}"))["thread"]
    whole = (await client.ask(READ, threadId=CLI, includeTurns=True))["thread"]
    assert bare["updatedAt"] == bare["createdAt"] == whole["createdAt"] != whole["updatedAt"]
    assert bare["turns"] == []
    newer_one = (await client.ask(READ, threadId=NEWER))["thread"]
    assert newer_one["updatedAt"] != newer_one["createdAt"]


async def test_archived_thread_and_sub_agent_are_read_too(client: RpcClient) -> None:
    assert "archived_sessions" in (await client.ask(READ, threadId=ARCHIVED))["thread"]["path"]
    assert (await client.ask(READ, threadId=CHILD))["readState"] is None


async def test_whole_history_of_a_newer_thread_is_told_to_be_deprecated(client: RpcClient) -> None:
    answer = await client.ask(READ, threadId=NEWER, includeTurns=True)
    assert [turn["id"] for turn in answer["thread"]["turns"]] == [TURN]
    ((method, params),) = await client.heard(1)
    assert method == "deprecationNotice"
    assert params["summary"].startswith("Full-history hydration is deprecated for paginated threads;")


@pytest.mark.parametrize("method", [READ, TURNS])
async def test_thread_that_is_nowhere_is_not_loaded(client: RpcClient, method: str) -> None:
    assert await client.refused(method, threadId=NOWHERE) == (-32600, f"thread not loaded: {NOWHERE}")
    assert await client.refused(method, threadId="x") == (-32600, f"invalid thread id: {NO_UUID}")


async def test_missing_row_is_made_from_the_file_and_a_wrong_place_put_right(stored: StoredThreads) -> None:
    async with rpc_client(host_of(stored.home, stored.handle)) as client:
        await stored.handle.ask(DeleteThread(thread_id=CLI))
        assert (await client.ask(READ, threadId=CLI))["thread"]["preview"] == "mend the login"
        assert await stored.row(CLI) is not None

        (path,) = stored.files(CLI)
        moved = stored.home.path / "archived_sessions" / Path(path).name
        (stored.home.path / path).rename(moved)
        assert (await client.ask(READ, threadId=CLI))["thread"]["path"] == str(moved)

        moved.unlink()
        assert (await client.ask(READ, threadId=CLI))["thread"]["preview"] == "mend the login"


async def test_thread_whose_file_is_gone_shows_what_is_known_of_it(stored: StoredThreads) -> None:
    lineage = f"invalid paginated history lineage for {NEWER}: missing source rollout"
    async with rpc_client(host_of(stored.home, stored.handle)) as client:
        for one, reason in ((CLI, f"thread not loaded: {CLI}"), (NEWER, lineage)):
            (path,) = stored.files(one)
            (stored.home.path / path).unlink()
            row = await stored.row(one)
            assert row is not None
            shown = (await client.ask(READ, threadId=one))["thread"]
            assert (shown["preview"], shown["updatedAt"]) == (row.preview, row.updated_at_ms // 1000)
            assert await client.refused(READ, threadId=one, includeTurns=True) == (-32600, reason)
            assert await client.refused(TURNS, threadId=one) == (-32600, reason)


async def test_thread_that_has_gone_on_is_read_as_it_is_now(stored: StoredThreads) -> None:
    async with rpc_client(host_of(stored.home, stored.handle)) as client:
        later = stored.home.session(thread_id=NOWHERE)
        assert (await client.ask(READ, threadId=NOWHERE))["thread"]["preview"] == ""
        later.user("said later")
        assert (await client.ask(READ, threadId=NOWHERE))["thread"]["preview"] == "said later"


async def test_live_threads_last_turn_still_goes_on(home: CodexHome) -> None:
    rollout = home.session(thread_id=NOWHERE)
    rollout.line("event_msg", {"type": "task_started", "turn_id": "t"})
    rollout.user("go on")
    for loaded, status in ((LoadedOnes({NOWHERE}), "inProgress"), (LoadedOnes(), "interrupted")):
        async with rpc_client(host_of(home, None, loaded)) as client:
            thread = (await client.ask(READ, threadId=NOWHERE, includeTurns=True))["thread"]
        assert thread["turns"][0]["status"] == status
        assert thread["status"]["type"] == ("idle" if loaded.threads else "notLoaded")


async def test_fork_shows_the_turns_that_it_shares(home: CodexHome, client: RpcClient) -> None:
    rollout = home.session(thread_id=FORK)
    base = {"thread_id": NEWER, "end_ordinal_exclusive": 10, "end_byte_offset": 0}
    lines = newer(FORK, [[said("mine", 2)]], first=10, history_base=base)
    rollout.path.write_bytes(b"".join(line + b"\n" for line in lines))

    thread = (await client.ask(READ, threadId=FORK, includeTurns=True))["thread"]
    assert [turn["id"] for turn in thread["turns"]] == [TURN, "turn-11"]


async def test_turns_are_paged_in_both_directions(home: CodexHome, client: RpcClient) -> None:
    rollout = home.session(thread_id=NOWHERE)
    for number in range(5):
        rollout.user(f"question {number}")
    expected = [f"rollout-{number}" for number in range(1, 6)]
    for direction, ordered in (("asc", expected), ("desc", expected[::-1])):
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = await client.ask(TURNS, threadId=NOWHERE, limit=2, sortDirection=direction, cursor=cursor)
            seen += [turn["id"] for turn in page["data"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
            assert json.loads(cursor) == {"turnId": seen[-1], "includeAnchor": False}
        assert seen == ordered
        back = "desc" if direction == "asc" else "asc"
        turned = await client.ask(TURNS, threadId=NOWHERE, sortDirection=back, cursor=page["backwardsCursor"])
        assert [turn["id"] for turn in turned["data"]] == ordered[::-1]
    assert [turn["id"] for turn in (await client.ask(TURNS, threadId=NOWHERE, limit=0))["data"]] == ["rollout-5"]


@pytest.mark.parametrize(
    ("cursor", "message"),
    [
        ("x", "invalid cursor: x"),
        ("{}", "invalid cursor: {}"),
        ('{"turnId":"rollout-1"}', 'invalid cursor: {"turnId":"rollout-1"}'),
        ('{"turnId":"zz","includeAnchor":true}', "invalid cursor: anchor turn is no longer present"),
    ],
)
async def test_cursor_that_names_no_turn_is_refused(client: RpcClient, cursor: str, message: str) -> None:
    assert await client.refused(TURNS, threadId=CLI, cursor=cursor) == (-32600, message)


async def test_summary_is_the_first_question_and_the_last_answer(client: RpcClient) -> None:
    shown: dict[str, Any] = {}
    for view in ("summary", "full", "notLoaded"):
        (turn,) = (await client.ask(TURNS, threadId=NEWER, itemsView=view))["data"]
        shown[turn["itemsView"]] = [item["id"] for item in turn["items"]]
    assert shown == {"summary": ["u", "a"], "full": ["u", "r", "a"], "notLoaded": []}
    (turn,) = (await client.ask(TURNS, threadId=NEWER))["data"]
    assert turn["itemsView"] == "summary"


async def test_items_of_a_newer_thread_are_paged_in_both_directions(client: RpcClient) -> None:
    for direction, ordered in (("asc", ["u", "r", "a"]), ("desc", ["a", "r", "u"])):
        first = await client.ask(ITEMS, threadId=NEWER, limit=2, sortDirection=direction)
        rest = await client.ask(ITEMS, threadId=NEWER, sortDirection=direction, cursor=first["nextCursor"])
        assert [entry["item"]["id"] for page in (first, rest) for entry in page["data"]] == ordered
        assert rest["nextCursor"] is None
    entry = (await client.ask(ITEMS, threadId=NEWER))["data"][1]
    assert (entry["turnId"], entry["startedAtMs"], entry["completedAtMs"]) == (TURN, 1, 1)
    anchor = {"type": "item", "itemId": "r"}
    behind = await client.ask(ITEMS, threadId=NEWER, turnId=TURN, cursor=anchor)
    assert [entry["item"]["id"] for entry in behind["data"]] == ["a"]
    assert (await client.ask(ITEMS, threadId=NEWER, turnId="zz"))["data"] == []


async def test_items_of_an_older_thread_are_not_listed(client: RpcClient) -> None:
    for thread in (CLI, NOWHERE):
        refusal = await client.refused(ITEMS, threadId=thread)
        assert refusal == (-32601, "thread/items/list is not supported yet")
    assert await client.refused(ITEMS, threadId=NEWER, cursor="x") == (-32600, "invalid cursor: x")
    anchor = {"type": "item", "itemId": "r"}
    message = "turnId is required when cursor is an item anchor"
    assert await client.refused(ITEMS, threadId=NEWER, cursor=anchor) == (-32602, message)
