"""The built-in model holds for any conversation: it answers, always the same, and what it says is small and true."""

import re
import unicodedata

import attrs
from hypothesis import example, given
from hypothesis import strategies as st

from state.ids import ThreadId
from state.rollouts.model import Conversation, ConversationEvent, EventKind
from workers.models.builtin.listening import WISHES_OF_A_KIND_MAX
from workers.models.builtin.provider import NOTHING, remember
from workers.models.protocol import NOTE_CHARS_MAX, NoteKind

WISH_KINDS = (NoteKind.PROHIBITION, NoteKind.PREFERENCE, NoteKind.CORRECTION)

PHRASES = st.sampled_from(
    [
        *("Never push to main.", "Always use tabs.", "don't use mocks", "from now on answer in German", "use 4 spaces"),
        *(
            "no, the port is 8081",
            "That's wrong.",
            "actually",
            "I prefer",
            "instead of",
            "please",
            "never mind",
            "why?",
        ),
        *(
            "Fix the login page",
            "Rename it to bar",
            "and once more",
            "thanks",
            "hello",
            "记住",
            "今後は",
            "niemals",
            "jamais",
        ),
        *(
            "```",
            "\n```\n",
            "> ",
            "- ",
            "# ",
            "---\n",
            "## Thread `x`\n",
            "<!--",
            "-->",
            "[thread 1]",
            "</skill>",
            "<skill>\n",
        ),
        *(
            "\n",
            "\n\n",
            " ",
            ", ",
            "; ",
            '"',
            "'",
            "`",
            "\u202e",
            "\u2028",
            "\x00",
            "\x1b[31m",
            "\ud800",
            "é",
            "e\u0301",
            "👩\u200d💻",
        ),
        *(
            "Traceback (most recent call last):\n",
            "ValueError: x",
            "error: ",
            "diff --git a b\n",
            "AGENTS.md",
            "x" * 500,
        ),
    ]
)
TEXTS = st.lists(PHRASES | st.text(st.characters(), max_size=5), max_size=10).map("".join)
COMMANDS = st.sampled_from(
    [
        *("pytest", "pytest -q", "uv run pytest", "pip install -e .", "npm test", "npm ci", "cd x && npm test", "make"),
        *("rm -rf x", "git push --force", "ls", "grep x", "bash -lc 'make'", "cat <<EOF\nx\nEOF"),
        *("'", "| |", "a\nb", "", "`x`", "--"),
    ]
)
PATHS = TEXTS | st.sampled_from(["a.py", "/w/a.py", "/w/../x", "/", "", "./b"])


@st.composite
def events(draw: st.DrawFn) -> ConversationEvent:
    """Any event, with a line number of its own to come."""
    kind = draw(st.sampled_from(EventKind))
    return ConversationEvent(
        kind=kind,
        line=0,
        at_ms=draw(st.none() | st.integers(0, 2**41)),
        text=draw(COMMANDS | TEXTS if kind is EventKind.COMMAND else TEXTS),
        output=draw(TEXTS) if kind in (EventKind.COMMAND, EventKind.TOOL) else "",
        exit_code=draw(st.sampled_from([None, 0, 1, 2, 127, 130])) if kind is EventKind.COMMAND else None,
        succeeded=draw(st.sampled_from([None, True, False])),
        files=tuple(draw(st.lists(PATHS, max_size=3))) if kind is EventKind.PATCH else (),
    )


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    """Any conversation, its events on growing lines."""
    told = draw(st.lists(events(), max_size=12))
    return Conversation(
        thread_id=ThreadId("01a1fbcb-8829-7350-bc90-0671ab3070ad"),
        cwd=draw(PATHS),
        git_branch=draw(st.none() | TEXTS),
        events=tuple(attrs.evolve(event, line=3 * number + 1) for number, event in enumerate(told)),
        ended=draw(st.sampled_from(["completed", "aborted", "failed", "open"])),
        input_digest="0" * 32,
        omitted_events=0,
    )


TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")


def shown(text: str) -> set[str]:
    """The words of a text, folded, to see whether one text was made from another."""
    text = TERMINAL_SEQUENCE.sub("", text)  # a colour is no part of a word
    visible = "".join(character for character in text if unicodedata.category(character) not in ("Cf", "Cs"))
    return set(re.findall(r"\w+", unicodedata.normalize("NFC", visible).casefold()))


@given(conversations())
def test_same_conversation_gives_the_same_answer(conversation: Conversation) -> None:
    assert remember(conversation) == remember(attrs.evolve(conversation))


