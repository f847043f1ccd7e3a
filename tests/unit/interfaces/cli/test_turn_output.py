"""What a turn prints, and which of its notifications end it."""

import json
from typing import Any

import pytest

from interfaces.cli.turn_output import PRINTED, UNANSWERABLE, TurnError, TurnOutput

IDS = {"threadId": "t", "turnId": "u"}
STARTED = ("turn/started", {"threadId": "t", "turn": {"id": "u", "status": "inProgress"}})


def completed(status: str, error: dict[str, Any] | None = None) -> tuple[str, Any]:
    return "turn/completed", {"threadId": "t", "turn": {"id": "u", "status": status, "error": error}}


def printed(*notifications: tuple[str, Any]) -> tuple[list[Any], bool]:
    lines: list[bytes] = []
    output = TurnOutput(lines.append)
    for method, params in notifications:
        output.take(method, params)
    return [json.loads(line) for line in lines], output.is_complete


@pytest.mark.parametrize("method", sorted(PRINTED))
def test_notification_about_an_item_is_one_line(method: str) -> None:
    params = {**IDS, "itemId": "i", "delta": "a\nb \u2028 \U0001f600"}

    assert printed(STARTED, (method, params), completed("completed")) == ([{"method": method, "params": params}], True)


def test_everything_else_prints_nothing() -> None:
    others = [
        ("thread/status/changed", {"status": {"type": "active"}}),
        ("thread/tokenUsage/updated", IDS),
        ("warning", {"message": "x"}),
        ("error", {"willRetry": True, "error": {"message": "again"}}),
        ("something/new", {"what": 1}),
    ]

    assert printed(STARTED, *others, completed("completed")) == ([], True)


def test_item_before_the_turn_has_started_fails_the_run() -> None:
    with pytest.raises(TurnError, match="mapped notification arrived before turn started"):
        printed(("item/started", IDS))


@pytest.mark.parametrize(
    ("notification", "reason"),
    [
        (("error", {"willRetry": False, "error": {"message": "no key"}}), "no key"),
        (completed("interrupted"), "turn aborted"),
        (completed("failed", {"message": "it broke"}), "it broke"),
        (completed("failed"), "turn failed"),
        *((((method), IDS), reason) for method, reason in UNANSWERABLE.items()),
    ],
)
def test_turn_that_does_not_end_well_fails_the_run_with_its_reason(notification: tuple[str, Any], reason: str) -> None:
    with pytest.raises(TurnError, match=f"^{reason}$"):
        printed(STARTED, notification)


def test_line_that_cannot_be_printed_fails_the_run() -> None:
    def closed(_data: bytes) -> None:
        raise BrokenPipeError

    output = TurnOutput(closed)
    output.take(*STARTED)

    with pytest.raises(BrokenPipeError):
        output.take("item/started", IDS)
