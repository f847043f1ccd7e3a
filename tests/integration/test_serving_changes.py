"""Changing stored threads through a real `memoryd serve`, which may be killed at any moment, and beside the command."""

import json
import time
from typing import Any

import pytest

from state.rollouts import read_thread_names
from tests.fakes.codex_home import CodexHome, RolloutFile
from tests.fakes.command import Memoryd
from tests.fakes.readings import thread_id
from tests.fakes.serve_process import program_at, serving, serving_at

ONE = thread_id(1)
UPDATE = "thread/metadata/update"


@pytest.fixture
def rollout(home: CodexHome) -> RolloutFile:
    """A session of one message."""
    rollout = home.session(thread_id=ONE, git={"branch": "main"})
    rollout.user("fix the login")
    return rollout


def files(home: CodexHome) -> list[str]:
    return sorted(str(path.relative_to(home.path)) for path in home.path.rglob(f"rollout-*{ONE}.jsonl*"))


def test_change_by_one_door_is_seen_by_the_others(home: CodexHome, rollout: RolloutFile, memoryd: Memoryd) -> None:
    memoryd.once("--only", "backfill")
    with serving(memoryd) as served:
        updated = served.ask(UPDATE, threadId=ONE, gitInfo={"branch": "dev", "sha": "abc"})["thread"]
        assert updated["gitInfo"] == {"sha": "abc", "branch": "dev", "originUrl": None}
        shown = memoryd.ask("threads", "show", ONE)
        assert (shown["git_branch"], shown["git_sha"]) == ("dev", "abc")

        by_command = memoryd.ask("threads", "update", ONE, "--no-sha", "--name", " The login ")["thread"]
        assert (by_command["git_sha"], by_command["git_branch"], by_command["name"]) == (None, "dev", "The login")
        read = served.ask("thread/read", threadId=ONE)["thread"]
        assert read["gitInfo"] == {"sha": None, "branch": "dev", "originUrl": None}
        assert read["name"] == "The login"

        assert memoryd.ask("threads", "archive", ONE)["archived"] == [ONE]
        assert served.ask("thread/archive", threadId=ONE)["error"]["message"] == f"no rollout found for thread id {ONE}"
        assert served.ask("thread/unarchive", threadId=ONE)["thread"]["path"] == str(rollout.path)
        assert served.ask("thread/delete", threadId=ONE) == {}
    assert memoryd("threads", "show", ONE).code == 1
    assert files(home) == []


def test_cleared_branch_survives_the_loss_of_the_database_and_a_listing(
    home: CodexHome, rollout: RolloutFile, memoryd: Memoryd
) -> None:
    with serving(memoryd) as served:
        assert served.ask(UPDATE, threadId=ONE, gitInfo={"branch": None})["thread"]["gitInfo"] is None
    for path in memoryd.state_dir.glob("state.sqlite*"):
        path.unlink()
    memoryd.once("--only", "backfill")
    (listed,) = memoryd.threads("--search", "login")
    assert listed["git_branch"] is None


def test_what_a_client_does_is_told_to_all_clients(home: CodexHome, rollout: RolloutFile, memoryd: Memoryd) -> None:
    memoryd.once("--only", "backfill")
    path = memoryd.state_dir / "socket"
    with serving_at(memoryd, path), program_at(path) as one, program_at(path) as two:
        assert one.ask("thread/name/set", threadId=ONE, name="n") == {}
        assert two.ask("thread/archive", threadId=ONE) == {}
        told = [
            ("thread/name/updated", {"threadId": ONE, "threadName": "n"}),
            ("thread/archived", {"threadId": ONE}),
        ]
        assert one.heard(2) == told
        assert two.heard(2) == told


CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    (UPDATE, {"gitInfo": {"branch": "dev"}}),
    ("thread/name/set", {"name": "n"}),
    ("thread/archive", {}),
    ("thread/delete", {}),
)


@pytest.mark.parametrize(("method", "params"), CHANGES)
def test_kill_in_the_middle_leaves_a_whole_thread_or_none(
    home: CodexHome, rollout: RolloutFile, memoryd: Memoryd, method: str, params: dict[str, Any]
) -> None:
    whole = rollout.path.read_bytes()
    memoryd.once("--only", "backfill")
    for pause in (0.0, 0.002, 0.01):
        with serving(memoryd) as served:
            served.send(method, threadId=ONE, **params)
            time.sleep(pause)
            served.kill()

        memoryd.once("--only", "backfill")
        rows = memoryd.threads() + memoryd.threads("--archived")
        name = read_thread_names(home.path).get(ONE)
        if not rows:
            assert method == "thread/delete"
            assert (files(home), name) == ([], None)
            return
        (row,) = rows
        (path,) = files(home)
        assert row["rollout_path"] == str(home.path / path)
        assert row["archived"] is path.startswith("archived_sessions/")
        assert row["name"] == (name.name if name is not None else None)
        text = (home.path / path).read_bytes()
        assert text.startswith(whole)
        metas = [json.loads(line)["payload"]["git"]["branch"] for line in text[len(whole) :].splitlines()]
        assert row["git_branch"] == (metas[-1] if metas else "main")
        assert row["preview"] == "fix the login"
    with serving(memoryd) as served:
        answer = served.ask(method, threadId=ONE, **params)
        assert "error" not in answer or method == "thread/archive"