@given(conversations())
def test_answer_is_empty_or_whole(conversation: Conversation) -> None:
    answer = remember(conversation)

    if answer.notes:
        assert answer.rollout_summary.splitlines()[0].startswith("# ")
        assert answer.raw_memory.startswith("---\ndescription: ")
    else:
        assert answer == NOTHING


@given(conversations())
def test_each_note_is_one_printable_line_within_its_limit(conversation: Conversation) -> None:
    for note in remember(conversation).notes:
        assert note.text
        assert note.topic
        assert len(note.text) <= NOTE_CHARS_MAX
        assert note.text.splitlines() == [note.text.strip()]
        assert not {unicodedata.category(character) for character in note.text} & {"Cc", "Cs", "Zl", "Zp"}
        assert not re.search(r"[\u202a-\u202e\u2066-\u2069]|<!--|-->|\[\s*thread", note.text, re.IGNORECASE)


@given(conversations())
def test_only_the_renderer_opens_sections(conversation: Conversation) -> None:
    answer = remember(conversation)

    for line in answer.raw_memory.splitlines():
        assert re.match(r"(?:---$|\w[\w ]*:|### Task \d+$|- |$)", line)
    assert answer.raw_memory.count("\n---\n") == (1 if answer.notes else 0)
    assert sum(line.startswith("#") for line in answer.rollout_summary.splitlines()) == (1 if answer.notes else 0)


@given(conversations())
def test_each_note_cites_a_line_of_the_conversation_with_its_time(conversation: Conversation) -> None:
    said_at = {event.line: event.at_ms for event in conversation.events}

    for note in remember(conversation).notes:
        assert said_at[note.line] == note.at_ms


@given(conversations())
def test_wishes_and_requests_come_from_the_person_alone(conversation: Conversation) -> None:
    by_line = {event.line: event for event in conversation.events}

    for note in remember(conversation).notes:
        if note.kind in (*WISH_KINDS, NoteKind.REQUEST):
            source = by_line[note.line]

            assert source.kind is EventKind.USER
            assert shown(note.text.removesuffix("…")) - shown(source.text) <= shown(note.text.rpartition(" ")[2])


@given(conversations())
def test_what_others_said_changes_no_wish(conversation: Conversation) -> None:
    muted = attrs.evolve(
        conversation,
        events=tuple(
            event if event.kind is EventKind.USER else attrs.evolve(event, text="", output="", exit_code=None, files=())
            for event in conversation.events
        ),
    )

    def wishes(of: Conversation) -> list[str]:
        return [f"{note.kind} {note.text}" for note in remember(of).notes if note.kind in WISH_KINDS]

    assert wishes(conversation) == wishes(muted)


@given(conversations())
def test_notes_are_sorted_by_importance_unique_by_topic_and_bounded(conversation: Conversation) -> None:
    notes = remember(conversation).notes
    ranks = [(list(NoteKind).index(note.kind), note.line) for note in notes]

    assert ranks == sorted(ranks)
    assert len({(note.kind, note.topic) for note in notes}) == len(notes)
    assert all(sum(note.kind is kind for note in notes) <= WISHES_OF_A_KIND_MAX for kind in NoteKind)


@given(conversations())
def test_outcome_never_stands_alone(conversation: Conversation) -> None:
    kinds = [note.kind for note in remember(conversation).notes]

    assert kinds == [] or (kinds[-1] is NoteKind.OUTCOME and len(kinds) > 1)


@given(conversations())
@example(
    Conversation(
        thread_id=ThreadId("01a1fbcb-8829-7350-bc90-0671ab3070ad"),
        cwd="/w",
        git_branch=None,
        events=(
            ConversationEvent(kind=EventKind.COMMAND, line=1, at_ms=None, text="pytest", exit_code=1),
            ConversationEvent(kind=EventKind.COMMAND, line=2, at_ms=None, text="rm -rf .venv", exit_code=0),
            ConversationEvent(kind=EventKind.COMMAND, line=3, at_ms=None, text="pip install -e .", exit_code=0),
            ConversationEvent(kind=EventKind.COMMAND, line=4, at_ms=None, text="pytest", exit_code=0),
        ),
        ended="completed",
        input_digest="0" * 32,
        omitted_events=0,
    )
)
def test_destructive_command_is_never_told_as_what_worked(conversation: Conversation) -> None:
    fixes = [note.text for note in remember(conversation).notes if note.kind is NoteKind.FIX]

    assert not [text for text in fixes if re.search(r"`[^`]*(?:rm -rf|push --force)[^`]*`", text)]
    if any(event.text == "rm -rf .venv" for event in conversation.events):
        assert fixes == []
