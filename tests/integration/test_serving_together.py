"""What a real `memoryd serve` does at the same time: one slow request, two edits, another process that scans."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from state.folder import StateFolder
from state.rollouts.writer_lock import WriterLock
from tests.fakes.codex_home import CodexHome, RolloutFile
from tests.fakes.command import Memoryd
from tests.fakes.model_server import Hang, fake_model_server
from tests.fakes.other_process import other_process
from tests.fakes.readings import thread_id
from tests.fakes.serve_process import SECONDS_MAX, Program, program_at, serving, serving_at

ONE, OTHER = thread_id(1), thread_id(2)
UPDATE = "thread/metadata/update"
ROUNDS = 5

CONFIG = """\
model = "mock-model"
model_provider = "loopback"

[model_providers.loopback]
name = "Loopback"
base_url = "{url}"
wire_api = "responses"
requires_openai_auth = false
"""


@pytest.fixture
def rollouts(home: CodexHome) -> list[RolloutFile]:
    """Two sessions of one message."""
    found = []
    for thread in (ONE, OTHER):
        found.append(home.session(thread_id=thread))
        found[-1].user("fix the login")
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "s"


def branch(program: Program, thread: str) -> Any:
    return program.ask("thread/read", threadId=thread)["thread"]["gitInfo"]


def test_request_that_waits_for_another_program_keeps_no_other_request_waiting(
    home: CodexHome, memoryd: Memoryd, rollouts: list[RolloutFile], place: Path
) -> None:
    with serving_at(memoryd, place), program_at(place) as ann, program_at(place) as bob:
        assert branch(ann, ONE) is None
        lock = WriterLock(home.path, ONE)
        try:
            slow = ann.send(UPDATE, threadId=ONE, gitInfo={"branch": "dev"})
            answered = [branch(program, OTHER) for program in (ann, bob) for _ in range(ROUNDS)]
            edited = ann.ask(UPDATE, threadId=OTHER, gitInfo={"branch": "other"})["thread"]["gitInfo"]
        finally:
            lock.release()
        after = ann.ask("thread/read", threadId=ONE)["thread"]["gitInfo"]

    assert slow
    assert answered == [None] * 2 * ROUNDS
    assert edited["branch"] == "other"
    assert after == {"sha": None, "branch": "dev", "originUrl": None}, "what came first was done first"


def test_turn_whose_model_says_nothing_keeps_no_request_waiting(
    home: CodexHome, memoryd: Memoryd, rollouts: list[RolloutFile]
) -> None:
    with fake_model_server() as model:
        (home.path / "config.toml").write_text(CONFIG.format(url=model.url))
        model.script("Hello", Hang())
        with serving(memoryd) as served:
            live = served.ask("thread/start")["thread"]["id"]
            turn = served.ask("turn/start", threadId=live, input=[{"type": "text", "text": "Hello"}])["turn"]["id"]
            assert model.asked.wait(SECONDS_MAX)
            read = served.ask("thread/read", threadId=live)["thread"]
            edited = served.ask(UPDATE, threadId=live, gitInfo={"branch": "dev"})["thread"]
            listed = served.ask("thread/list", modelProviders=[])["data"]
            assert served.ask("turn/interrupt", threadId=live, turnId=turn) == {}

    assert (read["status"]["type"], read["preview"]) == ("active", "Hello")
    assert edited["gitInfo"]["branch"] == "dev"
    assert {thread["id"] for thread in listed} == {live, ONE, OTHER}


def test_edits_of_different_fields_at_the_same_time_all_survive(
    home: CodexHome, memoryd: Memoryd, rollouts: list[RolloutFile], place: Path
) -> None:
    """Two clients of one service, and another service beside it."""
    with serving_at(memoryd, place), program_at(place) as ann, program_at(place) as bob, serving(memoryd) as other:
        programs = {"sha": ann, "branch": bob, "originUrl": other}

        def edit(field: str, number: int) -> None:
            answer = programs[field].ask(UPDATE, threadId=ONE, gitInfo={field: f"{field} {number}"})
            assert answer["thread"]["gitInfo"][field] == f"{field} {number}"

        for number in range(ROUNDS):
            edits = [threading.Thread(target=edit, args=(field, number)) for field in programs]
            for one in edits:
                one.start()
            for one in edits:
                one.join(SECONDS_MAX)
            expected = {field: f"{field} {number}" for field in programs}
            assert [branch(program, ONE) for program in programs.values()] == [expected] * 3
    lines = [json.loads(line) for line in rollouts[0].path.read_bytes().splitlines()]
    for path in memoryd.state_dir.glob("*"):
        if path.is_file():
            path.unlink()
    with serving(memoryd) as served:
        rebuilt = branch(served, ONE)

    assert lines[-1]["payload"]["git"] == {
        "commit_hash": expected["sha"],
        "branch": expected["branch"],
        "repository_url": expected["originUrl"],
    }
    assert rebuilt == expected, "the file alone says it, too"


def test_service_never_waits_for_another_process_that_scans(
    home: CodexHome, memoryd: Memoryd, rollouts: list[RolloutFile]
) -> None:
    memoryd.environment()
    with other_process("hold", StateFolder(path=memoryd.state_dir), str(memoryd.codex_home)) as other:
        other.word()
        with serving(memoryd) as served:
            read = served.ask("thread/read", threadId=ONE)["thread"]
            edited = served.ask(UPDATE, threadId=ONE, gitInfo={"branch": "dev"})["thread"]
            known = served.ask("thread/list", modelProviders=[], useStateDbOnly=True)["data"]

    assert read["preview"] == "fix the login"
    assert edited["gitInfo"] == {"sha": None, "branch": "dev", "originUrl": None}
    assert [thread["id"] for thread in known] == [ONE], "what was asked for is known; nobody has scanned the rest"
