"""A conversation as the model sees it: numbered events, fenced as data, cut to what the model may take in.

Each event is one JSON object on a line of its own, so nothing that was said can leave its line, close the fence or
pose as another event. What is too much goes in this order: what commands and tools printed, the oldest first; then
events from the middle, those of the person last. What was left out is said where it stood.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

import attrs

from state.rollouts.model import Conversation, ConversationEvent, EventKind
from workers.models.responses.prompt import BEGIN, END, REMINDER

TEXT_SHARE_MAX = 8
"""One text may take this part of the whole at most, so that a pasted file does not push everything else out."""

TEXT_BYTES_MIN = 400
"""So much of a text is shown however small the whole is: less says nothing."""

GAP_BYTES = 32
"""What a line that stands for omitted events takes."""


@attrs.frozen(kw_only=True)
class Rendered:
    """What is sent.

    Attributes:
      text: the question, whole.
      shown: what a note may cite: the line of each event in it, with the event's time.
      omitted_events, omitted_outputs: how many events are not in it, and how many without what they printed.
    """

    text: str
    shown: Mapping[int, int | None]
    omitted_events: int
    omitted_outputs: int


@attrs.define
class _Line:
    """An event while it is being decided what of it stays."""

    event: ConversationEvent
    text: str
    has_output: bool

    @property
    def size(self) -> int:
        return len(self.text.encode("utf-8", "replace")) + 1


def rendered(conversation: Conversation, bytes_max: int) -> Rendered:
    """The question about a conversation, in about `bytes_max` bytes of UTF-8 or less."""
    text_bytes_max = max(bytes_max // TEXT_SHARE_MAX, TEXT_BYTES_MIN)
    lines = [
        _Line(event, _event_line(event, text_bytes_max, with_output=True), bool(event.output))
        for event in conversation.events
    ]
    size = sum(line.size for line in lines) + len(_question(conversation, (), 0, 0).encode("utf-8", "replace"))
    omitted_outputs = 0
    for line in lines:
        if size <= bytes_max:
            break
        if line.has_output:
            size -= line.size
            line.text = _event_line(line.event, text_bytes_max, with_output=False)
            size += line.size
            omitted_outputs += 1
    dropped: set[int] = set()
    for index in _from_the_middle(lines):
        if size + GAP_BYTES * min(len(dropped), len(lines) - len(dropped)) <= bytes_max:
            break
        dropped.add(index)
        size -= lines[index].size
    kept = [line.event for index, line in enumerate(lines) if index not in dropped]
    omitted_events = conversation.omitted_events + len(dropped)
    return Rendered(
        text=_question(conversation, tuple(_with_gaps(lines, dropped)), omitted_events, omitted_outputs),
        shown={event.line: event.at_ms for event in kept},
        omitted_events=omitted_events,
        omitted_outputs=omitted_outputs,
    )


def _from_the_middle(lines: Sequence[_Line]) -> Iterator[int]:
    """In which order events are given up. The first and the last one stay."""
    middle = (len(lines) - 1) / 2
    inner = sorted(range(1, len(lines) - 1), key=lambda index: (abs(index - middle), index))
    yield from (index for index in inner if lines[index].event.kind is not EventKind.USER)
    yield from (index for index in inner if lines[index].event.kind is EventKind.USER)


def _with_gaps(lines: Sequence[_Line], dropped: set[int]) -> Iterator[str]:
    gap = 0
    for index, line in enumerate(lines):
        if index in dropped:
            gap += 1
            continue
        if gap:
            yield json.dumps({"omitted_events": gap})
            gap = 0
        yield line.text


def _question(conversation: Conversation, lines: Sequence[str], omitted_events: int, omitted_outputs: int) -> str:
    about = {
        "cwd": conversation.cwd,
        "git_branch": conversation.git_branch,
        "last_turn": conversation.ended,
        "omitted_events": omitted_events,
        "omitted_outputs": omitted_outputs,
    }
    text = "\n".join([f"The session: {_json(about)}", "", REMINDER, BEGIN, *lines, END]) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")  # half a character of UTF-16 cannot be sent


def _event_line(event: ConversationEvent, text_bytes_max: int, *, with_output: bool) -> str:
    entry: dict[str, object] = {"line": event.line, "kind": event.kind.value}
    entry["text"] = cut_in_the_middle(event.text, text_bytes_max)
    if event.files:
        entry["files"] = cut_in_the_middle(", ".join(event.files), text_bytes_max)
    if event.cwd:
        entry["cwd"] = cut_in_the_middle(event.cwd, text_bytes_max)
    if event.exit_code is not None:
        entry["exit_code"] = event.exit_code
    if event.succeeded is not None:
        entry["succeeded"] = event.succeeded
    if event.output:
        entry["output"] = cut_in_the_middle(event.output, text_bytes_max) if with_output else "(omitted)"
    return _json(entry)


def cut_in_the_middle(text: str, bytes_max: int) -> str:
    """The text, or its beginning and its end with what is missing between them said."""
    data = text.encode("utf-8", "replace")
    if len(data) <= bytes_max:
        return text
    half = bytes_max // 2
    head, tail = data[:half].decode("utf-8", "ignore"), data[-half:].decode("utf-8", "ignore")
    return f"{head} …({len(data) - 2 * half} bytes omitted)… {tail}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
