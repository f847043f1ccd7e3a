"""Clients start, resume and fork threads, say something in them and hear of it, with a store and without one."""

import functools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from interfaces.rpc.connection import Connection
from interfaces.rpc.host import Defaults, Host, NoIndex
from interfaces.rpc.methods import dispatch
from state.messages.thread_edits import PatchThreadGit
from state.messages.thread_places import MarkThreadArchived
from state.store import StateHandle
from tests.fakes.turn_models import ToldModel, managed, saying, waiting

MODES = ("legacy", "paginated")
NOBODY = "01a00000-0000-7000-8000-00000000000f"


class Client:
    """The other end of a connection."""

    def __init__(self, stream: trio.StapledStream[Any, Any]) -> None:
        self._stream = stream
        self._held = b""
        self._number = 0
        self.told: list[dict[str, Any]] = []

    async def ask(self, method: str, **params: Any) -> Any:
        """The result, or the error's sentence; what was told meanwhile is kept."""
        self._number += 1
        line = json.dumps({"id": self._number, "method": method, "params": params})
        await self._stream.send_all(line.encode() + b"\n")
        while True:
            message = await self._next()
            if message.get("id") == self._number:
                return message["result"] if "result" in message else message["error"]["message"]
            self.told.append(message)

    async def hear(self, method: str) -> Any:
        """Wait until this was told, and forget all that was told up to it."""
        while True:
            for index, message in enumerate(self.told):
                if message["method"] == method:
                    del self.told[: index + 1]
                    return message["params"]
            self.told.append(await self._next())

    async def turn(self, thread_id: str, text: str) -> Any:
        """Say something and wait until its turn has ended."""
        await self.ask("turn/start", threadId=thread_id, input=[{"type": "text", "text": text}])
        return (await self.hear("turn/completed"))["turn"]

    async def _next(self) -> dict[str, Any]:
        with trio.fail_after(5):
            while b"\n" not in self._held:
                self._held += await self._stream.receive_some()
        line, _, self._held = self._held.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message


@asynccontextmanager
async def client(home: Path, store: StateHandle | None, model: ToldModel) -> AsyncIterator[Client]:
    async with managed(home, model, store) as manager:
        host = Host(
            handle=store,
            codex_home=home,
            defaults=Defaults(model_provider="openai", model="mock-model", approval_policy="never"),
            index=NoIndex(),
            loaded=manager,
            version="1.2.3",
        )
        async with connected(host) as ann:
            yield ann


@asynccontextmanager
async def connected(host: Host) -> AsyncIterator[Client]:
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(functools.partial(_serve, host, theirs))
        ann = Client(ours)
        await ann.ask(
            "initialize",
            clientInfo={"name": "ann", "version": "1"},
            capabilities={"experimentalApi": True},
        )
        yield ann
        await ours.send_eof()
        nursery.cancel_scope.cancel()


async def _serve(host: Host, stream: trio.StapledStream[Any, Any]) -> None:
    async with stream:
        await Connection(host, dispatch, stream, stream).serve()


def move_to_archive(home: Path, path: Path) -> str:
    archived = f"archived_sessions/{path.name}"
    (home / archived).parent.mkdir()
    path.rename(home / archived)
    return archived


def said(thread: dict[str, Any]) -> list[str]:
    return [
        item["content"][0]["text"] if item["type"] == "userMessage" else item["text"]
        for turn in thread["turns"]
        for item in turn["items"]
    ]


async def test_started_thread_is_shown_whole_and_told_of_after_the_answer(
    tmp_path: Path, store: StateHandle | None
) -> None:
    async with client(tmp_path / "codex", store, ToldModel([saying("Done.")])) as ann:
        started = await ann.ask("thread/start", cwd="/home/ann")
        told = await ann.hear("thread/started")
        read = await ann.ask("thread/read", threadId=started["thread"]["id"])
        turns = await ann.ask("thread/read", threadId=started["thread"]["id"], includeTurns=True)

    thread = started["thread"]
    assert told == {"thread": thread}
    assert read == {"thread": thread, "readState": None}
    assert (thread["status"], thread["turns"], thread["ephemeral"]) == ({"type": "idle"}, [], False)
    assert (thread["historyMode"], thread["source"], thread["originator"]) == ("paginated", "vscode", "ann")
    assert thread["canAcceptDirectInput"] is True
    assert thread["environments"] == [
        {"environmentId": "local", "cwd": "/home/ann", "runtimeWorkspaceRoots": ["/home/ann"]}
    ]
    assert (started["model"], started["approvalPolicy"], started["sandbox"]) == (
        "mock-model",
        "never",
        {"type": "readOnly", "networkAccess": False},
    )
    assert turns == "list_turns is not supported yet"


async def test_history_mode_is_for_experimental_clients(tmp_path: Path) -> None:
    async with client(tmp_path / "codex", None, ToldModel([saying("Done.")])) as ann:
        assert (await ann.ask("thread/start", historyMode="legacy"))["thread"]["historyMode"] == "legacy"
        assert "unknown variant `other`" in await ann.ask("thread/start", historyMode="other")


