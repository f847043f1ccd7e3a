"""`memoryd once --model responses` beside a model's server that answers well, badly or not at all: what the job's row
says each time, what was asked, and that an earlier memory stays."""

import random
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from examples.fake_secrets import fake_secrets
from tests.fakes.codex_home import CodexHome, RolloutFile
from tests.fakes.command import Ended, Memoryd
from tests.fakes.model_answers import NOTHING, Stream, error_body, memory, prompt_of
from tests.fakes.model_server import FakeModelServer, Hang, Refuse, Step, fake_model_server

WISH = "Please add a login page to the shop. Always use pnpm instead of npm in this project."
KEY = fake_secrets(random.Random(7)).model_api_key
GOOD = Stream(text=memory(2))
SECONDS_MAX = "2"


@attrs.frozen
class Shop:
    """One session, the server that is asked about it, and the command."""

    memoryd: Memoryd
    model: FakeModelServer
    rollout: RolloutFile

    def run(self, *steps: Step, arguments: tuple[str, ...] = (), **environment: str) -> Ended:
        """`memoryd once` with a server that answers by these steps."""
        self.model.remember(*steps)
        return self.memoryd(*self.command("once"), *arguments, "--json", **environment)

    def command(self, name: str) -> tuple[str, ...]:
        """The command with the settings that lead to the server."""
        return (
            name,
            *("--set", "extraction.model=responses", "--set", "extraction.min_rollout_idle_hours=0"),
            *("--set", f"responses.base_url={self.model.url}", "--set", f"responses.call_seconds_max={SECONDS_MAX}"),
        )

    def job(self) -> dict[str, Any]:
        """The job's row, as a person sees it."""
        row: dict[str, Any] = self.memoryd.ask("jobs", "show", f"extraction:{self.rollout.thread_id}")
        return row

    def published(self) -> dict[str, str]:
        """Every published file."""
        root = self.memoryd.state_dir / "memories" / "scopes"
        return {str(path.relative_to(root)): path.read_text() for path in root.glob("*/**/*") if path.is_file()}


@pytest.fixture
def model() -> Iterator[FakeModelServer]:
    """The model's server."""
    with fake_model_server() as server:
        yield server


@pytest.fixture
def shop(home: CodexHome, memoryd: Memoryd, model: FakeModelServer) -> Shop:
    """A session in which something was wished."""
    rollout = home.session()
    rollout.user(WISH)
    rollout.assistant("Done.")
    rollout.completed()
    return Shop(memoryd, model, rollout)


def test_a_good_answer_becomes_a_cited_memory_and_its_cost_stands_in_the_row(shop: Shop) -> None:
    answer = shop.run(GOOD)

    assert answer.code == 0, answer.stderr
    cost = {"input_tokens": 1001, "cached_input_tokens": 10, "output_tokens": 50, "model_calls": 1}
    assert answer.json["extraction"]["succeeded"] == 1
    assert answer.json["extraction"]["tokens"] == cost
    assert shop.job().items() >= {"status": "succeeded", "attempts": 0, "reason": None, **cost}.items()
    assert shop.memoryd.ask("status")["extraction"]["tokens"] == cost
    (memory_file,) = (text for name, text in shop.published().items() if name.endswith("MEMORY.md"))
    assert f"pnpm instead of npm [{shop.rollout.thread_id}:2]" in memory_file
    (row,) = shop.memoryd.ask("memories", "show", shop.rollout.thread_id)["memories"]
    assert row["extractor"] == "responses:gpt-5.4-mini:1"


def test_what_is_asked_is_a_stored_nowhere_streamed_strict_schema_without_a_secret(shop: Shop) -> None:
    secrets = fake_secrets(random.Random(3))
    shop.rollout.user(f"The key is {secrets.model_api_key} and export DATABASE_PASSWORD={secrets.database_password}")
    answer = shop.run(GOOD, OPENAI_API_KEY=KEY)

    (request,), (headers,) = shop.model.requests, shop.model.headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert request["store"] is False
    assert request["stream"] is True
    assert request["model"] == "gpt-5.4-mini"
    assert request["reasoning"] == {"effort": "low"}
    assert request["text"]["format"]["strict"] is True
    assert request["max_output_tokens"] == 16_000
    assert WISH in prompt_of(request)
    for secret in (*secrets.all(), KEY):
        assert secret not in str(request)
    _assert_nowhere(KEY, shop, answer)


def _assert_nowhere(secret: str, shop: Shop, *answers: Ended) -> None:
    for answer in answers:
        assert secret not in answer.stdout + answer.stderr
    for path in shop.memoryd.state_dir.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


@attrs.frozen(kw_only=True)
class Trouble:
    """What the server does, and what the row then says. requests: how often it was asked."""

    steps: tuple[Step, ...]
    status: str = "retry"
    reason: str
    requests: int = 1
    code: int = 0
    given_back: int = 0
    input_tokens: int = 0


