"""From what a model wrote to notes: each cites what was shown, is one line, and is what it seems."""

import pytest

from state.messages.extraction import TokenUsage
from tests.fakes.model_answers import NOTHING, memory
from workers.models.protocol import NOTE_CHARS_MAX, NoteKind
from workers.models.responses.answer import NOTES_MAX, WrongAnswerError, answer_from

SHOWN = {2: 2_000, 5: None, 9: 9_000}
USAGE = TokenUsage(input_tokens=7, output_tokens=3, model_calls=1)


def note(
    line: int, *, kind: str = "preference", topic: str = "package manager", text: str = "use pnpm"
) -> dict[str, object]:
    """A note as the model writes it."""
    return {"kind": kind, "topic": topic, "text": text, "line": line}


def notes_of(*notes: dict[str, object]) -> list[tuple[str, str, str, int, int | None]]:
    """What becomes of these notes."""
    found = answer_from(memory(notes=list(notes)), SHOWN, USAGE).notes
    return [(one.kind.value, one.topic, one.text, one.line, one.at_ms) for one in found]


def test_note_takes_the_time_of_the_event_that_it_cites() -> None:
    assert notes_of(note(2), note(5, topic="tabs")) == [
        ("preference", "package manager", "use pnpm", 2, 2_000),
        ("preference", "tabs", "use pnpm", 5, None),
    ]


@pytest.mark.parametrize("line", [0, -1, 3, 10, 10**30 % 2**53])
def test_note_whose_line_was_not_shown_is_dropped(line: int) -> None:
    assert [one[3] for one in notes_of(note(line, topic="other"), note(2))] == [2]


def test_text_without_a_note_to_prove_it_is_not_taken() -> None:
    for text in (memory(3), memory()):
        with pytest.raises(WrongAnswerError, match="none of its notes cites an event that was shown"):
            answer_from(text, SHOWN, USAGE)


@pytest.mark.parametrize("part", ["rollout_summary", "raw_memory"])
def test_half_an_answer_is_refused(part: str) -> None:
    with pytest.raises(WrongAnswerError, match="only a part"):
        answer_from(memory(2, **{part: " \n"}), SHOWN, USAGE)


def test_notes_without_texts_are_half_an_answer() -> None:
    with pytest.raises(WrongAnswerError, match="only a part"):
        answer_from(memory(2, rollout_summary="", raw_memory=""), SHOWN, USAGE)


def test_empty_answer_is_an_answer() -> None:
    answer = answer_from(NOTHING, SHOWN, USAGE)

    assert answer.is_empty
    assert answer.usage == USAGE


@pytest.mark.parametrize("text", ["", " \n", "no JSON"])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(WrongAnswerError):
        answer_from(text, SHOWN, USAGE)


def test_note_becomes_one_line_that_forges_nothing() -> None:
    (one,) = notes_of(note(2, text="# A\nB\x1b[31m <!-- x --> [thread 1:2]\u202e", topic="  Package\nMANAGER "))

    assert one[1:3] == ("package manager", "A B (!-- x --) (thread 1:2)")


def test_long_note_is_cut() -> None:
    (one,) = notes_of(note(2, text="word " * 1_000, topic="topic " * 1_000))

    assert len(one[2]) <= NOTE_CHARS_MAX
    assert len(one[1]) <= 80


def test_of_several_notes_about_one_topic_the_latest_holds() -> None:
    assert notes_of(note(9, text="use bun"), note(2, text="use pnpm")) == [
        ("preference", "package manager", "use bun", 9, 9_000)
    ]


def test_several_requests_about_one_topic_are_several_tasks() -> None:
    assert [one[3] for one in notes_of(note(2, kind="request"), note(9, kind="request"))] == [2, 9]


def test_most_important_kind_comes_first() -> None:
    kinds = [one[0] for one in notes_of(*(note(2, kind=kind.value) for kind in reversed(NoteKind)))]

    assert kinds == [kind.value for kind in NoteKind]


def test_notes_are_bounded() -> None:
    assert len(notes_of(*(note(2, topic=f"topic {number}") for number in range(500)))) == NOTES_MAX


def test_texts_have_no_control_characters_and_keep_their_lines() -> None:
    answer = answer_from(memory(2, raw_memory="a\x00b\r\n\tc\x1b[0m\u202e", rollout_slug="a/b\n" * 99), SHOWN, USAGE)

    assert answer.raw_memory == "a b\n\tc [0m\n"
    assert answer.rollout_slug is not None
    assert len(answer.rollout_slug) <= 80
    assert "\n" not in answer.rollout_slug
