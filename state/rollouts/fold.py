"""One pass over the lines of a rollout, in file order: which lines count, which are decoded, which are given up.

A line that extraction would see is *meaningful*: it moves the time of the content and its digest, whatever it says. A
line that a fork has copied from another thread is not, but says what it says about the fork.
A line that feeds a fact is decoded, and `state.rollouts.feeds` says what it changes. No other line is decoded: it is
believed to be what its first bytes say, if it ends as an object does. A line that is not understood costs that line.
"""

from contextlib import suppress
from hashlib import blake2b

from state.rollouts.copies import look_for_end, pass_over
from state.rollouts.envelope import (
    UNFINISHED_KINDS,
    USUAL_SHAPE,
    decoded_kind,
    finished_kind,
    usual_kind,
    usual_stamp,
    written_kind,
)
from state.rollouts.feeds import FEEDS
from state.rollouts.fold_state import FoldState
from state.rollouts.stamps import instant_ms

MEANINGFUL = frozenset(
    (
        b"response_item/message/user",
        b"response_item/message/assistant",
        b"response_item/function_call",
        b"response_item/function_call_output",
        b"response_item/custom_tool_call",
        b"response_item/custom_tool_call_output",
        b"response_item/local_shell_call",
        b"response_item/web_search_call",
        b"response_item/tool_search_call",
        b"response_item/tool_search_output",
        b"event_msg/user_message",
        b"event_msg/agent_message",
        b"event_msg/exec_command_end",
        b"event_msg/mcp_tool_call_end",
        b"event_msg/patch_apply_end",
        b"event_msg/turn_aborted",
        b"event_msg/item_completed/UserMessage",
        b"event_msg/item_completed/AgentMessage",
        b"event_msg/item_completed/CommandExecution",
        b"event_msg/item_completed/FileChange",
        b"event_msg/item_completed/McpToolCall",
    )
)
"""The kinds of line that extraction reads. Settings, counters, reasoning and summaries of the context are not among
them: a session in which only those change has nothing new to remember."""

DIGEST_HEAD_BYTES = 128
DIGEST_TAIL_BYTES = 64
"""How much of a meaningful line enters the chained digest, beside its length. Hashing every byte was measured to
halve the speed of a backfill; rollouts are appended to, and a rewrite changes lengths, stamps or ids."""


_TREATMENTS = {kind: (FEEDS.get(kind), kind in MEANINGFUL) for kind in MEANINGFUL | FEEDS.keys()}
_WRITTEN_TREATMENTS = {written_kind(kind): treatment for kind, treatment in _TREATMENTS.items()}

_CLOSING_BRACE = ord("}")


class Fold:
    """One pass over a rollout's lines; `state` is what they said so far."""

    def __init__(self, state: FoldState) -> None:
        self.state = state

    def take(self, lines: bytes) -> None:
        """Take in whole lines, each with its line feed. Never fails: a line that is not understood is counted."""
        # A backfill spends its time in this loop, so it makes no call and no object that a usual line does not need:
        # it is `usual_kind` and `_take_unusual` written out. Stamps are left for later; only the last one counts.
        state = self.state
        undated: list[int] = []  # where the meaningful lines begin that may still turn out to be the last
        understood, find, size, end = 0, lines.find, len(lines), -1
        while (begin := end + 1) < size:
            if state.is_copying:
                undated.clear()
                end = self._take_copied(lines, begin) - 1
                continue
            end = find(b"\n", begin)
            if end == begin:
                continue
            shape = USUAL_SHAPE(lines, begin, end)
            kind = None
            if shape is not None:
                kind = shape[1]
                if kind in UNFINISHED_KINDS:
                    kind = finished_kind(kind, lines, shape.end(), end)
            if kind is None or lines[end - 1] != _CLOSING_BRACE:
                if self._take_unusual(lines[begin:end]):
                    undated.clear()
                continue
            treatment = _WRITTEN_TREATMENTS.get(kind)
            if treatment is not None:
                feed, is_meaningful = treatment
                if feed is not None:
                    try:
                        feed(state, lines[begin:end])
                    except ValueError:
                        self._give_up(lines[begin:end])
                        continue
                if is_meaningful:
                    undated.append(begin)
                    state.content_lines += 1
                    state.content_digest = _chained(state.content_digest, end - begin, lines, begin, end)
            understood += 1
        state.lines_understood += understood
        for begin in reversed(() if state.is_copying else undated):
            if self._date(usual_stamp(lines, begin)):
                break

    def take_oversized(self, prefix: bytes, length_bytes: int) -> None:
        """Take in a line of which only the beginning was kept: its kind and length count, what it says is lost."""
        self.state.lines_oversized += 1
        kind = usual_kind(prefix)
        if self.state.is_copying:
            if kind is not None:
                pass_over(self.state, usual_stamp(prefix, 0))
        elif kind in MEANINGFUL:
            self.state.content_lines += 1
            self.state.content_digest = _chained(self.state.content_digest, length_bytes, prefix, 0, len(prefix))
            self._date(usual_stamp(prefix, 0))

    def _take_copied(self, lines: bytes, begin: int) -> int:
        """Take in lines that are copies, one by one; where the first line begins that is none, or the end of all."""
        while begin < len(lines):
            end = lines.index(b"\n", begin)
            text = lines[begin:end]
            kind = usual_kind(text)
            if kind is not None and text[-1] == _CLOSING_BRACE:
                look_for_end(self.state, kind, usual_stamp(text, 0), text)
                if not self.state.is_copying:
                    return begin
                self._take_fed(kind, text)
            elif text.strip():
                with suppress(ValueError):
                    look_for_end(self.state, *decoded_kind(text), text)
                if not self.state.is_copying:
                    return begin
                self._take_unusual(text)
            begin = end + 1
        return begin

    def _take_fed(self, kind: bytes, text: bytes) -> None:
        """Take in what a line that is not the thread's content says about the thread."""
        feed = FEEDS.get(kind)
        if feed is not None:
            try:
                feed(self.state, text)
            except ValueError:
                self._give_up(text)
                return
        self.state.lines_understood += 1

    def _take_unusual(self, text: bytes) -> bool:
        """Take in a line in another shape; True when it says when the content was last added to."""
        if not text.strip():
            return False
        state = self.state
        try:
            kind, stamp = decoded_kind(text)
            feed, is_meaningful = _TREATMENTS.get(kind, (None, False))
            if feed is not None:
                feed(state, text)
        except ValueError:
            self._give_up(text)
            return False
        state.lines_understood += 1
        if not is_meaningful or state.is_copying:
            return False
        state.content_lines += 1
        state.content_digest = _chained(state.content_digest, len(text), text, 0, len(text))
        return self._date(stamp)

    def _date(self, stamp: str) -> bool:
        """Date the content; False when the stamp is none."""
        at_ms = instant_ms(stamp)
        if at_ms is not None:
            self.state.content_at_ms = at_ms
        return at_ms is not None

    def _give_up(self, text: bytes) -> None:
        if _is_utf8(text):
            self.state.lines_malformed += 1
        else:
            self.state.lines_not_utf8 += 1


def _chained(digest: bytes, length_bytes: int, lines: bytes, begin: int, end: int) -> bytes:
    """The digest with the line in lines[begin:end] added: its length, its beginning and its end."""
    head = lines[begin : begin + DIGEST_HEAD_BYTES if begin + DIGEST_HEAD_BYTES < end else end]
    tail = lines[end - DIGEST_TAIL_BYTES if end - DIGEST_TAIL_BYTES > begin else begin : end]
    return blake2b(digest + length_bytes.to_bytes(8, "little") + head + tail, digest_size=8).digest()


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
