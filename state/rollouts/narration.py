"""Which lines of a rollout become events of its conversation, and who makes something of them.

Speech is told by `state.rollouts.speech`, calls and what came of them by `state.rollouts.actions`. The lines that say
where the thread runs go through the fold, by its rules. Developer messages, reasoning and summaries of the context
become nothing, and so does what a fork has copied from another thread. A line that is not understood costs that line.
"""

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

import msgspec

from state.decoders import json_decoder
from state.rollouts.actions import Actions
from state.rollouts.cleaning import Cleaner
from state.rollouts.copies import look_for_end, pass_over
from state.rollouts.envelope import decode_line, told_kind, usual_kind, usual_stamp
from state.rollouts.event_log import EventLog, Place
from state.rollouts.event_payloads import (
    AgentMessage,
    CallOutput,
    CommandEnd,
    CompletedItem,
    CustomToolCall,
    FunctionCall,
    LocalShellCall,
    McpCall,
    McpEnd,
    PatchEnd,
    ResponseMessage,
    ToolSearchCall,
    TurnMark,
    WebSearchCall,
)
from state.rollouts.fold import MEANINGFUL, Fold
from state.rollouts.fold_state import FoldState
from state.rollouts.payloads import NULL, MessageItem, UserMessage
from state.rollouts.speech import Speech
from state.rollouts.stamps import instant_ms

OPEN, COMPLETED, FAILED, ABORTED = "open", "completed", "failed", "aborted"
"""How a turn can have ended; open means that no end is recorded."""

FACTS = frozenset((b"session_meta", b"turn_context", b"event_msg/thread_settings_applied"))
"""What is told of the thread itself, in a copy of another thread's lines too."""

PayloadT = TypeVar("PayloadT")


class _Line(msgspec.Struct, Generic[PayloadT]):
    payload: PayloadT


class Narration:
    """Sends each line to who makes something of it.

    Attributes:
      facts: what the lines say about the thread itself, by the rules of the fold.
      ended: how the last turn ended so far.
    """

    def __init__(self, log: EventLog, cleaner: Cleaner) -> None:
        self.facts = Fold(FoldState())
        self.ended = OPEN
        self._log = log
        self._speech = speech = Speech(log, cleaner, Place(0, None))
        self._actions = actions = Actions(log, cleaner, Place(0, None))
        self._open_turn = _teller(_Line[TurnMark], partial(self._mark_turn, OPEN))
        self._tellers = {
            **dict.fromkeys(FACTS, self._take_fact),
            b"event_msg/task_started": self._begin_turn,
            b"event_msg/turn_started": self._begin_turn,
            b"event_msg/turn_aborted": _teller(_Line[TurnMark], partial(self._mark_turn, ABORTED)),
            b"event_msg/task_complete": _teller(_Line[TurnMark], self._complete_turn),
            b"event_msg/turn_complete": _teller(_Line[TurnMark], self._complete_turn),
            b"event_msg/user_message": _teller(_Line[UserMessage], speech.user_message),
            b"event_msg/agent_message": _teller(_Line[AgentMessage], speech.agent_message),
            b"event_msg/item_completed/UserMessage": _teller(_Line[CompletedItem[MessageItem]], speech.user_item),
            b"event_msg/item_completed/AgentMessage": _teller(_Line[CompletedItem[MessageItem]], speech.agent_item),
            b"response_item/message/user": _teller(_Line[ResponseMessage], speech.model_input),
            b"response_item/message/assistant": _teller(_Line[ResponseMessage], speech.model_output),
            b"response_item/function_call": _teller(_Line[FunctionCall], actions.function_call),
            b"response_item/custom_tool_call": _teller(_Line[CustomToolCall], actions.custom_tool_call),
            b"response_item/local_shell_call": _teller(_Line[LocalShellCall], actions.local_shell_call),
            b"response_item/web_search_call": _teller(_Line[WebSearchCall], actions.web_search_call),
            b"response_item/tool_search_call": _teller(_Line[ToolSearchCall], actions.tool_search_call),
            b"response_item/function_call_output": _teller(_Line[CallOutput], actions.call_output),
            b"response_item/custom_tool_call_output": _teller(_Line[CallOutput], actions.call_output),
            b"response_item/tool_search_output": _teller(_Line[CallOutput], actions.call_output),
            b"event_msg/exec_command_end": _teller(_Line[CommandEnd], actions.command_end),
            b"event_msg/patch_apply_end": _teller(_Line[PatchEnd], actions.patch_end),
            b"event_msg/mcp_tool_call_end": _teller(_Line[McpEnd], actions.mcp_end),
            b"event_msg/item_completed/CommandExecution": _teller(
                _Line[CompletedItem[CommandEnd]], actions.command_item
            ),
            b"event_msg/item_completed/FileChange": _teller(_Line[CompletedItem[PatchEnd]], actions.patch_item),
            b"event_msg/item_completed/McpToolCall": _teller(_Line[CompletedItem[McpCall]], actions.mcp_item),
        }

    def take(self, number: int, text: bytes) -> None:
        """Take in one line, by its 1-based number and without its line feed."""
        if not text or text.isspace():
            return
        try:
            kind, stamp = told_kind(text)
            if self.facts.state.is_copying:
                look_for_end(self.facts.state, kind, stamp, text)
            is_copied = self.facts.state.is_copying
            teller = self._tellers.get(kind)
            if teller is not None and not (is_copied and kind not in FACTS):
                self._speech.place = self._actions.place = Place(number, instant_ms(stamp))
                teller(text)
            if kind in MEANINGFUL and not is_copied:
                self.facts.state.content_lines += 1  # so that no copy begins behind the thread's own words
        except ValueError:
            return

    def pass_over(self, prefix: bytes) -> bool:
        """Take note of a line that is too long to be told; say whether something of the thread's own is lost."""
        kind = usual_kind(prefix)
        if not self.facts.state.is_copying:
            return kind in MEANINGFUL
        if kind is not None:
            pass_over(self.facts.state, usual_stamp(prefix, 0))
        return False

    def _take_fact(self, text: bytes) -> None:
        was_copying = self.facts.state.is_copying
        self.facts.take(text + b"\n")
        if self.facts.state.is_copying and not was_copying:
            # What was told before a copied turn is its context, and as little this thread's.
            self._log.clear()
            self._speech.clear()
            self._actions.clear()
            self.ended = OPEN

    def _begin_turn(self, text: bytes) -> None:
        self._open_turn(text)
        self._take_fact(text)  # which may tell that this turn is a copy

    def _mark_turn(self, ended: str, _turn: TurnMark) -> None:
        self.ended = ended

    def _complete_turn(self, turn: TurnMark) -> None:
        self.ended = COMPLETED if bytes(turn.error) == NULL else FAILED


def _teller(shape: type[_Line[PayloadT]], tell: Callable[[PayloadT], None]) -> Callable[[bytes], None]:
    decode = json_decoder(shape).decode

    def take(text: bytes) -> None:
        tell(decode_line(decode, text).payload)

    return take
