"""What happened, in order, for a person to read; and a digest of it, which two runs of one seed share."""

import collections
import hashlib
from collections.abc import Callable, Iterable

import attrs

EVENTS_KEPT = 4_000
"""So many events are kept in full; older ones are in the digest only."""


@attrs.frozen
class Event:
    """One thing that happened. at_ms: simulated milliseconds since the beginning."""

    at_ms: int
    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.at_ms / 1000:10.3f} s  {self.who:<8} {self.text}"


class Story:
    """Collects events.

    Args:
      hidden: a path that differs from run to run, and is left out of every text.
    """

    def __init__(self, now_ms: Callable[[], int], *, hidden: str = "") -> None:
        self._now_ms = now_ms
        self._hidden = hidden
        self._events: collections.deque[Event] = collections.deque(maxlen=EVENTS_KEPT)
        self._digest = hashlib.blake2b(digest_size=16)

    def tell(self, who: str, text: str) -> None:
        """Add what happens now. The text must be the same in every run of the seed, on any machine."""
        self._events.append(self.note(who, text))

    def note(self, who: str, text: str) -> Event:
        """Take what happens now into the digest only: nobody wants to read it."""
        event = Event(self._now_ms(), who, text.replace(self._hidden, "") if self._hidden else text)
        self._digest.update(f"{event.at_ms}\0{who}\0{event.text}\0".encode(errors="surrogateescape"))
        return event

    def digest(self) -> str:
        """Hex; equal for two runs in which the same happened."""
        return self._digest.hexdigest()

    def last(self, per_service: int) -> tuple[Event, ...]:
        """The last events of everybody who did something, in order of time."""
        seen: collections.Counter[str] = collections.Counter()
        kept = []
        for event in reversed(self._events):
            # All lives of one service share its share.
            service = event.who.partition(".")[0]
            seen[service] += 1
            if seen[service] <= per_service:
                kept.append(event)
        return tuple(reversed(kept))


def readable(events: Iterable[Event]) -> str:
    """One line an event."""
    return "\n".join(str(event) for event in events)