TROUBLES = {
    "429": Trouble(
        steps=(Refuse(429, {"retry-after": "0.1"}),), requests=3, reason="answered 429", code=1, given_back=1
    ),
    "500": Trouble(steps=(Refuse(500, {"retry-after": "0.1"}),), requests=3, reason="answered 500"),
    "cut": Trouble(steps=(Stream(text=memory(2), ending="none"),), reason="ended before the answer was completed"),
    "wrong JSON": Trouble(steps=(Stream(text='{"notes": ['),), reason="gave a wrong answer", input_tokens=1),
    "no text": Trouble(steps=(Stream(text=""),), reason="gave a wrong answer: it is empty", input_tokens=1),
    "silence": Trouble(steps=(Hang(),), reason="did not finish within 2 s"),
    "refusal": Trouble(
        steps=(Stream(refusal="I cannot help with that"),),
        status="dead",
        reason="declined to answer: I cannot help with that",
        input_tokens=1,
    ),
    "refused key": Trouble(steps=(Refuse(401),), reason="answered 401", code=1, given_back=1),
    "too big": Trouble(
        steps=(Refuse(400, body=error_body("context_length_exceeded", "too much")),),
        status="dead",
        reason="the session is too big for the model, even cut to",
        requests=5,
    ),
}
"""One of each kind; `tests/unit/workers/models/responses/test_provider.py` has the rest of them."""


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_trouble_stands_in_the_row_and_the_earlier_memory_stays(shop: Shop, trouble: Trouble) -> None:
    shop.run(GOOD)
    published, before = shop.published(), shop.job()
    shop.rollout.user("And now something else altogether, please.")
    asked = len(shop.model.requests)
    answer = shop.run(*trouble.steps, OPENAI_API_KEY=KEY)

    assert answer.code == trouble.code, answer.stderr
    assert len(shop.model.requests) - asked == trouble.requests
    job = shop.job()
    assert (job["status"], job["attempts"], job["given_back"]) == (trouble.status, 1, trouble.given_back)
    assert trouble.reason in job["reason"]
    assert (job["next_attempt_at"] is None) is (trouble.status == "dead")
    assert job["model_calls"] == before["model_calls"] + trouble.requests
    assert (job["input_tokens"] > before["input_tokens"]) is bool(trouble.input_tokens)
    assert shop.published() == published != {}
    assert "pnpm" in shop.memoryd.ask("memories", "show", shop.rollout.thread_id)["memories"][0]["raw_memory"]
    assert "Traceback" not in answer.stderr
    _assert_nowhere(KEY, shop, answer)


def test_a_slow_answer_is_a_good_answer(shop: Shop) -> None:
    answer = shop.run(attrs.evolve(GOOD, delay_seconds=0.3, gap_seconds=0.02))

    assert answer.json["extraction"]["succeeded"] == 1
    assert shop.job()["model_calls"] == 1


@pytest.mark.parametrize("refusal", [Refuse(429, {"retry-after-ms": "50"}), Refuse(503, {"retry-after": "0.1"})])
def test_a_refused_request_is_sent_again_within_the_call(shop: Shop, refusal: Refuse) -> None:
    answer = shop.run(refusal, refusal, GOOD)

    assert answer.json["extraction"]["succeeded"] == 1
    assert shop.job().items() >= {"status": "succeeded", "model_calls": 3}.items()


@pytest.mark.parametrize(("retry_after", "seconds"), [("100", 100), ("7200", 7200), ("9999999", 86_400)])
def test_a_wait_that_is_longer_than_the_call_is_the_jobs_wait(shop: Shop, retry_after: str, seconds: int) -> None:
    shop.run(Refuse(429, {"retry-after": retry_after}, error_body("rate_limit_exceeded", "slow down")))

    job = shop.job()
    assert len(shop.model.requests) == 1
    assert job["reason"].endswith("answered 429: rate_limit_exceeded: slow down")
    assert _seconds_between(job["finished_at"], job["next_attempt_at"]) == seconds


def _seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_nothing_to_remember_is_an_answer_and_deletes_nothing(shop: Shop) -> None:
    shop.run(GOOD)
    published = shop.published()
    shop.rollout.user("Thanks!")
    answer = shop.run(Stream(text=NOTHING))

    assert answer.json["extraction"]["unchanged"] == 1
    assert shop.job()["status"] == "succeeded"
    assert shop.published() == published


def test_nothing_to_remember_from_the_start_is_an_empty_job(shop: Shop) -> None:
    assert shop.run(Stream(text=NOTHING)).json["extraction"]["empty"] == 1
    assert shop.job()["status"] == "empty"


