"""Events are found in a stream whatever its chunks are, and nothing in it makes the process grow."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.models.turns.events import EVENT_BYTES_MAX, EventStream, TooLongError

EVENTS: list[dict[str, Any]] = [{"type": "a", "text": "h\u00e9 \U0001f600"}, {"type": "b"}, {"type": "c", "n": 3}]
STREAM = b"".join(
    f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode() for event in EVENTS
)


@given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=8))
def test_events_are_the_same_however_the_stream_is_cut(cuts: list[int]) -> None:
    stream = EventStream()
    edges = [0, *sorted(cuts), len(STREAM)]

    found = [event for start, end in itertools.pairwise(edges) for event in stream.feed(STREAM[start:end])]

    assert found == EVENTS


@pytest.mark.parametrize(
    "text", [b"data: no json\n\n", b"data: [1]\n\n", b": remark\n\n", b"data: " + b"[" * 99_999 + b"\n\n", b"\n\n\n"]
)
def test_what_is_no_event_is_passed_over(text: bytes) -> None:
    assert EventStream().feed(text + b'data: {"type": "x"}\r\n\r\n') == [{"type": "x"}]


def test_data_of_several_lines_is_one_event() -> None:
    assert EventStream().feed(b'data: {"type":\ndata: "x"}\n\n') == [{"type": "x"}]


def test_event_without_an_end_is_given_up() -> None:
    stream = EventStream()
    stream.feed(b"x" * EVENT_BYTES_MAX)

    with pytest.raises(TooLongError):
        stream.feed(b"x")
