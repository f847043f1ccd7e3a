"""Rollouts: the JSONL files in which agents record their threads. Finding them, folding them, reading them.

find_rollouts      which files there are
locate_rollout     where the rollout of one thread is
head_thread_id     whose rollout a file is
read_rollout       one file's facts, from where the last reading stopped
read_conversation  one file's events, for extraction
read_thread_names  the names that people gave to threads
rollout_name       what a file's name says by itself
logical_name       the rollout's name, whichever form its file has
plain_reason       why a file could not be read, in words for people

Each is imported when it is first taken from here: a command that only lists threads reads no rollout.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from state.rollouts.conversation import WrongThreadError, read_conversation
    from state.rollouts.filename import RolloutName, logical_name, rollout_name, thread_id_of
    from state.rollouts.find import find_rollouts
    from state.rollouts.fold_state import Redact
    from state.rollouts.locate import HeadError, Located, head_thread_id, locate_rollout
    from state.rollouts.model import (
        Checkpoint,
        Conversation,
        ConversationEvent,
        DynamicTool,
        EventKind,
        FoundRollout,
        RolloutReading,
        ThreadFacts,
        UnreadablePath,
    )
    from state.rollouts.names import GivenName, read_thread_names
    from state.rollouts.read import read_rollout
    from state.rollouts.regular import plain_reason

__all__ = [
    "Checkpoint",
    "Conversation",
    "ConversationEvent",
    "DynamicTool",
    "EventKind",
    "FoundRollout",
    "GivenName",
    "HeadError",
    "Located",
    "Redact",
    "RolloutName",
    "RolloutReading",
    "ThreadFacts",
    "UnreadablePath",
    "WrongThreadError",
    "find_rollouts",
    "head_thread_id",
    "locate_rollout",
    "logical_name",
    "plain_reason",
    "read_conversation",
    "read_rollout",
    "read_thread_names",
    "rollout_name",
    "thread_id_of",
]

_MODULES = {
    "conversation": ("WrongThreadError", "read_conversation"),
    "filename": ("RolloutName", "logical_name", "rollout_name", "thread_id_of"),
    "find": ("find_rollouts",),
    "fold_state": ("Redact",),
    "locate": ("HeadError", "Located", "head_thread_id", "locate_rollout"),
    "model": (
        "Checkpoint",
        "Conversation",
        "ConversationEvent",
        "DynamicTool",
        "EventKind",
        "FoundRollout",
        "RolloutReading",
        "ThreadFacts",
        "UnreadablePath",
    ),
    "names": ("GivenName", "read_thread_names"),
    "read": ("read_rollout",),
    "regular": ("plain_reason",),
}

_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is taken from here for the first time."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value
