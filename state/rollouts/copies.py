"""Which lines of a fork are a copy of the thread that it was forked from.

A fork in the legacy format, and a sub-agent that is given its parent's context, begin with the parent's lines, written
again in one go with new stamps, behind the parent's session_meta. They give the fork its title and its settings, but
they are not the fork's content: the parent's memory is made of them already. A paginated fork, which names its base,
copies nothing.

The copy begins with the session_meta of another thread, unless this thread has content of its own before. `codex
migrate-rollouts` takes that line away, and gives the copied items the fork's id: then it begins, in a thread that says
what it was forked from, with a first turn that is older than the thread. It ends with the first line that only the fork
can have written:

1. a line that names this thread: its settings, or a patch of its session_meta;
2. the beginning of a turn that is younger than the thread, by the times in their UUIDs of version 7. Where turns have
   such ids, an older one is a copied one, and nothing else is asked;
3. where a turn has none: a line that begins one and comes a while after the line before it. A copy is written without a
   pause, and a person, or a model, takes longer. Where the copied turns had ids this has to be a long while. In doubt
   this ends the copy too early, and not too late: what is taken in twice is seen, what the person said only here would
   be lost.
"""

import msgspec

from state.decoders import json_decoder
from state.rollouts.envelope import decode_line
from state.rollouts.filename import birth_ms, thread_id_of
from state.rollouts.fold_state import FoldState
from state.rollouts.stamps import instant_ms

PAUSE_MS = 15
"""Between two lines of a copy at most some milliseconds were seen, between a copy and the first own turn 8 to 20 where
a program went on at once (and its turns have ids), and seconds where a person did."""

LONG_PAUSE_MS = 1_000
"""On a busy machine a copy of 100 MB was seen to pause for 679 ms."""

_DATED = frozenset((b"event_msg/task_started", b"event_msg/turn_started", b"turn_context"))
TURN_BEGINNINGS = _DATED | {b"event_msg/user_message", b"response_item/message/user"}


class _Names(msgspec.Struct):
    id: object = None
    turn_id: object = None
    thread_id: object = None


class _Line(msgspec.Struct):
    payload: _Names


_decode = json_decoder(_Line).decode

_NAMING = _DATED | {b"session_meta", b"event_msg/thread_settings_applied"}


def begin_copy(state: FoldState) -> None:
    """Take note that a session_meta of another thread was met."""
    if not (state.content_lines or state.is_own or state.has_base):
        state.is_copying = True


def begin_copy_at_turn(state: FoldState, turn_id: object) -> None:
    """Take note of a turn that was met outside of a copy. The first one of a fork tells whether there is a copy."""
    if not state.forked_from_id or state.is_copying or state.is_own or state.has_base:
        return
    is_own = _is_own_turn(state, turn_id)
    if is_own is False:
        state.is_copying = state.has_dated_turns = True
        # What stands before a copied turn is its context, and as little this thread's.
        state.content_at_ms = None
        state.content_lines = 0
        state.content_digest = b""
    elif is_own:
        state.is_own = True


def look_for_end(state: FoldState, kind: bytes, stamp: str, text: bytes) -> None:
    """Look at the next line of a copy; when it is the thread's own, `state` is no longer copying."""
    if _is_own(state, kind, text, instant_ms(stamp)):
        state.is_copying = False
        state.is_own = True


def _is_own(state: FoldState, kind: bytes, text: bytes, at_ms: int | None) -> bool:
    before_ms = state.copied_at_ms
    if at_ms is not None:
        state.copied_at_ms = at_ms
    if kind in _NAMING:
        try:
            names = decode_line(_decode, text).payload
        except ValueError:
            return False
        if kind == b"session_meta":
            return isinstance(names.id, str) and thread_id_of(names.id) == state.thread_id
        if names.thread_id == state.thread_id:
            return True
        is_own = _is_own_turn(state, names.turn_id)
        if is_own is not None:
            state.has_dated_turns = True
            return is_own
    if kind not in TURN_BEGINNINGS or at_ms is None or before_ms is None:
        return False
    return at_ms - before_ms >= (LONG_PAUSE_MS if state.has_dated_turns else PAUSE_MS)


def pass_over(state: FoldState, stamp: str) -> None:
    """Take note of a copied line that is too long to be looked at: what comes after it does not come after a pause."""
    at_ms = instant_ms(stamp)
    if at_ms is not None:
        state.copied_at_ms = at_ms


def _is_own_turn(state: FoldState, turn_id: object) -> bool | None:
    """Whether a turn began in this thread; None when the ids do not tell."""
    turn_ms = birth_ms(turn_id) if isinstance(turn_id, str) else None
    thread_ms = birth_ms(state.thread_id)
    return None if turn_ms is None or thread_ms is None else turn_ms >= thread_ms
