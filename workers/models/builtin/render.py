"""Notes as Markdown: the raw memory that consolidation reads, and the summary that people read.

Both hold the notes and nothing else, each with the rollout line that proves it. Every text in them is one line made by
`line`, so none can open a front matter, a heading or an entry of its own.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from state.rollouts.model import Conversation
from workers.models.builtin.line import code, one_line, shorten
from workers.models.builtin.outcome import Outcome
from workers.models.builtin.vocabulary import content_words
from workers.models.protocol import ExtractionAnswer, Note, NoteKind

TITLE_CHARS_MAX = 100
"""A heading that fits on a line of a terminal."""
SLUG_CHARS_MAX = 60
"""What the file name of a rollout summary has room for."""
KEYWORDS_MAX = 10
"""More words than this find everything, and so nothing."""
PATH_CHARS_MAX = 200

_WISHES = (NoteKind.PROHIBITION, NoteKind.PREFERENCE, NoteKind.CORRECTION)
_ABOUT = (*_WISHES, NoteKind.FIX, NoteKind.REQUEST)
"""The kinds whose topics say what a session was about."""
_SAYS = {
    NoteKind.PROHIBITION: "forbidden: ",
    NoteKind.PREFERENCE: "preferred: ",
    NoteKind.CORRECTION: "corrected: ",
    NoteKind.REQUEST: "asked: ",
}
_NOT_OF_A_SLUG = re.compile(r"[^a-z0-9]+")


def rendered(conversation: Conversation, notes: tuple[Note, ...], outcome: Outcome) -> ExtractionAnswer:
    """The answer for notes of which there is at least one, the most important kind first."""
    title = _title(notes)
    return ExtractionAnswer(
        rollout_summary="\n".join(_summary(conversation, notes, title)) + "\n",
        rollout_slug=_slug(title),
        raw_memory="\n".join(_raw_memory(conversation, notes, title, outcome)) + "\n",
        notes=notes,
    )


def _title(notes: Sequence[Note]) -> str:
    """The first request; without one, the most important note."""
    requests = [note for note in notes if note.kind is NoteKind.REQUEST]
    return shorten((requests or notes)[0].text, TITLE_CHARS_MAX)


def _slug(title: str) -> str | None:
    """ASCII words of the title for a file name; None when it has none."""
    return _NOT_OF_A_SLUG.sub("_", title.lower())[:SLUG_CHARS_MAX].strip("_") or None


def _summary(conversation: Conversation, notes: Sequence[Note], title: str) -> Iterator[str]:
    branch = f", branch {code(conversation.git_branch, PATH_CHARS_MAX)}" if conversation.git_branch else ""
    yield from (f"# {title}", "", f"Context: {code(conversation.cwd, PATH_CHARS_MAX)}{branch}")
    yield from (f"Outcome: {_cited(note)}" for note in _of(notes, NoteKind.OUTCOME))
    yield from _section("Preference signals", notes, *_WISHES)
    yield from _section("Key steps", notes, NoteKind.REQUEST, NoteKind.FILES)
    yield from _section("Failures", notes, NoteKind.FIX)
    lines = sorted({note.line for note in notes})
    yield from ("", "References:", f"- rollout lines {', '.join(map(str, lines))}")


def _raw_memory(conversation: Conversation, notes: Sequence[Note], title: str, outcome: Outcome) -> Iterator[str]:
    cwd = shorten(one_line(conversation.cwd), PATH_CHARS_MAX)
    words = dict.fromkeys(word for note in notes if note.kind in _ABOUT for word in content_words(note.topic))
    yield "---"
    yield f"description: {_quoted(title)}"
    yield f"task: {_quoted(title)}"
    yield f"task_group: {_quoted(PurePosixPath(cwd).name or cwd)}"
    yield f"task_outcome: {outcome}"
    yield f"cwd: {_quoted(cwd)}"
    yield f"keywords: {', '.join([word for word in words if not word.isdecimal()][:KEYWORDS_MAX])}"
    yield "---"
    for number, (request, belonging) in enumerate(_tasks(notes), start=1):
        is_last = NoteKind.OUTCOME in {note.kind for note in belonging}
        yield from ("", f"### Task {number}")
        yield from ([f"task: {_quoted(request.text)} (line {request.line})"] if request else [])
        yield f"task_outcome: {outcome if is_last else Outcome.UNCERTAIN}"
        yield from _section("Preference signals", belonging, *_WISHES)
        yield from _section("Failures", belonging, NoteKind.FIX)
        yield from _section("References", belonging, NoteKind.FILES, NoteKind.OUTCOME)


def _tasks(notes: Sequence[Note]) -> list[tuple[Note | None, list[Note]]]:
    """The requests, each with the other notes from its line to the next request's; the outcome belongs to the last."""
    requests = sorted(_of(notes, NoteKind.REQUEST), key=lambda note: note.line)
    tasks: list[tuple[Note | None, list[Note]]] = [(request, []) for request in requests] or [(None, [])]
    for note in notes:
        if note.kind is not NoteKind.REQUEST:
            asked_before = sum(request.line <= note.line for request in requests)
            index = len(tasks) if note.kind is NoteKind.OUTCOME else max(asked_before, 1)
            tasks[index - 1][1].append(note)
    return tasks


def _section(heading: str, notes: Sequence[Note], *kinds: NoteKind) -> list[str]:
    """A blank line, the heading and the notes of these kinds; nothing when there are none."""
    items = [f"- {_cited(note)}" for note in _of(notes, *kinds)]
    return ["", f"{heading}:", *items] if items else []


def _cited(note: Note) -> str:
    return f"{_SAYS.get(note.kind, '')}{note.text} (line {note.line})"


def _of(notes: Sequence[Note], *kinds: NoteKind) -> list[Note]:
    return [note for note in notes if note.kind in kinds]


def _quoted(text: str) -> str:
    """A front matter value: a JSON string is a YAML string."""
    return json.dumps(text, ensure_ascii=False)