@pytest.mark.parametrize("mode", MODES)
async def test_turn_is_answered_before_it_is_told_of_and_can_be_read_after_it(
    tmp_path: Path, store: StateHandle | None, mode: str
) -> None:
    async with client(tmp_path / "codex", store, ToldModel([saying("Done.")])) as ann:
        thread_id = (await ann.ask("thread/start", historyMode=mode))["thread"]["id"]
        ann.told.clear()
        answer = await ann.ask("turn/start", threadId=thread_id, input=[{"type": "text", "text": "Hello"}])
        before = [message for message in ann.told if message["method"] != "thread/started"]
        ended = await ann.hear("turn/completed")
        read = await ann.ask("thread/read", threadId=thread_id, includeTurns=True)

    assert before == []
    assert answer["turn"]["status"] == "inProgress"
    assert ended["turn"]["id"] == answer["turn"]["id"]
    assert said(read["thread"]) == ["Hello", "Done."]
    assert read["thread"]["turns"][0]["status"] == "completed"
    assert read["thread"]["preview"] == "Hello"


@pytest.mark.parametrize("mode", MODES)
async def test_stored_thread_is_resumed_with_its_turns(tmp_path: Path, store: StateHandle | None, mode: str) -> None:
    home = tmp_path / "codex"
    async with client(home, store, ToldModel([saying("Done.")])) as ann:
        thread_id = (await ann.ask("thread/start", historyMode=mode))["thread"]["id"]
        await ann.turn(thread_id, "Hello")
    async with client(home, store, ToldModel([saying("Done.")])) as ann:
        resumed = await ann.ask("thread/resume", threadId=thread_id.upper())
        await ann.hear("thread/status/changed")
        usage = await ann.hear("thread/tokenUsage/updated")
        await ann.hear("thread/goal/cleared")
        bare = await ann.ask("thread/resume", threadId=thread_id, excludeTurns=True)
        await ann.turn(thread_id, "Again")
        read = await ann.ask("thread/read", threadId=thread_id, includeTurns=True)

    assert said(resumed["thread"]) == ["Hello", "Done."]
    assert usage["tokenUsage"]["total"]["totalTokens"] == 120
    assert bare["thread"]["turns"] == []
    assert (resumed["turnsBackwardsCursor"] is not None) == (mode == "paginated")
    assert said(read["thread"]) == ["Hello", "Done.", "Again", "Done."]


