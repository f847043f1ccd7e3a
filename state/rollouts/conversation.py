"""A rollout as extraction sees it: what was said and done, in order, redacted and bounded.

The file is streamed; what is held is its events, within their bounds. `state.rollouts.narration` says what becomes of
a line. The digest is over what the events mean, so that a file that was rewritten without changing them needs no new
extraction.
"""

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import msgspec

from state.ids import ThreadId
from state.rollouts.cleaning import Cleaner
from state.rollouts.event_log import EventLog
from state.rollouts.filename import rollout_name
from state.rollouts.fold_state import Redact, redacted
from state.rollouts.lines import LineRun
from state.rollouts.model import Conversation, ConversationEvent
from state.rollouts.narration import Narration
from state.rollouts.representation import LOOKS_MAX, CompressedRollout, PlainRollout, open_rollout

EVENTS_MAX = 10_000
"""More than a model could take in at once, and few enough to be gone through in a moment."""

CHARS_MAX = 4_000_000
"""Of all events together: a million tokens or so, and 16 MB of memory at the worst (twice that while reading)."""

TEXT_CHARS_MAX = 20_000
"""Of one message or command. Longer ones are pasted files, whose middle says little about the person."""

OUTPUT_CHARS_MAX = 4_000
"""Of what one command or tool printed: its first and its last lines say what happened."""


class WrongThreadError(Exception):
    """The file belongs to another thread than the one that was asked for, or to none."""


def read_conversation(
    codex_home: Path,
    path: str,
    thread_id: ThreadId,
    *,
    redact: Redact,
    events_max: int = EVENTS_MAX,
    chars_max: int = CHARS_MAX,
    text_chars_max: int = TEXT_CHARS_MAX,
    output_chars_max: int = OUTPUT_CHARS_MAX,
) -> Conversation:
    """Read a rollout for extraction. `path` is relative to the Codex home.

    Asking twice is safe; an unchanged file gives an equal conversation.

    Raises:
      WrongThreadError: the file is not this thread's.
      OSError: the file could not be opened or read; `state.rollouts.regular.plain_reason` has the words.
    """
    absolute = os.path.join(codex_home, path)
    name = rollout_name(os.path.basename(path))
    log = EventLog(events_max=events_max, chars_max=chars_max)
    narration = Narration(log, Cleaner(redact, text_chars_max, output_chars_max))
    omitted_lines = 0
    with open_rollout(absolute, looks_max=LOOKS_MAX) as file:
        for number, text, is_oversized in _numbered_lines(file):
            if is_oversized:
                omitted_lines += narration.pass_over(text)
            else:
                narration.take(number, text)
            if narration.facts.state.thread_id not in ("", thread_id):
                raise WrongThreadError(f"rollout of another thread: {absolute}")
    if not narration.facts.state.thread_id and (name is None or name.thread_id != thread_id):
        raise WrongThreadError(f"rollout of no or another thread: {absolute}")
    facts = redacted(narration.facts.state, redact)
    events = tuple(log.events())
    return Conversation(
        thread_id=thread_id,
        cwd=facts.cwd,
        git_branch=facts.git_branch,
        events=events,
        ended=narration.ended,
        input_digest=_digest(events, narration.ended),
        omitted_events=log.omitted + omitted_lines,
        damage=file.damage,
    )


def _numbered_lines(file: PlainRollout | CompressedRollout) -> Iterator[tuple[int, bytes, bool]]:
    """Yield (1-based number, text, is oversized) of each line; of an oversized line only its beginning."""
    number = 0
    for lines in file.lines(0):
        if isinstance(lines, LineRun):
            for text in lines.lines[:-1].split(b"\n"):
                number += 1
                yield number, text, False
        else:
            number += 1
            yield number, lines.text, lines.is_oversized


def _digest(events: tuple[ConversationEvent, ...], ended: str) -> str:
    """Digest of what the events mean, which line numbers and times do not."""
    digest = blake2b(ended.encode(), digest_size=16)
    for event in events:
        said = (event.kind, event.text, event.output, event.exit_code, event.cwd, event.succeeded, event.files)
        digest.update(msgspec.json.encode(said))
    return digest.hexdigest()
