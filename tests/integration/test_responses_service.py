"""A model's call that is stopped, killed or refused in the middle of the service: the connection, the job, the cost."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd, wait_for_event
from tests.fakes.model_answers import Stream, memory
from tests.fakes.model_server import FakeModelServer, Hang, Refuse, fake_model_server

WISH = "Please add a login page to the shop. Always use pnpm instead of npm in this project."
GOOD = Stream(text=memory(2))


@pytest.fixture
def model() -> Iterator[FakeModelServer]:
    """The model's server."""
    with fake_model_server() as server:
        yield server


def _settings(model: FakeModelServer) -> tuple[str, ...]:
    return (
        *("--set", "extraction.model=responses", "--set", f"responses.base_url={model.url}"),
        *("--set", "extraction.min_rollout_idle_hours=0", "--set", "backfill.rescan_seconds=0.1"),
    )


def _job(memoryd: Memoryd) -> dict[str, object]:
    (job,) = memoryd.ask("jobs", "list", "--kind", "extraction")["jobs"]
    assert isinstance(job, dict)
    return job


def _wait_until(holds: Callable[[], bool], seconds_max: float = 20) -> None:
    give_up_at = time.monotonic() + seconds_max
    while not holds():
        assert time.monotonic() < give_up_at, "it never came true"
        time.sleep(0.05)


@pytest.mark.parametrize("command", ["once", "run"])
def test_stopping_closes_the_connection_and_gives_the_job_back(
    home: CodexHome, memoryd: Memoryd, model: FakeModelServer, command: str
) -> None:
    home.session().user(WISH)
    model.remember(Hang())
    with memoryd.running(command, *_settings(model)) as process:
        assert model.asked.wait(20)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)

    assert model.hung_up.wait(5)
    assert process.returncode == (0 if command == "run" else 130)
    assert _job(memoryd).items() >= {"status": "pending", "attempts": 1, "given_back": 1, "reason": None}.items()


def test_a_killed_call_is_done_once_more_and_ends_right(
    home: CodexHome, memoryd: Memoryd, model: FakeModelServer
) -> None:
    home.session().user(WISH)
    model.remember(Hang())
    with memoryd.running("run", *_settings(model)) as process:
        assert model.asked.wait(20)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    model.remember(GOOD)
    answer = memoryd.ask("once", *_settings(model))

    assert answer["extraction"]["succeeded"] == 1
    assert len(model.requests) == 2
    assert _job(memoryd).items() >= {"status": "succeeded", "attempts": 0, "model_calls": 1}.items()
    assert "pnpm" in (memoryd.state_dir / "memories" / "memory_summary.md").read_text()


def test_the_service_pauses_while_the_model_is_not_available_and_says_it_once(
    home: CodexHome, memoryd: Memoryd, model: FakeModelServer
) -> None:
    for _ in range(4):
        home.session().user(WISH)
    model.remember(Refuse(401))
    with memoryd.running("run", *_settings(model)) as process:
        entry = wait_for_event(process, "extraction pauses")
        time.sleep(1)  # an endless loop would show in what is asked and said
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)

    assert "answered 401" in entry["reason"]
    assert entry["seconds"] == 30
    assert "check the key" in entry["hint"]
    assert len(model.requests) <= 2, "one for each slot"
    assert "extraction pauses" not in log
    jobs = memoryd.ask("jobs", "list", "--kind", "extraction")["jobs"]
    assert all(job["attempts"] == job["given_back"] for job in jobs)
    assert {job["status"] for job in jobs} == {"retry", "pending"}


def test_a_start_claims_two_sessions_where_they_cost_money(
    home: CodexHome, memoryd: Memoryd, model: FakeModelServer
) -> None:
    for _ in range(4):
        home.session().user(WISH)
    model.remember(GOOD)
    with memoryd.running("run", *_settings(model)) as process:
        _wait_until(lambda: len(model.requests) == 2)
        _wait_until(lambda: _statuses(memoryd) == ["pending"] * 2 + ["succeeded"] * 2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)

    assert len(model.requests) == 2


def _statuses(memoryd: Memoryd) -> list[str]:
    return sorted(job["status"] for job in memoryd.ask("jobs", "list", "--kind", "extraction")["jobs"])


def test_the_sdk_is_not_imported_before_it_is_needed(memoryd: Memoryd) -> None:
    program = (
        "import json, sys, supervisor, interfaces.cli.app, workers.extraction, workers.models.choose\n"
        "from config import Settings\n"
        "import workers.models.responses\n"
        "workers.models.responses.ResponsesProvider(Settings().responses, None)\n"
        "print(json.dumps(sorted({'openai', 'httpx2', 'pydantic'} & set(sys.modules))))"
    )
    command = [memoryd.arguments()[0], "-c", program]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60, cwd=_root(memoryd), env=memoryd.environment()
    )

    assert json.loads(ended.stdout) == []


def _root(memoryd: Memoryd) -> str:
    return memoryd.arguments()[1].rpartition("/")[0]
