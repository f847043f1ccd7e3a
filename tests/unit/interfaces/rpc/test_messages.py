"""A line is a request, a notification, or nothing, as the app-server takes it; what answers is one line each."""

import json

import pytest

from interfaces.rpc.messages import DEPTH_MAX, Call, NoMessageError, Notice, answer, notification, parse, refusal


def test_request_and_notification_are_told_apart_by_the_id() -> None:
    assert parse(b'{"id":1,"method":"m","params":{}}') == Call(id=1, method="m", params={})
    assert parse(b'{"method":"m"}') == Notice(method="m", params=None)


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":1,"method":"a","method":"m"}',
        b'{"id":1,"id":1,"method":"m"}',
        b'{"id":1,"method":"m","params":{},"params":{}}',
        b'{"id":1,"method":"m","trace":5}',
        b'{"id":1,"method":"m","trace":{"traceparent":5}}',
        b'{"id":1e2,"method":"m"}',
        b'{"id":1,"method":"m","x":"y","id":' + b"9" * 5_000 + b"}",
    ],
)
def test_line_that_says_something_twice_or_traces_badly_is_none(line: bytes) -> None:
    with pytest.raises(NoMessageError):
        parse(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":1,"method":"m","params":{"id":1,"method":"id","params":"params"}}',
        b'{"id":1,"method":"m","params":{"x":1,"x":2}}',
        b'{"id":1,"method":"m","x":1,"x":2}',
        b'{"id":1,"method":"m","trace":{"traceparent":"00","tracestate":null}}',
        b'{"id":1,"method":"m","trace":[]}',
        b'{"id":1,"method":"m","params":{"x":1e999}}',
    ],
)
def test_what_is_said_twice_elsewhere_does_no_harm(line: bytes) -> None:
    assert isinstance(parse(line), Call)


def test_line_may_be_nested_so_deeply_and_no_deeper() -> None:
    def nested(deep: int) -> bytes:
        return b'{"id":1,"method":"m","params":' + b"[" * deep + b"]" * deep + b"}"

    assert isinstance(parse(nested(DEPTH_MAX - 1)), Call)
    with pytest.raises(NoMessageError):
        parse(nested(DEPTH_MAX))


def test_an_answer_is_one_line_without_blanks() -> None:
    line = answer(7, {"name": "two\nlines \u2028 \u00e9", "turns": [], "cwd": None})
    assert line == '{"id":7,"result":{"name":"two\\nlines \u2028 \u00e9","turns":[],"cwd":null}}\n'.encode()


def test_half_of_a_surrogate_pair_becomes_a_question_mark_and_the_rest_stays() -> None:
    for line in (
        answer("a", "x\ud800y\u00e9"),
        notification("m", "x\ud800y\u00e9", 5),
        refusal(1, -1, "x\ud800y\u00e9"),
    ):
        assert line.count(b"\n") == 1
        assert "x?y\u00e9" in json.dumps(json.loads(line), ensure_ascii=False)
