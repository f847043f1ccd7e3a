"""Threads that memoryd recorded are the real binary's own: it lists, reads and resumes them, and goes on in them.

What it then adds is memoryd's again: either program goes on where the other one stopped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from state.ids import ThreadId
from tests.fakes.command import Memoryd
from tests.fakes.model_server import FakeModelServer, Say, fake_model_server
from tests.interop.app_server import AppServer
from tests.interop.codex import Codex

pytestmark = pytest.mark.interop

MODES = ("legacy", "paginated")

HELLO, AGAIN, THIRD, ASIDE = "Hello from memoryd", "And now Codex", "Back in memoryd", "Said in the fork"


def _text(said: str) -> dict[str, object]:
    return {"type": "text", "text": said}


def _scripted(model: FakeModelServer) -> None:
    for said in (HELLO, AGAIN, THIRD, ASIDE):
        model.script(said, Say(f"Answer to: {said}"))


@contextmanager
def _memoryd(codex: Codex, state_dir: Path) -> Iterator[AppServer]:
    memoryd = Memoryd(codex_home=codex.home, state_dir=state_dir, person=codex.person)
    with memoryd.serving_stdio() as process:
        server = AppServer(process)
        try:
            server.initialize()
            yield server
        finally:
            server.close()


def _said(thread: dict[str, Any]) -> list[str]:
    """Who said what in a thread, by its turns."""
    said = []
    for turn in thread["turns"]:
        for item in turn["items"]:
            if item["type"] == "userMessage":
                said.append("".join(part.get("text", "") for part in item["content"]))
            elif item["type"] == "agentMessage":
                said.append(item["text"])
    return said


def _both(*said: str) -> list[str]:
    return [text for one in said for text in (one, f"Answer to: {one}")]


def _begin(server: AppServer, mode: str, work: Path) -> str:
    started = server.request("thread/start", {"cwd": str(work), "historyMode": mode})
    thread_id: str = started["thread"]["id"]
    server.turn(thread_id, _text(HELLO))
    return thread_id


@pytest.mark.parametrize("mode", MODES)
def test_real_binary_lists_reads_and_goes_on_in_a_thread_of_ours_and_we_in_its(
    codex_program: Path, tmp_path: Path, mode: str
) -> None:
    with fake_model_server() as model:
        _scripted(model)
        codex = Codex.settle(codex_program, tmp_path, model.url)
        state_dir = tmp_path / "state"
        with _memoryd(codex, state_dir) as ours:
            thread_id = _begin(ours, mode, tmp_path)
        with codex.app_server(tmp_path) as theirs:
            theirs.initialize()
            listed = theirs.request("thread/list", {"sourceKinds": ["vscode"]})["data"]
            # It reads the turns of a paginated history only once it has resumed the thread; those of its own, too.
            resumed = theirs.request("thread/resume", {"threadId": thread_id})["thread"]
            read = theirs.request("thread/read", {"threadId": thread_id, "includeTurns": True})["thread"]
            theirs.turn(thread_id, _text(AGAIN))

        assert [(one["id"], one["preview"]) for one in listed] == [(thread_id, HELLO)]
        assert (read["historyMode"], read["source"], read["modelProvider"]) == (mode, "vscode", "loopback")
        assert _said(read) == _said(resumed) == _both(HELLO)
        assert [turn["status"] for turn in read["turns"]] == ["completed"]

        with _memoryd(codex, state_dir) as ours:
            back = ours.request("thread/resume", {"threadId": thread_id})["thread"]
            ours.turn(thread_id, _text(THIRD))

        assert _said(back) == _both(HELLO, AGAIN)
        asked = [item for item in model.requests[-1]["input"] if item.get("role") in ("user", "assistant")]
        texts = ["".join(part.get("text", "") for part in item["content"]) for item in asked]
        assert [text for text in texts if text in _both(HELLO, AGAIN, THIRD)] == [*_both(HELLO, AGAIN), THIRD]


@pytest.mark.parametrize("mode", MODES)
def test_codex_exec_goes_on_in_a_thread_of_ours_and_we_after_it(codex_program: Path, tmp_path: Path, mode: str) -> None:
    with fake_model_server() as model:
        _scripted(model)
        codex = Codex.settle(codex_program, tmp_path, model.url)
        state_dir = tmp_path / "state"
        with _memoryd(codex, state_dir) as ours:
            thread_id = _begin(ours, mode, tmp_path)
        codex.resume(ThreadId(thread_id), AGAIN, tmp_path)

        asked = [item for item in model.requests[-1]["input"] if item.get("role") in ("user", "assistant")]
        texts = ["".join(part.get("text", "") for part in item["content"]) for item in asked]
        assert [text for text in texts if text in _both(HELLO, AGAIN)] == [*_both(HELLO), AGAIN]
        with _memoryd(codex, state_dir) as ours:
            back = ours.request("thread/resume", {"threadId": thread_id})["thread"]
            ours.turn(thread_id, _text(THIRD))
            read = ours.request("thread/read", {"threadId": thread_id, "includeTurns": True})["thread"]

    assert _said(back) == _both(HELLO, AGAIN)
    assert _said(read) == _both(HELLO, AGAIN, THIRD)
    assert [turn["status"] for turn in read["turns"]] == ["completed"] * 3
    files = [path.name for path in codex.home.glob("sessions/**/rollout-*")]
    assert len(files) == 1, "nobody began another thread"


@pytest.mark.parametrize("mode", MODES)
def test_real_binary_reads_a_fork_of_ours_with_what_it_forked(codex_program: Path, tmp_path: Path, mode: str) -> None:
    with fake_model_server() as model:
        _scripted(model)
        codex = Codex.settle(codex_program, tmp_path, model.url)
        with _memoryd(codex, tmp_path / "state") as ours:
            thread_id = _begin(ours, mode, tmp_path)
            fork_id = ours.request("thread/fork", {"threadId": thread_id})["thread"]["id"]
            ours.turn(fork_id, _text(ASIDE))
        with codex.app_server(tmp_path) as theirs:
            theirs.initialize()
            # The source first: it shows a fork's older turns only once it knows them, in its own forks, too.
            source = theirs.request("thread/resume", {"threadId": thread_id})["thread"]
            fork = theirs.request("thread/resume", {"threadId": fork_id})["thread"]

        assert fork["forkedFromId"] == thread_id
        assert _said(fork) == _both(HELLO, ASIDE)
        assert _said(source) == _both(HELLO)
