"""Lines that say something about their thread, but can wait: they are decoded together at the end of a block.

Of a counter only the last one counts, and of a person's later messages nothing does; but each line must still be
understood, or it is counted as one that is not. Decoding many lines in one call costs a third of decoding them one by
one. What is postponed depends on no other line, and no other line on it; who postpones makes sure of that.

Lines are cut before they are decoded here, and each begins with `{` and ends with `}`. So one that is no JSON value
fails the call, or makes more values than lines (two in one line); a value over two lines cannot be, since nothing in
JSON has `{` right after `}`. In either case the lines are taken one by one, and only that decides.
"""

from collections.abc import Callable, Sequence
from typing import Any

from state.decoders import json_decoder
from state.rollouts.feeds import FEEDS, Feed
from state.rollouts.fold_state import FoldState
from state.rollouts.payloads import MessageItemLine, TokenCountLine, TurnStartedLine, UserMessageLine
from state.rollouts.stamps import instant_ms


class Together:
    """How the lines of one kind are taken in together, and how one by one."""

    def __init__(self, shape: type[Any], feed: Feed, take_all: Callable[[FoldState, Sequence[Any]], None]) -> None:
        self._decode_all = json_decoder(shape).decode_lines
        self._feed = feed
        self._take_all = take_all

    def take(self, state: FoldState, texts: Sequence[bytes]) -> list[int]:
        """Take lines in, each with its line feed, in their order; answer which are not understood, by their index."""
        try:
            lines = self._decode_all(b"".join(texts))
        except (ValueError, RecursionError):
            lines = []
        if len(lines) == len(texts):
            self._take_all(state, lines)
            return []
        refused = []
        for index, text in enumerate(texts):
            try:
                self._feed(state, text[:-1])
            except ValueError:
                refused.append(index)
        return refused


def _take_token_counts(state: FoldState, lines: Sequence[TokenCountLine]) -> None:
    for line in reversed(lines):
        if line.payload.info is not None:
            state.tokens_used = max(0, line.payload.info.total_token_usage.total_tokens)
            return


def _take_turn_starts(state: FoldState, lines: Sequence[TurnStartedLine]) -> None:
    for line in reversed(lines):
        started_at_ms = instant_ms(line.timestamp)
        if started_at_ms is not None:
            state.turn_started_at_ms = started_at_ms
            return


def _take_nothing(_state: FoldState, _lines: Sequence[object]) -> None:
    pass


def _together(
    kind: bytes, shape: type[Any], take_all: Callable[[FoldState, Sequence[Any]], None]
) -> tuple[bytes, Together]:
    return kind, Together(shape, FEEDS[kind], take_all)


COUNTERS = dict([_together(b"event_msg/token_count", TokenCountLine, _take_token_counts)])
"""Kinds that can always wait."""

TURN_STARTS = dict(
    _together(kind, TurnStartedLine, _take_turn_starts)
    for kind in (b"event_msg/task_started", b"event_msg/turn_started")
)
"""Kinds that can wait while no turn can begin a copy."""

MESSAGES = dict(
    [
        _together(b"event_msg/user_message", UserMessageLine, _take_nothing),
        _together(b"event_msg/item_completed/UserMessage", MessageItemLine, _take_nothing),
    ]
)
"""Kinds that can wait once the thread has its first message and its title."""
