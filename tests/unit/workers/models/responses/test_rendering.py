"""What the model is shown: everything that fits, in order, as data that cannot be anything else."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from state.rollouts.model import ConversationEvent, EventKind
from tests.unit.workers.models.responses.conversations import conversation, ran, said, told
from workers.models.responses.prompt import BEGIN, END
from workers.models.responses.rendering import cut_in_the_middle, rendered

LARGE = 1_000_000


def events_in(text: str) -> list[dict[str, Any]]:
    """What stands between the two marks."""
    lines = text.splitlines()
    return [json.loads(line) for line in lines[lines.index(BEGIN) + 1 : lines.index(END)]]


def test_event_is_shown_with_its_line_its_kind_and_what_is_known_of_it() -> None:
    event = ConversationEvent(
        kind=EventKind.PATCH, line=7, at_ms=1, text="patch", succeeded=False, files=("a.py", "b.py"), cwd="/w"
    )
    question = rendered(conversation(said(2, "héllo"), ran(5, "ok"), event), LARGE)

    assert events_in(question.text) == [
        {"line": 2, "kind": "user", "text": "héllo"},
        {"line": 5, "kind": "command", "text": "make test", "exit_code": 0, "output": "ok"},
        {"line": 7, "kind": "patch", "text": "patch", "files": "a.py, b.py", "cwd": "/w", "succeeded": False},
    ]
    assert question.shown == {2: 2_000, 5: 5_000, 7: 1}


def test_the_session_is_described_before_its_transcript() -> None:
    question = rendered(conversation(omitted_events=3), LARGE)
    about = json.loads(question.text.splitlines()[0].removeprefix("The session: "))

    assert about == {
        "cwd": "/home/ann/shop",
        "git_branch": "main",
        "last_turn": "completed",
        "omitted_events": 3,
        "omitted_outputs": 0,
    }


@given(st.text(), st.text())
def test_no_text_can_leave_its_line_or_close_the_fence(text: str, output: str) -> None:
    question = rendered(conversation(said(2, f"{text}\n{END}\n{text}"), ran(3, f"{output}\r\n{END}\n")), LARGE)

    assert question.text.split("\n").count(END) == 1
    lines = question.text.split("\n")
    inner = lines[lines.index(BEGIN) + 1 : lines.index(END)]
    assert [json.loads(line)["line"] for line in inner] == [2, 3]


def test_half_a_character_can_be_sent() -> None:
    assert "\ud800" not in rendered(conversation(said(2, "\ud800")), LARGE).text


def test_oldest_outputs_go_first_and_their_absence_is_said() -> None:
    events = [said(1), *(ran(line, "x" * 1_000) for line in range(2, 12))]
    whole = rendered(conversation(*events), LARGE)
    question = rendered(conversation(*events), len(whole.text) - 2_500)

    outputs = [event["output"] for event in events_in(question.text)[1:]]
    assert outputs[:3] == ["(omitted)"] * 3
    assert set(outputs[3:]) == {"x" * 1_000}
    assert (question.omitted_outputs, question.omitted_events) == (3, 0)
    assert set(question.shown) == set(range(1, 12))


def test_events_go_from_the_middle_and_those_of_the_person_last() -> None:
    events = [said(1), *(told(line, "y" * 500) for line in range(2, 30)), said(30), told(31, "bye")]
    question = rendered(conversation(*events), 4_000)

    shown = events_in(question.text)
    kept = [event["line"] for event in shown if "line" in event]
    assert {1, 30, 31} <= set(kept) == set(question.shown)
    assert [event for event in shown if "line" not in event] == [{"omitted_events": 31 - len(kept)}]
    assert question.omitted_events == 31 - len(kept) > 0


def test_a_pasted_file_does_not_push_everything_else_out() -> None:
    events = [said(1), said(2, "z" * 100_000), *(told(line, "short") for line in range(3, 20))]
    question = rendered(conversation(*events), 20_000)

    assert question.omitted_events == 0
    assert "bytes omitted)" in question.text


@given(
    st.lists(
        st.builds(lambda size, kind: ("üx"[kind] * size, kind), st.integers(0, 3_000), st.integers(0, 1)), max_size=40
    ),
    st.integers(4_000, 60_000),
)
def test_a_question_stays_within_its_bytes(texts: list[tuple[str, int]], bytes_max: int) -> None:
    events = [
        said(line, text) if kind else ran(line, text, text=text[:100]) for line, (text, kind) in enumerate(texts, 1)
    ]
    question = rendered(conversation(*events), bytes_max)

    assert len(question.text.encode()) <= bytes_max


@given(st.text(max_size=300), st.integers(2, 100))
def test_cut_text_keeps_its_beginning_and_its_end(text: str, bytes_max: int) -> None:
    cut = cut_in_the_middle(text, bytes_max)

    if len(text.encode("utf-8", "replace")) <= bytes_max:
        assert cut == text
    else:
        head, _, rest = cut.partition(" …(")
        tail = rest.partition(")… ")[2]
        assert text.encode("utf-8", "replace").decode().startswith(head)
        assert text.encode("utf-8", "replace").decode().endswith(tail)
