"""What of a turn is printed, and what ends it: one line of JSON for each notification about an item.

{"method": "item/agentMessage/delta", "params": {"threadId": ..., "turnId": ..., "itemId": ..., "delta": ...}}
"""

import json
from collections.abc import Callable
from typing import Any

from interfaces.cli.errors import CommandError

PRINTED = frozenset(
    {
        "item/started",
        "item/completed",
        "item/agentMessage/delta",
        "item/plan/delta",
        "item/reasoning/summaryTextDelta",
        "item/reasoning/summaryPartAdded",
        "item/reasoning/textDelta",
        "item/fileChange/patchUpdated",
        "item/commandExecution/outputDelta",
        "item/commandExecution/terminalInteraction",
    }
)

UNANSWERABLE = {
    "item/commandExecution/requestApproval": "turn requested exec approval",
    "item/fileChange/requestApproval": "turn requested patch approval",
    "item/permissions/requestApproval": "turn requested permissions",
    "item/tool/requestUserInput": "turn requested user input",
    "item/tool/call": "turn requested a dynamic tool call",
}
"""Questions that nobody is there to answer."""


class TurnError(CommandError):
    """The turn did not end well."""

    code = "turn"
    retryable = True


class TurnOutput:
    """Takes one turn's notifications, in their order.

    Attributes:
      is_complete: the turn ended well.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._turn_id: str | None = None
        self.is_complete = False

    def take(self, method: str, params: Any) -> None:
        """Print what is printed of it.

        Raises:
          TurnError: it ends the turn, and not well.
          OSError: it could not be printed.
        """
        if method == "turn/started":
            self._turn_id = params["turn"]["id"]
        elif method in PRINTED:
            if self._turn_id is None:
                raise TurnError("mapped notification arrived before turn started")
            self._write(line(method, params))
        elif method in UNANSWERABLE:
            raise TurnError(UNANSWERABLE[method])
        elif method == "error" and not params["willRetry"]:
            raise TurnError(params["error"]["message"])
        elif method == "turn/completed":
            self._end(params["turn"])

    def _end(self, turn: dict[str, Any]) -> None:
        if turn["status"] == "interrupted":
            raise TurnError("turn aborted")
        if turn["status"] == "failed":
            raise TurnError((turn["error"] or {}).get("message") or "turn failed")
        self.is_complete = True


def line(method: str, params: Any) -> bytes:
    """One line, with its end. Halves of characters become question marks."""
    text = json.dumps({"method": method, "params": params}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"
