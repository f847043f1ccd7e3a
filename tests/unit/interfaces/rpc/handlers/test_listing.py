"""thread/list: the filters, orders, cursors and words of Codex 0.169.0, from the index and from the files alone."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from interfaces.rpc.host import Host
from state.folder import StateFolder
from tests.fakes.codex_home import CodexHome
from tests.fakes.listed_threads import (
    ARCHIVED,
    ATLAS,
    CHILD,
    CLI,
    GRANDCHILD,
    NEWER,
    NOWHERE,
    OTHER_PROVIDER,
    UNKNOWN,
    LoadedOnes,
    host_of,
)
from tests.fakes.rpc_clients import RpcClient, rpc_client
from tests.fakes.stored_threads import stored_threads

LIST = "thread/list"
NO_UUID = "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found `x` at 1"
OWN = [ATLAS, NEWER, CLI]
ALL_KINDS = ["cli", "vscode", "exec", "appServer", "subAgent", "unknown"]


RELATIVE = os.path.relpath("/w/a")
"""A folder as somebody names it who is elsewhere."""


@pytest.fixture
async def client(host: Host) -> AsyncIterator[RpcClient]:
    async with rpc_client(host, is_experimental=True) as client:
        yield client


async def ids(client: RpcClient, **params: Any) -> list[str]:
    answer = await client.ask(LIST, **params)
    return [thread["id"] for thread in answer["data"]]


async def test_interactive_threads_of_the_homes_provider_are_shown_newest_first(client: RpcClient) -> None:
    assert await ids(client) == OWN
    assert await ids(client, sourceKinds=[], modelProviders=None, cwd=None, searchTerm="", archived=None) == OWN
    assert await ids(client, sortDirection="asc", useStateDbOnly=True) == OWN[::-1]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"modelProviders": []}, [ATLAS, NEWER, OTHER_PROVIDER, CLI]),
        ({"modelProviders": ["azure"]}, [OTHER_PROVIDER]),
        ({"modelProviders": ["nobody"]}, []),
        ({"archived": True}, [ARCHIVED]),
        ({"sourceKinds": ["cli"]}, [NEWER, CLI]),
        ({"sourceKinds": ["unknown"]}, [UNKNOWN]),
        ({"sourceKinds": ["subAgentThreadSpawn"], "modelProviders": []}, [GRANDCHILD, CHILD]),
        ({"sourceKinds": ["subAgentReview"], "modelProviders": []}, []),
        ({"sourceKinds": ALL_KINDS, "modelProviders": []}, [UNKNOWN, NEWER, GRANDCHILD, CHILD, OTHER_PROVIDER, CLI]),
        ({"cwd": "/w/x/../a/"}, [CLI]),
        ({"cwd": ["/w//a", "/w/./b"]}, [NEWER, CLI]),
        ({"cwd": RELATIVE}, [CLI]),
        ({"cwd": []}, []),
        ({"searchTerm": "mend"}, [CLI]),
        ({"searchTerm": "Mend"}, []),
        ({"parentThreadId": CLI}, [CHILD]),
        ({"ancestorThreadId": CLI.upper()}, [GRANDCHILD, CHILD]),
        ({"ancestorThreadId": CLI, "modelProviders": ["openai"]}, []),
        ({"parentThreadId": CLI, "sourceKinds": ["cli"]}, []),
        ({"parentThreadId": NOWHERE}, []),
        ({"excludedThreadIds": [NEWER, NOWHERE, NEWER]}, [ATLAS, CLI]),
        ({"sectionId": "s"}, []),
        ({"sectionId": "s", "sortKey": "section_position"}, []),
        ({"attachedToThreadId": CLI}, []),
        ({"projectId": None, "originators": [], "currentAccountOnly": True}, OWN),
        ({"includeAttachedThreads": True, "searchTerm": "mend"}, [CLI]),
        ({"limit": 0}, [ATLAS]),
        ({"limit": 100_000}, OWN),
    ],
)
async def test_filter_lets_through(client: RpcClient, params: dict[str, Any], expected: list[str]) -> None:
    assert await ids(client, **params) == expected


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"cursor": "garbage"}, -32600, "invalid cursor: garbage"),
        ({"cursor": "", "cwd": []}, -32600, "invalid cursor: "),
        ({"parentThreadId": "x"}, -32600, f"invalid parent thread id: {NO_UUID}"),
        ({"ancestorThreadId": "x"}, -32600, f"invalid ancestor thread id: {NO_UUID}"),
        ({"attachedToThreadId": "x"}, -32600, f"invalid attached thread parent id: {NO_UUID}"),
        ({"excludedThreadIds": ["x"]}, -32602, f"invalid excluded thread id: {NO_UUID}"),
        ({"excludedThreadIds": ["x"] * 101}, -32602, "excludedThreadIds accepts at most 100 entries"),
        ({"projectId": ""}, -32602, "projectId must not be empty"),
        ({"cwd": 5}, -32600, "Invalid request: data did not match any variant of untagged enum ThreadListCwdFilter"),
        ({"useStateDbOnly": None}, -32600, "Invalid request: invalid type: null, expected a boolean"),
        (
            {"sortKey": "nope"},
            -32600,
            "Invalid request: unknown variant `nope`, expected one of `created_at`, `updated_at`, `recency_at`,"
            " `section_position`",
        ),
    ],
)
async def test_refusal_has_the_originals_words(
    client: RpcClient, params: dict[str, Any], code: int, message: str
) -> None:
    assert await client.refused(LIST, **params) == (code, message)


async def test_refusals_come_in_the_originals_order(client: RpcClient) -> None:
    params: dict[str, Any] = {
        "cursor": "garbage",
        "originators": ["x"],
        "excludedThreadIds": ["x"],
        "projectId": "x",
        "includeAttachedThreads": True,
        "attachedToThreadId": "w",
        "ancestorThreadId": "z",
        "parentThreadId": "x",
        "sortKey": "section_position",
    }
    for name, message in (
        ("excludedThreadIds", f"invalid excluded thread id: {NO_UUID}"),
        ("originators", "originator filtering is not supported by the local app-server"),
        ("projectId", "project not found: x"),
        ("includeAttachedThreads", "includeAttachedThreads requires a non-empty searchTerm"),
        ("attachedToThreadId", "attachedToThreadId cannot be combined with parentThreadId or ancestorThreadId"),
        ("ancestorThreadId", "parentThreadId and ancestorThreadId are mutually exclusive"),
        ("parentThreadId", f"invalid parent thread id: {NO_UUID}"),
        ("sortKey", "section-position sorting requires a section filter"),
        ("cursor", "invalid cursor: garbage"),
    ):
        assert (await client.refused(LIST, **params))[1] == message
        del params[name]
    assert await ids(client, **params) == OWN


async def test_what_is_not_settled_is_for_clients_that_understand_it(host: Host) -> None:
    async with rpc_client(host) as client:
        for name in ("parentThreadId", "ancestorThreadId", "attachedToThreadId", "projectId"):
            message = f"{LIST}.{name} requires experimentalApi capability"
            assert await client.refused(LIST, **{name: CLI}) == (-32600, message)


@pytest.mark.parametrize("sort", ["created_at", "updated_at", "recency_at"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_pages_are_walked_to_the_end_and_back(client: RpcClient, sort: str, direction: str) -> None:
    params: dict[str, Any] = {"sortKey": sort, "modelProviders": [], "sourceKinds": ALL_KINDS, "limit": 2}
    everything = await ids(client, **{**params, "limit": 100, "sortDirection": direction})
    assert len(everything) == 6

    pages: list[dict[str, Any]] = []
    cursor: str | None = None
    while cursor is not None or not pages:
        pages.append(await client.ask(LIST, **params, sortDirection=direction, cursor=cursor))
        cursor = pages[-1]["nextCursor"]
    assert [thread["id"] for page in pages for thread in page["data"]] == everything

    back = "asc" if direction == "desc" else "desc"
    turned = await ids(client, **{**params, "limit": 100}, sortDirection=back, cursor=pages[-1]["backwardsCursor"])
    begin = pages[-1]["data"][0]["id"]
    assert turned == everything[: everything.index(begin) + 1][::-1]


async def test_children_show_their_parent_and_only_where_they_are_asked_for(client: RpcClient) -> None:
    (child,) = (await client.ask(LIST, parentThreadId=CLI))["data"]
    assert (child["parentThreadId"], child["forkedFromId"], child["threadSource"]) == (CLI, None, None)
    shown = (await client.ask(LIST, sourceKinds=["subAgent"], modelProviders=[]))["data"]
    assert [thread["parentThreadId"] for thread in shown] == [None, None]


async def test_threads_that_people_talk_to_have_a_receipt(client: RpcClient) -> None:
    answer = await client.ask(LIST, sourceKinds=["cli", "subAgent", "unknown"], modelProviders=[])
    assert answer["readStates"] == {
        one: {"firstUnread": None, "revision": f"initial:{one}"} for one in (NEWER, OTHER_PROVIDER, CLI)
    }


async def test_live_thread_shows_how_it_is(home: CodexHome, folder: StateFolder) -> None:
    async with stored_threads(home, folder) as stored:
        host = host_of(home, stored.handle, LoadedOnes({CLI}))
        async with rpc_client(host) as client:
            shown = {thread["id"]: thread["status"]["type"] for thread in (await client.ask(LIST))["data"]}
    assert shown == {ATLAS: "notLoaded", NEWER: "notLoaded", CLI: "idle"}


async def test_answer_is_what_the_files_say_now_unless_the_index_alone_is_asked(
    home: CodexHome, folder: StateFolder
) -> None:
    async with stored_threads(home, folder) as stored, rpc_client(host_of(home, stored.handle)) as client:
        assert await ids(client) == OWN
        rollout = home.session(thread_id=NOWHERE, hours_ago=0.5)
        rollout.user("brand new")
        assert await ids(client, useStateDbOnly=True) == OWN
        assert await ids(client) == [NOWHERE, *OWN]
        before = (await client.ask(LIST, limit=1, useStateDbOnly=True))["data"][0]["updatedAt"]
        rollout.assistant("and more")
        os.utime(rollout.path, (before + 100, before + 100))
        assert (await client.ask(LIST, limit=1))["data"][0]["updatedAt"] == before + 100
        rollout.path.unlink()
        assert await ids(client) == OWN
