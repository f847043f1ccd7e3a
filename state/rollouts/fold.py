"""One pass over the lines of a rollout, in file order: which lines count, which are decoded, which are given up.

A line that extraction would see is *meaningful*: it moves the time of the content and its digest, whatever it says. A
line that a fork has copied from another thread is not, but says what it says about the fork.
A line that feeds a fact is decoded, and `state.rollouts.feeds` says what it changes. No other line is decoded: it is
believed to be what its first bytes say, if it ends as an object does. A line that is not understood costs that line.
"""

import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b

import attrs

from state.rollouts.copies import look_for_end, pass_over
from state.rollouts.envelope import (
    DETAIL_WITHIN_BYTES,
    UNFINISHED_KINDS,
    USUAL_SHAPE,
    WRITTEN_DETAIL_KEYS,
    decoded_kind,
    usual_kind,
    usual_stamp,
    written_kind,
)
from state.rollouts.feeds import FEEDS, Feed
from state.rollouts.fold_state import FoldState
from state.rollouts.postponed import COUNTERS, MESSAGES, TURN_STARTS, Together
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

DIGEST_BYTES = 8
DIGEST_HEAD_BYTES = 128
DIGEST_TAIL_BYTES = 64
"""How much of a meaningful line enters the chained digest, beside its length. Hashing every byte was measured to
halve the speed of a backfill; rollouts are appended to, and a rewrite changes lengths, stamps or ids."""


_CLOSING_BRACE = ord("}")
_NO_KEY = b"\n"
"""Is found in no line."""


@attrs.frozen(kw_only=True, eq=False)
class _Treatment:
    """What is done with the lines of one kind.

    Attributes:
      feed: takes in what it says about its thread; None: nothing.
      together: takes in many at once, when they can wait.
      waits_for_title, waits_for_no_copy: what must be so before they can.
      is_identity: changes what other lines mean, so that none may wait for it.
      details: the kind, as written, is only the beginning of these, and the rest stands behind `key`.
    """

    feed: Feed | None = None
    is_meaningful: bool = False
    together: Together | None = None
    waits_for_title: bool = False
    waits_for_no_copy: bool = False
    is_identity: bool = False
    key: bytes = _NO_KEY
    details: "Mapping[bytes, _Treatment] | None" = None


def _treatment(kind: bytes) -> _Treatment:
    return _Treatment(
        feed=FEEDS.get(kind),
        is_meaningful=kind in MEANINGFUL,
        together=COUNTERS.get(kind) or TURN_STARTS.get(kind) or MESSAGES.get(kind),
        waits_for_title=kind in MESSAGES,
        waits_for_no_copy=kind in TURN_STARTS,
        is_identity=kind == b"session_meta",
    )


_TREATMENTS = {kind: _treatment(kind) for kind in MEANINGFUL | FEEDS.keys()}
_NO_TREATMENT = _Treatment()
_WRITTEN_TREATMENTS = {written_kind(kind): treatment for kind, treatment in _TREATMENTS.items()} | {
    kind: _Treatment(
        key=WRITTEN_DETAIL_KEYS.get(kind, _NO_KEY),
        details={
            written_kind(other).removeprefix(kind + b"/"): treatment
            for other, treatment in _TREATMENTS.items()
            if written_kind(other).startswith(kind + b"/")
        },
    )
    for kind in UNFINISHED_KINDS
}


