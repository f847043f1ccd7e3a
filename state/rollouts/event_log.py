"""The events of a conversation while it is being read, kept within bounds.

What is over the bounds is given up in the order of what a memory can spare: first what tools and commands printed,
then tool calls, commands, patches, then what the agent said, and what the person said only when nothing else is left;
of each the oldest first. While reading, the log may grow to twice its bounds, so that giving up is done rarely.
"""

from collections.abc import Iterator

import attrs

from state.rollouts.model import ConversationEvent, EventKind

EVENT_CHARS = 100
"""What an event counts beside its texts, so that a million empty events are not free."""

_SPARED_LAST = (EventKind.TOOL, EventKind.COMMAND, EventKind.PATCH, EventKind.ASSISTANT, EventKind.USER)
_PRINTING = frozenset((EventKind.TOOL, EventKind.COMMAND))


@attrs.frozen
class Place:
    """Where a line stands: its 1-based number, and its stamp in Unix ms, or None."""

    line: int
    at_ms: int | None


@attrs.define(eq=False, kw_only=True)
class Draft:
    """An event that may still change: a call waits for its output, and both may come in two forms.

    Attributes:
      call_id: what ties a call to its output; empty for what was said.
      has_call: the line of the call itself has been seen, and not only of its end.
      is_running: the command went on when its output was last looked at.
      is_settled: a better source than the call's output has said what was printed.
      is_stand_in: kept only until the transcript turns out to have the same thing in a better form.
      is_kept: the log has not given it up; what comes later for a draft that it gave up is lost.
      counted_chars: what the log has counted for this draft.
    """

    kind: EventKind
    place: Place
    text: str
    output: str = ""
    exit_code: int | None = None
    cwd: str = ""
    succeeded: bool | None = None
    files: tuple[str, ...] = ()
    call_id: str = ""
    has_call: bool = False
    is_running: bool = False
    is_settled: bool = False
    is_stand_in: bool = False
    is_kept: bool = True
    counted_chars: int = 0

    def chars(self) -> int:
        """Characters that this draft holds, and what it costs by itself."""
        return EVENT_CHARS + len(self.text) + len(self.output) + len(self.cwd) + sum(map(len, self.files))

    def event(self) -> ConversationEvent:
        """The draft as it stands."""
        return ConversationEvent(
            kind=self.kind,
            line=self.place.line,
            at_ms=self.place.at_ms,
            text=self.text,
            output=self.output,
            exit_code=self.exit_code,
            cwd=self.cwd,
            succeeded=self.succeeded,
            files=self.files,
        )


class EventLog:
    """The drafts in the order in which they began.

    Attributes:
      omitted: how many events were given up to stay within the bounds.
    """

    def __init__(self, *, events_max: int, chars_max: int) -> None:
        self.omitted = 0
        self._events_max = events_max
        self._chars_max = chars_max
        self._drafts: list[Draft] = []
        self._by_call: dict[str, Draft] = {}
        self._chars = 0

    def clear(self) -> None:
        """Forget everything, as if nothing had been told."""
        self.omitted = self._chars = 0
        self._drafts = []
        self._by_call = {}

    def add(self, draft: Draft) -> None:
        """Append a draft; `changed` must be called whenever its texts change later."""
        self._drafts.append(draft)
        self.tie(draft.call_id, draft)
        self.changed(draft)

    def tie(self, call_id: str, draft: Draft) -> None:
        """Make what comes with this call id belong to the draft, whatever it belonged to before."""
        if call_id:
            self._by_call[call_id] = draft

    def changed(self, draft: Draft) -> None:
        """Count a draft anew, if it is kept."""
        if not draft.is_kept:
            return
        chars = draft.chars()
        self._chars += chars - draft.counted_chars
        draft.counted_chars = chars
        if len(self._drafts) > 2 * self._events_max or self._chars > 2 * self._chars_max:
            self._give_up()

    def of_call(self, call_id: str) -> Draft | None:
        """The draft of a call, while it is kept."""
        return self._by_call.get(call_id)

    def drop_stand_ins(self, kind: EventKind) -> None:
        """Forget the stand-ins of this kind: the transcript has the better form of them."""
        for draft in self._drafts:
            draft.is_kept = not (draft.is_stand_in and draft.kind is kind)
        self._forget()

    def events(self) -> Iterator[ConversationEvent]:
        """The events, within the bounds."""
        self._give_up()
        return (draft.event() for draft in self._drafts)

    def _give_up(self) -> None:
        for draft in self._drafts:
            if self._chars <= self._chars_max:
                break
            if draft.kind in _PRINTING:
                self._chars -= len(draft.output)
                draft.counted_chars -= len(draft.output)
                draft.output = ""
        kept = len(self._drafts)
        for kind in _SPARED_LAST:
            for draft in self._drafts:
                if kept <= self._events_max and self._chars <= self._chars_max:
                    break
                if draft.kind is kind:
                    draft.is_kept = False
                    kept -= 1
                    self._chars -= draft.counted_chars
        self.omitted += len(self._drafts) - kept
        if kept < len(self._drafts):
            self._forget()

    def _forget(self) -> None:
        self._drafts = [draft for draft in self._drafts if draft.is_kept]
        self._by_call = {call_id: draft for call_id, draft in self._by_call.items() if draft.is_kept}
        self._chars = sum(draft.counted_chars for draft in self._drafts)
