"""thread/metadata/update: the baseline's seven tests, retold against both servers, and what is added to them."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.fakes.command import ROOT
from tests.fakes.model_server import Say, fake_model_server
from tests.interop.app_server.client import AppServer
from tests.interop.app_server.pair import NO_MODEL_URL, Program, Side, settle_pair
from tests.interop.app_server.stored import Stored, thread_id
from tests.interop.codex import state_database

pytestmark = pytest.mark.interop

GIT = {"commit_hash": "abc123", "branch": "feature/x", "repository_url": "git@example.com:shop/till.git"}
BRANCH = {"sha": None, "branch": "feature/new", "originUrl": None}
UPDATE = "thread/metadata/update"

MISSING_ROW = Stored(number=1, minute=0, text="Stored thread preview")
"""From 2025-01-05T12:00:00Z, as the baseline has it: createdAt is 1736078400."""

LOADED = Stored(number=2, minute=1230, text="Loaded thread preview")
"""From 2025-01-06T08:30:00Z: createdAt is 1736152200."""

ARCHIVED = Stored(number=3, minute=0, text="Archived thread preview", is_archived=True)
WITH_GIT = Stored(number=4, minute=0, text="Thread with git", meta={"git": GIT})


@attrs.frozen
class Place:
    """One side with its own home, before a server runs there."""

    side: Side

    @property
    def home(self) -> Path:
        """The Codex home."""
        return self.side.home

    @contextmanager
    def serving(self) -> Iterator["Asked"]:
        """A running server."""
        with self.side.serving() as server:
            yield Asked(server)

    def delete_row(self, thread: str) -> int:
        """Delete a thread's row behind the server's back; the number of rows that were there."""
        found = self.side.state / "state.sqlite"
        path = state_database(self.home) if self.side.program is Program.CODEX else found
        with closing(sqlite3.connect(path, timeout=30)) as database, database:
            return database.execute("DELETE FROM threads WHERE id = ?", (thread,)).rowcount


@attrs.frozen
class Asked:
    """A running server, asked about one thread."""

    server: AppServer

    def update(self, thread: str, **git: str | None) -> dict[str, Any]:
        """Patch, and the thread as it is then; thread/read must say the same of its git info and status."""
        updated: dict[str, Any] = self.server.request(UPDATE, {"threadId": thread, "gitInfo": git})["thread"]
        seen = self.read(thread)
        assert (seen["gitInfo"], seen["status"]) == (updated["gitInfo"], updated["status"])
        return updated

    def read(self, thread: str) -> dict[str, Any]:
        """The thread."""
        found: dict[str, Any] = self.server.request("thread/read", {"threadId": thread})["thread"]
        return found

    def refusal(self, thread: str, git: Any) -> str:
        """The words in which a patch is refused."""
        answer = self.server.ask(UPDATE, {"threadId": thread, "gitInfo": git})
        assert answer["error"]["code"] == -32600
        message: str = answer["error"]["message"]
        return message

    def listed(self, **filters: Any) -> dict[str, dict[str, Any]]:
        """The listing, by id."""
        found = self.server.request("thread/list", {"modelProviders": [], **filters})
        return {thread["id"]: thread for thread in found["data"]}


@pytest.fixture(params=Program)
def place(request: pytest.FixtureRequest, codex_program: Path, tmp_path: Path) -> Place:
    """An empty home of each program in turn."""
    return _place(request.param, codex_program, tmp_path)


@pytest.fixture
def ours(codex_program: Path, tmp_path: Path) -> Place:
    """An empty home of memoryd, for what only memoryd promises."""
    return _place(Program.MEMORYD, codex_program, tmp_path)


def _nothing(home: Path) -> None:
    """Leaves a home empty."""


def _place(program: Program, binary: Path, root: Path, model_url: str = NO_MODEL_URL) -> Place:
    pair = settle_pair(binary, root, _nothing, model_url=model_url)
    return Place(pair.codex if program is Program.CODEX else pair.memoryd)


def test_a_thread_that_was_just_started_is_patched_and_stays_idle(place: Place) -> None:
    with place.serving() as asked:
        started = asked.server.request("thread/start", {"model": "mock-model"})["thread"]
        updated = asked.update(started["id"], branch="feature/new")

        assert updated["id"] == started["id"]
        assert updated["gitInfo"] == BRANCH
        assert updated["status"] == {"type": "idle"}


def test_an_empty_patch_is_refused(place: Place) -> None:
    with place.serving() as asked:
        started = asked.server.request("thread/start", {"model": "mock-model"})["thread"]

        assert asked.refusal(started["id"], {}) == "gitInfo must include at least one field"


def test_a_missing_row_is_made_from_the_file(place: Place) -> None:
    with place.serving() as asked:
        asked.listed()
        MISSING_ROW.write(place.home)
        updated = asked.update(MISSING_ROW.id, branch="feature/new")

        assert updated["preview"] == MISSING_ROW.text
        assert updated["createdAt"] == 1_736_078_400
        assert updated["gitInfo"] == BRANCH


def test_a_row_is_made_before_the_backfill_was_there(place: Place) -> None:
    """Codex's own start waits for its backfill, so there it comes afterwards; what must hold is the same."""
    MISSING_ROW.write(place.home)
    with place.serving() as asked:
        updated = asked.update(MISSING_ROW.id, branch="feature/new")

        assert updated["preview"] == MISSING_ROW.text
        assert updated["gitInfo"] == BRANCH


