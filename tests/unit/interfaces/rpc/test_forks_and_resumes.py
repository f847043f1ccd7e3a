"""What a fork takes over from its source, and when a resumed thread was updated last."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from state.folder import StateFolder
from state.store import StateHandle, open_store
from tests.fakes.codex_home import CodexHome
from tests.fakes.live_clients import live_client
from tests.fakes.readings import thread_id

ONE = thread_id(1)
LONG_AGO = 1_736_090_000


@pytest.fixture(params=["with a store", "without a store"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StateHandle | None]:
    """Both kinds of service."""
    if request.param == "without a store":
        yield None
        return
    async with open_store(StateFolder(path=tmp_path / "state"), str(tmp_path / "codex"), inline=True) as handle:
        yield handle


def names(home: Path) -> list[tuple[str, str]]:
    lines = (home / "session_index.jsonl").read_text().splitlines()
    return [(entry["id"], entry["thread_name"]) for entry in map(json.loads, lines)]


def lines_of(thread: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(thread["path"]).read_bytes().splitlines()]


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """A home with one legacy thread, as an older program recorded it: its turns have no beginning and no end."""
    home = CodexHome(tmp_path / "codex")
    session = home.session(thread_id=ONE, originator="codex_cli_rs")
    session.user("Repair the till")
    session.assistant("Repaired.")
    os.utime(session.path, (LONG_AGO, LONG_AGO))
    return home


async def test_fork_has_the_name_of_its_source_and_says_who_made_that(
    home: CodexHome, store: StateHandle | None
) -> None:
    async with live_client(home.path, store) as ann:
        await ann.ask("thread/name/set", threadId=ONE, name="The till")
        forked = await ann.ask("thread/fork", threadId=ONE)
        read = await ann.ask("thread/read", threadId=forked["thread"]["id"])
        passing = await ann.ask("thread/fork", threadId=ONE, ephemeral=True)

    thread = forked["thread"]
    if store is not None:  # without one nobody but the list of names knows
        assert (thread["name"], read["thread"]["name"], passing["thread"]["name"]) == ("The till",) * 3
        assert names(home.path) == [(ONE, "The till"), (thread["id"], "The till")]
    assert (thread["originator"], read["thread"]["originator"]) == ("codex_cli_rs", "codex_cli_rs")
    assert lines_of(thread)[0]["payload"]["originator"] == "codex_cli_rs"


async def test_fork_ends_a_turn_of_which_its_source_does_not_say_that_it_has_ended(
    home: CodexHome, store: StateHandle | None
) -> None:
    async with live_client(home.path, store) as ann:
        forked = (await ann.ask("thread/fork", threadId=ONE))["thread"]
        source = (await ann.ask("thread/read", threadId=ONE, includeTurns=True))["thread"]

    assert [turn["status"] for turn in forked["turns"]] == ["interrupted"]
    assert [turn["status"] for turn in source["turns"]] == ["completed"]
    ended = next(line["payload"] for line in lines_of(forked) if line["payload"].get("type") == "turn_aborted")
    assert ended == {"type": "turn_aborted", "turn_id": None, "reason": "interrupted"}


async def test_ephemeral_fork_is_answered_with_the_turns_that_it_begins_with(
    home: CodexHome, store: StateHandle | None
) -> None:
    async with live_client(home.path, store) as ann:
        forked = (await ann.ask("thread/fork", threadId=ONE, ephemeral=True))["thread"]
        bare = (await ann.ask("thread/fork", threadId=ONE, ephemeral=True, excludeTurns=True))["thread"]

    assert [item["type"] for turn in forked["turns"] for item in turn["items"]] == ["userMessage", "agentMessage"]
    assert bare["turns"] == []


async def test_resumed_thread_of_the_older_format_is_dated_as_when_it_is_read(
    home: CodexHome, store: StateHandle | None
) -> None:
    async with live_client(home.path, store) as ann:
        stored = (await ann.ask("thread/read", threadId=ONE))["thread"]
        resumed = (await ann.ask("thread/resume", threadId=ONE))["thread"]
        loaded = (await ann.ask("thread/read", threadId=ONE))["thread"]

    assert {thread["updatedAt"] for thread in (stored, resumed, loaded)} == {stored["createdAt"]}
