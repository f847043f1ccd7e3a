"""A live thread in which nobody has spoken: what can be said of it, and that nothing is on disk before it has to be."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from state.folder import StateFolder
from state.messages.threads import GetThread, ThreadFound
from state.store import StateHandle, open_store
from tests.fakes.live_clients import live_client
from tests.fakes.rpc_clients import RpcClient

MODES = ("legacy", "paginated")
UPDATE, MODE, NAME = "thread/metadata/update", "thread/memoryMode/set", "thread/name/set"


@pytest.fixture
async def handle(tmp_path: Path) -> AsyncIterator[StateHandle]:
    async with store(tmp_path) as opened:
        yield opened


def store(root: Path) -> Any:
    return open_store(StateFolder(path=root / "state"), str(root / "codex"), inline=True)


def rollouts(root: Path) -> list[str]:
    return [path.name for path in (root / "codex").rglob("rollout-*")]


async def started(ann: RpcClient, mode: str = "paginated") -> str:
    found: str = (await ann.ask("thread/start", historyMode=mode, cwd="/home/ann"))["thread"]["id"]
    return found


async def turn(ann: RpcClient, thread_id: str) -> None:
    await ann.ask("turn/start", threadId=thread_id, input=[{"type": "text", "text": "Hello"}])
    while not any(method == "turn/completed" for method, _ in await ann.heard(1)):
        pass


@pytest.mark.parametrize("mode", MODES)
async def test_thread_in_which_nobody_spoke_has_no_turns_to_show(tmp_path: Path, mode: str) -> None:
    async with live_client(tmp_path / "codex", None) as ann:
        thread_id = await started(ann, mode)
        read = await ann.refused("thread/read", threadId=thread_id, includeTurns=True)
        turns = await ann.refused("thread/turns/list", threadId=thread_id)

    not_yet = f"thread {thread_id} is not materialized yet; {{}} is unavailable before first user message"
    assert read == (
        (-32600, not_yet.format("includeTurns")) if mode == "legacy" else (-32601, "list_turns is not supported yet")
    )
    assert turns == (-32600, not_yet.format("thread/turns/list"))


async def test_edit_before_the_first_turn_makes_no_rollout_and_stands_after_it(
    tmp_path: Path, handle: StateHandle
) -> None:
    async with live_client(tmp_path / "codex", handle) as ann:
        thread_id = await started(ann)
        edited = (await ann.ask(UPDATE, threadId=thread_id, gitInfo={"branch": "dev"}))["thread"]
        await ann.ask(MODE, threadId=thread_id, mode="disabled")
        before = rollouts(tmp_path)
        read = (await ann.ask("thread/read", threadId=thread_id))["thread"]
        listed = await ann.ask("thread/list", modelProviders=[])
        await turn(ann, thread_id)
        after = (await ann.ask("thread/list", modelProviders=[]))["data"]

    assert before == []
    assert (edited["gitInfo"], edited["status"]) == (
        {"sha": None, "branch": "dev", "originUrl": None},
        {"type": "idle"},
    )
    assert read["gitInfo"] == edited["gitInfo"]
    assert listed["data"] == []
    assert len(rollouts(tmp_path)) == 1
    assert [(one["id"], one["gitInfo"], one["preview"]) for one in after] == [(thread_id, read["gitInfo"], "Hello")]
    found = await handle.ask(GetThread(thread_id=thread_id))
    assert isinstance(found, ThreadFound)
    assert (found.thread.memory_mode, found.thread.model) == ("disabled", "mock-model")


async def test_edit_before_the_first_turn_outlives_the_database(tmp_path: Path) -> None:
    async with store(tmp_path) as handle, live_client(tmp_path / "codex", handle) as ann:
        thread_id = await started(ann)
        await ann.ask(UPDATE, threadId=thread_id, gitInfo={"branch": "dev"})
        await turn(ann, thread_id)
    for path in (tmp_path / "state").glob("state.sqlite*"):
        path.unlink()
    async with store(tmp_path) as handle, live_client(tmp_path / "codex", handle) as ann:
        read = (await ann.ask("thread/read", threadId=thread_id))["thread"]

    assert (read["gitInfo"]["branch"], read["preview"]) == ("dev", "Hello")


async def test_thread_that_was_edited_and_never_used_is_known_and_cannot_be_gone_on_with(
    tmp_path: Path, handle: StateHandle
) -> None:
    async with live_client(tmp_path / "codex", handle) as ann:
        thread_id = await started(ann)
        await ann.ask(UPDATE, threadId=thread_id, gitInfo={"branch": "dev"})
    async with live_client(tmp_path / "codex", handle) as ann:
        read = (await ann.ask("thread/read", threadId=thread_id))["thread"]
        resumed = await ann.refused("thread/resume", threadId=thread_id)
        again = await ann.refused(UPDATE, threadId=thread_id, gitInfo={"branch": "x"})

    assert (read["gitInfo"]["branch"], read["cwd"], read["status"]) == ("dev", "/home/ann", {"type": "notLoaded"})
    assert resumed == (-32600, f"no rollout found for thread id {thread_id}")
    assert again == (-32600, f"thread not found: {thread_id}")


@pytest.mark.parametrize(
    ("mode", "method", "said"),
    [
        ("legacy", UPDATE, {"gitInfo": {"branch": "dev"}}),
        ("legacy", MODE, {"mode": "disabled"}),
        ("legacy", NAME, {"name": "Early"}),
        ("paginated", NAME, {"name": "Early"}),
    ],
)
async def test_edit_that_stands_in_the_rollout_or_in_the_list_of_names_makes_the_rollout(
    tmp_path: Path, handle: StateHandle, mode: str, method: str, said: dict[str, Any]
) -> None:
    async with live_client(tmp_path / "codex", handle) as ann:
        thread_id = await started(ann, mode)
        assert "error" not in await ann.ask(method, threadId=thread_id, **said)

    assert [name.endswith(f"{thread_id}.jsonl") for name in rollouts(tmp_path)] == [True]


async def test_without_a_store_an_edit_that_only_the_store_can_keep_is_refused(tmp_path: Path) -> None:
    async with live_client(tmp_path / "codex", None) as ann:
        thread_id = await started(ann)
        refused = await ann.refused(UPDATE, threadId=thread_id, gitInfo={"branch": "dev"})

    assert refused == (-32603, f"sqlite state db unavailable for thread {thread_id}")
    assert rollouts(tmp_path) == []
