"""A stream of server-sent events, out of bytes that are cut anywhere, with bounds on what is held.

Only the data of an event counts here: the Responses API says the kind of each event in its data, too.
"""

import json
from typing import Any

EVENT_BYTES_MAX = 16 << 20
"""The last event of an answer holds all of it once more."""


class TooLongError(Exception):
    """An event goes on for longer than any answer."""


class EventStream:
    """Takes bytes, gives events. What is no JSON object is passed over, as a server's remark would be."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, chunk: bytes) -> list[dict[str, Any]]:
        """The events that end in this chunk, in their order.

        Raises:
          TooLongError: one does not end.
        """
        events = []
        *lines, rest = (bytes(self._held) + chunk).split(b"\n")
        self._held = bytearray(rest)
        for line in lines:
            event = self._take(line.removesuffix(b"\r"))
            if event is not None:
                events.append(event)
        if len(self._held) + self._data_bytes > EVENT_BYTES_MAX:
            raise TooLongError(f"an event is longer than {EVENT_BYTES_MAX} bytes")
        return events

    def _take(self, line: bytes) -> dict[str, Any] | None:
        if line.startswith(b"data:"):
            self._data.append(line.removeprefix(b"data:").removeprefix(b" "))
            self._data_bytes += len(line)
            return None
        if line or not self._data:
            return None
        text = b"\n".join(self._data)
        self._data.clear()
        self._data_bytes = 0
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return event if isinstance(event, dict) else None