class Fold:
    """One pass over a rollout's lines; `state` is what they said so far."""

    def __init__(self, state: FoldState) -> None:
        self.state = state
        # What was passed in the lines at hand and is still to be done: where meaningful lines begin and end, in turn,
        # and the same for lines that are decoded together.
        self._meaningful: list[int] = []
        self._postponed: dict[Together, list[int]] = {}

    def take(self, lines: bytes) -> None:
        """Take in whole lines, each with its line feed. Never fails: a line that is not understood is counted."""
        # A backfill spends its time in this loop, so it makes no call and no object that a usual line does not need:
        # it is `usual_kind` and `_take_unusual` written out. What can wait is noted, and done for many lines at once.
        state, meaningful, postponed = self.state, self._meaningful, self._postponed
        find, treatment_of, size, end = lines.find, _WRITTEN_TREATMENTS.get, len(lines), -1
        understood, may_begin_copy, has_title = 0, self._may_begin_copy(), self._has_title()
        while (begin := end + 1) < size:
            if state.is_copying:
                self._settle(lines)
                end = self._take_copied(lines, begin) - 1
                may_begin_copy, has_title = self._may_begin_copy(), self._has_title()
                continue
            end = find(b"\n", begin)
            if end == begin:
                continue
            shape = USUAL_SHAPE(lines, begin, end)
            treatment: _Treatment | None = None
            if shape is not None and lines[end - 1] == _CLOSING_BRACE:
                treatment = treatment_of(shape[1])
                if treatment is None:
                    understood += 1  # most lines
                    continue
                if treatment.details is not None:
                    key, details, after = treatment.key, treatment.details, shape.end()
                    treatment = None
                    found = find(key, after, min(after + DETAIL_WITHIN_BYTES, end))
                    if found >= 0:
                        found += len(key)
                        treatment = details.get(lines[found : find(b'"', found, end)])
                        if treatment is None:
                            understood += 1
                            continue
            if treatment is None:
                self._settle(lines)
                self._take_unusual(lines[begin:end])
                may_begin_copy, has_title = self._may_begin_copy(), self._has_title()
                continue
            feed = treatment.feed
            if feed is not None:
                together = treatment.together
                if together is not None and (
                    has_title if treatment.waits_for_title else not (treatment.waits_for_no_copy and may_begin_copy)
                ):
                    if together in postponed:
                        postponed[together] += (begin, end)
                    else:
                        postponed[together] = [begin, end]
                else:
                    if may_begin_copy or treatment.is_identity:
                        self._settle(lines)
                    try:
                        feed(state, lines[begin:end])
                    except ValueError:
                        self._give_up(lines[begin:end])
                        continue
                    if may_begin_copy or treatment.is_identity:
                        may_begin_copy = self._may_begin_copy()
                    has_title = has_title or self._has_title()
            if treatment.is_meaningful:
                meaningful += (begin, end)
            understood += 1
        state.lines_understood += understood
        self._settle(lines)

    def _may_begin_copy(self) -> bool:
        state = self.state
        return bool(state.forked_from_id) and not (state.is_copying or state.is_own or state.has_base)

    def _has_title(self) -> bool:
        return bool(self.state.first_user_message and self.state.whole_title)

    def _settle(self, lines: bytes) -> None:
        """Do what was noted. Whether lines that were decoded together are understood is known only now."""
        state = self.state
        meaningful = self._meaningful
        if self._postponed:
            for together, places in self._postponed.items():
                begins, ends = places[::2], places[1::2]
                texts = [lines[begin : end + 1] for begin, end in zip(begins, ends, strict=True)]
                for index in together.take(state, texts):
                    self._give_up(texts[index][:-1])
                    state.lines_understood -= 1
                    if begins[index] in meaningful:
                        at = meaningful.index(begins[index])
                        del meaningful[at : at + 2]
            self._postponed.clear()
        if meaningful:
            begins = meaningful[::2]
            state.content_digest = _chained_all(state.content_digest, lines, begins, meaningful[1::2])
            state.content_lines += len(begins)
            for begin in reversed(begins):  # only the last stamp counts
                if self._date(usual_stamp(lines, begin)):
                    break
            meaningful.clear()

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

    def _take_unusual(self, text: bytes) -> None:
        """Take in a line in another shape."""
        if not text.strip():
            return
        state = self.state
        try:
            kind, stamp = decoded_kind(text)
            treatment = _TREATMENTS.get(kind, _NO_TREATMENT)
            if treatment.feed is not None:
                treatment.feed(state, text)
        except ValueError:
            self._give_up(text)
            return
        state.lines_understood += 1
        if treatment.is_meaningful and not state.is_copying:
            state.content_lines += 1
            state.content_digest = _chained(state.content_digest, len(text), text, 0, len(text))
            self._date(stamp)

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
    if end - begin >= DIGEST_HEAD_BYTES:
        head, tail = lines[begin : begin + DIGEST_HEAD_BYTES], lines[end - DIGEST_TAIL_BYTES : end]
    else:
        head, tail = lines[begin:end], lines[max(end - DIGEST_TAIL_BYTES, begin) : end]
    return blake2b(digest + length_bytes.to_bytes(8, "little") + head + tail, digest_size=DIGEST_BYTES).digest()


_empty = blake2b(digest_size=DIGEST_BYTES)
_packed = struct.Struct(f"<{DIGEST_BYTES}sq{DIGEST_HEAD_BYTES}s{DIGEST_TAIL_BYTES}s").pack


def _chained_all(digest: bytes, lines: bytes, begins: Sequence[int], ends: Sequence[int]) -> bytes:
    """The digest with all of these lines added: as `_chained`, at two thirds of its cost."""
    for begin, end in zip(begins, ends, strict=True):
        if digest and end - begin >= DIGEST_HEAD_BYTES:
            hashed = _empty.copy()
            hashed.update(
                _packed(
                    digest, end - begin, lines[begin : begin + DIGEST_HEAD_BYTES], lines[end - DIGEST_TAIL_BYTES : end]
                )
            )
            digest = hashed.digest()
        else:
            digest = _chained(digest, end - begin, lines, begin, end)
    return digest


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
