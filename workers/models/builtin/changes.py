"""Which files a session changed through patches."""

from collections.abc import Sequence

from state.rollouts.model import ConversationEvent, EventKind
from workers.models.builtin.line import code, shorten
from workers.models.protocol import NOTE_CHARS_MAX, Note, NoteKind

FILES_SHOWN_MAX = 8
"""More names than this are a list to search in, and search has the transcript."""
PATH_CHARS_MAX = 80
"""A longer path is cut; its first folders say where it is."""


def files_changed(events: Sequence[ConversationEvent], cwd: str) -> tuple[str, ...]:
    """The files of the patches that did not fail, each once, in the order of their first change, relative to cwd."""
    return tuple(
        dict.fromkeys(
            relative_to(cwd, path)
            for event in events
            if event.kind is EventKind.PATCH and event.succeeded is not False
            for path in event.files
            if path.strip()
        )
    )


def relative_to(cwd: str, path: str) -> str:
    """The path as seen from the folder, when it is below it; else as it is."""
    folder = cwd.rstrip("/") + "/"
    below = path.removeprefix(folder) if len(folder) > 1 else path
    return below.removeprefix("./") or path


def list_of_files(files: Sequence[str], shown_max: int) -> str:
    """The files in backticks, "and 3 more" for those beyond `shown_max`."""
    shown = ", ".join(code(path, PATH_CHARS_MAX) for path in files[:shown_max])
    return f"{shown} and {len(files) - shown_max} more" if len(files) > shown_max else shown


def files_note(events: Sequence[ConversationEvent], cwd: str) -> Note | None:
    """One note with the files that a session changed; None when it changed none. Its evidence is the last change."""
    files = files_changed(events, cwd)
    if not files:
        return None
    last = next(event for event in reversed(events) if files_changed([event], cwd))
    text = shorten(f"changed {list_of_files(files, FILES_SHOWN_MAX)}", NOTE_CHARS_MAX)
    return Note(kind=NoteKind.FILES, topic="files", text=text, line=last.line, at_ms=last.at_ms)
