"""What is over the bounds is given up in the order of what a memory can spare."""

import pytest

from state.rollouts.event_log import EVENT_CHARS, Draft, EventLog, Place
from state.rollouts.model import EventKind

TOOL, COMMAND, PATCH, ASSISTANT, USER = (
    EventKind.TOOL,
    EventKind.COMMAND,
    EventKind.PATCH,
    EventKind.ASSISTANT,
    EventKind.USER,
)


def _log(*drafts: tuple[EventKind, str, str], events_max: int = 100, chars_max: int = 1_000_000) -> EventLog:
    log = EventLog(events_max=events_max, chars_max=chars_max)
    for number, (kind, text, output) in enumerate(drafts, 1):
        log.add(Draft(kind=kind, place=Place(number, None), text=text, output=output, call_id=f"call-{number}"))
    return log


def _kept(log: EventLog) -> list[tuple[int, str]]:
    return [(event.line, event.output) for event in log.events()]


def test_within_the_bounds_everything_is_kept() -> None:
    log = _log((USER, "u", ""), (TOOL, "t", "out"), events_max=2, chars_max=2 * EVENT_CHARS + 5)

    assert _kept(log) == [(1, ""), (2, "out")]
    assert log.omitted == 0


def test_oldest_outputs_are_given_up_first() -> None:
    printed = "x" * 100
    drafts = [(COMMAND, "c", printed), (USER, "u", ""), (TOOL, "t", printed), (COMMAND, "c", printed)]
    log = _log(*drafts, chars_max=4 * EVENT_CHARS + 104)

    assert _kept(log) == [(1, ""), (2, ""), (3, ""), (4, printed)]
    assert log.omitted == 0


@pytest.mark.parametrize(
    ("events_max", "lines"),
    [(5, [1, 2, 3, 4, 5]), (4, [1, 2, 3, 5]), (3, [1, 2, 5]), (2, [1, 5]), (1, [1]), (0, [])],
)
def test_what_a_person_said_is_given_up_last(events_max: int, lines: list[int]) -> None:
    drafts = [(USER, "u", ""), (PATCH, "", ""), (COMMAND, "c", ""), (TOOL, "t", ""), (ASSISTANT, "a", "")]
    log = _log(*drafts, events_max=events_max)

    assert [line for line, _ in _kept(log)] == lines
    assert log.omitted == 5 - events_max


def test_of_one_kind_the_oldest_is_given_up_first() -> None:
    assert [line for line, _ in _kept(_log(*[(USER, "u", "")] * 5, events_max=2))] == [4, 5]


def test_texts_count_against_the_bound() -> None:
    log = _log((ASSISTANT, "a" * 500, ""), (USER, "u" * 500, ""), chars_max=EVENT_CHARS + 500)

    assert [line for line, _ in _kept(log)] == [2]


def test_log_never_holds_more_than_twice_its_bounds() -> None:
    log = EventLog(events_max=10, chars_max=10_000)
    for number in range(1_000):
        draft = Draft(kind=TOOL, place=Place(number, None), text="t", call_id=str(number))
        log.add(draft)
        draft.output = "x" * 3_000
        log.changed(draft)

        assert sum(log.of_call(str(other)) is not None for other in range(number + 1)) <= 20
    assert len(list(log.events())) == 10


def test_small_events_are_given_up_before_they_are_many() -> None:
    log = EventLog(events_max=10, chars_max=1_000_000)
    for number in range(21):
        log.add(Draft(kind=USER, place=Place(number, None), text="u", call_id=str(number)))

    assert [number for number in range(21) if log.of_call(str(number)) is not None] == list(range(11, 21))


def test_draft_that_was_given_up_has_no_call_any_more() -> None:
    log = _log((TOOL, "t", ""), (USER, "u", ""), events_max=1)
    draft = log.of_call("call-1")
    list(log.events())

    assert draft is not None
    assert not draft.is_kept
    assert log.of_call("call-1") is None
    assert log.of_call("call-2") is not None


def test_draft_that_was_given_up_is_not_counted_when_it_grows() -> None:
    log = EventLog(events_max=1, chars_max=1_000)
    given_up = Draft(kind=TOOL, place=Place(1, None), text="t")
    log.add(given_up)
    for number in (2, 3):
        log.add(Draft(kind=USER, place=Place(number, None), text="u"))
    given_up.output = "x" * 5_000
    log.changed(given_up)

    assert not given_up.is_kept
    assert [line for line, _ in _kept(log)] == [3]


def test_draft_that_grows_is_counted_anew() -> None:
    log = _log((TOOL, "t", ""), (USER, "u", ""), chars_max=2 * EVENT_CHARS + 10)
    draft = log.of_call("call-1")
    assert draft is not None
    draft.output = "x" * 9
    log.changed(draft)

    assert _kept(log) == [(1, ""), (2, "")]


def test_stand_ins_go_when_the_better_form_comes() -> None:
    log = EventLog(events_max=10, chars_max=10_000)
    for number, kind in enumerate([USER, ASSISTANT, USER], 1):
        log.add(Draft(kind=kind, place=Place(number, None), text="x", is_stand_in=number < 3))
    log.drop_stand_ins(USER)

    assert [line for line, _ in _kept(log)] == [2, 3]
    assert log.omitted == 0