def test_the_deleted_row_of_a_loaded_thread_comes_back_from_its_file(place: Place) -> None:
    LOADED.write(place.home)
    with place.serving() as asked:
        asked.server.request("thread/resume", {"threadId": LOADED.id})
        assert place.delete_row(LOADED.id) == 1
        updated = asked.update(LOADED.id, branch="feature/new")

        assert updated["preview"] == LOADED.text
        assert updated["createdAt"] == 1_736_152_200
        assert updated["gitInfo"] == BRANCH
        assert updated["status"] == {"type": "idle"}


def test_an_archived_thread_is_patched_and_stays_archived(place: Place) -> None:
    ARCHIVED.write(place.home)
    with place.serving() as asked:
        updated = asked.update(ARCHIVED.id, branch="feature/new")

        assert updated["preview"] == ARCHIVED.text
        assert updated["createdAt"] == 1_736_078_400
        assert updated["gitInfo"] == BRANCH
        assert ARCHIVED.id in asked.listed(archived=True)
        assert ARCHIVED.id not in asked.listed()
    assert ARCHIVED.path(place.home).exists()


def test_a_patch_of_nulls_clears(place: Place) -> None:
    WITH_GIT.write(place.home)
    with place.serving() as asked:
        before = asked.read(WITH_GIT.id)["gitInfo"]

        assert before == {"sha": "abc123", "branch": "feature/x", "originUrl": GIT["repository_url"]}
        assert asked.update(WITH_GIT.id, sha=None, branch=None, originUrl=None)["gitInfo"] is None


def test_cleared_stays_cleared_when_the_index_is_built_again(place: Place) -> None:
    WITH_GIT.write(place.home)
    with place.serving() as asked:
        asked.update(WITH_GIT.id, sha=None, branch=None, originUrl=None)
    place.side.forget_index()
    with place.serving() as asked:
        asked.listed()
        assert asked.read(WITH_GIT.id)["gitInfo"] is None


def test_cleared_stays_cleared_through_listings(ours: Place) -> None:
    """Codex's listings show what the file's first line says where its database says nothing."""
    WITH_GIT.write(ours.home)
    with ours.serving() as asked:
        asked.update(WITH_GIT.id, sha=None, branch=None, originUrl=None)
        for filters in ({}, {"searchTerm": "git"}, {"cwd": "/"}, {"sortKey": "updated_at"}, {"sourceKinds": ["cli"]}):
            assert asked.listed(**filters)[WITH_GIT.id]["gitInfo"] is None
        assert asked.read(WITH_GIT.id)["gitInfo"] is None


@pytest.mark.parametrize("blank", ["", " ", "\t\n "])
def test_a_blank_value_is_refused_and_changes_nothing(place: Place, blank: str) -> None:
    path = WITH_GIT.write(place.home)
    before = path.read_bytes()
    with place.serving() as asked:
        for member in ("sha", "branch", "originUrl"):
            assert asked.refusal(WITH_GIT.id, {member: blank}) == f"gitInfo.{member} must not be empty"
        assert asked.read(WITH_GIT.id)["gitInfo"]["branch"] == "feature/x"
    assert path.read_bytes() == before


def test_an_unknown_thread_is_refused(place: Place) -> None:
    with place.serving() as asked:
        unknown = thread_id(0xFFF)

        assert asked.refusal(unknown, {"branch": "x"}) == f"no rollout found for thread id {unknown}"


