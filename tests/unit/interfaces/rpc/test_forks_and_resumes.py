"""What a fork takes over from its source, and when a resumed thread was updated last."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from state.store import StateHandle
from tests.fakes.codex_home import CodexHome
from tests.fakes.live_clients import live_client
from tests.fakes.readings import thread_id
from tests.fakes.rpc_clients import RpcClient
from tests.fakes.turn_models import ToldModel, saying, waiting

ONE = thread_id(1)
LONG_AGO = 1_736_090_000


def names(home: Path) -> list[tuple[str, str]]:
    lines = (home / "session_index.jsonl").read_text().splitlines()
    return [(entry["id"], entry["thread_name"]) for entry in map(json.loads, lines)]


def lines_of(thread: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(thread["path"]).read_bytes().splitlines()]


def methods(ann: RpcClient) -> list[str]:
    """What the client has heard, and is forgotten."""
    heard, ann.news = [method for method, _ in ann.news], []
    return heard


def turn_context(model: str, effort: str) -> dict[str, Any]:
    payload = {"cwd": "/", "approval_policy": "never", "model": model, "effort": effort}
    return {"timestamp": "2025-01-05T12:00:00.000Z", "type": "turn_context", "payload": payload}


async def turn(ann: RpcClient, thread: str, text: str) -> str:
    """Say something, and wait until it was answered; the turn's id."""
    turn_id: str = (await ann.ask("turn/start", threadId=thread, input=[{"type": "text", "text": text}]))["turn"]["id"]
    await heard_last(ann, "turn/completed")
    return turn_id


async def heard_last(ann: RpcClient, method: str) -> Any:
    """Wait until this is the last thing that the client has heard; what it says."""
    while True:
        last = (await ann.heard(1))[-1]
        if last[0] == method:
            return last[1]


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


async def test_client_hears_before_the_answer_what_a_thread_is_now_and_after_it_what_follows(
    home: CodexHome, store: StateHandle | None
) -> None:
    async with live_client(home.path, store) as ann:
        started = (await ann.ask("thread/start"))["thread"]["id"]
        await turn(ann, started, "Hello")
        await ann.ask("thread/resume", threadId=ONE)
        before_resumed = methods(ann)
        after_resumed = [method for method, _ in await ann.heard(1)]
        await ann.ask("thread/fork", threadId=started)
        before_forked = methods(ann)
        after_forked = [method for method, _ in await ann.heard(2)]
        await ann.ask("thread/archive", threadId=ONE)
        before_archived = methods(ann)
        after_archived = [method for method, _ in await ann.heard(1)]

    assert (before_resumed, after_resumed) == (["thread/status/changed"], ["thread/goal/cleared"])
    assert (before_forked, after_forked) == (["deprecationNotice"], ["thread/tokenUsage/updated", "thread/started"])
    assert (before_archived, after_archived) == (["thread/status/changed"], ["thread/archived"])


async def test_fork_is_run_as_the_configuration_says_and_a_resumed_thread_as_before(
    home: CodexHome, store: StateHandle | None
) -> None:
    with next(home.path.rglob(f"*{ONE}.jsonl")).open("ab") as file:
        file.write(json.dumps(turn_context(model="gpt-x", effort="high")).encode() + b"\n")
    async with live_client(home.path, store) as ann:
        forked = await ann.ask("thread/fork", threadId=ONE)
        overridden = await ann.ask(
            "thread/fork", threadId=ONE, config={"model": "from-config"}, sandbox="workspace-write"
        )
        resumed = await ann.ask("thread/resume", threadId=ONE)
    async with live_client(home.path, store) as ann:
        again = await ann.ask("thread/resume", threadId=ONE, model="gpt-y")

    assert [(one["model"], one["reasoningEffort"]) for one in (forked, resumed, again)] == [
        ("mock-model", None),
        ("gpt-x", "high"),
        ("gpt-y", None),
    ]
    assert (overridden["model"], overridden["sandbox"]["type"]) == ("from-config", "workspaceWrite")


async def test_settings_are_recorded_when_they_are_not_what_the_rollout_says_last(
    home: CodexHome, store: StateHandle | None
) -> None:
    recorded = []
    for model in (None, None, "gpt-y", "gpt-y"):
        async with live_client(home.path, store) as ann:
            path = (await ann.ask("thread/resume", threadId=ONE, **({} if model is None else {"model": model})))[
                "thread"
            ]
        applied = [
            line["payload"] for line in lines_of(path) if line["payload"].get("type") == "thread_settings_applied"
        ]
        recorded.append([one["thread_settings"]["model"] for one in applied])

    assert recorded == [["mock-model"], ["mock-model"], ["mock-model", "gpt-y"], ["mock-model", "gpt-y"]]


