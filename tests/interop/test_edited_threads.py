"""What memoryd says of stored threads, as the real binary then sees them; and who of the two may write one.

Codex's own index is taken away where it would hide what the files say: it believes its rows.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.fakes.command import Memoryd
from tests.fakes.model_server import Say, fake_model_server
from tests.fakes.serve_process import ServeProcess, serving
from tests.interop.app_server import AppServer, AppServerError
from tests.interop.codex import Codex, forget_state_database

pytestmark = pytest.mark.interop

UPDATE = "thread/metadata/update"


@attrs.frozen(kw_only=True)
class Pair:
    """One home that both work in.

    Attributes:
      threads: a stored thread of each history mode.
    """

    codex: Codex
    memoryd: Memoryd
    threads: Mapping[str, str]
    work: Path

    def real(self, method: str, **params: Any) -> dict[str, Any]:
        """What a fresh real app-server answers."""
        with self.codex.app_server(self.work) as server:
            server.initialize()
            return dict(server.request(method, params))

    def real_after_rebuild(self, thread: str) -> dict[str, Any]:
        """The thread as the real binary reads it from the files alone."""
        forget_state_database(self.codex.home)
        return dict(self.real("thread/read", threadId=thread)["thread"])


@pytest.fixture
def pair(codex_program: Path, tmp_path: Path) -> Iterator[Pair]:
    """A home in which the real binary has made a thread of each history mode."""
    with fake_model_server() as model:
        codex = Codex.settle(codex_program, tmp_path, model.url)
        work = tmp_path / "work"
        work.mkdir()
        threads = {}
        with codex.app_server(work) as server:
            server.initialize()
            for mode in ("legacy", "paginated"):
                threads[mode] = _thread(server, mode, model.script(f"hello {mode}", Say("Done.")), work)
        memoryd = Memoryd(codex_home=codex.home, state_dir=tmp_path / "state", person=codex.person)
        memoryd.once("--only", "backfill")
        yield Pair(codex=codex, memoryd=memoryd, threads=threads, work=work)


def _thread(server: AppServer, mode: str, prompt: str, work: Path) -> str:
    started = server.request("thread/start", {"cwd": str(work), "historyMode": mode})
    thread = str(started["thread"]["id"])
    server.turn(thread, {"type": "text", "text": prompt})
    return thread


def test_edits_of_a_legacy_thread_are_in_its_file_for_the_real_binary(pair: Pair) -> None:
    thread = pair.threads["legacy"]
    with serving(pair.memoryd) as served:
        ours = served.ask(UPDATE, threadId=thread, gitInfo={"branch": "dev", "sha": "abc"})["thread"]
        served.ask("thread/memoryMode/set", threadId=thread, mode="disabled")

    theirs = pair.real_after_rebuild(thread)

    compared = ("gitInfo", "preview", "createdAt", "updatedAt", "cwd", "source", "cliVersion", "historyMode", "path")
    assert {name: theirs[name] for name in compared} == {name: ours[name] for name in compared}
    assert theirs["gitInfo"] == {"sha": "abc", "branch": "dev", "originUrl": None}
    with serving(pair.memoryd) as served:
        served.ask(UPDATE, threadId=thread, gitInfo={"branch": None, "sha": None})
    assert pair.real_after_rebuild(thread)["gitInfo"] is None


def test_line_of_an_edit_is_the_one_that_the_real_binary_writes(pair: Pair) -> None:
    thread = pair.threads["legacy"]
    (path,) = pair.codex.home.glob(f"sessions/**/*{thread}.jsonl")
    pair.real(UPDATE, threadId=thread, gitInfo={"branch": "dev"})
    with serving(pair.memoryd) as served:
        served.ask(UPDATE, threadId=thread, gitInfo={"branch": "dev"})

    theirs, ours = path.read_bytes().splitlines()[-2:]
    behind_the_stamp = len(b'{"timestamp":"2026-11-20T10:00:00.456Z"')
    assert ours[behind_the_stamp:] == theirs[behind_the_stamp:]


@pytest.mark.parametrize("mode", ["legacy", "paginated"])
def test_name_and_place_are_followed_by_the_real_binary(pair: Pair, mode: str) -> None:
    thread = pair.threads[mode]
    before = pair.real("thread/read", threadId=thread)["thread"]
    with serving(pair.memoryd) as served:
        assert served.ask("thread/name/set", threadId=thread, name="The login") == {}
        assert served.ask("thread/archive", threadId=thread) == {}

    archived = pair.real_after_rebuild(thread)
    assert "/archived_sessions/" in archived["path"]
    # A rebuilt index of the real binary has the names of legacy threads alone.
    assert archived["name"] == ("The login" if mode == "legacy" else None)
    with pytest.raises(AppServerError, match="is archived"):
        pair.real("thread/resume", threadId=thread)
    listed = pair.real("thread/list", archived=True)["data"]
    assert [one["id"] for one in listed] == [thread]

    with serving(pair.memoryd) as served:
        ours = served.ask("thread/unarchive", threadId=thread)["thread"]
    assert ours["path"] == before["path"]
    forget_state_database(pair.codex.home)
    resumed = pair.real("thread/resume", threadId=thread)["thread"]
    assert (resumed["path"], resumed["preview"]) == (before["path"], before["preview"])
    assert len(resumed["turns"]) == 1


def test_deleted_thread_is_gone_for_the_real_binary(pair: Pair) -> None:
    thread = pair.threads["paginated"]
    with serving(pair.memoryd) as served:
        served.ask("thread/name/set", threadId=thread, name="The login")
        assert served.ask("thread/delete", threadId=thread) == {}
    forget_state_database(pair.codex.home)
    with pytest.raises(AppServerError, match="thread not loaded"):
        pair.real("thread/read", threadId=thread)
    assert thread not in (pair.codex.home / "session_index.jsonl").read_text()


def test_each_respects_the_other_s_writer(pair: Pair) -> None:
    thread = pair.threads["legacy"]
    with pair.codex.app_server(pair.work) as server, serving(pair.memoryd) as served:
        server.initialize()
        server.request("thread/resume", {"threadId": thread})
        busy = f"thread {thread} already has an active writer"
        assert _refusal(served, UPDATE, threadId=thread, gitInfo={"sha": "x"}).endswith(busy)
        assert _refusal(served, "thread/archive", threadId=thread) == busy
        assert _refusal(served, "thread/delete", threadId=thread) == busy
        assert "error" not in served.ask("thread/name/set", threadId=thread, name="names need no writer")
    with serving(pair.memoryd) as served:
        assert "error" not in served.ask(UPDATE, threadId=thread, gitInfo={"sha": "x"})


def _refusal(served: ServeProcess, method: str, **params: Any) -> str:
    return str(served.ask(method, **params)["error"]["message"])
