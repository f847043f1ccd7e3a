"""A cursor names a place among rows, in both directions, without losing one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interfaces.rpc import cursors
from interfaces.rpc.errors import RpcError
from state.ids import ThreadId
from state.messages.threads import ThreadAnchor, ThreadDirection

ID = ThreadId("01a00000-0000-7000-8000-000000000012")
BOTH = st.sampled_from(ThreadDirection)
TIMES_MS = st.integers(min_value=0, max_value=4_102_444_800_000)


@given(TIMES_MS, BOTH)
def test_a_cursor_behind_a_row_names_that_row(at_ms: int, direction: ThreadDirection) -> None:
    anchor = ThreadAnchor(at_ms=at_ms, id=ID)
    assert cursors.parse(cursors.behind(anchor), direction) == anchor


@given(TIMES_MS, BOTH)
def test_turning_round_begins_with_the_row_that_the_page_began_with(at_ms: int, direction: ThreadDirection) -> None:
    is_back = direction is ThreadDirection.DESCENDING
    other = ThreadDirection.ASCENDING if is_back else ThreadDirection.DESCENDING
    anchor = cursors.parse(cursors.backwards(ThreadAnchor(at_ms=at_ms, id=ID), direction), other)
    row, place = (at_ms, ID), (anchor.at_ms, anchor.id)
    assert row > place if other is ThreadDirection.ASCENDING else row < place


def test_times_are_written_as_the_original_writes_them() -> None:
    at_ms = 1_736_079_120_000
    assert cursors.behind(ThreadAnchor(at_ms=at_ms, id=ID)) == f"2025-01-05T12:12:00Z|{ID}"
    assert cursors.backwards(ThreadAnchor(at_ms=at_ms, id=ID), ThreadDirection.DESCENDING) == "2025-01-05T12:11:59.999Z"
    assert cursors.backwards(ThreadAnchor(at_ms=at_ms, id=ID), ThreadDirection.ASCENDING) == "2025-01-05T12:12:00.001Z"


@pytest.mark.parametrize(
    "text", ["2025-01-05T12:12:00Z", "2025-01-05T12-12-00", "2025-01-05T13:12:00+01:00", "2025-01-05T12:12:00.000Z"]
)
def test_a_cursor_of_a_time_alone_is_beside_every_row_of_that_time(text: str) -> None:
    back = cursors.parse(text, ThreadDirection.DESCENDING)
    assert (back.at_ms, ID) > (back.at_ms, back.id)  # not behind it, when going back
    forward = cursors.parse(text, ThreadDirection.ASCENDING)
    assert (forward.at_ms, ID) < (forward.at_ms, forward.id)
    assert back.at_ms == forward.at_ms == 1_736_079_120_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "2025-01-05",
        "2025-01-05T12:00:60Z",
        "2025-01-05T12:12:00Z|zzz",
        "2025-01-05T12:12:00Z|",
        "|" + ID,
    ],
)
def test_what_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(RpcError, match="invalid cursor: "):
        cursors.parse(text, ThreadDirection.DESCENDING)
