"""The methods that change a stored thread: the words, shapes and news of Codex 0.169.0, also for threads that live."""

from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from interfaces.rpc.host import Defaults, Host, LiveThread
from state.folder import StateFolder
from state.messages.thread_rows import DeleteThread
from state.rollouts.writer_lock import WriterLock
from tests.fakes.codex_home import RolloutFile
from tests.fakes.live_threads import NoLiveThreads
from tests.fakes.readings import thread_id
from tests.fakes.rpc_clients import RpcClient, rpc_client
from tests.fakes.stored_threads import ONE, StoredThreads, make_home, stored_threads
from workers.redaction import redact

LIVE, EPHEMERAL, NOWHERE = thread_id(2), thread_id(3), thread_id(15)
GIT = {"commit_hash": "abc", "branch": "main", "repository_url": "https://example.com/r.git"}
NO_UUID = "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found `n` at 1"


@attrs.define
class Live:
    """A thread that lives: it holds its lock, and makes its file when it has to."""

    stored: StoredThreads
    is_ephemeral: bool = False
    is_in_turn: bool = False
    lock: WriterLock | None = None
    rollout: RolloutFile | None = None

    @property
    def is_recorded(self) -> bool:
        return self.rollout is not None

    def live_members(self) -> Mapping[str, Any]:
        return {"status": {"type": "idle"}}

    async def materialize(self) -> None:
        if self.rollout is None:
            self.rollout = self.stored.home.session(thread_id=LIVE)
            self.lock = WriterLock(self.stored.home.path, LIVE)

    async def append(self, line: bytes) -> None:
        assert self.rollout is not None
        self.rollout.raw(line + b"\n")


@attrs.define
class Loaded(NoLiveThreads):
    """The threads that live, and an index that somebody else keeps."""

    threads: dict[str, Live] = attrs.field(factory=dict)

    def ids(self) -> list[str]:
        return list(self.threads)

    def get(self, thread_id: str) -> LiveThread | None:
        return self.threads.get(thread_id)

    async def unload(self, thread_id: str) -> bool:
        live = self.threads.pop(thread_id, None)
        if live is not None and live.lock is not None:
            live.lock.release()
        return live is not None

    async def catch_up(self) -> None:
        pass

    async def refresh(self, paths: Collection[str]) -> bool:  # noqa: ARG002
        return False


@pytest.fixture
async def stored(tmp_path: Path, folder: StateFolder) -> AsyncIterator[StoredThreads]:
    async with stored_threads(make_home(tmp_path / "codex", git=GIT), folder) as stored:
        yield stored


@pytest.fixture
def host(stored: StoredThreads) -> Host:
    loaded = Loaded({LIVE: Live(stored), EPHEMERAL: Live(stored, is_ephemeral=True)})
    return Host(
        handle=stored.handle,
        codex_home=stored.home.path,
        defaults=Defaults(model_provider="openai"),
        index=loaded,
        loaded=loaded,
        version="1.2.3",
        redact=redact,
    )


@pytest.fixture
async def client(host: Host) -> AsyncIterator[RpcClient]:
    async with rpc_client(host) as client:
        yield client


UPDATE = "thread/metadata/update"
AT_LEAST_ONE = "thread metadata update must include at least one field"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"threadId": "nope"}, f"invalid thread id: {NO_UUID}"),
        ({"threadId": "nope", "gitInfo": {}}, f"invalid thread id: {NO_UUID}"),
        ({"threadId": ONE}, AT_LEAST_ONE),
        ({"threadId": ONE, "gitInfo": None}, AT_LEAST_ONE),
        ({"threadId": ONE, "isPinned": True}, AT_LEAST_ONE),
        ({"threadId": ONE, "gitInfo": {}}, "gitInfo must include at least one field"),
        ({"threadId": ONE, "gitInfo": []}, "gitInfo must include at least one field"),
        ({"threadId": ONE, "gitInfo": {"foo": 1}}, "gitInfo must include at least one field"),
        ({"threadId": ONE, "gitInfo": {"branch": "  "}}, "gitInfo.branch must not be empty"),
        ({"threadId": ONE, "gitInfo": {"originUrl": ""}}, "gitInfo.originUrl must not be empty"),
        ({"threadId": NOWHERE, "gitInfo": {"branch": "", "sha": "\t"}}, "gitInfo.sha must not be empty"),
        ({"threadId": NOWHERE, "gitInfo": {"sha": "x"}}, f"no rollout found for thread id {NOWHERE}"),
        (
            {"threadId": EPHEMERAL, "gitInfo": {"sha": "x"}},
            f"ephemeral thread does not support metadata updates: {EPHEMERAL}",
        ),
        (
            {"threadId": ONE, "gitInfo": {"sha": 5}},
            "Invalid request: invalid type: integer `5`, expected a string",
        ),
        (
            {"threadId": ONE, "gitInfo": "x"},
            'Invalid request: invalid type: string "x", expected struct ThreadMetadataGitInfoUpdateParams',
        ),
    ],
)
async def test_update_is_refused_in_the_original_s_words_and_changes_nothing(
    client: RpcClient, stored: StoredThreads, params: dict[str, Any], message: str
) -> None:
    before = stored.home.digest(), await stored.row()
    assert await client.refused(UPDATE, **params) == (-32600, message)
    assert (stored.home.digest(), await stored.row()) == before