async def test_provider_that_is_not_configured_is_refused_in_the_words_of_the_app_server(
    home: CodexHome, store: StateHandle | None
) -> None:
    for number, provider in ((2, "gone"), (3, "openai")):
        home.session(thread_id=thread_id(number), model_provider=provider).user("Hello")
    async with live_client(home.path, store) as ann:
        refused = {
            "start": await ann.ask("thread/start", modelProvider="gone"),
            "start by configuration": await ann.ask("thread/start", config={"model_provider": "gone"}),
            "fork": await ann.ask("thread/fork", threadId=thread_id(3), modelProvider="gone"),
            "resume": await ann.ask("thread/resume", threadId=thread_id(2)),
            "resume with another": await ann.ask("thread/resume", threadId=thread_id(3), modelProvider="ollama"),
        }
        forked = await ann.ask("thread/fork", threadId=thread_id(2))

    nobody = {"code": -32600, "message": "failed to load configuration: Model provider `gone` not found"}
    assert [refused[name]["error"] for name in ("start", "start by configuration", "fork")] == [nobody] * 3
    assert refused["resume"]["error"] == {
        "code": -32600,
        "data": {"type": "modelProviderNotConfigured", "modelProvider": "gone"},
        "message": "This chat uses model provider \u201cgone\u201d, which is no longer configured."
        " Restore this provider\u2019s configuration to continue.",
    }
    assert refused["resume with another"]["error"]["message"] == (
        "failed to load configuration: Cannot change this thread's model provider from `openai` to `ollama` on resume."
    )
    assert forked["modelProvider"] == "openai"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (5, "Invalid request: invalid type: integer `5`, expected a map"),
        ({"model": 5}, "failed to load configuration: invalid type: integer `5`, expected a string\nin `model`\n"),
        (
            {"approval_policy": "bogus"},
            "failed to load configuration: unknown variant `bogus`, expected one of `untrusted`, `on-failure`,"
            " `on-request`, `granular`, `never`\nin `approval_policy`\n",
        ),
        (
            {"sandbox_mode": "bogus"},
            "failed to load configuration: unknown variant `bogus`, expected one of `read-only`, `workspace-write`,"
            " `danger-full-access`\nin `sandbox_mode`\n",
        ),
    ],
)
async def test_override_that_is_none_is_refused(tmp_path: Path, config: Any, message: str) -> None:
    async with live_client(tmp_path / "codex", None) as ann:
        assert await ann.refused("thread/start", config=config) == (-32600, message)


async def test_cut_of_a_fork_is_one_and_takes_what_was_said_before_it(
    home: CodexHome, store: StateHandle | None
) -> None:
    async with live_client(home.path, store) as ann:
        source = (await ann.ask("thread/start"))["thread"]["id"]
        turns = [await turn(ann, source, text) for text in ("One", "Two")]
        both = await ann.refused("thread/fork", threadId=source, lastTurnId=turns[0], beforeTurnId=turns[1])
        whole = await ann.refused("thread/fork", threadId=source, ephemeral=True)
        nothing = (await ann.ask("thread/fork", threadId=source, beforeTurnId=turns[0]))["thread"]
        forked = (await ann.ask("thread/fork", threadId=source, lastTurnId=turns[0]))["thread"]
        usage = await heard_last(ann, "thread/tokenUsage/updated")

    assert both[1] == "`beforeTurnId` cannot be combined with `lastTurnId`"
    assert whole[1] == "ephemeral paginated thread/fork requires `excludeTurns: true`"
    assert (nothing["preview"], nothing["turns"]) == ("", [])
    assert (usage["threadId"], usage["turnId"]) == (forked["id"], turns[0])
    assert usage["tokenUsage"]["total"]["totalTokens"] == 120


async def test_thread_that_is_loaded_already_says_from_where_to_go_back(tmp_path: Path) -> None:
    async with live_client(tmp_path / "codex", None) as ann:
        thread = (await ann.ask("thread/start"))["thread"]
        turns = [await turn(ann, thread["id"], text) for text in ("One", "Two")]
        loaded = await ann.ask("thread/resume", threadId=thread["id"])
    async with live_client(tmp_path / "codex", None) as ann:
        stored = await ann.ask("thread/resume", threadId=thread["id"])

    assert [one["id"] for one in loaded["thread"]["turns"]] == turns
    for cursor in ("turnsBackwardsCursor", "itemsBackwardsCursor"):
        assert loaded[cursor] == stored[cursor] is not None


async def test_message_without_words_is_an_item_of_a_newer_thread_and_ends_no_turn_with_words(tmp_path: Path) -> None:
    async with live_client(tmp_path / "codex", None, ToldModel([saying("")])) as ann:
        thread = (await ann.ask("thread/start"))["thread"]["id"]
        await ann.ask("turn/start", threadId=thread, input=[{"type": "text", "text": "Hello"}])
        ended = (await heard_last(ann, "turn/completed"))["turn"]
        read = (await ann.ask("thread/read", threadId=thread, includeTurns=True))["thread"]

    assert (ended["status"], ended["items"]) == ("completed", [])
    assert [item["type"] for item in read["turns"][0]["items"]] == ["userMessage", "agentMessage"]


async def test_thread_is_in_the_index_when_clients_hear_what_was_said_in_it(
    tmp_path: Path, handle: StateHandle
) -> None:
    model = ToldModel([waiting("Never.")])
    async with live_client(tmp_path / "codex", handle, model) as ann:
        thread = (await ann.ask("thread/start"))["thread"]["id"]
        await ann.ask("turn/start", threadId=thread, input=[{"type": "text", "text": "Hello"}])
        await heard_last(ann, "item/started")
        read = await ann.ask("thread/read", threadId=thread)

    assert (read["thread"]["preview"], read["thread"]["status"]["type"]) == ("Hello", "active")
    assert read["readState"] is not None, "only a thread with a row has one"
