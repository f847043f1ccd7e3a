"""`memoryd jobs show|retry|release|steal` as a person runs them, beside a process that holds the jobs."""

from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from state.folder import StateFolder
from tests.fakes.codex_home import CodexHome, RolloutFile
from tests.fakes.command import NOW, Memoryd
from tests.fakes.other_process import OtherProcess, other_process
from tests.fakes.readings import thread_id

WISH = "Always use pnpm instead of npm in this project."
SCOPE = "consolidation:cwd:/home/ann/shop"


@pytest.fixture
def rollout(home: CodexHome, memoryd: Memoryd) -> RolloutFile:
    """A session of the shop that is indexed, and not extracted."""
    rollout = home.session(thread_id=thread_id(1))
    rollout.user(WISH)
    memoryd.once("--only", "backfill")
    return rollout


@pytest.fixture
def owner(rollout: RolloutFile, memoryd: Memoryd) -> Iterator[OtherProcess]:
    """A process that holds the session's job and the shop's scope for an hour."""
    with other_process("claim", StateFolder(path=memoryd.state_dir), str(memoryd.codex_home)) as process:
        process.word()
        yield process


def refused(memoryd: Memoryd, code: str, *arguments: str, exit_code: int = 1) -> dict[str, Any]:
    """A command that must be refused with this code; its error."""
    ended = memoryd(*arguments, "--json")
    assert (ended.code, ended.json["error"]["code"]) == (exit_code, code), ended.stdout + ended.stderr
    error: dict[str, Any] = ended.json["error"]
    return error


def test_job_of_a_living_process_is_stolen_only_when_told_so(
    owner: OtherProcess, rollout: RolloutFile, memoryd: Memoryd
) -> None:
    for job_id in (f"extraction:{rollout.thread_id}", SCOPE):
        running = memoryd.ask("jobs", "show", job_id)
        assert (running["status"], running["reason"]) == ("running", None)
        owner_line = f"{running['owner']['worker']} of process {running['owner']['process']}\n"
        assert owner_line in memoryd("jobs", "show", job_id).stdout
        assert f"process {owner.pid}" in refused(memoryd, "job_held", "jobs", "retry", job_id)["message"]
        assert "steal" in refused(memoryd, "job_held", "jobs", "release", job_id)["hint"]
        assert "--yes" in refused(memoryd, "usage", "jobs", "steal", job_id, exit_code=2)["hint"]
        assert memoryd.ask("jobs", "show", job_id) | {"lease_left_ms": 0} == running | {"lease_left_ms": 0}

        stolen = memoryd.ask("jobs", "steal", job_id, "--yes")
        assert (stolen["outcome"], stolen["job_id"]) == ("stolen", job_id)
        assert stolen["owner"] == running["owner"]
        freed = memoryd.ask("jobs", "show", job_id)
        assert (freed["owner"], freed["lease_left_ms"]) == (None, None)
        refused(memoryd, "job_not_running", "jobs", "steal", job_id, "--yes")


def test_job_of_a_killed_process_is_released(owner: OtherProcess, rollout: RolloutFile, memoryd: Memoryd) -> None:
    owner.kill()

    for job_id in (f"extraction:{rollout.thread_id}", SCOPE):
        assert memoryd.ask("jobs", "release", job_id)["outcome"] == "released"
        assert memoryd.ask("jobs", "show", job_id)["owner"] is None
        refused(memoryd, "job_not_running", "jobs", "release", job_id)
    assert memoryd.once()["extraction"]["succeeded"] == 1