@pytest.mark.parametrize("spelled", [str(ONE), ONE.upper(), f"urn:uuid:{ONE}", ONE.replace("-", ""), f"{{{ONE}}}"])
async def test_update_answers_with_the_thread_and_sends_no_news(
    client: RpcClient, stored: StoredThreads, spelled: str
) -> None:
    thread = (await client.ask(UPDATE, threadId=spelled, gitInfo={"branch": " dev ", "sha": None}))["thread"]

    row = await stored.row()
    assert row is not None
    assert thread["id"] == ONE
    assert thread["gitInfo"] == {"sha": None, "branch": "dev", "originUrl": "https://example.com/r.git"}
    assert (thread["preview"], thread["turns"], thread["status"]) == ("fix the login", [], {"type": "notLoaded"})
    assert thread["updatedAt"] == thread["createdAt"] == row.created_at_ms // 1000, "a legacy one, by itself"
    assert client.news == []
    cleared = await client.ask(UPDATE, threadId=ONE, gitInfo={"branch": None, "originUrl": None})
    assert cleared["thread"]["gitInfo"] is None


@pytest.mark.parametrize(
    ("method", "params"),
    [
        (UPDATE, {"gitInfo": {"sha": "x"}}),
        ("thread/name/set", {"name": "x"}),
        ("thread/memoryMode/set", {"mode": "disabled"}),
    ],
)
async def test_edit_of_a_thread_whose_file_is_gone_says_so(
    client: RpcClient, stored: StoredThreads, method: str, params: dict[str, Any]
) -> None:
    (stored.home.path / stored.files()[0]).unlink()
    assert await client.refused(method, threadId=ONE, **params) == (-32600, f"thread not found: {ONE}")


async def test_thread_that_was_never_used_gets_its_file_and_its_branch(
    client: RpcClient, stored: StoredThreads
) -> None:
    thread = (await client.ask(UPDATE, threadId=LIVE, gitInfo={"branch": "dev"}))["thread"]
    assert (thread["id"], thread["status"]) == (LIVE, {"type": "idle"})
    assert thread["gitInfo"] == {"sha": None, "branch": "dev", "originUrl": None}
    assert stored.lines(LIVE)[-1]["payload"]["git"] == {"branch": "dev"}


async def test_live_thread_whose_row_was_deleted_gets_it_from_its_file(
    client: RpcClient, host: Host, stored: StoredThreads
) -> None:
    await client.ask(UPDATE, threadId=LIVE, gitInfo={"branch": "dev"})
    live = host.loaded.get(LIVE)
    assert isinstance(live, Live)
    assert live.rollout is not None
    live.rollout.user("hello")
    before = (await client.ask(UPDATE, threadId=LIVE, gitInfo={"sha": "a"}))["thread"]
    await stored.handle.ask(DeleteThread(thread_id=LIVE))
    thread = (await client.ask(UPDATE, threadId=LIVE, gitInfo={"sha": "b"}))["thread"]
    assert (thread["preview"], thread["createdAt"], thread["source"]) == ("hello", before["createdAt"], "cli")
    assert thread["gitInfo"] == {"sha": "b", "branch": "dev", "originUrl": None}


async def test_thread_that_another_program_writes_is_refused(
    client: RpcClient, stored: StoredThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WriterLock.__init__, "__kwdefaults__", {"wait_seconds": 0.01})
    held = WriterLock(stored.home.path, ONE)
    busy = f"thread {ONE} already has an active writer"
    code, message = await client.refused(UPDATE, threadId=ONE, gitInfo={"sha": "x"})
    assert (code, message) == (
        -32603,
        f"failed to update thread metadata: Fatal error: failed to update thread metadata {ONE}:"
        f" thread-store conflict: {busy}",
    )
    for method in ("thread/archive", "thread/delete"):
        assert await client.refused(method, threadId=ONE) == (-32600, busy)
    held.release()
    assert len(stored.files()) == 1


