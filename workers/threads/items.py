"""An answer's items while they come: what clients are told of each piece, and what of it is recorded."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from workers.models.turns.answer import message_text, summary_texts
from workers.models.turns.protocol import (
    ItemDone,
    MessageDelta,
    MessageStarted,
    Piece,
    RawThoughtDelta,
    Retrying,
    ThoughtDelta,
    ThoughtPart,
    ThoughtStarted,
)
from workers.threads import notices, payloads
from workers.threads.notices import Notice
from workers.threads.recording import Entry, Recorder

TellNotice = Callable[[Notice], Awaitable[None]]


@attrs.define
class AnswerItems:
    """The items of one turn.

    Attributes:
      items: what the model gave so far, for the next question.
      called: the calls that wait for an output.
      last_message, last_shown: the last thing that the model said, and how clients see it.
      first_token_at_ms: when the first piece came.
    """

    thread_id: str
    turn_id: str
    history_mode: str
    recorder: Recorder
    tell: TellNotice
    now_ms: Callable[[], int]
    items: list[dict[str, Any]] = attrs.field(factory=list)
    called: list[dict[str, Any]] = attrs.field(factory=list)
    last_message: str | None = None
    last_shown: dict[str, Any] | None = None
    first_token_at_ms: int | None = None
    _started_ms: dict[str, int] = attrs.field(factory=dict)
    _halves: dict[str, str] = attrs.field(factory=dict)

    async def take(self, piece: Piece) -> None:
        """Take in one piece.

        Raises:
          OSError: an item could not be recorded.
        """
        if self.first_token_at_ms is None and not isinstance(piece, Retrying):
            self.first_token_at_ms = self.now_ms()
        match piece:
            case MessageStarted(item_id, text):
                await self._start(notices.message_shown(item_id, text))
            case MessageDelta(item_id, text):
                if item_id not in self._started_ms:
                    await self._start(notices.message_shown(item_id, ""))
                await self._text_delta("agentMessage/delta", item_id, text)
            case ThoughtStarted(item_id, summary):
                await self._start(notices.thought_shown(item_id, summary))
            case ThoughtPart(item_id, index):
                await self._delta("reasoning/summaryPartAdded", item_id, summaryIndex=index)
            case ThoughtDelta(item_id, index, text):
                await self._text_delta("reasoning/summaryTextDelta", item_id, text, summaryIndex=index)
            case RawThoughtDelta(item_id, index, text):
                await self._text_delta("reasoning/textDelta", item_id, text, contentIndex=index)
            case Retrying(reason, attempt, attempts_max):
                what = notices.error_object(
                    f"Reconnecting... {attempt}/{attempts_max}",
                    {"responseStreamDisconnected": {"httpStatusCode": None}},
                    reason,
                )
                await self.tell(notices.error(self.thread_id, self.turn_id, what, will_retry=True))
            case ItemDone(item):
                await self._done(dict(item))

    async def refuse_calls(self) -> None:
        """Answer every call of a tool: there is none. Nothing is run."""
        outputs = [
            {
                "type": "custom_tool_call_output" if call.get("type") == "custom_tool_call" else "function_call_output",
                "call_id": call.get("call_id"),
                "output": f"unsupported call: {call.get('name')}",
            }
            for call in self.called
        ]
        self.called.clear()
        self.items.extend(outputs)
        await self.recorder.write(*(payloads.response_item(output, self.turn_id) for output in outputs))

    async def _done(self, item: dict[str, Any]) -> None:
        at_ms = self.now_ms()
        item_id = str(item.get("id") or "")
        shown = self._shown(item, item_id)
        started_ms = self._started_ms.get(item_id, at_ms)
        entries: list[Entry] = []
        event = payloads.answer_item(self.history_mode, self.thread_id, self.turn_id, item, started_ms, at_ms)
        if event is not None:
            entries.append(event)
        entries.append(payloads.response_item(item, self.turn_id))
        await self.recorder.write(*entries)
        self.items.append(item)
        if item.get("type") in ("function_call", "custom_tool_call"):
            self.called.append(item)
        if shown is None:
            return
        if item_id not in self._started_ms:
            await self._start(shown)
        await self.tell(notices.item_completed(self.thread_id, self.turn_id, shown, started_ms, at_ms))
        if shown["type"] == "agentMessage" and shown["text"]:
            self.last_message = shown["text"]
            self.last_shown = {**shown, "startedAtMs": started_ms, "completedAtMs": at_ms}

    def _shown(self, item: dict[str, Any], item_id: str) -> dict[str, Any] | None:
        """How clients see an item; None for one that they do not see, unless they saw it begin."""
        if item.get("type") == "message":
            text = message_text(item)
            return notices.message_shown(item_id, text) if text or item_id in self._started_ms else None
        if item.get("type") == "reasoning":
            summary = summary_texts(item)
            return notices.thought_shown(item_id, summary) if summary or item_id in self._started_ms else None
        return None

    async def _start(self, shown: dict[str, Any]) -> None:
        at_ms = self.now_ms()
        self._started_ms[shown["id"]] = at_ms
        await self.tell(notices.item_started(self.thread_id, self.turn_id, shown, at_ms))

    async def _text_delta(self, kind: str, item_id: str, text: str, **members: int) -> None:
        """Tell a piece of text. A character that was cut in two is told with its second half."""
        text = self._halves.pop(item_id, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._halves[item_id], text = text[-1], text[:-1]
        if text:
            whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            await self._delta(kind, item_id, delta=whole, **members)

    async def _delta(self, kind: str, item_id: str, **members: Any) -> None:
        await self.tell(notices.delta(kind, self.thread_id, self.turn_id, item_id, **members))