async def test_cleared_git_stays_cleared_when_the_thread_is_resumed(tmp_path: Path, handle: StateHandle) -> None:
    """The Codex app-server gives the old values back here."""
    home, work = tmp_path / "codex", tmp_path / "work"
    (work / ".git" / "refs" / "heads").mkdir(parents=True)
    (work / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    async with client(home, handle, ToldModel([saying("Done.")])) as ann:
        started = await ann.ask("thread/start", cwd=str(work))
        thread_id = started["thread"]["id"]
        await ann.turn(thread_id, "Hello")
        said_first = await ann.ask("thread/read", threadId=thread_id)
    await handle.ask(PatchThreadGit(thread_id=thread_id, sha=None, branch=None, origin_url=None))
    async with client(home, handle, ToldModel([saying("Done.")])) as ann:
        resumed = await ann.ask("thread/resume", threadId=thread_id)

    assert started["thread"]["gitInfo"] is None
    assert said_first["thread"]["gitInfo"] == {"sha": None, "branch": "main", "originUrl": None}
    assert resumed["thread"]["gitInfo"] is None


async def test_what_cannot_be_resumed_or_forked_is_said_in_the_words_of_the_app_server(
    tmp_path: Path, handle: StateHandle
) -> None:
    home = tmp_path / "codex"
    async with client(home, handle, ToldModel([saying("Done.")])) as ann:
        archived_id = (await ann.ask("thread/start"))["thread"]["id"]
        await ann.turn(archived_id, "Hello")
        path = (await ann.ask("thread/read", threadId=archived_id))["thread"]["path"]
        unsaid = (await ann.ask("thread/start"))["thread"]["id"]
        archived = move_to_archive(home, Path(path))
        await handle.ask(MarkThreadArchived(thread_id=archived_id, path=archived, archived_at_ms=1, mtime_ms=None))
        refusals = {
            method: [await ann.ask(method, threadId=wanted) for wanted in (NOBODY, "nope", archived_id, unsaid)]
            for method in ("thread/resume", "thread/fork")
        }

    for refused in refusals.values():
        assert refused == [
            f"no rollout found for thread id {NOBODY}",
            "invalid session id: invalid character: expected an optional prefix of `urn:uuid:` followed by"
            " [0-9a-fA-F-], found `n` at 1",
            f"session {archived_id} is archived. Run `codex unarchive {archived_id}` to unarchive it first.",
            f"no rollout found for thread id {unsaid}",
        ]


@pytest.mark.parametrize("mode", MODES)
async def test_fork_shows_what_it_forked(tmp_path: Path, store: StateHandle | None, mode: str) -> None:
    async with client(tmp_path / "codex", store, ToldModel([saying("Done.")])) as ann:
        thread_id = (await ann.ask("thread/start", historyMode=mode))["thread"]["id"]
        await ann.turn(thread_id, "Hello")
        forked = (await ann.ask("thread/fork", threadId=thread_id))["thread"]
        told = await ann.hear("thread/started")
        loaded = (await ann.ask("thread/loaded/list"))["data"]

    assert (forked["forkedFromId"], forked["historyMode"], forked["preview"]) == (thread_id, mode, "Hello")
    assert said(forked) == ["Hello", "Done."]
    assert told["thread"] == forked | {"turns": []}
    assert loaded == sorted([thread_id, forked["id"]])


async def test_turn_is_interrupted_by_its_id_only(tmp_path: Path) -> None:
    model = ToldModel([waiting("Never.")])
    async with client(tmp_path / "codex", None, model) as ann:
        thread_id = (await ann.ask("thread/start"))["thread"]["id"]
        idle = await ann.ask("turn/interrupt", threadId=thread_id, turnId="x")
        turn_id = (await ann.ask("turn/start", threadId=thread_id, input=[{"type": "text", "text": "Hello"}]))["turn"]
        await model.asked.wait()
        active = (await ann.ask("thread/read", threadId=thread_id))["thread"]["status"]
        other = await ann.ask("turn/interrupt", threadId=thread_id, turnId="x")
        interrupted = await ann.ask("turn/interrupt", threadId=thread_id, turnId=turn_id["id"])
        ended = await ann.hear("turn/completed")
        unknown = await ann.ask("turn/interrupt", threadId=NOBODY, turnId="x")

    assert idle == "no active turn to interrupt"
    assert active == {"type": "active", "activeFlags": []}
    assert other == f"expected active turn id x but found {turn_id['id']}"
    assert interrupted == {}
    assert ended["turn"]["status"] == "interrupted"
    assert unknown == f"thread not found: {NOBODY}"


async def test_one_who_left_a_thread_hears_no_more_of_it(tmp_path: Path) -> None:
    async with client(tmp_path / "codex", None, ToldModel([saying("Done.")])) as ann:
        thread_id = (await ann.ask("thread/start"))["thread"]["id"]
        wanted = (thread_id, thread_id, NOBODY)
        answers = [(await ann.ask("thread/unsubscribe", threadId=one))["status"] for one in wanted]
        ann.told.clear()
        await ann.ask("turn/start", threadId=thread_id, input=[{"type": "text", "text": "Hello"}])
        await ann.ask("thread/resume", threadId=NOBODY)
        loaded = (await ann.ask("thread/loaded/list"))["data"]

    assert answers == ["unsubscribed", "notSubscribed", "notLoaded"]
    assert ann.told == []
    assert loaded == [thread_id]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("x", 'Invalid request: invalid type: string "x", expected a sequence'),
        (
            [{"type": "bogus"}],
            "Invalid request: unknown variant `bogus`, expected one of `text`, `image`, `localImage`, `audio`,"
            " `localAudio`, `skill`, `mention`",
        ),
        ([{"type": "text"}], "Invalid request: missing field `text`"),
        (
            [{"type": "localImage", "path": "/etc/passwd"}],
            "input of type `localImage` is not supported here; send an image as a data URL",
        ),
    ],
)
async def test_input_that_is_none_is_refused(tmp_path: Path, given: Any, sentence: str) -> None:
    async with client(tmp_path / "codex", None, ToldModel([saying("Done.")])) as ann:
        thread_id = (await ann.ask("thread/start"))["thread"]["id"]

        assert await ann.ask("turn/start", threadId=thread_id, input=given) == sentence


async def test_changed_settings_are_told_and_hold_for_the_turns_that_follow(tmp_path: Path) -> None:
    model = ToldModel([saying("Done.")])
    async with client(tmp_path / "codex", None, model) as ann:
        thread_id = (await ann.ask("thread/start"))["thread"]["id"]
        await ann.ask(
            "turn/start", threadId=thread_id, input=[{"type": "text", "text": "Hello"}], model="other", effort="high"
        )
        settings = (await ann.hear("thread/settings/updated"))["threadSettings"]
        await ann.hear("turn/completed")
        await ann.turn(thread_id, "Again")

    assert (settings["model"], settings["effort"]) == ("other", "high")
    assert [(question.model, question.reasoning_effort) for question in model.questions] == [("other", "high")] * 2


async def test_ephemeral_thread_has_no_path_and_no_turns_to_read(tmp_path: Path) -> None:
    async with client(tmp_path / "codex", None, ToldModel([saying("Done.")])) as ann:
        thread = (await ann.ask("thread/start", ephemeral=True))["thread"]
        await ann.turn(thread["id"], "Hello")
        read = await ann.ask("thread/read", threadId=thread["id"])
        turns = await ann.ask("thread/read", threadId=thread["id"], includeTurns=True)

    assert (thread["ephemeral"], thread["path"]) == (True, None)
    assert (read["thread"]["preview"], read["readState"]) == ("", None)
    assert turns == "ephemeral threads do not support includeTurns"
