"""Which class of failure an answer of the server is, and what is said about it."""

import datetime
import email.utils
import random

import pytest

from config.responses import ResponsesSettings
from examples.fake_secrets import fake_secrets
from workers.models.protocol import ModelError, ModelPermanentError, ModelTransientError, ModelUnavailableError
from workers.models.responses.failures import RETRY_AFTER_MS_MAX, SAID_CHARS_MAX, Failures, Said, TooBigError
from workers.models.responses.failures import retry_after_ms as read_retry_after

KEY = "opaque-key-of-no-known-form"
FAILURES = Failures(ResponsesSettings(), KEY)
NOW_SECONDS = 1_800_000_000.0


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (Said(status=500), ModelTransientError),
        (Said(status=403), ModelTransientError),  # nobody says why: a firewall's word about this session
        (Said(status=408), ModelTransientError),
        (Said(status=400, message="no idea"), ModelTransientError),
        (Said(code="server_error"), ModelTransientError),
        (Said(), ModelTransientError),
        (Said(status=401), ModelUnavailableError),
        (Said(status=403, message="not for you"), ModelUnavailableError),
        (Said(status=429), ModelUnavailableError),
        (Said(status=429, code="rate_limit_exceeded"), ModelUnavailableError),
        (Said(status=503, message="overloaded"), ModelUnavailableError),
        (Said(status=402), ModelUnavailableError),
        (Said(status=404), ModelUnavailableError),
        (Said(status=308), ModelUnavailableError),
        (Said(status=429, code="insufficient_quota"), ModelUnavailableError),
        (Said(code="insufficient_quota"), ModelUnavailableError),
        (Said(status=400, code="model_not_found"), ModelUnavailableError),
        (Said(status=400, parameter="reasoning.effort", message="unsupported"), ModelUnavailableError),
        (Said(status=413), TooBigError),
        (Said(status=400, code="context_length_exceeded"), TooBigError),
        (Said(code="context_length_exceeded"), TooBigError),
        (Said(status=400, message="This model's maximum context length is 4096 tokens"), TooBigError),
        (Said(status=400, code="invalid_prompt"), ModelPermanentError),
        (Said(code="content_policy_violation"), ModelPermanentError),
        (Said(code="misalignment_policy_violation"), ModelPermanentError),
    ],
)
def test_class_of_what_the_server_said(said: Said, kind: type[ModelError]) -> None:
    assert type(FAILURES.of(said)) is kind


def test_what_cannot_work_until_somebody_does_something_comes_with_a_hint() -> None:
    for said in (
        Said(status=401),
        Said(status=402),
        Said(status=404),
        Said(status=308),
        Said(code="insufficient_quota"),
    ):
        assert FAILURES.of(said).hint


def test_reason_names_the_server_its_status_and_its_words() -> None:
    said = Said(status=429, code="rate_limit_exceeded", message="slow\n  down")

    assert str(FAILURES.of(said)) == "the model server api.openai.com answered 429: rate_limit_exceeded: slow down"


def test_no_secret_comes_back_with_the_servers_words() -> None:
    known = fake_secrets(random.Random(5)).model_api_key
    reason = str(FAILURES.of(Said(status=401, message=f"Incorrect API key provided: {KEY}, not {known}")))

    assert KEY not in reason
    assert known not in reason
    assert reason.count("[REDACTED_SECRET]") == 2


def test_servers_words_are_bounded_and_one_line() -> None:
    words = FAILURES.clean("a\x1b[31m\n" * 10_000)

    assert len(words) == SAID_CHARS_MAX
    assert words.isprintable()


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2_000),
        ({"retry-after": "0.5"}, 500),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "1e99"}, RETRY_AFTER_MS_MAX),
        ({"retry-after": "inf"}, RETRY_AFTER_MS_MAX),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 250),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9_000),
    ],
)
def test_wait_is_read_in_each_of_its_forms_and_bounded_to_a_day(headers: dict[str, str], wait_ms: int | None) -> None:
    assert read_retry_after(headers, lambda: NOW_SECONDS) == wait_ms


@pytest.mark.parametrize(("seconds", "wait_ms"), [(90, 90_000), (-90, 0), (10**7, RETRY_AFTER_MS_MAX)])
def test_wait_may_be_a_date(seconds: int, wait_ms: int) -> None:
    when = datetime.datetime.fromtimestamp(NOW_SECONDS + seconds, datetime.UTC)

    assert (
        read_retry_after({"retry-after": email.utils.format_datetime(when, usegmt=True)}, lambda: NOW_SECONDS)
        == wait_ms
    )