def test_session_that_waits_says_why_and_one_that_is_gone_can_be_tried_again(
    rollout: RolloutFile, memoryd: Memoryd
) -> None:
    job_id = f"extraction:{rollout.thread_id}"
    assert memoryd.ask("jobs", "show", job_id)["waits_because"] == "ready"
    assert memoryd("jobs", "show", job_id, "--set", "extraction.sources=exec").stdout.count("source cli is not chosen")
    assert "not idle long enough" in memoryd("jobs", "list", "--set", "extraction.min_rollout_idle_hours=8000").stdout
    rollout.path.rename(rollout.path.with_suffix(".away"))

    answer = memoryd.ask("once", *NOW, "--only", "extract")

    assert answer["extraction"]["retrying"] == 1
    assert answer["waiting"]["extractions"] == 1
    assert answer["waiting"]["next_attempt_at_ms"] is not None
    plain = memoryd("once", *NOW, "--only", "extract")
    assert "waiting       1 session failed before, to be tried again; the first in " in plain.stdout
    assert memoryd.ask("jobs", "show", job_id)["status"] == "retry"

    rollout.path.with_suffix(".away").rename(rollout.path)
    assert memoryd.ask("jobs", "retry", job_id) == {
        "outcome": "reopened", "job_id": job_id, "status_before": "retry"
    }  # fmt: skip
    assert memoryd.ask("once", *NOW, "--only", "extract")["extraction"]["succeeded"] == 1


def test_job_that_still_has_to_wait_says_so_when_it_is_reopened(home: CodexHome, memoryd: Memoryd) -> None:
    archived = home.session(archived=True)
    archived.user(WISH)
    memoryd.once("--only", "backfill")

    ended = memoryd("jobs", "retry", archived.thread_id)
    assert ended.stdout == f"extraction:{archived.thread_id} was pending and is done again, but not yet: archived\n"


def test_beginning_of_an_id_names_a_job(home: CodexHome, rollout: RolloutFile, memoryd: Memoryd) -> None:
    plain = memoryd("jobs", "retry", rollout.thread_id[:4])
    assert (plain.code, plain.stdout) == (0, f"extraction:{rollout.thread_id} was pending and is done again\n")

    other = home.session(thread_id=thread_id(2))
    other.user(WISH)
    memoryd.once("--only", "backfill")
    error = refused(memoryd, "not_found", "jobs", "retry", "extraction:0199")
    assert rollout.thread_id in error["hint"]
    assert other.thread_id in error["hint"]


@pytest.mark.parametrize("at_ms", [2**62, -(2**62)])
def test_job_with_a_time_that_no_calendar_has_is_shown_and_tried_again(
    rollout: RolloutFile, memoryd: Memoryd, at_ms: int
) -> None:
    job_id = f"extraction:{rollout.thread_id}"
    connection = apsw.Connection(str(memoryd.state_dir / "state.sqlite"))
    connection.execute(
        "UPDATE extraction_jobs SET started_at_ms = ?, finished_at_ms = ?, next_attempt_at_ms = ?", (at_ms,) * 3
    )
    connection.close()

    assert memoryd.ask("jobs", "show", job_id)["started_at"] == f"{at_ms} ms"
    assert [job["job_id"] for job in memoryd.ask("jobs", "list")["jobs"]] == [job_id]
    assert memoryd("jobs", "list").code == 0
    assert memoryd.ask("jobs", "retry", job_id)["outcome"] == "reopened"
    assert memoryd.ask("jobs", "show", job_id)["next_attempt_at"] is None


@pytest.mark.parametrize("command", [["retry"], ["release"], ["steal", "--yes"], ["show"]])
def test_what_is_not_there_is_said_with_one(memoryd: Memoryd, command: list[str], home: CodexHome) -> None:
    assert "memoryd once" in refused(memoryd, "not_found", "jobs", *command, "extraction:x")["hint"]
    assert not memoryd.state_dir.exists(), "a question makes no state"

    home.session().user(WISH)
    memoryd.once("--only", "backfill")
    assert "jobs list" in refused(memoryd, "not_found", "jobs", *command, "extraction:x")["hint"]


def test_command_that_finds_a_damaged_database_says_that_it_is_set_aside(
    rollout: RolloutFile, memoryd: Memoryd
) -> None:
    (memoryd.state_dir / "state.sqlite").write_bytes(b"garbage" * 1000)
    ended = memoryd("jobs", "retry", rollout.thread_id)

    assert ended.code != 0
    assert "damaged and is set aside in" in ended.stderr