async def test_name_is_told_to_everybody_who_has_shaken_hands(
    client: RpcClient, host: Host, stored: StoredThreads
) -> None:
    async with rpc_client(host) as other:
        assert await client.ask("thread/name/set", threadId=ONE.upper(), name=" The login ") == {}
        news = [("thread/name/updated", {"threadId": ONE, "threadName": "The login"})]
        assert await client.heard(1) == news
        assert await other.heard(1) == news
        assert client.news == other.news == []
    row = await stored.row()
    assert row is not None
    assert (row.name, stored.name()) == ("The login", "The login")
    assert await client.ask("thread/name/set", threadId=ONE, name="again") == {}, "nobody waits for one who left"


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("thread/name/set", {"threadId": "nope", "name": " "}, f"invalid thread id: {NO_UUID}"),
        ("thread/name/set", {"threadId": NOWHERE, "name": " "}, "thread name must not be empty"),
        ("thread/name/set", {"threadId": NOWHERE, "name": "n"}, f"no rollout found for thread id {NOWHERE}"),
        ("thread/memoryMode/set", {"threadId": "nope", "mode": "enabled"}, f"invalid thread id: {NO_UUID}"),
        ("thread/memoryMode/set", {"threadId": ONE}, "Invalid request: missing field `mode`"),
        (
            "thread/memoryMode/set",
            {"threadId": ONE, "mode": "polluted"},
            "Invalid request: unknown variant `polluted`, expected `enabled` or `disabled`",
        ),
        (
            "thread/memoryMode/set",
            {"threadId": NOWHERE, "mode": "enabled"},
            f"no rollout found for thread id {NOWHERE}",
        ),
        ("thread/archive", {"threadId": "nope"}, f"invalid session id: {NO_UUID}"),
        ("thread/unarchive", {"threadId": "nope"}, f"invalid session id: {NO_UUID}"),
        ("thread/delete", {"threadId": "nope"}, f"invalid thread id: {NO_UUID}"),
        ("thread/archive", {"threadId": NOWHERE}, f"no rollout found for thread id {NOWHERE}"),
        ("thread/unarchive", {"threadId": ONE}, f"no archived rollout found for thread id {ONE}"),
        ("thread/delete", {"threadId": NOWHERE}, f"no rollout found for thread id {NOWHERE}"),
        ("thread/archive", {"threadId": EPHEMERAL}, f"no rollout found for thread id {EPHEMERAL}"),
        ("thread/delete", {"threadId": EPHEMERAL}, f"thread is not persisted and cannot be deleted: {EPHEMERAL}"),
        (
            "thread/name/set",
            {"threadId": EPHEMERAL, "name": "n"},
            f"ephemeral thread does not support metadata updates: {EPHEMERAL}",
        ),
        ("thread/archive", {"threadId": "../../etc/passwd"}, "invalid session id: invalid character: expected"),
    ],
)
async def test_refusals_have_the_original_s_words(
    client: RpcClient, method: str, params: dict[str, Any], message: str
) -> None:
    code, said = await client.refused(method, **params)
    assert (code, said[: len(message)]) == (-32600, message)
    assert client.news == []


async def test_mode_is_set_without_news(client: RpcClient, stored: StoredThreads) -> None:
    assert await client.ask("thread/memoryMode/set", threadId=ONE, mode="disabled") == {}
    row = await stored.row()
    assert row is not None
    assert row.memory_mode == "disabled"
    assert client.news == []


async def test_thread_is_archived_brought_back_and_deleted(
    client: RpcClient, host: Host, stored: StoredThreads
) -> None:
    async with rpc_client(host) as other:
        assert await client.ask("thread/archive", threadId=ONE) == {}
        thread = (await client.ask("thread/unarchive", threadId=ONE))["thread"]
        assert (thread["id"], thread["preview"], thread["turns"]) == (ONE, "fix the login", [])
        assert thread["path"] == str(stored.home.path / stored.files()[0])
        assert await client.ask("thread/delete", threadId=ONE) == {}
        told = [(f"thread/{done}", {"threadId": ONE}) for done in ("archived", "unarchived", "deleted")]
        assert await client.heard(3) == told
        assert await other.heard(3) == told
    assert (stored.files(), await stored.row()) == ([], None)


@pytest.mark.parametrize(("method", "done"), [("thread/archive", "archived"), ("thread/delete", "deleted")])
async def test_live_thread_is_ended_first(
    client: RpcClient, host: Host, stored: StoredThreads, method: str, done: str
) -> None:
    assert await client.ask(method, threadId=LIVE) == {}
    assert await client.heard(2) == [
        ("thread/status/changed", {"threadId": LIVE, "status": {"type": "notLoaded"}}),
        (f"thread/{done}", {"threadId": LIVE}),
    ]
    assert host.loaded.get(LIVE) is None
    assert [path.startswith("archived_sessions/") for path in stored.files(LIVE)] == [True] * (done == "archived")


async def test_without_a_store_files_are_changed_and_the_rest_is_refused(stored: StoredThreads, host: Host) -> None:
    async with rpc_client(attrs.evolve(host, handle=None)) as client:
        missing = (-32603, f"sqlite state db unavailable for thread {ONE}")
        assert await client.refused(UPDATE, threadId=ONE, gitInfo={"sha": "x"}) == missing
        assert await client.refused("thread/memoryMode/set", threadId=ONE, mode="disabled") == missing
        assert await client.ask("thread/name/set", threadId=ONE, name="n") == {}
        assert await client.ask("thread/archive", threadId=ONE) == {}
        assert stored.files()[0].startswith("archived_sessions/")
        thread = (await client.ask("thread/unarchive", threadId=ONE))["thread"]
        assert (thread["preview"], thread["gitInfo"]["sha"]) == ("fix the login", "abc")
        assert await client.ask("thread/delete", threadId=ONE) == {}
        assert (stored.files(), stored.name()) == ([], None)