@pytest.mark.parametrize("is_paginated", [False, True])
def test_two_patches_at_once_of_different_members_both_survive(place: Place, is_paginated: bool) -> None:
    thread = Stored(number=5, minute=0, text="Patched at once", is_paginated=is_paginated)
    thread.write(place.home)
    with place.serving() as asked:
        for number, git in enumerate(({"branch": "one"}, {"sha": "two"}, {"originUrl": "three"})):
            params = {"threadId": thread.id, "gitInfo": git}
            asked.server.send({"id": f"patch {number}", "method": UPDATE, "params": params})
        found = asked.read(thread.id)["gitInfo"]
        assert found is None or isinstance(found, dict)
        asked.server.request("thread/list", {})
        answers = {message["id"]: message for message in asked.server.take_kept() if "id" in message}

        assert len(answers) == 3
        assert all("result" in message for message in answers.values())
        assert asked.read(thread.id)["gitInfo"] == {"sha": "two", "branch": "one", "originUrl": "three"}
    place.side.forget_index()
    if place.side.program is Program.MEMORYD:  # Codex loses the edits of paginated threads
        with place.serving() as asked:
            asked.listed()
            assert asked.read(thread.id)["gitInfo"] == {"sha": "two", "branch": "one", "originUrl": "three"}


def test_a_patch_while_another_process_scans_neither_fails_nor_is_undone(ours: Place) -> None:
    with ours.serving():
        pass  # so that the store is there
    for number in range(200):
        Stored(number=0x100 + number, minute=number, text=f"Number {number}").write(ours.home)
    WITH_GIT.write(ours.home)
    with _scanning(ours) as scanner, ours.serving() as asked:
        assert asked.update(WITH_GIT.id, branch="while scanning")["gitInfo"]["branch"] == "while scanning"
        scanner.kill()
        scanner.wait()
        assert len(asked.listed(limit=100)) == 100
        assert asked.read(WITH_GIT.id)["gitInfo"]["branch"] == "while scanning"
        assert asked.listed(searchTerm="git")[WITH_GIT.id]["gitInfo"]["branch"] == "while scanning"


@contextmanager
def _scanning(place: Place) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has the right to scan and does nothing with it."""
    command = [sys.executable, "-m", "tests.fakes.other_process", "hold", str(place.side.state), str(place.home)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            json.loads(process.stdout.readline())
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("history_mode", ["legacy", "paginated"])
@pytest.mark.parametrize("program", Program)
def test_a_patch_while_a_turn_runs_survives_the_turn(
    program: Program, history_mode: str, codex_program: Path, tmp_path: Path
) -> None:
    with fake_model_server() as model:
        place = _place(program, codex_program, tmp_path, model.url)
        prompt = model.script("Think about it", Say("I have thought.", delay_seconds=0.7))
        with place.serving() as asked:
            start = {"historyMode": history_mode, "cwd": str(place.side.work)}
            thread = asked.server.request("thread/start", start)["thread"]["id"]
            said = [{"type": "text", "text": prompt}]
            asked.server.request("turn/start", {"threadId": thread, "input": said})
            asked.server.wait_for("turn/started", {"threadId": thread})
            during = asked.server.request(UPDATE, {"threadId": thread, "gitInfo": {"branch": "meanwhile"}})["thread"]
            asked.server.wait_for("turn/completed", {"threadId": thread})
            after = asked.read(thread)

            assert during["gitInfo"]["branch"] == after["gitInfo"]["branch"] == "meanwhile"
            assert during["status"]["type"] == "active"
            assert after["status"] == {"type": "idle"}
            assert after["preview"] == prompt
        with place.serving() as asked:
            assert asked.read(thread)["gitInfo"]["branch"] == "meanwhile"


def test_many_clients_patches_of_one_thread_leave_whole_lines(ours: Place) -> None:
    """Each patch appends one line to a legacy rollout; none is torn or lost."""
    path = WITH_GIT.write(ours.home)
    lines = path.read_bytes().count(b"\n")
    with ours.serving() as asked:
        for number in range(20):
            params = {"threadId": WITH_GIT.id, "gitInfo": {"branch": f"number {number}"}}
            asked.server.send({"id": f"patch {number}", "method": UPDATE, "params": params})
        assert asked.read(WITH_GIT.id)["gitInfo"]["branch"] == "number 19"
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") == lines + 20
    branches = [json.loads(line)["payload"]["git"]["branch"] for line in text.splitlines()[lines:]]
    assert branches == [f"number {number}" for number in range(20)]