def test_a_session_that_is_too_big_is_asked_again_with_less_of_it(shop: Shop) -> None:
    for _ in range(40):
        shop.rollout.command("make test", output="x" * 3_000)
    too_big = Refuse(400, body=error_body("context_length_exceeded", "too much"))
    answer = shop.run(too_big, too_big, GOOD)

    assert answer.json["extraction"]["succeeded"] == 1
    sizes = [len(prompt_of(request)) for request in shop.model.requests]
    assert sizes[1] <= sizes[0] // 2
    assert sizes[2] <= sizes[1] // 2
    assert all(WISH in prompt_of(request) for request in shop.model.requests)
    assert '"omitted_outputs":0' in prompt_of(shop.model.requests[0])
    assert '"output":"(omitted)"' in prompt_of(shop.model.requests[2])


def test_an_unavailable_model_stops_the_run_with_one_sentence_and_a_hint(home: CodexHome, shop: Shop) -> None:
    for _ in range(5):
        home.session().user(WISH)
    answer = shop.run(Refuse(401), arguments=("--set", "extraction.max_rollouts_per_startup=100"))

    assert answer.code == 1
    said = [line for line in answer.stderr.splitlines() if "401" in line]
    assert len(said) == 1
    assert said[0].startswith("memoryd: the model server 127.0.0.1:")
    assert "hint: check the key in the environment variable OPENAI_API_KEY" in answer.stderr
    assert answer.json["extraction"]["stopped_because"] in said[0]
    assert len(shop.model.requests) <= 2, "one for each slot"
    assert answer.json["extraction"]["failed"] == 0


def test_a_server_that_is_not_there_costs_no_attempt(shop: Shop) -> None:
    answer = shop.run(arguments=("--set", "responses.base_url=http://127.0.0.1:9/v1"))

    assert answer.code == 1
    assert "127.0.0.1:9 cannot be reached" in answer.stderr
    assert shop.job().items() >= {"status": "retry", "attempts": 1, "given_back": 1}.items()


@pytest.mark.parametrize("command", ["once", "run"])
def test_without_a_key_nothing_is_begun(shop: Shop, command: str) -> None:
    answer = shop.memoryd(command, "--set", "extraction.model=responses", "--json")

    assert answer.code == 2
    assert answer.json["error"]["message"] == "the model server api.openai.com needs a key, and none is set"
    assert "OPENAI_API_KEY" in answer.json["error"]["hint"]
    assert shop.memoryd.ask("status")["indexed"] is False


def test_only_what_asks_a_model_needs_a_key(shop: Shop) -> None:
    answer = shop.memoryd("once", "--set", "extraction.model=responses", "--only", "backfill", "--json")

    assert answer.code == 0
    assert answer.json["backfill"]["indexed"] == 1


def _readable_by_all(path: Path) -> None:
    path.chmod(0o644)


def _empty(path: Path) -> None:
    path.write_text("\n")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


def _missing(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("spoil", "message", "hint"),
    [
        (_readable_by_all, "can be used by other users (its mode is 0644)", "run chmod 600 "),
        (_empty, "is empty", "it must hold the key and nothing else"),
        (_folder, "is not a regular file", "name a file"),
        (_missing, "cannot be read: No such file or directory", ""),
    ],
)
def test_a_key_file_that_may_not_be_used_is_refused_and_nothing_is_lost(
    shop: Shop, tmp_path: Path, spoil: Callable[[Path], None], message: str, hint: str
) -> None:
    shop.run(GOOD)
    published = shop.published()
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    spoil(path)
    shop.rollout.user("And now something else altogether, please.")
    answer = shop.run(GOOD, arguments=("--set", f"responses.api_key_file={path}"))

    assert answer.code == 2
    assert answer.json["error"]["message"] == f"responses.api_key_file: {path} {message}"
    assert answer.json["error"]["hint"].startswith(hint)
    assert KEY not in answer.stdout + answer.stderr
    assert shop.published() == published
    assert len(shop.model.requests) == 1


def test_a_key_file_that_only_its_owner_reads_is_used(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    answer = shop.run(GOOD, arguments=("--set", f"responses.api_key_file={path}"), OPENAI_API_KEY="another")

    assert answer.json["extraction"]["succeeded"] == 1
    assert shop.model.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "url", ["ftp://example.com/v1", "example.com/v1", "http://", "https://ann:hunter2@example.com"]
)
def test_a_base_url_that_is_not_one_is_refused_before_anything_is_done(shop: Shop, url: str) -> None:
    answer = shop.run(arguments=("--set", f"responses.base_url={url}"))

    assert answer.code == 2
    assert answer.json["error"]["message"].startswith("responses.base_url must be a URL like https://api.openai.com/v1")
    assert "hunter2" not in answer.stdout + answer.stderr
    assert shop.memoryd.ask("status")["indexed"] is False
